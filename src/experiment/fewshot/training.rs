//! One program that makes a training step: batch in, weights and optimiser updated in place.
//!
//! Nothing is read back in a step. What a person or a checkpoint wants to know is gathered on the tape, task by task, in
//! two more slots of state (`experiment/tally.rs`).

use super::budget::{self, Choice};
use super::pieces::{InPieces, Pieces};
use super::{Experiment, Outer, Source};
use crate::error::Result;
use crate::exec::{Cost, Options, Program, compile};
use crate::experiment::tally::{LossSlots, Losses};
use crate::meta::{self, Episode, Judged, Maml, Part};
use crate::nn::{Model, Params, Spec, Weight, Weights};
use crate::optim::{Pace, clip_by_norm};
use crate::shape::Shape;
use crate::tape::{Tape, Var, grad};

/// What the outer loop descends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Objective {
    /// The query loss after adaptation.
    Meta(Maml),
    /// The loss of the shared weights on all examples of all tasks: pretraining.
    Joint,
}

/// The tape of a training step, before it is compiled.
pub struct Written<'t> {
    pub theta: Params<'t>,
    pub episode: Episode<'t>,
    pub outputs: Vec<Var<'t>>,
    /// (output, slot): what is updated in place.
    pub state: Vec<(usize, usize)>,
    /// The mean loss over tasks, `[1]`, and its gradient in `theta`.
    pub loss: Var<'t>,
    pub gradient: Vec<Var<'t>>,
}

/// Writes a training step on `tape`. Slots: weights, optimiser, sum of losses, first bad step, support x, y,
/// query x, y, step size, number of the step from 1.
pub fn write<'t>(
    tape: &'t Tape,
    experiment: &Experiment,
    objective: Objective,
    shapes: [Shape; 4],
) -> Written<'t> {
    let Experiment { net, outer, .. } = experiment;
    let theta = Params::inputs(tape, &net.spec());
    let kept = outer.optimizer.inputs(tape, theta.vars());
    let count = shapes[0].tasks();
    let tally = Losses::inputs(tape, [count], count);
    let episode = Episode::inputs(tape, shapes);
    let (lr, step) = (tape.input([1]), tape.input([1]));

    let losses = losses(experiment, objective, &theta, &episode);
    let loss = losses.mean(&[0]);
    let gradient = grad(loss, theta.vars());
    let updated = update(outer, theta.vars(), &gradient, &kept, Pace::new(lr, step));

    let outputs = [updated, tally.after(losses, losses, step)].concat();
    let state = (0..outputs.len()).map(|i| (i, i)).collect();
    Written { theta, episode, outputs, state, loss, gradient }
}

/// The network's answers and their loss.
pub(super) fn judge<'e, 't: 'e>(
    experiment: &'e Experiment,
) -> impl Fn(&Params<'t>, Part<'t>) -> Judged<'t> + 'e {
    meta::judge(&experiment.net, |output, y| experiment.tasks.loss(output, y))
}

/// What the outer loop descends, one number a task: `[tasks]`.
pub(super) fn losses<'t>(
    experiment: &Experiment,
    objective: Objective,
    theta: &Params<'t>,
    episode: &Episode<'t>,
) -> Var<'t> {
    let judge = judge(experiment);
    match objective {
        Objective::Meta(maml) => maml.run(theta, episode, judge).query.loss,
        Objective::Joint => {
            let [support, query] = [episode.support_part(0), episode.query_part(0)];
            (judge(theta, support).loss + judge(theta, query).loss) * 0.5
        }
    }
}

/// The outer step: new weights, then all that the optimiser keeps.
pub(super) fn update<'t>(
    outer: &Outer,
    weights: &[Var<'t>],
    gradient: &[Var<'t>],
    kept: &[Vec<Var<'t>>],
    pace: Pace<'t>,
) -> Vec<Var<'t>> {
    let used = match outer.clip {
        Some(longest) => clip_by_norm(gradient, longest).0,
        None => gradient.to_vec(),
    };
    let (moved, kept) = outer.optimizer.update(weights, &used, kept, pace);
    [moved, kept.concat()].concat()
}

/// A compiled training step and where its slots are.
pub struct Training {
    program: Box<dyn Program>,
    spec: Vec<Spec>,
    keeps: &'static [&'static str],
    tasks: usize,
    choice: Choice,
}

/// What training says of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tally {
    /// Sum of the mean losses over tasks since the last tally.
    pub loss: f64,
    /// The first step (from 1) whose loss was not finite, and the task.
    pub bad: Option<(u64, usize)>,
}

impl Training {
    /// In one program; under a memory budget, in the fastest way that fits.
    pub fn new(
        experiment: &Experiment,
        objective: Objective,
        source: &Source,
        options: &Options,
    ) -> Result<Self> {
        let choice = budget::choose(experiment, objective, source.shapes(), options)?;
        Self::by(experiment, objective, source, options, choice)
    }

    /// In the way of `choice`; `options.memory` does not count.
    pub fn by(
        experiment: &Experiment,
        objective: Objective,
        source: &Source,
        options: &Options,
        choice: Choice,
    ) -> Result<Self> {
        let options =
            Options { threads: choice.threads.or(options.threads), memory: None, ..*options };
        let program: Box<dyn Program> = if choice.is_one_tape() {
            let tape = Tape::new();
            let written = write(&tape, experiment, objective, source.shapes());
            compile(&tape, &written.outputs, &written.state, &options)?
        } else {
            let pieces = Pieces::write(experiment, objective, source.shapes(), &choice);
            Box::new(InPieces::new(pieces, &options)?)
        };
        let keeps = experiment.outer.optimizer.keeps();
        Ok(Self { program, spec: experiment.net.spec(), keeps, tasks: source.tasks(), choice })
    }

    /// How the step is computed.
    pub fn choice(&self) -> &Choice {
        &self.choice
    }

    /// Weights and optimiser stand before the tally.
    fn losses(&self) -> LossSlots {
        let sums = self.spec.len() * (1 + self.keeps.len());
        LossSlots { sums, summed: self.tasks, watched: self.tasks }
    }

    /// Begins with these weights, everything else at 0.
    pub fn start(&mut self, weights: &Weights) {
        for (slot, (_, shape)) in self.tensors().iter().enumerate() {
            let len = shape.iter().product();
            match weights.0.get(slot) {
                Some(weight) => self.program.write(slot, &weight.values),
                None => self.program.write(slot, &vec![0.0; len]),
            }
        }
    }

    /// Makes step `number` (from 1) with step size `lr` on a batch's four parts.
    pub fn step(&mut self, number: u64, lr: f64, parts: [&[f32]; 4]) -> Result<()> {
        let first = self.losses().sums + 2;
        for (i, part) in parts.into_iter().enumerate() {
            self.program.write(first + i, part);
        }
        self.program.write(first + 4, &[lr as f32]);
        // Exact to 2^24; by then Adam's corrections are 1.
        self.program.write(first + 5, &[number as f32]);
        self.program.run()
    }

    /// What happened since the last call; begins the sum anew.
    pub fn tally(&mut self) -> Result<Tally> {
        let sums = self.losses().take_sums(&mut *self.program)?;
        let loss = sums.iter().map(|&v| v as f64).sum::<f64>() / self.tasks as f64;
        Ok(Tally { loss, bad: self.bad()? })
    }

    /// The first step whose loss was not finite, and its task.
    pub fn bad(&mut self) -> Result<Option<(u64, usize)>> {
        self.losses().first_bad(&mut *self.program)
    }

    pub fn weights(&mut self) -> Result<Weights> {
        let mut all = vec![];
        for (slot, spec) in self.spec.iter().enumerate() {
            let mut values = vec![0.0; spec.shape.len()];
            self.program.read_slot(slot, &mut values)?;
            all.push(Weight { name: spec.name.clone(), shape: spec.shape, values });
        }
        Ok(Weights(all))
    }

    /// Name and shape of every tensor of state, slot by slot.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let mut all = vec![];
        for kind in ["weight"].iter().chain(self.keeps) {
            let named = |s: &Spec| (format!("{kind}/{}", s.name), s.shape.dims().to_vec());
            all.extend(self.spec.iter().map(named));
        }
        all.push(("tally/loss".into(), vec![self.tasks]));
        all.push(("tally/bad".into(), vec![self.tasks]));
        all
    }

    /// The numbers of [`Training::tensors`].
    pub fn state(&mut self) -> Result<Vec<Vec<f32>>> {
        let tensors = self.tensors();
        let read = |(slot, (_, shape)): (usize, &(String, Vec<usize>))| {
            let mut values = vec![0.0; shape.iter().product()];
            self.program.read_slot(slot, &mut values).map(|()| values)
        };
        tensors.iter().enumerate().map(read).collect()
    }

    /// Goes on from what [`Training::state`] gave.
    #[track_caller]
    pub fn restore(&mut self, state: &[&[f32]]) {
        assert_eq!(state.len(), self.losses().sums + 2, "tensors of a training state");
        for (slot, values) in state.iter().enumerate() {
            self.program.write(slot, values);
        }
    }

    pub fn cost(&self) -> Cost {
        self.program.cost()
    }

    pub fn device(&self) -> String {
        self.program.device()
    }
}
