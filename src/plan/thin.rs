//! Thin convolutions: those of one channel with a 3×3 window, made where they are read.
//!
//! The first layer's map is by far a network's largest, and making an element of it again takes nine
//! multiply-adds: less than bringing it back from memory, and no more than from the second cache. So a
//! thin map is an operand of the sweeps that read it, and the gradient by its window a sink of the sweep that
//! makes the cotangent: neither map is ever stored. What tasks share of such a map, each of them makes for itself.

use super::cut::{Cut, is_source};
use super::graph::Graph;
use super::views::ViewOf;
use crate::op::{ConvGeometry, Op, Side};
use crate::shape::Shape;
use crate::tape::Node;

/// Pixels of the widest step from one place of the window to the next.
pub const STEP: usize = 2;
/// A block of a sweep has at least so many channels, so that a row of its pixels is short.
pub(super) const CHANNELS: usize = 16;
/// Pointwise operations on a shared thin map that each task does again sooner than read what they leave.
const AGAIN: usize = 4;

/// A thin map, or what little is done to it, that all tasks read: made by each of them.
pub fn made_by_each_task(graph: Graph) -> Graph {
    let mut copies =
        Copies { old: &graph.nodes, made: Vec::with_capacity(graph.nodes.len()), to: vec![] };
    for (id, node) in graph.nodes.iter().enumerate() {
        let again = node.op == Op::Expand && {
            let small = graph.nodes[node.inputs[0]].shape;
            small.with(0, node.shape.tasks()) == node.shape && copies.is_little(node.inputs[0])
        };
        let new = match again {
            true => copies.again(node.inputs[0], node.shape.tasks()),
            false => copies.moved(id),
        };
        copies.to.push(new);
    }
    let outputs = graph.outputs.iter().map(|&output| copies.to[output]).collect();
    Graph { nodes: copies.made, outputs }.live()
}

/// A graph on its way to another one.
struct Copies<'g> {
    old: &'g [Node],
    made: Vec<Node>,
    /// Where each old node stands in the new graph.
    to: Vec<usize>,
}

impl Copies<'_> {
    /// Whether old node `id` is a thin map with at most [`AGAIN`] pointwise operations done to it.
    fn is_little(&self, id: usize) -> bool {
        let (mut steps, mut maps) = (0, 0);
        self.counts(id, &mut steps, &mut maps) && maps > 0
    }

    /// Counts pointwise operations and thin maps behind old node `id`; false where they are too many, or anything else is
    /// read that is not small.
    fn counts(&self, id: usize, steps: &mut usize, maps: &mut usize) -> bool {
        let node = &self.old[id];
        match &node.op {
            Op::Const(_) | Op::Expand => true,
            Op::Conv { side: Side::Output, geometry } if node.inputs.len() == 2 => {
                *maps += 1;
                is_thin(geometry, [self.old[node.inputs[0]].shape[4], node.shape[4]])
            }
            Op::Pointwise(_) => {
                *steps += 1;
                *steps <= AGAIN && node.inputs.iter().all(|&input| self.counts(input, steps, maps))
            }
            _ => false,
        }
    }

    fn push(&mut self, op: Op, inputs: Vec<usize>, shape: Shape) -> usize {
        self.made.push(Node { op, inputs, shape });
        self.made.len() - 1
    }

    /// Old node `id` as it was.
    fn moved(&mut self, id: usize) -> usize {
        let node = &self.old[id];
        let inputs = node.inputs.iter().map(|&input| self.to[input]).collect();
        self.push(node.op.clone(), inputs, node.shape)
    }

    /// Old node `id`, for each of so many tasks.
    fn again(&mut self, id: usize, tasks: usize) -> usize {
        let node = &self.old[id];
        let shape = node.shape.with(0, tasks);
        let inputs = match &node.op {
            Op::Const(_) => vec![],
            Op::Expand => vec![self.to[node.inputs[0]]],
            Op::Conv { .. } => {
                let expanded = |this: &mut Self, input: usize| {
                    let shape = this.old[input].shape.with(0, tasks);
                    this.push(Op::Expand, vec![this.to[input]], shape)
                };
                node.inputs.iter().map(|&input| expanded(self, input)).collect()
            }
            _ => node.inputs.iter().map(|&input| self.again(input, tasks)).collect(),
        };
        self.push(node.op.clone(), inputs, shape)
    }
}

/// Adds the thin convolutions to the riders of pools (`ride.rs`).
pub fn add_thin(graph: &Graph, views: &[Option<ViewOf>], cut: &Cut, rides: &mut [bool]) {
    let users = graph.users();
    for (id, node) in graph.nodes.iter().enumerate() {
        let Op::Conv { side, geometry } = &node.op else { continue };
        let [a, b] = node.inputs[..] else { continue };
        // A sweep over [images, h, w, c] serves one task: its own, or the only one.
        let one = cut.stage[id] % 2 == 1 || node.shape.tasks() == 1;
        let (map, picture) = if *side == Side::Output { (id, a) } else { (b, a) };
        let channels = [picture, map].map(|id| graph.nodes[id].shape[4]);
        if !one || !is_thin(geometry, channels) {
            continue;
        }
        rides[id] = match side {
            Side::Output => {
                users[id].iter().all(|&reader| {
                    let same_stage = cut.stage[reader] == cut.stage[id] && !cut.task_sum[reader];
                    let visits = match graph.nodes[reader].op {
                        Op::Pointwise(_) | Op::Sum(_) => views[reader].is_none(),
                        Op::ArgMax(_) => rides[reader],
                        Op::Take(_) => rides[reader] && graph.nodes[reader].inputs[1] != id,
                        _ => false,
                    };
                    same_stage && visits
                }) && !graph.outputs.contains(&id)
            }
            // What the window sees is at hand before the visit begins.
            Side::Weight => {
                let root = views[picture].as_ref().map_or(picture, |view| view.root);
                let made = match graph.nodes[map].op {
                    Op::Pointwise(_) => true,
                    Op::Put(_) => rides[map],
                    _ => false,
                };
                is_source(&graph.nodes[root].op) && made
            }
            Side::Input => false,
        };
    }
}

/// Whether a convolution is thin, of so many channels seen and made.
pub(super) fn is_thin(geometry: &ConvGeometry, channels: [usize; 2]) -> bool {
    let ConvGeometry { stride, dilation, groups, kernel, .. } = *geometry;
    groups == 1 && is_thin_window(kernel, stride, dilation, channels)
}

/// Whether a window looks at one channel and makes enough of them, in a way that `exec/cpu/thin.rs` has loops for.
pub fn is_thin_window(
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    [seen, made]: [usize; 2],
) -> bool {
    let steps = stride.iter().all(|step| *step <= STEP);
    kernel == [3, 3] && steps && dilation == [1, 1] && seen == 1 && made >= CHANNELS
}
