// conv_weight: w[ky, kx, c, o] = sum over images and output pixels of x * g, for every task in one dispatch.
//
// Idea       Few results, long sums. Each lane computes four channels by four output channels of one tap
//            in registers and walks along the output pixels, which is g's own order. The pixels are
//            cut into parts, so that lanes are many and each makes few trips; sweep_sum adds the
//            parts. A pixel outside the image is left out, not multiplied by zero.
// Tasks      Each operand's task stride; 0 where all tasks share it.
// Layout     See shared/conv.wgsl; a is x, b is g.
// Dispatch   ceil(tiles * tasks * parts / 64) groups, folded into (x, y), by exec/gpu/contract.rs for
//            Kind::Conv with Side::Weight. A lane makes at most 32,768 trips.
// Twin       exec/cpu/conv.rs. Checked against exec/reference.rs by tests/gpu.rs.
// Tolerance  |w - reference| <= 1e-6 * terms * max|x| * max|g|: products rounded and summed in f32.

//#import "shared/arena"
//#import "shared/conv"

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    // The tile's place is its tap and a tile of input channels.
    let tile = tile_of((group.x + group.y * grid.x) * LANES + lane);
    let begin = tile.part * params.chunk;
    if begin >= params.terms {
        return;
    }
    let end = min(begin + params.chunk, params.terms);
    let depth = params.c / params.groups;
    let width = params.o / params.groups;
    let depth_tiles = (depth + 3u) / 4u;
    let tap = tile.place / depth_tiles;
    let channel = (tile.place % depth_tiles) * 4u;

    let row0 = i32((tap / params.kw) * params.dilation_y) - i32(params.top);
    let col0 = i32((tap % params.kw) * params.dilation_x) - i32(params.left);
    // Channels past the last one are computed as the last one and not stored.
    let x_base = params.a_start + tile.task * params.a_task + tile.group * depth
        + min(channel + QUAD, vec4<u32>(depth - 1u));
    var g_at = params.b_start + tile.task * params.b_task + begin * params.o + tile.group * width
        + min(tile.channel + QUAD, vec4<u32>(width - 1u));

    var x = begin % params.ow;
    var y = (begin / params.ow) % params.oh;
    var image = begin / (params.ow * params.oh);
    var sum0 = vec4<f32>();
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    var sum3 = vec4<f32>();
    for (var q = begin; q < end; q += 1u) {
        let row = row0 + i32(y * params.stride_y);
        let col = col0 + i32(x * params.stride_x);
        if row >= 0 && row < i32(params.h) && col >= 0 && col < i32(params.w) {
            let at = ((image * params.h + u32(row)) * params.w + u32(col)) * params.c;
            let a = load4(x_base + at);
            let b = load4(g_at);
            sum0 += a.x * b;
            sum1 += a.y * b;
            sum2 += a.z * b;
            sum3 += a.w * b;
        }
        g_at += vec4<u32>(params.o);
        x += 1u;
        if x == params.ow {
            x = 0u;
            y += 1u;
        }
        if y == params.oh {
            y = 0u;
            image += 1u;
        }
    }

    let row = tap * depth + channel;
    let to = params.to_start + tile.task * params.to_task + row * params.o + tile.group * width + tile.channel;
    let count = width - tile.channel;
    keep(to, count, tile.part, sum0);
    if channel + 1u < depth { keep(to + params.o, count, tile.part, sum1); }
    if channel + 2u < depth { keep(to + 2u * params.o, count, tile.part, sum2); }
    if channel + 3u < depth { keep(to + 3u * params.o, count, tile.part, sum3); }
}
