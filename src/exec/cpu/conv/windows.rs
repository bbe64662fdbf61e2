//! Which numbers meet in a convolution, worked out once per shape: for every result pixel where its
//! window starts, and for every window the runs of numbers in it.
//!
//! Both the output side and the input side are the same loop over a source with a zero border: the output
//! side reads x with steps of `stride`; the input side reads g, and its result pixels fall into
//! `stride` x `stride` *phases*. A pixel of a phase is reached by the same taps as all pixels of that
//! phase, and neighbours in it read neighbours of g: each phase is a small convolution without a stride.

use super::super::kernels::Run;

/// Longest chain of additions: three chains of 192 instead of one of 576 halve the rounding error.
const CHAIN: usize = 256;

/// One axis of the window pattern.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    /// Size of the image, of the window, of the result.
    pub image: usize,
    pub window: usize,
    pub result: usize,
    pub stride: usize,
    pub dilation: usize,
    /// Zeros before the image.
    pub before: usize,
}

/// Result positions that are reached by the same taps.
#[derive(Clone, Debug)]
pub struct Phase {
    /// (position in the result, where its window starts in the bordered source)
    pub at: Vec<(usize, usize)>,
    /// (index of the tap in the weights, its distance from the window's start), the distances ascending
    pub taps: Vec<(usize, usize)>,
}

/// One axis of a pass: its phases, and the part of the source that they read.
#[derive(Clone, Debug)]
pub struct Reach {
    pub phases: Vec<Phase>,
    /// Source position of the bordered source's first element; negative for a border.
    pub first: isize,
    pub len: usize,
}

impl Axis {
    /// The output side: result position i reads image positions i·stride + k·dilation - before.
    pub fn output(&self) -> Reach {
        Reach {
            phases: vec![Phase {
                at: (0..self.result).map(|i| (i, i * self.stride)).collect(),
                taps: (0..self.window).map(|k| (k, k * self.dilation)).collect(),
            }],
            first: -(self.before as isize),
            len: (self.result - 1) * self.stride + (self.window - 1) * self.dilation + 1,
        }
    }

    /// The input side: image position j is read with tap k by result position (j + before - k·dilation) / stride,
    /// where that is a whole number. With j + before = m·stride + phase, this is m - e, e = (k·dilation - phase) / stride.
    pub fn input(&self) -> Reach {
        let mut found = Vec::new();
        let (mut low, mut high) = (isize::MAX, isize::MIN);
        for phase in 0..self.stride {
            let at: Vec<(usize, isize)> = (0..self.image)
                .filter(|j| (j + self.before) % self.stride == phase)
                .map(|j| (j, ((j + self.before) / self.stride) as isize))
                .collect();
            let mut taps: Vec<(usize, isize)> = (0..self.window)
                .filter(|k| k * self.dilation % self.stride == phase)
                .map(|k| {
                    (k, ((k * self.dilation) as isize - phase as isize) / self.stride as isize)
                })
                .collect();
            taps.reverse(); // the largest e reads the smallest place
            let farthest = taps.first().map_or(0, |t| t.1);
            if let (Some(first), Some(last)) = (at.first(), at.last()) {
                low = low.min(first.1 - farthest);
                high = high.max(last.1 - taps.last().map_or(0, |t| t.1));
                found.push((at, taps, farthest));
            }
        }
        let phases = found.into_iter().map(|(at, taps, farthest)| Phase {
            at: at.into_iter().map(|(j, m)| (j, (m - farthest - low) as usize)).collect(),
            taps: taps.into_iter().map(|(k, e)| (k, (farthest - e) as usize)).collect(),
        });
        Reach { phases: phases.collect(), first: low, len: (high - low + 1) as usize }
    }
}

/// The runs of one window, cut into chains that are summed apart and then added.
#[derive(Clone, Debug)]
pub struct Chains {
    runs: Vec<Run>,
    /// Where each chain ends in `runs`.
    ends: Vec<usize>,
}

impl Chains {
    /// Merges runs that follow each other in both operands, then cuts them into chains. A window that
    /// nothing reaches is one empty chain: it writes zeros.
    pub fn new(taps: impl Iterator<Item = Run>, merge: bool) -> Self {
        let mut whole: Vec<Run> = Vec::new();
        for run in taps {
            match whole.last_mut() {
                Some(last) if merge && last.a + last.len == run.a && last.b + last.len == run.b => {
                    last.len += run.len;
                }
                _ => whole.push(run),
            }
        }
        let mut runs = Vec::new();
        for run in whole {
            let pieces = run.len.div_ceil(CHAIN);
            let piece = run.len.div_ceil(pieces.max(1)).max(1);
            for start in (0..run.len).step_by(piece) {
                let len = piece.min(run.len - start);
                runs.push(Run { a: run.a + start, b: run.b + start, len });
            }
        }
        let (mut ends, mut length) = (Vec::new(), 0);
        for (i, run) in runs.iter().enumerate() {
            if length > 0 && length + run.len > CHAIN {
                ends.push(i);
                length = 0;
            }
            length += run.len;
        }
        ends.push(runs.len());
        Chains { runs, ends }
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn chain(&self, i: usize) -> &[Run] {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.runs[start..self.ends[i]]
    }
}
