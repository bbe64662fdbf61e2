//! What is learnt on the source domains: the controls' networks, the networks for all tasks, their distillation and
//! meta-learning.
//!
//! Orders: single-task networks `[task][seed]`, networks for all tasks `[seed]`.

use std::sync::Arc;

use super::aggregated::Aggregated;
use super::doctoring::Doctor;
use super::feed::{Feed, Group};
use super::learner::{Layout, Learner, Step};
use super::meta::{Episodes, Meta};
use super::pictures::At;
use super::session::{Nets, Stage, Watch};
use super::stack::{Rates, Stack};
use super::study::Study;
use super::watch::{ALONE, LOOKS, SourceCurve, TOGETHER};
use crate::error::Result;
use crate::nn::{MultiTask, Weights};
use crate::optim::{Schedule, ScheduleKind};
use crate::run::Line;
use crate::transfer::weighted_average;

/// How source training's step size goes: a short rise, then constant, and a fall over the last part. While it is
/// constant, whether the score is still rising says whether longer training would help.
pub const SOURCE_PACE: Schedule =
    Schedule { warmup: 50, kind: ScheduleKind::Trapezoid { fall: FALL } };
pub const FALL: f64 = 0.3;

impl Study<'_> {
    /// All labelled pictures of a task in the source domains.
    fn source_labels(&self, seed: usize, task: usize) -> Arc<[At]> {
        let of = |d| self.pool(d, seed).known(task, usize::MAX).to_vec();
        self.pictures.sources().flat_map(of).collect()
    }

    /// Source pictures that no training sees.
    fn source_tests(&self) -> Arc<[At]> {
        self.pictures.sources().flat_map(|domain| self.test(domain)).collect()
    }

    /// Step 3, controls: a network a task, `[task][seed]`.
    pub fn learn_singles(&mut self) -> Result<Nets> {
        let (k, s) = (self.tasks.len(), self.seeds());
        let layout = Layout::new(&self.net, k * s, self.set.batch);
        let places: Vec<(usize, usize)> =
            (0..k).flat_map(|t| (0..s).map(move |s| (t, s))).collect();
        let groups = places.iter().map(|&(task, seed)| {
            self.groups(seed, &[task], self.set.batch, |t| self.source_labels(seed, t))
        });
        let feed = Feed::new(self.pictures.clone(), &layout, groups.collect());
        let rates: Vec<Rates> =
            places.iter().map(|&(task, _)| self.rates(&self.only(task), 1.0, 0.0)).collect();
        let starts: Vec<Weights> =
            places.iter().map(|&(_, seed)| self.start(&self.net, seed)).collect();
        let names: Vec<String> = places
            .iter()
            .map(|&(t, s)| format!("{}, seed {}", self.tasks[t].name, self.set.seeds[s]))
            .collect();
        let mut stack = Stack::new(layout, self.set.temperature, &self.set.options)?;
        stack.start(&starts.iter().collect::<Vec<_>>(), &rates);
        let judged = places.iter().map(|&(task, seed)| (self.set.seeds[seed], vec![task]));
        let name = (&self.set.name.clone()[..], ALONE);
        let options = self.set.options;
        let mut curve =
            SourceCurve::new(&self.pictures, &self.net, judged.collect(), name, &options)?;
        let mut look = |step: u64, nets: &Nets| curve.look(step, nets);
        let steps = self.set.single_steps;
        self.train("source-single", steps, names, &mut look, &mut stack, feed)
    }

    /// Step 3: networks for all tasks, their losses summed with each of these weights, `[weights][seed]`.
    pub fn learn_sums(&mut self, name: &str, weights: &[Vec<f64>]) -> Result<Nets> {
        self.learn_weighted(name, weights, &mut |_, _| Ok(vec![]))
    }

    /// The same, while the doctor looks at the networks of the first weights, and they are judged on source pictures that
    /// no batch holds.
    pub fn learn_watched(&mut self, name: &str, weights: &[Vec<f64>]) -> Result<Nets> {
        let (k, s) = (self.tasks.len(), self.seeds());
        let all: Vec<usize> = (0..k).collect();
        let groups = |seed: usize| {
            let learnt = self.groups(seed, &all, self.set.batch, |t| self.source_labels(seed, t));
            [learnt, self.groups(seed, &all, self.set.batch, |_| self.source_tests())]
        };
        let groups = (0..s).map(groups).collect();
        let (numbers, options) = (self.set.seeds.clone(), self.set.options);
        let mut doctor = Doctor::new(&self.pictures, &self.net, groups, &numbers, &options)?;
        let judged = numbers.iter().map(|&seed| (seed, all.clone())).collect();
        let title = (&self.set.name.clone()[..], TOGETHER);
        let mut curve = SourceCurve::new(&self.pictures, &self.net, judged, title, &options)?;
        let mut look = |step: u64, nets: &Nets| {
            let firsts = nets[..s].to_vec();
            Ok([doctor.look(step, &firsts)?, curve.look(step, &firsts)?].concat())
        };
        self.learn_weighted(name, weights, &mut look)
    }

    fn learn_weighted(
        &mut self,
        name: &str,
        weights: &[Vec<f64>],
        look: &mut dyn FnMut(u64, &Nets) -> Result<Vec<Line>>,
    ) -> Result<Nets> {
        let (k, s) = (self.tasks.len(), self.seeds());
        let layout = Layout::new(&self.net, weights.len() * s, k * self.set.batch);
        let all: Vec<usize> = (0..k).collect();
        let seeds: Vec<usize> = weights.iter().flat_map(|_| 0..s).collect();
        let groups = seeds
            .iter()
            .map(|&seed| self.groups(seed, &all, self.set.batch, |t| self.source_labels(seed, t)));
        let feed = Feed::new(self.pictures.clone(), &layout, groups.collect());
        let rates: Vec<Rates> = weights
            .iter()
            .flat_map(|w| (0..s).map(|_| self.rates(w, 1.0, 0.0)).collect::<Vec<_>>())
            .collect();
        let starts: Vec<Weights> = seeds.iter().map(|&seed| self.start(&self.net, seed)).collect();
        let names = self.seed_names(&seeds);
        let mut stack = Stack::new(layout, self.set.temperature, &self.set.options)?;
        stack.start(&starts.iter().collect::<Vec<_>>(), &rates);
        self.train(name, self.set.steps, names, look, &mut stack, feed)
    }

    /// Steps 3 and 6: networks for all tasks whose gradients are aggregated, `[seed]`.
    pub fn learn_aggregated(
        &mut self,
        name: &str,
        net: &MultiTask,
        weights: &[f64],
    ) -> Result<Nets> {
        let (k, s) = (self.tasks.len(), self.seeds());
        let layout = Layout::new(net, s, k * self.set.batch);
        let all: Vec<usize> = (0..k).collect();
        let groups = (0..s)
            .map(|seed| self.groups(seed, &all, self.set.batch, |t| self.source_labels(seed, t)));
        let feed = Feed::new(self.pictures.clone(), &layout, groups.collect());
        let starts: Vec<Weights> = (0..s).map(|seed| self.start(net, seed)).collect();
        let names = self.seed_names(&(0..s).collect::<Vec<_>>());
        let (hard, tasks) = (self.per_head(weights), self.tasks.clone());
        let mut learner =
            Aggregated::new(layout, tasks, &hard, self.set.aggregator, &self.set.options)?;
        learner.start(&starts.iter().collect::<Vec<_>>());
        self.train(name, self.set.steps, names, &mut |_, _| Ok(vec![]), &mut learner, feed)
    }

    /// One network a seed of its single-task ones (`[task][seed]`): the mean of all their parameters, but each head its
    /// task's own. They began at the same weights.
    pub fn average_singles(&self, singles: &Nets) -> Nets {
        let (k, s) = (self.tasks.len(), self.seeds());
        let of_seed = |seed: usize| {
            let of: Vec<&Weights> = (0..k).map(|task| &singles[task * s + seed]).collect();
            let equal: Vec<(&Weights, f64)> = of.iter().map(|&w| (w, 1.0 / k as f64)).collect();
            let mut mean = weighted_average(&equal).expect("networks of one shape");
            for (task, own) in self.tasks.iter().zip(of) {
                let heads = task.heads.iter().map(|&h| format!("head/{}/", self.heads[h]));
                for head in heads {
                    let places = own.0.iter().zip(&mut mean.0);
                    for (own, mean) in places.filter(|(w, _)| w.name.starts_with(&head)) {
                        mean.values.clone_from(&own.values);
                    }
                }
            }
            mean
        };
        (0..s).map(of_seed).collect()
    }

    /// Steps 4 and 5 on the source domains: networks for all tasks go on from `starts` (`[seed]`) to the end of the source
    /// steps, with every source picture's own label and, on all heads, what the single-task networks of the same seed
    /// (`[task][seed]`) answer to it: a picture teaches every task, not the one it has a label of.
    pub fn learn_student(
        &mut self,
        name: &str,
        net: &MultiTask,
        starts: &Nets,
        weights: &[f64],
        singles: &Nets,
    ) -> Result<Nets> {
        let (k, s) = (self.tasks.len(), self.seeds());
        let layout = Layout { teacher: true, ..Layout::new(net, s, k * self.set.batch) };
        let mut nets = vec![];
        for seed in 0..s {
            let mut groups: Vec<Group> = vec![];
            for task in 0..k {
                let from = self.source_labels(seed, task);
                // Where labels come together the tasks' lists are one.
                let known = groups.iter().find(|g| g.from[0] == from);
                let taught = match known.and_then(|g| g.taught.clone()) {
                    Some(taught) => taught,
                    None => self.teach_source(seed, &from, singles)?,
                };
                let group = Group::labelled(self.set.batch, from, task, self.key(seed, task));
                groups.push(Group { taught: Some(taught), ..group });
            }
            nets.push(groups);
        }
        let feed = Feed::new(self.pictures.clone(), &layout, nets);
        let names = self.seed_names(&(0..s).collect::<Vec<_>>());
        let rates: Vec<Rates> = (0..s).map(|_| self.rates(weights, 1.0, 0.0)).collect();
        let mut stack = Stack::new(layout, self.set.temperature, &self.set.options)?;
        stack.start(&starts.iter().collect::<Vec<_>>(), &rates);
        let steps = self.set.steps - self.set.branch();
        self.train(name, steps, names, &mut |_, _| Ok(vec![]), &mut stack, feed)
    }

    /// Step 6: from `starts` (`[seed]`, for one new domain) to starts that adapt well. Without settings for it, the starts.
    pub fn learn_meta(
        &mut self,
        name: &str,
        net: &MultiTask,
        starts: &Nets,
        weights: &[f64],
    ) -> Result<Nets> {
        let Some(meta) = self.set.meta.clone() else { return Ok(starts.clone()) };
        let (k, s) = (self.tasks.len(), self.seeds());
        // As many pictures to adapt on as to be judged on; few of each task, as on a target.
        let side = (self.set.batch / 4).max(1);
        let episodes = Episodes { domains: meta.domains, tasks: k, support: side, query: side };
        let layout = Layout::new(net, s, episodes.pictures());
        let groups = |seed: usize| -> Vec<Group> {
            let slots = 0..meta.domains as u32;
            let of = |slot: u32| {
                let group = |t: usize| Group {
                    count: 2 * side,
                    from: self
                        .pictures
                        .sources()
                        .map(|d| self.pool(d, seed).known(t, usize::MAX))
                        .collect(),
                    choice: self.key(seed, 32).wrapping_add(slot << 8),
                    task: Some(t),
                    taught: None,
                    seed: self.key(seed, t).wrapping_add(slot << 8),
                };
                (0..k).map(group).collect::<Vec<_>>()
            };
            slots.flat_map(of).collect()
        };
        let feed = Feed::new(self.pictures.clone(), &layout, (0..s).map(groups).collect());
        let names = self.seed_names(&(0..s).collect::<Vec<_>>());
        let hard = self.per_head(weights);
        let mut learner = Meta::new(layout, &episodes, &hard, meta.maml, &self.set.options)?;
        learner.start(&starts.iter().collect::<Vec<_>>());
        let pace = |step| Step { number: step + 1, lr: meta.lr, keep: 0.0 };
        let stage = Stage {
            name,
            steps: meta.steps,
            pace: &pace,
            nets: &names,
            heads: &self.heads,
            averages: false,
            branch: None,
            watch: None,
        };
        self.session.train(stage, &mut learner, feed)
    }

    /// Source training. `look` is called [`LOOKS`] times.
    fn train(
        &mut self,
        name: &str,
        steps: u64,
        nets: Vec<String>,
        look: &mut dyn FnMut(u64, &Nets) -> Result<Vec<Line>>,
        learner: &mut dyn Learner,
        feed: Feed,
    ) -> Result<Nets> {
        let lr = self.set.lr;
        let pace =
            |step| Step { number: step + 1, lr: lr * SOURCE_PACE.at(step, steps), keep: 0.0 };
        let heads = self.heads.clone();
        let every = (steps / LOOKS).max(1);
        let watch = Some(Watch { every, look });
        let stage = Stage {
            name,
            steps,
            pace: &pace,
            nets: &nets,
            heads: &heads,
            averages: false,
            branch: Some(self.set.branch()),
            watch,
        };
        self.session.train(stage, learner, feed)
    }
}
