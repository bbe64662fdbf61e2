// conv: what the three sides of a convolution share, their parameters and how a lane finds its tile.
//
// Idea       One trilinear form sum x * w * g; each side computes tiles of four places by four channels
//            of the operand it stands for. A tile's channels belong to one group.
// Tasks      Each operand has its own task stride, 0 where all tasks share it.
// Layout     x [images, h, w, c], w [kh, kw, c / groups, o], g [images, oh, ow, o], row-major within a
//            task. a, b and to are the operands and the result in the side's own order.
// Dispatch   None of its own. Parameters are written by exec/gpu/contract.rs.
// Twin       exec/cpu/conv.rs.
// Tolerance  That of the importing shader.

struct Params {
    images: u32,
    h: u32,
    w: u32,
    c: u32,
    oh: u32,
    ow: u32,
    o: u32,
    groups: u32,
    kh: u32,
    kw: u32,
    stride_y: u32,
    stride_x: u32,
    top: u32,
    left: u32,
    dilation_y: u32,
    dilation_x: u32,
    a_start: u32,
    a_task: u32,
    b_start: u32,
    b_task: u32,
    to_start: u32,
    to_task: u32,
    part_stride: u32, // f32s between the results of two parts
    accumulate: u32,  // 1: the result is added to
    tasks: u32,
    places: u32,         // pixels; taps of the weight side
    place_tiles: u32,    // of four places; of one tap on the weight side
    channel_tiles: u32,  // of four channels, in one group
    terms: u32,          // of each sum
    chunk: u32,          // terms of one part
    unused_0: u32,
    unused_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

const LANES = 64u;
const QUAD = vec4<u32>(0u, 1u, 2u, 3u);

// What one lane computes. Channels run fastest: neighbouring lanes read the same pixel.
struct Tile { channel: u32, group: u32, place: u32, task: u32, part: u32 }

fn tile_of(lane: u32) -> Tile {
    var rest = lane;
    let channel = rest % params.channel_tiles;
    rest /= params.channel_tiles;
    let group = rest % params.groups;
    rest /= params.groups;
    let place = rest % params.place_tiles;
    rest /= params.place_tiles;
    return Tile(channel * 4u, group, place, rest % params.tasks, rest / params.tasks);
}

// Four neighbouring results from `at`, the first `count` of them.
fn keep(at: u32, count: u32, part: u32, sums: vec4<f32>) {
    let place = at + part * params.part_stride;
    for (var k = 0u; k < min(count, 4u); k += 1u) {
        if params.accumulate == 1u {
            store(place + k, load(place + k) + sums[k]);
        } else {
            store(place + k, sums[k]);
        }
    }
}

fn load4(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(load(at.x), load(at.y), load(at.z), load(at.w));
}
