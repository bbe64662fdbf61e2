//! From a grid of places to one answer a picture.

use serde::{Deserialize, Serialize};

use super::Layer;
use crate::nn::{Init, Params, Spec, linear, spec_linear};
use crate::tape::Var;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pool {
    /// Means over 3×3 parts of the picture, all read by one linear layer: for what fills the picture.
    #[default]
    Mean,
    /// A linear layer at each place, then 1/r · ln Σ exp(r ·) over the places: the place that is surest decides. For
    /// what is small and may stand anywhere. Pinheiro and Collobert 2015, eq. 6, without their 1/n, which no class sees.
    LogSumExp,
}

/// How much the surest place decides, r. At 1 the gradient of a fresh network falls on all places alike, and of few
/// pictures the background is learnt by heart first: on 216 of 48×48, three of six networks never found the lamps.
const SHARPNESS: f64 = 4.0;
/// Parts of a picture on each side.
const PARTS: usize = 3;

impl Pool {
    pub fn spec(self, name: &str, read: &Layer, outputs: usize) -> Vec<Spec> {
        let inputs = match self {
            Pool::Mean => PARTS * PARTS * read.channels,
            Pool::LogSumExp => read.channels,
        };
        spec_linear(name, inputs, outputs, Init::Glorot).to_vec()
    }

    /// `[tasks, pictures, height, width, channels]` -> `[tasks, pictures, outputs]`.
    #[track_caller]
    pub fn output<'t>(self, name: &str, weights: &Params<'t>, x: Var<'t>) -> Var<'t> {
        let s = x.shape();
        match self {
            Pool::Mean => {
                let parts = parts(x).reshape([s[0], s[1], PARTS * PARTS * s[4]]);
                linear(weights, name, parts)
            }
            Pool::LogSumExp => {
                let each = at_each_place(name, weights, x);
                (each * SHARPNESS).logsumexp(&[2, 3]).squeeze(&[2, 3]) * (1.0 / SHARPNESS)
            }
        }
    }
}

/// A linear layer at each place: `[tasks, pictures, height, width, channels or outputs]`.
#[track_caller]
pub fn at_each_place<'t>(name: &str, weights: &Params<'t>, x: Var<'t>) -> Var<'t> {
    let s = x.shape();
    let y = linear(weights, name, x.reshape([s[0], s[1] * s[2] * s[3], s[4]]));
    let tasks = y.shape().tasks();
    y.reshape([tasks, s[1], s[2], s[3], y.shape().last()])
}

/// Channels of both beside each other; one of them may be shared by all tasks.
#[track_caller]
pub fn beside<'t>(a: Var<'t>, b: Var<'t>) -> Var<'t> {
    let tasks = a.shape().tasks().max(b.shape().tasks());
    a.tape.concat(&[a.per_task(tasks), b.per_task(tasks)], a.shape().rank() - 1)
}

/// Means over 3×3 parts, `[tasks, pictures, 9, channels]`, by a product with a constant matrix. A side that
/// 3 does not divide has parts that share a row, so that all parts have the same number.
fn parts<'t>(x: Var<'t>) -> Var<'t> {
    let s = x.shape();
    let places = s[2] * s[3];
    let mut matrix = vec![0.0; PARTS * PARTS * places];
    let range = |part: usize, side: usize| part * side / PARTS..((part + 1) * side).div_ceil(PARTS);
    for part in 0..PARTS * PARTS {
        let (rows, columns) = (range(part / PARTS, s[2]), range(part % PARTS, s[3]));
        let share = 1.0 / (rows.len() * columns.len()) as f64;
        for row in rows {
            for column in columns.clone() {
                matrix[part * places + row * s[3] + column] = share;
            }
        }
    }
    let matrix = x.tape.data([1, 1, PARTS * PARTS, places], &matrix);
    matrix.matmul(x.reshape([s[0], s[1], places, s[4]]))
}
