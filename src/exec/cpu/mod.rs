//! The `cpu` executor: kernels on a small SIMD trait, one thin layer of `unsafe` below everything.

#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(target_arch = "x86_64")]
pub mod avx512;
pub mod isa;
pub mod portable;
pub mod simd;
