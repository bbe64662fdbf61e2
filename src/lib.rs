//! metatape: a tape whose gradients are tape again, and what is built on it.

pub mod cli;
pub mod error;
pub mod recipe;
pub mod report;
pub mod run;
pub mod shape;
