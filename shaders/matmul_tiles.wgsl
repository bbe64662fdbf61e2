// matmul_tiles: C[b] = A[b] * B[b] for every batch b, through workgroup memory: for large products on a GPU.
//
// Idea       A workgroup computes 64 x 64 elements of one C. In each step of 16 along k its 256 lanes
//            load a slice of A and of B into workgroup memory; each lane then adds 16 products to its
//            4 x 4 elements. Every number fetched from memory is used 64 times.
// Tasks      The task axis is the first batch axis; a stride of 0 along it is a shared matrix.
// Layout     As matmul_registers. Slices are stored [k][row] and [k][col].
// Dispatch   row tiles * col tiles * batches * parts groups, folded into (x, y), by
//            exec/gpu/contract.rs for Kind::MatMul. A lane makes at most 32,768 trips.
// Twin       exec/cpu/matmul.rs. Checked against exec/reference.rs by tests/gpu.rs.
// Tolerance  |C - reference| <= 1e-6 * k * max|A| * max|B|: k products rounded and summed in f32.

//#import "shared/arena"
//#import "shared/matmul"

const LANES = 256u; // the most that WebGPU promises
const TILE = 64u;
const STEP = 16u; // two slices of 64 x 16 f32s: 8 of the 16 KiB that WebGPU promises

var<workgroup> a_slice: array<array<vec4<f32>, 16>, STEP>;
var<workgroup> b_slice: array<array<vec4<f32>, 16>, STEP>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    var tile = group.x + group.y * grid.x;
    let col0 = (tile % params.col_tiles) * TILE;
    tile /= params.col_tiles;
    let row0 = (tile % params.row_tiles) * TILE;
    tile /= params.row_tiles;
    let part = tile / params.batches;
    let start = batch_start(tile % params.batches);
    // A group past the last part has nothing to add but must pass the barriers all the same.
    let begin = min(part * params.chunk, params.k);
    let end = min(begin + params.chunk, params.k);

    // Which four numbers of a slice this lane loads: four rows at one k where rows are neighbours in
    // memory, else the same four places with k running fastest over the lanes.
    let a_by_row = params.a_row == 1u;
    let a_q = select(lane % STEP, lane / 16u, a_by_row);
    let a_quad = select(lane / STEP, lane % 16u, a_by_row);
    let b_by_col = params.b_col == 1u;
    let b_q = select(lane % STEP, lane / 16u, b_by_col);
    let b_quad = select(lane / STEP, lane % 16u, b_by_col);
    let step = vec4<u32>(0u, 1u, 2u, 3u);
    let a_rows = start.a + min(row0 + a_quad * 4u + step, vec4<u32>(params.m - 1u)) * params.a_row;
    let b_cols = start.b + min(col0 + b_quad * 4u + step, vec4<u32>(params.n - 1u)) * params.b_col;

    let my_row = lane / 16u;
    let my_col = lane % 16u;
    var sum0 = vec4<f32>();
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    var sum3 = vec4<f32>();
    for (var q0 = begin; q0 < end; q0 += STEP) {
        // Past the end of k both slices hold zeros, which add nothing.
        var a = vec4<f32>();
        var b = vec4<f32>();
        if q0 + a_q < end {
            let at = a_rows + (q0 + a_q) * params.a_col;
            a = vec4<f32>(load(at.x), load(at.y), load(at.z), load(at.w));
        }
        if q0 + b_q < end {
            let at = b_cols + (q0 + b_q) * params.b_row;
            b = vec4<f32>(load(at.x), load(at.y), load(at.z), load(at.w));
        }
        a_slice[a_q][a_quad] = a;
        b_slice[b_q][b_quad] = b;
        workgroupBarrier(); // both slices stand before any lane reads them
        for (var q = 0u; q < STEP; q += 1u) {
            let x = a_slice[q][my_row];
            let y = b_slice[q][my_col];
            sum0 += x.x * y;
            sum1 += x.y * y;
            sum2 += x.z * y;
            sum3 += x.w * y;
        }
        workgroupBarrier(); // all have read before the next step overwrites the slices
    }
    if begin < params.k {
        let row = row0 + my_row * 4u;
        let col = col0 + my_col * 4u;
        keep(row, col, start.c, part, sum0);
        keep(row + 1u, col, start.c, part, sum1);
        keep(row + 2u, col, start.c, part, sum2);
        keep(row + 3u, col, start.c, part, sum3);
    }
}
