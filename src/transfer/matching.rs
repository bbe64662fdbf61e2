//! Feature matching for many tasks: one shared layer pleases every single-task teacher through its adapter.
//! Li and Bilen 2020, "Knowledge distillation for multi-task learning", equation 4:
//! Σ_i λ_i·‖n(A_i·f_shared) − n(f_i)‖², n = length 1 at each position.
//!
//! Directions are compared, not sizes, so no teacher is louder than another, and the adapters A_i (one pixel wide,
//! [`Hint`]) let each have its own coordinates.

use super::Hint;
use crate::nn::Params;
use crate::tape::Var;

/// The loss of one teacher i, `[tasks]`: squared distance summed over channels, mean over positions and
/// examples; between 0 and 4. `shared` `[tasks, examples, ..., from]`, `teacher` `[.., to]`. The weighted sum over teachers is the
/// caller's.
#[track_caller]
pub fn feature_matching<'t>(
    adapter: &Hint,
    weights: &Params<'t>,
    shared: Var<'t>,
    teacher: Var<'t>,
) -> Var<'t> {
    let (a, b) = (unit(adapter.adapt(weights, shared)), unit(teacher.detach()));
    crate::loss::mse(a, b) * adapter.to as f64
}

/// Length 1 along the channels; nothing stays nothing, with finite derivatives.
fn unit(x: Var) -> Var {
    let channels = x.shape().rank() - 1;
    x * (x.square().sum(&[channels]) + 1e-12).rsqrt()
}
