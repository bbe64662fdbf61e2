//! What is learnt on a target domain: every control and method adapts as one stack of networks.

use std::sync::Arc;
use std::time::Instant;

use super::feed::{Feed, Group};
use super::learner::{Layout, Step};
use super::methods::{Base, Pipeline};
use super::session::{Nets, Stage};
use super::settings::AVERAGE_KEEP;
use super::stack::{Rates, Stack};
use super::study::Study;
use super::taught::Taught;
use crate::error::Result;
use crate::nn::{MultiTask, Weights};
use crate::optim::{Schedule, ScheduleKind};

const ADAPT_PACE: Schedule = Schedule { warmup: 5, kind: ScheduleKind::Cosine { floor: 0.0 } };

/// One network to be adapted.
pub struct Entry {
    pub start: Weights,
    pub seed: usize,
    pub domain: usize,
    /// The tasks whose labels it sees.
    pub tasks: Vec<usize>,
    /// Weight of each task's loss.
    pub weights: Vec<f64>,
    /// A teacher's answers to the domain's unlabelled pictures.
    pub taught: Option<Arc<Taught>>,
    pub slow: f64,
    pub anchor: f64,
}

/// Networks after adaptation: their last weights, and the running average.
#[derive(Clone)]
pub struct Adapted {
    pub last: Nets,
    pub average: Nets,
}

impl Study<'_> {
    /// Step 5: adapts networks to their domains' labels, as one stack. All see the same number of tasks, and
    /// either all or none have a teacher.
    pub fn adapt(
        &mut self,
        name: &str,
        net: &MultiTask,
        entries: &[Entry],
        (steps, lr): (u64, f64),
    ) -> Result<Adapted> {
        let teacher = entries[0].taught.is_some();
        let batch = self.set.adapt.batch;
        let labelled = entries[0].tasks.len() * batch;
        let shown = labelled + if teacher { batch } else { 0 };
        let anchor = entries.iter().any(|e| e.anchor > 0.0);
        let layout = Layout { teacher, anchor, ..Layout::new(net, entries.len(), shown) };
        let groups = |e: &Entry| {
            let pool = self.pool(e.domain, e.seed);
            let mut groups =
                self.groups(e.seed, &e.tasks, batch, |t| pool.known(t, self.set.labels));
            groups.extend(e.taught.as_ref().map(|taught| Group {
                count: batch,
                from: vec![pool.unknown()],
                choice: 0,
                task: None,
                taught: Some(taught.clone()),
                seed: self.key(e.seed, 33),
            }));
            groups
        };
        let feed = Feed::new(self.pictures.clone(), &layout, entries.iter().map(groups).collect());
        let rates = entries.iter().map(|e| self.rates(&e.weights, e.slow, e.anchor));
        let rates: Vec<Rates> = rates.collect();
        let names = entries.iter().map(|e| {
            format!("{}, seed {}", self.pictures.domain(e.domain), self.set.seeds[e.seed])
        });
        let names: Vec<String> = names.collect();
        let starts: Vec<&Weights> = entries.iter().map(|e| &e.start).collect();
        let mut stack = Stack::new(layout, self.set.temperature, &self.set.options)?;
        stack.start(&starts, &rates);
        let pace = |step| Step {
            number: step + 1,
            lr: lr * ADAPT_PACE.at(step, steps),
            keep: AVERAGE_KEEP,
        };
        let stage = Stage {
            name,
            steps,
            pace: &pace,
            nets: &names,
            heads: &self.heads,
            averages: true,
            branch: None,
            watch: None,
        };
        let begun = Instant::now();
        let average = self.session.train(stage, &mut stack, feed)?;
        if entries[0].tasks.len() == self.tasks.len() {
            self.adapt_seconds = begun.elapsed().as_secs_f64() / entries.len() as f64;
        }
        let last = self.session.last(name).unwrap_or_else(|| average.clone());
        Ok(Adapted { last, average })
    }

    /// The entries of a pipeline's adaptation, `[seed][domain]`, from `starts` (`[seed]`).
    pub fn joint_entries(&self, p: &Pipeline, starts: &Nets, taught: &[Arc<Taught>]) -> Vec<Entry> {
        let k = self.tasks.len();
        let weights = match p.base {
            Base::Equal => vec![1.0; k],
            Base::Tuned | Base::Averaged => self.set.weights.clone(),
        };
        let mut all = vec![];
        for (seed, start) in starts.iter().enumerate() {
            for (d, &domain) in self.domains.iter().enumerate() {
                all.push(Entry {
                    start: start.clone(),
                    seed,
                    domain,
                    tasks: (0..k).collect(),
                    weights: weights.clone(),
                    taught: taught.get(seed * self.domains.len() + d).cloned(),
                    slow: self.set.adapt.slow,
                    anchor: self.set.adapt.anchor,
                });
            }
        }
        all
    }

    /// The entries of single-task networks, `[task][seed][domain]`, from `starts` (`[task][seed]`).
    pub fn single_entries(
        &self,
        starts: &Nets,
        taught: &[Arc<Taught>],
        from_source: bool,
    ) -> Vec<Entry> {
        let mut all = vec![];
        for task in 0..self.tasks.len() {
            for seed in 0..self.seeds() {
                for &domain in &self.domains {
                    all.push(Entry {
                        start: starts[task * self.seeds() + seed].clone(),
                        seed,
                        domain,
                        tasks: vec![task],
                        weights: self.only(task),
                        taught: taught.get(all.len()).cloned(),
                        slow: if from_source { self.set.adapt.slow } else { 1.0 },
                        anchor: if from_source { self.set.adapt.anchor } else { 0.0 },
                    });
                }
            }
        }
        all
    }
}
