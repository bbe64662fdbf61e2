//! What the experiment learns from: pictures of several domains, and which labels of them may be seen.
//!
//! A kind of pictures ([`Pictures`]) knows all truth of every picture. A [`Pool`] says which pictures carry
//! which task's labels: in training a labelled picture carries one task's labels and no other, most carry none.
//! What a pool does not list cannot reach a batch.

use std::ops::Range;
use std::sync::Arc;

use crate::data::augment::Normal;
use crate::nn::{Labelled, MultiTask};

/// A task: the heads that answer it. Its score is the mean of theirs.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    pub name: String,
    /// Positions of its heads in the network.
    pub heads: Vec<usize>,
}

/// Where a picture stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    pub domain: usize,
    pub index: usize,
}

/// Which random changes of a picture: a pure function of seed, step and element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub seed: u32,
    pub step: u32,
    pub element: u32,
    /// Whether the picture may move (crop, flip), or only its colours change: a teacher's answers, which
    /// stand for a picture as it is, would not move along.
    pub moves: bool,
}

/// A kind of pictures.
pub trait Pictures: Send + Sync {
    /// The network's shape for so many domains (1 for a target domain alone).
    fn network(&self, domains: usize) -> MultiTask;

    /// The tasks, each with its heads.
    fn tasks(&self) -> Vec<Task>;

    /// Writes a picture as the network reads it, `[height, width, channels]`, and every head's targets; with a
    /// change (crop, flip, colours), labels move along.
    fn draw(&self, at: At, change: Option<Change>, x: &mut [f32], targets: &mut [&mut [f32]]);

    /// The picture as a person sees it: height, width, RGB.
    fn shown(&self, at: At) -> (usize, usize, Vec<u8>);

    /// The objects of a picture, for scores.
    fn boxes(&self, at: At) -> Vec<Labelled>;

    /// Names of a head's classes.
    fn classes(&self, head: usize) -> Vec<String>;

    /// A domain's name for tables.
    fn domain(&self, domain: usize) -> String;

    /// Mean and deviation of each channel, of values from 0 to 1: the network sees (x − mean)/deviation.
    fn normal(&self) -> Normal;

    /// Domains by role: to learn from, to choose settings on, to adapt to.
    fn sources(&self) -> Range<usize>;
    fn heldout(&self) -> Range<usize>;
    fn targets(&self) -> Range<usize>;

    /// What is known of a domain in the study of this seed.
    fn pool(&self, domain: usize, seed: u64) -> Pool;
}

/// The pictures of one domain, by what may be known of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pool {
    pub domain: usize,
    /// For each task, the pictures that carry its labels, in the order in which labels are given: the first n
    /// are what a budget of n labels sees.
    pub labelled: Vec<Vec<usize>>,
    pub unlabelled: Vec<usize>,
    /// Judged on; never in a batch.
    pub test: Vec<usize>,
}

impl Pool {
    /// The first `most` pictures with labels of `task`.
    pub fn known(&self, task: usize, most: usize) -> Arc<[At]> {
        let all = &self.labelled[task];
        all[..most.min(all.len())].iter().map(|&index| At { domain: self.domain, index }).collect()
    }

    /// All pictures of the pool without a label.
    pub fn unknown(&self) -> Arc<[At]> {
        self.unlabelled.iter().map(|&index| At { domain: self.domain, index }).collect()
    }
}
