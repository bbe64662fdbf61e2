// random: uniform numbers in [0, 1), a pure function of seed, stream, step, task and element.
//
// Idea       Each lane makes one number from its own place: no state, any order, the same bits.
// Tasks      The task is a word of the counter: element i of task t is the same number
//            however many tasks run together.
// Layout     to: `per_task` elements of each task, contiguous, `to_task` f32s from task to task.
//            The step is one f32 of the arena, a whole number below 2^24.
// Dispatch   ceil(tasks * per_task / 64) groups, folded into (x, y), by exec/gpu/choose.rs for Kind::Random.
// Twin       src/random.rs. Checked against exec/reference.rs by tests/gpu.rs.
// Tolerance  None: equal bit for bit.

//#import "shared/arena"
//#import "shared/philox"

struct Params {
    lanes: u32,
    per_task: u32,
    to_start: u32,
    to_task: u32,
    step_at: u32,
    seed: u32,
    stream: u32,
    unused_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

const LANES = 64u;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.x + group.y * grid.x) * LANES + lane;
    if i >= params.lanes {
        return;
    }
    let element = i % params.per_task;
    let task = i / params.per_task;
    let step = u32(max(load(params.step_at), 0.0));
    let key = vec2<u32>(params.seed, params.stream);
    store(params.to_start + task * params.to_task + element, uniform_(key, element, step, task));
}
