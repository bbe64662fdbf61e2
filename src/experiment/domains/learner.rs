//! What a session can train: a program that makes a step of several networks at once.
//!
//! Three of them: [`super::Stack`] sums its losses, [`super::Aggregated`] combines its tasks' gradients,
//! [`super::Meta`] descends the loss after adaptation.

use crate::error::Result;
use crate::exec::{Cost, Program};
use crate::nn::{Spec, Weight, Weights};
use crate::run::Named;

/// One step's pictures and labels of all networks, row-major, `[nets, pictures, ...]`.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub x: Vec<f32>,
    /// Rows that sum to one: [`crate::nn::MultiTask::answer`].
    pub domain: Vec<f32>,
    /// One for each head: its targets, and 1 where they are known.
    pub targets: Vec<Vec<f32>>,
    pub known: Vec<Vec<f32>>,
    /// One for each head: a teacher's answers; and `[nets, pictures]`, 1 where there are some.
    pub soft: Vec<Vec<f32>>,
    pub taught: Vec<f32>,
}

/// What changes from step to step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// From 1.
    pub number: u64,
    pub lr: f64,
    /// Share of the running average of weights that is kept.
    pub keep: f64,
}

/// What training says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Mean loss on labels since the last tally, `[nets][heads]`; 0 where a network has no labels.
    pub losses: Vec<Vec<f64>>,
    /// The first step (from 1) whose loss was not finite, and the network.
    pub bad: Option<(u64, usize)>,
    /// What was out of the ordinary, a sentence each.
    pub remarks: Vec<String>,
}

/// A program that makes a step of several networks.
pub trait Learner {
    /// Networks, and pictures of each in a step.
    fn size(&self) -> (usize, usize);

    /// Room for a batch.
    fn room(&self) -> Batch;

    fn step(&mut self, step: Step, batch: &Batch) -> Result<()>;

    /// What happened in the `count` steps since the last call.
    fn tally(&mut self, count: u64) -> Result<Tally>;

    /// The networks' weights as they are now.
    fn weights(&mut self) -> Result<Vec<Weights>>;

    /// The running average of each network's weights, where one is kept.
    fn averages(&mut self) -> Result<Vec<Weights>> {
        self.weights()
    }

    /// Names and shapes of what training changes.
    fn shapes(&self) -> Vec<(String, Vec<usize>)>;

    /// The numbers of [`Learner::shapes`].
    fn state(&mut self) -> Result<Vec<Named>>;

    /// Goes on from what [`Learner::state`] gave, on a learner made and started alike.
    fn restore(&mut self, state: &[&[f32]]);

    fn cost(&self) -> Cost;

    fn device(&self) -> String;
}

/// Losses of this size are not numbers any more: below the largest f32, whose sum would not be finite either.
pub const HUGE: f64 = 1e30;

/// The parameters of so many networks, each its own.
pub fn stacked(spec: &[Spec], nets: usize) -> Vec<Spec> {
    spec.iter().map(|s| Spec { shape: s.shape.with(0, nets), ..s.clone() }).collect()
}

/// Writes the weights of networks into the slots of a stack, from slot `from`.
pub fn write_stacked(program: &mut dyn Program, from: usize, spec: &[Spec], nets: &[&Weights]) {
    for i in 0..spec.len() {
        let all: Vec<f32> = nets.iter().flat_map(|w| w.0[i].values.iter().copied()).collect();
        program.write(from + i, &all);
    }
}

/// The weights of so many networks from the slots of a stack. `spec` is one network's.
pub fn read_stacked(
    program: &mut dyn Program,
    from: usize,
    spec: &[Spec],
    nets: usize,
) -> Result<Vec<Weights>> {
    let mut all = vec![Weights::default(); nets];
    for (i, spec) in spec.iter().enumerate() {
        let len = spec.shape.len();
        let mut values = vec![0.0; len * nets];
        program.read_slot(from + i, &mut values)?;
        for (weights, values) in all.iter_mut().zip(values.chunks(len)) {
            let (name, shape) = (spec.name.clone(), spec.shape);
            weights.0.push(Weight { name, shape, values: values.to_vec() });
        }
    }
    Ok(all)
}

/// Slots, given with their lengths, as named tensors.
pub fn read_slots(program: &mut dyn Program, slots: &[(usize, usize)]) -> Result<Vec<Named>> {
    let read = |&(slot, len): &(usize, usize)| {
        let mut values = vec![0.0; len];
        program.read_slot(slot, &mut values)?;
        Ok((slot_name(slot), vec![len], values))
    };
    slots.iter().map(read).collect()
}

/// As a checkpoint names a slot: in order when sorted.
pub fn slot_name(slot: usize) -> String {
    format!("slot{slot:04}")
}

/// The first step and network of a tally of first bad steps, 0 where there was none.
pub fn first_bad(values: &[f32]) -> Option<(u64, usize)> {
    let bad = values.iter().enumerate().filter(|(_, step)| **step != 0.0);
    bad.map(|(net, &step)| (step as u64, net)).min()
}
