//! Where batches come from: sinusoids or Omniglot episodes, behind one door.

use std::sync::Arc;

use super::Tasks;
use crate::data::episodes::{EpisodeBatch, Episodes};
use crate::data::omniglot::{Omniglot, Part};
use crate::data::sine::{SineBatch, Sines};
use crate::error::Result;
use crate::shape::Shape;

/// Batches as a function of (step, first task).
#[derive(Clone)]
pub enum Source {
    Sine(Sines),
    Omniglot(Episodes),
}

/// A batch, and room for the next.
#[derive(Clone, Debug)]
pub enum Batch {
    Sine(SineBatch),
    Omniglot(EpisodeBatch),
}

impl Source {
    /// `set` holds the drawings where `tasks` need them.
    pub fn new(
        tasks: Tasks,
        set: Option<&Arc<Omniglot>>,
        part: Part,
        seed: u64,
        stream: u32,
    ) -> Result<Self> {
        let seed = crate::random::fold(seed);
        Ok(match tasks {
            Tasks::Sine(spec) => Source::Sine(Sines::new(spec, seed, stream)?),
            Tasks::Omniglot { spec, rotations } => {
                let set = set.expect("drawings are loaded for tasks that need them").clone();
                let all = Episodes::new(set, part, spec, seed, stream)?;
                Source::Omniglot(if rotations { all } else { all.upright() })
            }
        })
    }

    /// Tasks of a batch.
    pub fn tasks(&self) -> usize {
        match self {
            Source::Sine(sines) => sines.spec().tasks,
            Source::Omniglot(episodes) => episodes.spec().tasks,
        }
    }

    /// Shapes of support x, support y, query x, query y.
    pub fn shapes(&self) -> [Shape; 4] {
        match self {
            Source::Sine(sines) => {
                let s = sines.spec();
                [s.support, s.support, s.query, s.query].map(|n| [s.tasks, n, 1].into())
            }
            Source::Omniglot(episodes) => {
                let s = episodes.spec();
                let (support, query) = (s.ways * s.shots, s.ways * s.queries);
                let pictures = |n: usize| Shape::from([s.tasks, n, 28, 28, 1]);
                let labels = |n: usize| Shape::from([s.tasks, n]);
                [pictures(support), labels(support), pictures(query), labels(query)]
            }
        }
    }

    pub fn room(&self) -> Batch {
        match self {
            Source::Sine(sines) => Batch::Sine(SineBatch::new(sines.spec())),
            Source::Omniglot(episodes) => Batch::Omniglot(EpisodeBatch::new(episodes.spec())),
        }
    }

    /// Fills a [`Source::room`] with the tasks of `step` from task `first` on.
    #[track_caller]
    pub fn fill(&self, step: u32, first: u32, batch: &mut Batch) {
        match (self, batch) {
            (Source::Sine(sines), Batch::Sine(batch)) => sines.fill_from(step, first, batch),
            (Source::Omniglot(all), Batch::Omniglot(batch)) => all.fill_from(step, first, batch),
            _ => panic!("a batch of another source"),
        }
    }
}

impl Batch {
    /// Support x, support y, query x, query y.
    pub fn parts(&self) -> [&[f32]; 4] {
        match self {
            Batch::Sine(b) => [&b.support_x, &b.support_y, &b.query_x, &b.query_y],
            Batch::Omniglot(b) => [&b.support_x, &b.support_y, &b.query_x, &b.query_y],
        }
    }
}
