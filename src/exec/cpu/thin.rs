//! A thin convolution: one channel under a 3×3 window in steps of one pixel or two, for a stretch of an image row. Sweeps
//! make maps with it where they are read (`plan/thin.rs`), convolutions of one channel store them.
//!
//! The three rows that the stretch sees are copied to a small frame of their own, zeros outside of the picture, so that
//! the loops know no border. Lanes are the channels of the map: the window's nine vectors stay in registers, and what a
//! pixel costs is nine multiply-adds a vector and the broadcasts for them.

use super::simd::{Lanes, dispatch, load, store};
use crate::plan::thin::STEP;
use std::mem::MaybeUninit;

/// Pixels of the longest stretch.
pub const LONGEST: usize = 64;

/// A stretch of an image row, and what it sees.
#[derive(Clone, Copy, Debug)]
pub struct Glimpse {
    /// The picture, [rows, columns].
    picture: *const f32,
    size: [usize; 2],
    /// Row and column that the first pixel's first tap sees; outside of the picture there are zeros.
    at: [isize; 2],
    /// Columns from what one pixel sees to what the next one sees: 1 or 2.
    step: usize,
    pixels: usize,
    lanes: usize,
    /// Channels of the window: numbers from one tap to the next.
    channels: usize,
}

/// How a thin window goes over pictures: their size, the zeros above and left of them, the steps down and across.
#[derive(Clone, Copy, Debug)]
pub struct Lens {
    pub size: [usize; 2],
    pub before: [usize; 2],
    pub stride: [usize; 2],
}

impl Lens {
    /// What `pixels` places of the map from row `y`, column `x` on see of picture `image`, for a window of `channels`
    /// of which `lanes` are wanted.
    pub fn glimpse(
        &self,
        pictures: *const f32,
        image: usize,
        [y, x]: [usize; 2],
        pixels: usize,
        [lanes, channels]: [usize; 2],
    ) -> Glimpse {
        let Lens { size, before, stride } = *self;
        let picture = pictures.wrapping_add(image * size[0] * size[1]);
        let at = [0, 1].map(|k| ([y, x][k] * stride[k]) as isize - before[k] as isize);
        Glimpse { picture, size, at, step: stride[1], pixels, lanes, channels }
    }
}

/// What a stretch sees of its three rows, one after the other; nothing behind their last columns.
type Frame = [MaybeUninit<[f32; WIDTH]>; 3];
/// The widest stretch's columns, in whole vectors.
const WIDTH: usize = STEP * LONGEST + 16;

/// What the stretch sees.
#[inline(always)]
unsafe fn frame<L: Lanes>(g: &Glimpse) -> Frame {
    debug_assert!((1..=LONGEST).contains(&g.pixels) && (1..=STEP).contains(&g.step));
    let mut frame: Frame = [MaybeUninit::uninit(); 3];
    let [rows, cols] = g.size.map(|size| size as isize);
    let width = (g.pixels - 1) * g.step + 3;
    let (from, to) = (g.at[1].max(0), (g.at[1] + width as isize).min(cols));
    for (i, line) in frame.iter_mut().enumerate() {
        let line = line.as_mut_ptr().cast::<f32>();
        let y = g.at[0] + i as isize;
        // Columns before the picture, and within it.
        let (before, within) = match (0..rows).contains(&y) && from < to {
            true => ((from - g.at[1]) as usize, (to - from) as usize),
            false => (width, 0),
        };
        let source = g.picture.wrapping_offset(y * cols + from);
        unsafe {
            // Whole vectors, so that what is read soon need not wait for the cache.
            for k in (0..before).step_by(L::N) {
                L::splat(0.0).store(line.add(k));
            }
            for k in (0..width - before).step_by(L::N) {
                let n = L::N.min(within.saturating_sub(k));
                load::<L>(source.wrapping_add(k), n).store(line.add(before + k));
            }
        }
    }
    frame
}

/// The number of row `row`, column `col` in every lane.
#[inline(always)]
unsafe fn seen<L: Lanes>(frame: &Frame, row: usize, col: usize) -> L {
    unsafe { L::splat(*frame.get_unchecked(row).as_ptr().cast::<f32>().add(col)) }
}

/// The taps of `V` vectors of the window, each vector's first `n` lanes.
#[inline(always)]
unsafe fn taps<L: Lanes, const V: usize>(w: *const f32, channels: usize, n: usize) -> [[L; V]; 9] {
    unsafe {
        let mut taps = [[L::splat(0.0); V]; 9];
        for (k, tap) in taps.iter_mut().enumerate() {
            for (v, tap) in tap.iter_mut().enumerate() {
                *tap = load(w.add(k * channels + v * L::N), n);
            }
        }
        taps
    }
}

/// `P` pixels from `x` on, `V` vectors of each.
#[inline(always)]
unsafe fn some_pixels<L: Lanes, const S: usize, const V: usize, const P: usize>(
    frame: &Frame,
    taps: &[[L; V]; 9],
    x: usize,
    to: *mut f32,
    pitch: usize,
    n: usize,
    add: bool,
) {
    unsafe {
        let mut sums = [[L::splat(0.0); V]; P];
        for (k, tap) in taps.iter().enumerate() {
            for (p, sums) in sums.iter_mut().enumerate() {
                let pixel = seen::<L>(frame, k / 3, S * (x + p) + k % 3);
                for (sum, tap) in sums.iter_mut().zip(tap) {
                    *sum = pixel.fma(*tap, *sum);
                }
            }
        }
        for (p, sums) in sums.into_iter().enumerate() {
            for (v, sum) in sums.into_iter().enumerate() {
                let to = to.add((x + p) * pitch + v * L::N);
                let sum = if add { load::<L>(to, n) + sum } else { sum };
                store(sum, to, n);
            }
        }
    }
}

#[inline(always)]
unsafe fn map_columns<L: Lanes, const S: usize, const V: usize>(
    frame: &Frame,
    w: *const f32,
    g: &Glimpse,
    to: *mut f32,
    pitch: usize,
    n: usize,
    add: bool,
) {
    unsafe {
        let taps = taps::<L, V>(w, g.channels, n);
        let mut x = 0;
        while x + 4 <= g.pixels {
            some_pixels::<L, S, V, 4>(frame, &taps, x, to, pitch, n, add);
            x += 4;
        }
        if x + 2 <= g.pixels {
            some_pixels::<L, S, V, 2>(frame, &taps, x, to, pitch, n, add);
            x += 2;
        }
        if x < g.pixels {
            some_pixels::<L, S, V, 1>(frame, &taps, x, to, pitch, n, add);
        }
    }
}

/// What `P` pixels from `x` on add to the sums.
#[inline(always)]
unsafe fn add_pixels<L: Lanes, const S: usize, const V: usize, const P: usize>(
    frame: &Frame,
    map: *const f32,
    pitch: usize,
    x: usize,
    sums: &mut [[L; V]; 9],
    n: usize,
) {
    unsafe {
        let mut values = [[L::splat(0.0); V]; P];
        for (p, values) in values.iter_mut().enumerate() {
            for (v, value) in values.iter_mut().enumerate() {
                *value = load(map.add((x + p) * pitch + v * L::N), n);
            }
        }
        for (p, values) in values.iter().enumerate() {
            for (k, sums) in sums.iter_mut().enumerate() {
                let pixel = seen::<L>(frame, k / 3, S * (x + p) + k % 3);
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum = pixel.fma(*value, *sum);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn sum_columns<L: Lanes, const S: usize, const V: usize>(
    frame: &Frame,
    map: *const f32,
    pitch: usize,
    g: &Glimpse,
    to: *mut f32,
    n: usize,
) {
    unsafe {
        let mut sums = [[L::splat(0.0); V]; 9];
        let mut x = 0;
        while x + 4 <= g.pixels {
            add_pixels::<L, S, V, 4>(frame, map, pitch, x, &mut sums, n);
            x += 4;
        }
        while x < g.pixels {
            add_pixels::<L, S, V, 1>(frame, map, pitch, x, &mut sums, n);
            x += 1;
        }
        // A block's sum is added as a whole: the fewer additions to the total, the less it is rounded.
        for (k, sums) in sums.into_iter().enumerate() {
            for (v, sum) in sums.into_iter().enumerate() {
                let to = to.add(k * g.channels + v * L::N);
                store(load::<L>(to, n) + sum, to, n);
            }
        }
    }
}

/// Calls what is done to some columns for pairs of vectors where the registers hold their taps, for single ones else;
/// `$S` is the step.
macro_rules! each_column {
    ($L:ident, $g:expr, |$S:ident, $lane:ident, $n:ident| $two:expr, $one:expr) => {
        match $g.step {
            1 => each_column!($L, $g, $S = 1, |$lane, $n| $two, $one),
            _ => each_column!($L, $g, $S = STEP, |$lane, $n| $two, $one),
        }
    };
    ($L:ident, $g:expr, $S:ident = $step:expr, |$lane:ident, $n:ident| $two:expr, $one:expr) => {{
        const $S: usize = $step;
        let mut $lane = 0;
        while $L::TILE == 4 && $lane + 2 * $L::N <= $g.lanes {
            let $n = $L::N;
            $two;
            $lane += 2 * $L::N;
        }
        while $lane < $g.lanes {
            let $n = $L::N.min($g.lanes - $lane);
            $one;
            $lane += $L::N;
        }
    }};
}

#[inline(always)]
unsafe fn map_body<L: Lanes>(
    g: Glimpse,
    window: *const f32,
    to: *mut f32,
    pitch: usize,
    add: bool,
) {
    unsafe {
        let frame = frame::<L>(&g);
        each_column!(
            L,
            g,
            |S, lane, n| map_columns::<L, S, 2>(
                &frame,
                window.add(lane),
                &g,
                to.add(lane),
                pitch,
                n,
                add
            ),
            map_columns::<L, S, 1>(&frame, window.add(lane), &g, to.add(lane), pitch, n, add)
        );
    }
}

#[inline(always)]
unsafe fn sum_body<L: Lanes>(g: Glimpse, map: *const f32, pitch: usize, to: *mut f32) {
    unsafe {
        let frame = frame::<L>(&g);
        each_column!(
            L,
            g,
            |S, lane, n| sum_columns::<L, S, 2>(&frame, map.add(lane), pitch, &g, to.add(lane), n),
            sum_columns::<L, S, 1>(&frame, map.add(lane), pitch, &g, to.add(lane), n)
        );
    }
}

dispatch! {
    /// The stretch of the map, `to[pixels][pitch]` (+)= that of `window[9][channels]`.
    pub fn map(g: Glimpse, window: *const f32, to: *mut f32, pitch: usize, add: bool) = map_body;
    /// `to[9][channels]` += what the stretch, `map[pixels][pitch]`, gives to the gradient by the window.
    pub fn window_sum(g: Glimpse, map: *const f32, pitch: usize, to: *mut f32) = sum_body;
}
