//! Nash-MTL: weights that no task would bargain away, w > 0 with (M w)_i = 1/w_i.
//! Navon, Shamsian, Achituve, Maron, Kawaguchi, Chechik, Fetaya, ICML 2022, equation (4).
//!
//! The paper solves a sequence of convex programs; the equation is itself the gradient of ½ wᵀMw − Σ ln w_i, which is
//! convex, so Newton's method is enough: a few steps of a K×K system. There is a solution exactly where the convex hull of the gradients does not contain 0, so none at a Pareto-stationary point.

use super::linear::solve;
use super::{Effort, Gram, Weighing};

#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Nash {
    /// Divides M by its Frobenius norm first, as the authors' code does: then |d|² is K times that norm.
    pub normalize: bool,
    pub effort: Effort,
}

impl Nash {
    /// Residual: max |w_i (M w)_i − 1|. Near a stationary point w is long and its last digits decide; it is
    /// solved where the residual is what rounding leaves.
    pub(super) fn weigh(&self, gram: &Gram) -> Weighing {
        let k = gram.tasks();
        // Of unit gradients, C b = 1/b and w_i = b_i / |g_i|: the lengths drop out.
        let moving: Vec<usize> = (0..k).filter(|&i| gram.norm(i) > 0.0).collect();
        let n = moving.len();
        let unit = |a: usize, b: usize| {
            let (i, j) = (moving[a], moving[b]);
            gram.get(i, j) / (gram.norm(i) * gram.norm(j))
        };
        let c: Vec<Vec<f64>> = (0..n).map(|a| (0..n).map(|b| unit(a, b)).collect()).collect();
        let times = |b: &[f64]| -> Vec<f64> {
            c.iter().map(|row| row.iter().zip(b).map(|(c, b)| c * b).sum()).collect()
        };
        let residual_of = |b: &[f64]| -> f64 {
            b.iter().zip(times(b)).map(|(b, cb)| (b * cb - 1.0).abs()).fold(0.0, f64::max)
        };

        // Weights this large combine gradients whose sum is rounding: there is no bargain.
        let limit = gram.precision().sqrt().recip();
        // The best of equal ones; for two tasks, the solution.
        let all: f64 = c.iter().flatten().sum();
        let mut b = vec![(n as f64 / all.max(f64::MIN_POSITIVE)).sqrt().min(limit); n];
        let (mut iterations, mut residual) = (0, residual_of(&b));
        // What the equations can be solved to: each is a difference of terms as large as b².
        let rounding = |b: &[f64]| {
            let sum: f64 = b.iter().sum();
            b.iter().map(|b| 2.0 * f64::EPSILON * b * sum).fold(1e-15, f64::max)
        };
        while residual > rounding(&b) && iterations < self.effort.iterations {
            let slope: Vec<f64> = times(&b).iter().zip(&b).map(|(cb, b)| cb - 1.0 / b).collect();
            let mut curvature = c.clone();
            (0..n).for_each(|a| curvature[a][a] += 1.0 / (b[a] * b[a]));
            let newton = solve(&mut curvature, &mut slope.clone());
            // Newton's decrement λ: the function is self-concordant, so a step of 1/(1 + λ) stays inside and
            // descends, and below a quarter whole steps converge quadratically (Nesterov 2004, section 4.1.5).
            let decrement =
                slope.iter().zip(&newton).map(|(s, n)| s * n).sum::<f64>().max(0.0).sqrt();
            let step = if decrement < 0.25 { 1.0 } else { 1.0 / (1.0 + decrement) };
            let moved: Vec<f64> = b.iter().zip(&newton).map(|(b, n)| b - step * n).collect();
            iterations += 1;
            let better = residual_of(&moved);
            // The last digits wander: stop where they no longer improve.
            let done = better >= residual && residual <= self.effort.tolerance;
            if done || moved.iter().any(|&b| b > limit) {
                break;
            }
            (b, residual) = (moved, better);
        }
        let tolerance = self.effort.tolerance.max(rounding(&b));
        let bounded = b.iter().all(|&b| b < limit);
        let mut weights = vec![0.0; k];
        moving.iter().zip(&b).for_each(|(&i, b)| weights[i] = b / gram.norm(i));
        // 0 = 1/w has no solution: a task without a gradient cannot bargain.
        let residual = if n < k { residual.max(1.0) } else { residual };
        let converged = bounded && residual <= tolerance;
        let frobenius = (0..k).flat_map(|i| gram.row(i)).map(|m| m * m).sum::<f64>().sqrt();
        let factor = if self.normalize { frobenius.sqrt() } else { 1.0 };
        Weighing { weights, residual, converged, iterations }.times(factor)
    }
}
