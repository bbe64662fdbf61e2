//! Experiments: what a recipe's kind of tasks sets in motion, from data to figures. A room each.
//!
//! [`fewshot`]: learning to learn from episodes (sine waves, characters). [`domains`]: knowledge moved from domains with
//! many labels to domains with few (drawn and real street scenes). [`toy`]: gradient aggregation on a landscape of two
//! numbers. The command line knows only [`prepare`], [`estimate`] and [`run`]; which room does the work is decided here, once.

pub mod domains;
pub mod fewshot;
mod tally;
pub mod toy;

use std::path::Path;

use serde::Serialize;

use crate::error::Result;
use crate::exec;
use crate::recipe::{Recipe, TaskKind};
use crate::run::{Run, Summary};

/// A run that nothing in its input can stop any more.
pub enum Prepared {
    FewShot(Box<fewshot::Prepared>),
    Domains(Box<domains::Prepared>),
    Toy(toy::Prepared),
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
    /// How a step is computed, where a memory budget chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_memory: Option<String>,
}

/// Reads what the recipe needs and refuses what cannot work: a refused run leaves no folder.
pub fn prepare(recipe: &Recipe, data: Option<&Path>) -> Result<Prepared> {
    match recipe.tasks.kind {
        TaskKind::Sine | TaskKind::Omniglot => {
            fewshot::prepare(recipe, data).map(|p| Prepared::FewShot(Box::new(p)))
        }
        TaskKind::Scenes | TaskKind::CamVid => {
            domains::prepare(recipe, data).map(|p| Prepared::Domains(Box::new(p)))
        }
        TaskKind::Toy => toy::prepare(recipe).map(Prepared::Toy),
    }
}

/// Makes a few steps and says what all of them will take.
pub fn estimate(prepared: &mut Prepared) -> Result<Estimate> {
    match prepared {
        Prepared::FewShot(prepared) => fewshot::estimate(prepared),
        Prepared::Domains(prepared) => domains::estimate(prepared),
        Prepared::Toy(prepared) => toy::estimate(prepared),
    }
}

/// Trains, evaluates, writes everything that a run leaves, and returns its summary.
pub fn run(prepared: Prepared, run: &mut Run, quiet: bool) -> Result<Summary> {
    match prepared {
        Prepared::FewShot(prepared) => fewshot::run(*prepared, run, quiet),
        Prepared::Domains(prepared) => domains::run(*prepared, run, quiet),
        Prepared::Toy(prepared) => toy::run(prepared, run, quiet),
    }
}

/// A recipe's training step as text: its tape and its plan.
pub fn explain(
    recipe: &Recipe,
    data: Option<&Path>,
    device: exec::Device,
) -> Result<fewshot::inspect::Explained> {
    match recipe.tasks.kind {
        TaskKind::Scenes | TaskKind::CamVid => {
            let prepared = domains::prepare(recipe, data)?;
            Ok(domains::explain(&prepared, device))
        }
        // The toy's host arithmetic has no plan: the few-shot room says so.
        _ => fewshot::inspect::explain(&fewshot::from_recipe(recipe)?, data, device),
    }
}

/// How programs are made for this recipe.
pub(crate) fn options(r: &Recipe) -> exec::Options {
    exec::Options {
        device: match r.device {
            crate::recipe::Device::Auto => exec::Device::Auto,
            crate::recipe::Device::Cpu => exec::Device::Cpu,
            crate::recipe::Device::Gpu(n) => exec::Device::Gpu(n),
            crate::recipe::Device::Reference => exec::Device::Reference,
        },
        plain: r.plan == crate::recipe::PlanKind::Plain,
        threads: (r.threads > 0).then_some(r.threads),
        memory: (r.memory > 0).then_some(r.memory),
    }
}
