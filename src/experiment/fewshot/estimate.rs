//! Before a run begins: everything that bad input can spoil is tried, and what the run will cost is known.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::drive::objective;
use super::{
    Control, Evaluation, Experiment, Objective, Row, Source, Tasks, Training, choose, from_recipe,
};
use crate::data::omniglot::Omniglot;
use crate::error::Result;
use crate::experiment::Estimate;
use crate::nn::{Model, Weights};
use crate::random::stream;
use crate::recipe::Recipe;

/// A recipe whose keys agree, whose data is there, and whose training step is compiled for its device.
pub struct Prepared {
    pub experiment: Experiment,
    pub set: Option<Arc<Omniglot>>,
    pub training: Training,
}

/// Fails where keys contradict each other, data is missing or damaged, the device is not there, or nothing fits the
/// memory allowed.
pub fn prepare(recipe: &Recipe, data: Option<&Path>) -> Result<Prepared> {
    let experiment = from_recipe(recipe)?;
    let set = match experiment.tasks {
        Tasks::Omniglot { .. } => Some(Arc::new(Omniglot::load(data)?)),
        Tasks::Sine(_) => None,
    };
    let source = batches(&experiment, set.as_ref())?;
    let objective = Objective::Meta(experiment.maml);
    let training = Training::new(&experiment, objective, &source, &experiment.options)?;
    if experiment.options.memory.is_some() {
        later_programs_fit(&experiment, set.as_ref(), &source)?;
    }
    Ok(Prepared { experiment, set, training })
}

/// Controls and evaluations come hours later: what a memory budget forbids is said before.
fn later_programs_fit(e: &Experiment, set: Option<&Arc<Omniglot>>, source: &Source) -> Result<()> {
    for &control in e.judged.controls.iter().filter(|&&control| control != Control::Random) {
        choose(e, objective(e, Some(control)), source.shapes(), &e.options)?;
    }
    for rows in e.judged.rows.chunk_by(Row::of_same_tasks) {
        Evaluation::new(e, rows, &e.judged.steps, set, stream::TEST)?;
    }
    Ok(())
}

fn batches(e: &Experiment, set: Option<&Arc<Omniglot>>) -> Result<Source> {
    Source::new(e.tasks, set, e.judged.learned_from(), 1, stream::TRAIN)
}

/// Seconds spent on timing, at least one step.
const TIMING: f64 = 1.0;

/// Plans are counted, a few steps are timed.
pub fn estimate(prepared: &mut Prepared) -> Result<Estimate> {
    let Prepared { experiment, set, training } = prepared;
    let source = batches(experiment, set.as_ref())?;
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
        within_memory: experiment.options.memory.map(|_| training.choice().to_string()),
    })
}
