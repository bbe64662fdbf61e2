//! Losses: `[tasks, examples, ...]` -> one number a task, `[tasks]`, the mean over its examples.
//!
//! Never a mean over tasks here: whoever adds tasks up decides how, and an inner step must not shrink
//! because more tasks are in the batch.

mod classification;
mod detection;
mod distillation;
mod each;
mod masked;
mod regression;

pub use classification::{accuracy, cross_entropy};
pub use detection::{detection_loss, giou_loss};
pub use distillation::kl_div;
pub use each::{binary_cross_entropy, binary_kl, cross_entropy_each, focal, kl_each, pseudo_huber};
pub use masked::{mean_each, mean_known, mean_labelled};
pub use regression::mse;
