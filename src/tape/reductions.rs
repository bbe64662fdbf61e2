//! Sums and what is made of them: means, variances, softmax, normalisation. Reduced axes stay with
//! size 1 (`keep`); [`Var::squeeze`] drops them.

use super::Var;
use crate::op::{Along, Op};
use crate::shape::{Axes, Shape};

impl<'t> Var<'t> {
    /// Sum over `axes`, which become 1.
    #[track_caller]
    pub fn sum(self, axes: &[usize]) -> Var<'t> {
        let axes = Axes::new(axes);
        if axes.iter().all(|axis| axis < self.shape().rank() && self.shape()[axis] == 1) {
            return self;
        }
        self.tape.push(Op::Sum(axes), &[self], None)
    }

    /// One number, shape [1, 1, ...]: the sum of all elements.
    pub fn sum_all(self) -> Var<'t> {
        let all: Vec<usize> = (0..self.shape().rank()).collect();
        self.sum(&all)
    }

    /// Sum over the axes on which `shape` is 1 and this value is not: what `Expand` undoes.
    #[track_caller]
    pub fn sum_to(self, shape: Shape) -> Var<'t> {
        let from = self.shape();
        let axes: Vec<usize> =
            (0..from.rank()).filter(|&k| from[k] != 1 && shape[k] == 1).collect();
        self.sum(&axes)
    }

    /// Drops axes of size 1. At least one axis stays.
    #[track_caller]
    pub fn squeeze(self, axes: &[usize]) -> Var<'t> {
        let shape = self.shape();
        let dims: Vec<usize> =
            (0..shape.rank()).filter(|k| !axes.contains(k)).map(|k| shape[k]).collect();
        self.reshape(&dims[..])
    }

    /// Number of elements on `axes`.
    fn count(self, axes: &[usize]) -> f64 {
        axes.iter().map(|&axis| self.shape()[axis] as f64).product()
    }

    #[track_caller]
    pub fn mean(self, axes: &[usize]) -> Var<'t> {
        self.sum(axes) * (1.0 / self.count(axes))
    }

    /// Biased variance (divided by the count), from centred values: right for any offset.
    #[track_caller]
    pub fn var(self, axes: &[usize]) -> Var<'t> {
        (self - self.mean(axes)).square().mean(axes)
    }

    /// The largest element over `axes`, which become 1. The derivative goes to it alone.
    #[track_caller]
    pub fn max_over(self, axes: &[usize]) -> Var<'t> {
        axes.iter().fold(self, |x, &axis| {
            if x.shape()[axis] == 1 {
                return x;
            }
            let along = Along::Axis(axis as u8);
            x.take(x.argmax(along), along)
        })
    }

    /// ln Σ exp(x) over `axes`: the maximum is subtracted first and held fixed, so any x is safe.
    #[track_caller]
    pub fn logsumexp(self, axes: &[usize]) -> Var<'t> {
        let m = self.max_over(axes).detach();
        (self - m).exp().sum(axes).ln() + m
    }

    #[track_caller]
    pub fn log_softmax(self, axis: usize) -> Var<'t> {
        let z = self - self.max_over(&[axis]).detach();
        z - z.exp().sum(&[axis]).ln()
    }

    #[track_caller]
    pub fn softmax(self, axis: usize) -> Var<'t> {
        let e = (self - self.max_over(&[axis]).detach()).exp();
        e * e.sum(&[axis]).recip()
    }

    /// (x − mean)/√(var + eps) over `axes` together, biased variance.
    #[track_caller]
    pub fn normalize(self, axes: &[usize], eps: f64) -> Var<'t> {
        let centred = self - self.mean(axes);
        centred * (centred.square().mean(axes) + eps).rsqrt()
    }
}
