// choose_window: where in each window the largest element stands; the elements so named; adding at them.
//
// Idea       `argmax` and `take` give each lane one window and channel. `put_` gives each lane one image
//            pixel and channel, which asks the few windows that cover it whether they chose it:
//            nothing is added to from two lanes, so the order is fixed.
// Tasks      Each operand's task stride; 0 where all tasks share it.
// Layout     Images [images, h, w, c], indices and pooled values [images, oh, ow, c], row-major within a
//            task. An index counts row-major inside its window and is clamped to it; one that names
//            a place outside the image takes 0 and puts nothing.
// Dispatch   ceil(tasks * elements / 64) groups, folded into (x, y), by exec/gpu/choose.rs for
//            Places::Window. A lane makes at most 32,768 trips.
// Twin       exec/cpu/choose.rs. Checked against exec/reference.rs by tests/gpu.rs.
// Tolerance  argmax, take: none. put: 1e-6 * windows over a pixel * max|g|.

//#import "shared/arena"
//#import "shared/math"

struct Params {
    lanes: u32,
    h: u32,
    w: u32,
    c: u32,
    oh: u32,
    ow: u32,
    size_y: u32,
    size_x: u32,
    stride_y: u32,
    stride_x: u32,
    top: u32,
    left: u32,
    data_start: u32,
    data_task: u32,
    index_start: u32,
    index_task: u32,
    to_start: u32,
    to_task: u32,
    images: u32,
    unused_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

const LANES = 64u;

// A lane's element of a [tasks, images, rows, cols, c] tensor. `flat` counts within its task.
struct Element { flat: u32, channel: u32, col: u32, row: u32, image: u32, task: u32 }

fn element(i: u32, rows: u32, cols: u32) -> Element {
    let per_task = params.images * rows * cols * params.c;
    let flat = i % per_task;
    let pixel = flat / params.c;
    let line = pixel / cols;
    return Element(flat, flat % params.c, pixel % cols, line % rows, line / rows, i / per_task);
}

// The image element of place k in a window; `inside` is false in the padding.
struct Place { at: u32, inside: bool }

fn place(e: Element, k: u32) -> Place {
    let row = i32(e.row * params.stride_y + k / params.size_x) - i32(params.top);
    let col = i32(e.col * params.stride_x + k % params.size_x) - i32(params.left);
    let inside = row >= 0 && row < i32(params.h) && col >= 0 && col < i32(params.w);
    let at = ((e.image * params.h + u32(row)) * params.w + u32(col)) * params.c + e.channel;
    return Place(select(0u, at, inside), inside);
}

// The place an index names; 0 for NaN and below.
fn named(number: f32) -> u32 {
    let last = params.size_y * params.size_x - 1u;
    var k = 0u;
    if number > 0.0 {
        k = u32(min(number, f32(last)));
    }
    return min(k, last);
}

@compute @workgroup_size(LANES)
fn argmax(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.x + group.y * grid.x) * LANES + lane;
    if i >= params.lanes {
        return;
    }
    let e = element(i, params.oh, params.ow);
    let start = params.data_start + e.task * params.data_task;
    var best = 0.0;
    var best_k = 0u;
    var seen = false;
    for (var k = 0u; k < params.size_y * params.size_x; k += 1u) {
        let p = place(e, k);
        let value = load(start + p.at);
        // NaN wins, as in max_nan; of equals the first.
        let wins = !seen || (!is_nan_(best) && (is_nan_(value) || value > best));
        if p.inside && wins {
            best = value;
            best_k = k;
            seen = true;
        }
    }
    store(params.to_start + e.task * params.to_task + e.flat, f32(best_k));
}

@compute @workgroup_size(LANES)
fn take(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.x + group.y * grid.x) * LANES + lane;
    if i >= params.lanes {
        return;
    }
    let e = element(i, params.oh, params.ow);
    let p = place(e, named(load(params.index_start + e.task * params.index_task + e.flat)));
    let value = load(params.data_start + e.task * params.data_task + p.at);
    store(params.to_start + e.task * params.to_task + e.flat, select(0.0, value, p.inside));
}

@compute @workgroup_size(LANES)
fn put_(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.x + group.y * grid.x) * LANES + lane;
    if i >= params.lanes {
        return;
    }
    let e = element(i, params.h, params.w);
    let data = params.data_start + e.task * params.data_task;
    let index = params.index_start + e.task * params.index_task;
    // Window y covers padded rows y * stride .. y * stride + size: the first and last that cover this one.
    let row = e.row + params.top;
    let col = e.col + params.left;
    let y0 = (max(row + 1u, params.size_y) - params.size_y + params.stride_y - 1u) / params.stride_y;
    let x0 = (max(col + 1u, params.size_x) - params.size_x + params.stride_x - 1u) / params.stride_x;
    let y1 = min(row / params.stride_y + 1u, params.oh);
    let x1 = min(col / params.stride_x + 1u, params.ow);
    var sum = 0.0;
    for (var y = y0; y < y1; y += 1u) {
        for (var x = x0; x < x1; x += 1u) {
            let at = ((e.image * params.oh + y) * params.ow + x) * params.c + e.channel;
            let mine = (row - y * params.stride_y) * params.size_x + col - x * params.stride_x;
            if named(load(index + at)) == mine {
                sum += load(data + at);
            }
        }
    }
    store(params.to_start + e.task * params.to_task + e.flat, sum);
}
