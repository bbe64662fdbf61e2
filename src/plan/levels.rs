//! Levels: what is a sink, what stays virtual, and in which visit it is made.
//!
//! A *sink* is stored: a sum, a product, a convolution, a choice, a map somebody needs whole. Every
//! other pointwise map is *virtual*: recomputed in a register wherever it is read. A node's level
//! counts the sinks before it on its longest path, so sinks of one level do not wait for each other,
//! and those of one level and one space become one sweep (`sweep.rs`). What `rides` (`ride.rs`) is part
//! of sweeps too: a put and a thin convolution are virtual like a pointwise map, an index, what is taken by it and the gradient
//! by a thin window are sinks.

use super::cut::{Cut, is_source};
use super::graph::Graph;
use super::views::ViewOf;
use crate::op::{Op, Pointwise, Side};
use crate::shape::Shape;

/// A virtual map with several readers is stored once recomputing it costs more than this many simple
/// instructions. Measured best between 3 and 6 on the convolutional network, flat beyond.
const RECOMPUTE_LIMIT: usize = 5;
/// A map whose program would exceed this is stored: a sweep's registers are finite.
const PROGRAM_LIMIT: usize = 48;

pub struct Levels {
    /// Has a buffer of its own (sources and views apart).
    pub stored: Vec<bool>,
    pub level: Vec<usize>,
}

/// With `fuse` off every node is stored, in a level of its own: the plain plan.
pub fn levels(
    graph: &Graph,
    views: &[Option<ViewOf>],
    cut: &Cut,
    fuse: bool,
    rides: &[bool],
) -> Levels {
    // What visits the space of its first operand, or (a pointwise map) its own.
    let visits = |id: usize| match graph.nodes[id].op {
        Op::Pointwise(_) | Op::Sum(_) => true,
        Op::ArgMax(_) | Op::Take(_) | Op::Conv { side: Side::Weight, .. } => rides[id],
        _ => false,
    };
    let n = graph.nodes.len();
    let users = graph.users();
    let mut is_output = vec![false; n];
    graph.outputs.iter().for_each(|&output| is_output[output] = true);
    let mut levels = Levels { stored: vec![false; n], level: vec![0; n] };
    // Instructions to recompute a virtual map from what is stored.
    let mut cost = vec![0usize; n];
    for (id, node) in graph.nodes.iter().enumerate() {
        if is_source(&node.op) {
            continue;
        }
        if let Some(view) = &views[id] {
            levels.level[id] = levels.level[view.root];
            continue;
        }
        if !fuse {
            levels.stored[id] = true;
            levels.level[id] = id;
            continue;
        }
        let same_visit = |reader: usize| {
            let same_stage = cut.stage[reader] == cut.stage[id] && !cut.task_sum[reader];
            same_stage && visits(reader)
        };
        cost[id] = match node.op {
            Op::Pointwise(op) => {
                let virtual_inputs = node.inputs.iter().filter(|&&i| !levels.stored[i]);
                price(op) + virtual_inputs.map(|&i| cost[i]).sum::<usize>()
            }
            Op::Put(_) => 2,
            _ => 0,
        };
        let made = matches!(node.op, Op::Put(_) | Op::Conv { side: Side::Output, .. }) && rides[id];
        let pointwise = matches!(node.op, Op::Pointwise(_)) || made;
        // The window sum of a map and its other sums are sinks of one visit.
        let is_window_sum =
            |reader: &usize| rides[*reader] && matches!(graph.nodes[*reader].op, Op::Conv { .. });
        let is_sum =
            |reader: &usize| is_window_sum(reader) || matches!(graph.nodes[*reader].op, Op::Sum(_));
        let one_visit = users[id].iter().any(is_window_sum) && users[id].iter().all(is_sum);
        let several = users[id].len() > 1 && !one_visit;
        levels.stored[id] = !pointwise
            || is_output[id]
            || !users[id].iter().all(|&reader| same_visit(reader))
            || several && cost[id] > RECOMPUTE_LIMIT
            || cost[id] > PROGRAM_LIMIT;
        if levels.stored[id] {
            cost[id] = 0;
        }

        let inputs_level = node.inputs.iter().map(|&input| {
            let is_at_hand = match graph.nodes[input].op {
                // A map stored by the visit that this node is part of is at hand there,
                Op::Pointwise(_) => levels.stored[input],
                Op::Put(_) => levels.stored[input] && rides[input],
                // and so is the index it finds.
                Op::ArgMax(_) => rides[input] && space(graph, input) == space(graph, id),
                _ => false,
            };
            let same_visit = visits(id) && is_at_hand && cut.stage[input] == cut.stage[id];
            levels.level[input] - same_visit as usize
        });
        levels.level[id] = inputs_level.max().unwrap_or(0) + levels.stored[id] as usize;
    }
    levels
}

/// The shape that a sum or choice goes over: its first operand's.
fn space(graph: &Graph, id: usize) -> Shape {
    graph.nodes[graph.nodes[id].inputs[0]].shape
}

/// In simple instructions, as measured on `cpu`.
fn price(op: Pointwise) -> usize {
    match op {
        Pointwise::Add | Pointwise::Mul | Pointwise::Max | Pointwise::Less | Pointwise::Select => 1,
        Pointwise::Recip | Pointwise::Sqrt => 3,
        Pointwise::Exp | Pointwise::Log | Pointwise::Sin | Pointwise::Tanh | Pointwise::Erf => 8,
    }
}
