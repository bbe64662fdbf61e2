//! Losses: `[tasks, examples, ...]` -> one number a task, `[tasks]`, the mean over its examples.
//!
//! Never a mean over tasks here: whoever adds tasks up decides how, and an inner step must not shrink
//! because more tasks are in the batch.

mod classification;
mod distillation;
mod regression;

pub use classification::{accuracy, cross_entropy};
pub use distillation::kl_div;
pub use regression::mse;
