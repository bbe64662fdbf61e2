//! What a run will cost, known before it begins: planned, and a few steps timed.

use std::time::Instant;

use serde::Serialize;

use super::{Experiment, Objective, Source, Tasks, Training};
use crate::data::omniglot::{Omniglot, Part};
use crate::error::Result;
use crate::nn::{Model, Weights};
use crate::random::stream;

#[derive(Clone, Debug, Serialize)]
pub struct Estimate {
    pub parameters: u64,
    pub steps: u64,
    /// Floating-point operations of one meta-step.
    pub flops_per_step: f64,
    /// Memory of the training step's plan.
    pub peak_bytes: u64,
    /// Of the training of one seed without its controls and evaluation, from a few steps timed here.
    pub seconds: f64,
    /// What they ran on.
    pub device: String,
}

/// Seconds spent on timing, at least one step.
const TIMING: f64 = 1.0;

/// Whether the data are there and whole, the device is there, and the training step fits: all that can
/// refuse a run, before anything is written.
pub fn check(experiment: &Experiment, data: Option<&std::path::Path>) -> Result<()> {
    prepare(experiment, data).map(|_| ())
}

fn prepare(experiment: &Experiment, data: Option<&std::path::Path>) -> Result<(Source, Training)> {
    let set = match experiment.tasks {
        Tasks::Omniglot(_) => Some(Omniglot::load(data)?.into()),
        Tasks::Sine(_) => None,
    };
    let source =
        Source::new(experiment.tasks, set.as_ref(), Part::TrainAndValidation, 1, stream::TRAIN)?;
    let objective = Objective::Meta(experiment.maml);
    let training = Training::new(experiment, objective, &source, &experiment.options)?;
    Ok((source, training))
}

pub fn estimate(experiment: &Experiment, data: Option<&std::path::Path>) -> Result<Estimate> {
    let (source, mut training) = prepare(experiment, data)?;
    let weights = Weights::init(&experiment.net.spec(), 1);
    training.start(&weights);
    let mut batch = source.room();
    source.fill(0, 0, &mut batch);
    training.step(1, 0.0, batch.parts())?; // the first one also warms caches and loads kernels
    let (begun, mut steps) = (Instant::now(), 0);
    while steps == 0 || begun.elapsed().as_secs_f64() < TIMING {
        training.step(1, 0.0, batch.parts())?;
        steps += 1;
        training.bad()?; // a step counts when it is done
    }
    let cost = training.cost();
    Ok(Estimate {
        parameters: weights.count() as u64,
        steps: experiment.steps,
        flops_per_step: cost.flops as f64,
        peak_bytes: cost.peak_bytes,
        seconds: begun.elapsed().as_secs_f64() / steps as f64 * experiment.steps as f64,
        device: training.device(),
    })
}
