//! Choices (the largest element's place, taking and putting by such places), random numbers, copies.

use super::assemble::shader;
use super::launch::{Launch, MAX_TRIPS, Site, Strided, merge, word};
use crate::error::{Error, Result};
use crate::plan::kernel::{Choice, Choose, Places, Random};

const LANES: usize = 64;

/// What surrounds the main loop.
const AROUND: usize = 32;

/// The one launch of a choice for all its tasks.
pub fn choose(p: &Choose, tasks: usize, site: &Site) -> Result<Launch> {
    match &p.places {
        Places::Axis { space, axis, size, step } => {
            along_axis(p, tasks, (space, axis + 1), *size, *step, site)
        }
        Places::Window { .. } => in_windows(p, tasks, site),
    }
}

fn along_axis(
    p: &Choose,
    tasks: usize,
    (space, axis): (&[usize], usize),
    size: usize,
    step: isize,
    site: &Site,
) -> Result<Launch> {
    let sizes: Vec<usize> = std::iter::once(tasks).chain(space.iter().copied()).collect();
    let (data, to) = (site.strided(&p.data), site.strided(&p.to));
    let none = Strided { start: 0, strides: vec![0; sizes.len()] };
    let index = p.index.as_ref().map_or(none, |view| site.strided(view));
    let entries = sizes[axis];
    let others: Vec<usize> = (0..sizes.len()).filter(|&k| k != axis).collect();
    let (outer, strides) = merge(&sizes, &others, &[&data, &index, &to]);
    assert!(outer.len() <= 8, "at most 7 axes beside the chosen one");
    let mut table = vec![];
    for k in 0..8 {
        let size = outer.get(k).map_or(1, |&n| n as u32);
        let stride = |x: &Vec<isize>| x.get(k).map_or(0, |&s| word(s));
        table.extend([size, stride(&strides[0]), stride(&strides[1]), stride(&strides[2])]);
    }
    let count: usize = outer.iter().product();

    if p.choice == Choice::ArgMax {
        let (outputs, depth) = if size <= 64 { (64, 1) } else { (1, 64) };
        let constants = [("OUTPUTS", format!("{outputs}u")), ("DEPTH", format!("{depth}u"))];
        let text = shader("argmax_axis", &constants, None);
        let axes = outer.len() as u32;
        let mut params = vec![
            count as u32,
            size as u32,
            word(step),
            axes,
            data.start as u32,
            to.start as u32,
            0,
            0,
        ];
        params.extend(table);
        let trips = size.div_ceil(depth) + AROUND;
        within(trips, "argmax", size)?;
        let groups = count.div_ceil(outputs);
        return Ok(Launch::new("argmax_axis", "main", text, params, groups, trips));
    }
    // The index's own stride along the axis, and that of the side that has as many entries.
    let (entry, lanes, data_step, to_step, trips) = match p.choice {
        Choice::Take => ("take", count * entries, step, to.strides[axis], AROUND),
        _ => ("put_", count * size, data.strides[axis], step, entries + AROUND),
    };
    within(trips, "put", entries)?;
    let mut params = vec![lanes as u32, size as u32, entries as u32, outer.len() as u32];
    params.extend([data.start as u32, word(data_step)]);
    params.extend([index.start as u32, word(index.strides[axis])]);
    params.extend([to.start as u32, word(to_step), 0, 0]);
    params.extend(table);
    let text = shader("take_put", &[], None);
    Ok(Launch::new("take_put", entry, text, params, lanes.div_ceil(LANES), trips))
}

fn in_windows(p: &Choose, tasks: usize, site: &Site) -> Result<Launch> {
    let Places::Window { images, h, w, c, window } = &p.places else { unreachable!("in windows") };
    let [oh, ow] = window.output(*h, *w).expect("checked on the tape");
    let ([size_y, size_x], [stride_y, stride_x]) = (window.size, window.stride);
    let (entry, rows, cols, trips) = match p.choice {
        Choice::ArgMax => ("argmax", oh, ow, size_y * size_x),
        Choice::Take => ("take", oh, ow, 0),
        Choice::Put => {
            // Windows over one pixel, an outer trip for each row of them.
            let (y, x) = (size_y.div_ceil(stride_y), size_x.div_ceil(stride_x));
            ("put_", *h, *w, y * (x + 1))
        }
    };
    within(trips + AROUND, entry, size_y * size_x)?;
    let (index_start, index_task) =
        p.index.as_ref().map_or((0, 0), |view| (site.start(view), view.task_stride));
    let lanes = tasks * images * rows * cols * c;
    let params = [
        [lanes, *h, *w, *c],
        [oh, ow, size_y, size_x],
        [stride_y, stride_x, window.pad[0], window.pad[2]],
        [site.start(&p.data), p.data.task_stride, index_start, index_task],
        [site.start(&p.to), p.to.task_stride, *images, 0],
    ];
    let params = params.as_flattened().iter().map(|&n| n as u32).collect();
    let text = shader("choose_window", &[], None);
    let groups = lanes.div_ceil(LANES);
    Ok(Launch::new("choose_window", entry, text, params, groups, trips + AROUND))
}

fn within(trips: usize, what: &str, places: usize) -> Result<()> {
    if trips <= MAX_TRIPS {
        return Ok(());
    }
    Err(Error::input(format!(
        "{what} among {places} places needs {trips} steps a lane, at most {MAX_TRIPS} are safe on \
         every GPU; use --device cpu"
    )))
}

/// The one launch that draws uniform numbers for all tasks.
pub fn random(p: &Random, tasks: usize, site: &Site) -> Launch {
    let lanes = tasks * p.len;
    let params = vec![
        lanes as u32,
        p.len as u32,
        site.start(&p.to) as u32,
        p.to.task_stride as u32,
        site.start(&p.step) as u32,
        p.seed,
        p.stream,
        0,
    ];
    let text = shader("random", &[], None);
    Launch::new("random", "main", text, params, lanes.div_ceil(LANES), AROUND)
}

/// Copies of (from, to, length) ranges of the arena; no range read may be written.
pub fn copies(ranges: &[(usize, usize, usize)]) -> Vec<Launch> {
    const RANGE: usize = 4096;
    const RANGES: usize = 1024; // as in copy_ranges.wgsl
    let pieces: Vec<[u32; 4]> = ranges
        .iter()
        .flat_map(|&(from, to, len)| {
            (0..len)
                .step_by(RANGE)
                .map(move |k| [from + k, to + k, RANGE.min(len - k), 0].map(|n| n as u32))
        })
        .collect();
    pieces
        .chunks(RANGES)
        .map(|pieces| {
            let mut params = pieces.as_flattened().to_vec();
            params.resize(4 * RANGES, 0);
            let text = shader("copy_ranges", &[], None);
            Launch::new("copy_ranges", "main", text, params, pieces.len(), RANGE / LANES)
        })
        .collect()
}
