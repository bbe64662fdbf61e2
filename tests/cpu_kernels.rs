//! The cpu executor's block kernels against plain loops in f64, on every instruction set this processor has.

use metatape::exec::cpu::block::{Arg, BlockOp, pointwise};
use metatape::exec::cpu::copy::gather;
use metatape::exec::cpu::isa::Isa;
use metatape::exec::cpu::sums::{sum_all, sum_lanes, sum_rows, sum_rows_compensated};
use metatape::math::erf64;

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

const LANES: [usize; 10] = [1, 2, 3, 5, 7, 17, 63, 64, 65, 128];

/// What [`Arg`] means, element by element.
fn element(arg: Arg, r: usize, l: usize) -> f32 {
    unsafe {
        match arg {
            Arg::Map(p, pitch) => *p.add(r * pitch + l),
            Arg::Lane(p) => *p.add(l),
            Arg::Row(p, stride) => *p.add(r * stride),
            Arg::Scalar(x) => x,
        }
    }
}

/// All kinds of operands on one piece of memory.
fn kinds(data: &[f32], lanes: usize) -> [Arg; 5] {
    let p = data.as_ptr();
    [Arg::Map(p, lanes), Arg::Map(p, lanes + 3), Arg::Lane(p), Arg::Row(p, 2), Arg::Scalar(data[1])]
}

fn exact(op: BlockOp, a: f64, b: f64, c: f64) -> f64 {
    let keep = |x: f64| if a.is_nan() || b.is_nan() { f64::NAN } else { x };
    match op {
        BlockOp::Add => a + b,
        BlockOp::Mul => a * b,
        BlockOp::Recip => 1.0 / a,
        BlockOp::Exp => a.exp(),
        BlockOp::Log => a.ln(),
        BlockOp::Sqrt => a.sqrt(),
        BlockOp::Sin => a.sin(),
        BlockOp::Tanh => a.tanh(),
        BlockOp::Erf => erf64(a),
        BlockOp::Max => keep(a.max(b)),
        BlockOp::Less => f64::from(a < b),
        BlockOp::Select => {
            if a != 0.0 {
                b
            } else {
                c
            }
        }
        BlockOp::Copy => a,
        BlockOp::MulAdd => a * b + c,
        BlockOp::AddAdd => a + b + c,
        BlockOp::AddMul => (a + b) * c,
        BlockOp::MulMul => a * b * c,
        BlockOp::LessMul => {
            if a < b {
                c
            } else {
                c * 0.0
            }
        }
    }
}

/// 4e-7 of the largest operand or result: 2 ulp of the functions, or two roundings of a product and a sum.
fn close(got: f32, want: f64, scale: f64) -> bool {
    let got = f64::from(got);
    got.is_nan() && want.is_nan()
        || got == want
        || (got - want).abs() <= 4e-7 * scale.max(want.abs())
}

#[test]
fn every_instruction_takes_every_kind_of_operand() {
    for isa in Isa::supported() {
        for lanes in LANES {
            let rows = 7;
            let mut data: Vec<Vec<f32>> =
                (0..3).map(|k| random(rows * (lanes + 3) + 16, k)).collect();
            data[0][5] = f32::NAN;
            data[1][9] = f32::NAN;
            data[0][6] = 0.0;
            data[1][11] = data[0][11];
            for op in BlockOp::ALL.iter().copied() {
                for a in kinds(&data[0], lanes) {
                    for b in kinds(&data[1], lanes) {
                        for c in kinds(&data[2], lanes) {
                            for pitch in [lanes, lanes + 2] {
                                check(isa, op, [a, b, c], rows, lanes, pitch);
                            }
                            if op.inputs() < 3 {
                                break;
                            }
                        }
                        if op.inputs() < 2 {
                            break;
                        }
                    }
                }
            }
        }
    }
}

fn check(isa: Isa, op: BlockOp, args: [Arg; 3], rows: usize, lanes: usize, pitch: usize) {
    let mut out = vec![99.0f32; rows * pitch + 16];
    unsafe { pointwise(isa, op, out.as_mut_ptr(), pitch, &args, rows, lanes) };
    for r in 0..rows {
        for l in 0..pitch {
            let got = out[r * pitch + l];
            if l >= lanes {
                assert_eq!(got, 99.0, "{isa:?} {op:?} wrote behind the end of row {r}");
                continue;
            }
            let [a, b, c] = args.map(|arg| f64::from(element(arg, r, l)));
            let want = exact(op, a, b, c);
            let scale = if op.inputs() == 3 { a.abs() * b.abs() + c.abs() } else { 0.0 };
            assert!(
                close(got, want, scale),
                "{isa:?} {op:?}{args:?} {rows}x{lanes} at {r},{l}: {got} not {want}"
            );
        }
    }
    assert!(
        out[rows * pitch..].iter().all(|x| *x == 99.0),
        "{isa:?} {op:?} wrote behind the block"
    );
}

#[test]
fn an_operand_may_be_the_result_and_ties_go_to_the_second() {
    for isa in Isa::supported() {
        let mut x = random(1000, 1);
        let want: Vec<f32> = x.iter().map(|x| x + 2.0 * x).collect();
        let p = x.as_mut_ptr();
        let args = [Arg::Map(p, 100), Arg::Scalar(2.0), Arg::Map(p, 100)];
        unsafe { pointwise(isa, BlockOp::MulAdd, p, 100, &args, 10, 100) };
        // One rounding or two: 1 ulp of 3.
        assert!(x.iter().zip(&want).all(|(a, b)| (a - b).abs() <= 2.4e-7));
        let (zeros, mut out) = ([-0.0f32; 40], [1.0f32; 40]);
        let args = [Arg::Map(zeros.as_ptr(), 40), Arg::Scalar(0.0), Arg::Scalar(0.0)];
        unsafe { pointwise(isa, BlockOp::Max, out.as_mut_ptr(), 40, &args, 1, 40) };
        assert!(out.iter().all(|x| x.to_bits() == 0), "{isa:?}: max(-0, 0) is +0");
    }
}

#[test]
fn sums_of_products_are_as_exact_as_the_order_of_additions_allows() {
    for isa in Isa::supported() {
        for lanes in LANES {
            for rows in [1, 2, 3, 4, 5, 33] {
                let (x, y) =
                    (random(rows * (lanes + 3) + 16, 5), random(rows * (lanes + 3) + 16, 6));
                for a in kinds(&x, lanes) {
                    for b in kinds(&y, lanes).into_iter().chain([Arg::Scalar(1.0)]) {
                        let product =
                            |r, l| f64::from(element(a, r, l)) * f64::from(element(b, r, l));
                        let mut acc = random(lanes + 1, 7);
                        let (mut exact_acc, start, mut lost) =
                            (acc.clone(), acc.clone(), vec![0.0; lanes]);
                        let mut out = random(3 * rows, 8);
                        let out_start = out.clone();
                        let all = unsafe {
                            sum_rows(isa, acc.as_mut_ptr(), a, b, rows, lanes);
                            sum_rows_compensated(
                                isa,
                                exact_acc.as_mut_ptr(),
                                lost.as_mut_ptr(),
                                a,
                                b,
                                rows,
                                lanes,
                            );
                            sum_lanes(isa, out.as_mut_ptr(), 3, a, b, rows, lanes);
                            sum_all(isa, a, b, rows, lanes)
                        };
                        // n + 1 roundings of partial sums, each at most n + 1 large.
                        let limit = |n: usize| 6e-8 * ((n + 1) * (n + 1)) as f64;
                        for l in 0..lanes {
                            let want =
                                f64::from(start[l]) + (0..rows).map(|r| product(r, l)).sum::<f64>();
                            for got in [acc[l], exact_acc[l]] {
                                assert!(
                                    (f64::from(got) - want).abs() <= limit(rows),
                                    "{isa:?} rows {rows}x{lanes} {a:?} {b:?}: {got} {want}"
                                );
                            }
                        }
                        assert_eq!(acc[lanes], start[lanes], "wrote behind the lanes");
                        for (i, got) in out.iter().enumerate() {
                            let sum: f64 = if i % 3 == 0 {
                                (0..lanes).map(|l| product(i / 3, l)).sum()
                            } else {
                                0.0
                            };
                            let want = f64::from(out_start[i]) + sum;
                            assert!(
                                (f64::from(*got) - want).abs() <= limit(lanes),
                                "{isa:?} lanes {rows}x{lanes} {a:?} {b:?}: {got} {want}"
                            );
                        }
                        let want: f64 =
                            (0..rows).map(|r| (0..lanes).map(|l| product(r, l)).sum::<f64>()).sum();
                        assert!(
                            (f64::from(all) - want).abs() <= limit(rows * lanes),
                            "{isa:?} all {rows}x{lanes} {a:?} {b:?}: {all} {want}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_compensated_sum_over_blocks_keeps_what_a_plain_one_loses() {
    for isa in Isa::supported() {
        let ones = vec![1.0f32; 64];
        let (mut plain, mut exact, mut lost) = ([1e8f32; 64], [1e8f32; 64], [0.0f32; 64]);
        for _ in 0..4000 {
            let (a, b) = (Arg::Map(ones.as_ptr(), 64), Arg::Scalar(1.0));
            unsafe {
                sum_rows(isa, plain.as_mut_ptr(), a, b, 1, 64);
                sum_rows_compensated(isa, exact.as_mut_ptr(), lost.as_mut_ptr(), a, b, 1, 64);
            }
        }
        assert_eq!(plain[0], 1e8, "1 is less than half the spacing of floats at 1e8");
        // 1e8 + 4000, spacing of floats 8.
        assert!(exact.iter().all(|x| (*x - 100_004_000.0).abs() <= 8.0), "{isa:?}: {}", exact[0]);
    }
}

#[test]
fn gather_follows_any_strides() {
    for isa in Isa::supported() {
        for lanes in LANES {
            for rows in [1, 2, 15, 16, 17, 40] {
                let src = random(rows * lanes * 3 + 100, 3);
                let (r, l) = (rows as isize, lanes as isize);
                for (rs, ls) in [
                    (l, 1),
                    (l + 1, 1),
                    (1, r),
                    (1, r + 2),
                    (0, 1),
                    (1, 0),
                    (2, 2 * r),
                    (-l, 1),
                    (1, -r),
                ] {
                    let first = if rs < 0 { (1 - r) * rs } else { 0 }
                        + if ls < 0 { (1 - l) * ls } else { 0 };
                    for pitch in [lanes, lanes + 5] {
                        let mut out = vec![9.0f32; rows * pitch];
                        unsafe {
                            gather(
                                isa,
                                out.as_mut_ptr(),
                                pitch,
                                src.as_ptr().offset(first),
                                rs,
                                ls,
                                rows,
                                lanes,
                            )
                        };
                        for i in 0..rows {
                            for j in 0..pitch {
                                let want = if j < lanes {
                                    src[(first + i as isize * rs + j as isize * ls) as usize]
                                } else {
                                    9.0
                                };
                                assert_eq!(
                                    out[i * pitch + j],
                                    want,
                                    "{isa:?} {rows}x{lanes} strides {rs},{ls} at {i},{j}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}
