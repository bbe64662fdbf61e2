//! Optimisers: pairs (init, update) of pure functions over `Var`, state is data.
//!
//! `init` gives the state for some weights, `update` maps (weights, gradient, state) to new weights and
//! new state. Nothing is kept in between, so an update can be a training step whose state lives in slots,
//! or an inner step that is differentiated through: the same few lines.

mod adam;
mod clip;
mod schedule;
mod sgd;

pub use adam::Adam;
pub use clip::{clip_by_norm, clip_by_value};
pub use schedule::{Schedule, ScheduleKind};
pub use sgd::Sgd;

use crate::tape::{Tape, Var};

/// A number known when the tape is written, or one that a slot gives before each run: `[1]`, or `[tasks]`
/// for one a task.
#[derive(Clone, Copy, Debug)]
pub enum Scalar<'t> {
    Number(f64),
    Var(Var<'t>),
}

impl From<f64> for Scalar<'_> {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl<'t> From<Var<'t>> for Scalar<'t> {
    fn from(value: Var<'t>) -> Self {
        Self::Var(value)
    }
}

impl<'t> Scalar<'t> {
    /// `x` times this number.
    #[track_caller]
    pub fn times(self, x: Var<'t>) -> Var<'t> {
        match self {
            Scalar::Number(value) => x * value,
            Scalar::Var(value) => x * spread(value, x),
        }
    }

    /// The product of both.
    fn product(self, other: Self) -> Self {
        match (self, other) {
            (Scalar::Number(a), Scalar::Number(b)) => Scalar::Number(a * b),
            (a, Scalar::Var(b)) => Scalar::Var(a.times(b)),
            (Scalar::Var(a), b) => Scalar::Var(b.times(a)),
        }
    }
}

/// `[tasks]` or `[1]` as `[.., 1, 1]` with the rank of `x`.
#[track_caller]
fn spread<'t>(value: Var<'t>, x: Var<'t>) -> Var<'t> {
    let mut dims = vec![1; x.shape().rank()];
    dims[0] = value.shape().tasks();
    value.reshape(&dims[..])
}

/// What changes from step to step.
#[derive(Clone, Copy, Debug)]
pub struct Pace<'t> {
    /// The step size.
    pub lr: Scalar<'t>,
    /// The number of this update, from 1.
    pub step: Scalar<'t>,
}

impl<'t> Pace<'t> {
    pub fn new(lr: impl Into<Scalar<'t>>, step: impl Into<Scalar<'t>>) -> Self {
        Self { lr: lr.into(), step: step.into() }
    }
}

/// One of the optimisers, as a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    Sgd(Sgd),
    Adam(Adam),
}

impl Optimizer {
    /// Plain gradient descent.
    pub const GRADIENT_DESCENT: Optimizer =
        Optimizer::Sgd(Sgd { momentum: 0.0, weight_decay: 0.0 });

    /// Whether it is [`Optimizer::GRADIENT_DESCENT`]: a step is −lr times the gradient and nothing else.
    pub fn is_plain(&self) -> bool {
        *self == Self::GRADIENT_DESCENT
    }

    /// What it keeps of each weight, by name; each of the weight's shape, beginning at 0.
    pub fn keeps(&self) -> &'static [&'static str] {
        match self {
            Optimizer::Sgd(sgd) if sgd.momentum == 0.0 => &[],
            Optimizer::Sgd(_) => &["momentum"],
            Optimizer::Adam(_) => &["mean", "square"],
        }
    }

    /// The state before the first update: for each of [`Optimizer::keeps`] one list over the weights.
    pub fn init<'t>(&self, weights: &[Var<'t>]) -> Vec<Vec<Var<'t>>> {
        self.keeps().iter().map(|_| weights.iter().map(|w| w.like(0.0)).collect()).collect()
    }

    /// As [`Optimizer::init`], as input slots, for a training step.
    pub fn inputs<'t>(&self, tape: &'t Tape, weights: &[Var<'t>]) -> Vec<Vec<Var<'t>>> {
        let slots = || weights.iter().map(|w| tape.input(w.shape())).collect();
        self.keeps().iter().map(|_| slots()).collect()
    }

    /// New weights and new state. All are lists over the same weights.
    #[track_caller]
    pub fn update<'t>(
        &self,
        weights: &[Var<'t>],
        gradient: &[Var<'t>],
        state: &[Vec<Var<'t>>],
        pace: Pace<'t>,
    ) -> (Vec<Var<'t>>, Vec<Vec<Var<'t>>>) {
        assert_eq!(weights.len(), gradient.len(), "a gradient for each weight");
        match self {
            Optimizer::Sgd(sgd) => sgd.update(weights, gradient, state, pace),
            Optimizer::Adam(adam) => adam.update(weights, gradient, state, pace),
        }
    }
}
