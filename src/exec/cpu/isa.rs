//! Which instruction set the kernels use: chosen once when the program runs, so that one binary serves
//! every processor. `METATAPE_SIMD=avx512|avx2|portable` forces one, to measure and to test.

use crate::error::{Error, Result};

/// An instruction set. Kernels take it as their first argument and never ask the processor again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isa {
    /// AVX-512 F, BW, DQ, VL: 16 lanes, 32 registers.
    Avx512,
    /// AVX2 and FMA: 8 lanes, 16 registers.
    Avx2,
    /// What the compiler makes of plain Rust.
    Portable,
}

impl Isa {
    /// All of them, the fastest first.
    pub const ALL: [Isa; 3] = [Isa::Avx512, Isa::Avx2, Isa::Portable];

    /// The name that `METATAPE_SIMD` takes.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Avx512 => "avx512",
            Isa::Avx2 => "avx2",
            Isa::Portable => "portable",
        }
    }

    /// Whether this processor can run it.
    pub fn is_supported(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && Isa::Avx2.is_supported()
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Isa::Portable => true,
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// Those this processor can run, the fastest first; never empty.
    pub fn supported() -> Vec<Isa> {
        Self::ALL.into_iter().filter(|isa| isa.is_supported()).collect()
    }

    /// The fastest one, or the one that `METATAPE_SIMD` names. Fails where that is unknown or missing here.
    pub fn choose() -> Result<Isa> {
        match std::env::var_os("METATAPE_SIMD") {
            None => Ok(Self::supported()[0]),
            Some(name) => Self::named(&name.to_string_lossy()),
        }
    }

    /// By name, as in `METATAPE_SIMD`.
    pub fn named(name: &str) -> Result<Isa> {
        let here = || Self::supported().iter().map(|isa| isa.name()).collect::<Vec<_>>().join(", ");
        let Some(isa) = Self::ALL.into_iter().find(|isa| isa.name() == name) else {
            return Err(Error::input(format!(
                "METATAPE_SIMD = \"{name}\" is unknown; this processor has: {}",
                here()
            )));
        };
        if !isa.is_supported() {
            return Err(Error::input(format!(
                "METATAPE_SIMD = \"{name}\" is missing on this processor; it has: {}",
                here()
            )));
        }
        Ok(isa)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_instruction_set_is_refused_in_one_line() {
        let why = Isa::named("sse9").unwrap_err().to_string();
        assert!(why.contains("sse9") && why.contains("portable") && !why.contains('\n'), "{why}");
        assert_eq!(Isa::named("portable").unwrap(), Isa::Portable);
    }

    #[test]
    fn the_portable_path_is_always_there_and_last() {
        assert_eq!(Isa::supported().last(), Some(&Isa::Portable));
    }
}
