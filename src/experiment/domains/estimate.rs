//! What a study will cost: the joint networks' training step, planned and timed.

use std::time::Instant;

use super::entry::Prepared;
use super::learner::{Layout, Learner, Step};
use super::stack::{Rates, Stack};
use crate::error::Result;
use crate::experiment::Estimate;
use crate::nn::Weights;

/// Seconds spent on timing, at least one step.
const TIMING: f64 = 1.0;

pub fn estimate(prepared: &mut Prepared) -> Result<Estimate> {
    let Prepared { settings, pictures } = prepared;
    let net = pictures.network(pictures.sources().len());
    let (k, s) = (pictures.tasks().len(), settings.seeds.len());
    let layout = Layout::new(&net, s, k * settings.batch);
    let heads = net.heads.len();
    let rates =
        Rates { hard: vec![1.0; heads], soft: vec![0.0; heads], groups: [1.0; 3], anchor: 0.0 };
    let weights = Weights::init(&net.spec(), 1);
    let mut stack = Stack::new(layout, settings.temperature, &settings.options)?;
    stack.start(&vec![&weights; s], &vec![rates; s]);
    let batch = stack.room();
    let step = Step { number: 1, lr: 0.0, keep: 0.0 };
    stack.step(step, &batch)?; // the first one also warms caches and loads kernels
    let (begun, mut steps) = (Instant::now(), 0);
    while steps == 0 || begun.elapsed().as_secs_f64() < TIMING {
        stack.step(step, &batch)?;
        steps += 1;
        stack.tally(1)?; // a step counts when it is done
    }
    let cost = stack.cost();
    Ok(Estimate {
        parameters: weights.count() as u64,
        steps: settings.steps,
        flops_per_step: cost.flops as f64,
        peak_bytes: cost.peak_bytes,
        seconds: begun.elapsed().as_secs_f64() / steps as f64 * settings.steps as f64,
        device: stack.device(),
        within_memory: None,
    })
}
