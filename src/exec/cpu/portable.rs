//! Lanes without intrinsics: an array of eight, which the compiler turns into what the target has, and
//! one `f32` alone. Runs on every processor Rust knows. Twin of [`super::avx512`] and [`super::avx2`].

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
    /// The scalar instance, lane by lane.
    #[inline(always)]
    fn map(self, f: impl Fn(f32) -> f32) -> Self {
        let mut out = self;
        for x in &mut out.0 {
            *x = f(*x);
        }
        out
    }

    #[inline(always)]
    fn ask(self, b: Self, f: impl Fn(f32, f32) -> bool) -> [bool; 8] {
        let mut out = [false; 8];
        for i in 0..8 {
            out[i] = f(self.0[i], b.0[i]);
        }
        out
    }
}

impl Lanes for P8 {
    const N: usize = 8;
    const TILE: usize = 1;
    type Mask = [bool; 8];

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
    unsafe fn transpose(src: *const f32, src_pitch: usize, dst: *mut f32, dst_pitch: usize) {
        for c in 0..8 {
            for r in 0..8 {
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
    fn exp2i(self) -> Self {
        self.map(Lanes::exp2i)
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
    fn lt(self, b: Self) -> [bool; 8] {
        self.ask(b, |a, b| a < b)
    }
    #[inline(always)]
    fn is_nan(self) -> [bool; 8] {
        self.ask(self, |a, _| a.is_nan())
    }
    #[inline(always)]
    fn is_set(self) -> [bool; 8] {
        self.ask(self, |a, _| a != 0.0)
    }
    #[inline(always)]
    fn pick(mask: [bool; 8], a: Self, b: Self) -> Self {
        let mut out = a;
        for i in 0..8 {
            out.0[i] = if mask[i] { a.0[i] } else { b.0[i] };
        }
        out
    }
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
    unsafe fn transpose(src: *const f32, _: usize, dst: *mut f32, _: usize) {
        unsafe { *dst = *src }
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
        let down = self as i32 as f32;
        if self < down { down - 1.0 } else { down }
    }
    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        f32::copysign(self, sign)
    }
    #[inline(always)]
    fn exp2i(self) -> Self {
        f32::from_bits((((self as i32).wrapping_add(127)) << 23) as u32)
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
