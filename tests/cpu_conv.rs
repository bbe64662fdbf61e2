//! The cpu executor's convolution against its definition in f64: all three sides, every instruction set
//! this processor has, odd shapes, and the same bits however the work is shared out.

use metatape::exec::cpu::conv::{ConvGeo, ConvPlan, Side, input, output, pack};
use metatape::exec::cpu::conv::{weight, weight_part};
use metatape::exec::cpu::isa::Isa;
use metatape::exec::cpu::sums::add_parts;

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

/// The shape whose result size follows from the rest (CASES: conv2d).
#[rustfmt::skip]
#[allow(clippy::too_many_arguments)] // the shape, as a table row
fn geo(n: usize, [h, w]: [usize; 2], c: usize, o: usize, [kh, kw]: [usize; 2], stride: [usize; 2], pad: [usize; 4], dilation: [usize; 2], groups: usize) -> ConvGeo {
    let size = |image: usize, pad: usize, k: usize, i: usize| (image + pad - dilation[i] * (k - 1) - 1) / stride[i] + 1;
    let (oh, ow) = (size(h, pad[0] + pad[1], kh, 0), size(w, pad[2] + pad[3], kw, 1));
    ConvGeo { n, h, w, c, kh, kw, o, oh, ow, stride, pad, dilation, groups }
}

/// Calls `meet(x, w, y)` with the flat indices of every product in the definition.
fn every_product(g: &ConvGeo, mut meet: impl FnMut(usize, usize, usize)) {
    let (cg, og) = (g.c / g.groups, g.o / g.groups);
    for (n, oy, ox) in (0..g.n * g.oh * g.ow).map(|i| (i / g.ow / g.oh, i / g.ow % g.oh, i % g.ow))
    {
        for (ky, kx) in (0..g.kh * g.kw).map(|k| (k / g.kw, k % g.kw)) {
            let iy = (oy * g.stride[0] + ky * g.dilation[0]).wrapping_sub(g.pad[0]);
            let ix = (ox * g.stride[1] + kx * g.dilation[1]).wrapping_sub(g.pad[2]);
            if iy >= g.h || ix >= g.w {
                continue;
            }
            for o in 0..g.o {
                for c in 0..cg {
                    let x = ((n * g.h + iy) * g.w + ix) * g.c + o / og * cg + c;
                    meet(
                        x,
                        ((ky * g.kw + kx) * cg + c) * g.o + o,
                        ((n * g.oh + oy) * g.ow + ox) * g.o + o,
                    );
                }
            }
        }
    }
}

/// x, w and g (or y) of a shape.
fn operands(g: &ConvGeo) -> [Vec<f32>; 3] {
    let sizes =
        [g.n * g.h * g.w * g.c, g.kh * g.kw * g.c / g.groups * g.o, g.n * g.oh * g.ow * g.o];
    [0, 1, 2].map(|k| random(sizes[k], k as u32 + 1))
}

/// One side in pieces of `step` images or tiles, added to `start` if there is one.
fn run(
    isa: Isa,
    g: &ConvGeo,
    side: Side,
    [x, w, y]: &[Vec<f32>; 3],
    start: Option<&[f32]>,
    step: usize,
) -> Vec<f32> {
    let plan = ConvPlan::new(isa, g.clone(), side);
    let mut packed = vec![f32::NAN; plan.packed_len()];
    let mut scratch = vec![f32::NAN; plan.scratch_len()];
    let len = [y.len(), x.len(), w.len()][side as usize];
    let mut out = start.map_or(vec![f32::NAN; len], <[f32]>::to_vec);
    if plan.weight_parts() > 0 {
        // Its parts are fixed. They add to dw one after the other, or in any order to places of their own, which
        // are added then.
        let (parts, len) = (plan.weight_parts(), plan.weight_len());
        let mut sums = vec![f32::NAN; parts * len];
        let (x, y, s) = (x.as_ptr(), y.as_ptr(), scratch.as_mut_ptr());
        let mut again = out.clone();
        for part in 0..parts {
            let add = start.is_some() || part > 0;
            unsafe { weight_part(&plan, x, y, again.as_mut_ptr(), s, part, add) };
        }
        for part in (0..parts).rev() {
            let sum = sums[part * len..].as_mut_ptr();
            unsafe { weight_part(&plan, x, y, sum, s, part, false) };
        }
        let (to, sums) = (out.as_mut_ptr(), sums.as_ptr());
        for (from, end) in [(0, len / 3), (len / 3, len)] {
            let (to, sums) = (to.wrapping_add(from), sums.wrapping_add(from));
            unsafe { add_parts(isa, to, sums, len, parts, end - from, start.is_some()) };
        }
        assert_eq!(again, out, "{isa:?} {g:?}: the parts in two ways");
        return out;
    }
    let total = if side == Side::Weight { plan.weight_tiles() } else { g.n };
    let (x, w, y, out_p) = (x.as_ptr(), w.as_ptr(), y.as_ptr(), out.as_mut_ptr());
    let s = scratch.as_mut_ptr();
    if plan.packed_len() > 0 {
        let (rows, packed) = (plan.packed_rows(), packed.as_mut_ptr());
        for rows in [rows / 3..rows, 0..rows / 3] {
            unsafe { pack(&plan, w, packed, rows) };
        }
    }
    let weights = if plan.packed_len() > 0 { packed.as_ptr() } else { w };
    for first in (0..total).step_by(step) {
        let range = first..(first + step).min(total);
        unsafe {
            match side {
                Side::Output => output(&plan, x, weights, out_p, s, range, start.is_some()),
                Side::Input => input(&plan, weights, y, out_p, s, range, start.is_some()),
                Side::Weight => weight(&plan, x, y, out_p, range, start.is_some()),
            }
        }
    }
    out
}

const SIDES: [Side; 3] = [Side::Output, Side::Input, Side::Weight];

fn check(g: &ConvGeo) {
    let data = operands(g);
    let mut products = 0;
    every_product(g, |_, _, _| products += 2);
    for side in SIDES {
        assert_eq!(ConvPlan::new(Isa::Portable, g.clone(), side).flops_met(), products, "{g:?}");
    }
    let (mut sums, mut sizes) = (SIDES.map(|_| Vec::new()), SIDES.map(|_| Vec::new()));
    for (k, len) in [data[2].len(), data[0].len(), data[1].len()].into_iter().enumerate() {
        (sums[k], sizes[k]) = (vec![0f64; len], vec![0f64; len]);
    }
    every_product(g, |x, w, y| {
        let [a, b, c] = [data[0][x], data[1][w], data[2][y]].map(f64::from);
        for (k, at, product) in [(0, y, a * b), (1, x, b * c), (2, w, a * c)] {
            sums[k][at] += product;
            sizes[k][at] += product.abs();
        }
    });
    for isa in Isa::supported() {
        for (k, side) in SIDES.into_iter().enumerate() {
            let start = random(sums[k].len(), 9);
            let fresh = run(isa, g, side, &data, None, usize::MAX / 2);
            let added = run(isa, g, side, &data, Some(&start), usize::MAX / 2);
            for i in 0..fresh.len() {
                // Rounding errors of up to 256 additions in a chain are random: 1e-6 of the sum of all sizes
                // is 16 roundings in one direction. A product too many or missing is 1e-4 of it at least.
                let limit = 1e-6 * sizes[k][i] + 1e-7;
                let error = (f64::from(fresh[i]) - sums[k][i]).abs();
                assert!(
                    error <= limit,
                    "{isa:?} {side:?} of {g:?} at {i}: {} not {}",
                    fresh[i],
                    sums[k][i]
                );
                let error = (f64::from(added[i]) - f64::from(start[i]) - sums[k][i]).abs();
                assert!(error <= limit + 4e-7, "{isa:?} {side:?} added, of {g:?} at {i}");
            }
            for step in [1, 2] {
                let parts = run(isa, g, side, &data, Some(&start), step);
                let same = parts.iter().zip(&added).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{isa:?} {side:?} of {g:?}: other bits in pieces of {step}");
            }
        }
    }
}

#[test]
fn all_sides_follow_the_definition_for_every_number_of_channels() {
    for c in [1, 2, 3, 5, 7, 17, 63, 64, 65] {
        for o in [1, 2, 3, 5, 7, 17, 63, 64, 65] {
            check(&geo(2, [4, 5], c, o, [3, 3], [1, 1], [1; 4], [1, 1], 1));
        }
    }
}

#[test]
fn all_sides_follow_the_definition_for_every_window() {
    for kernel in [[1, 1], [2, 2], [3, 3], [5, 5], [1, 3], [3, 2]] {
        for stride in [[1, 1], [2, 2], [3, 3], [2, 1], [1, 3]] {
            for dilation in [[1, 1], [2, 2], [1, 3]] {
                for pad in [[0; 4], [1; 4], [2, 0, 1, 3], [5, 4, 6, 5]] {
                    for (c, o) in [(3, 5), (8, 16)] {
                        check(&geo(2, [13, 14], c, o, kernel, stride, pad, dilation, 1));
                    }
                }
            }
        }
    }
}

#[test]
fn all_sides_follow_the_definition_for_groups() {
    for (c, o, groups) in [
        (4, 6, 2),
        (6, 3, 3),
        (5, 5, 5),
        (17, 17, 17),
        (64, 64, 64),
        (70, 70, 70),
        (8, 16, 8),
        (32, 64, 2),
    ] {
        for stride in [[1, 1], [2, 2]] {
            for dilation in [[1, 1], [1, 2]] {
                check(&geo(3, [6, 7], c, o, [3, 3], stride, [1, 1, 2, 0], dilation, groups));
            }
        }
    }
}

#[test]
fn many_small_images_and_few_large_ones_share_the_tables() {
    for size in [[1, 1], [2, 2], [3, 3], [7, 7], [14, 14], [11, 1], [1, 12]] {
        check(&geo(14, size, 16, 33, [3, 3], [1, 1], [1; 4], [1, 1], 1));
        check(&geo(14, size, 16, 33, [3, 3], [2, 2], [1; 4], [1, 1], 1));
    }
    check(&geo(1, [28, 28], 1, 64, [3, 3], [1, 1], [1; 4], [1, 1], 1));
    check(&geo(1, [9, 9], 130, 20, [3, 3], [1, 1], [1; 4], [1, 1], 1));
}

#[test]
fn tiles_of_two_by_two_follow_the_definition_at_every_edge() {
    for size in [[6, 6], [8, 8], [9, 9], [14, 14], [9, 12], [13, 8]] {
        for pad in [[1; 4], [0; 4], [2; 4], [0, 2, 1, 0]] {
            check(&geo(3, size, 32, 48, [3, 3], [1, 1], pad, [1, 1], 1));
        }
    }
    for n in [1, 5, 9] {
        check(&geo(n, [14, 14], 64, 64, [3, 3], [1, 1], [1; 4], [1, 1], 1));
    }
}

#[test]
fn stretches_of_three_two_and_one_follow_the_definition_with_stride_2() {
    for size in [[11, 12], [13, 14], [14, 13], [16, 15], [17, 18]] {
        for pad in [[1; 4], [0, 1, 0, 1], [2; 4], [0, 3, 3, 0]] {
            check(&geo(3, size, 64, 80, [3, 3], [2, 2], pad, [1, 1], 1));
        }
    }
    for n in [5, 9] {
        check(&geo(n, [14, 14], 64, 64, [3, 3], [2, 2], [1; 4], [1, 1], 1));
    }
}

#[test]
fn a_nan_reaches_what_it_meets_and_nothing_else() {
    let g = geo(2, [5, 6], 17, 19, [3, 3], [1, 1], [1; 4], [1, 1], 1);
    let mut data = operands(&g);
    data[0][100] = f32::NAN;
    for isa in Isa::supported() {
        let y = run(isa, &g, Side::Output, &data, None, 9);
        let mut reached = vec![false; y.len()];
        every_product(&g, |x, _, y| reached[y] |= x == 100);
        assert!(y.iter().zip(&reached).all(|(y, r)| y.is_nan() == *r), "{isa:?}");
        assert_eq!(reached.iter().filter(|r| **r).count() % 19, 0);
    }
}
