//! Twins: the sum of two products of one kind is one buffer, the second product adding to the first.
//!
//! The reverse pass through a gradient is full of them, conv(x, v) + conv(x′, w). A twin is a node
//! with four (or more) inputs, pair after pair; each pair becomes a kernel, all but the first with
//! `accumulate`.

use super::graph::Graph;
use crate::op::{Op, Pointwise};
use crate::tape::Node;

pub fn twins(graph: Graph) -> Graph {
    let mut readers = vec![0usize; graph.nodes.len()];
    for node in &graph.nodes {
        node.inputs.iter().for_each(|&input| readers[input] += 1);
    }
    graph.outputs.iter().for_each(|&output| readers[output] += 1);
    let mut nodes: Vec<Node> = graph.nodes;
    for id in 0..nodes.len() {
        if nodes[id].op != Op::Pointwise(Pointwise::Add) {
            continue;
        }
        let (a, b) = (nodes[id].inputs[0], nodes[id].inputs[1]);
        let product = matches!(nodes[a].op, Op::Conv { .. } | Op::MatMul { .. });
        if product && a != b && nodes[a].op == nodes[b].op && readers[a] == 1 && readers[b] == 1 {
            let inputs = [nodes[a].inputs.clone(), nodes[b].inputs.clone()].concat();
            nodes[id] = Node { op: nodes[a].op.clone(), inputs, shape: nodes[id].shape };
        }
    }
    Graph { nodes, outputs: graph.outputs }.live()
}
