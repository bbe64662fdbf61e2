//! Lanes: a handful of `f32` that are added, multiplied and compared together. Every cpu kernel is
//! written once over this trait and compiled for each instruction set: AVX-512 (16 lanes), AVX2 with
//! FMA (8), plain arrays (8, left to the compiler), and one `f32` as the reference of them all.
//!
//! A kernel is an `#[inline(always)]` generic function below a `#[target_feature]` wrapper that
//! `dispatch!` writes. Never a closure or a callback in between: those are not inlined into the
//! wrapper, and every operation becomes a function call (measured: 15 instead of 230 GFLOP/s).

use std::ops::{Add, Div, Mul, Sub};

/// `N` floats side by side. Making a value (`load`, `splat`) is unsafe: the caller promises that the
/// processor has the instructions. Holding a value is the proof, so everything else is safe.
///
/// The operators with `f32` use the same number in all lanes. None is ever fused: only [`fma`](Self::fma) is.
pub trait Lanes:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Add<f32, Output = Self>
    + Sub<f32, Output = Self>
    + Mul<f32, Output = Self>
{
    /// Number of lanes.
    const N: usize;
    /// Vectors in one row of a register tile: with 6 rows, accumulators, one row of weights and a
    /// broadcast fit the registers (CPU-bound loops: 6 x 4 of 32, 6 x 2 of 16, 6 x 1 of 2 x 8 halves).
    const TILE: usize;
    /// One answer per lane.
    type Mask: Copy;

    /// # Safety
    /// `p` is readable for `N` floats (any alignment); the instruction set is there.
    unsafe fn load(p: *const f32) -> Self;
    /// The first `n <= N` lanes from memory, zeros in the others; nothing beyond is touched.
    /// # Safety
    /// `p` is readable for `n` floats; the instruction set is there.
    unsafe fn load_n(p: *const f32, n: usize) -> Self;
    /// # Safety
    /// The instruction set is there.
    unsafe fn splat(x: f32) -> Self;
    /// # Safety
    /// `p` is writable for `N` floats.
    unsafe fn store(self, p: *mut f32);
    /// The first `n <= N` lanes; nothing beyond is touched.
    /// # Safety
    /// `p` is writable for `n` floats.
    unsafe fn store_n(self, p: *mut f32, n: usize);
    /// `n <= N` bytes as numbers, zeros in the other lanes.
    /// # Safety
    /// `p` is readable for `n` bytes; the instruction set is there.
    #[inline(always)]
    unsafe fn load_bytes(p: *const u8, n: usize) -> Self {
        let mut lanes = [0.0f32; 16];
        for (i, lane) in lanes.iter_mut().enumerate().take(n.min(Self::N)) {
            *lane = unsafe { *p.add(i) } as f32;
        }
        unsafe { Self::load(lanes.as_ptr()) }
    }
    /// The first `n <= N` lanes, whole numbers from 0 to 127, as bytes.
    /// # Safety
    /// `p` is writable for `n` bytes.
    #[inline(always)]
    unsafe fn store_bytes(self, p: *mut u8, n: usize) {
        let mut lanes = [0.0f32; 16];
        unsafe { self.store(lanes.as_mut_ptr()) };
        for (i, lane) in lanes.iter().enumerate().take(n.min(Self::N)) {
            unsafe { *p.add(i) = *lane as u8 };
        }
    }
    /// The block of `rows` x `cols` (each at most `N`) at `src`, rows `src_pitch` apart, to `dst`, rows and
    /// columns exchanged; nothing else is touched.
    /// # Safety
    /// Both blocks lie in memory and do not overlap; the instruction set is there.
    unsafe fn transpose(
        src: *const f32,
        src_pitch: usize,
        dst: *mut f32,
        dst_pitch: usize,
        rows: usize,
        cols: usize,
    );

    /// The same number in all lanes.
    #[inline(always)]
    fn like(self, x: f32) -> Self {
        // Safety: `self` exists, so the instruction set does.
        unsafe { Self::splat(x) }
    }

    /// `self * b + c`, rounded once where the processor can, twice on the portable path.
    fn fma(self, b: Self, c: Self) -> Self;
    fn sqrt(self) -> Self;
    fn abs(self) -> Self;
    /// The largest integer not above.
    fn floor(self) -> Self;
    /// The magnitude of `self` with the sign of `sign`.
    fn copysign(self, sign: Self) -> Self;
    /// `self` times 2 to the power of `n`, an integer in -252 ..= 254 (else some number; NaN stays).
    fn scale2(self, n: Self) -> Self;
    /// The exponent of a positive normal number: floor(log2(self)).
    fn exponent(self) -> Self;
    /// A positive normal number without its exponent: in [1, 2).
    fn mantissa(self) -> Self;
    /// The sum of all lanes, always in the same order: halves are added to halves.
    fn sum(self) -> f32;

    /// `self < b`; false where either is NaN.
    fn lt(self, b: Self) -> Self::Mask;
    fn is_nan(self) -> Self::Mask;
    /// `self != 0`; NaN counts as not zero.
    fn is_set(self) -> Self::Mask;
    /// `a` where the mask holds, else `b`.
    fn pick(mask: Self::Mask, a: Self, b: Self) -> Self;

    /// The larger one; NaN if either is NaN; `b` on ties (so `max_nan(x, 0)` of -0 is +0).
    #[inline(always)]
    fn max_nan(self, b: Self) -> Self {
        Self::pick(self.is_nan(), self, Self::pick(self.lt(b), b, Self::pick(b.lt(self), self, b)))
    }

    /// 1 where `self < b`, else 0.
    #[inline(always)]
    fn less(self, b: Self) -> Self {
        Self::pick(self.lt(b), self.like(1.0), self.like(0.0))
    }

    /// `a` where `self` is not 0 (or NaN), else `b`.
    #[inline(always)]
    fn select(self, a: Self, b: Self) -> Self {
        Self::pick(self.is_set(), a, b)
    }
}

/// A vector, or its first `n` lanes.
///
/// # Safety
/// As [`Lanes::load_n`].
#[inline(always)]
pub unsafe fn load<L: Lanes>(p: *const f32, n: usize) -> L {
    unsafe { if n == L::N { L::load(p) } else { L::load_n(p, n) } }
}

/// Stores a vector, or its first `n` lanes.
///
/// # Safety
/// As [`Lanes::store_n`].
#[inline(always)]
pub unsafe fn store<L: Lanes>(x: L, p: *mut f32, n: usize) {
    unsafe { if n == L::N { x.store(p) } else { x.store_n(p, n) } }
}

/// Writes `+ - * /` with itself and `+ - *` with `f32` for a vector type from its four functions.
macro_rules! operators {
    ($V:ty, $($Op:ident $op:ident $f:path),+) => { $(
        impl std::ops::$Op for $V {
            type Output = Self;
            #[inline(always)]
            fn $op(self, b: Self) -> Self {
                // Safety: both values exist, so the instruction set does.
                #[allow(unused_unsafe)]
                Self(unsafe { $f(self.0, b.0) })
            }
        }
        impl std::ops::$Op<f32> for $V {
            type Output = Self;
            #[inline(always)]
            fn $op(self, b: f32) -> Self {
                std::ops::$Op::$op(self, $crate::exec::cpu::simd::Lanes::like(self, b))
            }
        }
    )+ };
}
pub(crate) use operators;

/// Writes `pub unsafe fn NAME(isa, ...)` that runs `BODY::<L>(...)` compiled for that instruction set.
/// The body must be `#[inline(always)]`.
macro_rules! dispatch {
    ($( $(#[$doc:meta])* $vis:vis fn $name:ident($($x:ident: $t:ty),* $(,)?) $(-> $r:ty)? = $body:ident; )+) => { $(
        $(#[$doc])*
        ///
        /// # Safety
        /// The pointers reach as far as the sizes say, and the processor has `isa`.
        #[inline]
        $vis unsafe fn $name(isa: $crate::exec::cpu::isa::Isa, $($x: $t),*) $(-> $r)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            unsafe fn wide($($x: $t),*) $(-> $r)? {
                unsafe { $body::<$crate::exec::cpu::avx512::F32x16>($($x),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn narrow($($x: $t),*) $(-> $r)? {
                unsafe { $body::<$crate::exec::cpu::avx2::F32x8>($($x),*) }
            }
            // Out of line: inlined, it would burden every caller with a body that hardly anyone runs.
            #[inline(never)]
            unsafe fn plain($($x: $t),*) $(-> $r)? {
                unsafe { $body::<$crate::exec::cpu::portable::P8>($($x),*) }
            }
            unsafe {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    $crate::exec::cpu::isa::Isa::Avx512 => wide($($x),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::exec::cpu::isa::Isa::Avx2 => narrow($($x),*),
                    _ => plain($($x),*),
                }
            }
        }
    )+ };
}
pub(crate) use dispatch;
