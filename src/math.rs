//! exp, log, tanh, sin and erf from `f32` additions, multiplications and a division: one text for a
//! single number, for SIMD lanes and for the GPU. The built-in functions of a GPU may be off by percents
//! (log near 1, tanh near 0), and two executors that disagree in `exp` disagree in every gradient.
//!
//! The bodies below and in `shaders/shared/math.wgsl` are the same lines (`var` for `let mut`); a test
//! compares them. Nothing here is fused, so the same operations round the same way everywhere.
//! Each function gives NaN for NaN. `erf64` is for the f64 reference.
//!
//! Sources: exp, log, tanh are S. Moshier's Cephes (expf.c, logf.c, tanhf.c); the polynomials of sin and
//! erf are Remez fits of our own, their errors stand beside them.

// The bodies are shared with WGSL, which has no tail expressions, no `+=` on expressions we would like
// to keep, and reads constants to more digits than f32 has.
#![allow(clippy::needless_return, clippy::excessive_precision, clippy::assign_op_pattern)]
#![allow(clippy::approx_constant, clippy::let_and_return)]

use crate::exec::cpu::simd::Lanes;

#[inline(always)]
fn under<L: Lanes>(x: L, limit: f32) -> L::Mask {
    x.lt(x.like(limit))
}

#[inline(always)]
fn over<L: Lanes>(x: L, limit: f32) -> L::Mask {
    x.like(limit).lt(x)
}

#[inline(always)]
fn pick<L: Lanes>(mask: L::Mask, a: L, b: L) -> L {
    L::pick(mask, a, b)
}

/// The constant where the mask holds.
#[inline(always)]
fn put<L: Lanes>(mask: L::Mask, constant: f32, b: L) -> L {
    L::pick(mask, b.like(constant), b)
}

#[inline(always)]
fn is_nan_<L: Lanes>(x: L) -> L::Mask {
    x.is_nan()
}

#[inline(always)]
fn floor<L: Lanes>(x: L) -> L {
    x.floor()
}

#[inline(always)]
fn abs<L: Lanes>(x: L) -> L {
    x.abs()
}

#[inline(always)]
fn with_sign<L: Lanes>(x: L, sign: L) -> L {
    x.copysign(sign)
}

#[inline(always)]
fn scale2<L: Lanes>(x: L, n: L) -> L {
    x.scale2(n)
}

/// `y`, or NaN if `x` is: for a `y` that is NaN then by the rules of arithmetic. The twin tests the bits,
/// because a GPU need not follow those rules.
#[inline(always)]
fn keep_nan<L: Lanes>(_x: L, y: L) -> L {
    y
}

#[inline(always)]
fn exponent<L: Lanes>(x: L) -> L {
    x.exponent()
}

#[inline(always)]
fn mantissa<L: Lanes>(x: L) -> L {
    x.mantissa()
}

#[inline(always)]
fn infinity() -> f32 {
    f32::INFINITY
}

#[inline(always)]
fn not_a_number() -> f32 {
    f32::NAN
}

/// e^x, at most 2 ulp off. Above 88.72 infinity; below -87.33 zero, because a GPU may not keep
/// numbers smaller than 2^-126.
#[inline(always)]
pub fn exp_<L: Lanes>(x: L) -> L {
    // x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts, the first so short that n times it is exact.
    let n = floor(x * 1.44269504088896341 + 0.5);
    let r = x - n * 0.693359375 - n * -2.12194440e-4;
    let mut p = r * 1.9875691500e-4 + 1.3981999507e-3;
    p = p * r + 8.3334519073e-3;
    p = p * r + 4.1665795894e-2;
    p = p * r + 1.6666665459e-1;
    p = p * r + 5.0000001201e-1;
    p = p * (r * r) + r + 1.0;
    let mut y = scale2(p, n);
    y = put(over(x, 88.722839), infinity(), y);
    y = put(under(x, -87.336544), 0.0, y);
    return keep_nan(x, y);
}

/// Natural logarithm, at most 2 ulp off. 0 gives minus infinity, negative numbers NaN.
#[inline(always)]
pub fn log_<L: Lanes>(x: L) -> L {
    // Subnormal numbers are moved into the normal range first (a GPU may have made them 0).
    let tiny = under(x, 1.17549435e-38);
    let z = pick(tiny, x * 8388608.0, x);
    // z = 2^e m with m in [sqrt(1/2), sqrt(2)); log m as a series in f = m - 1.
    let low = mantissa(z);
    let big = over(low, 1.41421356);
    let m = pick(big, low * 0.5, low);
    let e = exponent(z) - put(tiny, 23.0, z * 0.0) + put(big, 1.0, z * 0.0);
    let f = m - 1.0;
    let mut p = f * 7.0376836292e-2 - 1.1514610310e-1;
    p = p * f + 1.1676998740e-1;
    p = p * f - 1.2420140846e-1;
    p = p * f + 1.4249322787e-1;
    p = p * f - 1.6668057665e-1;
    p = p * f + 2.0000714765e-1;
    p = p * f - 2.4999993993e-1;
    p = p * f + 3.3333331174e-1;
    let ff = f * f;
    let mut y = p * f * ff + e * -2.12194440e-4 - ff * 0.5;
    y = f + y + e * 0.693359375;
    y = put(over(x, 3.40282347e38), infinity(), y);
    y = put(under(x, 1.0e-45), -infinity(), y);
    y = put(under(x, 0.0), not_a_number(), y);
    return pick(is_nan_(x), x, y);
}

/// Hyperbolic tangent, at most 2 ulp off; -1 and 1 beyond |x| = 9.02.
#[inline(always)]
pub fn tanh_<L: Lanes>(x: L) -> L {
    let a = abs(x);
    let z = x * x;
    let mut p = z * -5.70498872745e-3 + 2.06390887954e-2;
    p = p * z - 5.37397155531e-2;
    p = p * z + 1.33314422036e-1;
    p = p * z - 3.33332819422e-1;
    p = p * z * x + x;
    let c = put(over(a, 10.0), 10.0, a);
    let e = exp_(c + c) + 1.0;
    let y = with_sign((e - 2.0) / e, x);
    return keep_nan(x, pick(under(a, 0.625), p, y));
}

/// Sine: off by at most 2 ulp or 1e-7 for |x| <= 100, 3e-7 up to 1e4. From there the phase gets lost in the
/// spacing of floats, and the result is only known to be within -1 ..= 1. Infinity gives NaN.
#[inline(always)]
pub fn sin_<L: Lanes>(x: L) -> L {
    // x = n pi + r with |r| <= pi / 2; pi in three parts, the first two so short that n times them is exact.
    let n = floor(x * 0.318309886183790672 + 0.5);
    let r0 = x - n * 3.140625 - n * 9.67502593994140625e-4 - n * 1.50995799097837643e-7;
    let r = put(over(r0, 1.5708), 1.5708, put(under(r0, -1.5708), -1.5708, r0));
    let z = r * r;
    // Remez fit of (sin r - r) / r^3, relative error of the sine 6.1e-9 on 0 ..= pi / 2.
    let mut p = z * 2.60559090324e-6 - 1.98095218094e-4;
    p = p * z + 8.33306521149e-3;
    p = p * z - 1.66666595134e-1;
    p = p * z * r + r;
    let odd = n - floor(n * 0.5) * 2.0;
    let y = p - p * odd * 2.0;
    return keep_nan(x, put(over(abs(x), 3.40282347e38), not_a_number(), y));
}

/// The error function, 2 / sqrt(pi) times the integral of e^(-t^2) from 0: off by at most 2e-7, and
/// below |x| = 1 by at most 3 ulp.
#[inline(always)]
pub fn erf_<L: Lanes>(x: L) -> L {
    let z = x * x;
    // Remez fit of erf(x) / x, relative error 1.3e-9 on 0 ..= 1.
    let mut p = z * 7.8986966237e-5 - 8.02481926991e-4;
    p = p * z + 5.19016257403e-3;
    p = p * z - 2.68549161142e-2;
    p = p * z + 1.12836173681e-1;
    p = p * z - 3.76126298202e-1;
    p = p * z + 1.28379167095512574e-1;
    p = p * x + x;
    // Remez fit of log(1 - erf(a)) on 1 ..= 4, absolute error of the result 1.0e-9; 1 - erf(4) is 1.5e-8.
    let a = put(over(abs(x), 4.0), 4.0, abs(x));
    let mut q = a * 1.85572890727e-4 - 2.93959644652e-3;
    q = q * a + 2.18052755147e-2;
    q = q * a - 1.03037280907e-1;
    q = q * a - 6.38225776174e-1;
    q = q * a - 1.12703997804;
    q = q * a - 3.53733322218e-4;
    let y = with_sign(exp_(q) * -1.0 + 1.0, x);
    return keep_nan(x, pick(under(a, 1.0), p, y));
}

/// The error function in f64, relative error about 1e-15: what the reference executor computes.
///
/// Up to |x| = 2.5 the series of positive terms 2/sqrt(pi) e^(-x^2) sum 2^k x^(2k+1) / (1 3 5 .. (2k+1))
/// (Abramowitz and Stegun 7.1.6), above it 1 minus the continued fraction of erfc (7.1.14), which starts
/// at its 120th level: there 4e-4 of the result is left to it, so even a fraction of three digits would do.
pub fn erf64(x: f64) -> f64 {
    const TWO_OVER_SQRT_PI: f64 = std::f64::consts::FRAC_2_SQRT_PI;
    let a = x.abs();
    if x.is_nan() || a == 0.0 {
        return x;
    }
    if a < 2.5 {
        let (mut term, mut sum, mut k) = (a, a, 0.0);
        while term > sum * 1e-17 {
            k += 1.0;
            term *= 2.0 * a * a / (2.0 * k + 1.0);
            sum += term;
        }
        return (TWO_OVER_SQRT_PI * (-a * a).exp() * sum).copysign(x);
    }
    let mut fraction = a;
    for k in (1..=120).rev() {
        fraction = a + 0.5 * f64::from(k) / fraction;
    }
    (1.0 - 0.5 * TWO_OVER_SQRT_PI * (-a * a).exp() / fraction).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::cpu::isa::Isa;
    use crate::exec::cpu::simd::dispatch;

    #[inline(always)]
    unsafe fn all<L: Lanes>(x: &[f32], out: &mut [[f32; 5]]) {
        for (x, out) in x.chunks(L::N).zip(out.chunks_mut(L::N)) {
            let mut lanes = [[0f32; 16]; 5];
            unsafe {
                let v = L::load_n(x.as_ptr(), x.len());
                exp_(v).store(lanes[0].as_mut_ptr());
                log_(v).store(lanes[1].as_mut_ptr());
                tanh_(v).store(lanes[2].as_mut_ptr());
                sin_(v).store(lanes[3].as_mut_ptr());
                erf_(v).store(lanes[4].as_mut_ptr());
            }
            for (i, out) in out.iter_mut().enumerate() {
                *out = std::array::from_fn(|f| lanes[f][i]);
            }
        }
    }
    dispatch! { fn every_function(x: &[f32], out: &mut [[f32; 5]]) = all; }

    /// Distance in units in the last place of the exact result.
    fn ulp(got: f32, exact: f64) -> f64 {
        let e = (exact.abs().max(f64::from(f32::MIN_POSITIVE))).log2().floor();
        (f64::from(got) - exact).abs() / (e - 23.0).exp2()
    }

    /// From a to b in n equal steps, the ends included.
    fn grid(a: f32, b: f32, n: usize) -> impl Iterator<Item = f32> {
        (0..=n).map(move |i| a + (b - a) * (i as f32 / n as f32))
    }

    /// The worst of `error(x)` and where.
    fn worst(x: impl Iterator<Item = f32>, error: impl Fn(f32) -> f64) -> (f64, f32) {
        x.map(|x| (error(x), x)).fold((0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a })
    }

    #[test]
    fn exp_log_and_tanh_are_within_two_ulp() {
        let e = worst(grid(-87.3, 88.7, 1_000_000), |x| ulp(exp_(x), f64::from(x).exp()));
        assert!(e.0 <= 2.0, "exp {e:?}");
        let near = grid(0.5, 2.0, 1_000_000);
        let wide = (0x0080_0000..0x7f80_0000u32).step_by(1711).map(f32::from_bits);
        let e = worst(near.chain(wide), |x| ulp(log_(x), f64::from(x).ln()));
        assert!(e.0 <= 2.0, "log {e:?}");
        let e = worst(grid(-10.0, 10.0, 1_000_001), |x| ulp(tanh_(x), f64::from(x).tanh()));
        assert!(e.0 <= 2.0, "tanh {e:?}");
        let e = worst(grid(-1e-3, 1e-3, 10_001), |x| ulp(tanh_(x), f64::from(x).tanh()));
        assert!(e.0 <= 2.0, "tanh near 0 {e:?}");
    }

    #[test]
    fn sin_and_erf_are_within_their_stated_errors() {
        let error = |x: f32| (f64::from(sin_(x)) - f64::from(x).sin()).abs();
        // Next to a multiple of pi the exact sine is tiny and only the absolute error is small.
        let either = |x: f32| (error(x) * 1e7).min(ulp(sin_(x), f64::from(x).sin()) / 2.0);
        let e = worst(grid(-100.0, 100.0, 2_000_001), either);
        assert!(e.0 <= 1.0, "sin {e:?}");
        let e = worst(grid(-1e4, 1e4, 1_000_001), error);
        assert!(e.0 <= 3e-7, "sin to 1e4 {e:?}");
        let e = worst(grid(-1.0, 1.0, 1_000_001), |x| ulp(sin_(x), f64::from(x).sin()));
        assert!(e.0 <= 2.0, "sin near 0 {e:?}");
        assert!(sin_(1e30f32).abs() <= 1.0);
        let e =
            worst(grid(-5.0, 5.0, 1_000_001), |x| (f64::from(erf_(x)) - erf64(f64::from(x))).abs());
        assert!(e.0 <= 2e-7, "erf {e:?}");
        let e = worst(grid(-0.99, 0.99, 1_000_001), |x| ulp(erf_(x), erf64(f64::from(x))));
        assert!(e.0 <= 3.0, "erf near 0 {e:?}");
    }

    #[test]
    fn erf64_equals_published_digits() {
        // Computed with mpmath 1.3, 40 digits, on both sides of the change of method at 2.5.
        for (x, exact) in ERF {
            let error = (erf64(x) - exact).abs() / exact;
            assert!(error <= 1e-15, "erf({x}) is off by {error:e}");
            assert_eq!(erf64(-x), -erf64(x));
        }
        assert!(erf64(f64::NAN).is_nan());
        assert_eq!(erf64(f64::INFINITY), 1.0);
        assert_eq!(erf64(0.0), 0.0);
    }
    const ERF: [(f64, f64); 8] = [
        (1e-300, 1.1283791670955126e-300),
        (0.001, 0.0011283787909692364),
        (0.1, 0.112462916018284898),
        (0.5, 0.520499877813046538),
        (1.0, 0.842700792949714869),
        (2.4999, 0.999592830099666549),
        (2.5001, 0.99959326575652932),
        (3.5, 0.999999256901627659),
    ];

    #[test]
    fn the_ends_of_the_range_are_as_stated() {
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        assert_eq!(
            [exp_(inf), exp_(-inf), exp_(89.0f32), exp_(-88.0f32), exp_(0.0f32)],
            [inf, 0.0, inf, 0.0, 1.0]
        );
        assert!(exp_(88.72283f32).is_finite() && exp_(-87.3365f32) >= f32::MIN_POSITIVE);
        assert_eq!([log_(0.0f32), log_(-0.0f32), log_(inf), log_(1.0f32)], [-inf, -inf, inf, 0.0]);
        assert!(log_(-1.0f32).is_nan() && log_(-1e-45f32).is_nan() && log_(-inf).is_nan());
        assert!((log_(1e-45f32) + 103.27893).abs() < 1e-4);
        assert_eq!(
            [tanh_(inf), tanh_(-inf), tanh_(100.0f32), tanh_(-9.1f32)],
            [1.0, -1.0, 1.0, -1.0]
        );
        assert_eq!([erf_(inf), erf_(-inf), erf_(4.5f32)], [1.0, -1.0, 1.0]);
        assert!(sin_(inf).is_nan() && sin_(-inf).is_nan());
        assert!(
            [exp_(nan), log_(nan), tanh_(nan), sin_(nan), erf_(nan)].iter().all(|x| x.is_nan())
        );
        assert_eq!([tanh_(0.0f32), sin_(0.0f32), erf_(0.0f32)], [0.0; 3]);
    }

    #[test]
    fn every_instruction_set_gives_the_scalar_bits() {
        let mut x: Vec<f32> = grid(-100.0, 100.0, 20_001).chain(grid(-2.0, 2.0, 20_000)).collect();
        x.extend([0.0, -0.0, f32::INFINITY, -f32::INFINITY, f32::NAN, 1e-40, 3e38, -3e38, 1e9]);
        for isa in Isa::supported() {
            let mut got = vec![[0.0; 5]; x.len()];
            unsafe { every_function(isa, &x, &mut got) };
            for (&x, got) in x.iter().zip(got) {
                let want = [exp_(x), log_(x), tanh_(x), sin_(x), erf_(x)];
                for f in 0..5 {
                    let same = got[f].to_bits() == want[f].to_bits()
                        || (got[f].is_nan() && want[f].is_nan());
                    assert!(same, "{isa:?}, function {f} of {x}: {} and {}", got[f], want[f]);
                }
            }
        }
    }

    /// The lines of a function's body, with `var` for `let mut`.
    fn body(text: &str, name: &str) -> Vec<String> {
        let start = text.find(&format!("fn {name}")).unwrap_or_else(|| panic!("no {name}"));
        let lines = text[start..].lines().skip(1).take_while(|l| *l != "}");
        lines.map(|l| l.trim().replace("let mut ", "var ")).filter(|l| !l.is_empty()).collect()
    }

    #[test]
    fn the_shader_has_the_same_lines() {
        let (rust, wgsl) = (include_str!("math.rs"), include_str!("../shaders/shared/math.wgsl"));
        for name in ["exp_", "log_", "tanh_", "sin_", "erf_"] {
            let ours = body(rust, &format!("{name}<L"));
            assert!(ours.len() > 8, "{name}: {ours:?}");
            assert_eq!(ours, body(wgsl, &format!("{name}(")), "{name}");
        }
    }

    #[test]
    fn the_shader_is_valid_wgsl() {
        let module = naga::front::wgsl::parse_str(include_str!("../shaders/shared/math.wgsl"));
        let module = module.unwrap_or_else(|e| panic!("{e}"));
        let flags = naga::valid::ValidationFlags::all();
        let mut validator = naga::valid::Validator::new(flags, naga::valid::Capabilities::empty());
        validator.validate(&module).unwrap_or_else(|e| panic!("{e:?}"));
    }
}
