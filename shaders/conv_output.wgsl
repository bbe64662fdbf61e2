// conv_output: g[n, y, x, o] = sum over taps and channels of x * w, for every task in one dispatch.
//
// Idea       Direct: each lane computes four pixels by four output channels in registers. One loop runs
//            over (tap, channel), which is w's own order; at each new tap the four pixels are placed anew.
//            A tap outside the image is left out, not multiplied by zero, so that a NaN in w
//            does not reach pixels it has no part in. A long sum is cut into parts, added by sweep_sum.
// Tasks      Each operand's task stride; 0 where all tasks share it.
// Layout     See shared/conv.wgsl; a is x, b is w.
// Dispatch   ceil(tiles * tasks * parts / 64) groups, folded into (x, y), by exec/gpu/contract.rs for
//            Kind::Conv with Side::Output. A lane makes at most 32,768 trips.
// Twin       exec/cpu/conv.rs. Checked against exec/reference.rs by tests/gpu.rs.
// Tolerance  |g - reference| <= 1e-6 * terms * max|x| * max|w|: products rounded and summed in f32.

//#import "shared/arena"
//#import "shared/conv"

// Places of a tap in the four pixels' windows, and which of them lie inside the image.
struct Taps { at: vec4<u32>, inside: vec4<bool> }

fn taps(tap: u32, base: vec4<u32>, rows: vec4<i32>, cols: vec4<i32>) -> Taps {
    let row = rows + i32((tap / params.kw) * params.dilation_y);
    let col = cols + i32((tap % params.kw) * params.dilation_x);
    let zero = vec4<i32>();
    let inside = (row >= zero) & (row < vec4<i32>(i32(params.h)))
        & (col >= zero) & (col < vec4<i32>(i32(params.w)));
    let offset = (vec4<u32>(row) * params.w + vec4<u32>(col)) * params.c;
    return Taps(base + select(vec4<u32>(), offset, inside), inside);
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tile = tile_of((group.x + group.y * grid.x) * LANES + lane);
    let begin = tile.part * params.chunk;
    if begin >= params.terms {
        return;
    }
    let end = min(begin + params.chunk, params.terms);
    let depth = params.c / params.groups;
    let width = params.o / params.groups;

    // Pixels past the last one are computed as the last one and not stored.
    let pixel = min(tile.place * 4u + QUAD, vec4<u32>(params.places - 1u));
    let x = pixel % params.ow;
    let y = (pixel / params.ow) % params.oh;
    let image = pixel / (params.ow * params.oh);
    let rows = vec4<i32>(y * params.stride_y) - i32(params.top);
    let cols = vec4<i32>(x * params.stride_x) - i32(params.left);
    let base = params.a_start + tile.task * params.a_task + tile.group * depth
        + image * (params.h * params.w * params.c);
    var w_at = params.b_start + tile.task * params.b_task + begin * params.o + tile.group * width
        + min(tile.channel + QUAD, vec4<u32>(width - 1u));

    var tap = begin / depth;
    var channel = begin % depth;
    var now = taps(tap, base, rows, cols);
    now.at += vec4<u32>(channel);
    var sum0 = vec4<f32>();
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    var sum3 = vec4<f32>();
    let none = vec4<f32>();
    for (var q = begin; q < end; q += 1u) {
        if channel == depth {
            channel = 0u;
            tap += 1u;
            now = taps(tap, base, rows, cols);
        }
        let a = load4(now.at);
        let b = load4(w_at);
        sum0 += select(none, a.x * b, now.inside.x);
        sum1 += select(none, a.y * b, now.inside.y);
        sum2 += select(none, a.z * b, now.inside.z);
        sum3 += select(none, a.w * b, now.inside.w);
        channel += 1u;
        now.at += vec4<u32>(1u);
        w_at += vec4<u32>(params.o);
    }

    let to = params.to_start + tile.task * params.to_task + tile.group * width + tile.channel;
    let first = tile.place * 4u;
    let count = width - tile.channel;
    keep(to + first * params.o, count, tile.part, sum0);
    if first + 1u < params.places { keep(to + (first + 1u) * params.o, count, tile.part, sum1); }
    if first + 2u < params.places { keep(to + (first + 2u) * params.o, count, tile.part, sum2); }
    if first + 3u < params.places { keep(to + (first + 3u) * params.o, count, tile.part, sum3); }
}
