// arena: the one buffer that holds every number, and how the others read and write it.
//
// Idea       One storage buffer for all operands, so that a kernel may have any number of them within the
//            eight that WebGPU promises. Where it is larger than one binding may be, assemble.rs puts
//            the same two functions over several bindings in this file's place.
// Tasks      None: places are counted through all tasks.
// Layout     f32s, one after the other.
// Dispatch   None of its own: functions for other shaders to import.
// Twin       exec/cpu/run.rs.
// Tolerance  None.

@group(0) @binding(1) var<storage, read_write> arena: array<f32>;

fn load(at: u32) -> f32 {
    return arena[at];
}

fn store(at: u32, value: f32) {
    arena[at] = value;
}
