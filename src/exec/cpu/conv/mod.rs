//! Convolution, channels last, all three sides of F(x, w, g) = sum of x·w·g over the window pattern:
//! [`output`] y = dF/dg, [`input`] dx = dF/dx, [`weight`] dw = dF/dw. Direct: no unfolded copy of the image,
//! because in channels-last the numbers of one window row stand next to each other, and a register tile
//! ([`super::kernels`]) needs nothing else.
//!
//! Shapes, all contiguous, one task: x, dx `[n, h, w, c]`; w, dw `[kh, kw, c / groups, o]`; y, g `[n, oh, ow, o]`.
//! A [`ConvPlan`] holds the index tables of one shape and side; a call allocates nothing. The bits of a
//! number do not depend on how images or tiles are shared out among calls.
//!
//! Measured on one shared core of a Xeon with AVX-512, 3 x 3, 64 channels, share of the multiply-add
//! ceiling ([`super::measure`]): 28x28 89 / 89 / 85 % (output, input, weight), 14x14 94 / 91 / 92 %, 7x7
//! 92 / 85 / 92 %, 3x3 87 / 71 / 90 % (there the packing of the weights is a fifth of the input side).

mod border;
mod depthwise;
mod windows;

use super::copy::gather;
use super::isa::Isa;
use super::kernels::{self, ROWS, Run, Tile, Walk, column_block};
pub use crate::op::Side;
use border::Border;
use std::ops::Range;
use windows::{Axis, Chains};

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

/// Result pixels reached by the same taps: one phase of the input side, all pixels of the output side.
#[derive(Clone, Debug)]
struct Pass {
    /// Start of the window in the bordered source, and place of the result: floats, for one chunk of images.
    from: Vec<u32>,
    to: Vec<u32>,
    chains: Chains,
}

/// What a call needs to know about one shape, side and instruction set, worked out once.
#[derive(Clone, Debug)]
pub struct ConvPlan {
    pub geo: ConvGeo,
    pub side: Side,
    isa: Isa,
    /// Images that are copied into the scratch together: about a hundred pixels, so that few tiles are cut off.
    chunk: usize,
    border: Border,
    passes: Vec<Pass>,
    /// Channels of the source and of the result (weight side: x and g).
    channels: [usize; 2],
    /// Weight side: where each row of dw starts in a window (first group).
    rows: Vec<u32>,
    /// Input side: for each packed tap the tap in w.
    taps: Vec<usize>,
}

/// Pixels whose g stay in the first cache while the weight side runs over the tiles: 28 KB of 64 channels.
const PIXEL_BLOCK: usize = 112;

impl ConvPlan {
    /// # Panics
    /// If the channels are not divisible by the groups, or a size is 0 or the tables exceed 32 bits.
    #[track_caller]
    pub fn new(isa: Isa, geo: ConvGeo, side: Side) -> Self {
        let g = &geo;
        let sizes = [g.n, g.h, g.w, g.c, g.kh, g.kw, g.o, g.oh, g.ow, g.groups];
        assert!(sizes.iter().chain(&g.stride).chain(&g.dilation).all(|s| *s > 0), "empty: {g:?}");
        let divided = g.c.is_multiple_of(g.groups) && g.o.is_multiple_of(g.groups);
        assert!(divided, "channels and groups differ: {g:?}");
        let axis = |i: usize| Axis {
            image: [g.h, g.w][i],
            window: [g.kh, g.kw][i],
            result: [g.oh, g.ow][i],
            stride: g.stride[i],
            dilation: g.dilation[i],
            before: g.pad[2 * i],
        };
        let input = side == Side::Input;
        let reach = |i: usize| if input { axis(i).input() } else { axis(i).output() };
        let (rows, cols) = (reach(0), reach(1));
        let (source, result) =
            if input { ([g.oh, g.ow], [g.h, g.w]) } else { ([g.h, g.w], [g.oh, g.ow]) };
        let channels = if input { [g.o, g.c] } else { [g.c, g.o] };
        let border = Border::new([source[0], source[1], channels[0]], &rows, &cols);
        let chunk = 100usize.div_ceil(result[0] * result[1]).min(g.n);
        let largest = chunk * border.image_pitch.max(result[0] * result[1] * channels[1]);
        assert!(largest < u32::MAX as usize, "an image of more than 2^32 numbers: {g:?}");

        let depth = channels[0] / g.groups;
        let (mut passes, mut taps, mut window_rows) = (Vec::new(), Vec::new(), Vec::new());
        for py in &rows.phases {
            for px in &cols.phases {
                let (mut from, mut to) = (Vec::new(), Vec::new());
                for i in 0..chunk {
                    for &(y, fy) in &py.at {
                        for &(x, fx) in &px.at {
                            let start =
                                i * border.image_pitch + fy * border.pitch + fx * channels[0];
                            from.push(start as u32);
                            let pixel = (i * result[0] + y) * result[1] + x;
                            to.push((pixel * channels[1]) as u32);
                        }
                    }
                }
                let mut runs = Vec::new();
                for &(ky, dy) in &py.taps {
                    for &(kx, dx) in &px.taps {
                        let a = dy * border.pitch + dx * channels[0];
                        runs.push(Run { a, b: taps.len() * depth, len: depth });
                        taps.push(ky * g.kw + kx);
                        window_rows.extend((0..depth).map(|k| (a + k) as u32));
                    }
                }
                passes.push(Pass {
                    from,
                    to,
                    chains: Chains::new(runs.into_iter(), g.groups == 1),
                });
            }
        }
        ConvPlan { isa, side, chunk, border, passes, channels, rows: window_rows, taps, geo }
    }

    /// Floats of scratch that a call needs; 64-byte alignment is best, not needed.
    pub fn scratch_len(&self) -> usize {
        let packed = if self.side == Side::Input { self.packed_len() } else { 0 };
        packed + self.border.floats(self.chunk)
    }

    /// Input side: floats of the packed weights, see [`pack`].
    pub fn packed_len(&self) -> usize {
        self.geo.kh * self.geo.kw * self.geo.c * (self.geo.o / self.geo.groups)
    }

    /// Multiplications and additions of one call over everything, as the definition counts them.
    pub fn flops(&self) -> u64 {
        let g = &self.geo;
        2 * [g.n, g.oh, g.ow, g.kh, g.kw, g.c / g.groups, g.o]
            .iter()
            .map(|s| *s as u64)
            .product::<u64>()
    }

    /// Weight side: number of tiles that calls can share out.
    pub fn weight_tiles(&self) -> usize {
        if self.is_depthwise() { self.taps.len() } else { self.rows.len().div_ceil(ROWS) }
    }

    fn is_depthwise(&self) -> bool {
        let g = &self.geo;
        g.groups > 1 && g.groups == g.c && g.groups == g.o
    }

    /// The images `images` of the source, in the scratch if they need a border.
    unsafe fn source(
        &self,
        source: *const f32,
        images: Range<usize>,
        scratch: *mut f32,
    ) -> *const f32 {
        let [h, w, c] = self.border.image;
        unsafe {
            let source = source.add(images.start * h * w * c);
            if self.border.direct {
                return source;
            }
            self.border.fill(source, scratch, images.len());
            scratch
        }
    }
}

/// y (+)= conv(x, w) for these images.
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
    unsafe { passes(plan, x, w, y, scratch, images, accumulate) }
}

/// dx (+)= the gradient of sum(conv(x, w)·g) by x, for these images.
///
/// # Safety
/// As [`output`].
pub unsafe fn input(
    plan: &ConvPlan,
    w: *const f32,
    g: *const f32,
    dx: *mut f32,
    scratch: *mut f32,
    images: Range<usize>,
    accumulate: bool,
) {
    unsafe {
        pack(plan, w, scratch);
        input_packed(plan, scratch, g, dx, scratch.add(plan.packed_len()), images, accumulate)
    }
}

/// The weights as [`input_packed`] reads them: taps in the order of the phases, each transposed. Shared
/// weights are packed once for all tasks (at 3 x 3 pixels the packing is a third of the time).
///
/// # Safety
/// `packed` is writable for [`ConvPlan::packed_len`] floats.
pub unsafe fn pack(plan: &ConvPlan, w: *const f32, packed: *mut f32) {
    debug_assert_eq!(plan.side, Side::Input);
    let geo = &plan.geo;
    let (c, o) = (geo.c / geo.groups, geo.o / geo.groups);
    for (i, tap) in plan.taps.iter().enumerate() {
        for group in 0..geo.groups {
            unsafe {
                let from = w.add(tap * c * geo.o + group * o);
                let to = packed.add(i * o * geo.c + group * c);
                gather(plan.isa, to, geo.c, from, 1, geo.o as isize, o, c);
            }
        }
    }
}

/// [`input`] with weights from [`pack`]; the scratch begins behind them.
///
/// # Safety
/// As [`output`].
pub unsafe fn input_packed(
    plan: &ConvPlan,
    packed: *const f32,
    g: *const f32,
    dx: *mut f32,
    scratch: *mut f32,
    images: Range<usize>,
    accumulate: bool,
) {
    debug_assert_eq!(plan.side, Side::Input);
    unsafe { passes(plan, g, packed, dx, scratch, images, accumulate) }
}

/// Output and input side: for each chunk of images and each pass, tile after tile of pixels.
unsafe fn passes(
    plan: &ConvPlan,
    source: *const f32,
    weights: *const f32,
    result: *mut f32,
    scratch: *mut f32,
    images: Range<usize>,
    accumulate: bool,
) {
    let geo = &plan.geo;
    let result_pixels = if plan.side == Side::Input { geo.h * geo.w } else { geo.oh * geo.ow };
    unsafe {
        if !plan.border.direct {
            plan.border.clear(scratch, plan.chunk.min(images.len()));
        }
        for start in images.clone().step_by(plan.chunk) {
            let end = (start + plan.chunk).min(images.end);
            let source = plan.source(source, start..end, scratch);
            let result = result.add(start * result_pixels * plan.channels[1]);
            for pass in &plan.passes {
                let pixels = pass.from.len() / plan.chunk * (end - start);
                if plan.is_depthwise() {
                    let (from, to) = (&pass.from[..pixels], &pass.to[..pixels]);
                    let (chains, c) = (&pass.chains, geo.c);
                    depthwise::pixels(
                        plan.isa, source, weights, result, from, to, chains, c, accumulate,
                    );
                    continue;
                }
                for group in 0..geo.groups {
                    pass_tiles(plan, pass, pixels, group, source, weights, result, accumulate);
                }
            }
        }
    }
}

#[inline(never)]
unsafe fn pass_tiles(
    plan: &ConvPlan,
    pass: &Pass,
    pixels: usize,
    group: usize,
    source: *const f32,
    weights: *const f32,
    result: *mut f32,
    accumulate: bool,
) {
    let [depth, width] = plan.channels.map(|c| c / plan.geo.groups);
    let block = column_block(plan.isa, width);
    let mut tile = Tile {
        a: [std::ptr::null(); ROWS],
        b: weights,
        b_pitch: plan.channels[1],
        out: [std::ptr::null_mut(); ROWS],
        n: 0,
        add: false,
        walk: Walk::Runs(&[], 1),
    };
    for p in (0..pixels).step_by(ROWS) {
        let rows = ROWS.min(pixels - p);
        for column in (0..width).step_by(block) {
            tile.n = block.min(width - column);
            unsafe {
                let column = group * width + column;
                for r in 0..rows {
                    tile.a[r] = source.add(pass.from[p + r] as usize + group * depth);
                    tile.out[r] = result.add(pass.to[p + r] as usize + column);
                }
                tile.b = weights.add(column);
                for chain in 0..pass.chains.len() {
                    tile.add = accumulate || chain > 0;
                    tile.walk = Walk::Runs(pass.chains.chain(chain), 1);
                    kernels::run(plan.isa, rows, &tile);
                }
            }
        }
    }
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
    scratch: *mut f32,
    tiles: Range<usize>,
    accumulate: bool,
) {
    debug_assert_eq!(plan.side, Side::Weight);
    let geo = &plan.geo;
    let pixels = geo.oh * geo.ow;
    let mut add = accumulate;
    unsafe {
        if !plan.border.direct {
            plan.border.clear(scratch, plan.chunk);
        }
        for start in (0..geo.n).step_by(plan.chunk) {
            let end = (start + plan.chunk).min(geo.n);
            let source = plan.source(x, start..end, scratch);
            let places = &plan.passes[0].from[..(end - start) * pixels];
            let blocks = places.len().div_ceil(PIXEL_BLOCK);
            let block = places.len().div_ceil(blocks);
            for (i, places) in places.chunks(block).enumerate() {
                let g = g.add((start * pixels + i * block) * geo.o);
                if plan.is_depthwise() {
                    let rows = &plan.rows[tiles.clone()];
                    let dw = dw.add(tiles.start * geo.c);
                    depthwise::weights(plan.isa, source, g, dw, places, rows, geo.c, add);
                } else {
                    weight_tiles(plan, places, source, g, dw, tiles.clone(), add);
                }
                add = true;
            }
        }
    }
}

unsafe fn weight_tiles(
    plan: &ConvPlan,
    places: &[u32],
    source: *const f32,
    g: *const f32,
    dw: *mut f32,
    tiles: Range<usize>,
    add: bool,
) {
    let geo = &plan.geo;
    let [depth, width] = plan.channels.map(|c| c / geo.groups);
    let block = column_block(plan.isa, width);
    let mut tile = Tile {
        a: [std::ptr::null(); ROWS],
        b: g,
        b_pitch: geo.o,
        out: [std::ptr::null_mut(); ROWS],
        n: 0,
        add,
        walk: Walk::Places(places),
    };
    for group in 0..geo.groups {
        for column in (0..width).step_by(block) {
            tile.n = block.min(width - column);
            let column = group * width + column;
            for first in tiles.clone().map(|t| t * ROWS) {
                let rows = ROWS.min(plan.rows.len() - first);
                unsafe {
                    for r in 0..rows {
                        tile.a[r] = source.add(plan.rows[first + r] as usize + group * depth);
                        tile.out[r] = dw.add((first + r) * geo.o + column);
                    }
                    tile.b = g.add(column);
                    kernels::run(plan.isa, rows, &tile);
                }
            }
        }
    }
}
