//! Eight lanes in one AVX register, with AVX2's integers and FMA. Twin of [`super::avx512`] and [`super::portable`].

use super::simd::{Lanes, operators};
use std::arch::x86_64::*;

/// Eight floats.
#[derive(Clone, Copy)]
pub struct F32x8(pub __m256);

operators!(F32x8, Add add _mm256_add_ps, Sub sub _mm256_sub_ps, Mul mul _mm256_mul_ps, Div div _mm256_div_ps);

/// A window of this, `n` before the middle, has its first `n` lanes set.
static FIRST: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

/// The mask of the first `n <= 8` lanes.
#[inline(always)]
unsafe fn first(n: usize) -> __m256i {
    debug_assert!(n <= 8, "a vector has eight lanes");
    unsafe { _mm256_loadu_si256(FIRST.as_ptr().add(8 - n).cast()) }
}

/// 2 to the power of `n`, an integer in -126 ..= 127.
#[inline(always)]
fn exp2i(n: F32x8) -> F32x8 {
    // Safety: a value exists, hence the instruction set does.
    unsafe {
        let n = _mm256_add_epi32(_mm256_cvttps_epi32(n.0), _mm256_set1_epi32(127));
        F32x8(_mm256_castsi256_ps(_mm256_slli_epi32::<23>(n)))
    }
}

// Safety of the bodies: a value exists, hence the instruction set does; pointers as the trait demands.
impl Lanes for F32x8 {
    const N: usize = 8;
    const TILE: usize = 2;
    type Mask = __m256;

    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        Self(unsafe { _mm256_loadu_ps(p) })
    }
    #[inline(always)]
    unsafe fn load_n(p: *const f32, n: usize) -> Self {
        Self(unsafe { _mm256_maskload_ps(p, first(n)) })
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self(unsafe { _mm256_set1_ps(x) })
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        unsafe { _mm256_storeu_ps(p, self.0) }
    }
    #[inline(always)]
    unsafe fn store_n(self, p: *mut f32, n: usize) {
        unsafe { _mm256_maskstore_ps(p, first(n), self.0) }
    }

    /// Pairs of rows are interleaved, then pairs of pairs, then the two 128-bit halves are exchanged.
    #[inline(always)]
    unsafe fn load_bytes(p: *const u8, n: usize) -> Self {
        unsafe {
            let mut bytes = [0u8; 8];
            std::ptr::copy_nonoverlapping(p, bytes.as_mut_ptr(), n);
            let bytes = _mm_loadl_epi64(bytes.as_ptr() as *const __m128i);
            Self(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)))
        }
    }
    #[inline(always)]
    unsafe fn store_bytes(self, p: *mut u8, n: usize) {
        unsafe {
            let whole = _mm256_cvtps_epi32(self.0);
            let (low, high) = (_mm256_castsi256_si128(whole), _mm256_extracti128_si256::<1>(whole));
            let halves = _mm_packus_epi32(low, high);
            let mut bytes = [0u8; 8];
            _mm_storel_epi64(bytes.as_mut_ptr() as *mut __m128i, _mm_packus_epi16(halves, halves));
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), p, n);
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
        unsafe {
            let mut r = [_mm256_setzero_ps(); 8];
            for (i, r) in r.iter_mut().enumerate() {
                if i < rows {
                    *r = Self::load_n(src.add(i * src_pitch), cols).0;
                }
            }
            let mut t = r;
            for i in 0..4 {
                t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
                t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
            }
            for i in 0..2 {
                r[4 * i] = _mm256_shuffle_ps::<0x44>(t[4 * i], t[4 * i + 2]);
                r[4 * i + 1] = _mm256_shuffle_ps::<0xee>(t[4 * i], t[4 * i + 2]);
                r[4 * i + 2] = _mm256_shuffle_ps::<0x44>(t[4 * i + 1], t[4 * i + 3]);
                r[4 * i + 3] = _mm256_shuffle_ps::<0xee>(t[4 * i + 1], t[4 * i + 3]);
            }
            // r[4 i + c] now holds columns c and c + 4 of the rows 4 i .. 4 i + 4.
            for c in 0..4 {
                let (low, high) = (r[c], r[4 + c]);
                if c < cols {
                    let column = _mm256_permute2f128_ps::<0x20>(low, high);
                    Self(column).store_n(dst.add(c * dst_pitch), rows);
                }
                if 4 + c < cols {
                    let column = _mm256_permute2f128_ps::<0x31>(low, high);
                    Self(column).store_n(dst.add((4 + c) * dst_pitch), rows);
                }
            }
        }
    }

    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        Self(unsafe { _mm256_fmadd_ps(self.0, b.0, c.0) })
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(unsafe { _mm256_sqrt_ps(self.0) })
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Self(unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0) })
    }
    #[inline(always)]
    fn floor(self) -> Self {
        Self(unsafe { _mm256_floor_ps(self.0) })
    }
    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        unsafe {
            let s = _mm256_set1_ps(-0.0);
            Self(_mm256_or_ps(_mm256_andnot_ps(s, self.0), _mm256_and_ps(s, sign.0)))
        }
    }
    /// Two factors, because 2^128 is no float.
    #[inline(always)]
    fn scale2(self, n: Self) -> Self {
        let half = (n * 0.5).floor();
        self * exp2i(half) * exp2i(n - half)
    }
    #[inline(always)]
    fn exponent(self) -> Self {
        unsafe {
            let e = _mm256_srli_epi32::<23>(_mm256_castps_si256(self.0));
            Self(_mm256_cvtepi32_ps(_mm256_sub_epi32(e, _mm256_set1_epi32(127))))
        }
    }
    #[inline(always)]
    fn mantissa(self) -> Self {
        unsafe {
            let m = _mm256_and_si256(_mm256_castps_si256(self.0), _mm256_set1_epi32(0x007f_ffff));
            Self(_mm256_castsi256_ps(_mm256_or_si256(m, _mm256_set1_epi32(0x3f80_0000))))
        }
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        unsafe {
            let x = _mm_add_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
            let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps::<1>(x, x)))
        }
    }

    #[inline(always)]
    fn lt(self, b: Self) -> __m256 {
        unsafe { _mm256_cmp_ps::<_CMP_LT_OQ>(self.0, b.0) }
    }
    #[inline(always)]
    fn is_nan(self) -> __m256 {
        unsafe { _mm256_cmp_ps::<_CMP_UNORD_Q>(self.0, self.0) }
    }
    #[inline(always)]
    fn is_set(self) -> __m256 {
        unsafe { _mm256_cmp_ps::<_CMP_NEQ_UQ>(self.0, _mm256_setzero_ps()) }
    }
    #[inline(always)]
    fn pick(mask: __m256, a: Self, b: Self) -> Self {
        Self(unsafe { _mm256_blendv_ps(b.0, a.0, mask) })
    }
    #[inline(always)]
    fn max_nan(self, b: Self) -> Self {
        // The instruction gives `b` on ties and if either is NaN; only a NaN in `self` is left to keep.
        Self::pick(self.is_nan(), self, Self(unsafe { _mm256_max_ps(self.0, b.0) }))
    }
}
