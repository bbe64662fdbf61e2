//! Sweeps: sinks of one level and one space become one visit of that space.
//!
//! The program is collected from the sinks backwards: a virtual map is an instruction, everything
//! stored a load with strides. Then axes that every view crosses alike are merged, so that a kernel
//! sees `[rows, channels]` rather than `[images, height, width, channels]`, unless a pool's tiles or a thin convolution
//! ride.

use super::kernel::*;
use super::lower::Lowering;
use super::views::ViewOf;
use crate::op::{Op, Pointwise};
use crate::shape::{Axes, MAX_RANK, Shape};
use std::collections::HashMap;

pub struct SweepBuilder<'l, 'g> {
    lowering: &'l mut Lowering<'g>,
    /// Shape of the space, task axis included; `local` leaves it to the kernel's tasks.
    shape: Shape,
    local: bool,
    sweep: Sweep,
    known: HashMap<usize, Arg>,
    sinks: Vec<usize>,
}

impl<'l, 'g> SweepBuilder<'l, 'g> {
    fn new(lowering: &'l mut Lowering<'g>, shape: Shape, local: bool) -> Self {
        let mut space = shape.dims()[local as usize..].to_vec();
        if space.is_empty() {
            space.push(1); // a space has at least one axis
        }
        let sweep = Sweep { space, ..Sweep::default() };
        Self { lowering, shape, local, sweep, known: HashMap::new(), sinks: vec![] }
    }

    /// One sweep with a sink for each of `ids`: pointwise maps, sums, copies and riding choices over `shape`.
    pub fn build(lowering: &'l mut Lowering<'g>, shape: Shape, ids: &[usize]) {
        let local = lowering.is_local(ids[0]);
        let mut this = Self::new(lowering, shape, local);
        this.sinks = ids.to_vec();
        // The pick that finds each index.
        let mut finds: HashMap<usize, usize> = HashMap::new();
        for &id in ids {
            let node = this.lowering.graph.nodes[id].clone();
            match node.op {
                Op::ArgMax(_) => {
                    let largest = Some(this.value(node.inputs[0]));
                    let index = this.lowering.plain(id);
                    finds.insert(id, this.sweep.picks.len());
                    this.sweep.picks.push(Pick { largest, index, taken: vec![] });
                    continue;
                }
                Op::Take(_) => {
                    let value = this.value(node.inputs[0]);
                    let found = finds.get(&node.inputs[1]).copied();
                    let pick = found.unwrap_or_else(|| this.given_index(node.inputs[1]));
                    let to = this.lowering.plain(id);
                    this.sweep.picks[pick].taken.push((value, to));
                    continue;
                }
                Op::Conv { geometry, .. } => {
                    let (value, picture) =
                        (this.value(node.inputs[1]), this.lowering.plain(node.inputs[0]));
                    let to = this.lowering.plain(id);
                    let seen = Seen { picture, geometry };
                    this.sweep.window_sums.push(WindowSum { value, seen, to });
                    continue;
                }
                _ => {}
            }
            let (value, axes) = match node.op {
                Op::Sum(axes) => (this.value(node.inputs[0]), axes),
                Op::Detach => (this.value(node.inputs[0]), Axes(0)),
                _ => (this.value(id), Axes(0)),
            };
            let mut to = ViewOf::whole(id, node.shape);
            axes.iter().for_each(|axis| to.strides[axis] = 0);
            let to = this.view(&to);
            let sum = if local { Axes(axes.0 >> 1) } else { axes };
            this.sweep.sinks.push(Sink { value, to, sum });
        }
        this.finish();
    }

    /// The pick that reads an index found before.
    fn given_index(&mut self, id: usize) -> usize {
        let index = self.lowering.plain(id);
        let known = self.sweep.picks.iter().position(|p| p.largest.is_none() && p.index == index);
        known.unwrap_or_else(|| {
            self.sweep.picks.push(Pick { largest: None, index, taken: vec![] });
            self.sweep.picks.len() - 1
        })
    }

    /// The copy of a strided view into node `id`, row-major.
    pub fn copy(lowering: &'l mut Lowering<'g>, id: usize, from: &ViewOf) {
        let (shape, local) = (lowering.shape(id), lowering.is_local(id));
        let buffer = lowering.buffer(id);
        Self::copy_to(lowering, buffer, shape, from, local);
    }

    pub fn copy_to(
        lowering: &'l mut Lowering<'g>,
        buffer: BufferId,
        shape: Shape,
        from: &ViewOf,
        local: bool,
    ) {
        let mut this = Self::new(lowering, shape, local);
        let value = this.load(from);
        let to = this.whole(buffer, shape, shape, &[0; MAX_RANK]);
        this.sweep.sinks.push(Sink { value, to, sum: Axes(0) });
        this.finish();
    }

    /// Node `id`'s input, in its own order, written flat: what `Reshape` means.
    pub fn reshape(lowering: &'l mut Lowering<'g>, id: usize) {
        let input = lowering.graph.nodes[id].inputs[0];
        let (shape, local) = (lowering.shape(input), lowering.is_local(id));
        let (from, buffer) = (lowering.view_of(input), lowering.buffer(id));
        Self::copy_to(lowering, buffer, shape, &from, local);
    }

    /// Writes `value`, or node `from`, over a box of `shape` at `before` inside node `id`.
    pub fn store(
        lowering: &'l mut Lowering<'g>,
        id: usize,
        shape: Shape,
        from: Option<usize>,
        value: Arg,
        before: &[usize; MAX_RANK],
    ) {
        let (whole, local) = (lowering.shape(id), lowering.is_local(id));
        let buffer = lowering.buffer(id);
        let mut this = Self::new(lowering, shape, local);
        let value = match from {
            Some(from) => this.operand(from),
            None => value,
        };
        let to = this.whole(buffer, whole, shape, before);
        this.sweep.sinks.push(Sink { value, to, sum: Axes(0) });
        this.finish();
    }

    /// The view of a box of `part` at `before` inside a buffer of shape `whole`.
    fn whole(&self, buffer: BufferId, whole: Shape, part: Shape, before: &[usize]) -> View {
        let strides = whole.strides();
        let offset = (0..part.rank()).map(|k| before[k] * strides[k]).sum();
        let mut axes: Vec<isize> =
            strides[self.local as usize..part.rank()].iter().map(|&s| s as isize).collect();
        axes.resize(self.sweep.space.len(), 1);
        let task_stride = if self.local { strides[0] } else { 0 };
        View { buffer, offset, task_stride, strides: axes }
    }

    fn view(&mut self, view: &ViewOf) -> View {
        let mut view = self.lowering.strided(view, self.shape.rank(), self.local);
        view.strides.resize(self.sweep.space.len(), 0);
        view
    }

    fn load(&mut self, view: &ViewOf) -> Arg {
        let view = self.view(view);
        let known = self.sweep.loads.iter().position(|load| *load == view);
        Arg::Load(known.unwrap_or_else(|| {
            self.sweep.loads.push(view);
            self.sweep.loads.len() - 1
        }))
    }

    fn operand(&mut self, id: usize) -> Arg {
        match self.lowering.graph.nodes[id].op {
            Op::Const(bits) => Arg::Number(f64::from_bits(bits)),
            _ => {
                let view = self.lowering.view_of(id);
                match self.lowering.graph.nodes[view.root].op {
                    Op::Const(bits) => Arg::Number(f64::from_bits(bits)),
                    _ => self.load(&view),
                }
            }
        }
    }

    /// The register, load or number that holds node `id` here.
    fn value(&mut self, id: usize) -> Arg {
        if let Some(&arg) = self.known.get(&id) {
            return arg;
        }
        let node = self.lowering.graph.nodes[id].clone();
        let here = !self.lowering.levels.stored[id] || self.sinks.contains(&id);
        let arg = match node.op {
            Op::Pointwise(op) if here => {
                let args = node.inputs.iter().map(|&input| self.value(input)).collect();
                self.instruction(op, args)
            }
            Op::Put(_) if here && self.lowering.rides[id] => {
                let (data, index) = (node.inputs[0], node.inputs[1]);
                let (data, index) = (self.lowering.plain(data), self.lowering.plain(index));
                self.sweep.puts.push(Put { data, index });
                Arg::Put(self.sweep.puts.len() - 1)
            }
            Op::Conv { geometry, .. } if here && self.lowering.rides[id] => {
                let (picture, window) =
                    (self.lowering.plain(node.inputs[0]), self.lowering.plain(node.inputs[1]));
                self.sweep.thins.push(Thin { seen: Seen { picture, geometry }, window });
                Arg::Thin(self.sweep.thins.len() - 1)
            }
            _ => self.operand(id),
        };
        self.known.insert(id, arg);
        arg
    }

    fn instruction(&mut self, op: Pointwise, args: Vec<Arg>) -> Arg {
        self.sweep.program.push(Instruction { op, args });
        Arg::Value(self.sweep.program.len() - 1)
    }

    fn finish(mut self) {
        merge_axes(&mut self.sweep);
        let tasks = if self.local { self.lowering.cut.tasks } else { 1 };
        self.lowering.push(Kind::Sweep(self.sweep), tasks);
    }
}

/// Drops axes of size 1 and merges neighbours that every view crosses in one step. Where pixels
/// count, the last four axes stay: [images, h, w, c].
fn merge_axes(sweep: &mut Sweep) {
    let sums: Vec<Axes> = sweep.sinks.iter().map(|sink| sink.sum).collect();
    if sweep.knows_pixels() {
        let n = sweep.space.len();
        debug_assert!(sweep.space[..n - 4].iter().all(|&size| size == 1), "one task");
        let groups: Vec<(usize, usize)> = (n - 4..n).map(|k| (sweep.space[k], k)).collect();
        return sweep.keep(&groups, &sums);
    }
    let summed = |axis: usize| -> Vec<bool> { sums.iter().map(|sum| sum.has(axis)).collect() };
    let views: Vec<&View> =
        sweep.loads.iter().chain(sweep.sinks.iter().map(|sink| &sink.to)).collect();
    // Each group of old axes becomes one new axis; its last one gives the stride.
    let mut groups: Vec<(usize, usize)> = vec![]; // (size, last old axis)
    for axis in (0..sweep.space.len()).filter(|&axis| sweep.space[axis] > 1) {
        let size = sweep.space[axis];
        if let Some((merged, last)) = groups.last_mut()
            && views.iter().all(|v| v.strides[*last] == v.strides[axis] * size as isize)
            && summed(*last) == summed(axis)
        {
            (*merged, *last) = (*merged * size, axis);
            continue;
        }
        groups.push((size, axis));
    }
    if groups.is_empty() {
        groups.push((1, 0));
    }
    sweep.keep(&groups, &sums);
}

impl Sweep {
    /// New axes, each of a size and with the strides of an old axis.
    fn keep(&mut self, groups: &[(usize, usize)], sums: &[Axes]) {
        for view in &mut self.loads {
            view.strides = groups.iter().map(|&(_, axis)| view.strides[axis]).collect();
        }
        for (sink, old) in self.sinks.iter_mut().zip(sums) {
            sink.view_mut(groups, *old);
        }
        self.space = groups.iter().map(|&(size, _)| size).collect();
    }
}

impl Sink {
    /// Strides and summed axes after merging.
    fn view_mut(&mut self, groups: &[(usize, usize)], old: Axes) {
        self.to.strides = groups.iter().map(|&(_, axis)| self.to.strides[axis]).collect();
        let new: Vec<usize> =
            (0..groups.len()).filter(|&k| groups[k].0 > 1 && old.has(groups[k].1)).collect();
        self.sum = Axes::new(&new);
    }
}
