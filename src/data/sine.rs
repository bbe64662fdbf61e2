//! Sinusoid tasks: y = A · sin(x − φ), one amplitude and phase per task, a few points of each curve.
//!
//! Finn, Abbeel, Levine 2017, section 5.1, with the sign of the phase as in the authors' code.
//! Task t of step s is a function of (seed, stream, s, t) alone.

use crate::error::{Error, Result};
use crate::random::Stream;

/// Sizes and ranges of a batch of sinusoid tasks. Ranges are (from, to), `to` never reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SineSpec {
    pub tasks: usize,
    /// Support points of a task (K).
    pub support: usize,
    pub query: usize,
    pub amplitude: (f64, f64),
    /// In radians.
    pub phase: (f64, f64),
    pub x: (f64, f64),
}

impl SineSpec {
    /// The published ranges: A in [.1, 5], φ in [0, π], x in [−5, 5].
    pub fn new(tasks: usize, support: usize, query: usize) -> Self {
        let phase = (0.0, std::f64::consts::PI);
        Self { tasks, support, query, amplitude: (0.1, 5.0), phase, x: (-5.0, 5.0) }
    }
}

/// A batch of sinusoid tasks, and buffers to be filled again.
#[derive(Clone, Debug, PartialEq)]
pub struct SineBatch {
    pub spec: SineSpec,
    /// `[tasks, support, 1]`, as are the y.
    pub support_x: Vec<f32>,
    pub support_y: Vec<f32>,
    /// `[tasks, query, 1]`, as are the y.
    pub query_x: Vec<f32>,
    pub query_y: Vec<f32>,
    /// `[tasks]`.
    pub amplitude: Vec<f64>,
    /// `[tasks]`, radians.
    pub phase: Vec<f64>,
}

impl SineBatch {
    /// Room for one batch; [`Sines::fill`] allocates nothing more.
    pub fn new(spec: SineSpec) -> Self {
        let (support, query) = (spec.tasks * spec.support, spec.tasks * spec.query);
        Self {
            spec,
            support_x: vec![0.0; support],
            support_y: vec![0.0; support],
            query_x: vec![0.0; query],
            query_y: vec![0.0; query],
            amplitude: vec![0.0; spec.tasks],
            phase: vec![0.0; spec.tasks],
        }
    }
}

/// A source of sinusoid tasks.
#[derive(Clone, Debug)]
pub struct Sines {
    spec: SineSpec,
    seed: u32,
    stream: u32,
}

impl Sines {
    /// `stream` is one of `random::stream`: different for training, validation and test.
    pub fn new(spec: SineSpec, seed: u32, stream: u32) -> Result<Self> {
        if spec.tasks == 0 || spec.support == 0 || spec.query == 0 {
            return Err(Error::input(format!(
                "sinusoids of {} tasks, {} support and {} query points: each has to be at least 1",
                spec.tasks, spec.support, spec.query
            )));
        }
        for (name, (from, to)) in
            [("amplitude", spec.amplitude), ("phase", spec.phase), ("x", spec.x)]
        {
            // Written so that NaN fails as well.
            if !(from <= to && (to - from).is_finite()) {
                return Err(Error::input(format!(
                    "sinusoids with {name} from {from} to {to}: two finite numbers expected, the smaller first"
                )));
            }
        }
        Ok(Self { spec, seed, stream })
    }

    pub fn spec(&self) -> SineSpec {
        self.spec
    }

    /// The batch of one step, in new buffers.
    pub fn batch(&self, step: u32) -> SineBatch {
        let mut batch = SineBatch::new(self.spec);
        self.fill(step, &mut batch);
        batch
    }

    /// The batch of one step: its tasks 0 to `tasks - 1`.
    #[track_caller]
    pub fn fill(&self, step: u32, batch: &mut SineBatch) {
        self.fill_from(step, 0, batch);
    }

    /// As [`Self::fill`], from task `first` on: a fixed list of test tasks is step 0 with `first`
    /// counting up. A task's query points do not depend on the number of its support points, nor its
    /// first K support points on how many follow, so K = 5 and K = 10 meet the same curves.
    #[track_caller]
    pub fn fill_from(&self, step: u32, first: u32, batch: &mut SineBatch) {
        let SineSpec { tasks, support, query, .. } = self.spec;
        assert_eq!(batch.spec, self.spec, "a batch of other sizes than these sinusoids");
        for task in 0..tasks {
            let mut random = Stream::new(self.seed, self.stream, step, first + task as u32);
            let amplitude = random.between(self.spec.amplitude.0, self.spec.amplitude.1);
            let phase = random.between(self.spec.phase.0, self.spec.phase.1);
            (batch.amplitude[task], batch.phase[task]) = (amplitude, phase);
            let points = |random: &mut Stream, xs: &mut [f32], ys: &mut [f32]| {
                for (x, y) in xs.iter_mut().zip(ys) {
                    *x = random.between(self.spec.x.0, self.spec.x.1) as f32;
                    // From the rounded x, so that (x, y) lies on the curve to f32.
                    *y = (amplitude * (*x as f64 - phase).sin()) as f32;
                }
            };
            let mut for_query = random.fork(1);
            let at = task * support..(task + 1) * support;
            points(&mut random, &mut batch.support_x[at.clone()], &mut batch.support_y[at]);
            let at = task * query..(task + 1) * query;
            points(&mut for_query, &mut batch.query_x[at.clone()], &mut batch.query_y[at]);
        }
    }
}
