//! Sixteen lanes in one AVX-512 register. Twin of [`super::avx2`] and [`super::portable`].

use super::simd::{Lanes, operators};
use std::arch::x86_64::*;

/// Sixteen floats.
#[derive(Clone, Copy)]
pub struct F32x16(pub __m512);

operators!(F32x16, Add add _mm512_add_ps, Sub sub _mm512_sub_ps, Mul mul _mm512_mul_ps, Div div _mm512_div_ps);

/// The mask of the first `n` lanes.
#[inline(always)]
fn first(n: usize) -> __mmask16 {
    ((1u32 << n) - 1) as __mmask16
}

// Safety of the bodies: a value exists, hence the instruction set does; pointers as the trait demands.
impl Lanes for F32x16 {
    const N: usize = 16;
    const TILE: usize = 4;
    type Mask = __mmask16;

    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        Self(unsafe { _mm512_loadu_ps(p) })
    }
    #[inline(always)]
    unsafe fn load_n(p: *const f32, n: usize) -> Self {
        Self(unsafe { _mm512_maskz_loadu_ps(first(n), p) })
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self(unsafe { _mm512_set1_ps(x) })
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        unsafe { _mm512_storeu_ps(p, self.0) }
    }
    #[inline(always)]
    unsafe fn store_n(self, p: *mut f32, n: usize) {
        unsafe { _mm512_mask_storeu_ps(p, first(n), self.0) }
    }

    #[inline(always)]
    unsafe fn load_bytes(p: *const u8, n: usize) -> Self {
        unsafe {
            let bytes = _mm_maskz_loadu_epi8(first(n), p as *const i8);
            Self(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes)))
        }
    }
    #[inline(always)]
    unsafe fn store_bytes(self, p: *mut u8, n: usize) {
        unsafe {
            _mm512_mask_cvtepi32_storeu_epi8(p as *mut i8, first(n), _mm512_cvtps_epi32(self.0))
        }
    }

    /// Pairs of rows are interleaved, then pairs of pairs, then the four 128-bit lanes are exchanged.
    #[inline(always)]
    unsafe fn transpose(
        src: *const f32,
        src_pitch: usize,
        dst: *mut f32,
        dst_pitch: usize,
        rows: usize,
        cols: usize,
    ) {
        if rows.is_multiple_of(4) && cols.is_multiple_of(4) {
            return unsafe { transpose_quads(src, src_pitch, dst, dst_pitch, rows, cols) };
        }
        unsafe {
            let mut r = [_mm512_setzero_ps(); 16];
            for (i, r) in r.iter_mut().enumerate() {
                if i < rows {
                    *r = Self::load_n(src.add(i * src_pitch), cols).0;
                }
            }
            let mut t = [_mm512_setzero_pd(); 16];
            for i in 0..8 {
                t[2 * i] = _mm512_castps_pd(_mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]));
                t[2 * i + 1] = _mm512_castps_pd(_mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]));
            }
            for i in 0..4 {
                r[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(t[4 * i], t[4 * i + 2]));
                r[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(t[4 * i], t[4 * i + 2]));
                r[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(t[4 * i + 1], t[4 * i + 3]));
                r[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(t[4 * i + 1], t[4 * i + 3]));
            }
            // r[4 i + c] now holds columns c, c + 4, c + 8, c + 12 of the rows 4 i .. 4 i + 4.
            for c in 0..4 {
                let even = _mm512_shuffle_f32x4::<0x88>(r[c], r[4 + c]);
                let odd = _mm512_shuffle_f32x4::<0xdd>(r[c], r[4 + c]);
                let even2 = _mm512_shuffle_f32x4::<0x88>(r[8 + c], r[12 + c]);
                let odd2 = _mm512_shuffle_f32x4::<0xdd>(r[8 + c], r[12 + c]);
                let columns = [
                    _mm512_shuffle_f32x4::<0x88>(even, even2),
                    _mm512_shuffle_f32x4::<0x88>(odd, odd2),
                    _mm512_shuffle_f32x4::<0xdd>(even, even2),
                    _mm512_shuffle_f32x4::<0xdd>(odd, odd2),
                ];
                for (k, column) in columns.into_iter().enumerate() {
                    if 4 * k + c < cols {
                        Self(column).store_n(dst.add((4 * k + c) * dst_pitch), rows);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        Self(unsafe { _mm512_fmadd_ps(self.0, b.0, c.0) })
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(unsafe { _mm512_sqrt_ps(self.0) })
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Self(unsafe { _mm512_abs_ps(self.0) })
    }
    #[inline(always)]
    fn floor(self) -> Self {
        Self(unsafe {
            _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(self.0)
        })
    }
    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        unsafe {
            let s = _mm512_set1_ps(-0.0);
            Self(_mm512_or_ps(_mm512_andnot_ps(s, self.0), _mm512_and_ps(s, sign.0)))
        }
    }
    #[inline(always)]
    fn scale2(self, n: Self) -> Self {
        Self(unsafe { _mm512_scalef_ps(self.0, n.0) })
    }
    #[inline(always)]
    fn exponent(self) -> Self {
        unsafe {
            let e = _mm512_srli_epi32::<23>(_mm512_castps_si512(self.0));
            Self(_mm512_cvtepi32_ps(_mm512_sub_epi32(e, _mm512_set1_epi32(127))))
        }
    }
    #[inline(always)]
    fn mantissa(self) -> Self {
        unsafe {
            let m = _mm512_and_si512(_mm512_castps_si512(self.0), _mm512_set1_epi32(0x007f_ffff));
            Self(_mm512_castsi512_ps(_mm512_or_si512(m, _mm512_set1_epi32(0x3f80_0000))))
        }
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        unsafe { _mm512_reduce_add_ps(self.0) }
    }

    #[inline(always)]
    fn lt(self, b: Self) -> __mmask16 {
        unsafe { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, b.0) }
    }
    #[inline(always)]
    fn is_nan(self) -> __mmask16 {
        unsafe { _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(self.0, self.0) }
    }
    #[inline(always)]
    fn is_set(self) -> __mmask16 {
        unsafe { _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(self.0, _mm512_setzero_ps()) }
    }
    #[inline(always)]
    fn pick(mask: __mmask16, a: Self, b: Self) -> Self {
        Self(unsafe { _mm512_mask_blend_ps(mask, b.0, a.0) })
    }
    #[inline(always)]
    fn max_nan(self, b: Self) -> Self {
        // The instruction gives `b` on ties and if either is NaN; only a NaN in `self` is left to keep.
        Self::pick(self.is_nan(), self, Self(unsafe { _mm512_max_ps(self.0, b.0) }))
    }
}

/// A transpose in blocks of 4 columns: their 4 × 4 numbers are brought side by side by the loads, which leaves half of the
/// shuffles. Those all wait for one port: 64 of them for 16 × 16 numbers are as long as 16 × 16 × 8 multiply-adds.
#[inline(always)]
unsafe fn transpose_quads(
    src: *const f32,
    src_pitch: usize,
    dst: *mut f32,
    dst_pitch: usize,
    rows: usize,
    cols: usize,
) {
    unsafe {
        for left in (0..cols).step_by(4) {
            let mut v = [_mm512_setzero_ps(); 4];
            for (i, v) in v.iter_mut().enumerate() {
                // Rows i, i + 4, i + 8, i + 12.
                let four = |k: usize| _mm_loadu_ps(src.add((4 * k + i) * src_pitch + left));
                *v = _mm512_castps128_ps512(four(0));
                if rows > 4 {
                    *v = _mm512_insertf32x4::<1>(*v, four(1));
                }
                if rows > 8 {
                    *v = _mm512_insertf32x4::<2>(*v, four(2));
                }
                if rows > 12 {
                    *v = _mm512_insertf32x4::<3>(*v, four(3));
                }
            }
            let low = |a, b| _mm512_castps_pd(_mm512_unpacklo_ps(a, b));
            let high = |a, b| _mm512_castps_pd(_mm512_unpackhi_ps(a, b));
            let (t, u) = ([low(v[0], v[1]), low(v[2], v[3])], [high(v[0], v[1]), high(v[2], v[3])]);
            let columns = [
                _mm512_unpacklo_pd(t[0], t[1]),
                _mm512_unpackhi_pd(t[0], t[1]),
                _mm512_unpacklo_pd(u[0], u[1]),
                _mm512_unpackhi_pd(u[0], u[1]),
            ];
            for (k, column) in columns.into_iter().enumerate() {
                let to = dst.add((left + k) * dst_pitch);
                F32x16(_mm512_castpd_ps(column)).store_n(to, rows);
            }
        }
    }
}
