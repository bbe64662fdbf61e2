//! Lowering: stored nodes become kernels, with the shapes and strides of one task worked out.

use super::cut::{Cut, is_source};
use super::graph::Graph;
use super::kernel::*;
use super::levels::Levels;
use super::sweep::SweepBuilder;
use super::views::{ViewOf, view_of};
use super::{Buffer, Memory, Place, Segment, TaskSum};
use crate::op::{Along, Op, Side};
use crate::shape::Shape;
use std::collections::{BTreeMap, BTreeSet};

/// Everything lowering knows; `finish` gives kernels, buffers (places still open) and segments.
pub struct Lowering<'g> {
    pub graph: &'g Graph,
    pub views: &'g [Option<ViewOf>],
    pub cut: &'g Cut,
    pub levels: &'g Levels,
    pub rides: &'g [bool],
    pub memory: Memory,
    pub buffers: Vec<Buffer>,
    pub buffer_of: Vec<Option<BufferId>>,
    pub kernels: Vec<Kernel>,
    pub segments: Vec<Segment>,
    pub constants: Vec<(BufferId, Vec<f64>)>,
}

impl<'g> Lowering<'g> {
    pub fn new(
        graph: &'g Graph,
        views: &'g [Option<ViewOf>],
        cut: &'g Cut,
        levels: &'g Levels,
        rides: &'g [bool],
        memory: Memory,
    ) -> Self {
        let buffer_of = vec![None; graph.nodes.len()];
        Self {
            graph,
            views,
            cut,
            levels,
            rides,
            memory,
            buffers: vec![],
            buffer_of,
            kernels: vec![],
            segments: vec![],
            constants: vec![],
        }
    }

    pub fn shape(&self, id: usize) -> Shape {
        self.graph.nodes[id].shape
    }

    /// Whether `id` is computed task by task.
    pub fn is_local(&self, id: usize) -> bool {
        self.cut.stage[id] % 2 == 1 && !is_source(&self.graph.nodes[id].op)
    }

    /// Stages in order, each a segment; in a stage levels in order.
    pub fn run(&mut self) {
        let mut order: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
        let mut sums: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (id, node) in self.graph.nodes.iter().enumerate() {
            if is_source(&node.op) || !self.levels.stored[id] {
                continue;
            }
            if self.cut.task_sum[id] {
                sums.entry(self.cut.stage[id] - 1).or_default().push(id);
            } else {
                order.entry((self.cut.stage[id], self.levels.level[id])).or_default().push(id);
            }
        }
        // Also those in which nothing is stored: what is summed over tasks may be views alone.
        let stages = order.keys().map(|&(stage, _)| stage).chain(sums.keys().copied());
        for stage in stages.collect::<BTreeSet<usize>>() {
            let first = self.kernels.len();
            let levels: Vec<Vec<usize>> =
                order.range((stage, 0)..=(stage, usize::MAX)).map(|(_, ids)| ids.clone()).collect();
            for ids in levels {
                self.level(&ids);
            }
            let task_sums = sums.get(&stage).cloned().unwrap_or_default();
            let task_sums = task_sums.into_iter().map(|id| self.task_sum(id)).collect();
            let tasks = if stage % 2 == 1 { self.cut.tasks } else { 1 };
            let kernels = first..self.kernels.len();
            self.segments.push(Segment { kernels, tasks, task_sums });
        }
    }

    /// Kernels of nodes that do not wait for each other, sweeps of one space together.
    fn level(&mut self, ids: &[usize]) {
        let mut spaces: BTreeMap<Shape, Vec<usize>> = BTreeMap::new();
        for &id in ids {
            match self.graph.nodes[id].op {
                Op::Pointwise(_) | Op::Detach => {
                    spaces.entry(self.shape(id)).or_default().push(id);
                }
                Op::Sum(_) => {
                    let space = self.shape(self.graph.nodes[id].inputs[0]);
                    spaces.entry(space).or_default().push(id);
                }
                Op::Put(_) if self.rides[id] => {
                    spaces.entry(self.shape(id)).or_default().push(id);
                }
                Op::ArgMax(_) | Op::Take(_) if self.rides[id] => {
                    let space = self.shape(self.graph.nodes[id].inputs[0]);
                    spaces.entry(space).or_default().push(id);
                }
                // The gradient by a window is summed over the space of the cotangent.
                Op::Conv { .. } if self.rides[id] => {
                    let space = self.shape(self.graph.nodes[id].inputs[1]);
                    spaces.entry(space).or_default().push(id);
                }
                _ => self.single(id),
            }
        }
        for (space, ids) in spaces {
            let groups = match self.memory {
                Memory::PerWorker => vec![ids],
                // One dispatch holds maps, or sums over the same axes.
                Memory::AllTasks => self.by_sum(ids),
            };
            for ids in groups {
                SweepBuilder::build(self, space, &ids);
            }
        }
    }

    /// Maps first: a sum may read one of them.
    fn by_sum(&self, ids: Vec<usize>) -> Vec<Vec<usize>> {
        let mut groups: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
        for id in ids {
            let axes = match self.graph.nodes[id].op {
                Op::Sum(axes) => axes.0,
                _ => 0,
            };
            groups.entry(axes).or_default().push(id);
        }
        groups.into_values().collect()
    }

    pub fn push(&mut self, kind: Kind, tasks: usize) {
        self.kernels.push(Kernel { kind, tasks });
    }

    /// The buffer of a stored node or a source, made when first asked for.
    pub fn buffer(&mut self, id: usize) -> BufferId {
        if let Some(buffer) = self.buffer_of[id] {
            return buffer;
        }
        let shape = self.shape(id);
        let (len, mut tasks) = (shape.len() / shape.tasks(), shape.tasks());
        let buffer = self.buffers.len();
        match &self.graph.nodes[id].op {
            // The same for every task: one task's worth serves all.
            Op::Const(bits) => {
                tasks = 1;
                self.constants.push((buffer, vec![f64::from_bits(*bits); len]));
            }
            Op::Data(values) => {
                self.constants.push((buffer, values.to_vec()));
            }
            _ => {}
        }
        // An index that rides is read by sweeps alone, as whole numbers below 4.
        let index = self.rides[id] && matches!(self.graph.nodes[id].op, Op::ArgMax(_));
        let element_bytes = if index { 1 } else { 4 };
        self.buffers.push(Buffer { len, tasks, element_bytes, place: Place::Own, node: id });
        self.buffer_of[id] = Some(buffer);
        buffer
    }

    /// What a node's elements are of a stored one.
    pub fn view_of(&self, id: usize) -> ViewOf {
        let mut view = self.views[id].clone().unwrap_or_else(|| ViewOf::whole(id, self.shape(id)));
        if matches!(self.graph.nodes[view.root].op, Op::Const(_)) {
            view.strides[0] = 0;
        }
        view
    }

    /// A view with strides over all axes of a node's shape (`local`: over all but the task axis).
    pub fn strided(&mut self, view: &ViewOf, rank: usize, local: bool) -> View {
        let buffer = self.buffer(view.root);
        let (task_stride, strides) = if local {
            (view.strides[0] as usize, view.strides[1..rank].to_vec())
        } else {
            (0, view.strides[..rank].to_vec())
        };
        View { buffer, offset: view.offset, task_stride, strides }
    }

    /// A view of contiguous elements: no strides but the task axis'.
    pub fn plain(&mut self, id: usize) -> View {
        let view = self.view_of(id);
        debug_assert!(view.is_contiguous_per_task(self.shape(id)));
        let buffer = self.buffer(view.root);
        let task_stride = view.strides[0] as usize;
        let task_stride = if self.shape(id).tasks() == 1 { 0 } else { task_stride };
        View { buffer, offset: view.offset, task_stride, strides: vec![] }
    }

    /// Tasks of a kernel whose axes are fixed, task axis first.
    fn tasks_of(&self, id: usize) -> usize {
        self.shape(id).tasks()
    }

    fn single(&mut self, id: usize) {
        let node = self.graph.nodes[id].clone();
        let local = self.is_local(id);
        match node.op {
            Op::Conv { side, geometry } => {
                for (k, pair) in node.inputs.chunks(2).enumerate() {
                    let conv = self.conv(id, side, geometry, pair[0], pair[1], k > 0);
                    self.push(Kind::Conv(conv), self.tasks_of(id));
                }
            }
            Op::MatMul { ta, tb } => {
                for (k, pair) in node.inputs.chunks(2).enumerate() {
                    let product = self.matmul(id, pair[0], pair[1], [ta, tb], local, k > 0);
                    let tasks = if local { self.cut.tasks } else { 1 };
                    self.push(Kind::MatMul(product), tasks);
                }
            }
            Op::ArgMax(along) => self.choose(id, Choice::ArgMax, along, local),
            Op::Take(along) => self.choose(id, Choice::Take, along, local),
            Op::Put(along) => self.choose(id, Choice::Put, along, local),
            Op::Random { seed, stream } => {
                let step = self.view_of(node.inputs[0]);
                let buffer = self.buffer(step.root);
                let step = View { buffer, offset: step.offset, task_stride: 0, strides: vec![] };
                let len = node.shape.len() / node.shape.tasks();
                let to = self.plain(id);
                self.push(Kind::Random(Random { seed, stream, step, len, to }), self.tasks_of(id));
            }
            Op::Pad { before, value } => {
                let fill = Arg::Number(f64::from_bits(value));
                SweepBuilder::store(self, id, node.shape, None, fill, &[0; 8]);
                let input = node.inputs[0];
                SweepBuilder::store(self, id, self.shape(input), Some(input), fill, &before);
            }
            Op::Concat { axis } => {
                let mut before = [0; 8];
                for input in node.inputs {
                    let shape = self.shape(input);
                    SweepBuilder::store(self, id, shape, Some(input), Arg::Number(0.0), &before);
                    before[axis as usize] += shape[axis as usize];
                }
            }
            // A movement that strides cannot say, or a plan without views: a copy.
            Op::Reshape => SweepBuilder::reshape(self, id),
            Op::Permute { .. } | Op::Expand | Op::Slice { .. } | Op::Flip(_) => {
                let view = view_of(&self.graph.nodes, self.views, id).expect("a movement");
                SweepBuilder::copy(self, id, &view);
            }
            ref op => unreachable!("{op:?} has no kernel of its own"),
        }
    }

    fn conv(
        &mut self,
        id: usize,
        side: Side,
        geometry: crate::op::ConvGeometry,
        a: usize,
        b: usize,
        accumulate: bool,
    ) -> Conv {
        let (sa, sb, so) = (self.shape(a), self.shape(b), self.shape(id));
        let (images, channels) = match side {
            Side::Output => (sa[1], [sa[4], sb[4]]),
            Side::Input => (sb[1], [so[4], sb[4]]),
            Side::Weight => (sa[1], [sa[4], sb[4]]),
        };
        let (a, b, to) = (self.plain(a), self.plain(b), self.plain(id));
        Conv { side, geometry, images, channels, a, b, to, accumulate }
    }

    fn matmul(
        &mut self,
        id: usize,
        a: usize,
        b: usize,
        transposed: [bool; 2],
        local: bool,
        accumulate: bool,
    ) -> MatMul {
        let (shape, sa) = (self.shape(id), self.shape(a));
        let rank = shape.rank();
        let first = local as usize;
        let k = if transposed[0] { sa[rank - 2] } else { sa[rank - 1] };
        let batch = shape.dims()[first..rank - 2].to_vec();
        let mut operand = |id: usize, transposed: bool| {
            let view = self.view_of(id);
            let mut view = self.strided(&view, rank, local);
            if transposed {
                let n = view.strides.len();
                view.strides.swap(n - 1, n - 2);
            }
            view
        };
        let (a, b, c) = (operand(a, transposed[0]), operand(b, transposed[1]), operand(id, false));
        MatMul { batch, m: shape[rank - 2], n: shape[rank - 1], k, a, b, c, accumulate }
    }

    fn choose(&mut self, id: usize, choice: Choice, along: Along, local: bool) {
        let node = self.graph.nodes[id].clone();
        let (data, index) = (node.inputs[0], node.inputs.get(1).copied());
        match along {
            Along::Window(window) => {
                let image = if choice == Choice::Put { node.shape } else { self.shape(data) };
                let (images, h, w, c) = (image[1], image[2], image[3], image[4]);
                let places = Places::Window { images, h, w, c, window };
                let (data, index) = (self.plain(data), index.map(|index| self.plain(index)));
                let to = self.plain(id);
                let choose = Choose { choice, places, data, index, to };
                self.push(Kind::Choose(choose), self.tasks_of(id));
            }
            Along::Axis(axis) => {
                // Only axis 0 reaches across tasks, and then the node is not task-local.
                let (axis, first) = (axis as usize, local as usize);
                let indexed = if choice == Choice::Put { id } else { data };
                let counted = index.unwrap_or(id);
                let space = self.shape(counted).dims()[first..].to_vec();
                let rank = node.shape.rank();
                let size = self.shape(indexed)[axis];
                let mut step = 0;
                let mut operand = |id: usize| {
                    let view = self.view_of(id);
                    let mut view = self.strided(&view, rank, local);
                    if id == indexed {
                        step = std::mem::take(&mut view.strides[axis - first]);
                    }
                    view
                };
                let to = operand(id);
                let (data, index) = (operand(data), index.map(operand));
                let places = Places::Axis { space, axis: axis - first, size, step };
                let tasks = if local { self.cut.tasks } else { 1 };
                self.push(Kind::Choose(Choose { choice, places, data, index, to }), tasks);
            }
        }
    }

    /// Σ over tasks of task-local values.
    fn task_sum(&mut self, id: usize) -> TaskSum {
        let inputs = self.graph.nodes[id].inputs.clone();
        let from = inputs.into_iter().map(|input| self.whole(input)).collect();
        TaskSum { from, to: self.buffer(id) }
    }

    /// A task-local value that fills a buffer: a strided view is copied.
    fn whole(&mut self, input: usize) -> BufferId {
        let (view, shape) = (self.view_of(input), self.shape(input));
        if view.is_all(self.shape(view.root), shape) && self.is_local(view.root) {
            self.buffer(view.root)
        } else {
            let len = shape.len() / shape.tasks();
            let buffer = self.buffers.len();
            let tasks = shape.tasks();
            let element_bytes = 4;
            self.buffers.push(Buffer { len, tasks, element_bytes, place: Place::Own, node: input });
            SweepBuilder::copy_to(self, buffer, shape, &view, true);
            buffer
        }
    }
}
