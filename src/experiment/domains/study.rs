//! A study's trainings: what each of the method's steps and each control trains, on which pictures.
//!
//! Networks stand in stacks. Orders used throughout: single-task networks `[task][seed]` on the sources and
//! `[task][seed][domain]` on the targets, networks for all tasks `[seed]` and `[seed][domain]`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::aggregated::Aggregated;
use super::answer::{Answering, Answers};
use super::doctoring::Doctor;
use super::feed::{Feed, Group, Taught};
use super::learner::Step;
use super::meta::{Episodes, Meta};
use super::methods::Pipeline;
use super::pictures::{At, Pictures, Pool, Task};
use super::score::{Scored, drawn, fuse, score};
use super::session::{Nets, Session, Stage, Watch};
use super::settings::{AVERAGE_KEEP, EMBEDDING_PACE, Settings};
use super::stack::{Layout, Rates, Stack};
use super::watch::{LOOKS, SourceCurve};
use crate::error::Result;
use crate::nn::{MultiTask, Weights};
use crate::optim::{Schedule, ScheduleKind};
use crate::random::fold;
use crate::run::{Line, Run};

/// How source training's step size goes: a short rise, then constant, and a fall over the last part. While it is
/// constant, whether the score is still rising says whether longer training would help.
pub const SOURCE_PACE: Schedule =
    Schedule { warmup: 50, kind: ScheduleKind::Trapezoid { fall: FALL } };
pub const FALL: f64 = 0.3;
const ADAPT_PACE: Schedule = Schedule { warmup: 5, kind: ScheduleKind::Cosine { floor: 0.0 } };

/// Pictures that answer at once.
const AT_ONCE: usize = 25;

pub struct Study<'r> {
    pub set: Settings,
    pub pictures: Arc<dyn Pictures>,
    pub tasks: Vec<Task>,
    pub session: Session<'r>,
    /// Domains that are adapted to.
    pub domains: Vec<usize>,
    /// For networks of the source domains, and of one new domain.
    pub net: MultiTask,
    pub target: MultiTask,
    heads: Vec<String>,
    programs: BTreeMap<(usize, usize), Answering>,
    /// Seconds of one domain's adaptation of all tasks, of those made by this process.
    pub adapt_seconds: f64,
}

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

impl<'r> Study<'r> {
    pub fn new(
        set: Settings,
        pictures: Arc<dyn Pictures>,
        domains: Vec<usize>,
        run: &'r mut Run,
        total: u64,
        quiet: bool,
    ) -> Result<Self> {
        let net = pictures.network(pictures.sources().len());
        let heads = net.heads.iter().map(|h| h.name.clone()).collect();
        Ok(Self {
            tasks: pictures.tasks(),
            target: net.for_new_domain(),
            session: Session::new(run, total, quiet)?,
            programs: BTreeMap::new(),
            adapt_seconds: 0.0,
            set,
            pictures,
            domains,
            net,
            heads,
        })
    }

    pub fn seeds(&self) -> usize {
        self.set.seeds.len()
    }

    /// What is known of a domain, with as many labels as this part of the study sees.
    pub fn pool(&self, domain: usize, seed: usize) -> Pool {
        self.pictures.pool(domain, self.set.seeds[seed]).within(self.set.labels)
    }

    /// All labelled pictures of a task in the source domains.
    fn source_labels(&self, seed: usize, task: usize) -> Arc<[At]> {
        let of = |d| self.pool(d, seed).known(task, usize::MAX).to_vec();
        self.pictures.sources().flat_map(of).collect()
    }

    /// Source pictures that no training sees.
    fn source_tests(&self) -> Arc<[At]> {
        self.pictures.sources().flat_map(|domain| self.test(domain)).collect()
    }

    /// Weight of each head's loss: its task's, shared among the task's heads.
    pub fn per_head(&self, weights: &[f64]) -> Vec<f64> {
        let mut all = vec![0.0; self.net.heads.len()];
        for (task, weight) in self.tasks.iter().zip(weights) {
            for &h in &task.heads {
                all[h] = weight / task.heads.len() as f64;
            }
        }
        all
    }

    fn only(&self, task: usize) -> Vec<f64> {
        (0..self.tasks.len()).map(|t| f64::from(u8::from(t == task))).collect()
    }

    /// Of the order of a task's labels: the same for every network of a seed.
    fn key(&self, seed: usize, task: usize) -> u32 {
        fold(self.set.seeds[seed]).wrapping_mul(64).wrapping_add(task as u32 + 1)
    }

    /// Labelled groups of one network, in the order of the tasks.
    fn groups(
        &self,
        seed: usize,
        tasks: &[usize],
        from: impl Fn(usize) -> Arc<[At]>,
    ) -> Vec<Group> {
        let group = |&t: &usize| Group::labelled(self.set.batch, from(t), t, self.key(seed, t));
        tasks.iter().map(group).collect()
    }

    /// Step 3, controls: a network a task, `[task][seed]`.
    pub fn learn_singles(&mut self) -> Result<Nets> {
        let (k, s) = (self.tasks.len(), self.seeds());
        let layout = Layout {
            net: self.net.clone(),
            nets: k * s,
            pictures: self.set.batch,
            teacher: false,
            anchor: false,
        };
        let places: Vec<(usize, usize)> =
            (0..k).flat_map(|t| (0..s).map(move |s| (t, s))).collect();
        let groups = places
            .iter()
            .map(|&(task, seed)| self.groups(seed, &[task], |t| self.source_labels(seed, t)));
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
        let name = (&self.set.name.clone()[..], "source-single");
        let options = self.set.options;
        let mut curve =
            SourceCurve::new(&self.pictures, &self.net, judged.collect(), name, &options)?;
        let mut look = |step: u64, nets: &Nets| curve.look(step, nets);
        let steps = self.set.single_steps;
        self.train("source-single", steps, names, &mut look, &mut stack, feed)
    }

    /// Step 3: networks for all tasks, their losses summed with each of these weights, `[weights][seed]`.
    pub fn learn_sums(&mut self, name: &str, weights: &[Vec<f64>]) -> Result<Nets> {
        let (k, s) = (self.tasks.len(), self.seeds());
        let layout = Layout {
            net: self.net.clone(),
            nets: weights.len() * s,
            pictures: k * self.set.batch,
            teacher: false,
            anchor: false,
        };
        let all: Vec<usize> = (0..k).collect();
        let seeds: Vec<usize> = weights.iter().flat_map(|_| 0..s).collect();
        let groups =
            seeds.iter().map(|&seed| self.groups(seed, &all, |t| self.source_labels(seed, t)));
        let feed = Feed::new(self.pictures.clone(), &layout, groups.collect());
        let rates: Vec<Rates> = weights
            .iter()
            .flat_map(|w| (0..s).map(|_| self.rates(w, 1.0, 0.0)).collect::<Vec<_>>())
            .collect();
        let starts: Vec<Weights> = seeds.iter().map(|&seed| self.start(&self.net, seed)).collect();
        let names = self.seed_names(&seeds);
        let mut stack = Stack::new(layout, self.set.temperature, &self.set.options)?;
        stack.start(&starts.iter().collect::<Vec<_>>(), &rates);
        // The doctor looks at the networks of the first weights.
        let groups = |seed: usize| {
            let learnt = self.groups(seed, &all, |t| self.source_labels(seed, t));
            [learnt, self.groups(seed, &all, |_| self.source_tests())]
        };
        let groups = (0..s).map(groups).collect();
        let (seeds, options) = (self.set.seeds.clone(), self.set.options);
        let mut doctor = Doctor::new(&self.pictures, &self.net, groups, &seeds, &options)?;
        let mut look = |step: u64, nets: &Nets| doctor.look(step, &nets[..s]);
        self.train(name, self.set.steps, names, &mut look, &mut stack, feed)
    }

    /// Steps 3 and 6: networks for all tasks whose gradients are aggregated, `[seed]`.
    pub fn learn_aggregated(
        &mut self,
        name: &str,
        net: &MultiTask,
        weights: &[f64],
    ) -> Result<Nets> {
        let (k, s) = (self.tasks.len(), self.seeds());
        let layout = Layout {
            net: net.clone(),
            nets: s,
            pictures: k * self.set.batch,
            teacher: false,
            anchor: false,
        };
        let all: Vec<usize> = (0..k).collect();
        let groups = (0..s).map(|seed| self.groups(seed, &all, |t| self.source_labels(seed, t)));
        let feed = Feed::new(self.pictures.clone(), &layout, groups.collect());
        let starts: Vec<Weights> = (0..s).map(|seed| self.start(net, seed)).collect();
        let names = self.seed_names(&(0..s).collect::<Vec<_>>());
        let (hard, tasks) = (self.per_head(weights), self.tasks.clone());
        let mut learner =
            Aggregated::new(layout, tasks, &hard, self.set.aggregator, &self.set.options)?;
        learner.start(&starts.iter().collect::<Vec<_>>());
        self.train(name, self.set.steps, names, &mut |_, _| Ok(vec![]), &mut learner, feed)
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
        let layout = Layout {
            net: net.clone(),
            nets: s,
            pictures: episodes.pictures(),
            teacher: false,
            anchor: false,
        };
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
        learner: &mut dyn super::Learner,
        feed: Feed,
    ) -> Result<Nets> {
        let lr = self.set.lr;
        let pace =
            |step| Step { number: step + 1, lr: lr * SOURCE_PACE.at(step, steps), keep: 0.0 };
        let heads = self.heads.clone();
        let every = (steps / LOOKS).max(1);
        let watch = Some(Watch { every, look });
        let stage =
            Stage { name, steps, pace: &pace, nets: &nets, heads: &heads, averages: false, watch };
        self.session.train(stage, learner, feed)
    }

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
        let labelled = entries[0].tasks.len() * self.set.batch;
        let layout = Layout {
            net: net.clone(),
            nets: entries.len(),
            pictures: labelled + if teacher { self.set.batch } else { 0 },
            teacher,
            anchor: entries.iter().any(|e| e.anchor > 0.0),
        };
        let groups = |e: &Entry| {
            let pool = self.pool(e.domain, e.seed);
            let mut groups = self.groups(e.seed, &e.tasks, |t| pool.known(t, self.set.labels));
            groups.extend(e.taught.as_ref().map(|taught| Group {
                count: self.set.batch,
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
            watch: None,
        };
        let begun = std::time::Instant::now();
        let average = self.session.train(stage, &mut stack, feed)?;
        if entries[0].tasks.len() == self.tasks.len() {
            self.adapt_seconds = begun.elapsed().as_secs_f64() / entries.len() as f64;
        }
        let last = self.session.last(name).unwrap_or_else(|| average.clone());
        Ok(Adapted { last, average })
    }

    fn rates(&self, weights: &[f64], slow: f64, anchor: f64) -> Rates {
        let hard = self.per_head(weights);
        let soft = hard.iter().map(|w| w * self.set.distill).collect();
        Rates { hard, soft, groups: [slow, EMBEDDING_PACE, 1.0], anchor }
    }

    fn seed_names(&self, seeds: &[usize]) -> Vec<String> {
        seeds.iter().map(|&s| format!("seed {}", self.set.seeds[s])).collect()
    }

    pub fn start(&self, net: &MultiTask, seed: usize) -> Weights {
        Weights::init(&net.spec(), self.set.seeds[seed])
    }

    /// The answers of networks of one shape to the same pictures, as one program.
    pub fn answers(
        &mut self,
        net: &MultiTask,
        nets: &[&Weights],
        at: &[At],
        domain: Option<usize>,
    ) -> Result<Vec<Answers>> {
        let x = drawn(&*self.pictures, net, at);
        let rows = net.embedding.map_or(0, |e| e.domains);
        let key = (nets.len(), rows);
        let mut program = match self.programs.remove(&key) {
            Some(program) => program,
            None => Answering::new(net, nets.len(), AT_ONCE, &self.set.options)?,
        };
        program.take(nets);
        let answers = program.answer(&x, domain);
        self.programs.insert(key, program);
        answers
    }

    /// The test pictures of a domain.
    pub fn test(&self, domain: usize) -> Vec<At> {
        let pool = self.pool(domain, 0);
        pool.test.iter().map(|&index| At { domain, index }).collect()
    }

    /// Of all tasks, or of one.
    pub fn score(&self, domain: usize, answers: &Answers, only: Option<usize>) -> Scored {
        score(&*self.pictures, &self.target, &self.test(domain), answers, only)
    }

    /// A teacher's answers to the unlabelled pictures of a domain: those of `nets`, fused head by head. `of[h]` names
    /// the networks that answer for head h.
    pub fn teach(
        &mut self,
        net: &MultiTask,
        domain: usize,
        seed: usize,
        nets: &[&Weights],
        of: &[Vec<usize>],
    ) -> Result<Arc<Taught>> {
        let answers = self.unfused(net, domain, seed, nets)?;
        let head = |(h, of): (usize, &Vec<usize>)| {
            let chosen: Vec<&Answers> = of.iter().map(|&n| &answers[n]).collect();
            fuse(net, &chosen).swap_remove(h)
        };
        let fused: Answers = of.iter().enumerate().map(head).collect();
        Ok(Arc::new(self.by_picture(&fused)))
    }

    /// What each of `nets` answers on the unlabelled pictures of a domain.
    pub fn unfused(
        &mut self,
        net: &MultiTask,
        domain: usize,
        seed: usize,
        nets: &[&Weights],
    ) -> Result<Vec<Answers>> {
        let at = self.pool(domain, seed).unknown();
        self.answers(net, nets, &at, None)
    }

    /// Answers by head as answers by picture.
    pub fn by_picture(&self, answers: &Answers) -> Taught {
        let len = |h: usize| self.target.output_shape(h, 1, 1).len();
        let count = answers[0].len() / len(0);
        let of = |i: usize| {
            answers
                .iter()
                .enumerate()
                .map(|(h, all)| all[i * len(h)..][..len(h)].to_vec())
                .collect()
        };
        (0..count).map(of).collect()
    }

    /// The entries of a pipeline's adaptation, `[seed][domain]`, from `starts` (`[seed]`).
    pub fn joint_entries(&self, p: &Pipeline, starts: &Nets, taught: &[Arc<Taught>]) -> Vec<Entry> {
        let k = self.tasks.len();
        let weights = if p.tuned { self.set.weights.clone() } else { vec![1.0; k] };
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
