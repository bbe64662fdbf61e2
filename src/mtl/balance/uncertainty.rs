//! Uncertainty weighting: each task learns the noise of its own loss. Kendall, Gal, Cipolla, CVPR 2018, section 3.2,
//! with s = ln σ²: the loss is ½ Σ (e^(−s_i) L_i + s_i), here as a mean over tasks, and s descends it as well.

use super::Moments;
use crate::tape::Var;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Uncertainty {
    /// All s at the start. 0 in FAMO's repository, −.5 in LibMTL.
    pub start: f64,
    /// Step size of Adam for s.
    pub lr: f64,
}

impl Default for Uncertainty {
    fn default() -> Self {
        Self { start: 0.0, lr: 0.025 } // FAMO's repository
    }
}

impl Uncertainty {
    /// s, then Adam's state.
    pub(super) fn start(&self, tasks: usize) -> Vec<f64> {
        [vec![self.start; tasks], Moments::start(tasks)].concat()
    }

    pub(super) fn loss<'t>(&self, losses: Var<'t>, s: Var<'t>) -> Var<'t> {
        (losses * (-s).exp() + s).mean(&[1]) * 0.5
    }

    pub(super) fn weights(&self, s: &[f64]) -> Vec<f64> {
        s.iter().map(|si| 0.5 * (-si).exp() / s.len() as f64).collect()
    }

    /// ∂/∂s_i = ½(1 − e^(−s_i) L_i)/K: where it is 0, e^(s_i) = L_i.
    pub(super) fn learn(&self, state: &mut [f64], losses: &[f64]) {
        let k = losses.len();
        let (s, moments) = state.split_at_mut(k);
        let slope = |(s, loss): (&f64, &f64)| 0.5 * (1.0 - (-s).exp() * loss) / k as f64;
        let slope: Vec<f64> = s.iter().zip(losses).map(slope).collect();
        Moments { lr: self.lr, weight_decay: 0.0 }.step(s, &slope, moments);
    }
}
