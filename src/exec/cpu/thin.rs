//! A thin convolution: one channel under a 3×3 window, for a stretch of an image row. Sweeps make maps with it where they
//! are read (`plan/thin.rs`), convolutions of one channel store them.
//!
//! The three rows that the stretch sees are copied to a small frame of their own, zeros outside of the picture, so that
//! the loops know no border. Lanes are the channels of the map: the window's nine vectors stay in registers, and what a
//! pixel costs is nine multiply-adds a vector and the broadcasts for them.

use super::simd::{Lanes, dispatch, load, store};

/// Pixels of the longest stretch.
pub const LONGEST: usize = 64;

/// A stretch of an image row, and what it sees.
#[derive(Clone, Copy, Debug)]
pub struct Glimpse {
    /// The picture, [rows, columns].
    pub picture: *const f32,
    pub size: [usize; 2],
    /// Row and column that the first pixel's first tap sees; outside of the picture there are zeros.
    pub at: [isize; 2],
    pub pixels: usize,
    pub lanes: usize,
    /// Channels of the window: numbers from one tap to the next.
    pub channels: usize,
}

type Frame = [[f32; LONGEST + 2]; 3];

/// What the stretch sees.
#[inline(always)]
unsafe fn frame<L: Lanes>(g: &Glimpse) -> Frame {
    debug_assert!(g.pixels <= LONGEST);
    let mut frame = [[0.0; LONGEST + 2]; 3];
    let [rows, cols] = g.size.map(|size| size as isize);
    let (from, to) = (g.at[1].max(0), (g.at[1] + g.pixels as isize + 2).min(cols));
    for (i, line) in frame.iter_mut().enumerate() {
        let y = g.at[0] + i as isize;
        if (0..rows).contains(&y) && from < to {
            unsafe {
                let source = g.picture.offset(y * cols + from);
                let line = line.as_mut_ptr().offset(from - g.at[1]);
                let count = (to - from) as usize;
                for k in (0..count).step_by(L::N) {
                    let n = L::N.min(count - k);
                    store(load::<L>(source.add(k), n), line.add(k), n);
                }
            }
        }
    }
    frame
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
unsafe fn some_pixels<L: Lanes, const V: usize, const P: usize>(
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
                let pixel = L::splat(*frame.get_unchecked(k / 3).get_unchecked(x + p + k % 3));
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
unsafe fn map_columns<L: Lanes, const V: usize>(
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
            some_pixels::<L, V, 4>(frame, &taps, x, to, pitch, n, add);
            x += 4;
        }
        while x < g.pixels {
            some_pixels::<L, V, 1>(frame, &taps, x, to, pitch, n, add);
            x += 1;
        }
    }
}

/// What `P` pixels from `x` on add to the sums. Each number that is seen is brought into a register once for all pixels that
/// see it: a broadcast from register to register would take the place of a multiply-add.
#[inline(always)]
unsafe fn add_pixels<L: Lanes, const V: usize, const P: usize>(
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
        for col in 0..P + 2 {
            for (row, line) in frame.iter().enumerate() {
                let pixel = L::splat(*line.get_unchecked(x + col));
                for tap in 0..3 {
                    if let Some(values) = col.checked_sub(tap).and_then(|p| values.get(p)) {
                        for (sum, value) in sums[3 * row + tap].iter_mut().zip(values) {
                            *sum = pixel.fma(*value, *sum);
                        }
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn sum_columns<L: Lanes, const V: usize>(
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
            add_pixels::<L, V, 4>(frame, map, pitch, x, &mut sums, n);
            x += 4;
        }
        while x < g.pixels {
            add_pixels::<L, V, 1>(frame, map, pitch, x, &mut sums, n);
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

/// Calls `$columns` for pairs of vectors where the registers hold their taps, for single ones else.
macro_rules! each_column {
    ($L:ident, $lanes:expr, |$lane:ident, $n:ident| $two:expr, $one:expr) => {
        let mut $lane = 0;
        while $L::TILE == 4 && $lane + 2 * $L::N <= $lanes {
            let $n = $L::N;
            $two;
            $lane += 2 * $L::N;
        }
        while $lane < $lanes {
            let $n = $L::N.min($lanes - $lane);
            $one;
            $lane += $L::N;
        }
    };
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
            g.lanes,
            |lane, n| map_columns::<L, 2>(
                &frame,
                window.add(lane),
                &g,
                to.add(lane),
                pitch,
                n,
                add
            ),
            map_columns::<L, 1>(&frame, window.add(lane), &g, to.add(lane), pitch, n, add)
        );
    }
}

#[inline(always)]
unsafe fn sum_body<L: Lanes>(g: Glimpse, map: *const f32, pitch: usize, to: *mut f32) {
    unsafe {
        let frame = frame::<L>(&g);
        each_column!(
            L,
            g.lanes,
            |lane, n| sum_columns::<L, 2>(&frame, map.add(lane), pitch, &g, to.add(lane), n),
            sum_columns::<L, 1>(&frame, map.add(lane), pitch, &g, to.add(lane), n)
        );
    }
}

dispatch! {
    /// The stretch of the map, `to[pixels][pitch]` (+)= that of `window[9][channels]`.
    pub fn map(g: Glimpse, window: *const f32, to: *mut f32, pitch: usize, add: bool) = map_body;
    /// `to[9][channels]` += what the stretch, `map[pixels][pitch]`, gives to the gradient by the window.
    pub fn window_sum(g: Glimpse, map: *const f32, pitch: usize, to: *mut f32) = sum_body;
}
