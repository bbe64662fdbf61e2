//! Running a sweep: one visit of its space, plane by plane, block by block, step by step.
//!
//! ```text
//!   visit     where every load and sink stands for this task and part; sums set to zero
//!   └ plane   a place of the outer axes: all three are moved there
//!     └ block a handful of rows that stays in the first cache
//!       └ step an instruction, a sum, a stretch of a pool or of a thin convolution
//! ```

use super::block::{Arg, BlockOp, pointwise};
use super::copy;
use super::isa::Isa;
use super::sums;
use super::sweep::{BLOCK, Call, Reads, SinkCode, Step, Strided, SweepCode};
use super::table::Table;
use super::thin::{self, Glimpse};
use super::tiles::{self, Stretch};

/// Pointers of one visit, kept by the worker so that nothing is allocated in a step.
#[derive(Default)]
pub struct Pointers {
    /// Loads and sinks at the start of the plane.
    plane: Vec<*mut f32>,
    /// Every place of [`SweepCode`] at the start of the block.
    block: Vec<*mut f32>,
    pooled: Vec<(*mut u8, *mut f32)>,
    seen: Vec<(*const f32, *mut f32)>,
}

/// A block of a plane: its first row and lane, and how many.
#[derive(Clone, Copy)]
struct Block {
    /// Image and row of it where tiles ride.
    line: [usize; 2],
    row: usize,
    lane: usize,
    height: usize,
    width: usize,
}

impl SweepCode {
    /// Visits places `from..to` of the first axis. `partial(i)` redirects sink i to another place of
    /// the same layout. Sums start from zero where `zero` says so.
    ///
    /// # Safety
    /// Every view lies inside its buffer; `registers` holds `self.registers` blocks; nobody else
    /// writes what this part writes.
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
            self.stand(table, task, registers, scratch, (from, to), partial);
            if self.outer.is_empty() {
                let (rows, lanes) = match self.rows {
                    1 => ((0, 1), (from, to)),
                    _ => ((from, to), (0, self.lanes)),
                };
                return self.plane(isa, scratch, [0; 2], rows, lanes);
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
                for (pointer, view) in scratch.plane.iter_mut().zip(self.views()) {
                    *pointer = pointer.wrapping_offset(offset(view));
                }
                let line = [at[0], at[1]];
                self.plane(isa, scratch, line, (0, self.rows), (0, self.lanes));
                for (pointer, view) in scratch.plane.iter_mut().zip(self.views()) {
                    *pointer = pointer.wrapping_offset(-offset(view));
                }
            }
        }
    }

    /// Finds every place for `task`, and sets sums to zero.
    #[inline(always)]
    unsafe fn stand(
        &self,
        table: &Table,
        task: usize,
        registers: *mut f32,
        scratch: &mut Pointers,
        (from, to): (usize, usize),
        partial: impl Fn(usize) -> Option<*mut f32>,
    ) {
        unsafe {
            let Pointers { plane, block, pooled, seen } = scratch;
            plane.clear();
            plane.extend(self.loads.iter().map(|load| table.pointer(&load.at, task)));
            for (i, sink) in self.sinks.iter().enumerate() {
                let pointer = partial(i).unwrap_or_else(|| table.pointer(&sink.view.at, task));
                plane.push(pointer);
                if sink.sum.is_some() && sink.sums_first {
                    zero(pointer, &sink.zero);
                } else if sink.sum.is_some() {
                    zero_part(sink, pointer, from, to);
                }
            }
            // Loads and sinks are found for each block.
            block.clear();
            block.resize(plane.len(), std::ptr::null_mut());
            block.extend(self.numbers.iter().map(|number| number as *const f32 as *mut f32));
            block.extend((0..self.registers).map(|k| registers.wrapping_add(k * BLOCK)));
            pooled.clear();
            for (index, data) in &self.pooled {
                let data = data.as_ref().map_or(std::ptr::null_mut(), |at| table.pointer(at, task));
                pooled.push((table.byte_pointer(index, task), data));
            }
            seen.clear();
            for (i, one) in self.seen.iter().enumerate() {
                let mut window = table.pointer(&one.window, task);
                if i >= self.thins {
                    window = partial(self.sinks.len() + i - self.thins).unwrap_or(window);
                    std::ptr::write_bytes(window, 0, 9 * self.lanes);
                }
                seen.push((table.pointer(&one.picture, task), window));
            }
        }
    }

    /// Loads and sinks, in the order of their places.
    fn views(&self) -> impl Iterator<Item = &Strided> {
        self.loads.iter().chain(self.sinks.iter().map(|sink| &sink.view))
    }

    /// One plane of rows and lanes, block by block.
    #[inline(always)]
    unsafe fn plane(
        &self,
        isa: Isa,
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
                let Pointers { plane, block, .. } = &mut *pointers;
                for ((to, from), v) in block.iter_mut().zip(&*plane).zip(self.views()) {
                    *to = from.wrapping_offset(row as isize * v.row + lane as isize * v.lane);
                }
                unsafe { self.block(isa, pointers, Block { line, row, lane, height, width }) };
                lane += width;
            }
            row += height;
        }
    }

    unsafe fn block(&self, isa: Isa, pointers: &Pointers, here: Block) {
        let Block { height, width, lane, .. } = here;
        let at = |place: usize| unsafe { *pointers.block.get_unchecked(place) };
        unsafe {
            for step in &self.steps {
                match *step {
                    Step::Run(Call { ref form, args, to }) => {
                        let args = args.map(|place| at(place).cast_const());
                        form.run(at(to), args, height, width);
                    }
                    Step::Sum { a, b, sink } => {
                        let (a, b) = (arg(pointers, a), arg(pointers, b));
                        let to = at(self.loads.len() + sink);
                        self.sum(isa, &self.sinks[sink], to, a, b, height, width);
                    }
                    Step::Gather { load, register } => {
                        let v = &self.loads[load];
                        let (to, pitch) = (at(register), self.block_lanes);
                        copy::gather(isa, to, pitch, at(load), v.row, v.lane, height, width);
                    }
                    Step::Put { at: k, register } => {
                        let (stretch, place) = self.stretch(here, self.block_lanes);
                        let (index, data) = pointers.pooled[k];
                        let (index, data) = (index.wrapping_add(place), data.wrapping_add(place));
                        tiles::put(isa, stretch, data, index, at(register));
                    }
                    Step::Thin { at: k, register } => {
                        let (glimpse, window) = self.glimpse(pointers, k, here);
                        thin::map(isa, glimpse, window, at(register), self.block_lanes, false);
                    }
                    Step::WindowSum { map, at: k } => {
                        let (glimpse, window) = self.glimpse(pointers, self.thins + k, here);
                        thin::window_sum(isa, glimpse, at(map.place), map.going.0, window);
                    }
                    Step::Largest { map, at: k, kept } => {
                        let (stretch, place) = self.stretch(here, map.going.0);
                        let (index, best) = pointers.pooled[k];
                        let best = match kept {
                            Some(row) => at(row).wrapping_add(here.row / 2 * self.lanes + lane),
                            None => best.wrapping_add(place),
                        };
                        tiles::largest(
                            isa,
                            stretch,
                            at(map.place),
                            best,
                            index.wrapping_add(place),
                        );
                    }
                    Step::Take { map, at: k } => {
                        let (stretch, place) = self.stretch(here, map.going.0);
                        let (index, to) = pointers.pooled[k];
                        let (index, to) = (index.wrapping_add(place), to.wrapping_add(place));
                        tiles::take(isa, stretch, at(map.place), index, to);
                    }
                    Step::Scatter { register, sink } => {
                        let v = &self.sinks[sink].view;
                        let (from, to) = (at(register), at(self.loads.len() + sink));
                        for i in 0..height {
                            for j in 0..width {
                                let there = i as isize * v.row + j as isize * v.lane;
                                *to.offset(there) = *from.add(i * self.block_lanes + j);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Adds Σ a·b of a block to the sink at `to`.
    unsafe fn sum(
        &self,
        isa: Isa,
        sink: &SinkCode,
        to: *mut f32,
        a: Arg,
        b: Arg,
        height: usize,
        width: usize,
    ) {
        let v = &sink.view;
        unsafe {
            match sink.sum.expect("a sum") {
                [true, true] => *to += sums::sum_all(isa, a, b, height, width),
                [false, true] if v.row >= 0 => {
                    sums::sum_lanes(isa, to, v.row as usize, a, b, height, width);
                }
                [true, false] if v.lane == 1 => sums::sum_rows(isa, to, a, b, height, width),
                // Over outer axes alone: a map added to a map.
                [false, false] if v.lane == 1 && v.row >= 0 => {
                    let pitch = if height == 1 { width } else { v.row as usize };
                    let args = [a, b, Arg::Map(to, pitch)];
                    pointwise(isa, BlockOp::MulAdd, to, pitch, &args, height, width);
                }
                [rows, lanes] => {
                    for i in 0..height {
                        for j in 0..width {
                            let row = if rows { 0 } else { i as isize * v.row };
                            let lane = if lanes { 0 } else { j as isize * v.lane };
                            let (a, b) = (a.offset(i, j), b.offset(i, j));
                            *to.offset(row + lane) += sums::sum_all(isa, a, b, 1, 1);
                        }
                    }
                }
            }
        }
    }

    /// The part of an image row that a block is, and where its tiles begin in everything pooled.
    #[inline]
    fn stretch(&self, here: Block, pitch: usize) -> (Stretch, usize) {
        let Block { line: [image, y], row: x, lane, height: pixels, width: lanes } = here;
        let (down, across) = (self.outer[1] / 2, self.rows / 2);
        // The last row or column of an odd image belongs to no tile.
        let tiles = if y / 2 < down { across.min((x + pixels) / 2) - x / 2 } else { 0 };
        let place = ((image * down + y / 2) * across + x / 2) * self.lanes + lane;
        let (lower, pooled_pitch) = (y % 2 == 1, self.lanes);
        (Stretch { lower, tiles, pixels, lanes, pitch, pooled_pitch }, place)
    }

    /// What a block sees of picture `k`, and the window's first lane of it.
    #[inline]
    fn glimpse(&self, pointers: &Pointers, k: usize, here: Block) -> (Glimpse, *mut f32) {
        let Block { line: [image, y], row: x, lane, height: pixels, width: lanes } = here;
        let (seen, (picture, window)) = (&self.seen[k], pointers.seen[k]);
        let glimpse = seen.lens.glimpse(picture, image, [y, x], pixels, [lanes, self.lanes]);
        (glimpse, window.wrapping_add(lane))
    }
}

/// What is read, as the kernels of sums know it.
#[inline(always)]
unsafe fn arg(pointers: &Pointers, read: Reads) -> Arg {
    let p = pointers.block[read.place].cast_const();
    match read.going {
        (0, false) => Arg::Scalar(unsafe { *p }),
        (step, false) => Arg::Row(p, step),
        (0, true) => Arg::Lane(p),
        (step, true) => Arg::Map(p, step),
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
