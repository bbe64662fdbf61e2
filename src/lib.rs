//! metatape: a tape whose gradients are tape again, and what is built on it.

pub mod bench;
pub mod check;
pub mod cli;
pub mod data;
pub mod error;
pub mod exec;
pub mod experiment;
pub mod loss;
pub mod math;
pub mod meta;
pub mod nn;
pub mod op;
pub mod optim;
pub mod plan;
pub mod random;
pub mod recipe;
pub mod report;
pub mod run;
pub mod shape;
pub mod tape;
