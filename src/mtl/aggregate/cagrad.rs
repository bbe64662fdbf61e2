//! CAGrad: the direction that helps the worst task most, not farther from the mean gradient g0 than c·|g0|.
//! Liu, Liu, Jin, Stone, Liu, NeurIPS 2021, Algorithm 1 and its dual, equation (4):
//! w minimises ⟨g_w, g0⟩ + c|g0|·|g_w| on the simplex, and d = g0 + c|g0| · g_w/|g_w|.
//!
//! Seen from the geometry: let ρ = |g_w|. The first-order conditions of w are those of the point nearest
//! to 0 in the hull of g_i + (ρ/c|g0|)·g0, so a search for the one number ρ = |g_w(ρ)| over `min_norm` is all.

use super::min_norm::min_norm;
use super::{Effort, Gram, Weighing, mean};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CaGrad {
    /// Radius of the ball around the mean gradient, as a share of its length. 0 is the mean.
    pub c: f64,
    pub rescale: Rescale,
    pub effort: Effort,
}

/// What the direction is divided by, so that a larger c is not only a larger step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Rescale {
    #[default]
    None,
    /// 1 + c², as the authors' network experiments do.
    OnePlusSquare,
    /// 1 + c, as their toy problem does.
    OnePlus,
}

impl Default for CaGrad {
    fn default() -> Self {
        Self { c: 0.4, rescale: Rescale::None, effort: Effort::default() }
    }
}

impl CaGrad {
    /// Residual: the duality gap, relative to the size of the gradients' products. Where |g_w| is rounding the gap
    /// cannot be told from 0 below c|g0| times that rounding, and such an answer counts as solved.
    pub(super) fn weigh(&self, gram: &Gram) -> Weighing {
        let u = mean(gram.tasks());
        let g0 = gram.square(&u).sqrt();
        let radius = self.c * g0;
        // Lengths below this are rounding; a mean that is has no direction to be near to.
        let floor = (gram.precision() * gram.largest()).sqrt();
        if radius <= 0.0 || g0 <= floor {
            return Weighing::closed(u);
        }
        let along: Vec<f64> = (0..gram.tasks()).map(|i| gram.along(i, &u) / g0).collect();
        // The point of the hull of g_i + (ρ/c)·ĝ0, and |g_w| of its weights.
        let mut iterations = 0;
        let mut at = |rho: f64| {
            let shift = rho / self.c;
            let shifted = gram.map(|i, j, m| m + shift * (along[i] + along[j]) + shift * shift);
            let found = min_norm(&shifted, self.effort);
            iterations += 1;
            let length = gram.square(&found.weights).sqrt();
            (found.weights, length - rho)
        };

        // |g_w(ρ)| crosses ρ once. Below the floor |g_w| is rounding: the hull contains 0, the
        // direction is not unique, and the floor's is one of them.
        let (mut low, mut high) = (floor, gram.largest().sqrt());
        let (mut w, mut over) = at(low);
        let mut rho = low;
        if over > 0.0 {
            let (best, mut under) = at(high);
            (w, rho) = (best, high);
            let mut side = 0;
            for _ in 2..self.effort.iterations {
                if under == 0.0 || high - low <= 4.0 * f64::EPSILON * high {
                    break;
                }
                // Illinois: a secant whose stale end counts half.
                rho = (low * under - high * over) / (under - over);
                rho = if rho > low && rho < high { rho } else { 0.5 * (low + high) };
                let (point, miss) = at(rho);
                w = point;
                if miss.abs() <= 2.0 * f64::EPSILON * rho {
                    break;
                }
                if miss > 0.0 {
                    (low, over) = (rho, miss);
                    under *= if side == 1 { 0.5 } else { 1.0 };
                    side = 1;
                } else {
                    (high, under) = (rho, miss);
                    over *= if side == -1 { 0.5 } else { 1.0 };
                    side = -1;
                }
            }
        }
        let step = radius / rho.max(gram.square(&w).sqrt());
        let direction: Vec<f64> = u.iter().zip(&w).map(|(u, w)| u + step * w).collect();
        let dual = g0 * along.iter().zip(&w).map(|(a, w)| a * w).sum::<f64>()
            + radius * gram.square(&w).sqrt();
        let worst = (0..gram.tasks()).map(|i| gram.along(i, &direction));
        let gap = (dual - worst.fold(f64::INFINITY, f64::min)).abs() / gram.largest();
        let factor = match self.rescale {
            Rescale::None => 1.0,
            Rescale::OnePlusSquare => 1.0 / (1.0 + self.c * self.c),
            Rescale::OnePlus => 1.0 / (1.0 + self.c),
        };
        let rounding = if rho == floor { radius * floor / gram.largest() } else { 0.0 };
        let converged = gap <= self.effort.tolerance.max(rounding);
        Weighing { weights: direction, residual: gap, converged, iterations }.times(factor)
    }
}
