//! The transfer doctor: which of several tasks on one trunk help or hurt which, how sure is that, what to do?
//!
//! [`affinity`] writes the measurement on the tape (gradient cosines, and TAG's look-ahead), [`Measurements`]
//! gathers repeated ones with their intervals, [`advise`] says in plain language what follows from them, or nothing
//! where chance would explain it. Whether advice is good shows only in training with and without it.

mod advice;
pub mod affinity;
mod interval;
mod measurements;

pub use advice::{Advice, Finding, advise};
pub use affinity::{Affinity, Reading, look_ahead};
pub use interval::Interval;
pub use measurements::Measurements;
