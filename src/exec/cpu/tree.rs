//! Chunks of tasks combined two by two, in a tree of fixed shape: whoever brings the second of two adds both, so most
//! additions are a worker's own, and no bit depends on who that was.
//!
//! ```text
//!   0 ─┬─┬─┬─ all        five chunks: 1 joins 0, 3 joins 2, 2 joins 0, 4 joins 0
//!   1 ─┘ │ │
//!   2 ─┬─┘ │
//!   3 ─┘   │
//!   4 ─────┘
//! ```

use super::code::stretch;
use std::sync::atomic::{AtomicBool, Ordering};

/// At most this many chunks of tasks, each with its own sums: enough to share evenly, few enough to
/// combine quickly (8 to 16 measured equal).
pub const CHUNKS: usize = 16;

pub struct Tree {
    /// Whether one of the two that meet at a chunk, the right one of them, has been brought.
    half: Vec<AtomicBool>,
}

/// Two chunks with all that has joined them: the right one joins the left one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Join {
    pub left: usize,
    pub right: usize,
    /// Nothing is left to join.
    pub last: bool,
}

impl Tree {
    pub fn new(chunks: usize) -> Self {
        Self { half: (0..chunks).map(|_| AtomicBool::new(false)).collect() }
    }

    pub fn chunks(&self) -> usize {
        self.half.len()
    }

    /// Chunk `chunk` is done: calls `join` for every pair that is complete by it. Any thread may bring any chunk, each once
    /// a round; what was done before one is brought is seen by whoever joins it.
    pub fn bring(&self, mut chunk: usize, mut join: impl FnMut(Join)) {
        let mut apart = 1;
        while apart < self.chunks() {
            let left = chunk - chunk % (2 * apart);
            let pair = Join { left, right: left + apart, last: 2 * apart >= self.chunks() };
            // One without a partner goes up alone.
            if pair.right < self.chunks() {
                let half = &self.half[pair.right];
                if !half.swap(true, Ordering::AcqRel) {
                    return;
                }
                half.store(false, Ordering::Relaxed); // for the next round
                join(pair);
            }
            (chunk, apart) = (left, 2 * apart);
        }
    }
}

/// The tasks of a chunk: each half of the chunks has half of the tasks, longer chunks first, so that two workers have as
/// much to do and the last pieces are small.
pub fn tasks_of(chunk: usize, chunks: usize, tasks: usize) -> (usize, usize) {
    if chunks == tasks {
        return (chunk, chunk + 1);
    }
    let (half, of) = (chunk / (CHUNKS / 2), CHUNKS / 2);
    let (start, end) = stretch(tasks, half, 2);
    let (from, to) = stretch(end - start, chunk % of, of);
    (start + from, start + to)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the first chunk holds in the end, as words, when chunks are brought in this order.
    fn joined(chunks: usize, order: &[usize]) -> String {
        let tree = Tree::new(chunks);
        let mut held = vec![];
        for round in 0..2 {
            let mut ends = 0;
            held = (0..chunks).map(|chunk| chunk.to_string()).collect();
            let mut join = |Join { left, right, last }| {
                held[left] = format!("({}+{})", held[left], held[right]);
                ends += usize::from(last);
            };
            order.iter().for_each(|&chunk| tree.bring(chunk, &mut join));
            assert_eq!(ends, usize::from(chunks > 1), "round {round} of {chunks}");
        }
        held.swap_remove(0)
    }

    #[test]
    fn the_shape_depends_on_no_order() {
        assert_eq!(joined(5, &[0, 1, 2, 3, 4]), "(((0+1)+(2+3))+4)");
        for chunks in 1..=16 {
            let up: Vec<usize> = (0..chunks).collect();
            let down: Vec<usize> = up.iter().rev().copied().collect();
            // 17 has no common factor with any of these counts.
            let mixed: Vec<usize> = up.iter().map(|chunk| chunk * 17 % chunks).collect();
            for order in [&down, &mixed] {
                assert_eq!(joined(chunks, order), joined(chunks, &up), "{chunks} chunks");
            }
        }
    }

    #[test]
    fn chunks_hold_every_task_once_and_halves_as_many() {
        for tasks in 2..70 {
            let chunks = CHUNKS.min(tasks);
            let all: Vec<(usize, usize)> =
                (0..chunks).map(|c| tasks_of(c, chunks, tasks)).collect();
            assert_eq!((all[0].0, all[chunks - 1].1), (0, tasks));
            assert!(all.windows(2).all(|pair| pair[0].1 == pair[1].0), "{tasks}: {all:?}");
            assert!(chunks < CHUNKS || all[CHUNKS / 2].0 == tasks.div_ceil(2), "{tasks}: {all:?}");
        }
    }
}
