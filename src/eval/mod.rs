//! From answers and truths to figures: pure functions on the host, in f64; no tape, no network.
//!
//! `confusion` counts what was taken for what, `ranking`, `labels` and `detection` judge probabilities and boxes, `interval`
//! says how sure a mean over seeds is, `delta` compares whole sets of tasks, `reach` asks how soon.

mod confusion;
mod delta;
mod detection;
mod interval;
mod labels;
mod ranking;
mod reach;

pub use confusion::Confusion;
pub use delta::{Measured, delta_m, delta_p};
pub use detection::{DetectionScores, average_precision};
pub use interval::{Interval, student_t};
pub use labels::LabelScores;
pub use ranking::ranked_precision;
pub use reach::{first_reach, labels_to_reach};

/// The mean distance of answers and truths; NaN of nothing.
#[track_caller]
pub fn mean_absolute_error(answers: &[f32], truths: &[f32]) -> f64 {
    assert_eq!(answers.len(), truths.len(), "answers and truths");
    let off = answers.iter().zip(truths).map(|(a, t)| (*a as f64 - *t as f64).abs());
    off.sum::<f64>() / answers.len() as f64
}
