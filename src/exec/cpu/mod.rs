//! The `cpu` executor: workers that each run whole segments for their own tasks.
//!
//! `run.rs` is the idea, `ready.rs` what it needs first: `code.rs`, `sweep.rs` and `product.rs` turn a plan's kernels into
//! calls. `visit.rs` runs sweeps, the rest is kernels on a small SIMD trait (`simd.rs`) with three instances chosen at run time.

// Kernels take pointers, pitches and sizes; a struct for each would be read once and filled everywhere.
#![allow(clippy::too_many_arguments)]

mod assemble;
#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(target_arch = "x86_64")]
pub mod avx512;
pub mod block;
mod choose;
mod code;
pub mod conv;
pub mod copy;
pub mod isa;
pub mod kernels;
pub mod matmul;
pub mod measure;
mod pool;
pub mod portable;
mod product;
mod profile;
mod ready;
mod run;
pub mod simd;
mod storage;
pub mod sums;
mod sweep;
mod table;
mod thin;
mod tiles;
mod tree;
mod visit;

pub use profile::Share;
pub use run::Cpu;
