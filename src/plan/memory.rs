//! Memory: lifetimes decide who may share a place; the peak is known before anything runs.
//!
//! A buffer lives from the kernel that first writes it to the one that last reads it. A map that a sweep
//! writes where it reads another for the last time takes that one's place; such a chain is one *block*.
//! Blocks are placed from the largest to the smallest, each in the tightest gap that is free as long as it
//! lives (in the order of kernels, small ones broke the room for large ones: R2 took 6 MiB of 104 more).
//! Buffers of the shared arena that a per-task segment touches live through all of it, because every
//! task does; buffers of a worker's arena live within it.

use super::kernel::{BufferId, Kernel, Kind, View};
use super::{Buffer, Place, Segment};
use std::cmp::Reverse;
use std::collections::HashSet;

/// 64 bytes: a SIMD register and a cache line. `gpu` needs 256 for bindings; it binds whole arenas.
pub const ALIGN: usize = 16;

/// Sets the place of every buffer that `own` does not name. Returns the lengths of the shared arena
/// and of one worker's. `worker` tells which buffers hold one task at a time.
pub fn assign(
    buffers: &mut [Buffer],
    kernels: &[Kernel],
    segments: &[Segment],
    own: &[bool],
    worker: &[bool],
) -> (usize, usize) {
    let life = lifetimes(buffers.len(), kernels, segments, worker);
    let mut by_start: Vec<BufferId> =
        (0..buffers.len()).filter(|&b| !own[b] && life[b].is_some()).collect();
    by_start.sort_by_key(|&b| (life[b].expect("filtered").0, b));

    // Read once more when all kernels are done, or handed on already.
    let mut kept: HashSet<BufferId> =
        segments.iter().flat_map(|s| s.task_sums.iter().flat_map(|sum| sum.from.clone())).collect();
    let mut blocks: Vec<Block> = vec![];
    let mut block_of: Vec<Option<usize>> = vec![None; buffers.len()];
    for b in by_start {
        let (start, end) = life[b].expect("filtered");
        let may_follow = |a: BufferId| {
            let alike = worker[a] == worker[b] && buffers[a].words(1) == buffers[b].words(1);
            let ends_here = life[a].is_some_and(|(from, to)| from < start && to == start);
            alike && ends_here && buffers[a].tasks == buffers[b].tasks && !own[a]
        };
        let before = read_in_place(&kernels[start], b)
            .into_iter()
            .find(|&a| may_follow(a) && !kept.contains(&a));
        if let Some(a) = before {
            kept.insert(a);
            let block = block_of[a].expect("what began before has a block");
            blocks[block].end = end;
            block_of[b] = Some(block);
            continue;
        }
        let words = buffers[b].words(if worker[b] { 1 } else { buffers[b].tasks });
        block_of[b] = Some(blocks.len());
        let len = words.next_multiple_of(ALIGN);
        blocks.push(Block { worker: worker[b], len, start, end, offset: 0 });
    }
    let lens = [false, true].map(|worker| place(&mut blocks, worker));
    for (buffer, block) in buffers.iter_mut().zip(block_of) {
        if let Some(block) = block {
            let Block { worker, offset, .. } = blocks[block];
            buffer.place = if worker { Place::Worker { offset } } else { Place::Shared { offset } };
        }
    }
    (lens[0], lens[1])
}

/// A stretch of an arena from one kernel to another, both included.
#[derive(Clone, Copy)]
struct Block {
    worker: bool,
    len: usize,
    start: usize,
    end: usize,
    offset: usize,
}

/// Places the blocks of the workers' arena, or those of the shared one. Returns its length.
fn place(blocks: &mut [Block], worker: bool) -> usize {
    let mut order: Vec<usize> = (0..blocks.len()).filter(|&i| blocks[i].worker == worker).collect();
    order.sort_by_key(|&i| (Reverse(blocks[i].len), blocks[i].start));
    // Those placed, by offset.
    let mut placed: Vec<Block> = Vec::with_capacity(order.len());
    let mut total = 0;
    for i in order {
        let Block { len, start, end, .. } = blocks[i];
        let (mut free_from, mut best) = (0, None::<(usize, usize)>);
        for other in placed.iter().filter(|other| other.start <= end && start <= other.end) {
            if other.offset >= free_from + len {
                let gap = (other.offset - free_from, free_from);
                best = Some(best.map_or(gap, |best| best.min(gap)));
            }
            free_from = free_from.max(other.offset + other.len);
        }
        let offset = best.map_or(free_from, |(_, offset)| offset);
        blocks[i].offset = offset;
        total = total.max(offset + len);
        let at = placed.partition_point(|other| other.offset <= offset);
        placed.insert(at, blocks[i]);
    }
    total
}

/// What a sweep reads, if only there, exactly where it writes the map `b`: element by element, so that the
/// one may stand in the other's place.
fn read_in_place(kernel: &Kernel, b: BufferId) -> Vec<BufferId> {
    let Kind::Sweep(sweep) = &kernel.kind else { return vec![] };
    let Some(sink) = sweep.sinks.iter().find(|sink| sink.to.buffer == b && sink.sum.0 == 0) else {
        return vec![];
    };
    let reads = kernel.reads();
    let same = |load: &&View| {
        let here = View { buffer: b, ..(*load).clone() } == sink.to;
        here && reads.iter().filter(|other| other.buffer == load.buffer).count() == 1
    };
    sweep.loads.iter().filter(same).map(|load| load.buffer).collect()
}

/// First and last kernel of each buffer that a kernel or a task sum touches.
fn lifetimes(
    n: usize,
    kernels: &[Kernel],
    segments: &[Segment],
    worker: &[bool],
) -> Vec<Option<(usize, usize)>> {
    let mut life: Vec<Option<(usize, usize)>> = vec![None; n];
    let mut touch = |b: BufferId, from: usize, to: usize| {
        let (a, z) = life[b].unwrap_or((from, to));
        life[b] = Some((a.min(from), z.max(to)));
    };
    for segment in segments {
        let (first, last) = (segment.kernels.start, segment.kernels.end.max(1) - 1);
        for k in segment.kernels.clone() {
            for view in kernels[k].reads().into_iter().chain(kernels[k].writes()) {
                let whole = segment.tasks > 1 && !worker[view.buffer];
                let (from, to) = if whole { (first, last) } else { (k, k) };
                touch(view.buffer, from, to);
            }
        }
        for sum in &segment.task_sums {
            sum.from.iter().for_each(|&term| touch(term, last, last));
            touch(sum.to, first, last);
        }
    }
    life
}
