// sweep_map: one visit of a space, a small program at each place, every result stored where it stands.
//
// Idea       Each lane visits four places a workgroup's width apart, so that neighbours read
//            neighbours. The program between the marks is pasted by exec/gpu/sweep.rs from the
//            rows of op/pointwise.rs; what stands here is an example, y = x * number.
// Tasks      The task axis is the space's first axis; a stride of 0 along it is a shared operand.
// Layout     views: for each load, then each sink, its start and its stride on each axis, in f32s,
//            padded to a multiple of four words. Strides are modulo 2^32, so that negative ones work.
// Dispatch   ceil(places / 256) groups, folded into (x, y), by exec/gpu/sweep.rs for Kind::Sweep
//            whose sinks are maps.
// Twin       exec/cpu/sweep.rs. Checked against exec/reference.rs by tests/gpu.rs.
// Tolerance  Per instruction 2 ulp (shared/math.wgsl) or the driver's division, at most 2.5 ulp.

//#import "shared/arena"
//#import "shared/math"

const NUMBERS = 1u;
const SIZES = 1u;
const VIEWS = 2u;

struct Params {
    places: u32,
    unused_0: u32,
    unused_1: u32,
    unused_2: u32,
    sizes: array<vec4<u32>, SIZES>,     // of the space's axes
    numbers: array<vec4<f32>, NUMBERS>, // constants of the program: data, so that texts are shared
    views: array<vec4<u32>, VIEWS>,
}

@group(0) @binding(0) var<uniform> params: Params;

const LANES = 64u;
const PLACES = 4u; // per lane: 64 lanes of 4 measured best on llvmpipe, 1 and 16 slower

//#begin program
fn visit(i: u32) {
    let c0 = i;
    let x0 = load(params.views[0].x + c0 * params.views[0].y);
    let v0 = (x0 * params.numbers[0].x);
    store(params.views[1].x + c0 * params.views[1].y, v0);
}
//#end program

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = (group.x + group.y * grid.x) * (LANES * PLACES) + lane;
    for (var k = 0u; k < PLACES; k += 1u) {
        let i = first + k * LANES;
        if i < params.places {
            visit(i);
        }
    }
}
