//! A sum of a picture's thin maps is a thin map of that picture:
//!
//! ```text
//! conv(x, v)·p + conv(x, w)·q + r = conv(x, v·p + w·q) + r        p, q, r the same for all pixels
//! ```
//!
//! A first layer's map less its mean, by its spread and a factor, with something added is one convolution by a scaled
//! window and one addition; the tangent of all that, in which two maps meet, is no more. What is gathered is what reads
//! them otherwise: the last rewriting, because the others look for maps as they were (`trilinear.rs`).

use super::graph::{Builder, Graph};
use super::simplify::{ADD, MUL, Rules};
use crate::op::{Along, ConvGeometry, Op, Side};
use crate::tape::Node;

/// A convolution of what is seen, how, and by which window.
type Seen = (usize, ConvGeometry, usize);

/// The graph with its sums of thin maps gathered. Not where tiles are pooled: what a pool takes is the map as it was, so a
/// visit would make both (2.2 GFLOP instead of 1.9 in a step of the pooled omniglot-5w1s).
pub fn gathered(graph: Graph) -> Graph {
    let pools = |node: &Node| matches!(node.op, Op::ArgMax(Along::Window(_)));
    if graph.nodes.iter().any(pools) {
        return graph;
    }
    let ends = ends(&graph);
    let mut rules = Rules { made: Builder::default(), windows: None };
    let mut to = Vec::with_capacity(graph.nodes.len());
    for (node, ends) in graph.nodes.into_iter().zip(ends) {
        let inputs = node.inputs.iter().map(|&input| to[input]).collect();
        let made = rules.make(node.op, inputs, node.shape);
        let gathered = if ends { rules.gathered(made) } else { None };
        to.push(gathered.unwrap_or(made));
    }
    let outputs = graph.outputs.iter().map(|&output| to[output]).collect();
    Graph { nodes: rules.made.nodes, outputs }.live()
}

/// Which sums and products of maps are no mere part of another one.
fn ends(graph: &Graph) -> Vec<bool> {
    let is_part = |op: &Op| *op == ADD || *op == MUL;
    let mut ends: Vec<bool> = vec![false; graph.nodes.len()];
    graph.outputs.iter().for_each(|&output| ends[output] = true);
    for node in &graph.nodes {
        let other = |k: usize| &graph.nodes[node.inputs[1 - k]].op;
        for (k, &input) in node.inputs.iter().enumerate() {
            let part =
                node.op == ADD || node.op == MUL && matches!(other(k), Op::Expand | Op::Const(_));
            ends[input] |= !part;
        }
    }
    for (end, node) in ends.iter_mut().zip(&graph.nodes) {
        *end &= is_part(&node.op) && node.shape.rank() == 5;
    }
    ends
}

impl Rules {
    /// Node `id`, if it is a sum over which thin maps of one picture, or one with a factor, are scattered.
    fn gathered(&mut self, id: usize) -> Option<usize> {
        let shape = self.made.shape(id);
        let sum = (1..4).fold(shape, |s, axis| s.with(axis, 1));
        let mut thin: Vec<Seen> = vec![];
        let (mut maps, mut small) = (vec![], vec![]);
        let mut simpler = false;
        for term in self.terms(id) {
            let Some(map) = term.map else {
                let product = |a, b| self.make(MUL, vec![a, b], sum);
                small.extend(term.factors.into_iter().reduce(product));
                continue;
            };
            let Some(found) = self.thin_map(map) else {
                maps.push(self.times(map, term.factors, shape));
                continue;
            };
            simpler |= !term.factors.is_empty();
            for added in found.added {
                let added = self.expanded(added, sum);
                small.push(self.times(added, term.factors.clone(), sum));
            }
            let by = self.made.shape(found.window);
            let window = self.times(found.window, term.factors, by);
            let of_picture = |seen: &&mut Seen| (seen.0, seen.1) == (found.picture, found.geometry);
            match thin.iter_mut().find(of_picture) {
                Some(seen) => {
                    simpler = true;
                    seen.2 = self.make(ADD, vec![seen.2, window], by);
                }
                None => thin.push((found.picture, found.geometry, window)),
            }
        }
        // Of two pictures the maps would be stored, one added to the other (`twin.rs`).
        if !simpler || thin.len() > 1 {
            return None;
        }
        let convolved = thin.into_iter().map(|(picture, geometry, window)| {
            let op = Op::Conv { side: Side::Output, geometry };
            self.make(op, vec![picture, window], shape)
        });
        let mut parts: Vec<usize> = convolved.collect();
        parts.extend(maps);
        if let Some(small) = self.added(small, sum) {
            parts.push(self.expanded(small, shape));
        }
        self.added(parts, shape)
    }
}
