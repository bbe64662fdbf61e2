//! metatape: a tape whose gradients are tape again, and what is built on it.

pub mod cli;
pub mod data;
pub mod error;
pub mod exec;
pub mod math;
pub mod op;
pub mod plan;
pub mod random;
pub mod recipe;
pub mod report;
pub mod run;
pub mod shape;
pub mod tape;
