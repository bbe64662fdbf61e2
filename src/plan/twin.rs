//! Twins: the sum of two products of one kind is one buffer, the second product adding to the first.
//!
//! The reverse pass through a gradient is full of them. A twin is a node with four (or more) inputs, pair after pair;
//! each pair becomes a kernel, all but the first with `accumulate`. What a task leaves to be summed over all tasks
//! is treated alike: terms that stand in memory anyway are added there, not to each other first.
//!
//! ```text
//!   (p + A·B) + C·D   =  p + (A·B + C·D)       whatever a sum's brackets
//!   Σ_tasks (A·B + q) =  Σ_tasks A·B + q       a sum over tasks with two inputs, one kernel less
//! ```

use super::cut::Cut;
use super::graph::Graph;
use super::simplify::ADD;
use super::views::ViewOf;
use crate::op::Op;
use crate::tape::Node;
use std::collections::HashMap;

/// Terms of a sum over tasks that are added in one visit of what has been summed so far.
const TERMS: usize = 2;

pub fn twins(graph: Graph) -> Graph {
    let sums = Sums::of(&graph);
    let mut made: Vec<Node> = Vec::with_capacity(graph.nodes.len());
    let mut to: Vec<usize> = Vec::with_capacity(graph.nodes.len());
    let mut make = |node: Node| {
        made.push(node);
        made.len() - 1
    };
    for (id, node) in graph.nodes.iter().enumerate() {
        let groups = if sums.is_whole(id) { sums.products(id) } else { vec![] };
        if groups.iter().all(|group| group.len() == 1) {
            let inputs = node.inputs.iter().map(|&input| to[input]).collect();
            to.push(make(Node { inputs, ..node.clone() }));
            continue;
        }
        let shape = node.shape;
        let terms = groups.into_iter().map(|group| match group[..] {
            [term] => to[term],
            _ => {
                let inputs = group.iter().flat_map(|&term| &graph.nodes[term].inputs);
                let (op, inputs) = (graph.nodes[group[0]].op.clone(), inputs.map(|&i| to[i]));
                make(Node { op, inputs: inputs.collect(), shape })
            }
        });
        let terms: Vec<usize> = terms.collect();
        let add = |sum, term| make(Node { op: ADD, inputs: vec![sum, term], shape });
        to.push(terms.into_iter().reduce(add).expect("a sum has terms"));
    }
    let outputs = graph.outputs.iter().map(|&output| to[output]).collect();
    Graph { nodes: made, outputs }.live()
}

/// Sums over tasks of two terms, each a product or sum that one task makes and leaves whole: both are added there.
pub fn terms_of_tasks(graph: &mut Graph, views: &[Option<ViewOf>], cut: &Cut) {
    let sums = Sums::of(graph);
    let is_kept = |id: usize| {
        let root = views[id].as_ref().map_or(id, |view| view.root);
        let made = matches!(graph.nodes[root].op, Op::Conv { .. } | Op::MatMul { .. } | Op::Sum(_));
        let shape = graph.nodes[id].shape;
        let whole =
            views[id].as_ref().is_none_or(|view| view.is_all(graph.nodes[root].shape, shape));
        made && whole && !cut.task_sum[root]
    };
    let of = |id: usize| {
        let input = graph.nodes[id].inputs[0];
        let terms = (sums.readers[input] == 1).then(|| sums.terms(input))?;
        let same = |&term: &usize| cut.stage[term] == cut.stage[input] && is_kept(term);
        (terms.len() == TERMS && terms.iter().all(same)).then_some((id, terms))
    };
    let ids = (0..graph.nodes.len()).filter(|&id| cut.task_sum[id]);
    let found: Vec<(usize, Vec<usize>)> = ids.filter_map(of).collect();
    for (id, terms) in found {
        graph.nodes[id].inputs = terms;
    }
}

/// The sums of a graph, seen without their brackets.
struct Sums<'g> {
    graph: &'g Graph,
    readers: Vec<usize>,
    /// Sums that only a larger sum reads: their terms are its terms.
    inner: Vec<bool>,
}

impl<'g> Sums<'g> {
    fn of(graph: &'g Graph) -> Self {
        let mut readers: Vec<usize> = graph.users().iter().map(Vec::len).collect();
        graph.outputs.iter().for_each(|&output| readers[output] += 1);
        let mut inner = vec![false; graph.nodes.len()];
        for node in graph.nodes.iter().filter(|node| node.op == ADD) {
            for &input in &node.inputs {
                inner[input] = graph.nodes[input].op == ADD && readers[input] == 1;
            }
        }
        Self { graph, readers, inner }
    }

    /// A sum that is no part of a larger one.
    fn is_whole(&self, id: usize) -> bool {
        self.graph.nodes[id].op == ADD && !self.inner[id]
    }

    /// The terms of sum `id`, first to last; of anything else, itself.
    fn terms(&self, id: usize) -> Vec<usize> {
        let (mut terms, mut open): (Vec<usize>, Vec<usize>) = (vec![], vec![]);
        match self.graph.nodes[id].op == ADD {
            true => open.extend(self.graph.nodes[id].inputs.iter().rev()),
            false => terms.push(id),
        }
        while let Some(term) = open.pop() {
            match self.inner[term] {
                true => open.extend(self.graph.nodes[term].inputs.iter().rev()),
                false => terms.push(term),
            }
        }
        terms
    }

    /// The terms of sum `id`, those together that can be one buffer: products of one kind that nobody else reads.
    fn products(&self, id: usize) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = vec![];
        let mut known: HashMap<&Op, usize> = HashMap::new();
        for term in self.terms(id) {
            let op = &self.graph.nodes[term].op;
            let product = matches!(op, Op::Conv { .. } | Op::MatMul { .. });
            let place = (product && self.readers[term] == 1)
                .then(|| *known.entry(op).or_insert(groups.len()))
                .filter(|&place| place < groups.len());
            match place {
                Some(place) => groups[place].push(term),
                None => groups.push(vec![term]),
            }
        }
        groups
    }
}
