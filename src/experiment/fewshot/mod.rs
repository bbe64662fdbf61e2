//! Few-shot experiments: a recipe's training, its controls and its evaluation, from data to figures.
//!
//! [`Experiment`] says what is done, in the terms of `nn`, `optim` and `meta`; [`from_recipe`] makes one of
//! a recipe. [`Training`] is one program that takes a batch and makes a step, its weights and optimiser in
//! slots that it updates in place; [`Evaluation`] is another that adapts to test tasks. [`run`] drives both
//! through a [`crate::run::Run`]: metrics, checkpoints, figures, report.

mod budget;
mod drive;
mod estimate;
mod evaluation;
mod figures;
mod from_recipe;
pub mod inspect;
mod page;
mod pieces;
mod scores;
mod source;
mod training;

pub use budget::{Choice, choose};
pub use drive::run;
pub use estimate::{Prepared, estimate, prepare};
pub use evaluation::{Answers, Evaluation};
pub use from_recipe::from_recipe;
pub use scores::{Scores, mean_ci95, median, share};
pub use source::{Batch, Source};
pub use training::{Objective, Tally, Training, Written, write};

use crate::data::omniglot::Part;
use crate::exec;
use crate::meta::Maml;
use crate::nn::{Conv4, Given, Mlp, Model, Norm, Params, Spec};
use crate::optim::{Optimizer, Schedule};
use crate::recipe::Held;
use crate::tape::Var;

/// What is learned, how long, and how it is judged.
#[derive(Clone, Debug)]
pub struct Experiment {
    pub name: String,
    pub title: String,
    pub tasks: Tasks,
    pub net: Net,
    pub maml: Maml,
    pub outer: Outer,
    /// Meta-steps.
    pub steps: u64,
    pub judged: Judging,
    pub options: exec::Options,
}

/// What one task is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tasks {
    /// Its `tasks` are those of a meta-step.
    Sine(crate::data::sine::SineSpec),
    Omniglot {
        spec: crate::data::episodes::EpisodeSpec,
        /// Each class of a task turned by a random multiple of 90 degrees.
        rotations: bool,
    },
}

/// The network.
#[derive(Clone, Debug, PartialEq)]
pub enum Net {
    Mlp(Mlp),
    Conv4(Conv4),
}

/// The outer loop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outer {
    pub optimizer: Optimizer,
    pub lr: f64,
    pub schedule: Schedule,
    /// Longest norm of the meta-gradient; none leaves it alone.
    pub clip: Option<f64>,
}

/// How the result is judged, always on tasks that training never saw.
#[derive(Clone, Debug)]
pub struct Judging {
    /// The characters that training never sees (Omniglot): those of the test, or those that settings are chosen by.
    pub held: Held,
    pub tasks: usize,
    /// Of the test tasks: the same for every training seed and every control.
    pub seed: u64,
    /// Query examples of a test task: points, or pictures a class.
    pub queries: usize,
    /// Inner steps, one figure each.
    pub steps: Vec<usize>,
    /// The one that curves show.
    pub headline: usize,
    pub rows: Vec<Row>,
    pub controls: Vec<Control>,
    /// Meta-steps between two points of the curve; 0 draws none.
    pub every: u64,
    pub curve_tasks: usize,
}

impl Judging {
    /// Characters that training draws from.
    pub fn learned_from(&self) -> Part {
        match self.held {
            Held::Test => Part::TrainAndValidation,
            Held::Validation => Part::Train,
        }
    }

    /// Characters that curves and final figures draw from.
    pub fn judged_on(&self) -> Part {
        match self.held {
            Held::Test => Part::Test,
            Held::Validation => Part::Validation,
        }
    }
}

/// A row of the result's table: the same test tasks, judged in another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// So many support points.
    Support(usize),
    /// Whose statistics a normalisation takes.
    Norm(Norm),
    /// As trained: a network without normalisation.
    Test,
}

/// What a result is compared with: the same data, budget and seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    FirstOrder,
    /// All tasks learned as one, without adaptation in training.
    Pretrained,
    /// The start, not trained at all.
    Random,
}

impl Model for Net {
    fn spec(&self) -> Vec<Spec> {
        match self {
            Net::Mlp(mlp) => mlp.spec(),
            Net::Conv4(conv4) => conv4.spec(),
        }
    }

    fn output<'t>(&self, weights: &Params<'t>, given: Given<'t>) -> Var<'t> {
        match self {
            Net::Mlp(mlp) => mlp.output(weights, given),
            Net::Conv4(conv4) => conv4.output(weights, given),
        }
    }
}

impl Tasks {
    /// The loss of these tasks: (output, y) -> `[tasks]`.
    pub fn loss<'t>(&self, output: Var<'t>, y: Var<'t>) -> Var<'t> {
        match self {
            Tasks::Sine(_) => crate::loss::mse(output, y),
            Tasks::Omniglot { .. } => crate::loss::cross_entropy(output, y),
        }
    }

    /// Classes to tell apart; none where numbers are asked for.
    pub fn classes(&self) -> Option<usize> {
        match self {
            Tasks::Sine(_) => None,
            Tasks::Omniglot { spec, .. } => Some(spec.ways),
        }
    }

    /// What a figure measures.
    pub fn metric(&self) -> &'static str {
        if self.classes().is_some() { "accuracy" } else { "mse" }
    }
}

impl Row {
    /// Whether both judge the very same tasks, so that they are adapted to once. Other numbers of support points are
    /// other tasks.
    pub fn of_same_tasks(&self, other: &Row) -> bool {
        matches!((self, other), (Row::Norm(_), Row::Norm(_)))
    }

    /// The second part of a figure's name.
    pub fn place(&self, held: Held) -> String {
        match self {
            Row::Support(points) => format!("K{points}"),
            Row::Norm(norm) => format!("{}-{}", held.word(), norm.word()),
            Row::Test => held.word().into(),
        }
    }
}

impl Control {
    pub fn word(self) -> &'static str {
        match self {
            Control::FirstOrder => "first_order",
            Control::Pretrained => "pretrained",
            Control::Random => "random",
        }
    }
}
