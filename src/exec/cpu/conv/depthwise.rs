//! Convolutions where every channel meets only itself: the lanes are the channels, and there is nothing to
//! broadcast. Memory is the limit here, so the loops stay plain.

use super::super::simd::{Lanes, dispatch};
use super::windows::Chains;

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
    from: &[u32],
    to: &[u32],
    chains: &Chains,
    c: usize,
    add: bool,
    lane: usize,
    n: usize,
) {
    for (from, to) in from.iter().zip(to) {
        unsafe {
            let source = source.add(*from as usize + lane);
            let mut acc = [L::splat(0.0); V];
            for chain in 0..chains.len() {
                for tap in chains.chain(chain) {
                    for (v, acc) in acc.iter_mut().enumerate() {
                        let at = v * L::N;
                        let w = load::<L>(weights.add(tap.b * c + lane + at), n);
                        *acc = load::<L>(source.add(tap.a + at), n).fma(w, *acc);
                    }
                }
            }
            for (v, acc) in acc.into_iter().enumerate() {
                add_to(result.add(*to as usize + lane + v * L::N), n, acc, add);
            }
        }
    }
}

#[inline(always)]
unsafe fn all_pixels<L: Lanes>(
    source: *const f32,
    weights: *const f32,
    result: *mut f32,
    from: &[u32],
    to: &[u32],
    chains: &Chains,
    c: usize,
    add: bool,
) {
    let mut lane = 0;
    unsafe {
        while lane + 4 * L::N <= c {
            pixel_columns::<L, 4>(source, weights, result, from, to, chains, c, add, lane, L::N);
            lane += 4 * L::N;
        }
        while lane < c {
            let n = (c - lane).min(L::N);
            pixel_columns::<L, 1>(source, weights, result, from, to, chains, c, add, lane, n);
            lane += L::N;
        }
    }
}

/// Sums over the pixels for every tap, `V` vectors at a time.
#[inline(always)]
unsafe fn tap_columns<L: Lanes, const V: usize>(
    source: *const f32,
    g: *const f32,
    dw: *mut f32,
    places: &[u32],
    taps: &[u32],
    c: usize,
    add: bool,
    lane: usize,
    n: usize,
) {
    for (t, tap) in taps.iter().enumerate() {
        unsafe {
            let mut acc = [L::splat(0.0); V];
            for (p, place) in places.iter().enumerate() {
                let x = source.add((*place + *tap) as usize + lane);
                for (v, acc) in acc.iter_mut().enumerate() {
                    let at = v * L::N;
                    *acc = load::<L>(x.add(at), n).fma(load(g.add(p * c + lane + at), n), *acc);
                }
            }
            for (v, acc) in acc.into_iter().enumerate() {
                add_to(dw.add(t * c + lane + v * L::N), n, acc, add);
            }
        }
    }
}

#[inline(always)]
unsafe fn all_taps<L: Lanes>(
    source: *const f32,
    g: *const f32,
    dw: *mut f32,
    places: &[u32],
    taps: &[u32],
    c: usize,
    add: bool,
) {
    let mut lane = 0;
    unsafe {
        while lane + 4 * L::N <= c {
            tap_columns::<L, 4>(source, g, dw, places, taps, c, add, lane, L::N);
            lane += 4 * L::N;
        }
        while lane < c {
            let n = (c - lane).min(L::N);
            tap_columns::<L, 1>(source, g, dw, places, taps, c, add, lane, n);
            lane += L::N;
        }
    }
}

dispatch! {
    /// Output and input side of `c` channels for the pixels with windows at `from` and results at `to`.
    pub fn pixels(source: *const f32, weights: *const f32, result: *mut f32, from: &[u32], to: &[u32], chains: &Chains, c: usize, add: bool) = all_pixels;
    /// Weight side: `dw[t][..c] (+)= sum over pixels p of source[places[p] + taps[t]] * g[p]`.
    pub fn weights(source: *const f32, g: *const f32, dw: *mut f32, places: &[u32], taps: &[u32], c: usize, add: bool) = all_taps;
}
