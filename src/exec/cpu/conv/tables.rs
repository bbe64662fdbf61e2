//! What a call needs to know about one shape, side and instruction set: the rectangles of meetings
//! ([`super::windows`]) as index tables. Planning makes them once per shape, kernels of one shape share them.

use super::super::isa::Isa;
use super::super::kernels::{Run, column_block, row_block};
use super::windows::{Axis, Chains, Class};
use super::winograd::Winograd;
use super::{ConvGeo, Side};
use crate::plan::thin::is_thin_window;
use std::ops::Range;

/// Output and input side, a rectangle of meetings: pixels of the result, and the window that all of them meet.
#[derive(Clone, Debug)]
pub struct Pass {
    /// Place of the first tap in the source, and of the pixel in the result: floats, for one chunk of images.
    pub places: Vec<[u32; 2]>,
    pub chains: Chains,
}

/// Weight side, a rectangle of meetings: rows of dw, and the pixels that all of them meet.
#[derive(Clone, Debug)]
pub struct Job {
    /// Distance from a pixel's place in x, and row of dw.
    pub rows: Vec<[u32; 2]>,
    /// Places in x and in g: floats, for one chunk of images.
    pub places: Vec<[u32; 2]>,
    /// The rows of each tile that the job reaches.
    pub pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
pub struct Piece {
    pub tile: usize,
    pub rows: Range<usize>,
}

/// How the sums are taken.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// By the tables.
    Direct,
    /// With fewer products than the tables say.
    Winograd(Winograd),
    /// Output side of one channel under a 3 x 3 window: row by row, the window in registers.
    Thin,
}

#[derive(Clone, Debug)]
pub struct ConvPlan {
    pub geo: ConvGeo,
    pub side: Side,
    pub(super) isa: Isa,
    /// Images that the tables cover.
    pub(super) chunk: usize,
    pub(super) passes: Vec<Pass>,
    pub(super) way: Way,
    pub(super) jobs: Vec<Job>,
    /// Weight side: whether no two jobs reach the same tile.
    pub(super) one_job_a_tile: bool,
    /// Rows of dw in each tile of the weight side.
    pub(super) weight_tiles: Vec<Range<usize>>,
    /// Input side: for each packed tap the tap in w.
    pub(super) packed_taps: Vec<usize>,
    /// Channels of the source and of the result (weight side: x and g), and floats of one image of each.
    pub(super) channels: [usize; 2],
    pub(super) image_len: [usize; 2],
}

/// Pixels that a chunk of images has at least, so that few tiles are cut off.
const PIXELS: usize = 100;
/// Images that a chunk has at least: at a corner of the image each gives a tile one pixel.
const IMAGES: usize = 6;
/// Weight side: input channels from which on the rows of a tile belong to one tap.
const DEEP: usize = 8;
/// Winograd's tiles: the least height and width, and the least pixels in all, for which they were faster. At
/// 7 x 7 they do 256 products for 361 (not 16 for 36, because the edge has fewer and the last tiles are cut),
/// which the transforms eat up; at 6 x 6, which the tiles fill, 144 for 256.
const LEAST_SIDE: usize = 8;
const LEAST_EVEN: usize = 6;
const LEAST_PIXELS: usize = 100;
/// Parts of a weight side, and the images that one sums over: each has sums of its own to add in the end.
const MOST_PARTS: usize = 8;
const IMAGES_A_PART: usize = 4;

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
        let axes = [0, 1].map(|i| Axis {
            image: [g.h, g.w][i],
            window: [g.kh, g.kw][i],
            result: [g.oh, g.ow][i],
            stride: g.stride[i],
            dilation: g.dilation[i],
            before: g.pad[2 * i],
        });
        let image = Plane { rows: g.h, cols: g.w, channels: g.c };
        let output = Plane { rows: g.oh, cols: g.ow, channels: g.o };
        let [source, result] = if side == Side::Input { [output, image] } else { [image, output] };
        let depth = source.channels / g.groups;
        let by_tap = side == Side::Weight && (depth >= DEEP || g.groups > 1);
        let least = if by_tap { 1 } else { IMAGES };
        let chunk = PIXELS.div_ceil(result.rows * result.cols).max(least).min(g.n);
        let largest = chunk * source.len().max(result.len()).max(g.kh * g.kw * depth * g.o);
        assert!(largest < u32::MAX as usize, "an image of more than 2^32 numbers: {g:?}");

        let mut plan = ConvPlan {
            side,
            isa,
            chunk,
            passes: vec![],
            way: Way::Direct,
            jobs: vec![],
            one_job_a_tile: false,
            weight_tiles: vec![],
            packed_taps: vec![],
            channels: [source.channels, result.channels],
            image_len: [source.len(), result.len()],
            geo,
        };
        let tables = Tables { axes, source, result, depth, chunk };
        match side {
            Side::Output | Side::Input => {
                let input = side == Side::Input;
                let order = axes.map(|axis| match input {
                    true => axis.input_order(),
                    false => (0..axis.window).collect(),
                });
                let whole = plan.geo.groups == 1;
                plan.passes = tables.passes(input, &order, whole);
                let cols = plan.geo.kw;
                let taps = order[0].iter().flat_map(|y| order[1].iter().map(move |x| y * cols + x));
                plan.packed_taps = if input { taps.collect() } else { vec![] };
            }
            Side::Weight => {
                let taps = axes[0].window * axes[1].window;
                let most = match plan.is_depthwise() {
                    true => 1,
                    false => isa.tile_height(column_block(isa, plan.geo.o / plan.geo.groups)),
                };
                // A tile by tap never reaches into the next tap.
                let (parts, part) = if by_tap { (taps, depth) } else { (1, taps * depth) };
                let height = row_block(part, most);
                for start in (0..parts).map(|p| p * part) {
                    let rows = (0..part).step_by(height);
                    let tile = |r| start + r..start + part.min(r + height);
                    plan.weight_tiles.extend(rows.map(tile));
                }
                plan.one_job_a_tile = by_tap && !plan.is_depthwise();
                plan.jobs = if by_tap { tables.by_tap() } else { tables.by_class() };
                plan.jobs.iter_mut().for_each(|job| job.cut(&plan.weight_tiles));
            }
        }
        if plan.suits_winograd() {
            let pad = [plan.geo.pad[0], plan.geo.pad[2]];
            let before = if side == Side::Input { pad.map(|pad| 2 - pad) } else { pad };
            let [source, result] =
                [source, result].map(|plane| [plane.rows, plane.cols, plane.channels]);
            plan.way = Way::Winograd(Winograd::new(isa, source, result, before));
        }
        if plan.is_thin() {
            plan.way = Way::Thin;
        }
        plan
    }

    /// Whether sixteen products a tile of 2 x 2 are enough fewer than the direct sum's to pay for the
    /// transforms, which each pixel's channels go through once and each sum needs `channels` products for.
    fn suits_winograd(&self) -> bool {
        let g = &self.geo;
        let plain = [g.kh, g.kw] == [3, 3] && g.stride == [1, 1] && g.dilation == [1, 1];
        let vectors = self.channels.iter().all(|c| *c >= 32 && c.is_multiple_of(16));
        let [rows, cols] = if self.side == Side::Input { [g.h, g.w] } else { [g.oh, g.ow] };
        let fits = plain && g.groups == 1 && vectors && g.pad.iter().all(|pad| *pad <= 2);
        let even = rows.is_multiple_of(2) && cols.is_multiple_of(2);
        let least = if even { LEAST_EVEN } else { LEAST_SIDE };
        fits && rows.min(cols) >= least && g.n * rows * cols >= LEAST_PIXELS
    }

    fn is_thin(&self) -> bool {
        let g = &self.geo;
        let thin = is_thin_window([g.kh, g.kw], g.stride, g.dilation, [g.c, g.o]);
        thin && self.side == Side::Output
    }

    /// Floats of the packed weights, see [`super::pack`]; 0: they are read as they are.
    pub fn packed_len(&self) -> usize {
        let turned = self.packed_taps.len() * self.geo.c * (self.geo.o / self.geo.groups);
        match (&self.way, self.side) {
            (Way::Winograd(winograd), Side::Output | Side::Input) => turned + winograd.window_len(),
            _ => turned,
        }
    }

    /// Rows of each tap that packing can be shared out by.
    pub fn packed_rows(&self) -> usize {
        match self.side {
            Side::Output => self.geo.c,
            _ => self.geo.o / self.geo.groups,
        }
    }

    /// Weight side in parts of some images each, see [`super::weight_part`]; 0: in tiles.
    pub fn weight_parts(&self) -> usize {
        match (&self.way, self.side) {
            (Way::Winograd(_), Side::Weight) => self.geo.n.div_ceil(IMAGES_A_PART).min(MOST_PARTS),
            _ => 0,
        }
    }

    /// Floats of the weights.
    pub fn weight_len(&self) -> usize {
        let g = &self.geo;
        g.kh * g.kw * (g.c / g.groups) * g.o
    }

    /// Floats of scratch that a call needs; 64-byte alignment is best, not needed.
    pub fn scratch_len(&self) -> usize {
        match (&self.way, self.side) {
            (Way::Winograd(winograd), Side::Weight) => winograd.summing_len(),
            (Way::Winograd(winograd), _) => winograd.scratch_len(),
            _ => 0,
        }
    }

    /// Multiplications and additions of one call over everything, as the definition counts them: products with
    /// the zeros around the image included.
    pub fn flops(&self) -> u64 {
        let g = &self.geo;
        2 * [g.n, g.oh, g.ow, g.kh, g.kw, g.c / g.groups, g.o]
            .iter()
            .map(|s| *s as u64)
            .product::<u64>()
    }

    /// Multiplications and additions that a call really does: those of taps and pixels that meet.
    pub fn flops_met(&self) -> u64 {
        let each = |pixels: usize, window: usize| (pixels / self.chunk * window) as u64;
        let window = |pass: &Pass| pass.chains.runs().iter().map(|run| run.len).sum::<usize>();
        let passes = self.passes.iter().map(|pass| each(pass.places.len(), window(pass)));
        let jobs = self.jobs.iter().map(|job| each(job.places.len(), job.rows.len()));
        2 * (self.geo.n * self.channels[1]) as u64 * passes.chain(jobs).sum::<u64>()
    }

    /// Weight side: number of tiles that calls can share out.
    pub fn weight_tiles(&self) -> usize {
        self.weight_tiles.len()
    }

    pub(super) fn is_depthwise(&self) -> bool {
        let g = &self.geo;
        g.groups > 1 && g.groups == g.c && g.groups == g.o
    }
}

/// Sizes of one image of a tensor.
#[derive(Clone, Copy)]
struct Plane {
    rows: usize,
    cols: usize,
    channels: usize,
}

impl Plane {
    fn len(&self) -> usize {
        self.rows * self.cols * self.channels
    }

    /// Where a pixel of the chunk stands.
    fn at(&self, image: usize, row: usize, col: usize) -> usize {
        ((image * self.rows + row) * self.cols + col) * self.channels
    }
}

struct Tables {
    axes: [Axis; 2],
    source: Plane,
    result: Plane,
    /// Channels of the source that a window sees.
    depth: usize,
    chunk: usize,
}

impl Tables {
    /// Pixels of every pair of (result, source) rows and columns, image after image.
    fn places(&self, rows: &[(usize, usize)], cols: &[(usize, usize)]) -> Vec<[u32; 2]> {
        let mut places = Vec::with_capacity(self.chunk * rows.len() * cols.len());
        for image in 0..self.chunk {
            for &(row, from_row) in rows {
                for &(col, from_col) in cols {
                    let from = self.source.at(image, from_row, from_col);
                    places.push([from as u32, self.result.at(image, row, col) as u32]);
                }
            }
        }
        places
    }

    /// Distance of a tap from a pixel's first one, in floats.
    fn distance(&self, row: usize, col: usize) -> usize {
        self.source.at(0, row, col)
    }

    /// `order`: where the taps of each axis stand in the weights as they are read.
    fn passes(&self, input: bool, order: &[Vec<usize>; 2], whole: bool) -> Vec<Pass> {
        let [rows, cols] = self.axes.map(|axis| if input { axis.input() } else { axis.output() });
        let place = |axis: usize, tap: usize| {
            order[axis].iter().position(|&t| t == tap).expect("every tap has a place")
        };
        let pass = |row: &Class, col: &Class| {
            let mut runs = vec![];
            for &(y, dy) in &row.taps {
                for &(x, dx) in &col.taps {
                    let tap = place(0, y) * self.axes[1].window + place(1, x);
                    let a = self.distance(dy, dx);
                    runs.push(Run { a, b: tap * self.depth, len: self.depth });
                }
            }
            let chains = Chains::new(&runs, whole, self.result.channels);
            Pass { places: self.places(&row.at, &col.at), chains }
        };
        rows.iter().flat_map(|row| cols.iter().map(move |col| pass(row, col))).collect()
    }

    /// A job for every tap: the pixels that it meets.
    fn by_tap(&self) -> Vec<Job> {
        let mut jobs = vec![];
        for y in 0..self.axes[0].window {
            let rows = self.axes[0].met_by(y);
            for x in 0..self.axes[1].window {
                let first = (y * self.axes[1].window + x) * self.depth;
                let row = |k| [k as u32, (first + k) as u32];
                jobs.push(Job {
                    rows: (0..self.depth).map(row).collect(),
                    places: self.places(&rows, &self.axes[1].met_by(x)),
                    pieces: vec![],
                });
            }
        }
        jobs
    }

    /// A job for every class of pixels: all rows of its window. For few channels, where the rows of one
    /// tap would not fill a tile.
    fn by_class(&self) -> Vec<Job> {
        let [rows, cols] = self.axes.map(|axis| axis.output());
        let job = |row: &Class, col: &Class| {
            let mut found = vec![];
            for &(y, dy) in &row.taps {
                for &(x, dx) in &col.taps {
                    let (a, tap) = (self.distance(dy, dx), y * self.axes[1].window + x);
                    let row = |k| [(a + k) as u32, (tap * self.depth + k) as u32];
                    found.extend((0..self.depth).map(row));
                }
            }
            Job { rows: found, places: self.places(&row.at, &col.at), pieces: vec![] }
        };
        rows.iter().flat_map(|row| cols.iter().map(move |col| job(row, col))).collect()
    }
}

impl Job {
    /// Finds the rows that fall into each tile; both ascend.
    fn cut(&mut self, tiles: &[Range<usize>]) {
        for (tile, range) in tiles.iter().enumerate() {
            let before = |end: usize| self.rows.partition_point(|row| (row[1] as usize) < end);
            let rows = before(range.start)..before(range.end);
            if !rows.is_empty() {
                self.pieces.push(Piece { tile, rows });
            }
        }
    }
}
