//! Memory: lifetimes decide who may share a place; the peak is known before anything runs.
//!
//! A buffer lives from the kernel that first writes it to the one that last reads it. Places are
//! found in that order: a map that a sweep writes where it reads another for the last time takes that
//! one's place, others the best fit. Buffers of the shared arena that a per-task segment touches
//! live through all of it, because every task does; buffers of a worker's arena live within it.

use super::kernel::{BufferId, Kernel, Kind, View};
use super::{Buffer, Place, Segment};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

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
        segments.iter().flat_map(|s| s.task_sums.iter().map(|sum| sum.from)).collect();
    let (mut shared, mut workers) = (Arena::default(), Arena::default());
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
            buffers[b].place = buffers[a].place;
            match buffers[a].place {
                Place::Worker { offset } => workers.hand_on(offset, start, end),
                Place::Shared { offset } => shared.hand_on(offset, start, end),
                Place::Own | Place::Part { .. } => unreachable!("not its own"),
            }
            continue;
        }
        let buffer = &mut buffers[b];
        buffer.place = if worker[b] {
            Place::Worker { offset: workers.place(buffer.words(1), start, end) }
        } else {
            Place::Shared { offset: shared.place(buffer.words(buffer.tasks), start, end) }
        };
    }
    (shared.len, workers.len)
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
            touch(sum.from, last, last);
            touch(sum.to, first, last);
        }
    }
    life
}

/// Free and taken stretches of one arena, in the order of kernels.
#[derive(Default)]
struct Arena {
    len: usize,
    /// (offset, len), sorted by offset.
    free: Vec<(usize, usize)>,
    /// (last kernel, offset, len), the earliest end on top.
    taken: BinaryHeap<Reverse<(usize, usize, usize)>>,
    /// (last kernel, offset) of those whose place another took over.
    handed_on: HashSet<(usize, usize)>,
}

impl Arena {
    fn place(&mut self, len: usize, start: usize, end: usize) -> usize {
        let len = len.next_multiple_of(ALIGN);
        while let Some(&Reverse((last, offset, len))) = self.taken.peek()
            && last < start
        {
            self.taken.pop();
            if !self.handed_on.remove(&(last, offset)) {
                self.release(offset, len);
            }
        }
        let best =
            (0..self.free.len()).filter(|&i| self.free[i].1 >= len).min_by_key(|&i| self.free[i].1);
        let offset = match best {
            Some(i) => {
                let (offset, size) = self.free[i];
                if size == len {
                    self.free.remove(i);
                } else {
                    self.free[i] = (offset + len, size - len);
                }
                offset
            }
            None => {
                // Grow, from the free end if there is one.
                let at_end = self.free.last().filter(|f| f.0 + f.1 == self.len).map(|f| f.0);
                let offset = at_end.unwrap_or(self.len);
                if at_end.is_some() {
                    self.free.pop();
                }
                self.len = offset + len;
                offset
            }
        };
        self.taken.push(Reverse((end, offset, len)));
        offset
    }

    /// What stands at `offset` until kernel `start` is followed there by another, which lives to `end`.
    fn hand_on(&mut self, offset: usize, start: usize, end: usize) {
        let same = |&&Reverse((last, at, _)): &&Reverse<(usize, usize, usize)>| {
            (last, at) == (start, offset)
        };
        let &Reverse((_, _, len)) = self.taken.iter().find(same).expect("it stands there");
        if end > start {
            self.handed_on.insert((start, offset));
            self.taken.push(Reverse((end, offset, len)));
        }
    }

    fn release(&mut self, offset: usize, len: usize) {
        let i = self.free.partition_point(|f| f.0 < offset);
        self.free.insert(i, (offset, len));
        if i + 1 < self.free.len() && offset + len == self.free[i + 1].0 {
            self.free[i].1 += self.free.remove(i + 1).1;
        }
        if i > 0 && self.free[i - 1].0 + self.free[i - 1].1 == offset {
            self.free[i - 1].1 += self.free.remove(i).1;
        }
    }
}
