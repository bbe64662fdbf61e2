//! Many readings along several trainings, and what they say together.
//!
//! Z is averaged over a training, as TAG does; a *repeat* is one training (another seed, another part of the
//! examples), or one stretch of a long one. Intervals are over repeats: readings within one are too alike to count
//! as independent.

use super::{Interval, Reading};

/// The chance that any one of a doctor's intervals of a kind misses: with more tasks there are more of them, and
/// each is made wider (Bonferroni). Pairs are one kind, single tasks the other.
pub const MISS: f64 = 0.025;

#[derive(Clone, Debug, PartialEq)]
pub struct Measurements {
    pub names: Vec<String>,
    repeats: Vec<Repeat>,
    /// For each task, joint score minus the score alone, a training each.
    lags: Vec<Vec<f64>>,
}

/// Sums over the readings of a repeat.
#[derive(Clone, Debug, PartialEq)]
struct Repeat {
    readings: f64,
    affinity: Vec<f64>,
    effect: Vec<f64>,
    cosine: Vec<f64>,
    /// ln of the gradients' lengths at the first reading.
    log_length: Vec<f64>,
}

impl Measurements {
    pub fn new(names: &[&str]) -> Self {
        Self {
            names: names.iter().map(|name| name.to_string()).collect(),
            repeats: vec![],
            lags: vec![vec![]; names.len()],
        }
    }

    pub fn tasks(&self) -> usize {
        self.names.len()
    }

    pub fn repeats(&self) -> usize {
        self.repeats.len()
    }

    /// Adds a reading to repeat number `repeat`, counted from 0, in the order of the training.
    #[track_caller]
    pub fn add(&mut self, repeat: usize, reading: &Reading) {
        let n = self.tasks();
        assert_eq!(reading.tasks(), n, "a reading of {:?}", self.names);
        let none = Repeat {
            readings: 0.0,
            affinity: vec![0.0; n * n],
            effect: vec![0.0; n * n],
            cosine: vec![0.0; n * n],
            log_length: vec![],
        };
        self.repeats.resize_with(self.repeats.len().max(repeat + 1), || none.clone());
        let into = &mut self.repeats[repeat];
        into.readings += 1.0;
        if into.log_length.is_empty() {
            into.log_length = reading.lengths().iter().map(|length| length.ln()).collect();
        }
        for (sums, values) in [
            (&mut into.affinity, &reading.affinity),
            (&mut into.effect, &reading.effect),
            (&mut into.cosine, &reading.cosines()),
        ] {
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
    }

    /// Adds what trainings showed at their ends: the score of `task` on fresh examples after joint training, and after
    /// training alone.
    pub fn compare(&mut self, task: usize, together: f64, alone: f64) {
        self.lags[task].push(together - alone);
    }

    /// Joint score minus the score alone; no finite interval without two comparisons.
    pub fn lead(&self, task: usize) -> Interval {
        Interval::of(&self.lags[task], MISS / self.tasks() as f64)
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

    /// ΣZ_ij/ΣZ_jj over readings: how much i wants what j wants. 1: a step on i is as good for j as its own, 0: they are
    /// strangers. Free of units and, while steps are short, of the step size.
    pub fn kinship(&self, i: usize, j: usize) -> Interval {
        self.over_repeats(self.pairs(), |r| worth(&r.affinity, i, &[j]))
    }

    /// ΣE_ij/ΣE_jj over readings: what training on i does for j, in steps of j itself; below 0: harm. No finite interval
    /// where j's own steps do not help it on fresh examples.
    pub fn worth(&self, i: usize, j: usize) -> Interval {
        self.over_repeats(self.pairs(), |r| worth(&r.effect, i, &[j]))
    }

    /// The same for all other tasks together: ΣE_ij/ΣE_jj over readings and over j.
    pub fn worth_to_others(&self, i: usize) -> Interval {
        let others: Vec<usize> = (0..self.tasks()).filter(|&j| j != i).collect();
        self.over_repeats(self.tasks(), |r| worth(&r.effect, i, &others))
    }

    /// E_ii, mean over readings: whether steps on i help i itself on fresh examples.
    pub fn own_effect(&self, i: usize) -> Interval {
        let at = i * (self.tasks() + 1);
        self.over_repeats(self.tasks(), |r| r.effect[at] / r.readings)
    }

    /// ln of how long the gradient of i is beside the others' (their geometric mean), at the first reading: later, joint
    /// training has made the loudest task quiet, at the others' cost.
    pub fn log_loudness(&self, i: usize) -> Interval {
        let others = (self.tasks() - 1) as f64;
        self.over_repeats(self.tasks(), |r| {
            let sum: f64 = r.log_length.iter().sum();
            r.log_length[i] - (sum - r.log_length[i]) / others
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

/// Row i's sum over the columns `to`, in units of their diagonals'.
fn worth(matrix: &[f64], i: usize, to: &[usize]) -> f64 {
    let n = matrix.len().isqrt();
    let own: f64 = to.iter().map(|j| matrix[j * (n + 1)]).sum();
    let done: f64 = to.iter().map(|j| matrix[i * n + j]).sum();
    if own > 0.0 { done / own } else { f64::NAN }
}
