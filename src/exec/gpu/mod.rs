//! The `gpu` executor: a plan's kernels as dispatches of the WGSL files in shaders/, through wgpu.
//!
//! `sweep.rs`, `contract.rs` and `choose.rs` turn kernels into launches (text, parameters, grid) without
//! a device, `lower.rs` a whole plan; `assemble.rs` makes the texts. `device.rs` finds an adapter and keeps its pipelines,
//! `program.rs` runs a plan there, `selftest.rs` has each shader prove itself before its first use.

pub mod assemble;
pub mod choose;
pub mod contract;
mod device;
pub mod launch;
pub mod lower;
pub mod program;
pub mod selftest;
pub mod sweep;

pub use assemble::{Fault, with_fault};
pub use device::{Adapter, Gpu, adapters, automatic, choose as choose_adapter, open};
pub use program::GpuProgram;
