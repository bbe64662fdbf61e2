//! What the experiment learns from: pictures of several domains, and which labels of them may be seen.
//!
//! A kind of pictures ([`Pictures`]) knows all truth of every picture. A [`Pool`] says which pictures carry
//! which task's labels: a picture of its own for each task's label, or one picture with all ([`Pool::together`]). In a
//! batch a labelled picture shows one task's labels and no other: each task draws its own, and the same ones as a
//! network for that task alone. What a pool does not list cannot reach a batch.

use std::ops::Range;
use std::sync::Arc;

use crate::data::augment::Normal;
use crate::nn::{Labelled, MultiTask};
use crate::report::overlay;

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
}

/// Sentences of a report that depend on the kind of pictures.
#[derive(Clone, Copy, Debug)]
pub struct Notes {
    /// Which labels a picture carries: goes on after the tasks' names.
    pub labels: &'static str,
    /// What the pictures of the domains show.
    pub pictures: &'static str,
    /// What each task's score is.
    pub scores: &'static str,
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

    /// A class's colour in masks, cells and frames.
    fn colour(&self, _head: usize, class: usize) -> [u8; 3] {
        overlay::colour(class)
    }

    /// What a reader of the report has to know of them.
    fn notes(&self) -> Notes;

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
    /// Labels come together: a labelled picture carries every task's and stands in each list. One that a budget does
    /// not reach is unlabelled.
    pub together: bool,
    /// Judged on; never in a batch.
    pub test: Vec<usize>,
}

impl Pool {
    /// The pool where only so many labels of each task are seen. Where labels come together, the pictures past them are
    /// without any; elsewhere they would be other pictures, and are left out.
    pub fn within(mut self, labels: usize) -> Self {
        if self.together {
            let all = self.labelled.first();
            self.unlabelled = all.and_then(|all| all.get(labels..)).unwrap_or(&[]).to_vec();
        }
        self
    }

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
