//! A run: its folder, what it writes while it works, and how it stops and goes on.
//!
//! The training loop is somebody else's; it looks like this, and `Run` does the rest:
//! ```text
//! let mut run = Run::start(recipe, out)?;               // or Run::resume
//! let from = match run.resumed.take() { Some(checkpoint) => restore(checkpoint)?, None => 0 };
//! for step in from..steps {
//!     let loss = train(step)?;
//!     run.line(&Line::train(seed, step + 1, &[("loss", loss)]))?;   // and the curve's evaluation, where due
//!     run.after_step(step + 1, || State { tensors, extra })?;   // checkpoint where due; Ctrl-C ends here
//! }
//! ```
//! All lines of a step are written before its `after_step`: the checkpoint counts them as done. A line written after it
//! would be cut off by a resumption and, its step being over, never come back.

pub mod checkpoint;
pub mod files;
pub mod folder;
pub mod interrupt;
pub mod metrics;
pub mod progress;
pub mod summary;

use std::path::Path;
use std::time::Instant;

pub use checkpoint::{Checkpoint, Named, Policy, save_model};
pub use folder::Folder;
pub use metrics::{Line, Metrics};
pub use progress::Progress;
pub use summary::{Figure, Summary};

use crate::error::{Error, Result};
use crate::recipe::{Override, Recipe};

/// What a checkpoint holds beside step and recipe.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub tensors: Vec<Named>,
    pub extra: serde_json::Value,
}

/// A run in progress.
#[derive(Debug)]
pub struct Run {
    pub recipe: Recipe,
    pub folder: Folder,
    /// The checkpoint to go on from, for the training loop to take.
    pub resumed: Option<Checkpoint>,
    metrics: Metrics,
    policy: Policy,
    begun: Instant,
}

impl Run {
    /// A new run in a new folder.
    pub fn start(recipe: Recipe, out: Option<&Path>) -> Result<Self> {
        let folder = Folder::create(&recipe, out)?;
        Self::with(recipe, folder, None)
    }

    /// Goes on in the folder `dir` from its checkpoint; from the beginning where it has none yet. What `metrics.jsonl`
    /// has from later steps is cut off.
    pub fn resume(dir: &Path, overrides: &[Override]) -> Result<Self> {
        let (folder, recipe) = Folder::open(dir, overrides)?;
        let file = folder.checkpoint();
        let checkpoint = match file.exists() {
            true => Some(Checkpoint::load(&file, &recipe.hash())?),
            false => None,
        };
        Self::with(recipe, folder, checkpoint)
    }

    fn with(recipe: Recipe, folder: Folder, resumed: Option<Checkpoint>) -> Result<Self> {
        let keep = resumed.as_ref().map_or(0, |checkpoint| checkpoint.metrics_bytes);
        let metrics = Metrics::open(&folder.metrics(), keep)?;
        let policy = Policy::new(recipe.checkpoint_seconds, recipe.checkpoint_steps);
        Ok(Run { recipe, folder, resumed, metrics, policy, begun: Instant::now() })
    }

    /// Seconds since this process began with the run.
    pub fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// Appends a line to `metrics.jsonl`.
    pub fn line(&mut self, line: &Line) -> Result<()> {
        self.metrics.append(line)
    }

    /// Call after each step, when `step` steps are done: saves where a checkpoint is due. After Ctrl-C it saves and
    /// returns [`Error::Interrupted`].
    pub fn after_step(&mut self, step: u64, state: impl FnOnce() -> Result<State>) -> Result<()> {
        let asked = interrupt::asked();
        if self.policy.due(step, self.begun.elapsed()) || asked {
            self.save(step, state()?)?;
        }
        if asked {
            return Err(self.interrupted(&format!("stopped after step {step}")));
        }
        Ok(())
    }

    /// Between two parts of an evaluation: whether Ctrl-C was pressed. The last checkpoint is what remains.
    pub fn check_interrupt(&self) -> Result<()> {
        match interrupt::asked() {
            true => Err(self.interrupted("stopped in the evaluation")),
            false => Ok(()),
        }
    }

    fn interrupted(&self, what: &str) -> Error {
        let dir = self.folder.path().display();
        Error::Interrupted(format!("{what}; continue with: metatape run --resume {dir}"))
    }

    /// Saves a checkpoint now: also at the end of training, before the evaluation.
    pub fn save(&mut self, step: u64, state: State) -> Result<()> {
        // First the metrics, then the checkpoint that counts them: never the other way round.
        let metrics_bytes = self.metrics.sync()?;
        let State { tensors, extra } = state;
        let recipe_hash = self.recipe.hash();
        let checkpoint = Checkpoint { step, recipe_hash, metrics_bytes, tensors, extra };
        checkpoint.save(&self.folder.checkpoint())
    }

    /// A training loss that is not finite ends the run: the event is written, the last good checkpoint stays.
    pub fn diverged(&mut self, seed: u64, step: u64, task: u64, what: &str) -> Error {
        let text = format!("{what} is not finite at step {step}, task {task}");
        let written = self.line(&Line::event(seed, step, "diverged", &text));
        if let Err(e) = written.and_then(|()| self.metrics.sync().map(drop)) {
            return e;
        }
        let kept = match self.folder.checkpoint().exists() {
            true => format!("the last good checkpoint is in {}", self.folder.path().display()),
            false => "no checkpoint had been due yet".to_string(),
        };
        Error::Answer(format!(
            "training diverged: {text}; {kept}; try a smaller method.inner_lr or train.optimizer.lr"
        ))
    }

    /// All lines so far, for the report; the events among them belong into the summary.
    pub fn lines(&mut self) -> Result<Vec<Line>> {
        self.metrics.sync()?;
        metrics::read(&self.folder.metrics())
    }

    /// Writes `model.safetensors`, `report.html` and, last, `summary.json`: a folder with a summary is a finished run.
    /// `card`: what `predict` needs to know of the model, where it can be used on pictures of one's own.
    pub fn finish(
        &mut self,
        summary: &Summary,
        report: &str,
        model: &[Named],
        card: Option<serde_json::Value>,
    ) -> Result<()> {
        self.metrics.sync()?;
        let mut metadata = serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "recipe": self.recipe.to_toml(),
        });
        if let Some(card) = card {
            metadata["card"] = card;
        }
        save_model(&self.folder.model(), model, &metadata)?;
        files::write_atomic(&self.folder.report(), report.as_bytes())?;
        summary.save(&self.folder.summary())
    }
}
