//! Convolutions where every channel meets only itself: the lanes are the channels, and there is nothing to
//! broadcast. Memory is the limit here, so the loops stay plain.

use super::super::kernels::Run;
use super::super::simd::{Lanes, dispatch};

/// One vector of one pixel or tap, whole or its first `n` lanes.
#[inline(always)]
unsafe fn load<L: Lanes>(p: *const f32, n: usize) -> L {
    unsafe { if n >= L::N { L::load(p) } else { L::load_n(p, n) } }
}

#[inline(always)]
unsafe fn add_to<L: Lanes>(p: *mut f32, n: usize, x: L, add: bool) {
    unsafe {
        let x = if add { load::<L>(p, n) + x } else { x };
        if n >= L::N { x.store(p) } else { x.store_n(p, n) }
    }
}

/// Sums over the window's taps for every pixel, `V` vectors at a time.
#[inline(always)]
unsafe fn pixel_columns<L: Lanes, const V: usize>(
    source: *const f32,
    weights: *const f32,
    result: *mut f32,
    places: &[[u32; 2]],
    runs: &[Run],
    c: usize,
    add: bool,
    lane: usize,
    n: usize,
) {
    for &[from, to] in places {
        unsafe {
            let source = source.add(from as usize + lane);
            let mut acc = [L::splat(0.0); V];
            for tap in runs {
                for (v, acc) in acc.iter_mut().enumerate() {
                    let at = v * L::N;
                    let w = load::<L>(weights.add(tap.b * c + lane + at), n);
                    *acc = load::<L>(source.add(tap.a + at), n).fma(w, *acc);
                }
            }
            for (v, acc) in acc.into_iter().enumerate() {
                add_to(result.add(to as usize + lane + v * L::N), n, acc, add);
            }
        }
    }
}

#[inline(always)]
unsafe fn all_pixels<L: Lanes>(
    source: *const f32,
    weights: *const f32,
    result: *mut f32,
    places: &[[u32; 2]],
    runs: &[Run],
    c: usize,
    add: bool,
) {
    let mut lane = 0;
    unsafe {
        while lane + 4 * L::N <= c {
            pixel_columns::<L, 4>(source, weights, result, places, runs, c, add, lane, L::N);
            lane += 4 * L::N;
        }
        while lane < c {
            let n = (c - lane).min(L::N);
            pixel_columns::<L, 1>(source, weights, result, places, runs, c, add, lane, n);
            lane += L::N;
        }
    }
}

/// Sums over the pixels of one tap, `V` vectors at a time.
#[inline(always)]
unsafe fn tap_columns<L: Lanes, const V: usize>(
    source: *const f32,
    g: *const f32,
    dw: *mut f32,
    places: &[[u32; 2]],
    lane: usize,
    n: usize,
) {
    unsafe {
        let mut acc = [L::splat(0.0); V];
        for &[from, at] in places {
            let (x, g) = (source.add(from as usize + lane), g.add(at as usize + lane));
            for (v, acc) in acc.iter_mut().enumerate() {
                let at = v * L::N;
                *acc = load::<L>(x.add(at), n).fma(load(g.add(at), n), *acc);
            }
        }
        for (v, acc) in acc.into_iter().enumerate() {
            add_to(dw.add(lane + v * L::N), n, acc, true);
        }
    }
}

#[inline(always)]
unsafe fn one_tap<L: Lanes>(
    source: *const f32,
    g: *const f32,
    dw: *mut f32,
    places: &[[u32; 2]],
    c: usize,
) {
    let mut lane = 0;
    unsafe {
        while lane + 4 * L::N <= c {
            tap_columns::<L, 4>(source, g, dw, places, lane, L::N);
            lane += 4 * L::N;
        }
        while lane < c {
            tap_columns::<L, 1>(source, g, dw, places, lane, (c - lane).min(L::N));
            lane += L::N;
        }
    }
}

dispatch! {
    /// Output and input side of `c` channels for the pixels with windows and results at `places`.
    pub fn pixels(source: *const f32, weights: *const f32, result: *mut f32, places: &[[u32; 2]], runs: &[Run], c: usize, add: bool) = all_pixels;
    /// Weight side: `dw[..c] += sum over places (p, q) of source[p..] * g[q..]`.
    pub fn weights(source: *const f32, g: *const f32, dw: *mut f32, places: &[[u32; 2]], c: usize) = one_tap;
}
