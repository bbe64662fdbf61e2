//! Splits: what is done to a map whose axes were split (groups of channels, runs of pictures) is done to
//! the map as it was.
//!
//! A group norm splits `[t, n, h, w, c]` into `[t, n, h, w, g, c/g]` and back. Left alone, each such
//! reshape ends a sweep, and the last axis is too short for a vector. f(Reshape x, ..) = Reshape f(x, ..)
//! brings all of it into one shape; a sum over some of the split axes is taken over whole axes first.

use super::simplify::Rules;
use crate::op::{Op, Pointwise};
use crate::shape::{Axes, Shape};

/// For each axis of `coarse` the neighbouring axes of `fine` that it was split into; none where `fine` is
/// no split of `coarse`, or one that touches the task axis.
fn runs(fine: Shape, coarse: Shape) -> Option<Vec<Vec<usize>>> {
    if fine.rank() <= coarse.rank() || fine[0] != coarse[0] {
        return None;
    }
    let (mut runs, mut next) = (vec![], 0);
    for k in 0..coarse.rank() {
        let (mut run, mut size) = (vec![], 1);
        while size < coarse[k] || k == 0 && next == 0 {
            size *= *fine.dims().get(next)?;
            run.push(next);
            next += 1;
        }
        if size != coarse[k] {
            return None;
        }
        runs.push(run);
    }
    Some(runs)
}

/// Of the axes in a run that are longer than 1 (in `fine`), whether all, none or some satisfy `test`.
#[derive(PartialEq)]
enum Part {
    All,
    None,
    Some,
}

fn part(run: &[usize], fine: Shape, test: impl Fn(usize) -> bool) -> Part {
    let long: Vec<bool> = run.iter().filter(|&&k| fine[k] > 1).map(|&k| test(k)).collect();
    match (long.iter().all(|&yes| yes), long.iter().any(|&yes| yes)) {
        (_, false) => Part::None,
        (true, _) => Part::All,
        _ => Part::Some,
    }
}

impl Rules {
    /// f(Reshape x, ..) = Reshape f(x, ..) where x had fewer axes and every operand can be had in its shape.
    pub(super) fn before_split(
        &mut self,
        kind: Pointwise,
        inputs: &[usize],
        shape: Shape,
    ) -> Option<usize> {
        let coarse = inputs.iter().find_map(|&id| {
            let from = self.made.shape(*self.made.nodes[id].inputs.first()?);
            (*self.op(id) == Op::Reshape && runs(shape, from).is_some()).then_some(from)
        })?;
        let merged: Option<Vec<usize>> =
            inputs.iter().map(|&id| self.merged(id, shape, coarse)).collect();
        let done = self.make(Op::Pointwise(kind), merged?, coarse);
        Some(self.make(Op::Reshape, vec![done], shape))
    }

    /// Node `id` of shape `fine` as one of shape `coarse`, where that costs nothing to speak of.
    fn merged(&mut self, id: usize, fine: Shape, coarse: Shape) -> Option<usize> {
        if let Some(value) = self.made.number(id) {
            return Some(self.constant(value, coarse));
        }
        let source = *self.made.nodes[id].inputs.first()?;
        match self.op(id) {
            Op::Reshape if self.made.shape(source) == coarse => Some(source),
            Op::Expand => {
                let small = self.made.shape(source);
                let (mut whole, mut merged) = (small, coarse);
                for (k, run) in runs(fine, coarse)?.iter().enumerate() {
                    if part(run, fine, |axis| small[axis] > 1) != Part::None {
                        run.iter().for_each(|&axis| whole = whole.with(axis, fine[axis]));
                    }
                    merged = merged.with(k, run.iter().map(|&axis| whole[axis]).product());
                }
                if whole != small && 4 * whole.len() > fine.len() {
                    return None;
                }
                let repeated = self.expanded(source, whole);
                let merged = self.make(Op::Reshape, vec![repeated], merged);
                Some(self.expanded(merged, coarse))
            }
            _ => None,
        }
    }

    /// Σ over some axes of a split map: over whole axes of the map first, over parts of axes afterwards.
    pub(super) fn sum_before_split(&mut self, x: usize, axes: Axes, shape: Shape) -> Option<usize> {
        if *self.op(x) != Op::Reshape {
            return None;
        }
        let (source, fine) = (self.input(x, 0), self.made.shape(x));
        let coarse = self.made.shape(source);
        let (mut summed, mut rest) = (vec![], axes);
        let (mut first, mut between) = (coarse, fine);
        for (k, run) in runs(fine, coarse)?.iter().enumerate() {
            if part(run, fine, |axis| axes.has(axis)) == Part::All {
                summed.push(k);
                first = first.with(k, 1);
                for &axis in run {
                    between = between.with(axis, 1);
                    rest = Axes(rest.0 & !(1 << axis));
                }
            }
        }
        if summed.is_empty() {
            return None;
        }
        let sum = self.make(Op::Sum(Axes::new(&summed)), vec![source], first);
        let sum = self.make(Op::Reshape, vec![sum], between);
        Some(self.make(Op::Sum(rest), vec![sum], shape))
    }
}
