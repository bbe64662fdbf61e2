// copy_ranges: many ranges of the arena copied in one dispatch: state from outputs back to inputs.
//
// Idea       A table gives each workgroup one range of at most 4,096 elements. One dispatch for a whole
//            model's weights and optimiser state instead of one each.
// Tasks      None: state is copied as it stands.
// Layout     ranges: for each workgroup where to read, where to write and how many f32s. Ranges written
//            and ranges read do not overlap.
// Dispatch   One group a range, at most 1,024, by exec/gpu/program.rs after the plan's kernels.
// Twin       exec/cpu/program.rs. Checked by tests/gpu.rs.
// Tolerance  None: a copy.

//#import "shared/arena"

const RANGES = 1024u; // 16 of the 64 KiB that a uniform buffer may have
const LANES = 64u;

struct Params {
    ranges: array<vec4<u32>, RANGES>, // from, to, length, unused
}

@group(0) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let range = params.ranges[group.x];
    for (var k = lane; k < range.z; k += LANES) {
        store(range.y + k, load(range.x + k));
    }
}
