//! A sweep as `cpu` runs it: the program applied to one small block of the space after the other.
//!
//! The space's last two axes are *rows* and *lanes*; a block is as many rows as make about a thousand
//! floats, so that registers (one block each) stay in the first cache. Operands are read where they
//! stand: a map, a vector of lanes, one value a row, a number. Sums add into their place block by
//! block. Whatever has another stride in its lanes is gathered into a register first. Where a pool's tiles
//! or a thin convolution ride, rows are the pixels of one image row, and a block starts at an even one
//! (`tiles.rs`, `thin.rs`).

use super::assemble::Assembler;
use super::block::{self, Arg as BlockArg, BlockOp};
use super::copy;
use super::isa::Isa;
use super::sums;
use super::table::{At, Table};
use super::thin::{self, Glimpse};
use super::tiles::{self, Stretch};
use crate::plan::kernel::{self, Sweep, View};

/// Floats of one register: 4 KiB, so that a handful stays in the first cache (512 was slower with
/// pooling, 2,048 equal).
pub const BLOCK: usize = 1024;

/// Where an instruction finds an operand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operand {
    Load(usize),
    Register(usize),
    /// What this sweep has just stored.
    Sink(usize),
    Number(f32),
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A load whose lanes are not neighbours, brought into a register.
    Gather {
        load: usize,
        register: usize,
    },
    Run {
        op: BlockOp,
        args: [Operand; 3],
        to: Operand,
    },
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
        map: Operand,
        at: usize,
    },
    /// The largest elements of the tiles so far, kept where `at` says or in a row of registers.
    Largest {
        map: Operand,
        at: usize,
        kept: Option<usize>,
    },
    /// What the index names.
    Take {
        map: Operand,
        at: usize,
    },
    /// Σ a·b over rows, lanes or both, added to the sink.
    Sum {
        a: Operand,
        b: Operand,
        sink: usize,
    },
}

/// A view split into its steps over outer axes, rows and lanes.
#[derive(Clone, Debug)]
pub(super) struct Strided {
    at: At,
    outer: Vec<isize>,
    pub(super) row: isize,
    pub(super) lane: isize,
}

#[derive(Clone, Debug)]
pub(super) struct SinkCode {
    pub(super) view: Strided,
    /// Set where it is a sum: whether rows and lanes are summed (outer axes follow from strides).
    sum: Option<[bool; 2]>,
    /// Whether the first axis of the whole space is summed: then chunks need partial sums.
    sums_first: bool,
    /// Elements of the result, as sizes and steps, to set them to zero.
    zero: Vec<(usize, isize)>,
}

/// Pictures [images, size[0], size[1]], and how far outside of them the first place's first tap lies.
#[derive(Clone, Debug)]
struct Seen {
    picture: At,
    /// The window, or the gradient by it: [9, channels].
    window: At,
    size: [usize; 2],
    before: [usize; 2],
}

#[derive(Clone, Debug)]
pub struct SweepCode {
    outer: Vec<usize>,
    rows: usize,
    lanes: usize,
    loads: Vec<Strided>,
    sinks: Vec<SinkCode>,
    /// Indices of a pool, each with what is read or written by it: the puts, then each pick's taken.
    pooled: Vec<(At, Option<At>)>,
    /// Pictures under a thin window, each with the window or the sum; the thin convolutions, then the window sums.
    seen: Vec<Seen>,
    /// How many of them are thin convolutions.
    thins: usize,
    steps: Vec<Step>,
    pub registers: usize,
    block_rows: usize,
    block_lanes: usize,
}

impl SweepCode {
    pub fn new(sweep: &Sweep, table: &Table) -> Self {
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
        let (steps, registers) = Assembler::assemble(sweep, &loads, &sinks, &over, pooled_row);
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
            let pad = seen.geometry.pad;
            Seen { picture, window, size: seen.geometry.image, before: [pad[0], pad[2]] }
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

    /// Visits places `from..to` of the first axis. `partial(i)` redirects sink i to another place of
    /// the same layout. Sums start from zero where `zero` says so.
    ///
    /// # Safety
    /// Every view lies inside its buffer; `registers` holds `self.registers` blocks; nobody else
    /// writes what this part writes.
    #[allow(clippy::too_many_arguments)]
    pub unsafe fn run(
        &self,
        isa: Isa,
        table: &Table,
        task: usize,
        registers: *mut f32,
        scratch: &mut Pointers,
        (from, to): (usize, usize),
        partial: impl Fn(usize) -> Option<*mut f32>,
    ) {
        unsafe {
            scratch.loads.clear();
            scratch
                .loads
                .extend(self.loads.iter().map(|l| table.pointer(&l.at, task) as *const f32));
            scratch.pooled.clear();
            for (index, data) in &self.pooled {
                let data = data.as_ref().map_or(std::ptr::null_mut(), |at| table.pointer(at, task));
                scratch.pooled.push((table.byte_pointer(index, task), data));
            }
            scratch.sinks.clear();
            for (i, sink) in self.sinks.iter().enumerate() {
                let pointer = partial(i).unwrap_or_else(|| table.pointer(&sink.view.at, task));
                scratch.sinks.push(pointer);
                if sink.sum.is_some() && sink.sums_first {
                    zero(pointer, &sink.zero);
                } else if sink.sum.is_some() {
                    zero_part(sink, pointer, from, to);
                }
            }
            scratch.seen.clear();
            for (i, seen) in self.seen.iter().enumerate() {
                let mut window = table.pointer(&seen.window, task);
                if i >= self.thins {
                    window = partial(self.sinks.len() + i - self.thins).unwrap_or(window);
                    std::ptr::write_bytes(window, 0, 9 * self.lanes);
                }
                scratch.seen.push((table.pointer(&seen.picture, task), window));
            }
            if self.outer.is_empty() {
                let (rows, lanes) = if self.rows == 1 {
                    ((0, 1), (from, to))
                } else {
                    ((from, to), (0, self.lanes))
                };
                return self.plane(isa, registers, scratch, [0; 2], rows, lanes);
            }
            // Outer axes: the first from..to, the others whole.
            let rest: usize = self.outer[1..].iter().product();
            for flat in from * rest..to * rest {
                let mut left = flat;
                let mut at = [0usize; crate::shape::MAX_RANK];
                for k in (0..self.outer.len()).rev() {
                    (at[k], left) = (left % self.outer[k], left / self.outer[k]);
                }
                let offset = |view: &Strided| -> isize {
                    view.outer.iter().zip(&at).map(|(s, &i)| s * i as isize).sum()
                };
                let moved = |p: &mut Pointers, sign: isize| {
                    for (pointer, view) in p.loads.iter_mut().zip(&self.loads) {
                        *pointer = pointer.wrapping_offset(sign * offset(view));
                    }
                    for (pointer, sink) in p.sinks.iter_mut().zip(&self.sinks) {
                        *pointer = pointer.wrapping_offset(sign * offset(&sink.view));
                    }
                };
                moved(scratch, 1);
                let line = [at[0], at[1]];
                self.plane(isa, registers, scratch, line, (0, self.rows), (0, self.lanes));
                moved(scratch, -1);
            }
        }
    }

    /// One plane of rows and lanes, block by block. `line`: image and row of it where tiles ride.
    unsafe fn plane(
        &self,
        isa: Isa,
        registers: *mut f32,
        pointers: &mut Pointers,
        line: [usize; 2],
        rows: (usize, usize),
        lanes: (usize, usize),
    ) {
        let mut row = rows.0;
        while row < rows.1 {
            let height = self.block_rows.min(rows.1 - row);
            let mut lane = lanes.0;
            while lane < lanes.1 {
                let width = self.block_lanes.min(lanes.1 - lane);
                unsafe { self.block(isa, registers, pointers, line, row, lane, height, width) };
                lane += width;
            }
            row += height;
        }
    }

    #[allow(clippy::too_many_arguments)]
    #[inline]
    unsafe fn block(
        &self,
        isa: Isa,
        registers: *mut f32,
        pointers: &Pointers,
        line: [usize; 2],
        row: usize,
        lane: usize,
        height: usize,
        width: usize,
    ) {
        unsafe {
            let place = |v: &Strided| row as isize * v.row + lane as isize * v.lane;
            let register = |k: usize| registers.add(k * BLOCK);
            let arg = |operand: Operand| -> BlockArg {
                match operand {
                    Operand::Number(n) => BlockArg::Scalar(n),
                    Operand::Register(k) => BlockArg::Map(register(k), width),
                    Operand::Sink(k) => {
                        let v = &self.sinks[k].view;
                        let pitch = if height == 1 { width } else { v.row as usize };
                        BlockArg::Map(pointers.sinks[k].offset(place(v)), pitch)
                    }
                    Operand::Load(k) => {
                        let v = &self.loads[k];
                        let p = pointers.loads[k].offset(place(v));
                        match (v.row, v.lane) {
                            (0, 0) => BlockArg::Scalar(*p),
                            (_, 0) if height == 1 => BlockArg::Scalar(*p),
                            (r, 0) => BlockArg::Row(p, r as usize),
                            (0, _) if height > 1 => BlockArg::Lane(p),
                            (_, _) if height == 1 => BlockArg::Map(p, width),
                            (r, _) => BlockArg::Map(p, r as usize),
                        }
                    }
                }
            };
            let map = |operand: Operand| match arg(operand) {
                BlockArg::Map(p, pitch) => (p, pitch),
                _ => unreachable!("the assembler makes maps of what tiles read"),
            };
            for step in &self.steps {
                match *step {
                    Step::Gather { load, register: r } => {
                        let v = &self.loads[load];
                        let p = pointers.loads[load].offset(place(v));
                        copy::gather(isa, register(r), width, p, v.row, v.lane, height, width);
                    }
                    Step::Run { op, args, to } => {
                        let (dst, pitch) = match to {
                            Operand::Register(k) => (register(k), width),
                            Operand::Sink(k) => {
                                let v = &self.sinks[k].view;
                                let pitch = if height == 1 { width } else { v.row as usize };
                                (pointers.sinks[k].offset(place(v)), pitch)
                            }
                            _ => unreachable!("only registers and sinks are written"),
                        };
                        let args = [arg(args[0]), arg(args[1]), arg(args[2])];
                        block::pointwise(isa, op, dst, pitch, &args, height, width);
                    }
                    Step::Put { at, register: r } => {
                        let (stretch, place) = self.stretch(line, row, lane, height, width, width);
                        let (index, data) = pointers.pooled[at];
                        let (index, data) = (index.wrapping_add(place), data.wrapping_add(place));
                        tiles::put(isa, stretch, data, index, register(r));
                    }
                    Step::Thin { at, register: r } => {
                        let (glimpse, window) =
                            self.glimpse(pointers, at, line, row, lane, height, width);
                        thin::map(isa, glimpse, window, register(r), false);
                    }
                    Step::WindowSum { map: from, at } => {
                        let (p, pitch) = map(from);
                        let at = self.thins + at;
                        let (glimpse, window) =
                            self.glimpse(pointers, at, line, row, lane, height, width);
                        thin::window_sum(isa, glimpse, p, pitch, window);
                    }
                    Step::Largest { map: from, at, kept } => {
                        let (p, pitch) = map(from);
                        let (stretch, place) = self.stretch(line, row, lane, height, width, pitch);
                        let (index, best) = pointers.pooled[at];
                        let best = match kept {
                            Some(r) => register(r).wrapping_add(row / 2 * self.lanes + lane),
                            None => best.wrapping_add(place),
                        };
                        tiles::largest(isa, stretch, p, best, index.wrapping_add(place));
                    }
                    Step::Take { map: from, at } => {
                        let (p, pitch) = map(from);
                        let (stretch, place) = self.stretch(line, row, lane, height, width, pitch);
                        let (index, to) = pointers.pooled[at];
                        let (index, to) = (index.wrapping_add(place), to.wrapping_add(place));
                        tiles::take(isa, stretch, p, index, to);
                    }
                    Step::Scatter { register: r, sink } => {
                        let v = &self.sinks[sink].view;
                        let to = pointers.sinks[sink].offset(place(v));
                        let from = register(r);
                        for i in 0..height {
                            for j in 0..width {
                                let at = i as isize * v.row + j as isize * v.lane;
                                *to.offset(at) = *from.add(i * width + j);
                            }
                        }
                    }
                    Step::Sum { a, b, sink } => {
                        let code = &self.sinks[sink];
                        let v = &code.view;
                        let to = pointers.sinks[sink].offset(place(v));
                        let (a, b) = (arg(a), arg(b));
                        match code.sum.expect("a sum") {
                            [true, true] => *to += sums::sum_all(isa, a, b, height, width),
                            [false, true] if v.row >= 0 => {
                                sums::sum_lanes(isa, to, v.row as usize, a, b, height, width);
                            }
                            [true, false] if v.lane == 1 => {
                                sums::sum_rows(isa, to, a, b, height, width);
                            }
                            // Over outer axes alone: a map added to a map.
                            [false, false] if v.lane == 1 && v.row >= 0 => {
                                let pitch = if height == 1 { width } else { v.row as usize };
                                let args = [a, b, BlockArg::Map(to, pitch)];
                                let op = BlockOp::MulAdd;
                                block::pointwise(isa, op, to, pitch, &args, height, width);
                            }
                            [rows, lanes] => {
                                for i in 0..height {
                                    for j in 0..width {
                                        let row = if rows { 0 } else { i as isize * v.row };
                                        let lane = if lanes { 0 } else { j as isize * v.lane };
                                        let one = sums::sum_all(
                                            isa,
                                            a.offset(i, j),
                                            b.offset(i, j),
                                            1,
                                            1,
                                        );
                                        *to.offset(row + lane) += one;
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

impl SweepCode {
    /// The part of an image row that a block is, and where its tiles begin in everything pooled.
    #[inline]
    fn stretch(
        &self,
        [image, y]: [usize; 2],
        x: usize,
        lane: usize,
        pixels: usize,
        lanes: usize,
        pitch: usize,
    ) -> (Stretch, usize) {
        let (down, across) = (self.outer[1] / 2, self.rows / 2);
        // The last row or column of an odd image belongs to no tile.
        let tiles = if y / 2 < down { across.min((x + pixels) / 2) - x / 2 } else { 0 };
        let place = ((image * down + y / 2) * across + x / 2) * self.lanes + lane;
        let (lower, pooled_pitch) = (y % 2 == 1, self.lanes);
        (Stretch { lower, tiles, pixels, lanes, pitch, pooled_pitch }, place)
    }
}

impl SweepCode {
    /// What a block sees of picture `at`, and the window's first lane of it.
    #[allow(clippy::too_many_arguments)]
    #[inline]
    fn glimpse(
        &self,
        pointers: &Pointers,
        at: usize,
        [image, y]: [usize; 2],
        x: usize,
        lane: usize,
        pixels: usize,
        lanes: usize,
    ) -> (Glimpse, *mut f32) {
        let (seen, (picture, window)) = (&self.seen[at], pointers.seen[at]);
        let picture = picture.wrapping_add(image * seen.size[0] * seen.size[1]);
        let at = [0, 1].map(|k| [y, x][k] as isize - seen.before[k] as isize);
        let (size, channels) = (seen.size, self.lanes);
        (Glimpse { picture, size, at, pixels, lanes, channels }, window.wrapping_add(lane))
    }
}

/// Zeroes the places of a sum that part `from..to` of the first axis adds to.
unsafe fn zero_part(sink: &SinkCode, pointer: *mut f32, from: usize, to: usize) {
    // The first axis is not summed, so it is the first of the result's axes.
    let [(_, step), rest @ ..] = &sink.zero[..] else { unreachable!("a space has an axis") };
    for i in from..to {
        unsafe { zero(pointer.offset(i as isize * step), rest) };
    }
}

/// Sets a strided box to zero.
unsafe fn zero(to: *mut f32, axes: &[(usize, isize)]) {
    match axes {
        [] => unsafe { *to = 0.0 },
        [(size, 1)] => unsafe { std::ptr::write_bytes(to, 0, *size) },
        [(size, step), rest @ ..] => {
            for i in 0..*size {
                unsafe { zero(to.offset(i as isize * step), rest) };
            }
        }
    }
}

/// Pointers of one visit, kept by the worker so that nothing is allocated in a step.
#[derive(Default)]
pub struct Pointers {
    loads: Vec<*const f32>,
    sinks: Vec<*mut f32>,
    pooled: Vec<(*mut u8, *mut f32)>,
    seen: Vec<(*const f32, *mut f32)>,
}
