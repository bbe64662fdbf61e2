//! The `gpu` executor: a plan's kernels as dispatches of the WGSL files in shaders/, through wgpu.
//!
//! `sweep.rs`, `contract.rs` and `choose.rs` turn kernels into launches (text, parameters, grid) without
//! a device; `assemble.rs` makes the texts. `device.rs` finds an adapter and keeps its pipelines,
//! `program.rs` runs a plan there, `selftest.rs` has each shader prove itself before its first use.

pub mod assemble;
pub mod choose;
pub mod contract;
pub mod launch;
pub mod sweep;
