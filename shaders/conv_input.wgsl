// conv_input: x[n, row, col, c] = sum over taps and output channels of w * g, for every task in one dispatch.
//
// Idea       Direct, and gathering: each lane computes four image pixels by four channels and asks for
//            each tap which output pixel's window it was read by, if any. So nothing is added to from two
//            lanes, and the order is fixed. A tap that no window used is left out, not multiplied by
//            zero. With a stride of s only every s-th tap has a window; pixels are counted phase by phase
//            (row mod s, column mod s), so that a lane's four share their taps and skip the others.
//            A long sum is cut into parts, added by sweep_sum.
// Tasks      Each operand's task stride; 0 where all tasks share it.
// Layout     See shared/conv.wgsl; a is w, b is g.
// Dispatch   ceil(tiles * tasks * parts / 64) groups, folded into (x, y), by exec/gpu/contract.rs for
//            Kind::Conv with Side::Input. A lane makes at most 32,768 trips.
// Twin       exec/cpu/conv.rs. Checked against exec/reference.rs by tests/gpu.rs.
// Tolerance  |x - reference| <= 1e-6 * terms * max|w| * max|g|: products rounded and summed in f32.

//#import "shared/arena"
//#import "shared/conv"

// Where the output pixels stand that read the four image pixels through a tap, and which exist.
struct Taps { at: vec4<u32>, inside: vec4<bool> }

fn taps(tap: u32, base: vec4<u32>, rows: vec4<i32>, cols: vec4<i32>, exists: vec4<bool>) -> Taps {
    // The tap (ky, kx) of output (y, x) reads row y * stride + ky * dilation - top.
    let row = rows - i32((tap / params.kw) * params.dilation_y);
    let col = cols - i32((tap % params.kw) * params.dilation_x);
    let zero = vec4<i32>();
    let stride_y = vec4<i32>(i32(params.stride_y));
    let stride_x = vec4<i32>(i32(params.stride_x));
    let y = row / stride_y;
    let x = col / stride_x;
    let inside = exists & (row >= zero) & (y * stride_y == row) & (y < vec4<i32>(i32(params.oh)))
        & (col >= zero) & (x * stride_x == col) & (x < vec4<i32>(i32(params.ow)));
    let offset = (vec4<u32>(y) * params.ow + vec4<u32>(x)) * params.o;
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

    // Pixels past the last one, or past the image's rim in their phase, have no taps and are not stored.
    let across = (params.w + params.stride_x - 1u) / params.stride_x;
    let down = (params.h + params.stride_y - 1u) / params.stride_y;
    let pixel = tile.place * 4u + QUAD;
    let line = pixel / across;
    let plane = line / down;
    let phase = plane / params.images;
    let image = plane % params.images;
    let col = (pixel % across) * params.stride_x + phase % params.stride_x;
    let row = (line % down) * params.stride_y + phase / params.stride_x;
    let exists = (row < vec4<u32>(params.h)) & (col < vec4<u32>(params.w)) & (pixel < vec4<u32>(params.places));
    let rows = vec4<i32>(row) + i32(params.top);
    let cols = vec4<i32>(col) + i32(params.left);
    let base = params.b_start + tile.task * params.b_task + tile.group * width
        + image * (params.oh * params.ow * params.o);
    let w_base = params.a_start + tile.task * params.a_task + tile.group * width
        + min(tile.channel + QUAD, vec4<u32>(depth - 1u)) * params.o;

    var tap = begin / width;
    var o = begin % width;
    var now = taps(tap, base, rows, cols, exists);
    now.at += vec4<u32>(o);
    var w_at = w_base + tap * depth * params.o + o;
    var sum0 = vec4<f32>();
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    var sum3 = vec4<f32>();
    let none = vec4<f32>();
    for (var q = begin; q < end; q += 1u) {
        if o == width {
            o = 0u;
            tap += 1u;
            now = taps(tap, base, rows, cols, exists);
            w_at = w_base + tap * depth * params.o;
        }
        if !any(now.inside) {
            q += width - 1u - o; // with the loop's own step: the next tap's first term
            o = width;
            continue;
        }
        let a = load4(now.at);
        let b = load4(w_at);
        sum0 += select(none, a.x * b, now.inside.x);
        sum1 += select(none, a.y * b, now.inside.y);
        sum2 += select(none, a.z * b, now.inside.z);
        sum3 += select(none, a.w * b, now.inside.w);
        o += 1u;
        now.at += vec4<u32>(1u);
        w_at += vec4<u32>(1u);
    }

    let to = params.to_start + tile.task * params.to_task + tile.group * depth + tile.channel
        + ((image * params.h + row) * params.w + col) * params.c;
    let count = depth - tile.channel;
    if exists.x { keep(to.x, count, tile.part, sum0); }
    if exists.y { keep(to.y, count, tile.part, sum1); }
    if exists.z { keep(to.z, count, tile.part, sum2); }
    if exists.w { keep(to.w, count, tile.part, sum3); }
}
