//! How far off: squared errors.

use crate::tape::Var;

/// Mean squared error of each task, over all its numbers: both `[tasks, examples, targets]` -> `[tasks]`.
#[track_caller]
pub fn mse<'t>(output: Var<'t>, target: Var<'t>) -> Var<'t> {
    let axes: Vec<usize> = (1..output.shape().rank()).collect();
    (output - target).square().mean(&axes).squeeze(&axes)
}
