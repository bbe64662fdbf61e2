//! Gradients made shorter where they are too long. The task axis stays apart: shared gradients `[1, ...]`
//! have one norm, per-task ones one each.

use super::spread;
use crate::tape::Var;

/// All gradients times min(1, `longest`/norm), norm = √Σ over all of them; also returns it, `[1]` or
/// `[tasks]`. A zero gradient stays zero, with finite derivatives.
#[track_caller]
pub fn clip_by_norm<'t>(gradient: &[Var<'t>], longest: f64) -> (Vec<Var<'t>>, Var<'t>) {
    let squares = gradient.iter().map(|g| {
        let axes: Vec<usize> = (1..g.shape().rank()).collect();
        g.square().sum(&axes).reshape([g.shape().tasks()])
    });
    let square = squares.reduce(|a, b| a + b).expect("clip_by_norm of no gradients");
    // The root is taken of something at least `longest`²: no 0/0, and no infinite slope at 0.
    let factor = square.max(square.like(longest * longest)).rsqrt() * longest;
    let clipped = gradient.iter().map(|&g| g * spread(factor, g)).collect();
    (clipped, square.sqrt())
}

/// Every number of every gradient brought into ±`largest`.
pub fn clip_by_value<'t>(gradient: &[Var<'t>], largest: f64) -> Vec<Var<'t>> {
    gradient.iter().map(|&g| g.min(g.like(largest)).max(g.like(-largest))).collect()
}
