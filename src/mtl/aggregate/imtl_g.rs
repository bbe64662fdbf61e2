//! IMTL-G: the combination, with weights of sum 1, whose projection on every task's gradient is equally long.
//! Liu, Li, Kuang, Xue, Chen, Yang, Liao, Zhang, ICLR 2021, equation (5).
//!
//! ⟨g_i, d⟩ / |g_i| = ν for all i and Σ w = 1 are K + 1 linear equations. Written like that, and not as w ∝ M⁻¹√diag(M),
//! they stay well posed where gradients become opposite: there ν = 0. The equations may be
//! solved by a negative ν, which would ascend every task; the answer is then given as the paper defines it, and
//! called not converged.

use super::linear::solve;
use super::{Effort, Gram, Weighing};

#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct ImtlG;

impl ImtlG {
    /// Residual: how unequal the projections are, relative to Σ |w_i g_i|; at least 1 where they point uphill.
    pub(super) fn weigh(&self, gram: &Gram) -> Weighing {
        let k = gram.tasks();
        // A task without a gradient has no projection, and no say.
        let moving: Vec<usize> = (0..k).filter(|&i| gram.norm(i) > 0.0).collect();
        let n = moving.len();
        let norms: Vec<f64> = moving.iter().map(|&i| gram.norm(i)).collect();
        let shortest = norms.iter().copied().fold(f64::INFINITY, f64::min);
        // Of unit gradients, C y = ν 1 and Σ h y = 1 with h_i = shortest / |g_i|, w_i = h_i y_i: balanced
        // whatever the lengths.
        let h: Vec<f64> = norms.iter().map(|norm| shortest / norm).collect();
        let mut system = vec![vec![0.0; n + 1]; n + 1];
        for (a, &i) in moving.iter().enumerate() {
            for (b, &j) in moving.iter().enumerate() {
                system[a][b] = gram.get(i, j) / (norms[a] * norms[b]);
            }
            (system[a][n], system[n][a]) = (-1.0, h[a]);
        }
        let mut right = vec![0.0; n + 1];
        right[n] = 1.0;
        let y = solve(&mut system, &mut right);

        let mut weights = vec![0.0; k];
        moving.iter().zip(y.iter().zip(&h)).for_each(|(&i, (y, h))| weights[i] = y * h);
        let along: Vec<f64> =
            moving.iter().zip(&norms).map(|(&i, norm)| gram.along(i, &weights) / norm).collect();
        let size: f64 = (0..k).map(|i| (weights[i] * gram.norm(i)).abs()).sum();
        let (low, high) = along
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &a| (l.min(a), h.max(a)));
        let effort = Effort::default();
        let residual = match n {
            0 => 0.0,
            _ if low < -effort.tolerance * size => 1.0,
            _ => (high - low) / size,
        };
        Weighing::solved(weights, residual, 0, effort)
    }
}
