//! Executors: who runs a plan.

pub mod cpu;
