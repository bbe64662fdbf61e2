//! Means over what is known: pictures with a label, pixels that are not void.

use crate::tape::Var;

/// The mean of each task's known examples: losses `[tasks, examples]`, `known` (1 or 0, or a weight of each)
/// `[tasks, examples]` -> `[tasks]`. A task of which nothing is known has 0, and a gradient of 0.
#[track_caller]
pub fn mean_known<'t>(losses: Var<'t>, known: Var<'t>) -> Var<'t> {
    let (sum, count) = ((losses * known).sum(&[1]), known.sum(&[1]));
    // Never 0/0: where nothing is known the sum is 0, whatever it is divided by.
    (sum / count.select(count, count.like(1.0))).squeeze(&[1])
}

/// The mean of each example's numbers: `[tasks, examples, ...]` -> `[tasks, examples]`.
#[track_caller]
pub fn mean_each<'t>(x: Var<'t>) -> Var<'t> {
    let axes: Vec<usize> = (2..x.shape().rank()).collect();
    x.mean(&axes).squeeze(&axes)
}

/// As [`mean_each`], over the places whose label is not negative (void); 0 where all are.
#[track_caller]
pub fn mean_labelled<'t>(x: Var<'t>, labels: Var<'t>) -> Var<'t> {
    let axes: Vec<usize> = (2..x.shape().rank()).collect();
    let known = labels.like(-0.5).less(labels);
    let (sum, count) = ((x * known).sum(&axes), known.sum(&axes));
    (sum / count.max(count.like(1.0))).squeeze(&axes)
}
