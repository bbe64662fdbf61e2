// take_put: the elements an index names along one axis, and elements added at the places it names.
//
// Idea       `take` gives each lane one index. `put` gives each lane one place of the result, which looks
//            through all indices for its own number: nothing is added to from two lanes, so the order
//            is fixed, and no float atomics are needed.
// Tasks      The task axis is the first of the outer axes; a stride of 0 along it is a shared operand.
// Layout     outer: for each other axis its size and the strides of the data, the index and the result,
//            in f32s modulo 2^32. Along the axis: `places` on the indexed side, `entries` of the index.
//            An index outside the places is clamped: it cannot reach foreign memory.
// Dispatch   ceil(outer * entries / 64) or ceil(outer * places / 64) groups, folded into (x, y), by
//            exec/gpu/choose.rs for Choice::Take and Choice::Put. A lane makes at most 32,768 trips.
// Twin       exec/cpu/choose.rs. Checked against exec/reference.rs by tests/gpu.rs.
// Tolerance  take: none. put: 1e-6 * entries * max|g|, and none where an index names a place once.

//#import "shared/arena"

struct Params {
    lanes: u32,   // outer * entries, or outer * places
    places: u32,
    entries: u32,
    outer_axes: u32,
    data_start: u32,
    data_step: u32, // along the axis, of what is read
    index_start: u32,
    index_step: u32,
    to_start: u32,
    to_step: u32, // along the axis, of what is written
    unused_0: u32,
    unused_1: u32,
    outer: array<vec4<u32>, 8>, // size, strides of data, index and result
}

@group(0) @binding(0) var<uniform> params: Params;

const LANES = 64u;

struct Starts { data: u32, index: u32, to: u32 }

fn starts(outer: u32) -> Starts {
    var at = vec3<u32>(params.data_start, params.index_start, params.to_start);
    var rest = outer;
    for (var axis = params.outer_axes; axis > 0u; axis -= 1u) {
        let entry = params.outer[axis - 1u];
        at += (rest % entry.x) * entry.yzw;
        rest /= entry.x;
    }
    return Starts(at.x, at.y, at.z);
}

// The place a number names; 0 for NaN and below.
fn place(number: f32) -> u32 {
    var k = 0u;
    if number > 0.0 {
        k = u32(min(number, f32(params.places - 1u)));
    }
    return min(k, params.places - 1u);
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
    let at = starts(i / params.entries);
    let j = i % params.entries;
    let k = place(load(at.index + j * params.index_step));
    store(at.to + j * params.to_step, load(at.data + k * params.data_step));
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
    let at = starts(i / params.places);
    let k = i % params.places;
    var sum = 0.0;
    for (var j = 0u; j < params.entries; j += 1u) {
        if place(load(at.index + j * params.index_step)) == k {
            sum += load(at.data + j * params.data_step);
        }
    }
    store(at.to + k * params.to_step, sum);
}
