//! Memory: lifetimes decide who may share a place; the peak is known before anything runs.
//!
//! A buffer lives from the kernel that first writes it to the one that last reads it. Places are
//! found in that order, best fit first. Buffers of the shared arena that a per-task segment touches
//! live through all of it, because every task does; buffers of a worker's arena live within it.

use super::kernel::{BufferId, Kernel};
use super::{Buffer, Place, Segment};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// 64 bytes: a SIMD register and a cache line. `gpu` needs 256 for bindings; it binds whole arenas.
const ALIGN: usize = 16;

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

    let (mut shared, mut workers) = (Arena::default(), Arena::default());
    for b in by_start {
        let (start, end) = life[b].expect("filtered");
        let buffer = &mut buffers[b];
        buffer.place = if worker[b] {
            Place::Worker { offset: workers.place(buffer.words(1), start, end) }
        } else {
            Place::Shared { offset: shared.place(buffer.words(buffer.tasks), start, end) }
        };
    }
    (shared.len, workers.len)
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
}

impl Arena {
    fn place(&mut self, len: usize, start: usize, end: usize) -> usize {
        let len = len.next_multiple_of(ALIGN);
        while let Some(&Reverse((last, offset, len))) = self.taken.peek()
            && last < start
        {
            self.taken.pop();
            self.release(offset, len);
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
