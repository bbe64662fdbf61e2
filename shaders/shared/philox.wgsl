// philox: random words without state, the same bits as on the host.
//
// Idea       Philox4x32-10 (Salmon et al. 2011): ten rounds of two 32 x 32 -> 64 bit products scramble a
//            counter under a key. WGSL has no 64-bit integers, so a product is made of four 16-bit ones.
// Tasks      The task is a word of the counter: element i of task t at step s is the same number
//            however many tasks run together.
// Layout     key = (seed, stream), counter = (element, step, task, 0).
// Dispatch   None of its own: functions for other shaders to import.
// Twin       src/random.rs (`philox`, `uniform24`). Compared by tests/random.rs.
// Tolerance  None: equal bit for bit. u32 arithmetic is exact, and 24 bits fit an f32.

// The upper half of a * b; the lower half is the ordinary product.
fn upper_product(a: u32, b: u32) -> u32 {
    let a_low = a & 0xffffu;
    let a_high = a >> 16u;
    let b_low = b & 0xffffu;
    let b_high = b >> 16u;
    let low = a_low * b_low;
    let cross = a_high * b_low;
    // At most (2^16 - 1)^2 + 2 (2^16 - 1) = 2^32 - 1: this sum cannot overflow.
    let middle = a_low * b_high + (low >> 16u) + (cross & 0xffffu);
    return a_high * b_high + (cross >> 16u) + (middle >> 16u);
}

// Four words of 32 random bits.
fn philox(key: vec2<u32>, counter: vec4<u32>) -> vec4<u32> {
    var k = key;
    var c = counter;
    for (var round = 0u; round < 10u; round += 1u) {
        let high0 = upper_product(0xD2511F53u, c.x);
        let high1 = upper_product(0xCD9E8D57u, c.z);
        c = vec4<u32>(high1 ^ c.y ^ k.x, 0xCD9E8D57u * c.z, high0 ^ c.w ^ k.y, 0xD2511F53u * c.x);
        k += vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
    }
    return c;
}

// Uniform in [0, 1), the upper 24 bits of the block's first word. The underscore: `uniform` is WGSL's own.
fn uniform_(key: vec2<u32>, element: u32, step: u32, task: u32) -> f32 {
    return f32(philox(key, vec4<u32>(element, step, task, 0u)).x >> 8u) * (1.0 / 16777216.0);
}
