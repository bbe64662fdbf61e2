//! New classes from a few pictures: a head, and how the trunk sees the new domain, learned in seconds.
//!
//! A new head begins at the prototypes of its classes: nearest class mean is a linear classifier, so the start is
//! right already where one picture a class is all there is (Snell et al. 2017; as a start for gradient steps:
//! Triantafillou et al. 2020, Proto-MAML). Then the head and an embedding of its own take [`STEPS`] steps of Adam; the
//! trunk stands still, and the other heads keep seeing what they saw.
//!
//! Leave-one-out stands on the task axis: task t learns from all pictures but those of fold t, the last task from all.
//! One program makes every step for all of them. A normalisation is of one picture alone, so that no picture learns
//! from one that is left out.

mod learning;
mod start;
mod task;

use learning::Learning;
use start::Seen;
use task::Task;

use super::answer::largest;
use super::{MOST_MEMORY, Model};
use crate::data::support::Support;
use crate::error::Result;
use crate::exec::Options;

/// Steps of Adam.
pub const STEPS: usize = 40;
/// Pixels of all tasks and pictures in one step: 700 pictures of 64×64, some tenths of a second on two cores. With
/// more the head alone learns, from features that are computed once.
const MOST_PIXELS: usize = 700 * 64 * 64;

/// What adaptation made of a model.
#[derive(Clone, Debug)]
pub struct Adapted {
    /// Before any step: prototypes for a new head, the head as it is for a known one.
    pub start: Model,
    /// After the last step; none where a single picture a class allows prototypes only.
    pub learned: Option<Model>,
    pub head: String,
    /// Whether the model had the head already.
    pub known: bool,
    /// Whether an embedding was learned as well.
    pub embedding: bool,
    pub left_out: Option<LeftOut>,
}

impl Adapted {
    /// Whether learning is worth keeping: it was not worse than its start on pictures left out.
    pub fn kept(&self) -> bool {
        self.learned.is_some() && self.left_out.is_none_or(|l| l.after >= l.before)
    }

    /// The model to go on with.
    pub fn model(&self) -> &Model {
        self.learned.as_ref().filter(|_| self.kept()).unwrap_or(&self.start)
    }
}

/// How often a picture that was left out was told right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeftOut {
    /// Groups that were left out, one after the other.
    pub folds: usize,
    /// Pictures that were asked: those whose class has another picture, or is known.
    pub asked: usize,
    /// Right before any step, and after the last.
    pub before: usize,
    pub after: usize,
    /// The share of the largest class among those asked.
    pub majority: f64,
}

/// Learns head `name` of `model` from a support set. A head of that name that the model has goes on from where it is,
/// with the classes it has; any other is new.
///
/// Errors: a picture that cannot be read; a known head that is not of classes, or lacks one of the set's.
pub fn adapt(model: &Model, name: &str, support: Support, options: &Options) -> Result<Adapted> {
    let options = Options { memory: Some(options.memory.unwrap_or(MOST_MEMORY)), ..*options };
    let task = Task::new(model, name, support)?;
    let pictures = task.read(model)?;
    let seen = Seen::of(model, &task, &pictures, &options)?;
    let (folds, asked) = task.folds();
    let start_model = |head: &[Vec<f32>]| task.model(model, head, None);
    // A class of one picture each: nothing to leave out and nothing to learn that prototypes do not say.
    if !task.known && task.support.counts().iter().all(|&n| n <= 1) {
        let start = start_model(&task.starts(&seen, 1, &options)?[0]);
        let head = name.to_string();
        let (learned, left_out) = (None, None);
        return Ok(Adapted { start, learned, head, known: false, embedding: false, left_out });
    }
    let tasks = folds + 1;
    let [height, width, _] = task.network.image;
    let pixels = tasks * pictures.len() * height * width;
    let embedding = task.row.as_ref().filter(|_| pixels <= MOST_PIXELS);

    // Each task's start: without the pictures of its fold.
    let starts = task.starts(&seen, tasks, &options)?;
    let mut learning = Learning::new(
        model,
        &task,
        embedding.is_some(),
        tasks,
        &pictures,
        &seen,
        &starts,
        &options,
    )?;
    let before = learning.step(1)?;
    for step in 2..=STEPS {
        learning.step(step)?;
    }
    let learned = learning.learned(tasks - 1)?;
    let after = learning.step(STEPS + 1)?;

    let labels: Vec<usize> = task.support.examples.iter().map(|e| e.class).collect();
    let classes = task.classes().len();
    let right = |logits: &[f32]| {
        let of = |&&i: &&usize| {
            let at = (i % folds * labels.len() + i) * classes;
            largest(&logits[at..at + classes]) == labels[i]
        };
        asked.iter().filter(of).count()
    };
    let mut counts = vec![0; classes];
    asked.iter().for_each(|&i| counts[labels[i]] += 1);
    let most = counts.into_iter().max().unwrap_or(0);
    let left_out = LeftOut {
        folds,
        asked: asked.len(),
        before: right(&before),
        after: right(&after),
        majority: most as f64 / asked.len().max(1) as f64,
    };
    let (head, row) = learned.split_at(2);
    Ok(Adapted {
        start: start_model(&starts[tasks - 1]),
        learned: Some(task.model(model, head, row.first().map(|row| &row[..]))),
        head: name.into(),
        known: task.known,
        embedding: embedding.is_some(),
        left_out: (!asked.is_empty()).then_some(left_out),
    })
}
