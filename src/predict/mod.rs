//! What a finished model says of one's own pictures, and how it learns new classes from a few of them.
//!
//! A [`Model`] is the file that a run leaves: weights, and a [`Card`] that says what network they are of and what its
//! answers mean. A [`Predictor`] is its program for one picture at a time. [`adapt()`] is a new head, or new labels for
//! an old one, from a support set; it gives a model again.

pub mod adapt;
mod answer;
mod card;
mod latency;
mod model;
mod page;
mod predictor;

pub use adapt::{Adapted, adapt};
pub use answer::Answer;
pub use card::Card;
pub use latency::Latency;
pub use model::{MOST_MEMORY, Model};
pub use page::{Page, overlay};
pub use predictor::{Prediction, Predictor, input};
