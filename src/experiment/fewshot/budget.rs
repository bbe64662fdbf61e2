//! Which way of computing a training step fits a memory budget, the fastest first.
//!
//! One tape for the whole step is the fastest and the largest. Less memory take: fewer workers (each has an
//! arena), tasks in groups, and inner steps computed again on the way back (`meta/unrolled.rs`); all give the same
//! gradient. Bytes are those of the plans, so the choice is made before anything is allocated.

use super::Experiment;
use super::pieces::Pieces;
use super::training::{Objective, write};
use crate::error::{Error, Result};
use crate::exec::{self, Cost, Options};
use crate::shape::Shape;
use crate::tape::Tape;

/// A way of computing a training step.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Whether inner steps are computed again on the way back.
    pub recompute: bool,
    /// Tasks at a time.
    pub group: usize,
    /// Tasks of a step.
    pub tasks: usize,
    /// Workers of `cpu`; none: as many as were asked for.
    pub threads: Option<usize>,
}

impl Choice {
    /// All of a step's tasks on one tape.
    pub fn one_tape(tasks: usize) -> Self {
        Self { recompute: false, group: tasks, tasks, threads: None }
    }

    pub fn is_one_tape(&self) -> bool {
        !self.recompute && self.group == self.tasks
    }

    /// What a step costs in this way; nothing is allocated.
    pub fn cost(
        &self,
        experiment: &Experiment,
        objective: Objective,
        shapes: [Shape; 4],
        options: &Options,
    ) -> Result<Cost> {
        let options = Options { threads: self.threads.or(options.threads), ..*options };
        if self.is_one_tape() {
            let tape = Tape::new();
            let written = write(&tape, experiment, objective, shapes);
            return exec::cost(&tape, &written.outputs, &written.state, &options);
        }
        Pieces::write(experiment, objective, shapes, self).cost(&options)
    }
}

/// As said to people: `inner steps computed again, 2 of 4 tasks at a time, threads 1`.
impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(match self.recompute {
            true => "inner steps computed again",
            false => "one tape",
        })?;
        match self.group == self.tasks {
            true => write!(f, ", all {} tasks at once", self.tasks)?,
            false => write!(f, ", {} of {} tasks at a time", self.group, self.tasks)?,
        }
        self.threads.map_or(Ok(()), |threads| write!(f, ", threads {threads}"))
    }
}

/// A way and what it costs.
struct Candidate {
    choice: Choice,
    cost: Cost,
    workers: usize,
}

impl Candidate {
    /// The same with fewer workers.
    fn with_workers(&self, workers: usize) -> Self {
        let mut cost = self.cost.clone();
        cost.peak_bytes -= cost.worker_bytes * (self.workers - workers) as u64;
        let choice = Choice { threads: Some(workers), ..self.choice.clone() };
        Self { choice, cost, workers }
    }

    /// By what is slower: on `cpu` a task is one worker's, so the busiest worker decides. A device that serves all tasks
    /// at once takes about as long for few of them: there the number of groups comes first.
    fn slowness(&self) -> (f64, f64) {
        let groups = (self.choice.tasks / self.choice.group) as f64;
        let flops = self.cost.flops as f64;
        match self.cost.worker_bytes {
            0 => (groups, flops),
            _ => {
                let rounds = self.choice.group.div_ceil(self.workers) as f64;
                (flops * rounds / self.choice.group as f64, groups)
            }
        }
    }
}

/// The fastest way that fits `options.memory`; without a budget one tape. Errors: nothing fits, then the message says
/// what would; a device that is not there.
pub fn choose(
    experiment: &Experiment,
    objective: Objective,
    shapes: [Shape; 4],
    options: &Options,
) -> Result<Choice> {
    let tasks = shapes[0].tasks();
    let one_tape = Choice::one_tape(tasks);
    let Some(budget) = options.memory else { return Ok(one_tape) };
    let workers = options.workers();
    let candidate = |choice: Choice| -> Result<Candidate> {
        let cost = choice.cost(experiment, objective, shapes, options)?;
        Ok(Candidate { choice, cost, workers })
    };
    let first = candidate(one_tape)?;
    if first.cost.peak_bytes <= budget {
        return Ok(first.choice);
    }
    let mut all = vec![];
    let meta = matches!(objective, Objective::Meta(_));
    for recompute in [false, true].into_iter().filter(|&again| meta || !again) {
        for group in (1..=tasks).rev().filter(|group| tasks.is_multiple_of(*group)) {
            let full = candidate(Choice { recompute, group, tasks, threads: None })?;
            let fewer = if full.cost.worker_bytes > 0 { workers } else { 1 };
            let fewer: Vec<_> = (1..fewer).rev().map(|n| full.with_workers(n)).collect();
            all.push(full);
            all.extend(fewer);
        }
    }
    let least = all.iter().min_by_key(|c| c.cost.peak_bytes).expect("one tape at least");
    let fitting = all.iter().filter(|c| c.cost.peak_bytes <= budget);
    let fastest = fitting.min_by(|a, b| a.slowness().partial_cmp(&b.slowness()).expect("numbers"));
    match fastest {
        Some(found) => Ok(found.choice.clone()),
        None => {
            let least_mib = least.cost.peak_bytes.div_ceil(1 << 20);
            Err(Error::input(format!(
                "memory = {:.1} MiB is too little for a training step of {}, which takes {least_mib} MiB at \
                 least ({}); set memory={least_mib}MiB or more, or have smaller episodes",
                budget as f64 / 1024f64.powi(2),
                experiment.name,
                least.choice
            )))
        }
    }
}
