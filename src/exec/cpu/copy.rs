//! Copies that change the order: any strides to rows of lanes. Permutes, transposes, the packing of a
//! product's operands.

use super::simd::{Lanes, dispatch};

/// A transpose in squares of a vector each way, the ends of rows and lanes in smaller blocks.
#[inline(always)]
unsafe fn turn<L: Lanes>(
    dst: *mut f32,
    dst_pitch: usize,
    src: *const f32,
    src_pitch: usize,
    rows: usize,
    lanes: usize,
) {
    for l in (0..lanes).step_by(L::N) {
        let n = (lanes - l).min(L::N);
        for r in (0..rows).step_by(L::N) {
            let m = (rows - r).min(L::N);
            unsafe {
                let (from, to) = (src.add(l * src_pitch + r), dst.add(r * dst_pitch + l));
                if n == L::N && m == L::N {
                    // The same call; known sizes let the compiler drop all masks.
                    L::transpose(from, src_pitch, to, dst_pitch, L::N, L::N);
                } else {
                    L::transpose(from, src_pitch, to, dst_pitch, n, m);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn any<L: Lanes>(
    dst: *mut f32,
    dst_pitch: usize,
    src: *const f32,
    row_stride: isize,
    lane_stride: isize,
    rows: usize,
    lanes: usize,
) {
    unsafe {
        if lane_stride == 1 {
            if row_stride == lanes as isize && dst_pitch == lanes {
                return std::ptr::copy_nonoverlapping(src, dst, rows * lanes);
            }
            for r in 0..rows {
                let (s, d) = (src.offset(r as isize * row_stride), dst.add(r * dst_pitch));
                // Rows of a few lanes: a call of `memcpy` would cost more than the copy.
                let mut l = 0;
                while l + L::N <= lanes {
                    L::load(s.add(l)).store(d.add(l));
                    l += L::N;
                }
                if l < lanes {
                    L::load_n(s.add(l), lanes - l).store_n(d.add(l), lanes - l);
                }
            }
        } else if row_stride == 1 && lane_stride > 1 && rows > 1 {
            turn::<L>(dst, dst_pitch, src, lane_stride as usize, rows, lanes)
        } else {
            for r in 0..rows {
                let (s, d) = (src.offset(r as isize * row_stride), dst.add(r * dst_pitch));
                for l in 0..lanes {
                    *d.add(l) = *s.offset(l as isize * lane_stride);
                }
            }
        }
    }
}

dispatch! {
    /// `dst[r * dst_pitch + l] = src[r * row_stride + l * lane_stride]` (strides in floats, also 0 or
    /// negative). With `row_stride == 1` it is a transpose by shuffles.
    pub fn gather(dst: *mut f32, dst_pitch: usize, src: *const f32, row_stride: isize, lane_stride: isize, rows: usize, lanes: usize) = any;
}
