//! What a session can train: a program that makes a step of several networks at once.
//!
//! Three of them: [`super::Stack`] sums its losses, [`super::Aggregated`] combines its tasks' gradients,
//! [`super::Meta`] descends the loss after adaptation. What they share is a compiled step, [`Training`].

use super::training::Training;
use crate::error::Result;
use crate::exec::Cost;
use crate::nn::{MultiTask, Weights};
use crate::run::Named;

/// What a step is written for.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    pub net: MultiTask,
    pub nets: usize,
    /// Pictures of one network in one step.
    pub pictures: usize,
    /// Rows of the task axis that a network's pictures are dealt to, each with a copy of the weights: so a few large
    /// networks divide by the workers, and a row's maps stay in a worker's cache. What is computed is the same.
    pub parts: usize,
    /// Whether networks learn from a teacher's answers too.
    pub teacher: bool,
    /// Whether networks are held to where they began (L2-SP).
    pub anchor: bool,
}

/// Pictures of 48×48 with 32 channels whose maps stay near a core: rows hold no more.
const ROW: usize = 16;

impl Layout {
    /// Networks that learn from labels alone, wherever they go.
    pub fn new(net: &MultiTask, nets: usize, pictures: usize) -> Self {
        let parts = (1..=pictures).find(|p| pictures.is_multiple_of(*p) && pictures / p <= ROW);
        let parts = parts.expect("a row of one picture is short enough");
        Self { net: net.clone(), nets, pictures, parts, teacher: false, anchor: false }
    }

    /// Room for a batch.
    pub fn room(&self) -> Batch {
        let Self { net, nets, pictures, teacher, .. } = self;
        let examples = nets * pictures;
        let domains = net.embedding.map_or(0, |e| e.domains);
        let of_head = |len: &dyn Fn(usize) -> usize| {
            (0..net.heads.len()).map(|h| vec![0.0; len(h)]).collect()
        };
        Batch {
            x: vec![0.0; examples * net.image.iter().product::<usize>()],
            domain: vec![0.0; examples * domains],
            targets: of_head(&|h| net.target_shape(h, *nets, *pictures).len()),
            known: of_head(&|_| examples),
            soft: match teacher {
                true => of_head(&|h| net.output_shape(h, *nets, *pictures).len()),
                false => vec![],
            },
            taught: vec![0.0; if *teacher { examples } else { 0 }],
        }
    }
}

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

impl Batch {
    /// Its parts in the order of a step's slots, without those that the layout does not have.
    pub fn parts(&self) -> impl Iterator<Item = &Vec<f32>> {
        let given = |part| Some(part).filter(|part: &&Vec<f32>| !part.is_empty());
        let pictures = [&self.x].into_iter().chain(given(&self.domain));
        let labels = self.targets.iter().chain(&self.known);
        pictures.chain(labels).chain(&self.soft).chain(given(&self.taught))
    }
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
    /// Its compiled step.
    fn training(&self) -> &Training;

    fn training_mut(&mut self) -> &mut Training;

    fn step(&mut self, step: Step, batch: &Batch) -> Result<()>;

    /// What happened in the `count` steps since the last call.
    fn tally(&mut self, count: u64) -> Result<Tally>;

    /// Networks, and pictures of each in a step.
    fn size(&self) -> (usize, usize) {
        let layout = &self.training().layout;
        (layout.nets, layout.pictures)
    }

    /// Room for a batch.
    fn room(&self) -> Batch {
        self.training().layout.room()
    }

    /// The networks' weights as they are now.
    fn weights(&mut self) -> Result<Vec<Weights>> {
        self.training_mut().networks(0)
    }

    /// The running average of each network's weights, where one is kept.
    fn averages(&mut self) -> Result<Vec<Weights>> {
        self.weights()
    }

    /// Names and shapes of what training changes.
    fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        self.training().shapes()
    }

    /// The numbers of [`Learner::shapes`].
    fn state(&mut self) -> Result<Vec<Named>> {
        self.training_mut().state()
    }

    /// Goes on from what [`Learner::state`] gave, on a learner made and started alike.
    fn restore(&mut self, state: &[&[f32]]) {
        self.training_mut().restore(state);
    }

    fn cost(&self) -> Cost {
        self.training().program.cost()
    }

    fn device(&self) -> String {
        self.training().program.device()
    }
}
