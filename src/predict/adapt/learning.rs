//! The program of a step for all tasks at once: Adam on each task's head, and on its row of the embedding.

use super::start::{Seen, known_to};
use super::task::Task;
use crate::error::{Error, Result};
use crate::exec::{Options, Program, compile};
use crate::nn::{Params, Spec};
use crate::optim::{Adam, Optimizer, Pace};
use crate::predict::Model;
use crate::shape::Shape;
use crate::tape::{Tape, Var, grad};

/// Step size of an embedding, whose numbers have a spread of 1.
const EMBEDDING_LR: f64 = 0.02;
/// Step size of a head's weights, as a part of their root mean square at the start: their scale is the features'.
const HEAD_LR: f64 = 0.05;
const BIAS_LR: f64 = 0.01;

/// Compiled, with every slot written.
pub struct Learning {
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
    pub fn new(
        model: &Model,
        task: &Task,
        embedding: bool,
        tasks: usize,
        pictures: &[Vec<f32>],
        seen: &Seen,
        starts: &[[Vec<f32>; 2]],
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
        program.write(slot(labels), &task.labels());
        program.write(slot(known), &known_to(tasks, n));
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
    pub fn step(&mut self, number: usize) -> Result<Vec<f32>> {
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
    pub fn learned(&mut self, task: usize) -> Result<Vec<Vec<f32>>> {
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
