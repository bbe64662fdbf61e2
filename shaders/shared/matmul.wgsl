// matmul: what the two products share, their parameters and the places they read and write.
//
// Idea       One description of a batched, strided product, for matmul_registers and matmul_tiles.
// Tasks      The task axis is the first batch axis, its stride 0 for what all tasks share.
// Layout     All in f32s of the arena, strides modulo 2^32, so that negative ones work.
// Dispatch   None of its own. Parameters are written by exec/gpu/contract.rs.
// Twin       exec/cpu/matmul.rs.
// Tolerance  That of the importing shader.

struct Params {
    m: u32,
    n: u32,
    k: u32,
    chunk: u32, // of k, in one part
    row_tiles: u32,
    col_tiles: u32,
    batches: u32,
    batch_axes: u32,
    a_start: u32,
    a_row: u32,
    a_col: u32,
    accumulate: u32, // 1: C is added to
    b_start: u32,
    b_row: u32,
    b_col: u32,
    unused_0: u32,
    c_start: u32,
    c_row: u32,
    c_col: u32,
    part_stride: u32, // f32s between the results of two parts
    batch: array<vec4<u32>, 8>, // for each axis: size, stride of A, of B, of C
}

@group(0) @binding(0) var<uniform> params: Params;

struct Starts { a: u32, b: u32, c: u32 }

fn batch_start(batch: u32) -> Starts {
    var at = vec3<u32>(params.a_start, params.b_start, params.c_start);
    var rest = batch;
    for (var axis = params.batch_axes; axis > 0u; axis -= 1u) {
        let entry = params.batch[axis - 1u];
        at += (rest % entry.x) * entry.yzw;
        rest /= entry.x;
    }
    return Starts(at.x, at.y, at.z);
}

fn keep_one(at: u32, part: u32, value: f32) {
    let place = at + part * params.part_stride;
    if params.accumulate == 1u {
        store(place, load(place) + value);
    } else {
        store(place, value);
    }
}

// Four neighbours of one row, those inside C.
fn keep(row: u32, col: u32, at: u32, part: u32, sums: vec4<f32>) {
    for (var k = 0u; k < 4u; k += 1u) {
        if row < params.m && col + k < params.n {
            keep_one(at + row * params.c_row + (col + k) * params.c_col, part, sums[k]);
        }
    }
}
