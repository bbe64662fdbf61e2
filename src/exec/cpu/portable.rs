//! Lanes without intrinsics: an array of eight, which the compiler turns into what the target has, and
//! one `f32` alone. Runs on every processor Rust knows. Twin of [`super::avx512`] and [`super::avx2`].

// The index names a lane, the same one in every array.
#![allow(clippy::needless_range_loop)]

use super::simd::{Lanes, operators};

/// Eight floats.
#[derive(Clone, Copy)]
#[repr(align(32))]
pub struct P8([f32; 8]);

macro_rules! each {
    ($($f:ident = $op:tt),+) => { $(
        #[inline(always)]
        fn $f(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
            let mut out = a;
            for i in 0..8 { out[i] = a[i] $op b[i]; }
            out
        }
    )+ };
}
each!(plus = +, minus = -, times = *, over = /);
operators!(P8, Add add plus, Sub sub minus, Mul mul times, Div div over);

impl P8 {
    /// Lane by lane. A closure is inlined here: no wrapper with other features stands around it.
    #[inline(always)]
    fn map(self, f: impl Fn(f32) -> f32) -> Self {
        let mut out = self;
        for x in &mut out.0 {
            *x = f(*x);
        }
        out
    }

    /// All bits of a lane where `f` holds: booleans would not stay in vector registers.
    #[inline(always)]
    fn ask(self, b: Self, f: impl Fn(f32, f32) -> bool) -> [u32; 8] {
        let mut out = [0; 8];
        for i in 0..8 {
            out[i] = if f(self.0[i], b.0[i]) { u32::MAX } else { 0 };
        }
        out
    }
}

impl Lanes for P8 {
    const N: usize = 8;
    const TILE: usize = 1;
    type Mask = [u32; 8];

    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        Self(unsafe { p.cast::<[f32; 8]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn load_n(p: *const f32, n: usize) -> Self {
        let mut out = [0.0; 8];
        for (i, out) in out.iter_mut().enumerate().take(n) {
            *out = unsafe { *p.add(i) };
        }
        Self(out)
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self([x; 8])
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        unsafe { p.cast::<[f32; 8]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn store_n(self, p: *mut f32, n: usize) {
        for (i, x) in self.0.iter().enumerate().take(n) {
            unsafe { *p.add(i) = *x };
        }
    }
    #[inline(always)]
    unsafe fn transpose(
        src: *const f32,
        src_pitch: usize,
        dst: *mut f32,
        dst_pitch: usize,
        rows: usize,
        cols: usize,
    ) {
        for c in 0..cols {
            for r in 0..rows {
                unsafe { *dst.add(c * dst_pitch + r) = *src.add(r * src_pitch + c) };
            }
        }
    }

    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        let mut out = self;
        for i in 0..8 {
            out.0[i] = self.0[i].fma(b.0[i], c.0[i]);
        }
        out
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        self.map(f32::sqrt)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        self.map(f32::abs)
    }
    #[inline(always)]
    fn floor(self) -> Self {
        self.map(Lanes::floor)
    }
    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        let mut out = self;
        for i in 0..8 {
            out.0[i] = self.0[i].copysign(sign.0[i]);
        }
        out
    }
    #[inline(always)]
    fn scale2(self, n: Self) -> Self {
        let mut out = self;
        for i in 0..8 {
            out.0[i] = self.0[i].scale2(n.0[i]);
        }
        out
    }
    #[inline(always)]
    fn exponent(self) -> Self {
        self.map(Lanes::exponent)
    }
    #[inline(always)]
    fn mantissa(self) -> Self {
        self.map(Lanes::mantissa)
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        let x = self.0;
        let [a, b, c, d] = [x[0] + x[4], x[1] + x[5], x[2] + x[6], x[3] + x[7]];
        (a + c) + (b + d)
    }

    #[inline(always)]
    fn lt(self, b: Self) -> [u32; 8] {
        self.ask(b, |a, b| a < b)
    }
    #[inline(always)]
    fn is_nan(self) -> [u32; 8] {
        self.ask(self, |a, _| a.is_nan())
    }
    #[inline(always)]
    fn is_set(self) -> [u32; 8] {
        self.ask(self, |a, _| a != 0.0)
    }
    #[inline(always)]
    fn pick(mask: [u32; 8], a: Self, b: Self) -> Self {
        let mut out = a;
        for i in 0..8 {
            out.0[i] = f32::from_bits((a.0[i].to_bits() & mask[i]) | (b.0[i].to_bits() & !mask[i]));
        }
        out
    }
}

/// 2 to the power of `n`, an integer in -126 ..= 127.
#[inline(always)]
fn exp2i(n: f32) -> f32 {
    f32::from_bits((to_int(n).wrapping_add(127) << 23) as u32)
}

/// From here on every float is an integer.
const WHOLE: f32 = 8388608.0;
/// The bits of 1.
const ONE: u32 = 1f32.to_bits();

/// The integer part of |x| < 2^31, 0 beyond. Not `as`: what it does beyond keeps it from being a vector.
#[inline(always)]
fn to_int(x: f32) -> i32 {
    let inside = if f32::abs(x) < 2147483648.0 { u32::MAX } else { 0 };
    // Safety: the number is below 2^31 in magnitude; NaN failed the comparison and became 0.
    unsafe { f32::from_bits(x.to_bits() & inside).to_int_unchecked() }
}

/// One lane: what the others are compared with, and what `math` uses for single numbers.
impl Lanes for f32 {
    const N: usize = 1;
    const TILE: usize = 1;
    type Mask = bool;

    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        unsafe { *p }
    }
    #[inline(always)]
    unsafe fn load_n(p: *const f32, n: usize) -> Self {
        if n == 0 { 0.0 } else { unsafe { *p } }
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        x
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        unsafe { *p = self }
    }
    #[inline(always)]
    unsafe fn store_n(self, p: *mut f32, n: usize) {
        if n > 0 {
            unsafe { *p = self }
        }
    }
    #[inline(always)]
    unsafe fn transpose(
        src: *const f32,
        _: usize,
        dst: *mut f32,
        _: usize,
        rows: usize,
        cols: usize,
    ) {
        if rows * cols > 0 {
            unsafe { *dst = *src }
        }
    }

    /// Fused only where the target always has the instruction: elsewhere it would be a library call.
    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
            self.mul_add(b, c)
        } else {
            self * b + c
        }
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        f32::abs(self)
    }
    /// By integers: without SSE4.1 the library's `floor` is a call, and eight of them are no vector.
    #[inline(always)]
    fn floor(self) -> Self {
        let down = to_int(self) as f32;
        let floor = down - f32::from_bits(ONE & if self < down { u32::MAX } else { 0 });
        let inside = if f32::abs(self) < WHOLE { u32::MAX } else { 0 };
        f32::from_bits((floor.to_bits() & inside) | (self.to_bits() & !inside))
    }
    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        f32::copysign(self, sign)
    }
    /// Two factors, because 2^128 is no float.
    #[inline(always)]
    fn scale2(self, n: Self) -> Self {
        let half = Lanes::floor(n * 0.5);
        self * exp2i(half) * exp2i(n - half)
    }
    #[inline(always)]
    fn exponent(self) -> Self {
        ((self.to_bits() >> 23) as i32 - 127) as f32
    }
    #[inline(always)]
    fn mantissa(self) -> Self {
        f32::from_bits((self.to_bits() & 0x007f_ffff) | 0x3f80_0000)
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        self
    }

    #[inline(always)]
    fn lt(self, b: Self) -> bool {
        self < b
    }
    #[inline(always)]
    fn is_nan(self) -> bool {
        f32::is_nan(self)
    }
    #[inline(always)]
    fn is_set(self) -> bool {
        self != 0.0
    }
    #[inline(always)]
    fn pick(mask: bool, a: Self, b: Self) -> Self {
        if mask { a } else { b }
    }
}
