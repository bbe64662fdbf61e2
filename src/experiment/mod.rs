//! Experiments: what a recipe's kind of tasks sets in motion, from data to figures. A room each.
//!
//! [`fewshot`]: learning to learn from episodes (sine waves, characters). The command line knows only
//! [`prepare`], [`estimate`] and [`run`]; which room does the work is decided here, once.

pub mod fewshot;

use std::path::Path;

use serde::Serialize;

use crate::error::Result;
use crate::recipe::{Recipe, TaskKind};
use crate::run::{Run, Summary};

/// A run that nothing in its input can stop any more.
pub enum Prepared {
    FewShot(fewshot::Prepared),
}

/// What a run will cost, said before it begins.
#[derive(Clone, Debug, Serialize)]
pub struct Estimate {
    pub parameters: u64,
    pub steps: u64,
    /// Floating-point operations of one step.
    pub flops_per_step: f64,
    /// Memory of the training step's plan.
    pub peak_bytes: u64,
    /// Of the training of one seed without its controls and evaluation, from a few steps timed here.
    pub seconds: f64,
    /// What they ran on.
    pub device: String,
}

/// Reads what the recipe needs and refuses what cannot work: a refused run leaves no folder.
pub fn prepare(recipe: &Recipe, data: Option<&Path>) -> Result<Prepared> {
    match recipe.tasks.kind {
        TaskKind::Sine | TaskKind::Omniglot => {
            fewshot::prepare(recipe, data).map(Prepared::FewShot)
        }
    }
}

/// Makes a few steps and says what all of them will take.
pub fn estimate(prepared: &mut Prepared) -> Result<Estimate> {
    match prepared {
        Prepared::FewShot(prepared) => fewshot::estimate(prepared),
    }
}

/// Trains, evaluates, writes everything that a run leaves, and returns its summary.
pub fn run(prepared: Prepared, run: &mut Run, quiet: bool) -> Result<Summary> {
    match prepared {
        Prepared::FewShot(prepared) => fewshot::run(prepared, run, quiet),
    }
}
