//! Contractions: products and the three sides of a convolution.
//!
//! A sum too long for one lane, or with too few lanes to share it, is cut into parts that write
//! partial results to scratch; one more sum adds them, in fixed order.

use super::assemble::shader;
use super::launch::{Launch, MAX_TRIPS, Site, Strided, contiguous, cut, merge, word};
use super::sweep::Sums;
use crate::error::{Error, Result};
use crate::op::{Pointwise, Side};
use crate::plan::kernel::{Arg, Conv, Instruction, MatMul};

/// Lanes of one workgroup in the kernels that count tiles.
const LANES: usize = 64;

/// Lanes that should have work before a sum is left in one piece: a few for each of a GPU's cores.
const ENOUGH: usize = 8_192;

/// What surrounds the main loop: taking indices apart and storing a tile.
const AROUND: usize = 64;

/// The launches of a product for all its tasks, and the scratch elements they need.
pub fn matmul(p: &MatMul, tasks: usize, site: &Site) -> Result<(Vec<Launch>, usize)> {
    let (a, b, c) = (site.strided(&p.a), site.strided(&p.b), site.strided(&p.c));
    let mut sizes = vec![tasks];
    sizes.extend(&p.batch);
    let axes: Vec<usize> = (0..sizes.len()).collect();
    let batches: usize = sizes.iter().product();
    let results = batches * p.m * p.n;

    // One row or one column, or few results of long sums: tiles would stand mostly empty.
    if p.m.min(p.n) == 1 || (results <= 256 && p.k >= 256) {
        let by = |x: &Strided, i: isize, j: isize, q: isize| {
            let mut strides = x.strides[..sizes.len()].to_vec();
            strides.extend([i, j, q]);
            Strided { start: x.start, strides }
        };
        let last = |x: &Strided| (x.strides[sizes.len()], x.strides[sizes.len() + 1]);
        let ((a_row, a_col), (b_row, b_col), (c_row, c_col)) = (last(&a), last(&b), last(&c));
        let program = [Instruction { op: Pointwise::Mul, args: vec![Arg::Load(0), Arg::Load(1)] }];
        let sums = Sums {
            kept: [&sizes[..], &[p.m, p.n]].concat(),
            summed: vec![p.k],
            loads: vec![by(&a, a_row, 0, a_col), by(&b, 0, b_col, b_row)],
            program: &program,
            sinks: vec![(Arg::Value(0), by(&c, c_row, c_col, 0))],
            accumulate: p.accumulate,
        };
        let mut launches = vec![];
        let scratch = sums.launch(site.scratch, &mut launches);
        return Ok((launches, scratch));
    }

    // Workgroup memory pays on a GPU for tiles that are mostly full; it costs on a software one.
    let tiled = site.hardware && p.m >= 32 && p.n >= 32 && p.k >= 16;
    let (file, tile, lanes) =
        if tiled { ("matmul_tiles", 64, 1) } else { ("matmul_registers", 4, LANES) };
    let (row_tiles, col_tiles) = (p.m.div_ceil(tile), p.n.div_ceil(tile));
    let tiles = row_tiles * col_tiles * batches;
    // A step of 16 in matmul_tiles makes 17 trips.
    let most = (MAX_TRIPS - AROUND) * 15 / 16;
    let (chunk, parts) = cut(p.k, tiles * if tiled { 256 } else { 1 }, ENOUGH, most);

    let last = |x: &Strided| [x.strides[x.strides.len() - 2], x.strides[x.strides.len() - 1]];
    let mut to = c.clone();
    if parts > 1 {
        to = Strided {
            start: site.scratch,
            strides: contiguous(&[&sizes[..], &[p.m, p.n]].concat()),
        };
    }
    let (batch, strides) = merge(&sizes, &axes, &[&a, &b, &to]);
    if batch.len() > 8 {
        return Err(Error::input(format!("matmul: {} batch axes that do not merge", batch.len())));
    }
    let accumulate = (p.accumulate && parts == 1) as usize;
    let part_stride = if parts > 1 { results } else { 0 };
    let mut params: Vec<u32> = [p.m, p.n, p.k, chunk, row_tiles, col_tiles, batches, batch.len()]
        .map(|n| n as u32)
        .to_vec();
    for (x, extra) in [(&a, accumulate), (&b, 0), (&to, part_stride)] {
        let [row, col] = last(x);
        params.extend([x.start as u32, word(row), word(col), extra as u32]);
    }
    for k in 0..8 {
        let size = batch.get(k).map_or(1, |&n| n as u32);
        let stride = |x: &Vec<isize>| x.get(k).map_or(0, |&s| word(s));
        params.extend([size, stride(&strides[0]), stride(&strides[1]), stride(&strides[2])]);
    }
    let trips = chunk.div_ceil(16) * 17 + AROUND;
    let groups = (tiles * parts).div_ceil(lanes);
    let mut launches =
        vec![Launch::new(file, "main", shader(file, &[], None), params, groups, trips)];
    let mut scratch = 0;
    if parts > 1 {
        let kept = [&sizes[..], &[p.m, p.n]].concat();
        scratch = add_parts(kept, c, parts, p.accumulate, site, &mut launches);
    }
    Ok((launches, scratch))
}

/// The launches of one side of a convolution for all its tasks, and the scratch elements they need.
pub fn conv(p: &Conv, tasks: usize, site: &Site) -> (Vec<Launch>, usize) {
    let geo = &p.geometry;
    let [oh, ow] = geo.output().expect("checked on the tape");
    let ([h, w], [kh, kw], [c, o]) = (geo.image, geo.kernel, p.channels);
    let (depth, width, taps) = (c / geo.groups, o / geo.groups, kh * kw);
    let outputs = p.images * oh * ow;
    let (file, places, place_tiles, channel_tiles, terms, results) = match p.side {
        Side::Output => (
            "conv_output",
            outputs,
            outputs.div_ceil(4),
            width.div_ceil(4),
            taps * depth,
            outputs * o,
        ),
        Side::Input => {
            // Counted phase by phase of the stride: as many in each, some past the rim.
            let per_phase = p.images * h.div_ceil(geo.stride[0]) * w.div_ceil(geo.stride[1]);
            let pixels = per_phase * geo.stride[0] * geo.stride[1];
            let results = p.images * h * w * c;
            ("conv_input", pixels, pixels.div_ceil(4), depth.div_ceil(4), taps * width, results)
        }
        Side::Weight => {
            let place_tiles = taps * depth.div_ceil(4);
            ("conv_weight", taps, place_tiles, width.div_ceil(4), outputs, taps * depth * o)
        }
    };
    let tiles = place_tiles * channel_tiles * geo.groups * tasks;
    let (chunk, parts) = cut(terms, tiles, ENOUGH, MAX_TRIPS - AROUND);

    let (to_start, to_task, part_stride) = if parts > 1 {
        (site.scratch, results, tasks * results)
    } else {
        (site.start(&p.to), p.to.task_stride, 0)
    };
    let params = [
        [p.images, h, w, c],
        [oh, ow, o, geo.groups],
        [kh, kw, geo.stride[0], geo.stride[1]],
        [geo.pad[0], geo.pad[2], geo.dilation[0], geo.dilation[1]],
        [site.start(&p.a), p.a.task_stride, site.start(&p.b), p.b.task_stride],
        [to_start, to_task, part_stride, (p.accumulate && parts == 1) as usize],
        [tasks, places, place_tiles, channel_tiles],
        [terms, chunk, 0, 0],
    ];
    let params = params.as_flattened().iter().map(|&n| n as u32).collect();
    let groups = (tiles * parts).div_ceil(LANES);
    let text = shader(file, &[], None);
    let mut launches = vec![Launch::new(file, "main", text, params, groups, chunk + AROUND)];
    let mut scratch = 0;
    if parts > 1 {
        let to = Strided { start: site.start(&p.to), strides: vec![p.to.task_stride as isize, 1] };
        scratch = add_parts(vec![tasks, results], to, parts, p.accumulate, site, &mut launches);
    }
    (launches, scratch)
}

/// Adds `parts` partial results, contiguous in scratch, into `to` over the space `kept`.
fn add_parts(
    kept: Vec<usize>,
    to: Strided,
    parts: usize,
    accumulate: bool,
    site: &Site,
    launches: &mut Vec<Launch>,
) -> usize {
    let results: usize = kept.iter().product();
    let mut from = contiguous(&kept);
    from.push(results as isize);
    let mut strides = to.strides;
    strides.push(0);
    let used = parts * results;
    let sums = Sums {
        kept,
        summed: vec![parts],
        loads: vec![Strided { start: site.scratch, strides: from }],
        program: &[],
        sinks: vec![(Arg::Load(0), Strided { start: to.start, strides })],
        accumulate,
    };
    used + sums.launch(site.scratch + used, launches)
}
