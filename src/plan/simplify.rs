//! Simplify: the same numbers from less work, by rules on the graph.
//!
//! What is shared is computed once (`Expand` moves behind an operation whose operands are all
//! expanded), equal expressions become one, constants fold, sums of what does not vary become
//! products, and pointwise work moves to the small side of a pool (through `Take` and `Put`) and before a
//! split of axes (`split.rs`); of a first layer's gradients only what nobody else needs is left (`trilinear.rs`). Each rule is exact but for rounding. A product with the constant 0 is left alone: it would hide a NaN.

use super::graph::{Builder, Graph};
use super::trilinear::Windows;
use crate::op::{Along, Op, Pointwise, Side};
use crate::shape::Shape;

/// Rules feed each other, so the graph passes through them until nothing changes, at most this often.
const ROUNDS: usize = 4;
/// Products within products that are looked through for a constant factor.
pub(super) const DEEP: usize = 3;

/// `thin`: a first layer's map is made where it is read.
pub fn simplify(graph: Graph, thin: bool) -> Graph {
    let mut graph = graph;
    for _ in 0..ROUNDS {
        let before = graph.nodes.len();
        graph = round(graph, thin);
        if graph.nodes.len() == before {
            break;
        }
    }
    graph
}

fn round(graph: Graph, thin: bool) -> Graph {
    let windows = thin.then(|| Windows::of(&graph.nodes));
    rewritten(graph, windows, |_, _, made| made)
}

/// The graph made again by the rules, node by node: `then(rules, old, made)` says what stands for the old one.
pub(super) fn rewritten(
    graph: Graph,
    windows: Option<Windows>,
    then: impl Fn(&mut Rules, usize, usize) -> usize,
) -> Graph {
    let mut rules = Rules { made: Builder::default(), windows };
    let mut to = Vec::with_capacity(graph.nodes.len());
    for (id, node) in graph.nodes.into_iter().enumerate() {
        let inputs = node.inputs.iter().map(|&input| to[input]).collect();
        let made = rules.make(node.op, inputs, node.shape);
        to.push(then(&mut rules, id, made));
        if let Some(windows) = &mut rules.windows {
            windows.made(id, &to);
        }
    }
    let outputs = graph.outputs.iter().map(|&output| to[output]).collect();
    Graph { nodes: rules.made.nodes, outputs }.live()
}

pub(super) struct Rules {
    pub(super) made: Builder,
    /// None where a first layer's map is stored.
    pub(super) windows: Option<Windows>,
}

pub(super) const ADD: Op = Op::Pointwise(Pointwise::Add);
pub(super) const MUL: Op = Op::Pointwise(Pointwise::Mul);
const MAX: Op = Op::Pointwise(Pointwise::Max);

impl Rules {
    /// `op(inputs)` after all rules.
    pub(super) fn make(&mut self, op: Op, mut inputs: Vec<usize>, shape: Shape) -> usize {
        if let Some(id) = self.shared(&op, &inputs, shape) {
            return id;
        }
        let found = match &op {
            Op::Detach => Some(inputs[0]),
            Op::Pointwise(kind @ (Pointwise::Add | Pointwise::Mul)) => {
                self.order(&mut inputs);
                self.sum_or_product(*kind, inputs[0], inputs[1], shape)
            }
            Op::Pointwise(kind) => self.pointwise(*kind, &inputs, shape),
            Op::Expand => self.expand_rule(inputs[0], shape),
            Op::Reshape => self.reshape_rule(inputs[0], shape),
            Op::Permute { .. } | Op::Slice { .. } | Op::Flip(_) => {
                self.made.number(inputs[0]).map(|value| self.constant(value, shape))
            }
            Op::Sum(axes) => self.sum_rule(inputs[0], *axes, shape),
            Op::Take(along) => self.take_rule(inputs[0], inputs[1], *along, shape),
            Op::Conv { side: Side::Weight, geometry } if inputs.len() == 2 => {
                self.window_rule(inputs[0], inputs[1], *geometry, shape)
            }
            _ => None,
        };
        found.unwrap_or_else(|| self.made.node(op, inputs, shape))
    }

    pub(super) fn constant(&mut self, value: f64, shape: Shape) -> usize {
        self.made.node(Op::Const(value.to_bits()), vec![], shape)
    }

    pub(super) fn op(&self, id: usize) -> &Op {
        &self.made.nodes[id].op
    }

    pub(super) fn input(&self, id: usize, k: usize) -> usize {
        self.made.nodes[id].inputs[k]
    }

    /// An operand that holds less than its shape says: what it is made of, and that shape.
    pub(super) fn small(&self, id: usize) -> Option<(usize, Shape)> {
        match self.op(id) {
            Op::Expand => {
                let source = self.input(id, 0);
                Some((source, self.made.shape(source)))
            }
            Op::Const(_) => {
                let shape = self.made.shape(id);
                Some((id, (0..shape.rank()).fold(shape, |s, axis| s.with(axis, 1))))
            }
            _ => None,
        }
    }

    pub(super) fn expanded(&mut self, id: usize, shape: Shape) -> usize {
        self.make(Op::Expand, vec![id], shape)
    }

    /// A contraction, choice or movement whose operands are all shared by the tasks: done once.
    fn shared(&mut self, op: &Op, inputs: &[usize], shape: Shape) -> Option<usize> {
        let task_local = match op {
            Op::MatMul { .. } => shape.rank() > 2,
            Op::Reshape => self.made.shape(inputs[0]).tasks() == shape.tasks(),
            Op::Permute { order } => order[0] == 0,
            Op::Conv { .. } => true,
            Op::ArgMax(along) | Op::Take(along) | Op::Put(along) => *along != Along::Axis(0),
            _ => false,
        };
        if !task_local || shape.tasks() == 1 {
            return None;
        }
        let sources: Option<Vec<usize>> = inputs
            .iter()
            .map(|&input| {
                let (source, small) = self.small(input)?;
                let once = self.made.shape(input).with(0, 1);
                match self.made.number(source) {
                    Some(value) => Some(self.constant(value, once)),
                    None => (small == once).then_some(source),
                }
            })
            .collect();
        let once = self.make(op.clone(), sources?, shape.with(0, 1));
        Some(self.expanded(once, shape))
    }

    /// Constants last, then expanded operands, then by age: equal sums meet as equal nodes.
    fn order(&self, inputs: &mut [usize]) {
        let rank = |id: usize| match self.op(id) {
            Op::Const(_) => 2,
            Op::Expand => 1,
            _ => 0,
        };
        inputs.sort_by_key(|&id| (rank(id), id));
    }

    /// Any pointwise operation: of constants alone, or of expanded operands alone (done small, then
    /// expanded).
    fn pointwise(&mut self, kind: Pointwise, inputs: &[usize], shape: Shape) -> Option<usize> {
        let numbers: Option<Vec<f64>> = inputs.iter().map(|&id| self.made.number(id)).collect();
        if let Some(numbers) = numbers {
            return Some(self.constant(kind.value(&numbers), shape));
        }
        if let Some(done) = self.before_split(kind, inputs, shape) {
            return Some(done);
        }
        // 0 < y where max(y, 0) is known: the latter is what the next layer reads, so it is stored.
        if let (Pointwise::Less, &[zero, y]) = (kind, inputs)
            && self.made.number(zero) == Some(0.0)
            && let Some(kept) = self.made.find(MAX, vec![y, zero], shape)
        {
            return Some(self.made.node(Op::Pointwise(kind), vec![zero, kept], shape));
        }
        let small: Option<Vec<(usize, Shape)>> = inputs.iter().map(|&id| self.small(id)).collect();
        let small = small?;
        let common = small
            .iter()
            .try_fold(small[0].1, |a, (_, b)| a.broadcast(b))
            .expect("operands of one shape");
        if common == shape {
            return None;
        }
        let inputs = small
            .iter()
            .map(|&(source, _)| match self.made.number(source) {
                Some(value) => self.constant(value, common),
                None => self.expanded(source, common),
            })
            .collect();
        let done = self.make(Op::Pointwise(kind), inputs, common);
        Some(self.expanded(done, shape))
    }

    fn sum_or_product(
        &mut self,
        kind: Pointwise,
        a: usize,
        b: usize,
        shape: Shape,
    ) -> Option<usize> {
        if let Some(done) = self.pointwise(kind, &[a, b], shape) {
            return Some(done);
        }
        let op = Op::Pointwise(kind);
        if let Some(value) = self.made.number(b) {
            let neutral = if kind == Pointwise::Add { 0.0 } else { 1.0 };
            if value == neutral {
                return Some(a);
            }
        }
        // (p·q)·b with q and b both small: q·b is done small. Not for sums: in (x − max) − ln Σ the two
        // small ones may be far from 0, and adding them first leaves x no digits (`tests/offsets.rs`).
        if let (Some((_, sb)), true) = (self.small(b), kind == Pointwise::Mul && *self.op(a) == op)
        {
            let (p, q) = (self.input(a, 0), self.input(a, 1));
            if let Some((_, sq)) = self.small(q) {
                let common = sq.broadcast(&sb).expect("operands of one shape");
                if common != shape {
                    let right = self.make(op.clone(), vec![q, b], shape);
                    return Some(self.make(op, vec![p, right], shape));
                }
            }
        }
        if kind == Pointwise::Add { self.sum(a, b, shape) } else { self.product(a, b, shape) }
    }

    fn sum(&mut self, a: usize, b: usize, shape: Shape) -> Option<usize> {
        if let Some(one) = self.like_terms(a, b, shape) {
            return Some(one);
        }
        // (p + q) + b where b and one of them are one term.
        for (chain, other) in [(a, b), (b, a)] {
            if *self.op(chain) != ADD {
                continue;
            }
            let (p, q) = (self.input(chain, 0), self.input(chain, 1));
            for (term, rest) in [(p, q), (q, p)] {
                if let Some(one) = self.like_terms(term, other, shape) {
                    return Some(self.make(ADD, vec![rest, one], shape));
                }
            }
        }
        None
    }

    /// a + b as one term, where they are multiples of one map or put by one index.
    fn like_terms(&mut self, a: usize, b: usize, shape: Shape) -> Option<usize> {
        if a == b {
            let two = self.constant(2.0, shape);
            return Some(self.make(MUL, vec![a, two], shape));
        }
        // x·p + x·q = x·(p + q) for small p and q; x alone is x·1.
        let factors = |rules: &Self, id: usize| match rules.op(id) {
            op if *op == MUL && rules.small(rules.input(id, 1)).is_some() => {
                (rules.input(id, 0), Some(rules.input(id, 1)))
            }
            _ => (id, None),
        };
        let ((x, p), (y, q)) = (factors(self, a), factors(self, b));
        for (x, p, y, q) in [(x, p, y, q), (a, None, y, q), (x, p, b, None)] {
            if x == y && (p.is_some() || q.is_some()) {
                let p = p.unwrap_or_else(|| self.constant(1.0, shape));
                let q = q.unwrap_or_else(|| self.constant(1.0, shape));
                let factor = self.make(ADD, vec![p, q], shape);
                // What a normalisation subtracts cancels: the rest is rounding, not a number.
                if self.made.number(factor).is_some_and(|f| f.abs() < 1e-12) {
                    return Some(self.constant(0.0, shape));
                }
                return Some(self.make(MUL, vec![x, factor], shape));
            }
        }
        // Put(p, i) + Put(q, i) = Put(p + q, i).
        if let (Op::Put(along), Op::Put(other)) = (self.op(a).clone(), self.op(b).clone())
            && along == other
            && self.input(a, 1) == self.input(b, 1)
        {
            let (p, q, index) = (self.input(a, 0), self.input(b, 0), self.input(a, 1));
            let both = self.make(ADD, vec![p, q], self.made.shape(p));
            return Some(self.make(Op::Put(along), vec![both, index], shape));
        }
        None
    }

    fn product(&mut self, a: usize, b: usize, shape: Shape) -> Option<usize> {
        // Put(p, i)·b = Put(p·Take(b, i), i): the product is done on the small side.
        for (put, other) in [(a, b), (b, a)] {
            if let Op::Put(along) = self.op(put).clone() {
                let (p, index) = (self.input(put, 0), self.input(put, 1));
                let small = self.made.shape(p);
                let taken = self.make(Op::Take(along), vec![other, index], small);
                let product = self.make(MUL, vec![p, taken], small);
                return Some(self.make(Op::Put(along), vec![product, index], shape));
            }
        }
        // (x·p + y·q)·b = x·(p·b) + y·(q·b) for small p, q and b: terms of one map then meet in sums. Not for
        // numbers alone: an optimiser's state stays what its update is made of.
        if let (Op::Expand, true) = (self.op(b), *self.op(a) == ADD) {
            let factor = self.made.shape(self.input(b, 0));
            if self.terms_scale(a, factor, shape, DEEP) {
                let terms = [self.input(a, 0), self.input(a, 1)];
                let terms = terms.map(|term| self.make(MUL, vec![term, b], shape));
                return Some(self.make(ADD, terms.to_vec(), shape));
            }
        }
        None
    }

    /// A sum of terms that each have a small factor, for which `factor` times it is still small.
    fn terms_scale(&self, id: usize, factor: Shape, shape: Shape, depth: usize) -> bool {
        let (true, &[p, q]) = (depth > 0, &self.made.nodes[id].inputs[..]) else { return false };
        match self.op(id) {
            op if *op == ADD => {
                [p, q].into_iter().all(|term| self.terms_scale(term, factor, shape, depth - 1))
            }
            op if *op == MUL => self.small(q).is_some_and(|(_, s)| {
                s.broadcast(&factor).expect("operands of one shape") != shape
            }),
            _ => false,
        }
    }

    fn expand_rule(&mut self, x: usize, shape: Shape) -> Option<usize> {
        if self.made.shape(x) == shape {
            return Some(x);
        }
        if let Some(value) = self.made.number(x) {
            return Some(self.constant(value, shape));
        }
        match self.op(x) {
            Op::Expand => Some(self.expanded(self.input(x, 0), shape)),
            _ => None,
        }
    }

    fn reshape_rule(&mut self, x: usize, shape: Shape) -> Option<usize> {
        if self.made.shape(x) == shape {
            return Some(x);
        }
        if let Some(value) = self.made.number(x) {
            return Some(self.constant(value, shape));
        }
        match self.op(x) {
            Op::Reshape => Some(self.make(Op::Reshape, vec![self.input(x, 0)], shape)),
            _ => None,
        }
    }

    /// Take(f(x), i) = f(Take(x, i)): pointwise work moves to the small side of a pool.
    fn take_rule(&mut self, x: usize, index: usize, along: Along, shape: Shape) -> Option<usize> {
        let Along::Window(window) = along else { return None };
        if let Some(value) = self.made.number(x) {
            return Some(self.constant(value, shape));
        }
        let disjoint = (0..2).all(|a| window.stride[a] >= window.size[a]);
        match self.op(x).clone() {
            Op::Put(other) if other == along && disjoint && self.input(x, 1) == index => {
                Some(self.input(x, 0))
            }
            Op::Expand => {
                let source = self.input(x, 0);
                let s = self.made.shape(source);
                (s[2] == 1 && s[3] == 1).then(|| self.expanded(source, shape))
            }
            Op::Pointwise(kind) => {
                let inputs = self.made.nodes[x].inputs.clone();
                // Worth it for functions of one map, or where another operand is known there already.
                let worth = kind.arity() == 1
                    || inputs.iter().any(|&id| self.known_at(id, index, along, shape, 3));
                if !worth {
                    return None;
                }
                let taken = inputs
                    .iter()
                    .map(|&id| self.make(Op::Take(along), vec![id, index], shape))
                    .collect();
                Some(self.make(Op::Pointwise(kind), taken, shape))
            }
            _ => None,
        }
    }

    /// Whether Take(x, index) costs nothing new: x does not vary over the window, is what `Put` left
    /// there, has been taken before, or is made of such.
    fn known_at(&self, x: usize, index: usize, along: Along, shape: Shape, depth: usize) -> bool {
        let node = &self.made.nodes[x];
        match &node.op {
            Op::Const(_) => true,
            Op::Expand => {
                let s = self.made.shape(node.inputs[0]);
                s[2] == 1 && s[3] == 1
            }
            Op::Put(other) => *other == along && node.inputs[1] == index,
            op => {
                self.made.find(Op::Take(along), vec![x, index], shape).is_some()
                    || depth > 0
                        && matches!(op, Op::Pointwise(_))
                        && node
                            .inputs
                            .iter()
                            .all(|&id| self.known_at(id, index, along, shape, depth - 1))
            }
        }
    }
}
