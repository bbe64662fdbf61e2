//! The cpu executor's matrix product against the definition in f64: every instruction set, all strides,
//! sizes around every block, and the same bits however the rows are shared out.

use metatape::exec::cpu::isa::Isa;
use metatape::exec::cpu::matmul::{matmul, scratch_len};

/// Numbers in [-1, 1), the same for the same seed.
fn random(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(747796405).wrapping_add(2891336453);
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(747796405).wrapping_add(2891336453);
            let word = ((state >> ((state >> 28) + 4)) ^ state).wrapping_mul(277803737);
            ((word >> 22) ^ word) as f32 / 2f32.powi(31) - 1.0
        })
        .collect()
}

type Strides = (usize, usize);

/// All rows in pieces of `step`, added to random numbers if `add`.
#[rustfmt::skip]
#[allow(clippy::too_many_arguments)] // the shape, as a table row
fn run(isa: Isa, [m, n, k]: [usize; 3], a: &[f32], sa: Strides, b: &[f32], sb: Strides, ldc: usize, add: bool, step: usize) -> Vec<f32> {
    let mut c = random(m * ldc, 4);
    for i in (0..m).step_by(step) {
        let rows = step.min(m - i);
        let mut scratch = vec![f32::NAN; scratch_len(isa, rows, n, k)];
        let (a, c) = (a[i * sa.0..].as_ptr(), c[i * ldc..].as_mut_ptr());
        unsafe { matmul(isa, rows, n, k, a, sa, b.as_ptr(), sb, c, ldc, add, scratch.as_mut_ptr()) };
    }
    c
}

fn check([m, n, k]: [usize; 3], sa: Strides, sb: Strides, ldc: usize) {
    let a = random((m - 1) * sa.0 + (k - 1) * sa.1 + 1, 1);
    let b = random((k - 1) * sb.0 + (n - 1) * sb.1 + 1, 2);
    let start = random(m * ldc, 4);
    for isa in Isa::supported() {
        for add in [false, true] {
            let c = run(isa, [m, n, k], &a, sa, &b, sb, ldc, add, m);
            for i in 0..m {
                for j in 0..ldc {
                    let got = f64::from(c[i * ldc + j]);
                    if j >= n {
                        assert_eq!(c[i * ldc + j], start[i * ldc + j], "wrote behind the row");
                        continue;
                    }
                    let (mut want, mut size) =
                        (if add { f64::from(start[i * ldc + j]) } else { 0.0 }, 1.0);
                    for l in 0..k {
                        let product =
                            f64::from(a[i * sa.0 + l * sa.1]) * f64::from(b[l * sb.0 + j * sb.1]);
                        want += product;
                        size += product.abs();
                    }
                    // 16 roundings of the sum of all sizes in one direction; the real ones go both ways.
                    assert!(
                        (got - want).abs() <= 1e-6 * size,
                        "{isa:?} {m}x{n}x{k} {sa:?} {sb:?} at {i},{j}: {got} {want}"
                    );
                }
            }
            for step in [1, 5, 7] {
                let parts = run(isa, [m, n, k], &a, sa, &b, sb, ldc, add, step);
                let same = parts.iter().zip(&c).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(
                    same,
                    "{isa:?} {m}x{n}x{k} {sa:?} {sb:?}: other bits in pieces of {step} rows"
                );
            }
        }
    }
}

#[test]
fn every_size_and_stride_gives_the_definition() {
    for m in [1, 2, 5, 6, 7, 13] {
        for n in [1, 2, 3, 5, 8, 16, 17, 40, 64, 65, 80, 130] {
            for k in [1, 2, 7, 16, 33, 64] {
                for sa in [(k, 1), (1, m), (k + 3, 1), (1, m + 2), (2 * k, 2)] {
                    for sb in [(n, 1), (1, k), (n + 5, 1), (1, k + 1), (3, 3 * k + 1)] {
                        check([m, n, k], sa, sb, n);
                    }
                }
                check([m, n, k], (k, 1), (n, 1), n + 3);
                check([m, n, k], (1, m), (1, k), n + 1);
            }
        }
    }
}

#[test]
fn products_larger_than_a_block_give_the_definition() {
    for [m, n, k] in
        [[30, 70, 300], [70, 600, 257], [520, 20, 520], [25, 1, 1000], [3, 3, 5000], [7, 4, 1024]]
    {
        for sa in [(k, 1), (1, m)] {
            for sb in [(n, 1), (1, k)] {
                check([m, n, k], sa, sb, n);
            }
        }
    }
}

/// Chains as long as those that the register tile writes out four steps at a time, with and without steps left over, under
/// whole and cut blocks of 64 columns, of small products and of larger ones.
#[test]
fn long_sums_give_the_definition_in_every_tile() {
    for m in 1..=7 {
        for n in [49, 64, 113, 127, 128] {
            for k in [191, 192, 193, 195, 390, 771] {
                check([m, n, k], (k, 1), (n, 1), n + 2);
            }
        }
    }
}

#[test]
fn a_nan_reaches_its_row_and_nothing_else() {
    for isa in Isa::supported() {
        for n in [1, 3, 20] {
            let (mut a, b) = (random(7 * 9, 1), random(9 * n, 2));
            a[4 * 9 + 8] = f32::NAN;
            let c = run(isa, [7, n, 9], &a, (9, 1), &b, (n, 1), n, false, 7);
            assert!(
                c.iter().enumerate().all(|(i, c)| c.is_nan() == (i / n == 4)),
                "{isa:?} n = {n}"
            );
        }
    }
}
