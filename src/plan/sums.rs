//! Which sums are smaller than they are written? Constant factors leave them, sums of sums become one, and terms that others
//! sum as well are summed once; the sum over a first layer's map is taken from its picture.

use super::simplify::{ADD, DEEP, MUL, Rules};
use crate::op::{Along, ConvGeometry, Op, Side};
use crate::shape::{Axes, Shape};

/// Numbers of a map for each of its picture's from which on its sum is taken from the picture.
const MUCH_LARGER: usize = 8;

impl Rules {
    pub(super) fn sum_rule(&mut self, x: usize, axes: Axes, shape: Shape) -> Option<usize> {
        let from = self.made.shape(x);
        let axes = Axes::new(&axes.iter().filter(|&axis| from[axis] > 1).collect::<Vec<_>>());
        if axes.0 == 0 {
            return Some(x);
        }
        // The sum over tasks is what ends a segment: it is never mixed with other axes.
        if axes.has(0) && axes.0 != 1 {
            let inner = Axes(axes.0 & !1);
            let middle = inner.iter().fold(from, |s, axis| s.with(axis, 1));
            let each = self.make(Op::Sum(inner), vec![x], middle);
            return Some(self.make(Op::Sum(Axes(1)), vec![each], shape));
        }
        let count: usize = axes.iter().map(|axis| from[axis]).product();
        if let Some(value) = self.made.number(x) {
            return Some(self.constant(value * count as f64, shape));
        }
        if let Some(sum) = self.sum_before_split(x, axes, shape) {
            return Some(sum);
        }
        match self.op(x).clone() {
            Op::Sum(inner) if !axes.has(0) && !inner.has(0) => {
                let source = self.input(x, 0);
                Some(self.make(Op::Sum(Axes(axes.0 | inner.0)), vec![source], shape))
            }
            // Σ Expand(b) = Expand(count · Σ b): what was repeated along summed axes counts so often, and what
            // is repeated along others (the same picture for each task) is summed once.
            Op::Expand => {
                let source = self.input(x, 0);
                let s = self.made.shape(source);
                let real = Axes::new(&axes.iter().filter(|&a| s[a] > 1).collect::<Vec<_>>());
                let summed = real.iter().fold(s, |s, axis| s.with(axis, 1));
                let sum = self.make(Op::Sum(real), vec![source], summed);
                let repeated: usize =
                    axes.iter().filter(|&axis| s[axis] == 1).map(|axis| from[axis]).product();
                let factor = self.constant(repeated as f64, summed);
                let product = self.make(MUL, vec![sum, factor], summed);
                Some(self.expanded(product, shape))
            }
            Op::Conv { geometry, .. } if self.is_seen_whole(x, axes) => {
                Some(self.sum_of_map(x, geometry, shape))
            }
            // Σ Put(a, i) = Σ a where the sum covers all places an index can name.
            Op::Put(Along::Window(_)) if axes.has(2) && axes.has(3) => {
                let source = self.input(x, 0);
                Some(self.make(Op::Sum(axes), vec![source], shape))
            }
            // Σ x·c = c·Σ x for c constant over the summed axes, wherever in the product it stands. Not
            // Σ (x + c) = Σ x + count·c: where c is minus a maximum or a mean, both sides of that sum are far
            // from what is left of them.
            op if op == MUL => {
                // What is summed over tasks keeps its form: that sum ends a segment.
                let deep = if axes.has(0) { 1 } else { DEEP };
                let mut outside = vec![];
                let rest = self.constants_out(x, axes, shape, deep, &mut outside);
                if !outside.is_empty() {
                    let sum = self.make(Op::Sum(axes), vec![rest], shape);
                    return Some(self.times(sum, outside, shape));
                }
                let (p, q) = (self.input(x, 0), self.input(x, 1));
                if let Some(dot) = self.dot_rule(p, q, axes, shape) {
                    return Some(dot);
                }
                // Σ x·(a + b) = Σ x·a + Σ x·b where both get simpler by it: sums that others need as well.
                let (both, other) = self.splits(x, axes)?;
                let (a, b) = (self.input(both, 0), self.input(both, 1));
                let [a, b] = [a, b].map(|term| {
                    let product = self.make(MUL, vec![other, term], from);
                    self.make(Op::Sum(axes), vec![product], shape)
                });
                Some(self.make(ADD, vec![a, b], shape))
            }
            // Σ (a + b) = Σ a + Σ b where one of them gets simpler by it.
            op if op == ADD && !axes.has(0) => {
                let (p, q) = (self.input(x, 0), self.input(x, 1));
                if self.is_less_its_mean(p, q, axes, shape) {
                    return Some(self.constant(0.0, shape));
                }
                if let Some(sum) = self.sum_of_terms(x, axes, shape) {
                    return Some(sum);
                }
                let simpler = |id: usize, other: usize| match self.op(id) {
                    Op::Put(Along::Window(_)) => axes.has(2) && axes.has(3),
                    // A bias is older than the map and so no mean of it.
                    Op::Conv { .. } => {
                        let older = self.constant_over(other, axes).is_some_and(|bias| bias < id);
                        older && self.is_seen_whole(id, axes)
                    }
                    // By a number alone nothing gets simpler: the terms' sum is one as well.
                    _ => self.is_scaled(id, axes, DEEP, false) || self.splits(id, axes).is_some(),
                };
                if !simpler(p, q) && !simpler(q, p) {
                    return None;
                }
                let a = self.make(Op::Sum(axes), vec![p], shape);
                let b = self.make(Op::Sum(axes), vec![q], shape);
                Some(self.make(ADD, vec![a, b], shape))
            }
            _ => None,
        }
    }

    /// Whether `axes` are all pixels of a map that is much larger than its picture.
    fn is_seen_whole(&self, map: usize, axes: Axes) -> bool {
        let Op::Conv { side: Side::Output, geometry } = self.op(map) else { return false };
        let [shape, picture] = [map, self.input(map, 0)].map(|id| self.made.shape(id));
        self.are_pixels(map, axes)
            && geometry.groups == 1
            && shape.len() >= MUCH_LARGER * picture.len()
    }

    /// Σ over all pixels of conv(x, w) = Σ over the window of w · (what each tap sees in all): the map is not visited.
    fn sum_of_map(&mut self, map: usize, geometry: ConvGeometry, shape: Shape) -> usize {
        let (x, w) = (self.input(map, 0), self.input(map, 1));
        let [from, window] = [map, w].map(|id| self.made.shape(id));
        let seen = self.seen(x, geometry, from, window);
        let product = self.make(MUL, vec![w, seen], window);
        self.make(Op::Sum(Axes::new(&[1, 2, 3])), vec![product], shape)
    }

    /// An operand of a product that does not vary over `axes`.
    pub(super) fn constant_over(&self, id: usize, axes: Axes) -> Option<usize> {
        let (source, s) = self.small(id)?;
        axes.iter().all(|axis| s[axis] == 1).then_some(source)
    }

    /// A product without its factors that do not vary over `axes`; those, in the shape of a sum over them.
    pub(super) fn constants_out(
        &mut self,
        x: usize,
        axes: Axes,
        sum: Shape,
        depth: usize,
        outside: &mut Vec<usize>,
    ) -> usize {
        if depth == 0 || *self.op(x) != MUL {
            return x;
        }
        let (p, q) = (self.input(x, 0), self.input(x, 1));
        if let Some(source) = self.constant_over(q, axes) {
            outside.push(self.expanded(source, sum));
            return self.constants_out(p, axes, sum, depth - 1, outside);
        }
        let before = outside.len();
        let factors = [p, q].map(|id| self.constants_out(id, axes, sum, depth - 1, outside));
        match outside.len() == before {
            true => x,
            false => self.make(MUL, factors.to_vec(), self.made.shape(x)),
        }
    }

    /// Whether [`constants_out`](Self::constants_out) finds any; `numbers`: one that is a number counts.
    fn is_scaled(&self, x: usize, axes: Axes, depth: usize, numbers: bool) -> bool {
        if depth == 0 || *self.op(x) != MUL {
            return false;
        }
        let (p, q) = (self.input(x, 0), self.input(x, 1));
        let counts = |&source: &usize| numbers || self.made.number(source).is_none();
        self.constant_over(q, axes).filter(counts).is_some()
            || [p, q].into_iter().any(|id| self.is_scaled(id, axes, depth - 1, numbers))
    }

    /// A product of a sum, both of whose terms have factors that do not vary over `axes`, and of something:
    /// that sum, and what it is multiplied with.
    fn splits(&self, x: usize, axes: Axes) -> Option<(usize, usize)> {
        if *self.op(x) != MUL || axes.has(0) {
            return None;
        }
        let (p, q) = (self.input(x, 0), self.input(x, 1));
        let scaled = |term: usize| self.is_scaled(term, axes, DEEP, true);
        let both = |id: usize| {
            *self.op(id) == ADD && scaled(self.input(id, 0)) && scaled(self.input(id, 1))
        };
        [(p, q), (q, p)].into_iter().find(|&(sum, _)| both(sum))
    }
}
