// argmax_axis: where along one axis the largest element stands, the first of equals; NaN counts as largest.
//
// Idea       A workgroup makes OUTPUTS results with DEPTH lanes each: a lane looks at every DEPTH-th
//            place, then the lanes are compared as a tree. Equal values keep the lower place, so the
//            answer does not depend on the order. OUTPUTS 64, DEPTH 1 for short axes, 1 and 64 for long.
// Tasks      The task axis is the first of the outer axes; a stride of 0 along it is a shared operand.
// Layout     outer: for each other axis its size and the strides of x and of the result, in f32s modulo
//            2^32. The result is a whole number as f32, exact below 2^24.
// Dispatch   ceil(results / OUTPUTS) groups, folded into (x, y), by exec/gpu/choose.rs for
//            Choice::ArgMax. A lane makes at most 32,768 trips.
// Twin       exec/cpu/choose.rs. Checked against exec/reference.rs by tests/gpu.rs.
// Tolerance  None: the same places.

//#import "shared/arena"
//#import "shared/math"

const OUTPUTS = 64u;
const DEPTH = 1u;

struct Params {
    results: u32,
    places: u32, // along the axis
    step: u32,   // f32s between them
    outer_axes: u32,
    x_start: u32,
    to_start: u32,
    unused_0: u32,
    unused_1: u32,
    outer: array<vec4<u32>, 8>, // size, stride of x, unused, stride of the result
}

@group(0) @binding(0) var<uniform> params: Params;

const LANES = OUTPUTS * DEPTH;

struct Best { value: f32, place: u32 }

// NaN wins, as in max_nan: a diverged value must not vanish in a pool. Of equals the lower place.
fn better(a: Best, b: Best) -> Best {
    let a_nan = is_nan_(a.value);
    let b_nan = is_nan_(b.value);
    let equal = (a_nan && b_nan) || a.value == b.value;
    let larger = (b_nan && !a_nan) || (b.value > a.value && !a_nan);
    if larger || (equal && b.place < a.place) {
        return b;
    }
    return a;
}

var<workgroup> lanes: array<Best, LANES>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.x + group.y * grid.x) * OUTPUTS + lane % OUTPUTS;
    let depth = lane / OUTPUTS;
    // Lanes past the last result do it again instead of returning: all must reach the barriers.
    var rest = min(i, params.results - 1u);
    var x_at = params.x_start;
    var to_at = params.to_start;
    for (var axis = params.outer_axes; axis > 0u; axis -= 1u) {
        let entry = params.outer[axis - 1u];
        x_at += (rest % entry.x) * entry.y;
        to_at += (rest % entry.x) * entry.w;
        rest /= entry.x;
    }
    // A lane without a place of its own starts with the last one, which some lane looks at anyway.
    let first = min(depth, params.places - 1u);
    var best = Best(load(x_at + first * params.step), first);
    for (var k = depth + DEPTH; k < params.places; k += DEPTH) {
        best = better(best, Best(load(x_at + k * params.step), k));
    }
    lanes[lane] = best;
    workgroupBarrier(); // every lane's best stands before a neighbour reads it
    for (var step = DEPTH / 2u; step > 0u; step /= 2u) {
        if depth < step {
            lanes[lane] = better(lanes[lane], lanes[lane + step * OUTPUTS]);
        }
        workgroupBarrier(); // this level of the tree stands before the next reads it
    }
    if depth == 0u && i < params.results {
        store(to_at, f32(lanes[lane].place));
    }
}
