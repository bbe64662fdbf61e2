//! Networks: a layer is a function (weights, input) -> output over [`crate::tape::Var`], nothing more.
//!
//! Parameters are a named list of values on a tape ([`Params`]); their host side, with start values and
//! files, is [`Weights`]. What a parameter is called, its shape and its start stand in a [`Spec`]. Every
//! shape begins with the task axis: 1 for what all tasks share, the number of tasks for fast weights, and
//! layers do not care which.
//!
//! Read [`Params`] first, then `layers.rs`; `conv4.rs` is the network of the few-shot experiments.

mod conv4;
mod embedding;
mod heads;
mod init;
mod layers;
mod mlp;
mod multitask;
mod norm;
mod params;
mod trunk;
mod weights;

pub use conv4::{Conv4, Downsample};
pub use embedding::{Embedding, film, spec_film};
pub use heads::{
    Boxes, Classes, Detection, Grid, Head, HeadKind, Labelled, Labels, Mask, Pool, Values, overlap,
    suppress,
};
pub use init::{Init, Spec};
pub use layers::{Activation, conv, linear, spec_conv, spec_linear};
pub use mlp::Mlp;
pub use multitask::{Answers, MultiTask};
pub use norm::{Norm, group_norm, grouped_batch_norm, norm, spec_norm};
pub use params::Params;
pub use trunk::{Layer, Residual, Small, Trunk};
pub use weights::{Weight, Weights};

use crate::tape::Var;

/// What a forward pass is given beside the weights.
#[derive(Clone, Copy, Debug)]
pub struct Given<'t> {
    /// `[tasks, examples, ...]`.
    pub x: Var<'t>,
    /// The support set of the same tasks, where `x` are queries: [`Norm::Single`] needs it.
    pub context: Option<Var<'t>>,
    /// Inner steps taken so far: [`Norm::PerStep`] has parameters for each.
    pub step: Step<'t>,
}

/// A number of inner steps: known when the tape is written, or what a slot says before each run, `[1]`.
#[derive(Clone, Copy, Debug)]
pub enum Step<'t> {
    Number(usize),
    Slot(Var<'t>),
}

impl From<usize> for Step<'_> {
    fn from(number: usize) -> Self {
        Self::Number(number)
    }
}

impl<'t> From<Var<'t>> for Step<'t> {
    fn from(slot: Var<'t>) -> Self {
        Self::Slot(slot)
    }
}

impl<'t> Given<'t> {
    /// `x` alone, before any inner step.
    pub fn new(x: Var<'t>) -> Self {
        Self { x, context: None, step: 0.into() }
    }
}

/// A network: what its parameters are, and what it makes of them and an input.
pub trait Model {
    fn spec(&self) -> Vec<Spec>;

    /// `[tasks, examples, outputs]`.
    fn output<'t>(&self, weights: &Params<'t>, given: Given<'t>) -> Var<'t>;
}
