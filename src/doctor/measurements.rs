//! Many readings along several trainings, and what they say together.
//!
//! Z is averaged over a training, as TAG does; a *repeat* is one training (another seed), or one stretch of a
//! long one. Intervals are over repeats: readings within one are too alike to count as independent.

use super::{Interval, Reading};

/// The chance that any one of a doctor's intervals misses, all pairs together: each is made as wide as that
/// takes (Bonferroni).
pub const MISS: f64 = 0.05;

#[derive(Clone, Debug, PartialEq)]
pub struct Measurements {
    pub names: Vec<String>,
    repeats: Vec<Repeat>,
}

/// Sums over the readings of a repeat.
#[derive(Clone, Debug, PartialEq)]
struct Repeat {
    readings: f64,
    affinity: Vec<f64>,
    cosine: Vec<f64>,
    log_length: Vec<f64>,
}

impl Measurements {
    pub fn new(names: &[&str]) -> Self {
        Self { names: names.iter().map(|name| name.to_string()).collect(), repeats: vec![] }
    }

    pub fn tasks(&self) -> usize {
        self.names.len()
    }

    pub fn repeats(&self) -> usize {
        self.repeats.len()
    }

    /// Adds a reading to repeat number `repeat`, counted from 0.
    #[track_caller]
    pub fn add(&mut self, repeat: usize, reading: &Reading) {
        let n = self.tasks();
        assert_eq!(reading.tasks(), n, "a reading of {:?}", self.names);
        let none = Repeat {
            readings: 0.0,
            affinity: vec![0.0; n * n],
            cosine: vec![0.0; n * n],
            log_length: vec![0.0; n],
        };
        self.repeats.resize_with(self.repeats.len().max(repeat + 1), || none.clone());
        let into = &mut self.repeats[repeat];
        into.readings += 1.0;
        let log_length: Vec<f64> = reading.lengths().iter().map(|length| length.ln()).collect();
        for (sums, values) in [
            (&mut into.affinity, &reading.affinity),
            (&mut into.cosine, &reading.cosines()),
            (&mut into.log_length, &log_length),
        ] {
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
    }

    /// Z_ij, mean over repeats: row i is the task that steps.
    pub fn affinity(&self, i: usize, j: usize) -> Interval {
        let at = i * self.tasks() + j;
        self.over_repeats(self.pairs(), |r| r.affinity[at] / r.readings)
    }

    /// The cosine between the gradients of i and j.
    pub fn cosine(&self, i: usize, j: usize) -> Interval {
        let at = i * self.tasks() + j;
        self.over_repeats(self.pairs(), |r| r.cosine[at] / r.readings)
    }

    /// Z_ij/Z_jj: what a step of i does for j, in steps of j itself. 1: as good as its own, 0: nothing, below 0: harm.
    /// Free of units and, while steps are short, of the step size. No finite interval where j's own steps do not help it.
    pub fn worth(&self, i: usize, j: usize) -> Interval {
        let n = self.tasks();
        self.over_repeats(self.pairs(), |r| {
            let (own, other) = (r.affinity[j * (n + 1)], r.affinity[i * n + j]);
            if own > 0.0 { other / own } else { f64::NAN }
        })
    }

    /// ln of how long the gradient of i is beside the others' (their geometric mean).
    pub fn log_loudness(&self, i: usize) -> Interval {
        let others = (self.tasks() - 1) as f64;
        self.over_repeats(self.tasks(), |r| {
            let sum: f64 = r.log_length.iter().sum();
            (r.log_length[i] - (sum - r.log_length[i]) / others) / r.readings
        })
    }

    fn pairs(&self) -> usize {
        self.tasks() * (self.tasks() - 1)
    }

    fn over_repeats(&self, questions: usize, f: impl Fn(&Repeat) -> f64) -> Interval {
        let known = self.repeats.iter().filter(|r| r.readings > 0.0);
        let values: Vec<f64> = known.map(f).collect();
        Interval::of(&values, MISS / questions.max(1) as f64)
    }
}
