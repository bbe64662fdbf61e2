//! What exact meta-gradients cost in time and in memory, on one tape and with inner steps computed again.

use super::ms;
use crate::data::omniglot::{Omniglot, Part};
use crate::error::Result;
use crate::exec::Options;
use crate::experiment::fewshot::{Choice, Objective, Source, Training, from_recipe};
use crate::nn::{Model, Weights};
use crate::random::stream;
use crate::recipe::{self, Override};
use serde::Serialize;
use std::time::Instant;

/// One way of computing a meta-step of R2's shape with so many inner steps.
#[derive(Clone, Debug, Serialize)]
pub struct SecondOrder {
    pub row: &'static str,
    pub inner_steps: usize,
    /// How the step is computed.
    pub way: String,
    pub median_ms: f64,
    pub min_ms: f64,
    pub reps: usize,
    /// Of all programs, and of what the host keeps between them.
    pub peak_bytes: u64,
    /// Of all runs of a step, as planned.
    pub gflop: f64,
    pub device: String,
}

/// Seconds for all ways of one number of inner steps; at least five rounds.
const BUDGET_S: f64 = 12.0;

/// R2's shape (4 tasks, 5 ways, 1 shot, 15 queries, pooled Conv-4-64) with `inner_steps` inner steps, each way in turn in
/// every round, so that all meet the same machine.
pub fn second_order(inner_steps: usize, options: &Options) -> Result<Vec<SecondOrder>> {
    let keys = ["tasks_per_step=4", "tasks.queries=15", "downsample=pool"].map(String::from);
    let keys = keys.into_iter().chain([format!("method.inner_steps={inner_steps}")]);
    let keys: Result<Vec<Override>> = keys.map(|key| Override::parse(&key)).collect();
    let e = from_recipe(&recipe::load("omniglot-5w1s", &keys?)?)?;
    let set = Some(Omniglot::load(None)?.into());
    let source = Source::new(e.tasks, set.as_ref(), Part::Train, 1, stream::TRAIN)?;
    let tasks = source.tasks();
    let ways = [(false, tasks), (true, tasks), (true, tasks / 2)];
    let mut batch = source.room();
    source.fill(0, 0, &mut batch);
    let mut programs = vec![];
    for (recompute, group) in ways {
        let choice = Choice { recompute, group, tasks, threads: None };
        let mut training = Training::by(&e, Objective::Meta(e.maml), &source, options, choice)?;
        training.start(&Weights::init(&e.net.spec(), 1));
        training.step(1, 0.0, batch.parts())?;
        programs.push((training, vec![]));
    }
    let begun = Instant::now();
    let mut rounds = 0;
    while rounds < 5 || begun.elapsed().as_secs_f64() < BUDGET_S {
        for (training, times) in &mut programs {
            let step = Instant::now();
            training.step(1, 0.0, batch.parts())?;
            training.bad()?; // a step ends when its losses are on the host
            times.push(ms(step));
        }
        rounds += 1;
    }
    let line = |(training, times): &mut (Training, Vec<f64>)| {
        times.sort_by(f64::total_cmp);
        let cost = training.cost();
        SecondOrder {
            row: "memory",
            inner_steps,
            way: training.choice().to_string(),
            median_ms: times[times.len() / 2],
            min_ms: times[0],
            reps: times.len(),
            peak_bytes: cost.peak_bytes,
            gflop: cost.flops as f64 / 1e9,
            device: training.device(),
        }
    };
    Ok(programs.iter_mut().map(line).collect())
}
