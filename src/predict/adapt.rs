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

use std::path::PathBuf;

use super::answer::largest;
use super::{MOST_MEMORY, Model, input};
use crate::data::{picture, support::Support};
use crate::error::{Error, Result};
use crate::exec::{Options, Program, compile};
use crate::nn::{
    Classes, Embedding, Head, HeadKind, MultiTask, Params, Pool, Spec, Weight, Weights,
};
use crate::optim::{Adam, Optimizer, Pace};
use crate::shape::Shape;
use crate::tape::{Tape, Var, grad};

/// Steps of Adam.
pub const STEPS: usize = 40;
/// Step size of an embedding, whose numbers have a spread of 1.
const EMBEDDING_LR: f64 = 0.02;
/// Step size of a head's weights, as a part of their root mean square at the start: their scale is the features'.
const HEAD_LR: f64 = 0.05;
const BIAS_LR: f64 = 0.01;
/// Up to so many pictures each is left out once; more are left out in ten groups.
const MOST_FOLDS: usize = 24;
const GROUPS: usize = 10;
/// Pixels of all tasks and pictures in one step: 700 pictures of 64×64, some tenths of a second on two cores. With
/// more the head alone learns, from features that are computed once.
const MOST_PIXELS: usize = 700 * 64 * 64;
/// The logit between two classes whose prototypes lie as far apart as pictures do on average.
const SHARPNESS: f64 = 4.0;
/// The logit of a class without a picture: practically never.
const NEVER: f64 = -20.0;

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
        let start = start_model(&task.start(&seen, None));
        let head = name.to_string();
        let (learned, left_out) = (None, None);
        return Ok(Adapted { start, learned, head, known: false, embedding: false, left_out });
    }
    let tasks = folds + 1;
    let [height, width, _] = task.network.image;
    let pixels = tasks * pictures.len() * height * width;
    let embedding = task.row.as_ref().filter(|_| pixels <= MOST_PIXELS);

    // Each task's start: without the pictures of its fold.
    let starts: Vec<Vec<Vec<f32>>> =
        (0..tasks).map(|t| task.start(&seen, Some((t, folds)))).collect();
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

/// What is to be learned.
struct Task {
    support: Support,
    head: Head,
    known: bool,
    /// The trunk with this head alone, and an embedding of one row.
    network: MultiTask,
    /// That row before any step: what the head sees of the known domains.
    row: Option<Vec<f32>>,
    /// A known head's weight and bias.
    given: Option<Vec<Vec<f32>>>,
}

impl Task {
    fn new(model: &Model, name: &str, support: Support) -> Result<Self> {
        let card = &model.card;
        if name.is_empty() || name.contains('/') || name.chars().any(char::is_control) {
            return Err(Error::input(format!(
                "--head {name:?}: a head's name is not empty and has no /"
            )));
        }
        let position = card.network.head(name);
        let (head, support) = match position {
            Some(at) => {
                let head = card.network.heads[at].clone();
                if !matches!(head.kind, HeadKind::Classes(_)) {
                    return Err(Error::input(format!(
                        "head {name:?} does not tell classes; give the new head another name with --head"
                    )));
                }
                (head, support.renumbered(card.names(name)).map_err(|e| {
                    Error::input(format!("{e}, the classes of the model's head {name:?}; for a new head choose another name with --head"))
                })?)
            }
            None => {
                let last = card.network.layers().pop().expect("a trunk has layers");
                let kind = Classes::new(support.classes.len(), Pool::Mean);
                (Head::new(name, &last.name, HeadKind::Classes(kind)), support)
            }
        };
        let weight = |part: &str| {
            model.weights.get(&format!("head/{name}/{part}")).map(|w| w.values.clone())
        };
        let given = position.and_then(|_| Some(vec![weight("weight")?, weight("bias")?]));
        let row = card.mixture(name).map(|shares| {
            let table = model.weights.get("embedding/table").expect("an embedding has a table");
            let width = table.values.len() / shares.len();
            let column = |j: usize| {
                shares.iter().enumerate().map(|(i, s)| s * table.values[i * width + j]).sum()
            };
            (0..width).map(column).collect()
        });
        let network = MultiTask { heads: vec![head.clone()], ..card.network.for_new_domain() };
        Ok(Task { support, head, known: position.is_some(), network, row, given })
    }

    fn classes(&self) -> &[String] {
        &self.support.classes
    }

    /// Every picture as the network sees it.
    fn read(&self, model: &Model) -> Result<Vec<Vec<f32>>> {
        let one = |path: &PathBuf| picture::read(path).map(|p| input(&model.card, &p).0);
        self.support.examples.iter().map(|example| one(&example.path)).collect()
    }

    /// How many groups are left out, and the pictures that are asked. Picture i is in group i modulo groups: pictures
    /// are in order of class, so that every group has some of each.
    fn folds(&self) -> (usize, Vec<usize>) {
        let n = self.support.examples.len();
        let counts = self.support.counts();
        let folds = if n <= MOST_FOLDS { n } else { GROUPS };
        let asked = |&i: &usize| self.known || counts[self.support.examples[i].class] > 1;
        (folds, (0..n).filter(asked).collect())
    }

    /// Weight and bias that task `fold` = (t, folds) begins with, from all pictures outside group t.
    fn start(&self, seen: &Seen, fold: Option<(usize, usize)>) -> Vec<Vec<f32>> {
        if let Some(given) = &self.given {
            return given.clone();
        }
        let inside = |i: usize| fold.is_none_or(|(t, folds)| t == folds || i % folds != t);
        prototypes(&seen.features, &self.support, inside)
    }

    /// `model` with this head: its weight and bias, and a row of the embedding for it alone where one was learned.
    fn model(&self, model: &Model, head: &[Vec<f32>], row: Option<&[f32]>) -> Model {
        let mut card = model.card.clone();
        let name = &self.head.name;
        if !self.known {
            card.network.heads.push(self.head.clone());
            card.classes.insert(name.clone(), self.classes().to_vec());
        }
        card.title = format!(
            "{}; head {name} from {} pictures",
            model.card.title,
            self.support.examples.len()
        );
        let mut table = model.weights.get("embedding/table").map(|w| w.values.clone());
        if let (Some(row), Some(table)) = (row, &mut table) {
            // All other heads go on with the rows they had.
            let mixtures: Vec<_> = card
                .network
                .heads
                .iter()
                .map(|h| (h.name.clone(), card.mixture(&h.name)))
                .collect();
            for (other, mixture) in mixtures {
                let mut shares = mixture.expect("there is an embedding");
                if other == *name {
                    shares.fill(0.0);
                }
                shares.push(f32::from(u8::from(other == *name)));
                card.domains.insert(other, shares);
            }
            table.extend(row);
            card.network.embedding =
                card.network.embedding.map(|e| Embedding { domains: e.domains + 1, ..e });
        }
        let weight = |spec: Spec| {
            let values = match &spec.name {
                n if *n == format!("head/{name}/weight") => head[0].clone(),
                n if *n == format!("head/{name}/bias") => head[1].clone(),
                n if n == "embedding/table" => table.clone().expect("there is an embedding"),
                n => {
                    model.weights.get(n).expect("a model holds what its card names").values.clone()
                }
            };
            Weight { name: spec.name, shape: spec.shape, values }
        };
        let weights = Weights(card.network.spec().into_iter().map(weight).collect());
        Model { card, weights, recipe: model.recipe.clone() }
    }
}

/// Nearest class mean as a linear layer, weight `[features, classes]` and bias: with the mean m of all pictures,
/// −s·|f − p|² is 2s·(p − m)·f − s·(2(p − m)·m + |p − m|²) up to what all classes share. s makes the average distance of a
/// picture from m a logit of [`SHARPNESS`].
fn prototypes(
    features: &[Vec<f32>],
    support: &Support,
    inside: impl Fn(usize) -> bool,
) -> Vec<Vec<f32>> {
    let (width, classes) = (features[0].len(), support.classes.len());
    let mean_of = |which: &dyn Fn(usize) -> bool| -> Option<Vec<f64>> {
        let of: Vec<&Vec<f32>> =
            (0..features.len()).filter(|&i| inside(i) && which(i)).map(|i| &features[i]).collect();
        let column = |j: usize| of.iter().map(|f| f64::from(f[j])).sum::<f64>() / of.len() as f64;
        (!of.is_empty()).then(|| (0..width).map(column).collect())
    };
    let mean = mean_of(&|_| true).unwrap_or_else(|| vec![0.0; width]);
    let away =
        |f: &[f32]| f.iter().zip(&mean).map(|(&f, m)| (f64::from(f) - m).powi(2)).sum::<f64>();
    let used: Vec<f64> =
        (0..features.len()).filter(|&i| inside(i)).map(|i| away(&features[i])).collect();
    // Equal features in all pictures tell nothing apart, whatever the scale.
    let spread = (used.iter().sum::<f64>() / used.len().max(1) as f64).max(1e-12);
    let scale = SHARPNESS / spread;
    let (mut weight, mut bias) = (vec![0.0; width * classes], vec![0.0; classes]);
    for class in 0..classes {
        let Some(p) = mean_of(&|i| support.examples[i].class == class) else {
            bias[class] = NEVER as f32;
            continue;
        };
        let mut rest = 0.0;
        for j in 0..width {
            let off = p[j] - mean[j];
            weight[j * classes + class] = (2.0 * scale * off) as f32;
            rest += 2.0 * off * mean[j] + off * off;
        }
        bias[class] = (-scale * rest) as f32;
    }
    vec![weight, bias]
}

/// What the trunk, which stands still, makes of the pictures before any step.
struct Seen {
    /// The layer that the head reads, for each picture.
    layers: Vec<Vec<f32>>,
    layer_shape: Shape,
    /// What a linear layer behind the head's pool reads.
    features: Vec<Vec<f32>>,
}

impl Seen {
    fn of(model: &Model, task: &Task, pictures: &[Vec<f32>], options: &Options) -> Result<Self> {
        let tape = Tape::new();
        let network = &task.network;
        let spec = trunk_spec(network);
        let weights = Params::inputs(&tape, &spec);
        let [height, width, channels] = network.image;
        let x = tape.input([1, 1, height, width, channels]);
        let layers = network.trunk_layers(&weights, x, None);
        let layer = layers.iter().find(|(name, _)| *name == task.head.reads).expect("checked").1;
        // A head whose weight is the identity answers with what it reads.
        let read =
            network.layers().into_iter().find(|l| l.name == task.head.reads).expect("checked");
        let identity_spec = Pool::Mean.spec("features", &read, 1);
        let count = identity_spec[0].shape[1];
        let identity: Vec<f64> =
            (0..count * count).map(|i| f64::from(u8::from(i / count == i % count))).collect();
        let names = ["features/weight", "features/bias"];
        let both = vec![tape.data([1, count, count], &identity), tape.filled(0.0, [1, 1, count])];
        let features = Pool::Mean.output("features", &Params::new(&names, both), layer);
        let mut program = compile(&tape, &[layer, features], &[], options)?;
        write_trunk(program.as_mut(), &spec, model, task.row.as_deref());
        let mut seen = Seen { layers: vec![], layer_shape: layer.shape(), features: vec![] };
        for picture in pictures {
            program.write(spec.len(), picture);
            program.run()?;
            let (mut layer, mut features) = (vec![0.0; seen.layer_shape.len()], vec![0.0; count]);
            program.read(0, &mut layer)?;
            program.read(1, &mut features)?;
            seen.layers.push(layer);
            seen.features.push(features);
        }
        Ok(seen)
    }
}

/// The parameters in front of the heads.
fn trunk_spec(network: &MultiTask) -> Vec<Spec> {
    network.spec().into_iter().filter(|s| !s.name.starts_with("head/")).collect()
}

/// Writes a model's trunk into the first slots, with one row of embedding.
fn write_trunk(program: &mut dyn Program, spec: &[Spec], model: &Model, row: Option<&[f32]>) {
    for (slot, spec) in spec.iter().enumerate() {
        match (&spec.name[..], row) {
            ("embedding/table", Some(row)) => program.write(slot, row),
            (name, _) => program
                .write(slot, &model.weights.get(name).expect("a model holds its trunk").values),
        }
    }
}

/// The program of a step for all tasks at once.
struct Learning {
    program: Box<dyn Program>,
    /// Slots and shapes of what is learned: the head's weight and bias, then an embedding's row.
    learned: Vec<(usize, Shape)>,
    /// Slot of the step's number.
    number: usize,
    /// Number of the output that holds the logits, and its shape.
    logits: (usize, Shape),
}

impl Learning {
    #[allow(clippy::too_many_arguments)] // one caller, which just made all of them
    fn new(
        model: &Model,
        task: &Task,
        embedding: bool,
        tasks: usize,
        pictures: &[Vec<f32>],
        seen: &Seen,
        starts: &[Vec<Vec<f32>>],
        options: &Options,
    ) -> Result<Self> {
        let tape = Tape::new();
        let network = &task.network;
        let n = pictures.len();
        let (trunk, heads): (Vec<Spec>, Vec<Spec>) =
            network.spec().into_iter().partition(|s| !s.name.starts_with("head/"));
        // Slots: what is learned, with a copy a task; Adam's state; step; labels; who is known to whom; the rest.
        let row = trunk.iter().find(|s| s.name == "embedding/table").filter(|_| embedding).cloned();
        let learn: Vec<Spec> = heads.into_iter().chain(row).collect();
        let of_tasks = |shape: Shape| shape.with(0, tasks);
        let moving: Vec<Var> = learn.iter().map(|s| tape.input(of_tasks(s.shape))).collect();
        let adam = Optimizer::Adam(Adam::default());
        let state = adam.inputs(&tape, &moving);
        let number = tape.input([1]);
        let (labels, known) = (tape.input([1, n]), tape.input([tasks, n]));
        let fixed: Vec<Spec> = if embedding {
            trunk.iter().filter(|s| s.name != "embedding/table").cloned().collect()
        } else {
            vec![]
        };
        let fixed_vars: Vec<Var> = fixed.iter().map(|s| tape.input(s.shape)).collect();
        let names: Vec<&str> = learn.iter().chain(&fixed).map(|s| &s.name[..]).collect();
        let weights = Params::new(&names, [moving.clone(), fixed_vars].concat());
        let given = match embedding {
            true => tape.input([1, n, network.image[0], network.image[1], network.image[2]]),
            false => tape.input(seen.layer_shape.with(1, n)),
        };
        let layers = match embedding {
            true => network.trunk_layers(&weights, given, None),
            false => vec![(task.head.reads.clone(), given)],
        };
        let logits = network.head_outputs(&weights, &layers)[0];
        let loss = task.head.loss(logits, labels.per_task(tasks), known);
        // `grad` adds the tasks' losses; no task's loss depends on another's weights.
        let gradient = grad(loss, &moving);
        let (mut moved, mut kept) = (vec![], vec![vec![]; state.len()]);
        for (i, spec) in learn.iter().enumerate() {
            let lr = match &spec.name {
                name if name == "embedding/table" => EMBEDDING_LR,
                name if name.ends_with("/bias") => BIAS_LR,
                _ => HEAD_LR * rms(&starts[tasks - 1][i]),
            };
            let own: Vec<Vec<Var>> = state.iter().map(|of| vec![of[i]]).collect();
            let (w, s) = adam.update(&moving[i..=i], &gradient[i..=i], &own, Pace::new(lr, number));
            moved.extend(w);
            kept.iter_mut().zip(s).for_each(|(kept, s)| kept.extend(s));
        }
        let mut outputs = [moved, kept.concat()].concat();
        let pairs: Vec<(usize, usize)> = (0..outputs.len()).map(|i| (i, i)).collect();
        outputs.push(logits);
        let mut program = compile(&tape, &outputs, &pairs, options)?;

        for (i, spec) in learn.iter().enumerate() {
            let values: Vec<f32> = match starts[0].get(i) {
                Some(_) => starts.iter().flat_map(|start| start[i].clone()).collect(),
                None => task.row.as_ref().expect("an embedding begins at a row").repeat(tasks),
            };
            program.write(i, &values);
            for kind in 0..state.len() {
                program.write(learn.len() * (1 + kind) + i, &vec![0.0; spec.shape.len() * tasks]);
            }
        }
        let slot = |var: Var| var.slot().expect("an input");
        let classes: Vec<f32> = task.support.examples.iter().map(|e| e.class as f32).collect();
        program.write(slot(labels), &classes);
        let folds = tasks - 1;
        let is_known = |i: usize| f32::from(u8::from(i / n == folds || i % n % folds != i / n));
        program.write(slot(known), &(0..tasks * n).map(is_known).collect::<Vec<_>>());
        write_trunk_parts(program.as_mut(), slot(known) + 1, &fixed, model);
        program
            .write(slot(given), &if embedding { pictures.concat() } else { seen.layers.concat() });
        let learned = learn.iter().enumerate().map(|(i, s)| (i, of_tasks(s.shape))).collect();
        Ok(Self {
            program,
            learned,
            number: slot(number),
            logits: (outputs.len() - 1, logits.shape()),
        })
    }

    /// Makes step `number` (from 1) and returns the logits `[tasks, pictures, classes]` before it.
    fn step(&mut self, number: usize) -> Result<Vec<f32>> {
        self.program.write(self.number, &[number as f32]);
        self.program.run()?;
        let mut logits = vec![0.0; self.logits.1.len()];
        self.program.read(self.logits.0, &mut logits)?;
        match logits.iter().all(|v| v.is_finite()) {
            true => Ok(logits),
            false => Err(Error::Answer(format!(
                "adaptation diverged at step {number}: the answers are not finite; nothing was written"
            ))),
        }
    }

    /// What task `task` has learned so far.
    fn learned(&mut self, task: usize) -> Result<Vec<Vec<f32>>> {
        let mut all = vec![];
        for &(slot, shape) in &self.learned {
            let mut values = vec![0.0; shape.len()];
            self.program.read_slot(slot, &mut values)?;
            let each = shape.len() / shape.tasks();
            all.push(values[task * each..(task + 1) * each].to_vec());
        }
        Ok(all)
    }
}

fn write_trunk_parts(program: &mut dyn Program, first: usize, fixed: &[Spec], model: &Model) {
    for (i, spec) in fixed.iter().enumerate() {
        program.write(
            first + i,
            &model.weights.get(&spec.name).expect("a model holds its trunk").values,
        );
    }
}

/// The root mean square; never 0, so that a head at 0 can move.
fn rms(values: &[f32]) -> f64 {
    let sum: f64 = values.iter().map(|&v| f64::from(v).powi(2)).sum();
    (sum / values.len().max(1) as f64).sqrt().max(1e-3)
}
