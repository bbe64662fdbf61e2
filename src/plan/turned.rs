//! Turned: weights that all tasks share and that products read across their rows are copied the other way round, once a
//! run and not once for each task.
//!
//! ```text
//!   x·Wᵀ for each task, W shared      W ── turned ── copy ── turned back ──┬─ x·(…)ᵀ   whose strides are rows again
//!                                                                         └─ y·(…)ᵀ
//! ```

use super::graph::Graph;
use crate::op::Op;
use crate::shape::{MAX_RANK, Shape};
use crate::tape::Node;
use std::collections::HashMap;

/// The graph in which every second operand of a product that is transposed and shared reads such a copy.
pub fn turned_once(graph: Graph) -> Graph {
    let mut made: Vec<Node> = Vec::with_capacity(graph.nodes.len());
    let mut to: Vec<usize> = Vec::with_capacity(graph.nodes.len());
    // By the number of what is turned.
    let mut known: HashMap<usize, usize> = HashMap::new();
    for node in &graph.nodes {
        let mut inputs: Vec<usize> = node.inputs.iter().map(|&input| to[input]).collect();
        if let Op::MatMul { tb: true, .. } = node.op {
            for (k, &input) in node.inputs.iter().enumerate().filter(|(k, _)| k % 2 == 1) {
                let Some(shared) = shared(&graph, input) else { continue };
                inputs[k] = *known
                    .entry(input)
                    .or_insert_with(|| turn(&mut made, to[shared], graph.nodes[input].shape));
            }
        }
        made.push(Node { inputs, ..node.clone() });
        to.push(made.len() - 1);
    }
    let outputs = graph.outputs.iter().map(|&output| to[output]).collect();
    Graph { nodes: made, outputs }
}

/// What an operand of several tasks is expanded from, if all of them read the same matrix, stored row by row.
fn shared(graph: &Graph, operand: usize) -> Option<usize> {
    let node = &graph.nodes[operand];
    if node.op != Op::Expand {
        return None;
    }
    let source = node.inputs[0];
    let (from, shape) = (&graph.nodes[source], node.shape);
    let movement = matches!(from.op, Op::Permute { .. } | Op::Reshape | Op::Slice { .. })
        || matches!(from.op, Op::Flip(_) | Op::Expand | Op::Const(_));
    let rank = shape.rank();
    let matrix = from.shape[rank - 1] > 1 && from.shape[rank - 2] > 1;
    (!movement && matrix && shape.tasks() > 1 && from.shape == shape.with(0, 1)).then_some(source)
}

/// `source` for all tasks of `shape`, as views of a copy that stands the other way round.
fn turn(made: &mut Vec<Node>, source: usize, shape: Shape) -> usize {
    let rank = shape.rank();
    let mut order = [0u8; MAX_RANK];
    (0..rank).for_each(|k| order[k] = k as u8);
    order.swap(rank - 1, rank - 2);
    let once = shape.with(0, 1);
    let turned = once.with(rank - 1, once[rank - 2]).with(rank - 2, once[rank - 1]);
    let mut push = |op: Op, input: usize, shape| {
        made.push(Node { op, inputs: vec![input], shape });
        made.len() - 1
    };
    let across = push(Op::Permute { order }, source, turned);
    let copy = push(Op::Detach, across, turned);
    let back = push(Op::Permute { order }, copy, once);
    push(Op::Expand, back, shape)
}
