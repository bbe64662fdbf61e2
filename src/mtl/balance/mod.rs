//! How much does each task's loss count? One file a method, one shape for all.
//!
//! A method never sees a gradient. It shows the tape K numbers, its *knobs*, through an input slot; the tape makes one
//! loss of K losses and the knobs; after the step the method learns on the host from the losses that were read back:
//! ```text
//! write knobs(state) and a batch │ run: descend loss(losses, knobs) │ read losses │ learn(state, losses, losses after)
//! ```
//! State is data: a list of numbers that a checkpoint keeps. Losses are means over tasks, so that equal weights
//! descend the same mean as [`super::aggregate::Aggregator::Sum`].

mod dwa;
mod famo;
mod moments;
mod uncertainty;

pub use dwa::Dwa;
pub use famo::Famo;
pub use moments::Moments;
pub use uncertainty::Uncertainty;

use crate::tape::Var;

/// One of the methods, as a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Balancer {
    /// The mean loss.
    Equal,
    /// Fixed weights, one a task: the tuned ones are the control that every other method has to beat.
    Constant(Vec<f64>),
    Uncertainty(Uncertainty),
    Dwa(Dwa),
    Famo(Famo),
}

/// What a method keeps between steps; its first K numbers are what [`Balancer::knobs`] are made of.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct State(pub Vec<f64>);

impl Balancer {
    /// Its name in recipes and figures.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Constant(_) => "constant",
            Self::Uncertainty(_) => "uncertainty",
            Self::Dwa(_) => "dwa",
            Self::Famo(_) => "famo",
        }
    }

    /// The state before the first step.
    #[track_caller]
    pub fn start(&self, tasks: usize) -> State {
        State(match self {
            Self::Equal => vec![1.0; tasks],
            Self::Constant(weights) => {
                assert_eq!(weights.len(), tasks, "a weight a task");
                weights.clone()
            }
            Self::Uncertainty(method) => method.start(tasks),
            Self::Dwa(method) => method.start(tasks),
            Self::Famo(method) => method.start(tasks),
        })
    }

    /// K numbers for the slot that [`Balancer::loss`] reads.
    pub fn knobs(&self, state: &State, tasks: usize) -> Vec<f64> {
        match self {
            Self::Famo(_) => famo::softmax(&state.0[..tasks]),
            _ => state.0[..tasks].to_vec(),
        }
    }

    /// What is descended, `[M]`, from losses and knobs of M models, `[M, K]` both.
    #[track_caller]
    pub fn loss<'t>(&self, losses: Var<'t>, knobs: Var<'t>) -> Var<'t> {
        match self {
            Self::Equal | Self::Constant(_) | Self::Dwa(_) => (losses * knobs).mean(&[1]),
            Self::Uncertainty(method) => method.loss(losses, knobs),
            Self::Famo(method) => method.loss(losses, knobs),
        }
        .squeeze(&[1])
    }

    /// ∂loss/∂losses, one a task: the same weights on the host, where gradients are at hand themselves.
    pub fn weights(&self, state: &State, losses: &[f64]) -> Vec<f64> {
        let knobs = self.knobs(state, losses.len());
        match self {
            Self::Equal | Self::Constant(_) | Self::Dwa(_) => {
                knobs.iter().map(|knob| knob / losses.len() as f64).collect()
            }
            Self::Uncertainty(method) => method.weights(&knobs),
            Self::Famo(method) => method.weights(&knobs, losses),
        }
    }

    /// After a step: the losses it descended and, where the method asks for them, the losses on the same examples
    /// after it.
    #[track_caller]
    pub fn learn(&self, state: &mut State, losses: &[f64], after: Option<&[f64]>) {
        match self {
            Self::Equal | Self::Constant(_) => {}
            Self::Uncertainty(method) => method.learn(&mut state.0, losses),
            Self::Dwa(method) => method.learn(&mut state.0, losses),
            Self::Famo(method) => {
                let after = after.expect("FAMO learns from the losses after the step");
                method.learn(&mut state.0, losses, after);
            }
        }
    }

    /// Whether it wants the losses on the same examples after the step: one more forward pass.
    pub fn looks_after(&self) -> bool {
        matches!(self, Self::Famo(_))
    }
}
