//! `summary.json`: what a run found, in one object, for programs and for `metatape compare`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::{io_error, write_atomic};
use super::metrics::{Line, finite};
use crate::error::{Error, Result};

/// The whole file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub recipe: String,
    /// Of the program.
    pub version: String,
    /// What it ran on, as `metatape devices` names it.
    pub device: String,
    pub threads: usize,
    pub seeds: Vec<u64>,
    /// Meta-steps of one seed.
    pub steps: u64,
    /// Of this process: of a resumed run, the part since its resumption.
    pub seconds: f64,
    /// As planned, of the largest plan.
    pub peak_bytes: u64,
    pub parameters: u64,
    pub results: Vec<Figure>,
    /// Everything out of the ordinary: fallbacks, solvers that did not converge, non-finite values.
    pub events: Vec<Line>,
}

/// One figure with its 95 % interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Stable: `RECIPE/WHERE/METRIC@INNER_STEPS`.
    pub name: String,
    pub task: String,
    pub method: String,
    pub metric: String,
    /// `null` where it is not finite.
    pub value: Option<f64>,
    /// Half-width of the 95 % interval.
    pub ci95: Option<f64>,
    /// How many tasks (or seeds) it is the mean of.
    pub n: u64,
    /// Of a single seed; absent where seeds were pooled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Figure {
    pub fn new(name: &str, task: &str, method: &str, metric: &str) -> Self {
        let [name, task, method, metric] = [name, task, method, metric].map(str::to_string);
        Figure { name, task, method, metric, value: None, ci95: None, n: 0, seed: None }
    }

    /// Mean `value` over `n` with interval `value` ± `ci95`.
    pub fn with(mut self, value: f64, ci95: f64, n: u64) -> Self {
        (self.value, self.ci95, self.n) = (finite(value), finite(ci95), n);
        self
    }

    /// A part of another figure, `RECIPE/TASK/METHOD/PART`: for programs and reports, too many for a terminal.
    pub fn is_part(&self) -> bool {
        self.name.matches('/').count() > 2
    }

    pub fn of_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }
}

impl Summary {
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self).expect("a summary is plain data");
        text.push('\n');
        write_atomic(path, text.as_bytes())
    }

    /// Reads the file, or the `summary.json` in a run's folder.
    pub fn load(path: &Path) -> Result<Self> {
        let file = if path.is_dir() { path.join("summary.json") } else { path.into() };
        let shown = file.display();
        if !file.is_file() {
            return Err(Error::input(format!(
                "{shown} does not exist; expected the folder of a finished run, such as runs/sinusoid/1"
            )));
        }
        let bytes = std::fs::read(&file).map_err(|e| io_error("read", &file, &e))?;
        serde_json::from_slice(&bytes)
            .map_err(|e| Error::input(format!("{shown} is not the summary of a run: {e}")))
    }
}
