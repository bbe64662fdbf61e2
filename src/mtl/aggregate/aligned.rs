//! Aligned-MTL: the gradients turned and scaled until they are orthogonal and equally long; then the mean.
//! Senushkin, Patakin, Kuznetsov, Konushin, CVPR 2023, equations (12) to (14).
//!
//! The nearest system of condition number 1: every singular value of the gradient matrix becomes the smallest
//! non-zero one. With M = V Λ Vᵀ that is w = √λ_min · V Λ^{−1/2} Vᵀ u, u = 1/K.

use super::linear::eigen;
use super::{Effort, Gram, Weighing, mean};

#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Aligned {
    /// Of the eigenvalues.
    pub effort: Effort,
}

impl Aligned {
    /// Residual: what the eigenvalue iteration left off the diagonal, relative to it.
    pub(super) fn weigh(&self, gram: &Gram) -> Weighing {
        let k = gram.tasks();
        let rows: Vec<Vec<f64>> = (0..k).map(|i| gram.row(i).to_vec()).collect();
        let e = eigen(&rows, self.effort.iterations, 1e-15);
        let largest = e.values.iter().copied().fold(0.0, f64::max);
        // Smaller ones are rounding: gradients that depend on each other.
        let floor = k as f64 * gram.precision() * largest;
        let kept = || e.values.iter().zip(&e.vectors).filter(|(value, _)| **value > floor);
        let smallest = kept().map(|(value, _)| *value).fold(f64::INFINITY, f64::min);
        let mut weights = vec![0.0; k];
        for (value, v) in kept() {
            let share: f64 = v.iter().zip(mean(k)).map(|(v, u)| v * u).sum();
            let scale = (smallest / value).sqrt() * share;
            weights.iter_mut().zip(v).for_each(|(w, v)| *w += scale * v);
        }
        Weighing::solved(weights, e.residual, e.sweeps, self.effort)
    }
}
