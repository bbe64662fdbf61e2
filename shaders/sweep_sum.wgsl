// sweep_sum: one visit of a space, a small program at each place, its results summed over some axes.
//
// Idea       A workgroup makes OUTPUTS neighbouring sums with DEPTH lanes each. A lane adds every
//            DEPTH-th term, then the lanes are added as a tree. The order depends on shapes alone,
//            so the bits repeat. OUTPUTS = 1 suits summed last axes (neighbouring lanes read
//            neighbouring terms), DEPTH = 1 short sums, 32 x 8 summed leading axes with channels as
//            lanes. A long sum is cut into parts, added by a second dispatch. The program is
//            pasted as in sweep_map.wgsl; what stands here is a sum of x.
// Tasks      The task axis is the first of the kept axes; a stride of 0 along it is a shared operand.
// Layout     sizes: of the kept axes, then of the summed ones. views: for each load, then each sink,
//            its start and its strides on the kept axes, then on the summed ones, in f32s modulo
//            2^32, padded to a multiple of four words.
// Dispatch   ceil(sums / OUTPUTS) * parts groups, folded into (x, y), by exec/gpu/sweep.rs for
//            Kind::Sweep whose sinks are sums. A lane makes at most 32,768 trips.
// Twin       exec/cpu/sweep.rs. Checked against exec/reference.rs by tests/gpu.rs.
// Tolerance  |sum - reference| <= 1e-6 * (terms a lane adds + 8) * largest |term|, and the error of the terms.

//#import "shared/arena"
//#import "shared/math"

const NUMBERS = 1u;
const SIZES = 1u;
const VIEWS = 2u;
const OUTPUTS = 1u;
const DEPTH = 64u;
const ACCUMULATE = false;

struct Params {
    outputs: u32,     // sums
    terms: u32,       // of each
    chunk: u32,       // terms of one part
    blocks: u32,      // workgroups of one part
    part_stride: u32, // f32s between the results of two parts; 0 for one part
    unused_0: u32,
    unused_1: u32,
    unused_2: u32,
    sizes: array<vec4<u32>, SIZES>,
    numbers: array<vec4<f32>, NUMBERS>,
    views: array<vec4<u32>, VIEWS>,
}

@group(0) @binding(0) var<uniform> params: Params;

const LANES = OUTPUTS * DEPTH;

//#begin program
struct Start { x0: u32 }
struct Sums { s0: f32 }

fn begin(i: u32) -> Start {
    let c0 = i;
    return Start(params.views[0].x + c0 * params.views[0].y);
}

fn visit(start: Start, q: u32, sums: Sums) -> Sums {
    let d0 = q;
    let x0 = load(start.x0 + d0 * params.views[0].z);
    return Sums(sums.s0 + x0);
}

fn add(a: Sums, b: Sums) -> Sums {
    return Sums(a.s0 + b.s0);
}

fn keep(i: u32, part: u32, sums: Sums) {
    let c0 = i;
    let y0 = params.views[1].x + c0 * params.views[1].y + part * params.part_stride;
    store(y0, sums.s0 + select(0.0, load(y0), ACCUMULATE));
}
//#end program

var<workgroup> lanes: array<Sums, LANES>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let block = group.x + group.y * grid.x;
    let part = block / params.blocks;
    let i = (block % params.blocks) * OUTPUTS + lane % OUTPUTS;
    let depth = lane / OUTPUTS;
    // Lanes past the last sum add the last one again instead of returning: all must reach the barriers.
    let start = begin(min(i, params.outputs - 1u));

    var sums = Sums();
    let end = min((part + 1u) * params.chunk, params.terms);
    for (var q = part * params.chunk + depth; q < end; q += DEPTH) {
        sums = visit(start, q, sums);
    }
    lanes[lane] = sums;
    workgroupBarrier(); // every lane's sum stands before a neighbour reads it

    for (var step = DEPTH / 2u; step > 0u; step /= 2u) {
        if depth < step {
            lanes[lane] = add(lanes[lane], lanes[lane + step * OUTPUTS]);
        }
        workgroupBarrier(); // this level of the tree stands before the next reads it
    }
    if depth == 0u && i < params.outputs && part * params.chunk < params.terms {
        keep(i, part, lanes[lane]);
    }
}
