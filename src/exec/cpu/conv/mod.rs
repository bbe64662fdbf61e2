//! Convolution, channels last, all three sides of F(x, w, g) = sum of x·w·g over the window pattern:
//! [`output`] y = dF/dg, [`input`] dx = dF/dx, [`weight`] dw = dF/dw. Direct: no unfolded copy of the image,
//! because in channels-last the numbers of one window row stand next to each other, and a register tile
//! ([`super::kernels`]) needs nothing else. No border of zeros either: see `windows.rs`. Where a 3 x 3 window
//! meets enough pixels and channels, `winograd.rs` takes fewer products; where it looks at one channel, `../thin.rs` keeps it
//! in registers.
//!
//! Shapes, all contiguous, one task: x, dx `[n, h, w, c]`; w, dw `[kh, kw, c / groups, o]`; y, g `[n, oh, ow, o]`.
//! A [`ConvPlan`] holds the index tables of one shape and side; a call allocates nothing. The bits of a
//! number do not depend on how images or tiles are shared out among calls.

mod depthwise;
mod tables;
mod windows;
mod winograd;

use super::copy::gather;
use super::kernels::{self, ROWS, Tile, Walk, column_block, row_block};
use super::thin::{self, Lens};
pub use crate::op::Side;
use std::ops::Range;
pub use tables::ConvPlan;
use tables::{Job, Pass, Way};

/// The shape of a convolution; see the module for the tensors.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConvGeo {
    pub n: usize,
    pub h: usize,
    pub w: usize,
    pub c: usize,
    pub kh: usize,
    pub kw: usize,
    pub o: usize,
    pub oh: usize,
    pub ow: usize,
    /// Rows, columns.
    pub stride: [usize; 2],
    /// Zeros at the top, bottom, left, right.
    pub pad: [usize; 4],
    pub dilation: [usize; 2],
    pub groups: usize,
}

/// Floats of g that the weight side sums over before it takes the next tile: 192 pixels of 64 channels. Half as many are
/// all in the first cache, but each tile is added to dw twice as often (1 to 2 % slower at 14 x 14 and 7 x 7).
const G_BLOCK: usize = 12_288;
/// Floats of x and g that stay in the second cache while the weight side runs over the taps: half a megabyte.
const XG_BLOCK: usize = 131_072;

/// y (+)= conv(x, w) for these images; the weights from [`pack`] if [`ConvPlan::packed_len`] is not 0.
///
/// # Safety
/// Tensors as in the module, `scratch` of [`ConvPlan::scratch_len`]; results do not overlap operands.
pub unsafe fn output(
    plan: &ConvPlan,
    x: *const f32,
    w: *const f32,
    y: *mut f32,
    scratch: *mut f32,
    images: Range<usize>,
    accumulate: bool,
) {
    debug_assert_eq!(plan.side, Side::Output);
    match &plan.way {
        Way::Winograd(winograd) => unsafe { winograd.run(x, w, y, scratch, images, accumulate) },
        Way::Thin => unsafe { thin_output(plan, x, w, y, images, accumulate) },
        Way::Direct => unsafe { passes(plan, x, w, y, images, accumulate) },
    }
}

/// dx (+)= the gradient of sum(conv(x, w)·g) by x, for these images, with weights from [`pack`].
///
/// # Safety
/// As [`output`].
pub unsafe fn input(
    plan: &ConvPlan,
    packed: *const f32,
    g: *const f32,
    dx: *mut f32,
    scratch: *mut f32,
    images: Range<usize>,
    accumulate: bool,
) {
    debug_assert_eq!(plan.side, Side::Input);
    match &plan.way {
        Way::Winograd(winograd) => unsafe {
            winograd.run(g, packed, dx, scratch, images, accumulate)
        },
        _ => unsafe { passes(plan, g, packed, dx, images, accumulate) },
    }
}

/// The weights as [`input`] reads them, each tap transposed and taps of one class next to each other, and
/// as Winograd's way reads them on both sides: these of each tap's [`ConvPlan::packed_rows`].
///
/// # Safety
/// `packed` is writable for [`ConvPlan::packed_len`] floats.
pub unsafe fn pack(plan: &ConvPlan, w: *const f32, packed: *mut f32, rows: Range<usize>) {
    unsafe {
        match (&plan.way, plan.side) {
            (Way::Winograd(winograd), Side::Output) => winograd.window(w, packed, rows),
            (Way::Winograd(winograd), _) => {
                let turned = packed.add(winograd.window_len());
                turn(plan, w, turned, rows.clone());
                winograd.window(turned, packed, rows);
            }
            _ => turn(plan, w, packed, rows),
        }
    }
}

unsafe fn turn(plan: &ConvPlan, w: *const f32, packed: *mut f32, rows: Range<usize>) {
    let geo = &plan.geo;
    let (c, o) = (geo.c / geo.groups, geo.o / geo.groups);
    for (i, tap) in plan.packed_taps.iter().enumerate() {
        for group in 0..geo.groups {
            unsafe {
                let from = w.add(tap * c * geo.o + group * o + rows.start);
                let to = packed.add((i * o + rows.start) * geo.c + group * c);
                gather(plan.isa, to, geo.c, from, 1, geo.o as isize, rows.len(), c);
            }
        }
    }
}

/// Output and input side: for each chunk of images and each pass, tile after tile of pixels.
unsafe fn passes(
    plan: &ConvPlan,
    source: *const f32,
    weights: *const f32,
    result: *mut f32,
    images: Range<usize>,
    accumulate: bool,
) {
    let geo = &plan.geo;
    unsafe {
        for start in images.clone().step_by(plan.chunk) {
            let count = plan.chunk.min(images.end - start);
            let source = source.add(start * plan.image_len[0]);
            let result = result.add(start * plan.image_len[1]);
            for pass in &plan.passes {
                let places = &pass.places[..pass.places.len() / plan.chunk * count];
                if plan.is_depthwise() {
                    let (runs, c) = (pass.chains.runs(), geo.c);
                    depthwise::pixels(
                        plan.isa, source, weights, result, places, runs, c, accumulate,
                    );
                    continue;
                }
                for group in 0..geo.groups {
                    pass_tiles(plan, pass, places, group, source, weights, result, accumulate);
                }
            }
        }
    }
}

#[inline(never)]
unsafe fn pass_tiles(
    plan: &ConvPlan,
    pass: &Pass,
    places: &[[u32; 2]],
    group: usize,
    source: *const f32,
    weights: *const f32,
    result: *mut f32,
    accumulate: bool,
) {
    let [depth, width] = plan.channels.map(|c| c / plan.geo.groups);
    let block = column_block(plan.isa, width);
    let height = row_block(places.len(), plan.isa.tile_height(block));
    let mut tile = Tile {
        a: [std::ptr::null(); ROWS],
        b: weights,
        b_pitch: plan.channels[1],
        out: [std::ptr::null_mut(); ROWS],
        n: 0,
        add: false,
        walk: Walk::Pairs(&[]),
    };
    for places in places.chunks(height) {
        for column in (0..width).step_by(block) {
            tile.n = block.min(width - column);
            unsafe {
                let column = group * width + column;
                for (r, &[from, to]) in places.iter().enumerate() {
                    tile.a[r] = source.add(from as usize + group * depth);
                    tile.out[r] = result.add(to as usize + column);
                }
                tile.b = weights.add(column);
                for chain in 0..pass.chains.len() {
                    tile.add = accumulate || chain > 0;
                    tile.walk = pass.chains.walk(chain);
                    kernels::run(plan.isa, places.len(), &tile);
                }
            }
        }
    }
}

/// Output side of one channel: each row of the map in stretches.
unsafe fn thin_output(
    plan: &ConvPlan,
    x: *const f32,
    w: *const f32,
    y: *mut f32,
    images: Range<usize>,
    accumulate: bool,
) {
    let g = &plan.geo;
    let lens = Lens { size: [g.h, g.w], before: [g.pad[0], g.pad[2]], stride: g.stride };
    for image in images {
        for row in 0..g.oh {
            for col in (0..g.ow).step_by(thin::LONGEST) {
                let pixels = thin::LONGEST.min(g.ow - col);
                let glimpse = lens.glimpse(x, image, [row, col], pixels, [g.o; 2]);
                let to = y.wrapping_add(((image * g.oh + row) * g.ow + col) * g.o);
                unsafe { thin::map(plan.isa, glimpse, w, to, g.o, accumulate) };
            }
        }
    }
}

/// Where [`ConvPlan::weight_parts`] is not 0: dw (+)= what the images of part `part` give to it.
///
/// # Safety
/// As [`output`].
pub unsafe fn weight_part(
    plan: &ConvPlan,
    x: *const f32,
    g: *const f32,
    dw: *mut f32,
    scratch: *mut f32,
    part: usize,
    accumulate: bool,
) {
    let Way::Winograd(winograd) = &plan.way else {
        unreachable!("only Winograd's way sums in parts")
    };
    let (n, parts) = (plan.geo.n, plan.weight_parts());
    let images = n * part / parts..n * (part + 1) / parts;
    unsafe { winograd.gradient(x, g, dw, scratch, images, accumulate) }
}

/// dw (+)= the gradient of sum(conv(x, w)·g) by w, for these tiles of [`ConvPlan::weight_tiles`], over all images.
///
/// # Safety
/// As [`output`].
pub unsafe fn weight(
    plan: &ConvPlan,
    x: *const f32,
    g: *const f32,
    dw: *mut f32,
    tiles: Range<usize>,
    accumulate: bool,
) {
    debug_assert_eq!(plan.side, Side::Weight);
    let (n, o) = (plan.geo.n, plan.geo.o);
    unsafe {
        // Where jobs meet in a tile, all of them add to it. A tap that meets no pixel has a gradient too, 0.
        if let (false, false, [first, .., last] | [first @ last]) =
            (accumulate, plan.one_job_a_tile, &plan.weight_tiles[tiles.clone()])
        {
            std::ptr::write_bytes(dw.add(first.start * o), 0, (last.end - first.start) * o);
        }
        let blocks = (plan.chunk * (plan.image_len[0] + plan.image_len[1])).div_ceil(XG_BLOCK);
        for start in (0..n).step_by(plan.chunk) {
            let count = plan.chunk.min(n - start);
            let (x, g) = (x.add(start * plan.image_len[0]), g.add(start * plan.image_len[1]));
            for block in 0..blocks {
                for job in &plan.jobs {
                    let all = job.places.len() / plan.chunk * count;
                    let (from, to) = (all * block / blocks, all * (block + 1) / blocks);
                    let add = accumulate || !plan.one_job_a_tile || start > 0 || from > 0;
                    job_tiles(plan, job, &job.places[from..to], x, g, dw, tiles.clone(), add);
                }
            }
        }
    }
}

/// The rows of `tiles` that a job reaches, pixel block after pixel block. Without `add` the first block replaces what
/// stood there, by zeros if there is none.
unsafe fn job_tiles(
    plan: &ConvPlan,
    job: &Job,
    places: &[[u32; 2]],
    x: *const f32,
    g: *const f32,
    dw: *mut f32,
    tiles: Range<usize>,
    add: bool,
) {
    let geo = &plan.geo;
    let pieces = job.pieces.iter().filter(|piece| tiles.contains(&piece.tile));
    if plan.is_depthwise() {
        for piece in pieces {
            for &[offset, row] in &job.rows[piece.rows.clone()] {
                let dw = unsafe { dw.add(row as usize * geo.c) };
                unsafe {
                    depthwise::weights(plan.isa, x.add(offset as usize), g, dw, places, geo.c)
                };
            }
        }
        return;
    }
    let [depth, width] = plan.channels.map(|c| c / geo.groups);
    let block = column_block(plan.isa, width);
    let pixels = places.len().div_ceil(places.len().div_ceil(G_BLOCK / block).max(1)).max(1);
    let mut tile = Tile {
        a: [std::ptr::null(); ROWS],
        b: g,
        b_pitch: 0,
        out: [std::ptr::null_mut(); ROWS],
        n: 0,
        add,
        walk: Walk::Pairs(&[]),
    };
    let none = (places.is_empty() && !add).then_some(places);
    for places in none.into_iter().chain(places.chunks(pixels)) {
        tile.walk = Walk::Pairs(places);
        for group in 0..geo.groups {
            for column in (0..width).step_by(block) {
                tile.n = block.min(width - column);
                let column = group * width + column;
                for piece in pieces.clone() {
                    let rows = &job.rows[piece.rows.clone()];
                    unsafe {
                        for (r, &[offset, row]) in rows.iter().enumerate() {
                            tile.a[r] = x.add(offset as usize + group * depth);
                            tile.out[r] = dw.add(row as usize * geo.o + column);
                        }
                        tile.b = g.add(column);
                        kernels::run(plan.isa, rows.len(), &tile);
                    }
                }
            }
        }
        tile.add = true;
    }
}
