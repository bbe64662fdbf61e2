//! The `cpu` executor: kernels on a small SIMD trait, one thin layer of `unsafe` below everything.

// Kernels take pointers, pitches and sizes; a struct for each would be read once and filled everywhere.
#![allow(clippy::too_many_arguments)]

#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(target_arch = "x86_64")]
pub mod avx512;
pub mod block;
pub mod conv;
pub mod copy;
pub mod isa;
pub mod kernels;
pub mod matmul;
pub mod measure;
pub mod portable;
pub mod simd;
pub mod sums;
