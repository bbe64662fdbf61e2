//! Winograd's F(2x2, 3x3): a tile of 2 x 2 results of a 3 x 3 window with 16 products instead of 36
//! (Lavin, Gray 2016, section 4.1). With d the 4 x 4 pixels that a tile reads, and the window w:
//!
//! ```text
//! y = Aᵀ [ Σ over channels of (G w Gᵀ) ⊙ (Bᵀ d B) ] A
//! ```
//!
//! The weight side is the same trilinear form turned round, the sums over tiles instead of channels:
//!
//! ```text
//! dw = Gᵀ [ Σ over tiles of (Bᵀ d B) ⊙ (A g Aᵀ) ] G
//! ```
//!
//! The sums over channels are 16 matrix products of [tiles x channels] (the sums over tiles 16 of [channels x channels]) on the register tile of
//! [`super::super::kernels`]; the transforms around them are additions, lanes along the channels. A group of
//! tiles at a time, so that transformed pixels, sums and window stay in the second cache. Rounding errors are
//! two to three times those of the direct sum (measured: 1e-6 instead of 4e-7 of the largest result). A NaN or
//! an infinity reaches the whole tiles that read it, up to one pixel more than it meets.
//!
//! Measured on one Zen 4 core, 64 channels, five images, beside the direct kernel: see BENCHMARKS.md.

// Indices name columns of tiles here; iterators over arrays of arrays would hide which.
#![allow(clippy::needless_range_loop)]

use super::super::isa::Isa;
use super::super::kernels::{self, ROWS, Run, Tile, Walk, column_block, row_block};
use super::super::simd::{Lanes, dispatch, load, store};
use std::ops::Range;

/// Tiles that are transformed together: 2 x 200 KB of 64 channels beside 260 KB of window.
const GROUP: usize = 48;
/// The same on the weight side, where each group reads and writes all the sums again: two pictures of 14 x 14.
const SUMMED: usize = 98;

/// Convolution `source` [h, w, c] -> `result` [h, w, o] of a 3 x 3 window with stride 1.
#[derive(Clone, Debug)]
pub struct Winograd {
    isa: Isa,
    source: [usize; 3],
    result: [usize; 3],
    /// Zeros above and left of the source.
    before: [usize; 2],
    /// Tiles down and across.
    tiles: [usize; 2],
    /// What pixels outside of the image read.
    zeros: Vec<f32>,
}

/// The left side of a product, [rows, inner]: pixels of tiles, or turned round where the sum is over tiles.
#[derive(Clone, Copy)]
struct Left {
    at: *const f32,
    rows: usize,
    inner: usize,
    /// From one row to the next, and from one number of a row to the next.
    row: usize,
    step: usize,
}

impl Winograd {
    pub fn new(isa: Isa, source: [usize; 3], result: [usize; 3], before: [usize; 2]) -> Self {
        let tiles = [result[0].div_ceil(2), result[1].div_ceil(2)];
        Winograd { isa, source, result, before, tiles, zeros: vec![0.0; source[2]] }
    }

    /// Image, row and column of a tile's first result.
    fn place(&self, tile: usize) -> [usize; 3] {
        let [down, across] = self.tiles;
        [tile / across / down, tile / across % down * 2, tile % across * 2]
    }

    /// The 4 x 4 pixels that a tile reads.
    unsafe fn pixels(&self, source: *const f32, tile: usize) -> [*const f32; 16] {
        let ([h, w, c], [image, row, col]) = (self.source, self.place(tile));
        let mut pixels = [self.zeros.as_ptr(); 16];
        for (k, pixel) in pixels.iter_mut().enumerate() {
            // Below 0 wraps to far beyond the image.
            let y = (row + k / 4).wrapping_sub(self.before[0]);
            let x = (col + k % 4).wrapping_sub(self.before[1]);
            if y < h && x < w {
                *pixel = unsafe { source.add(((image * h + y) * w + x) * c) };
            }
        }
        pixels
    }

    /// The 2 x 2 results of a tile; null outside of the image.
    unsafe fn results(&self, result: *mut f32, tile: usize) -> [*mut f32; 4] {
        let ([h, w, o], [image, row, col]) = (self.result, self.place(tile));
        let mut results = [std::ptr::null_mut(); 4];
        for (k, pixel) in results.iter_mut().enumerate() {
            let (y, x) = (row + k / 2, col + k % 2);
            if y < h && x < w {
                *pixel = unsafe { result.add(((image * h + y) * w + x) * o) };
            }
        }
        results
    }

    /// Floats of the transformed window.
    pub(super) fn window_len(&self) -> usize {
        16 * self.source[2] * self.result[2]
    }

    /// Floats of scratch that [`run`](Self::run) needs.
    pub(super) fn scratch_len(&self) -> usize {
        16 * GROUP * (self.source[2] + self.result[2])
    }

    /// Floats of scratch that [`gradient`](Self::gradient) needs.
    pub(super) fn summing_len(&self) -> usize {
        16 * SUMMED * (self.source[2] + self.result[2]) + self.window_len()
    }

    /// The window `w[3][3][c][o]`, transformed, for these c.
    ///
    /// # Safety
    /// As long as said, not overlapping.
    pub(super) unsafe fn window(&self, w: *const f32, to: *mut f32, rows: Range<usize>) {
        let (o, len) = (self.result[2], self.source[2] * self.result[2]);
        let (from, count) = (rows.start * o, rows.len() * o);
        unsafe { window_transform(self.isa, w.add(from), to.add(from), len, count) }
    }

    /// result (+)= the source convolved with the transformed window, for these images.
    ///
    /// # Safety
    /// Tensors as in the module above, `scratch` writable for [`scratch_len`](Self::scratch_len).
    pub(super) unsafe fn run(
        &self,
        source: *const f32,
        window: *const f32,
        result: *mut f32,
        scratch: *mut f32,
        images: Range<usize>,
        accumulate: bool,
    ) {
        let ([_, _, c], [_, _, o]) = (self.source, self.result);
        let each = self.tiles[0] * self.tiles[1];
        let mut first = images.start * each;
        while first < images.end * each {
            let count = GROUP.min(images.end * each - first);
            unsafe {
                let sums = scratch.add(16 * GROUP * c);
                for t in 0..count {
                    let pixels = self.pixels(source, first + t);
                    pixel_transform(self.isa, &pixels, scratch.add(t * c), GROUP * c, c);
                }
                for k in 0..16 {
                    let at = scratch.add(k * GROUP * c);
                    let pixels = Left { at, rows: count, inner: c, row: c, step: 1 };
                    let (w, sums) = (window.add(k * c * o), sums.add(k * GROUP * o));
                    products(self.isa, pixels, w, o, sums, false);
                }
                for t in 0..count {
                    let results = self.results(result, first + t);
                    let sums = sums.add(t * o);
                    result_transform(self.isa, sums, GROUP * o, &results, o, accumulate);
                }
            }
            first += count;
        }
    }

    /// dw[3][3][c][o] (+)= what these images give to the gradient by the window; g where results are.
    ///
    /// # Safety
    /// As [`run`](Self::run); `scratch` is writable for [`summing_len`](Self::summing_len).
    pub(super) unsafe fn gradient(
        &self,
        source: *const f32,
        g: *const f32,
        dw: *mut f32,
        scratch: *mut f32,
        images: Range<usize>,
        accumulate: bool,
    ) {
        let ([_, _, c], [_, _, o]) = (self.source, self.result);
        let each = self.tiles[0] * self.tiles[1];
        let (begin, end) = (images.start * each, images.end * each);
        let turned = scratch.wrapping_add(16 * SUMMED * c);
        let sums = turned.wrapping_add(16 * SUMMED * o);
        for first in (begin..end).step_by(SUMMED) {
            let count = SUMMED.min(end - first);
            unsafe {
                for t in 0..count {
                    let pixels = self.pixels(source, first + t);
                    pixel_transform(self.isa, &pixels, scratch.add(t * c), SUMMED * c, c);
                    let results = self.results(g.cast_mut(), first + t);
                    let results = results.map(<*mut f32>::cast_const);
                    gradient_transform(self.isa, &results, turned.add(t * o), SUMMED * o, o);
                }
                for k in 0..16 {
                    let at = scratch.add(k * SUMMED * c);
                    let pixels = Left { at, rows: c, inner: count, row: 1, step: c };
                    let (g, sums) = (turned.add(k * SUMMED * o), sums.add(k * c * o));
                    products(self.isa, pixels, g, o, sums, first > begin);
                }
            }
        }
        unsafe { window_gradient(self.isa, sums, dw, c * o, accumulate) }
    }
}

/// sums[rows][o] (+)= a · b[inner][o].
///
/// # Safety
/// As long as said, not overlapping.
// Inlined, the distances in `a` are constants: half a per cent of a convolution.
#[inline(always)]
unsafe fn products(isa: Isa, a: Left, b: *const f32, o: usize, sums: *mut f32, add: bool) {
    let Left { rows, inner, row, step, .. } = a;
    let width = column_block(isa, o);
    let height = row_block(rows, isa.tile_height(width));
    let whole = [Run { a: 0, b: 0, len: inner }];
    let mut tile = Tile {
        a: [a.at; ROWS],
        b,
        b_pitch: o,
        out: [sums; ROWS],
        n: 0,
        add,
        walk: Walk::Runs(&whole, step),
    };
    for column in (0..o).step_by(width) {
        tile.n = width.min(o - column);
        tile.b = unsafe { b.add(column) };
        for start in (0..rows).step_by(height) {
            let rows = height.min(rows - start);
            unsafe {
                for r in 0..rows {
                    tile.a[r] = a.at.add((start + r) * row);
                    tile.out[r] = sums.add((start + r) * o + column);
                }
                kernels::run(isa, rows, &tile);
            }
        }
    }
}

/// Bᵀ d: rows of four.
#[inline(always)]
fn pixel_side<L: Lanes>(d: [L; 4]) -> [L; 4] {
    [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]]
}

/// Aᵀ m.
#[inline(always)]
fn result_side<L: Lanes>(m: [L; 4]) -> [L; 2] {
    [m[0] + m[1] + m[2], m[1] - m[2] - m[3]]
}

/// G w.
#[inline(always)]
fn window_side<L: Lanes>(w: [L; 3]) -> [L; 4] {
    let (ends, middle) = ((w[0] + w[2]) * 0.5, w[1] * 0.5);
    [w[0], ends + middle, ends - middle, w[2]]
}

/// A g.
#[inline(always)]
fn gradient_side<L: Lanes>(g: [L; 2]) -> [L; 4] {
    [g[0], g[0] + g[1], g[0] - g[1], g[1] * -1.0]
}

/// Gᵀ s.
#[inline(always)]
fn window_back<L: Lanes>(s: [L; 4]) -> [L; 3] {
    let (sum, difference) = ((s[1] + s[2]) * 0.5, (s[1] - s[2]) * 0.5);
    [s[0] + sum, difference, sum + s[3]]
}

#[inline(always)]
unsafe fn one_gradient<L: Lanes>(g: &[*const f32; 4], to: *mut f32, pitch: usize, o: usize) {
    for at in (0..o).step_by(L::N) {
        unsafe {
            let pixel = |k: usize| match g[k].is_null() {
                true => L::splat(0.0),
                false => L::load(g[k].add(at)),
            };
            let rows = [gradient_side([pixel(0), pixel(1)]), gradient_side([pixel(2), pixel(3)])];
            for x in 0..4 {
                let column = gradient_side([rows[0][x], rows[1][x]]);
                for (y, value) in column.into_iter().enumerate() {
                    value.store(to.add((4 * y + x) * pitch + at));
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn all_gradients<L: Lanes>(sums: *const f32, dw: *mut f32, len: usize, add: bool) {
    for at in (0..len).step_by(L::N) {
        unsafe {
            let n = (len - at).min(L::N);
            let mut rows = [[L::splat(0.0); 3]; 4];
            for (y, row) in rows.iter_mut().enumerate() {
                let sum = |x: usize| load::<L>(sums.add((4 * y + x) * len + at), n);
                *row = window_back([sum(0), sum(1), sum(2), sum(3)]);
            }
            for x in 0..3 {
                let column = window_back([rows[0][x], rows[1][x], rows[2][x], rows[3][x]]);
                for (y, value) in column.into_iter().enumerate() {
                    let to = dw.add((3 * y + x) * len + at);
                    let value = if add { load::<L>(to, n) + value } else { value };
                    store(value, to, n);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn all_windows<L: Lanes>(w: *const f32, to: *mut f32, pitch: usize, count: usize) {
    for at in (0..count).step_by(L::N) {
        unsafe {
            let n = (count - at).min(L::N);
            let mut rows = [[L::splat(0.0); 4]; 3];
            for (y, row) in rows.iter_mut().enumerate() {
                let tap = |x: usize| load::<L>(w.add((3 * y + x) * pitch + at), n);
                *row = window_side([tap(0), tap(1), tap(2)]);
            }
            for x in 0..4 {
                let column = window_side([rows[0][x], rows[1][x], rows[2][x]]);
                for (y, value) in column.into_iter().enumerate() {
                    store(value, to.add((4 * y + x) * pitch + at), n);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn one_tile<L: Lanes>(pixels: &[*const f32; 16], to: *mut f32, pitch: usize, c: usize) {
    for at in (0..c).step_by(L::N) {
        unsafe {
            let mut rows = [[L::splat(0.0); 4]; 4];
            for (y, row) in rows.iter_mut().enumerate() {
                let pixel = |x: usize| L::load(pixels[4 * y + x].add(at));
                *row = pixel_side([pixel(0), pixel(1), pixel(2), pixel(3)]);
            }
            for x in 0..4 {
                let column = pixel_side([rows[0][x], rows[1][x], rows[2][x], rows[3][x]]);
                for (y, value) in column.into_iter().enumerate() {
                    value.store(to.add((4 * y + x) * pitch + at));
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn one_result<L: Lanes>(
    sums: *const f32,
    pitch: usize,
    results: &[*mut f32; 4],
    o: usize,
    add: bool,
) {
    for at in (0..o).step_by(L::N) {
        unsafe {
            let mut rows = [[L::splat(0.0); 2]; 4];
            for (y, row) in rows.iter_mut().enumerate() {
                let sum = |x: usize| L::load(sums.add((4 * y + x) * pitch + at));
                *row = result_side([sum(0), sum(1), sum(2), sum(3)]);
            }
            for x in 0..2 {
                let column = result_side([rows[0][x], rows[1][x], rows[2][x], rows[3][x]]);
                for (y, value) in column.into_iter().enumerate() {
                    let to = results[2 * y + x];
                    if !to.is_null() {
                        let to = to.add(at);
                        let value = if add { L::load(to) + value } else { value };
                        value.store(to);
                    }
                }
            }
        }
    }
}

dispatch! {
    /// `to[k * pitch..][..count]`, k < 16, = G w Gᵀ of `w[k * pitch..][..count]`, k < 9.
    fn window_transform(w: *const f32, to: *mut f32, pitch: usize, count: usize) = all_windows;
    /// `to[k * pitch..][..c]`, k < 16, = Bᵀ d B; `c` a multiple of the lanes.
    fn pixel_transform(pixels: &[*const f32; 16], to: *mut f32, pitch: usize, c: usize) = one_tile;
    /// `to[k * pitch..][..o]`, k < 16, = A g Aᵀ of 2 x 2 pixels, null for zeros; `o` a multiple of the lanes.
    fn gradient_transform(g: &[*const f32; 4], to: *mut f32, pitch: usize, o: usize) = one_gradient;
    /// `dw[9][len]` (+)= Gᵀ s G of `sums[16][len]`.
    fn window_gradient(sums: *const f32, dw: *mut f32, len: usize, add: bool) = all_gradients;
    /// results (+)= Aᵀ m A of `sums[k * pitch..][..o]`; `o` a multiple of the lanes.
    fn result_transform(sums: *const f32, pitch: usize, results: &[*mut f32; 4], o: usize, add: bool) = one_result;
}
