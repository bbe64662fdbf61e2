//! A run of many trainings, one after the other: progress, metrics, checkpoints, and going on after a stop.
//!
//! A *stage* is one training with a name of its own. What it leaves (weights) is kept and saved; a stage that a
//! checkpoint has already is not trained again, and the one it stands in goes on at its step. Everything else
//! (batches, teachers' answers, scores) is a function of these weights and is made anew, so a resumed run ends
//! with the same bits.

use std::collections::{BTreeMap, BTreeSet};

use super::feed::Feed;
use super::learner::{Learner, Step};
use super::table::Table;
use crate::data::prefetch::Prefetch;
use crate::error::{Error, Result};
use crate::nn::{Weight, Weights};
use crate::run::{Checkpoint, Line, Named, Progress, Run, State};
use crate::shape::Shape;

/// Batches under way at once: one in use, the others being filled.
const BATCHES: usize = 3;

/// What a stage left: networks in the order of its learner.
pub type Nets = Vec<Weights>;

pub struct Session<'r> {
    pub run: &'r mut Run,
    quiet: bool,
    stages: BTreeMap<String, Nets>,
    /// Stages that were asked for.
    asked: BTreeSet<String>,
    /// Scores of parts of the study that are done: their networks need not be kept.
    tables: BTreeMap<String, serde_json::Value>,
    resumed: Option<Checkpoint>,
    progress: Progress,
    /// Pictures that all stages will have seen at the end, and that are seen so far.
    total: u64,
    seen: u64,
    /// Steps of all stages so far: the step of a checkpoint.
    steps: u64,
    pub peak_bytes: u64,
    pub device: String,
}

/// How a stage is trained.
pub struct Stage<'a> {
    pub name: &'a str,
    pub steps: u64,
    /// Step size and averaging at each step, from 0.
    pub pace: &'a dyn Fn(u64) -> Step,
    /// Names of the networks, for metrics and messages.
    pub nets: &'a [String],
    /// Names of the heads.
    pub heads: &'a [String],
    /// Whether running averages are what it leaves, beside the last weights.
    pub averages: bool,
    /// The step after which its weights are kept too: another training goes on from there.
    pub branch: Option<u64>,
    /// Looks at the networks now and then: so many steps apart, what to do.
    pub watch: Option<Watch<'a>>,
}

/// Looks at the networks every so many steps and says what it saw as lines of metrics.
pub struct Watch<'a> {
    pub every: u64,
    pub look: &'a mut dyn FnMut(u64, &Nets) -> Result<Vec<Line>>,
}

impl<'r> Session<'r> {
    /// `total`: pictures of all stages, for the time left.
    pub fn new(run: &'r mut Run, total: u64, quiet: bool) -> Result<Self> {
        let resumed = run.resumed.take();
        let (mut stages, mut tables) = (BTreeMap::new(), BTreeMap::new());
        if let Some(checkpoint) = &resumed {
            stages = stored(checkpoint)?;
            let found = checkpoint.extra.get("tables").cloned().unwrap_or_default();
            tables = serde_json::from_value(found).unwrap_or_default();
        }
        let progress = Progress::new("pictures", 0, total, quiet);
        let (device, peak_bytes) = (String::new(), 0);
        Ok(Self {
            run,
            quiet,
            stages,
            asked: BTreeSet::new(),
            tables,
            resumed,
            progress,
            total,
            seen: 0,
            steps: 0,
            peak_bytes,
            device,
        })
    }

    /// Trainings that were not known in the beginning will see so many pictures more.
    pub fn more(&mut self, pictures: u64) {
        self.total += pictures;
        self.progress.more(pictures);
    }

    /// Says a sentence to the person who waits.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            self.progress.say(text);
        }
    }

    /// The scores that were kept under this key.
    pub fn table(&self, key: &str) -> Option<Table> {
        Table::from_json(self.tables.get(key)?)
    }

    /// Keeps the scores of a part that is done, and lets go of its networks on the targets.
    pub fn keep_table(&mut self, key: &str, table: &Table) {
        self.tables.insert(key.into(), table.to_json());
        self.stages.retain(|name, _| !name.starts_with("target-"));
    }

    /// The last weights of a stage that left its averages.
    pub fn last(&self, name: &str) -> Option<Nets> {
        self.stages.get(&last_of(name)).cloned()
    }

    /// The weights of a stage at its branch.
    pub fn branch(&self, name: &str) -> Option<Nets> {
        self.stages.get(&branch_of(name)).cloned()
    }

    /// Trains a stack that stands at its start.
    pub fn train(
        &mut self,
        mut stage: Stage,
        learner: &mut dyn Learner,
        mut feed: Feed,
    ) -> Result<Nets> {
        let (count, pictures) = learner.size();
        let each = (count * pictures) as u64;
        // Counted when it is first asked for: several budgets ask for the same source training.
        let first = self.asked.insert(stage.name.into());
        if let Some(nets) = self.stages.get(stage.name) {
            if first {
                self.seen += each * stage.steps;
                self.steps += stage.steps;
            }
            return Ok(nets.clone());
        }
        self.peak_bytes = self.peak_bytes.max(learner.cost().peak_bytes);
        self.device = learner.device();
        let from = self.restore(&stage, learner)?;
        if stage.branch == Some(0) {
            self.stages.insert(branch_of(stage.name), learner.weights()?);
        }
        let (mut last, mut since) = (vec![], 0);
        let every = (stage.steps / 100).clamp(1, 100);
        let batches = (0..BATCHES).map(|_| learner.room()).collect();
        let fill = move |step: u32, batch: &mut _| feed.fill(step, batch);
        let mut ahead = Prefetch::new(from as u32..stage.steps as u32, batches, fill);
        let (seen, steps) = (self.seen, self.steps);
        while let Some((step, batch)) = ahead.next() {
            let done = step as u64 + 1;
            learner.step((stage.pace)(step as u64), batch)?;
            since += 1;
            if done.is_multiple_of(every) || done == stage.steps {
                let tally = learner.tally(since)?;
                since = 0;
                if let Some((step, net)) = tally.bad {
                    let what = format!("the loss of {} in {}", stage.nets[net], stage.name);
                    return Err(self.run.diverged(0, step, net as u64, &what));
                }
                for remark in &tally.remarks {
                    let text = format!("{}: {remark}", stage.name);
                    self.run.line(&Line::event(self.run.recipe.seed, done, "solver", text))?;
                }
                self.note(&stage, done, &tally.losses)?;
                last = tally.losses;
            }
            if let Some(watch) = stage.watch.as_mut().filter(|w| done.is_multiple_of(w.every)) {
                for line in (watch.look)(done, &learner.weights()?)? {
                    self.run.line(&line)?;
                }
            }
            if stage.branch == Some(done) {
                self.stages.insert(branch_of(stage.name), learner.weights()?);
            }
            self.progress.at(seen + done * each, || {
                let losses: Vec<f64> =
                    last.iter().flatten().copied().filter(|&l| l > 0.0).collect();
                let place = format!("{} {done}/{}", stage.name, stage.steps);
                match losses.iter().sum::<f64>() / losses.len() as f64 {
                    mean if mean.is_finite() => format!("{place}, loss {mean:.3}"),
                    _ => place,
                }
            });
            let (stages, tables) = (&self.stages, &self.tables);
            self.run.after_step(steps + done, || {
                state(stages, tables, Some((stage.name, done, learner)))
            })?;
        }
        (self.seen, self.steps) = (seen + each * stage.steps, steps + stage.steps);
        let nets = if stage.averages { learner.averages()? } else { learner.weights()? };
        if let Some(name) = nets.iter().find_map(Weights::not_finite) {
            return Err(Error::Answer(format!("{}: {name} is not finite any more", stage.name)));
        }
        if stage.averages {
            self.stages.insert(last_of(stage.name), learner.weights()?);
        }
        self.stages.insert(stage.name.into(), nets.clone());
        Ok(nets)
    }

    /// The step to go on from: past 0 where the checkpoint stands in this stage.
    fn restore(&mut self, stage: &Stage, learner: &mut dyn Learner) -> Result<u64> {
        let Some(checkpoint) = self.resumed.take_if(|c| c.extra["stage"] == stage.name) else {
            return Ok(0);
        };
        let shapes = learner.shapes();
        let find = |(name, shape): &(String, Vec<usize>)| {
            let wanted = format!("now/{name}");
            let found = checkpoint.tensors.iter().find(|(n, s, _)| *n == wanted && s == shape);
            found.map(|(_, _, values)| &values[..]).ok_or_else(|| {
                Error::input(format!(
                    "the checkpoint is of another study: it has no {wanted} {shape:?}"
                ))
            })
        };
        let state = shapes.iter().map(find).collect::<Result<Vec<&[f32]>>>()?;
        let step = checkpoint.extra["done"].as_u64().filter(|&s| s <= stage.steps);
        let step = step.ok_or_else(|| {
            Error::input(format!("the checkpoint's step is not one of {}", stage.name))
        })?;
        learner.restore(&state);
        Ok(step)
    }

    /// A line of metrics: the loss of each head, over the networks that learn it.
    fn note(&mut self, stage: &Stage, done: u64, losses: &[Vec<f64>]) -> Result<()> {
        let mut values = vec![];
        for (h, head) in stage.heads.iter().enumerate() {
            let of: Vec<f64> = losses.iter().map(|l| l[h]).filter(|&l| l != 0.0).collect();
            if !of.is_empty() {
                let mean = of.iter().sum::<f64>() / of.len() as f64;
                values.push((format!("{}/{head}", stage.name), mean));
            }
        }
        let values: Vec<(&str, f64)> = values.iter().map(|(n, v)| (&n[..], *v)).collect();
        self.run.line(&Line::train(self.run.recipe.seed, done, &values))
    }

    /// Ends the trainings: the evaluation that follows is made of what they left.
    pub fn finish(&mut self) -> Result<()> {
        self.progress.at(self.total, || "done".into());
        self.run.save(self.steps, state(&self.stages, &self.tables, None)?)
    }
}

fn last_of(stage: &str) -> String {
    format!("{stage}~last")
}

fn branch_of(stage: &str) -> String {
    format!("{stage}~branch")
}

/// A checkpoint's tensors: what stages left, and the state of the one under way.
fn state(
    stages: &BTreeMap<String, Nets>,
    tables: &BTreeMap<String, serde_json::Value>,
    now: Option<(&str, u64, &mut dyn Learner)>,
) -> Result<State> {
    let mut tensors: Vec<Named> = vec![];
    for (stage, nets) in stages {
        for (i, first) in nets[0].iter().enumerate() {
            let all = nets.iter().flat_map(|net| net.0[i].values.iter().copied()).collect();
            let shape = first.shape.with(0, nets.len()).dims().to_vec();
            tensors.push((format!("stage/{stage}/{i:04}/{}", first.name), shape, all));
        }
    }
    let mut extra = serde_json::json!({ "tables": tables });
    if let Some((name, done, learner)) = now {
        (extra["stage"], extra["done"]) = (name.into(), done.into());
        for (name, shape, values) in learner.state()? {
            if values.iter().any(|v| !v.is_finite()) {
                return Err(Error::Answer(format!(
                    "training diverged: {name} is not finite any more"
                )));
            }
            tensors.push((format!("now/{name}"), shape, values));
        }
    }
    Ok(State { tensors, extra })
}

/// The stages of a checkpoint. Names sort by the number of the parameter, so each network's are in order.
fn stored(checkpoint: &Checkpoint) -> Result<BTreeMap<String, Nets>> {
    let mut found: BTreeMap<String, Nets> = BTreeMap::new();
    for (name, shape, values) in &checkpoint.tensors {
        let mut parts = name.splitn(4, '/');
        if parts.next() != Some("stage") {
            continue;
        }
        let (Some(stage), Some(_), Some(parameter)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(Error::input(format!("the checkpoint has {name}, which no stage left")));
        };
        let shape = Shape::try_new(shape).map_err(Error::input)?;
        let nets = found.entry(stage.into()).or_default();
        nets.resize(shape.tasks(), Weights::default());
        for (net, values) in nets.iter_mut().zip(values.chunks(values.len() / shape.tasks())) {
            let shape = shape.with(0, 1);
            net.0.push(Weight { name: parameter.into(), shape, values: values.to_vec() });
        }
    }
    Ok(found)
}
