//! Which point of the gradients' convex hull is nearest to 0? MGDA asks it, and CAGrad of a shifted hull.
//! Wolfe, "Finding the nearest point in a polytope", Mathematical Programming 11, 1976.
//!
//! A *corral* of gradients holds the point that is nearest in their affine hull. The gradient that
//! reaches farthest towards 0 joins; whoever would need a negative weight leaves. Every round shortens
//! the point, so no corral comes twice, and the end is exact: only rounding is left, also where gradients
//! depend on each other.

use super::linear::solve;
use super::{Effort, Gram, Weighing};

/// w on the simplex with the least wᵀMw. Residual: how far some gradient reaches below the point,
/// max(0, wᵀMw − min (Mw)_j) / max M, which is 0 exactly at the solution.
pub fn min_norm(gram: &Gram, effort: Effort) -> Weighing {
    let k = gram.tasks();
    let shortest = |&i: &usize, &j: &usize| gram.get(i, i).total_cmp(&gram.get(j, j));
    let first = (0..k).min_by(shortest).expect("at least one task");
    let mut w = vec![0.0; k];
    w[first] = 1.0;
    if gram.norm(first) == 0.0 {
        return Weighing::closed(w); // 0 itself
    }
    let mut corral = vec![first];
    let mut iterations = 0;
    loop {
        let square = gram.square(&w);
        let (next, reach) = (0..k)
            .map(|j| (j, gram.along(j, &w)))
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .expect("at least one task");
        let gap = (square - reach).max(0.0);
        let size: f64 = gram.row(next).iter().zip(&w).map(|(m, w)| (m * w).abs()).sum();
        let rounding = 8.0 * f64::EPSILON * k as f64 * (size + square);
        if gap <= rounding || corral.contains(&next) || iterations == effort.iterations {
            let residual = if gap == 0.0 { 0.0 } else { gap / gram.largest() };
            return Weighing::solved(w, residual, iterations, effort);
        }
        iterations += 1;
        corral.push(next);
        // Towards the nearest point of the affine hull, as far as weights stay positive.
        loop {
            let target = nearest(gram, &corral);
            let steps = corral.iter().zip(&target).filter(|(_, target)| **target < 0.0);
            let step = steps.map(|(&i, t)| w[i] / (w[i] - t)).fold(1.0, f64::min);
            for (&i, t) in corral.iter().zip(&target) {
                w[i] += step * (t - w[i]);
            }
            if step == 1.0 {
                break;
            }
            let leaves = *corral.iter().min_by(|&&i, &&j| w[i].total_cmp(&w[j])).expect("many");
            corral.retain(|&i| i != leaves && w[i] > 0.0);
            (0..k).filter(|i| !corral.contains(i)).for_each(|i| w[i] = 0.0);
        }
    }
}

/// Weights of sum 1, of any sign, with the least norm among the gradients of `corral`.
fn nearest(gram: &Gram, corral: &[usize]) -> Vec<f64> {
    let n = corral.len();
    // Unit gradients and h_i = shortest / |g_i| keep the system balanced whatever the lengths:
    // w_i = h_i z_i with [C h; hᵀ 0] [z; ν] = [0; 1].
    let norms: Vec<f64> = corral.iter().map(|&i| gram.norm(i)).collect();
    let shortest = norms.iter().copied().fold(f64::INFINITY, f64::min);
    let h: Vec<f64> = norms.iter().map(|norm| shortest / norm).collect();
    let mut system = vec![vec![0.0; n + 1]; n + 1];
    for (a, &i) in corral.iter().enumerate() {
        for (b, &j) in corral.iter().enumerate() {
            system[a][b] = gram.get(i, j) / (norms[a] * norms[b]);
        }
        (system[a][n], system[n][a]) = (h[a], h[a]);
    }
    let mut right = vec![0.0; n + 1];
    right[n] = 1.0;
    let z = solve(&mut system, &mut right);
    z.iter().zip(&h).map(|(z, h)| z * h).collect()
}
