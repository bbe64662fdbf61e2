//! Nash-MTL: weights that no task would bargain away, w > 0 with (M w)_i = 1/w_i.
//! Navon, Shamsian, Achituve, Maron, Kawaguchi, Chechik, Fetaya, ICML 2022, equation (4).
//!
//! The paper solves a sequence of convex programs; the equation is itself the gradient of ½ wᵀMw − Σ ln w_i, which is
//! convex, so Newton's method with a line search is enough: a few steps of a K×K system. There is a solution
//! exactly where the convex hull of the gradients does not contain 0, so none at a Pareto-stationary point.

use super::linear::solve;
use super::{Effort, Gram, Weighing};

#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Nash {
    /// Divides M by its Frobenius norm first, as the authors' code does: then |d|² is K times that norm.
    pub normalize: bool,
    pub effort: Effort,
}

impl Nash {
    /// Residual: max |w_i (M w)_i − 1|.
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
        let value = |b: &[f64]| -> f64 {
            let quadratic: f64 = b.iter().zip(times(b)).map(|(b, cb)| 0.5 * b * cb).sum();
            quadratic - b.iter().map(|b| b.ln()).sum::<f64>()
        };
        let residual_of = |b: &[f64]| -> f64 {
            b.iter().zip(times(b)).map(|(b, cb)| (b * cb - 1.0).abs()).fold(0.0, f64::max)
        };

        // Weights this large combine gradients whose sum is rounding: there is no bargain.
        let limit = gram.precision().sqrt().recip();
        let mut b = vec![1.0; n];
        let (mut iterations, mut residual) = (0, residual_of(&b));
        while residual > 1e-15 && iterations < self.effort.iterations {
            let slope: Vec<f64> = times(&b).iter().zip(&b).map(|(cb, b)| cb - 1.0 / b).collect();
            let mut curvature = c.clone();
            (0..n).for_each(|a| curvature[a][a] += 1.0 / (b[a] * b[a]));
            let Some(newton) = solve(&mut curvature, &mut slope.clone()) else { break };
            let descent: f64 = slope.iter().zip(&newton).map(|(s, n)| -s * n).sum();
            let (before, mut step) = (value(&b), 1.0);
            let moved = loop {
                let moved: Vec<f64> = b.iter().zip(&newton).map(|(b, n)| b - step * n).collect();
                let inside = moved.iter().all(|&b| b > 0.0);
                if step < 1e-12 || inside && value(&moved) <= before + 1e-4 * step * descent {
                    break moved;
                }
                step *= 0.5;
            };
            iterations += 1;
            let better = residual_of(&moved);
            // The last digits wander: stop where they no longer improve.
            if step < 1e-12 || better >= residual && residual < self.effort.tolerance {
                break;
            }
            if moved.iter().any(|&b| b > limit) {
                break;
            }
            (b, residual) = (moved, better);
        }
        let mut weights = vec![0.0; k];
        moving.iter().zip(&b).for_each(|(&i, b)| weights[i] = b / gram.norm(i));
        // 0 = 1/w has no solution: a task without a gradient cannot bargain.
        let residual = if n < k { residual.max(1.0) } else { residual };
        let frobenius = (0..k).flat_map(|i| gram.row(i)).map(|m| m * m).sum::<f64>().sqrt();
        let factor = if self.normalize { frobenius.sqrt() } else { 1.0 };
        Weighing::solved(weights, residual, iterations, self.effort).times(factor)
    }
}
