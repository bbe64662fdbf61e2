//! A plan's kernels with everything worked out that does not change from run to run.

use super::choose::{self, AxisChoice, Pool};
use super::conv::{self, ConvGeo, ConvPlan};
use super::isa::Isa;
use super::product::Product;
use super::sums;
use super::sweep::SweepCode;
use super::table::{At, Table};
use super::visit::Pointers;
use crate::op::Side;
use crate::plan::kernel::{Choice, Conv, Kernel, Kind, Places};
use crate::random::uniform24;
use std::collections::HashMap;
use std::sync::Arc;

/// Work below this many elements or multiply-adds is not worth a meeting of the workers.
const WORTH_SHARING: u64 = 24_576;
/// At most so many parts is a large kernel cut into, whoever runs it: its shape alone decides, so that no bit depends
/// on who runs which. 16 leaves the last worker little to wait for.
const PARTS: usize = 16;

/// Index tables of convolutions: kernels of one shape and side share theirs.
pub type ConvPlans = HashMap<(ConvGeo, Side), Arc<ConvPlan>>;

pub struct Code {
    pub work: Work,
    /// Tasks that one run of it serves: all of them in a segment that runs once, else one.
    pub at_once: usize,
    /// Pieces whose results do not depend on who computes them, one worker or several; 1: never cut.
    pub parts: usize,
    /// Floats that all parts' partial sums need, part after part.
    pub partial_len: usize,
    /// Floats of weights that parts share, packed once before them.
    pub packed_len: usize,
}

// A plan has some hundred of these, made once: their size costs less than another pointer to follow.
#[allow(clippy::large_enum_variant)]
pub enum Work {
    Sweep(SweepCode),
    MatMul(Product),
    Conv { plan: Arc<ConvPlan>, side: Side, a: At, b: At, to: At, accumulate: bool, units: usize },
    Pool { pool: Pool, images: usize, data: At, index: Option<At>, to: At },
    Axis { axis: AxisChoice, data: At, index: Option<At>, to: At },
    Random { seed: u32, stream: u32, step: At, len: usize, to: At },
}

impl Code {
    /// `at_once`: tasks that one run serves, all of the kernel's or 1.
    pub fn new(
        isa: Isa,
        kernel: &Kernel,
        table: &Table,
        at_once: usize,
        shapes: &mut ConvPlans,
    ) -> Self {
        let work = match &kernel.kind {
            Kind::Sweep(sweep) => Work::Sweep(SweepCode::new(isa, sweep, table)),
            Kind::MatMul(product) => Work::MatMul(Product::new(isa, product, table)),
            Kind::Conv(conv) => convolution(isa, conv, table, shapes),
            Kind::Choose(c) => {
                let (data, to) = (table.at(&c.data), table.at(&c.to));
                let index = c.index.as_ref().map(|index| table.at(index));
                match &c.places {
                    Places::Window { images, h, w, c: channels, window } => {
                        let [oh, ow] = window.output(*h, *w).expect("checked on the tape");
                        let (choice, h, w, c, window) = (c.choice, *h, *w, *channels, *window);
                        let pool = Pool { choice, h, w, c, oh, ow, window };
                        Work::Pool { pool, images: *images, data, index, to }
                    }
                    Places::Axis { space, axis, size, step } => {
                        let axis = AxisChoice {
                            choice: c.choice,
                            space: space.clone(),
                            axis: *axis,
                            size: *size,
                            step: *step,
                            data: c.data.strides.clone(),
                            index: c.index.as_ref().map_or(vec![], |index| index.strides.clone()),
                            to: c.to.strides.clone(),
                        };
                        Work::Axis { axis, data, index, to }
                    }
                }
            }
            Kind::Random(r) => {
                let (step, to) = (table.at(&r.step), table.at(&r.to));
                Work::Random { seed: r.seed, stream: r.stream, step, len: r.len, to }
            }
        };
        let mut code = Self { work, at_once, parts: 1, partial_len: 0, packed_len: 0 };
        if let Work::Conv { plan, .. } = &code.work
            && plan.weight_parts() > 0
        {
            code.parts = if at_once == 1 { plan.weight_parts() } else { 1 };
            code.partial_len = if code.parts > 1 { code.parts * plan.weight_len() } else { 0 };
            return code;
        }
        let flops = kernel.flops() / kernel.tasks as u64 * at_once as u64;
        if flops >= WORTH_SHARING {
            // No part so short that a worker is done with it before it has asked for the next.
            code.parts = PARTS.min(code.units()).min((2 * flops / WORTH_SHARING) as usize);
            if let (Work::Conv { plan, .. }, 1) = (&code.work, at_once) {
                code.packed_len = plan.packed_len();
            }
            if let (Work::Sweep(sweep), true) = (&code.work, code.parts > 1) {
                let one: usize = sweep.partials().map(|(_, len)| len).sum();
                // Adding long partial sums together would cost more than sharing gains.
                let long = (one * code.parts * 8) as u64 > flops;
                if long || sweep.partials().any(|(i, _)| !sweep.is_flat(i)) {
                    code.parts = 1;
                } else {
                    code.partial_len = one * code.parts;
                }
            }
        }
        code
    }

    /// Independent pieces that parts are made of; 1 where a kernel is not cut.
    fn units(&self) -> usize {
        match &self.work {
            Work::Sweep(sweep) => sweep.first_axis(),
            Work::MatMul(product) => product.units(),
            Work::Conv { units, .. } => *units * self.at_once,
            Work::Pool { images, .. } => *images * self.at_once,
            Work::Axis { .. } | Work::Random { .. } => 1,
        }
    }

    /// All of the kernel for one task.
    ///
    /// # Safety
    /// `table` is of this code's plan; nobody else touches what the kernel writes.
    pub unsafe fn run_task(&self, isa: Isa, table: &Table, task: usize, scratch: &mut Scratch) {
        unsafe {
            match &self.work {
                Work::Conv { plan, to, accumulate, .. } if plan.weight_parts() > 0 => {
                    for part in 0..plan.weight_parts() {
                        let add = *accumulate || part > 0;
                        self.weight_part(table, task, part, table.pointer(to, task), add, scratch);
                    }
                }
                Work::Sweep(_) if self.partial_len > 0 => {
                    let partials = scratch.partials;
                    for part in 0..self.parts {
                        self.run_part(isa, table, task, part, partials, scratch);
                    }
                    self.finish_parts(isa, table, task, partials, (0, 1));
                }
                Work::Sweep(sweep) => {
                    let all = (0, sweep.first_axis());
                    let registers = scratch.registers;
                    let pointers = &mut scratch.pointers;
                    sweep.run(isa, table, task, registers, pointers, all, |_| None);
                }
                Work::MatMul(product) => {
                    product.run(isa, table, task, (0, product.units()), scratch.floats);
                }
                Work::Conv { units, .. } => self.conv(table, task, (0, *units), None, scratch),
                Work::Pool { images, .. } => self.pool(isa, table, task, (0, *images)),
                Work::Axis { axis, data, index, to } => {
                    let index = index
                        .as_ref()
                        .map_or(std::ptr::null(), |index| table.pointer(index, task) as *const f32);
                    axis.run(table.pointer(data, task), index, table.pointer(to, task));
                }
                Work::Random { seed, stream, step, len, to } => {
                    let step = *table.pointer(step, 0) as u32;
                    let to = table.pointer(to, task);
                    for i in 0..*len {
                        *to.add(i) = uniform24(*seed, *stream, i as u32, step, task as u32);
                    }
                }
            }
        }
    }

    /// What the parts for `task` need first: piece (i, of so many) of a convolution's weights, packed into `shared`.
    ///
    /// # Safety
    /// `shared` is writable for `packed_len` floats.
    pub unsafe fn begin_parts(
        &self,
        table: &Table,
        task: usize,
        shared: *mut f32,
        (piece, pieces): (usize, usize),
    ) {
        if let (Work::Conv { plan, side, a, b, .. }, true) = (&self.work, self.packed_len > 0) {
            let weights = if *side == Side::Input { a } else { b };
            let (from, to) = stretch(plan.packed_rows(), piece, pieces);
            unsafe { conv::pack(plan, table.pointer(weights, task), shared, from..to) };
        }
    }

    /// Part `part` of the kernel for the tasks from `task` on that one run serves. `shared` holds the
    /// parts' sums, part after part, or what [`Code::begin_parts`] has left there.
    ///
    /// # Safety
    /// As [`Code::run_task`]; each part is run once.
    pub unsafe fn run_part(
        &self,
        isa: Isa,
        table: &Table,
        task: usize,
        part: usize,
        shared: *mut f32,
        scratch: &mut Scratch,
    ) {
        let units = self.units();
        let (from, to) = (units * part / self.parts, units * (part + 1) / self.parts);
        unsafe {
            match &self.work {
                Work::Sweep(sweep) => {
                    let base = shared.wrapping_add(part * self.partial_len / self.parts);
                    let place = |sink: usize| {
                        let mut at = base;
                        for (i, len) in sweep.partials() {
                            if i == sink {
                                return Some(at);
                            }
                            at = at.wrapping_add(len);
                        }
                        None
                    };
                    let (registers, pointers) = (scratch.registers, &mut scratch.pointers);
                    sweep.run(isa, table, task, registers, pointers, (from, to), place);
                }
                Work::MatMul(product) => {
                    product.run(isa, table, task, (from, to), scratch.floats);
                }
                Work::Conv { plan, .. } if plan.weight_parts() > 0 => {
                    let sum = shared.wrapping_add(part * plan.weight_len());
                    self.weight_part(table, task, part, sum, false, scratch);
                }
                Work::Conv { units, .. } => self.by_task(*units, from, to, |t, range| {
                    let packed = if self.packed_len > 0 { Some(shared) } else { None };
                    self.conv(table, task + t, range, packed, scratch);
                }),
                Work::Pool { images, .. } => self.by_task(*images, from, to, |t, range| {
                    self.pool(isa, table, task + t, range);
                }),
                Work::Axis { .. } | Work::Random { .. } => unreachable!("never cut"),
            }
        }
    }

    /// Adds the parts' sums together, in order: piece (i, of so many) of each.
    ///
    /// # Safety
    /// All parts are done.
    pub unsafe fn finish_parts(
        &self,
        isa: Isa,
        table: &Table,
        task: usize,
        partials: *const f32,
        (piece, pieces): (usize, usize),
    ) {
        let one = self.partial_len / self.parts;
        let finish = |to: *mut f32, at: usize, len: usize, add: bool| {
            let (from, end) = stretch(len, piece, pieces);
            let (to, partials) = (to.wrapping_add(from), partials.wrapping_add(at + from));
            unsafe { sums::add_parts(isa, to, partials, one, self.parts, end - from, add) };
        };
        match &self.work {
            Work::Conv { to, accumulate, .. } => {
                finish(unsafe { table.pointer(to, task) }, 0, one, *accumulate);
            }
            Work::Sweep(sweep) => {
                let mut at = 0;
                for (sink, len) in sweep.partials() {
                    finish(unsafe { sweep.sink_pointer(sink, table, task) }, at, len, false);
                    at += len;
                }
            }
            _ => {}
        }
    }

    /// Splits a range over (task, unit) into ranges of one task each.
    fn by_task(
        &self,
        units: usize,
        from: usize,
        to: usize,
        mut f: impl FnMut(usize, (usize, usize)),
    ) {
        for task in from / units..to.div_ceil(units) {
            let first = task * units;
            f(task, (from.max(first) - first, to.min(first + units) - first));
        }
    }

    unsafe fn weight_part(
        &self,
        table: &Table,
        task: usize,
        part: usize,
        dw: *mut f32,
        add: bool,
        scratch: &mut Scratch,
    ) {
        let Work::Conv { plan, a, b, .. } = &self.work else { return };
        unsafe {
            let (x, g) = (table.pointer(a, task), table.pointer(b, task));
            conv::weight_part(plan, x, g, dw, scratch.floats, part, add)
        }
    }

    unsafe fn conv(
        &self,
        table: &Table,
        task: usize,
        (from, to): (usize, usize),
        packed: Option<*mut f32>,
        scratch: &mut Scratch,
    ) {
        let Work::Conv { plan, side, a, b, to: out, accumulate, .. } = &self.work else { return };
        unsafe {
            let (a, b) = (table.pointer(a, task), table.pointer(b, task));
            let out = table.pointer(out, task);
            // Packed weights stand at the scratch's start, where no part shares them.
            let (own, scratch) = (scratch.floats, scratch.floats.add(plan.packed_len()));
            let packed = |weights: *const f32| match packed {
                _ if plan.packed_len() == 0 => weights,
                Some(packed) => packed.cast_const(),
                None => {
                    conv::pack(plan, weights, own, 0..plan.packed_rows());
                    own.cast_const()
                }
            };
            let images = from..to;
            match side {
                Side::Output => {
                    conv::output(plan, a, packed(b), out, scratch, images, *accumulate);
                }
                Side::Input => conv::input(plan, packed(a), b, out, scratch, images, *accumulate),
                Side::Weight => conv::weight(plan, a, b, out, images, *accumulate),
            }
        }
    }

    unsafe fn pool(&self, isa: Isa, table: &Table, task: usize, (from, to): (usize, usize)) {
        let Work::Pool { pool, data, index, to: out, .. } = &self.work else { return };
        unsafe {
            let (data, out) = (table.pointer(data, task), table.pointer(out, task));
            let index = index.as_ref().map(|index| table.pointer(index, task));
            let null = std::ptr::null_mut();
            match pool.choice {
                Choice::ArgMax => choose::pool(isa, *pool, data, out, null, from, to),
                Choice::Take => {
                    choose::pool(isa, *pool, data, index.expect("an index"), out, from, to)
                }
                Choice::Put => {
                    choose::pool(isa, *pool, out, index.expect("an index"), data, from, to)
                }
            }
        }
    }

    /// Floats of scratch the kernel needs, and registers.
    pub fn scratch(&self, isa: Isa) -> (usize, usize) {
        match &self.work {
            Work::Sweep(sweep) => (0, sweep.registers),
            Work::MatMul(p) => (p.scratch_len(isa), 0),
            Work::Conv { plan, .. } => (plan.packed_len() + plan.scratch_len(), 0),
            _ => (0, 0),
        }
    }
}

/// Piece `piece` of `pieces` of a flat length, or of tasks: its start and end. The longer pieces come first, so that of
/// few tasks the last worker has one to do and not two.
pub fn stretch(len: usize, piece: usize, pieces: usize) -> (usize, usize) {
    let (least, longer) = (len / pieces, len % pieces);
    let start = |piece: usize| piece * least + piece.min(longer);
    (start(piece), start(piece + 1))
}

fn convolution(isa: Isa, conv: &Conv, table: &Table, shapes: &mut ConvPlans) -> Work {
    let g = &conv.geometry;
    let [oh, ow] = g.output().expect("checked on the tape");
    let geo = ConvGeo {
        n: conv.images,
        h: g.image[0],
        w: g.image[1],
        c: conv.channels[0],
        kh: g.kernel[0],
        kw: g.kernel[1],
        o: conv.channels[1],
        oh,
        ow,
        stride: g.stride,
        pad: g.pad,
        dilation: g.dilation,
        groups: g.groups,
    };
    let plan = shapes
        .entry((geo.clone(), conv.side))
        .or_insert_with(|| Arc::new(ConvPlan::new(isa, geo, conv.side)))
        .clone();
    let units = if conv.side == Side::Weight { plan.weight_tiles() } else { conv.images };
    let (a, b, to) = (table.at(&conv.a), table.at(&conv.b), table.at(&conv.to));
    Work::Conv { plan, side: conv.side, a, b, to, accumulate: conv.accumulate, units }
}

/// What one worker has for itself beside its arena.
pub struct Scratch {
    /// Registers of sweeps.
    pub registers: *mut f32,
    /// Packed operands.
    pub floats: *mut f32,
    /// Partial sums of a kernel that this worker runs alone.
    pub partials: *mut f32,
    pub pointers: Pointers,
}
