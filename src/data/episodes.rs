//! Episodes: N-way K-shot tasks out of Omniglot, many to a batch.
//!
//! A task draws `ways` different characters, turns each by one random quarter turn (as MAML's code
//! does, in training and in test), and draws `shots + queries` different drawings of each. Labels are
//! the order in which characters were drawn, so they mean something else in every task; within a task
//! the rows of support and of query are shuffled, so that a batch's order says nothing either.
//!
//! Task t of step s is a function of (seed, stream, s, t) alone. Shapes: `support_x`
//! `[tasks, ways·shots, 28, 28, 1]`, `support_y` `[tasks, ways·shots]`, likewise for the query.

use super::omniglot::{DRAWERS, Omniglot, Part, TILE, split};
use crate::error::{Error, Result};
use crate::random::Stream;
use std::sync::Arc;

/// Sizes of a batch of episodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpisodeSpec {
    pub tasks: usize,
    /// Classes in a task.
    pub ways: usize,
    /// Support drawings of each class.
    pub shots: usize,
    /// Query drawings of each class.
    pub queries: usize,
}

/// Where one row of a batch comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Picture {
    pub character: u16,
    /// 0 to 19: who drew it.
    pub drawing: u8,
    /// Quarter turns counter-clockwise, the same for all drawings of a class in a task.
    pub turns: u8,
    /// The class number in this task.
    pub label: u16,
}

/// A batch of episodes, and buffers to be filled again.
#[derive(Clone, Debug, PartialEq)]
pub struct EpisodeBatch {
    pub spec: EpisodeSpec,
    /// `[tasks, ways·shots, 28, 28, 1]`, ink in [0, 1].
    pub support_x: Vec<f32>,
    /// `[tasks, ways·shots]`, class numbers 0 to ways - 1.
    pub support_y: Vec<f32>,
    /// `[tasks, ways·queries, 28, 28, 1]`.
    pub query_x: Vec<f32>,
    /// `[tasks, ways·queries]`.
    pub query_y: Vec<f32>,
    /// What each support row shows, `[tasks, ways·shots]`.
    pub support: Vec<Picture>,
    /// What each query row shows, `[tasks, ways·queries]`.
    pub query: Vec<Picture>,
    /// Scratch: the characters of one task.
    drawn: Vec<usize>,
}

impl EpisodeBatch {
    /// Room for one batch; [`Episodes::fill`] allocates nothing more.
    pub fn new(spec: EpisodeSpec) -> Self {
        let support = spec.tasks * spec.ways * spec.shots;
        let query = spec.tasks * spec.ways * spec.queries;
        Self {
            spec,
            support_x: vec![0.0; support * TILE],
            support_y: vec![0.0; support],
            query_x: vec![0.0; query * TILE],
            query_y: vec![0.0; query],
            support: vec![Picture::default(); support],
            query: vec![Picture::default(); query],
            drawn: vec![0; spec.ways],
        }
    }
}

/// A source of episodes: which characters, from which stream of random numbers. Cheap to clone.
#[derive(Clone)]
pub struct Episodes {
    set: Arc<Omniglot>,
    classes: Arc<[usize]>,
    spec: EpisodeSpec,
    seed: u32,
    stream: u32,
    turned: bool,
}

impl Episodes {
    /// Episodes over the characters of `part`. `stream` is one of `random::stream`: different for
    /// training, validation and test. Sizes that the characters or their drawings cannot serve are an error.
    pub fn new(
        set: Arc<Omniglot>,
        part: Part,
        spec: EpisodeSpec,
        seed: u32,
        stream: u32,
    ) -> Result<Self> {
        let classes: Arc<[usize]> = split(part).into();
        let EpisodeSpec { tasks, ways, shots, queries } = spec;
        if tasks == 0 || shots == 0 || queries == 0 {
            return Err(Error::input(format!(
                "episodes of {tasks} tasks, {shots} shots, {queries} queries: each has to be at least 1"
            )));
        }
        if !(2..=classes.len()).contains(&ways) {
            return Err(Error::input(format!(
                "episodes of {ways} ways: from 2 to {} are possible, the characters of {part:?}",
                classes.len()
            )));
        }
        if shots.saturating_add(queries) > DRAWERS {
            return Err(Error::input(format!(
                "episodes of {shots} shots and {queries} queries: a character has {DRAWERS} drawings; ask for fewer"
            )));
        }
        Ok(Self { set, classes, spec, seed, stream, turned: true })
    }

    /// The same episodes with every character as it was drawn.
    pub fn upright(self) -> Self {
        Self { turned: false, ..self }
    }

    pub fn spec(&self) -> EpisodeSpec {
        self.spec
    }

    /// The drawings these episodes are made of, for showing them.
    pub fn set(&self) -> &Omniglot {
        &self.set
    }

    /// The batch of one step, in new buffers.
    pub fn batch(&self, step: u32) -> EpisodeBatch {
        let mut batch = EpisodeBatch::new(self.spec);
        self.fill(step, &mut batch);
        batch
    }

    /// The batch of one step: its tasks 0 to `tasks - 1`.
    #[track_caller]
    pub fn fill(&self, step: u32, batch: &mut EpisodeBatch) {
        self.fill_from(step, 0, batch);
    }

    /// As [`Self::fill`], from task `first` on. A fixed list of test tasks is step 0 with `first`
    /// counting up; it is the same list whatever the size of a batch.
    #[track_caller]
    pub fn fill_from(&self, step: u32, first: u32, batch: &mut EpisodeBatch) {
        assert_eq!(batch.spec, self.spec, "a batch of other sizes than these episodes");
        for task in 0..self.spec.tasks {
            let mut random = Stream::new(self.seed, self.stream, step, first + task as u32);
            self.choose(&mut random, task, batch);
        }
        self.draw(&batch.support, &mut batch.support_x, &mut batch.support_y);
        self.draw(&batch.query, &mut batch.query_x, &mut batch.query_y);
    }

    /// Which drawings stand where in one task.
    fn choose(&self, random: &mut Stream, task: usize, batch: &mut EpisodeBatch) {
        let EpisodeSpec { ways, shots, queries, .. } = self.spec;
        let support = &mut batch.support[task * ways * shots..][..ways * shots];
        let query = &mut batch.query[task * ways * queries..][..ways * queries];
        random.distinct(self.classes.len(), &mut batch.drawn);
        for (label, &class) in batch.drawn.iter().enumerate() {
            // Drawn in any case, so that upright episodes are the same but for the turns.
            let turns = random.below(4) as u8 * self.turned as u8;
            let mut drawings = [0; DRAWERS];
            let drawings = &mut drawings[..shots + queries];
            // Support and query come from one draw without replacement: no drawing is in both.
            random.distinct(DRAWERS, drawings);
            let picture = |&drawing: &usize| Picture {
                character: self.classes[class] as u16,
                drawing: drawing as u8,
                turns,
                label: label as u16,
            };
            let (to_support, to_query) = drawings.split_at(shots);
            let rows = &mut support[label * shots..][..shots];
            rows.iter_mut().zip(to_support).for_each(|(row, drawing)| *row = picture(drawing));
            let rows = &mut query[label * queries..][..queries];
            rows.iter_mut().zip(to_query).for_each(|(row, drawing)| *row = picture(drawing));
        }
        random.shuffle(support);
        random.shuffle(query);
    }

    fn draw(&self, pictures: &[Picture], x: &mut [f32], y: &mut [f32]) {
        for ((picture, x), y) in pictures.iter().zip(x.chunks_exact_mut(TILE)).zip(y) {
            let (character, drawing) = (picture.character as usize, picture.drawing as usize);
            self.set.write(character, drawing, picture.turns, x);
            *y = picture.label as f32;
        }
    }
}
