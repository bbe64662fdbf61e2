//! Adam (Kingma and Ba 2015, Algorithm 1) and AdamW (Loshchilov and Hutter 2019, Algorithm 2).
//!
//! m ← β₁·m + (1 − β₁)·g, v ← β₂·v + (1 − β₂)·g², w ← w − lr·(m̂/(√(v̂ + ε′) + ε) + λ·w) with
//! m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ).
//!
//! ε′ = `eps_root` is 0 in the papers. The root has no derivative at 0, and a gradient of exactly 0 (a dead
//! ReLU) puts v̂ there: whoever differentiates *through* an update, as an exact inner loop does, needs
//! ε′ > 0, 1e-8 for instance. Nothing else does.

use super::{Pace, Scalar};
use crate::tape::Var;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    /// ε′; see the module's text.
    pub eps_root: f64,
    /// λ, decoupled from the gradient (AdamW); 0 is Adam.
    pub weight_decay: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, eps: 1e-8, eps_root: 0.0, weight_decay: 0.0 }
    }
}

impl Adam {
    pub(super) fn update<'t>(
        &self,
        weights: &[Var<'t>],
        gradient: &[Var<'t>],
        state: &[Vec<Var<'t>>],
        pace: Pace<'t>,
    ) -> (Vec<Var<'t>>, Vec<Vec<Var<'t>>>) {
        let Self { beta1, beta2, eps, eps_root, weight_decay } = *self;
        // lr/(1 − β₁ᵗ) is one number for all weights.
        let rate = pace.lr.product(correction(beta1, pace.step));
        let grow = correction(beta2, pace.step);
        let (mut means, mut squares, mut next) = (vec![], vec![], vec![]);
        for (i, (&w, &g)) in weights.iter().zip(gradient).enumerate() {
            let m = state[0][i] * beta1 + g * (1.0 - beta1);
            let v = state[1][i] * beta2 + g * g * (1.0 - beta2);
            let mut second = grow.times(v);
            if eps_root != 0.0 {
                second = second + eps_root;
            }
            let mut step = rate.times(m * (second.sqrt() + eps).recip());
            if weight_decay != 0.0 {
                step = step + pace.lr.times(w * weight_decay);
            }
            next.push(w - step);
            means.push(m);
            squares.push(v);
        }
        (next, vec![means, squares])
    }
}

/// 1/(1 − βᵗ).
fn correction<'t>(beta: f64, step: Scalar<'t>) -> Scalar<'t> {
    match step {
        _ if beta == 0.0 => Scalar::Number(1.0),
        Scalar::Number(t) => Scalar::Number(1.0 / (1.0 - beta.powf(t))),
        Scalar::Var(t) => {
            // 1 − e^(−2u) = 2·tanh u/(1 + tanh u): the difference itself would lose four of seven digits in
            // f32 at β = .999, t = 1.
            let tanh = (t * (-beta.ln() / 2.0)).tanh();
            Scalar::Var((tanh + 1.0) * (tanh * 2.0).recip())
        }
    }
}
