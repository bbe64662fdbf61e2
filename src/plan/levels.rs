//! Levels: what is a sink, what stays virtual, and in which visit it is made.
//!
//! A *sink* is stored: a sum, a product, a convolution, a choice, a map somebody needs whole. Every
//! other pointwise map is *virtual*: recomputed in a register wherever it is read. A node's level
//! counts the sinks before it on its longest path, so sinks of one level do not wait for each other,
//! and those of one level and one space become one sweep (`sweep.rs`).

use super::cut::{Cut, is_source};
use super::graph::Graph;
use super::views::ViewOf;
use crate::op::{Op, Pointwise};

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
pub fn levels(graph: &Graph, views: &[Option<ViewOf>], cut: &Cut, fuse: bool) -> Levels {
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
            same_stage && matches!(graph.nodes[reader].op, Op::Pointwise(_) | Op::Sum(_))
        };
        cost[id] = match node.op {
            Op::Pointwise(op) => {
                let virtual_inputs = node.inputs.iter().filter(|&&i| !levels.stored[i]);
                price(op) + virtual_inputs.map(|&i| cost[i]).sum::<usize>()
            }
            _ => 0,
        };
        let pointwise = matches!(node.op, Op::Pointwise(_));
        let several = users[id].len() > 1;
        levels.stored[id] = !pointwise
            || is_output[id]
            || !users[id].iter().all(|&reader| same_visit(reader))
            || several && cost[id] > RECOMPUTE_LIMIT
            || cost[id] > PROGRAM_LIMIT;
        if levels.stored[id] {
            cost[id] = 0;
        }

        let sweeps = |id: usize| matches!(graph.nodes[id].op, Op::Pointwise(_) | Op::Sum(_));
        let inputs_level = node.inputs.iter().map(|&input| {
            let rides_along = sweeps(id)
                && levels.stored[input]
                && matches!(graph.nodes[input].op, Op::Pointwise(_))
                && cut.stage[input] == cut.stage[id];
            // A map stored by the visit that this node is part of is at hand there.
            levels.level[input] - rides_along as usize
        });
        levels.level[id] = inputs_level.max().unwrap_or(0) + levels.stored[id] as usize;
    }
    levels
}

/// In simple instructions, as measured on `cpu`.
fn price(op: Pointwise) -> usize {
    match op {
        Pointwise::Add | Pointwise::Mul | Pointwise::Max | Pointwise::Less | Pointwise::Select => 1,
        Pointwise::Recip | Pointwise::Sqrt => 3,
        Pointwise::Exp | Pointwise::Log | Pointwise::Sin | Pointwise::Tanh | Pointwise::Erf => 8,
    }
}
