//! IMTL-G: the combination, with weights of sum 1, whose projection on every task's gradient is equally long.
//! Liu, Li, Kuang, Xue, Chen, Yang, Liao, Zhang, ICLR 2021, equation (5) in closed form.
//!
//! ⟨g_i, d⟩ / |g_i| equal for all i means M w ∝ √diag(M). Gradients that depend on each other are handled as torchjd
//! does, by the pseudo-inverse. The closed form may come out with equal projections below 0, which would ascend
//! every task; the answer is then given as the paper defines it, and called not converged.

use super::linear::eigen;
use super::{Effort, Gram, Weighing};

#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct ImtlG {
    /// Of the eigenvalues.
    pub effort: Effort,
}

impl ImtlG {
    /// Residual: how unequal the projections are, relative to the largest; at least 1 where they point uphill.
    pub(super) fn weigh(&self, gram: &Gram) -> Weighing {
        let k = gram.tasks();
        // Of unit gradients, C y ∝ 1 and w_i = y_i / |g_i|: balanced whatever the lengths. A task without a
        // gradient has no projection, and no say.
        let moving: Vec<usize> = (0..k).filter(|&i| gram.norm(i) > 0.0).collect();
        let cosine = |i: usize, j: usize| gram.get(i, j) / (gram.norm(i) * gram.norm(j));
        let row = |&i: &usize| moving.iter().map(|&j| cosine(i, j)).collect();
        let units: Vec<Vec<f64>> = moving.iter().map(row).collect();
        let e = eigen(&units, self.effort.iterations, 1e-15);
        let floor = k as f64 * gram.precision();
        let mut weights = vec![0.0; k];
        for (value, v) in e.values.iter().zip(&e.vectors).filter(|(value, _)| **value > floor) {
            let share = v.iter().sum::<f64>() / value;
            for (&i, v) in moving.iter().zip(v) {
                weights[i] += share * v / gram.norm(i);
            }
        }
        let sum: f64 = weights.iter().sum();
        if sum == 0.0 {
            let residual = if moving.is_empty() { 0.0 } else { 1.0 };
            return Weighing::solved(weights, residual, e.sweeps, self.effort);
        }
        weights.iter_mut().for_each(|w| *w /= sum);
        let along: Vec<f64> =
            moving.iter().map(|&i| gram.along(i, &weights) / gram.norm(i)).collect();
        let (low, high) =
            along.iter().fold((f64::MAX, f64::MIN), |(l, h), &a| (l.min(a), h.max(a)));
        let spread = (high - low) / low.abs().max(high.abs()).max(f64::MIN_POSITIVE);
        let residual = if low < 0.0 { spread.max(1.0) } else { spread };
        Weighing::solved(weights, residual.max(e.residual), e.sweeps, self.effort)
    }
}
