//! FAMO: all losses fall at the same rate, for the price of one gradient. Liu, Feng, Stone, Liu, NeurIPS 2023, Algorithm 1.
//!
//! With D_i = L_i − b_i (b below what a loss can reach) the loss is Σ z_i ln D_i / Σ (z_i/D_i), z = softmax(ω); its
//! denominator is held fixed. After the step ω descends Jᵀ(ln D before − ln D after), J = ∂z/∂ω, by Adam.

use super::Moments;
use crate::tape::Var;

#[derive(Clone, Debug, PartialEq)]
pub struct Famo {
    /// b, one a task; empty: 0 for all.
    pub lower: Vec<f64>,
    /// Step size of ω.
    pub lr: f64,
    /// γ, Adam's weight decay of ω: .001 to .01 in the authors' runs, 0 in their toy problem.
    pub decay: f64,
}

impl Default for Famo {
    fn default() -> Self {
        Self { lower: vec![], lr: 0.025, decay: 0.001 }
    }
}

/// Added to D, as the authors do: a loss at its bound stays finite.
const EPS: f64 = 1e-8;

impl Famo {
    /// ω, then Adam's state.
    pub(super) fn start(&self, tasks: usize) -> Vec<f64> {
        assert!(self.lower.is_empty() || self.lower.len() == tasks, "a lower bound a task");
        [vec![0.0; tasks], Moments::start(tasks)].concat()
    }

    pub(super) fn loss<'t>(&self, losses: Var<'t>, z: Var<'t>) -> Var<'t> {
        let shape = losses.shape().with(0, 1);
        let above = match &self.lower[..] {
            [] => losses + EPS,
            lower => losses - losses.tape.data(shape, lower) + EPS,
        };
        let scale = (z / above).sum(&[1]).detach();
        (z * above.ln()).sum(&[1]) / scale
    }

    /// (z_i/D_i) / Σ (z/D): positive, of sum 1.
    pub(super) fn weights(&self, z: &[f64], losses: &[f64]) -> Vec<f64> {
        let shares = z.iter().enumerate().map(|(i, z)| z / self.above(losses, i));
        let shares: Vec<f64> = shares.collect();
        let sum: f64 = shares.iter().sum();
        shares.iter().map(|share| share / sum).collect()
    }

    pub(super) fn learn(&self, state: &mut [f64], before: &[f64], after: &[f64]) {
        let k = before.len();
        let (omega, moments) = state.split_at_mut(k);
        let z = softmax(omega);
        let fall = |i: usize| (self.above(before, i) / self.above(after, i)).ln();
        // Jᵀv of a softmax: z ∘ (v − ⟨z, v⟩).
        let mean: f64 = (0..k).map(|i| z[i] * fall(i)).sum();
        let slope: Vec<f64> = (0..k).map(|i| z[i] * (fall(i) - mean)).collect();
        Moments { lr: self.lr, weight_decay: self.decay }.step(omega, &slope, moments);
    }

    fn above(&self, losses: &[f64], i: usize) -> f64 {
        losses[i] - self.lower.get(i).copied().unwrap_or(0.0) + EPS
    }
}

pub(super) fn softmax(x: &[f64]) -> Vec<f64> {
    let most = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let e: Vec<f64> = x.iter().map(|x| (x - most).exp()).collect();
    let sum: f64 = e.iter().sum();
    e.iter().map(|e| e / sum).collect()
}
