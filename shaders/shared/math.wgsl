// math: exp_, log_, tanh_, sin_, erf_ and max_nan, the same numbers on every device.
//
// Idea       Polynomials from additions, multiplications and one division, because the built-in exp, log,
//            tanh and sin may be off by percents, and `max` and `x != x` may lose a NaN.
// Tasks      None: plain functions of one number, pasted into every kernel that needs them.
// Layout     None.
// Dispatch   No entry point; brought in by #import.
// Twin       src/math.rs: its bodies are these lines (`let mut` for `var`), a test compares them.
// Tolerance  exp_, log_, tanh_ 2 ulp; sin_ 2 ulp or 1e-7 for |x| <= 100; erf_ 2e-7. A device that fuses
//            products and sums, or whose division is off by 2.5 ulp, may add 2 ulp to each.

fn is_nan_(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

// Bits of a variable: a constant that is not finite is an error in WGSL.
fn infinity() -> f32 {
    var bits = 0x7f800000u;
    return bitcast<f32>(bits);
}

fn not_a_number() -> f32 {
    var bits = 0x7fc00000u;
    return bitcast<f32>(bits);
}

fn under(x: f32, limit: f32) -> bool {
    return x < limit;
}

fn over(x: f32, limit: f32) -> bool {
    return x > limit;
}

fn pick(mask: bool, a: f32, b: f32) -> f32 {
    return select(b, a, mask);
}

// The constant where the mask holds.
fn put(mask: bool, constant: f32, b: f32) -> f32 {
    return select(b, constant, mask);
}

fn with_sign(x: f32, sign: f32) -> f32 {
    return bitcast<f32>((bitcast<u32>(x) & 0x7fffffffu) | (bitcast<u32>(sign) & 0x80000000u));
}

fn exp2i(n: f32) -> f32 {
    return bitcast<f32>(u32(i32(n) + 127) << 23u);
}

// x times 2 to the power of n, an integer in -252 ..= 254; two factors, because 2^128 is no float.
fn scale2(x: f32, n: f32) -> f32 {
    let half = floor(n * 0.5);
    return x * exp2i(half) * exp2i(n - half);
}

// y, or NaN if x is: arithmetic alone need not keep it here.
fn keep_nan(x: f32, y: f32) -> f32 {
    return select(y, x, is_nan_(x));
}

// Exponent and mantissa (in [1, 2)) of a positive normal number.
fn exponent(x: f32) -> f32 {
    return f32(i32(bitcast<u32>(x) >> 23u) - 127);
}

fn mantissa(x: f32) -> f32 {
    return bitcast<f32>((bitcast<u32>(x) & 0x007fffffu) | 0x3f800000u);
}

// The larger one; NaN if either is NaN; b on ties.
fn max_nan(a: f32, b: f32) -> f32 {
    return select(select(b, a, a > b), a, is_nan_(a));
}

// e^x, at most 2 ulp off. Above 88.72 infinity; below -87.33 zero, because a GPU may not keep
// numbers smaller than 2^-126.
fn exp_(x: f32) -> f32 {
    // x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts, the first so short that n times it is exact.
    let n = floor(x * 1.44269504088896341 + 0.5);
    let r = x - n * 0.693359375 - n * -2.12194440e-4;
    var p = r * 1.9875691500e-4 + 1.3981999507e-3;
    p = p * r + 8.3334519073e-3;
    p = p * r + 4.1665795894e-2;
    p = p * r + 1.6666665459e-1;
    p = p * r + 5.0000001201e-1;
    p = p * (r * r) + r + 1.0;
    var y = scale2(p, n);
    y = put(over(x, 88.722839), infinity(), y);
    y = put(under(x, -87.336544), 0.0, y);
    return keep_nan(x, y);
}

// Natural logarithm, at most 2 ulp off. 0 gives minus infinity, negative numbers NaN.
fn log_(x: f32) -> f32 {
    // Subnormal numbers are moved into the normal range first (a GPU may have made them 0).
    let tiny = under(x, 1.17549435e-38);
    let z = pick(tiny, x * 8388608.0, x);
    // z = 2^e m with m in [sqrt(1/2), sqrt(2)); log m as a series in f = m - 1.
    let low = mantissa(z);
    let big = over(low, 1.41421356);
    let m = pick(big, low * 0.5, low);
    let e = exponent(z) - put(tiny, 23.0, z * 0.0) + put(big, 1.0, z * 0.0);
    let f = m - 1.0;
    var p = f * 7.0376836292e-2 - 1.1514610310e-1;
    p = p * f + 1.1676998740e-1;
    p = p * f - 1.2420140846e-1;
    p = p * f + 1.4249322787e-1;
    p = p * f - 1.6668057665e-1;
    p = p * f + 2.0000714765e-1;
    p = p * f - 2.4999993993e-1;
    p = p * f + 3.3333331174e-1;
    let ff = f * f;
    var y = p * f * ff + e * -2.12194440e-4 - ff * 0.5;
    y = f + y + e * 0.693359375;
    y = put(over(x, 3.40282347e38), infinity(), y);
    y = put(under(x, 1.0e-45), -infinity(), y);
    y = put(under(x, 0.0), not_a_number(), y);
    return pick(is_nan_(x), x, y);
}

// Hyperbolic tangent, at most 2 ulp off; -1 and 1 beyond |x| = 9.02.
fn tanh_(x: f32) -> f32 {
    let a = abs(x);
    let z = x * x;
    var p = z * -5.70498872745e-3 + 2.06390887954e-2;
    p = p * z - 5.37397155531e-2;
    p = p * z + 1.33314422036e-1;
    p = p * z - 3.33332819422e-1;
    p = p * z * x + x;
    let c = put(over(a, 10.0), 10.0, a);
    let e = exp_(c + c) + 1.0;
    let y = with_sign((e - 2.0) / e, x);
    return keep_nan(x, pick(under(a, 0.625), p, y));
}

// Sine: off by at most 2 ulp or 1e-7 for |x| <= 100, 3e-7 up to 1e4. From there the phase gets lost in the
// spacing of floats, and the result is only known to be within -1 ..= 1. Infinity gives NaN.
fn sin_(x: f32) -> f32 {
    // x = n pi + r with |r| <= pi / 2; pi in three parts, the first two so short that n times them is exact.
    let n = floor(x * 0.318309886183790672 + 0.5);
    let r0 = x - n * 3.140625 - n * 9.67502593994140625e-4 - n * 1.50995799097837643e-7;
    let r = put(over(r0, 1.5708), 1.5708, put(under(r0, -1.5708), -1.5708, r0));
    let z = r * r;
    // Remez fit of (sin r - r) / r^3, relative error of the sine 6.1e-9 on 0 ..= pi / 2.
    var p = z * 2.60559090324e-6 - 1.98095218094e-4;
    p = p * z + 8.33306521149e-3;
    p = p * z - 1.66666595134e-1;
    p = p * z * r + r;
    let odd = n - floor(n * 0.5) * 2.0;
    let y = p - p * odd * 2.0;
    return keep_nan(x, put(over(abs(x), 3.40282347e38), not_a_number(), y));
}

// The error function, 2 / sqrt(pi) times the integral of e^(-t^2) from 0: off by at most 2e-7, and
// below |x| = 1 by at most 3 ulp.
fn erf_(x: f32) -> f32 {
    let z = x * x;
    // Remez fit of erf(x) / x, relative error 1.3e-9 on 0 ..= 1.
    var p = z * 7.8986966237e-5 - 8.02481926991e-4;
    p = p * z + 5.19016257403e-3;
    p = p * z - 2.68549161142e-2;
    p = p * z + 1.12836173681e-1;
    p = p * z - 3.76126298202e-1;
    p = p * z + 1.28379167095512574e-1;
    p = p * x + x;
    // Remez fit of log(1 - erf(a)) on 1 ..= 4, absolute error of the result 1.0e-9; 1 - erf(4) is 1.5e-8.
    let a = put(over(abs(x), 4.0), 4.0, abs(x));
    var q = a * 1.85572890727e-4 - 2.93959644652e-3;
    q = q * a + 2.18052755147e-2;
    q = q * a - 1.03037280907e-1;
    q = q * a - 6.38225776174e-1;
    q = q * a - 1.12703997804;
    q = q * a - 3.53733322218e-4;
    let y = with_sign(exp_(q) * -1.0 + 1.0, x);
    return keep_nan(x, pick(under(a, 1.0), p, y));
}
