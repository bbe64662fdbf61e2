//! From a recipe's keys to what a study on several domains does.

use super::{camvid, scenes};
use crate::error::{Error, Result};
use crate::exec;
use crate::experiment::options;
use crate::meta::Maml;
use crate::mtl::aggregate::Aggregator;
use crate::nn::{Residual, Small, Trunk};
use crate::recipe::{Model, Recipe, Study, TaskKind, TrunkKind};

/// Steps, step sizes and weights: for the method and its controls alike.
#[derive(Clone, Debug)]
pub struct Settings {
    pub name: String,
    pub title: String,
    pub seeds: Vec<u64>,
    pub study: Study,
    /// Labels of each task in a target domain.
    pub labels: usize,
    /// Other numbers of them, for label-count curves; none: no curves.
    pub budgets: Vec<usize>,
    /// Source training: steps of the joint networks and of the single-task ones.
    pub steps: u64,
    pub single_steps: u64,
    /// Share of the joint steps, the last ones, in which a student learns from the single-task networks.
    pub student: f64,
    pub lr: f64,
    /// Pictures with labels of each task in a step.
    pub batch: usize,
    /// Tuned constant weights, one a task.
    pub weights: Vec<f64>,
    pub aggregator: Aggregator,
    pub meta: Option<MetaSettings>,
    pub adapt: Adapt,
    /// Of networks that begin at random.
    pub scratch: (u64, f64),
    /// Weight of a teacher's answers, and their temperature.
    pub distill: f64,
    pub temperature: f64,
    /// Whether the doctor's advice is followed, for a row of its own: always in the full study.
    pub adjust: bool,
    pub options: exec::Options,
}

/// Meta-learning between source and target.
#[derive(Clone, Debug)]
pub struct MetaSettings {
    pub steps: u64,
    pub domains: usize,
    pub lr: f64,
    pub maml: Maml,
}

/// Fine-tuning on a target domain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adapt {
    pub steps: u64,
    /// Pictures with labels of each task in a step, of networks that begin at random too.
    pub batch: usize,
    pub lr: f64,
    /// Factor of the trunk's step size.
    pub slow: f64,
    /// Strength of L2-SP.
    pub anchor: f64,
}

/// A domain's embedding is a few numbers, and they have to go far: three times the step size of the rest.
pub const EMBEDDING_PACE: f64 = 3.0;

/// Share of the running average of weights that is kept each step while adapting: a mean over about twenty steps.
pub const AVERAGE_KEEP: f64 = 0.95;

impl Settings {
    /// `tasks`: how many there are. Fails where a list has another length, or a method is unknown.
    pub fn of(r: &Recipe, tasks: usize) -> Result<Self> {
        let (m, t) = (&r.method, &r.train);
        if m.weights.len() != tasks {
            return Err(Error::input(format!(
                "method.weights = {:?} has {} numbers; expected one for each of the {tasks} tasks",
                m.weights,
                m.weights.len()
            )));
        }
        let aggregator = Aggregator::named(&m.aggregator).ok_or_else(|| {
            let names = Aggregator::all().map(|a| a.word());
            let hint = crate::recipe::suggest::did_you_mean(&m.aggregator, names.into_iter());
            Error::input(format!("method.aggregator = {:?} is unknown; {hint}", m.aggregator))
        })?;
        let maml = Maml::new(m.inner_lr, m.inner_steps);
        let meta = MetaSettings { steps: m.meta_steps, domains: m.meta_tasks, lr: m.meta_lr, maml };
        let longer = if r.study == Study::Full { FULL_STEPS } else { 1 };
        Ok(Self {
            name: r.name.clone(),
            title: r.title.clone(),
            seeds: seeds(r),
            study: r.study,
            labels: r.tasks.labels,
            budgets: budgets(r),
            steps: longer * t.steps,
            single_steps: longer * t.single_steps.max(t.steps),
            student: m.student,
            lr: t.optimizer.lr,
            batch: t.batch,
            weights: m.weights.clone(),
            aggregator,
            meta: (m.meta_steps > 0).then_some(meta),
            adapt: Adapt {
                steps: t.adapt_steps,
                batch: if t.adapt_batch == 0 { t.batch } else { t.adapt_batch },
                lr: t.adapt_lr,
                slow: t.slow,
                anchor: t.anchor,
            },
            scratch: (t.scratch_steps, t.scratch_lr),
            distill: m.distill,
            temperature: m.temperature,
            adjust: m.adjust || r.study == Study::Full,
            options: options(r),
        })
    }
}

/// Seeds of a full study, where the recipe has fewer: with three, Student's interval is twice as wide.
const FULL_SEEDS: u64 = 5;

/// How much longer the sources are learned in a full study, by every network.
const FULL_STEPS: u64 = 2;

/// The seeds of a recipe's study.
pub fn seeds(r: &Recipe) -> Vec<u64> {
    let count = if r.study == Study::Full { r.seeds.max(FULL_SEEDS) } else { r.seeds };
    (r.seed..).take(count as usize).collect()
}

impl Settings {
    /// The step of source training where a student's branch begins: its steps and the ones before are as many as others'.
    pub fn branch(&self) -> u64 {
        self.steps - (self.student * self.steps as f64).round() as u64
    }
}

/// The budgets beside `tasks.labels`: of scenes, where every label is drawn, in the full study; of CamVid always.
fn budgets(r: &Recipe) -> Vec<usize> {
    let wanted = r.study == Study::Full || r.tasks.kind == TaskKind::CamVid;
    let mut all = if wanted { r.tasks.budgets.clone() } else { vec![] };
    all.retain(|&n| n != r.tasks.labels);
    all.sort_unstable();
    all.dedup();
    all
}

/// Frames and network of a recipe on CamVid.
pub fn drives(r: &Recipe) -> camvid::Plan {
    let (t, m) = (&r.tasks, &r.model);
    camvid::Plan {
        size: [t.size[0], t.size[1]],
        trunk: trunk(m),
        embedding: m.embedding,
        test: r.evaluate.pictures,
    }
}

/// Domains and pictures of a recipe on scenes.
pub fn scenes(r: &Recipe) -> Result<scenes::Plan> {
    let (t, m) = (&r.tasks, &r.model);
    if t.source_labels.len() != scenes::TASK_COUNT {
        return Err(Error::input(format!(
            "tasks.source_labels = {:?}; expected {} numbers: road, obstacles, signal",
            t.source_labels,
            scenes::TASK_COUNT
        )));
    }
    Ok(scenes::Plan {
        world: t.world,
        sources: t.sources,
        heldout: t.heldout,
        targets: t.targets,
        source_labels: t.source_labels.clone(),
        labels: budgets(r).into_iter().fold(t.labels, usize::max),
        unlabelled: t.unlabelled,
        test: r.evaluate.pictures,
        trunk: trunk(m),
        embedding: m.embedding,
    })
}

/// Groups of channels that a trunk normalises together.
const GROUPS: usize = 8;

pub fn trunk(model: &Model) -> Trunk {
    let channels = model.filters;
    match model.trunk {
        TrunkKind::Small => Trunk::Small(Small { channels, stem: model.stem, groups: GROUPS }),
        TrunkKind::Residual => Trunk::Residual(Residual { channels, groups: GROUPS }),
    }
}
