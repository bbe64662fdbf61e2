//! A sweep as `cpu` runs it: the program applied to one small block of the space after the other.
//!
//! The space's last two axes are *rows* and *lanes*; a block is as many rows as make about a thousand
//! floats, so that registers (one block each) stay in the first cache. Operands are read where they
//! stand: a map, a vector of lanes, one value a row, a number. Sums add into their place block by
//! block. Whatever has another stride in its lanes is gathered into a register first. Where a pool's tiles
//! or a thin convolution ride, rows are the pixels of one image row, and a block starts at an even one
//! (`tiles.rs`, `thin.rs`).
//!
//! Here a plan's sweep becomes code; `assemble.rs` makes its steps, `visit.rs` runs them.

use super::assemble::Assembler;
use super::block::{Form, Going};
use super::isa::Isa;
use super::table::{At, Table};
use super::thin::Lens;
use crate::op::ConvGeometry;
use crate::plan::kernel::{self, Arg, Sweep, View};

/// Floats of one register: 4 KiB, so that a handful stays in the first cache (512 was slower with
/// pooling, 2,048 equal).
pub const BLOCK: usize = 1024;

/// What a step reads: its place in [`SweepCode`], and how that goes over a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reads {
    pub(super) place: usize,
    pub(super) going: Going,
}

/// What is done to a block. Registers are named by their places.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A load whose lanes are not neighbours, brought into a register.
    Gather {
        load: usize,
        register: usize,
    },
    Run(Call),
    /// A register spread over a sink whose lanes are not neighbours.
    Scatter {
        register: usize,
        sink: usize,
    },
    /// A pool's elements put back into a row of zeros. `at` counts in `SweepCode::pooled`.
    Put {
        at: usize,
        register: usize,
    },
    /// A stretch of a thin convolution's map.
    Thin {
        at: usize,
        register: usize,
    },
    /// What a stretch adds to the gradient by a thin window.
    WindowSum {
        map: Reads,
        at: usize,
    },
    /// The largest elements of the tiles so far, kept where `at` says or in a row of registers.
    Largest {
        map: Reads,
        at: usize,
        kept: Option<usize>,
    },
    /// What the index names.
    Take {
        map: Reads,
        at: usize,
    },
    /// Σ a·b over rows, lanes or both, added to the sink.
    Sum {
        a: Reads,
        b: Reads,
        sink: usize,
    },
}

/// An instruction, its operands and its result by their places.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) form: Form,
    pub(super) args: [usize; 3],
    pub(super) to: usize,
}

/// A view split into its steps over outer axes, rows and lanes.
#[derive(Clone, Debug)]
pub(super) struct Strided {
    pub(super) at: At,
    pub(super) outer: Vec<isize>,
    pub(super) row: isize,
    pub(super) lane: isize,
}

#[derive(Clone, Debug)]
pub(super) struct SinkCode {
    pub(super) view: Strided,
    /// Set where it is a sum: whether rows and lanes are summed (outer axes follow from strides).
    pub(super) sum: Option<[bool; 2]>,
    /// Whether the first axis of the whole space is summed: then chunks need partial sums.
    pub(super) sums_first: bool,
    /// Elements of the result, as sizes and steps, to set them to zero.
    pub(super) zero: Vec<(usize, isize)>,
}

/// Pictures [images, size[0], size[1]], and how far outside of them the first place's first tap lies.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) picture: At,
    /// The window, or the gradient by it: [9, channels].
    pub(super) window: At,
    pub(super) lens: Lens,
}

/// A sweep made ready. What its steps read and write are *places*, counted through: the loads, the sinks, the numbers,
/// the registers.
#[derive(Clone, Debug)]
pub struct SweepCode {
    pub(super) outer: Vec<usize>,
    pub(super) rows: usize,
    pub(super) lanes: usize,
    pub(super) loads: Vec<Strided>,
    pub(super) sinks: Vec<SinkCode>,
    pub(super) numbers: Vec<f32>,
    /// Indices of a pool, each with what is read or written by it: the puts, then each pick's taken.
    pub(super) pooled: Vec<(At, Option<At>)>,
    /// Pictures under a thin window, each with the window or the sum; the thin convolutions, then the window sums.
    pub(super) seen: Vec<Seen>,
    /// How many of them are thin convolutions.
    pub(super) thins: usize,
    pub(super) steps: Vec<Step>,
    pub registers: usize,
    pub(super) block_rows: usize,
    /// Lanes of a block, and numbers from one row of a register to the next.
    pub(super) block_lanes: usize,
}

impl SweepCode {
    pub fn new(isa: Isa, sweep: &Sweep, table: &Table) -> Self {
        let n = sweep.space.len();
        let (outer, rows, lanes) = match n {
            1 => (vec![], 1, sweep.space[0]),
            _ => (sweep.space[..n - 2].to_vec(), sweep.space[n - 2], sweep.space[n - 1]),
        };
        let strided = |view: &crate::plan::View| {
            let (outer, row) = match n {
                1 => (vec![], 0),
                _ => (view.strides[..n - 2].to_vec(), view.strides[n - 2]),
            };
            Strided { at: table.at(view), outer, row, lane: view.strides[n - 1] }
        };
        let loads: Vec<Strided> = sweep.loads.iter().map(strided).collect();
        let sinks: Vec<SinkCode> = sweep
            .sinks
            .iter()
            .map(|sink| SinkCode {
                view: strided(&sink.to),
                sum: (sink.sum.0 != 0).then(|| [n > 1 && sink.sum.has(n - 2), sink.sum.has(n - 1)]),
                sums_first: sink.sum.has(0),
                zero: (0..n)
                    .filter(|&k| !sink.sum.has(k))
                    .map(|k| (sweep.space[k], sink.to.strides[k]))
                    .collect(),
            })
            .collect();
        let tiles = sweep.knows_pixels();
        let block_lanes = lanes.min(if tiles { BLOCK / 2 } else { BLOCK });
        let mut block_rows = (BLOCK / block_lanes).clamp(1, rows);
        if tiles && block_rows < rows {
            // Equal stretches that begin with a tile.
            let stretches = rows.div_ceil(block_rows & !1);
            block_rows = rows.div_ceil(stretches).next_multiple_of(2);
        }
        let pooled_row = (rows / 2 * lanes).div_ceil(BLOCK);
        // A map may stand where a load stood that is read here for the last time (`plan/memory.rs`).
        let start = |view: &Strided| table.base(view.at.buffer).wrapping_add(view.at.offset);
        let over = |sink: &SinkCode| loads.iter().position(|load| start(load) == start(&sink.view));
        let over: Vec<Option<usize>> = sinks.iter().map(over).collect();
        let numbers = numbers(sweep);
        // Blocks of several rows that are cut along the lanes: nothing is one long row.
        let flat_lanes = if lanes > block_lanes && block_rows > 1 { 0 } else { block_lanes };
        let frame = Frame {
            isa,
            loads: &loads,
            sinks: &sinks,
            numbers: &numbers,
            tall: block_rows > 1,
            block_lanes,
            flat_lanes,
        };
        let (steps, registers) = Assembler::assemble(sweep, frame, &over, pooled_row);
        let mut pooled = vec![];
        for put in &sweep.puts {
            pooled.push((table.at(&put.index), Some(table.at(&put.data))));
        }
        for pick in &sweep.picks {
            let index = table.at(&pick.index);
            pooled.extend(pick.taken.iter().map(|(_, to)| (index, Some(table.at(to)))));
            if pick.taken.is_empty() {
                pooled.push((index, None));
            }
        }
        let seen = |seen: &kernel::Seen, window: &View| {
            let (picture, window) = (table.at(&seen.picture), table.at(window));
            let ConvGeometry { image: size, pad, stride, .. } = seen.geometry;
            Seen { picture, window, lens: Lens { size, before: [pad[0], pad[2]], stride } }
        };
        let thins = sweep.thins.iter().map(|thin| seen(&thin.seen, &thin.window));
        let sums = sweep.window_sums.iter().map(|sum| seen(&sum.seen, &sum.to));
        let (seen, thins) = (thins.chain(sums).collect(), sweep.thins.len());
        Self {
            outer,
            rows,
            lanes,
            loads,
            sinks,
            numbers,
            pooled,
            seen,
            thins,
            steps,
            registers,
            block_rows,
            block_lanes,
        }
    }

    /// Sizes of the axis that chunks are cut along: the first of the space.
    pub fn first_axis(&self) -> usize {
        match (self.outer.first(), self.rows) {
            (Some(&size), _) => size,
            (None, 1) => self.lanes,
            (None, rows) => rows,
        }
    }

    /// Sinks that need a partial result for each chunk: sums over the first axis, with their sizes. Window sums are
    /// counted behind the others.
    pub fn partials(&self) -> impl Iterator<Item = (usize, usize)> {
        let sums = self.sinks.iter().enumerate().filter(|(_, sink)| sink.sums_first);
        let sums =
            sums.map(|(i, sink)| (i, sink.zero.iter().map(|&(size, _)| size).product::<usize>()));
        let windows = self.sinks.len()..self.sinks.len() + self.seen.len() - self.thins;
        sums.chain(windows.map(|i| (i, 9 * self.lanes)))
    }

    /// Where sink `i` stands for `task`.
    ///
    /// # Safety
    /// `table` is the one the code was made with.
    pub unsafe fn sink_pointer(&self, i: usize, table: &Table, task: usize) -> *mut f32 {
        let at = match self.sinks.get(i) {
            Some(sink) => &sink.view.at,
            None => &self.seen[self.thins + i - self.sinks.len()].window,
        };
        unsafe { table.pointer(at, task) }
    }

    /// Whether sink `i` is contiguous, so that partial sums of it are flat.
    pub fn is_flat(&self, i: usize) -> bool {
        let Some(sink) = self.sinks.get(i) else { return true };
        let mut want = 1;
        sink.zero.iter().rev().all(|&(size, step)| {
            let fits = size == 1 || step == want;
            want *= size as isize;
            fits
        })
    }
}

/// All numbers that a sweep's instructions may read, 0 and 1 first.
fn numbers(sweep: &Sweep) -> Vec<f32> {
    let mut numbers = vec![0.0, 1.0];
    let args = sweep.program.iter().flat_map(|instruction| instruction.args.iter().copied());
    let kept = sweep.sinks.iter().map(|sink| sink.value);
    let picked = sweep.picks.iter().flat_map(|pick| {
        pick.largest.into_iter().chain(pick.taken.iter().map(|&(value, _)| value))
    });
    let seen = sweep.window_sums.iter().map(|sum| sum.value);
    for arg in args.chain(kept).chain(picked).chain(seen) {
        if let Arg::Number(number) = arg
            && !numbers.iter().any(|known: &f32| known.to_bits() == (number as f32).to_bits())
        {
            numbers.push(number as f32);
        }
    }
    numbers
}

/// What the steps of a sweep stand in: where everything is, and how it goes over a block.
#[derive(Clone, Copy)]
pub(super) struct Frame<'s> {
    pub(super) isa: Isa,
    pub(super) loads: &'s [Strided],
    pub(super) sinks: &'s [SinkCode],
    pub(super) numbers: &'s [f32],
    /// Whether blocks have several rows.
    pub(super) tall: bool,
    pub(super) block_lanes: usize,
    /// Lanes at which an operand without gaps is one long row; 0: never.
    pub(super) flat_lanes: usize,
}

impl Frame<'_> {
    pub(super) fn load(&self, k: usize) -> Reads {
        let Strided { row, lane, .. } = self.loads[k];
        let going = match (row, lane) {
            (row, 0) if self.tall => (row as usize, false),
            (_, 0) => (0, false),
            (row, _) if self.tall => (row as usize, true),
            _ => (self.block_lanes, true),
        };
        Reads { place: k, going }
    }

    pub(super) fn sink(&self, k: usize) -> Reads {
        let row = self.sinks[k].view.row as usize;
        let going = (if self.tall { row } else { self.block_lanes }, true);
        Reads { place: self.loads.len() + k, going }
    }

    pub(super) fn number(&self, number: f32) -> Reads {
        let same = |known: &f32| known.to_bits() == number.to_bits();
        let k = self.numbers.iter().position(same).expect("all numbers are known before");
        Reads { place: self.loads.len() + self.sinks.len() + k, going: (0, false) }
    }

    pub(super) fn register(&self, k: usize) -> Reads {
        let place = self.loads.len() + self.sinks.len() + self.numbers.len() + k;
        Reads { place, going: (self.block_lanes, true) }
    }
}
