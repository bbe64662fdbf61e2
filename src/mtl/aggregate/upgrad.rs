//! UPGrad: each gradient is projected on the cone of directions that harm no task; then the mean.
//! Quinton and Rey, "Jacobian descent for multi-objective optimization", 2024, section 3.
//!
//! The projection of g_i is Σ v_k g_k for the v ≥ e_i with the least vᵀMv: a non-negative least-squares problem,
//! solved by Lawson and Hanson's active sets (1974, chapter 23). What joins the set is never in the span of
//! what is there, so gradients that depend on each other do no harm.

use super::linear::solve;
use super::{Effort, Gram, Weighing};

#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct UpGrad {
    /// Per gradient.
    pub effort: Effort,
}

impl UpGrad {
    /// Residual: the largest violation of M v ≥ 0 or of (v − e_i)·M v = 0, of unit gradients.
    pub(super) fn weigh(&self, gram: &Gram) -> Weighing {
        let k = gram.tasks();
        // Unit gradients keep the systems balanced; one of length 0 stays out, its direction being nothing.
        let moving: Vec<usize> = (0..k).filter(|&i| gram.norm(i) > 0.0).collect();
        let cosine = |i: usize, j: usize| gram.get(i, j) / (gram.norm(i) * gram.norm(j));
        let row = |&i: &usize| moving.iter().map(|&j| cosine(i, j)).collect();
        let c: Vec<Vec<f64>> = moving.iter().map(row).collect();
        let mut weights = vec![0.0; k];
        let (mut residual, mut iterations) = (0.0, 0);
        for (a, &i) in moving.iter().enumerate() {
            let (v, left, rounds) = projection(&c, a, self.effort.iterations);
            residual = f64::max(residual, left);
            iterations = iterations.max(rounds);
            for (&j, v) in moving.iter().zip(v) {
                weights[j] += v * gram.norm(i) / gram.norm(j) / k as f64;
            }
        }
        Weighing::solved(weights, residual, iterations, self.effort)
    }
}

/// v ≥ e_a with the least vᵀCv; its residual and the rounds it took.
fn projection(c: &[Vec<f64>], a: usize, most: usize) -> (Vec<f64>, f64, usize) {
    let n = c.len();
    let along = |j: usize, v: &[f64]| c[j].iter().zip(v).map(|(c, v)| c * v).sum::<f64>();
    let mut v = vec![0.0; n];
    v[a] = 1.0;
    // `v[free]` stands above its bound; the others at it.
    let (mut free, mut rounds): (Vec<usize>, usize) = (vec![], 0);
    loop {
        let harmed = (0..n)
            .filter(|j| !free.contains(j))
            .map(|j| (j, along(j, &v)))
            .min_by(|a, b| a.1.total_cmp(&b.1));
        let rounding = 8.0 * f64::EPSILON * v.iter().map(|v| v.abs()).sum::<f64>();
        let Some((join, _)) = harmed.filter(|(_, along)| *along < -rounding && rounds < most)
        else {
            break;
        };
        rounds += 1;
        free.push(join);
        // The least vᵀCv over the free ones, as far as bounds allow.
        loop {
            let target = least(c, a, &free);
            let bound = |j: usize| f64::from(j == a);
            let mut step = 1.0;
            for (&j, t) in free.iter().zip(&target).filter(|(j, t)| **t < bound(**j)) {
                step = f64::min(step, (v[j] - bound(j)) / (v[j] - t));
            }
            for (&j, t) in free.iter().zip(&target) {
                v[j] += step * (t - v[j]);
            }
            if step == 1.0 {
                break;
            }
            let above = |j: &usize| v[*j] - bound(*j);
            let lowest = |i: &&usize, j: &&usize| above(i).total_cmp(&above(j));
            let leaves = *free.iter().min_by(lowest).expect("one stopped the step");
            free.retain(|j| *j != leaves && above(j) > 0.0);
            (0..n).filter(|j| !free.contains(j)).for_each(|j| v[j] = bound(j));
        }
    }
    let reach: Vec<f64> = (0..n).map(|j| along(j, &v)).collect();
    let outside = reach.iter().map(|r| (-r).max(0.0)).fold(0.0, f64::max);
    let slack: f64 = (0..n).map(|j| (v[j] - f64::from(j == a)) * reach[j]).sum();
    (v, outside.max(slack.abs()), rounds)
}

/// The free entries of v where the others stand at their bounds: C_ff v_f = −C_fr e_a.
fn least(c: &[Vec<f64>], a: usize, free: &[usize]) -> Vec<f64> {
    let mut system: Vec<Vec<f64>> =
        free.iter().map(|&i| free.iter().map(|&j| c[i][j]).collect()).collect();
    let fixed = if free.contains(&a) { 0.0 } else { 1.0 };
    let mut right: Vec<f64> = free.iter().map(|&i| -fixed * c[i][a]).collect();
    solve(&mut system, &mut right)
}
