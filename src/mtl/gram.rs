//! What does an aggregator look at? The Gram matrix of the tasks' gradients, on the host in f64.
//!
//! M[i][j] = ⟨g_i, g_j⟩ for K gradients of any length: lengths, angles, and the length of every combination,
//! |Σ w_i g_i|² = wᵀMw. K numbers squared come back from the device, never a gradient.

use crate::error::{Error, Result};

/// A symmetric K×K matrix with finite entries, and how far they can be trusted.
#[derive(Clone, Debug, PartialEq)]
pub struct Gram {
    tasks: usize,
    values: Vec<f64>,
    precision: f64,
}

impl Gram {
    /// Relative error of products of f64 gradients: a few roundings of long sums.
    pub const F64: f64 = 1e-12;
    /// The same for f32, as executors give them.
    pub const F32: f64 = 1e-6;

    /// The matrix from its K·K numbers, whose error relative to its largest entry is `precision`.
    /// Rounding may leave the two halves apart; their mean is taken.
    ///
    /// Fails where an entry is not finite: that gradient's training has diverged.
    #[track_caller]
    pub fn new(tasks: usize, values: &[f64], precision: f64) -> Result<Self> {
        assert!(tasks > 0 && values.len() == tasks * tasks, "{} entries, {tasks}²", values.len());
        if let Some(bad) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::Answer(format!(
                "the gradients' products are not finite (tasks {} and {}): training diverged",
                bad / tasks,
                bad % tasks
            )));
        }
        let mean = |at: usize| 0.5 * (values[at] + values[at % tasks * tasks + at / tasks]);
        Ok(Self { tasks, values: (0..tasks * tasks).map(mean).collect(), precision })
    }

    /// One matrix a model from what a program read back: `[models, K, K]`, row-major.
    pub fn of_models(tasks: usize, read: &[f32]) -> Result<Vec<Self>> {
        let models = read.chunks_exact(tasks * tasks);
        let wide = |chunk: &[f32]| chunk.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
        models.map(|chunk| Self::new(tasks, &wide(chunk), Self::F32)).collect()
    }

    /// Of gradients that are at hand themselves.
    pub fn of_gradients(gradients: &[Vec<f64>]) -> Result<Self> {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let row = |a: &Vec<f64>| gradients.iter().map(|b| dot(a, b)).collect::<Vec<_>>();
        let values: Vec<f64> = gradients.iter().flat_map(row).collect();
        Self::new(gradients.len(), &values, Self::F64)
    }

    pub fn tasks(&self) -> usize {
        self.tasks
    }

    pub fn precision(&self) -> f64 {
        self.precision
    }

    pub fn get(&self, i: usize, j: usize) -> f64 {
        self.values[i * self.tasks + j]
    }

    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.tasks..][..self.tasks]
    }

    /// The length of a task's gradient.
    pub fn norm(&self, i: usize) -> f64 {
        self.get(i, i).max(0.0).sqrt()
    }

    /// The square of the longest gradient's length: the scale that errors are relative to.
    pub fn largest(&self) -> f64 {
        (0..self.tasks).map(|i| self.get(i, i)).fold(0.0, f64::max)
    }

    /// ⟨g_i, Σ w_j g_j⟩.
    pub fn along(&self, i: usize, w: &[f64]) -> f64 {
        self.row(i).iter().zip(w).map(|(m, w)| m * w).sum()
    }

    /// |Σ w_i g_i|², never below 0.
    pub fn square(&self, w: &[f64]) -> f64 {
        let all = w.iter().enumerate().map(|(i, wi)| wi * self.along(i, w));
        all.sum::<f64>().max(0.0)
    }

    /// The Gram matrix of other gradients, entry by entry.
    pub fn map(&self, entry: impl Fn(usize, usize, f64) -> f64) -> Self {
        let k = self.tasks;
        let values = (0..k * k).map(|at| entry(at / k, at % k, self.values[at])).collect();
        Self { values, ..*self }
    }
}
