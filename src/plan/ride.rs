//! Riding: which choices of a pool are part of a sweep instead of kernels of their own.
//!
//! A pool of 2×2 tiles (by far the commonest) needs nothing but the visit that makes its map: the
//! largest element of each tile is kept as rows go by, what the derivatives put back is an operand made
//! on the fly, and the index (0 to 3) takes a byte. All who touch an index must agree to that, so it is
//! decided for each index with everything that reads it.

use super::cut::{Cut, is_source};
use super::graph::Graph;
use super::views::ViewOf;
use crate::op::{Along, Op, Window};

/// The tiles that ride.
const TILES: Window = Window { size: [2, 2], stride: [2, 2], pad: [0; 4] };

/// For each node whether it is an `ArgMax`, `Take` or `Put` that rides.
pub fn riders(graph: &Graph, views: &[Option<ViewOf>], cut: &Cut) -> Vec<bool> {
    let root = |id: usize| views[id].as_ref().map_or(id, |view| view.root);
    let along_tiles = |op: &Op| match op {
        Op::ArgMax(along) | Op::Take(along) | Op::Put(along) => *along == Along::Window(TILES),
        _ => false,
    };
    let may: Vec<bool> = (0..graph.nodes.len())
        .map(|id| {
            let node = &graph.nodes[id];
            // A sweep over [images, h, w, c] serves one task: its own, or the only one.
            let one = cut.stage[id] % 2 == 1 || node.shape.tasks() == 1;
            along_tiles(&node.op) && one && !is_source(&node.op)
        })
        .collect();
    let is_index = |id: usize| may[id] && matches!(graph.nodes[id].op, Op::ArgMax(_));
    let mut rides: Vec<bool> = (0..graph.nodes.len()).map(is_index).collect();
    for (id, node) in graph.nodes.iter().enumerate().filter(|&(id, _)| views[id].is_none()) {
        for (k, &input) in node.inputs.iter().enumerate() {
            let names_places = matches!(node.op, Op::Take(_) | Op::Put(_)) && k == 1;
            rides[root(input)] &= may[id] && names_places;
        }
    }
    graph.outputs.iter().for_each(|&output| rides[root(output)] = false);
    for (id, node) in graph.nodes.iter().enumerate() {
        if matches!(node.op, Op::Take(_) | Op::Put(_)) {
            rides[id] = may[id] && rides[root(node.inputs[1])];
        }
    }
    rides
}
