// matmul_registers: C[b] = A[b] * B[b] for every batch b, in one dispatch.
//
// Idea       Each lane computes 4 x 4 elements of one C in registers, so every number it loads is
//            used four times, without workgroup memory. Lanes are counted through all tiles of all
//            batches, so that many tiny products fill whole workgroups. A long k is cut into parts
//            that write their own result; a sweep_sum adds them.
// Tasks      The task axis is the first batch axis; a stride of 0 along it means all tasks read the
//            same matrix: shared weights meet per-task activations without a copy.
// Layout     Strided: element (i, j) of A[b] stands at a_start + (batch strides) + i * a_row +
//            j * a_col, so a transpose is another pair of strides. batch: for each axis its size and
//            the strides of A, B and C.
// Dispatch   ceil(tiles * batches * parts / 64) groups, folded into (x, y), by
//            exec/gpu/contract.rs for Kind::MatMul. A lane makes at most 32,768 trips.
// Twin       exec/cpu/matmul.rs. Checked against exec/reference.rs by tests/gpu.rs.
// Tolerance  |C - reference| <= 1e-6 * k * max|A| * max|B|: k products rounded and summed in f32.

//#import "shared/arena"
//#import "shared/matmul"

const LANES = 64u;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    var tile = (group.x + group.y * grid.x) * LANES + lane;
    let col = (tile % params.col_tiles) * 4u;
    tile /= params.col_tiles;
    let row = (tile % params.row_tiles) * 4u;
    tile /= params.row_tiles;
    let part = tile / params.batches;
    if part * params.chunk >= params.k {
        return;
    }
    let start = batch_start(tile % params.batches);

    // Places of the four rows of A and the four columns of B. Those outside load the last one
    // again: a valid place, and what it gives is not stored.
    let begin = part * params.chunk;
    let end = min(begin + params.chunk, params.k);
    let step = vec4<u32>(0u, 1u, 2u, 3u);
    var a_at = start.a + min(row + step, vec4<u32>(params.m - 1u)) * params.a_row + begin * params.a_col;
    var b_at = start.b + min(col + step, vec4<u32>(params.n - 1u)) * params.b_col + begin * params.b_row;

    var sum0 = vec4<f32>();
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    var sum3 = vec4<f32>();
    for (var q = begin; q < end; q += 1u) {
        let b = vec4<f32>(load(b_at.x), load(b_at.y), load(b_at.z), load(b_at.w));
        sum0 += load(a_at.x) * b;
        sum1 += load(a_at.y) * b;
        sum2 += load(a_at.z) * b;
        sum3 += load(a_at.w) * b;
        a_at += vec4<u32>(params.a_col);
        b_at += vec4<u32>(params.b_row);
    }
    keep(row, col, start.c, part, sum0);
    keep(row + 1u, col, start.c, part, sum1);
    keep(row + 2u, col, start.c, part, sum2);
    keep(row + 3u, col, start.c, part, sum3);
}
