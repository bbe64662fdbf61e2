//! How fast the kernels are on this processor, beside the most that its multiply-adds allow: one thread,
//! about a tenth of a second each. `metatape bench` prints it.

use super::block::{Arg, BlockOp, pointwise};
use super::conv::{self, ConvGeo, ConvPlan, Side};
use super::isa::Isa;
use super::simd::{Lanes, dispatch};
use std::time::Instant;

/// Registers full of sums that never wait for each other: what the multiply-add units can do.
#[inline(always)]
unsafe fn spin<L: Lanes>(turns: usize) -> f32 {
    unsafe {
        let (x, y) = (L::splat(std::hint::black_box(0.999)), L::splat(std::hint::black_box(1e-3)));
        let mut sums = [L::splat(1.0); 10];
        for _ in 0..turns {
            for sum in &mut sums {
                *sum = sum.fma(x, y);
            }
        }
        let mut total = sums[0];
        for sum in &sums[1..] {
            total = total + *sum;
        }
        total.sum()
    }
}
dispatch! { fn multiply_adds(turns: usize) -> f32 = spin; }

/// Work per second of `call`, in units of 10^9: the best of rounds that take `seconds` together. The best,
/// because a shared machine only ever makes it slower.
fn rate(seconds: f64, work: f64, mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    call();
    let calls = (seconds / 10.0 / start.elapsed().as_secs_f64().max(1e-8)).clamp(1.0, 1e6) as usize;
    let mut best = f64::MAX;
    while start.elapsed().as_secs_f64() < seconds {
        let round = Instant::now();
        (0..calls).for_each(|_| call());
        best = best.min(round.elapsed().as_secs_f64() / calls as f64);
    }
    work / best / 1e9
}

/// Name and GFLOP/s (for memory-bound kernels the name says what is counted), the ceiling first.
pub fn bench_kernels(isa: Isa) -> Vec<(String, f64)> {
    let mut found = Vec::new();
    let turns = 10_000;
    let flops = (turns * 10 * isa.lanes() * 2) as f64;
    found.push((
        "multiply-adds in registers".to_string(),
        rate(0.1, flops, || {
            std::hint::black_box(unsafe { multiply_adds(isa, turns) });
        }),
    ));
    for (size, c, stride) in [
        (28, 64, 1),
        (14, 64, 1),
        (7, 64, 1),
        (3, 64, 1),
        (28, 1, 1),
        (28, 64, 2),
        (14, 64, 2),
        (7, 64, 2),
        (4, 64, 2),
        (14, 32, 1),
    ] {
        let o = if c == 1 { 64 } else { c };
        let out = (size - 1) / stride + 1;
        let geo = ConvGeo {
            n: 5,
            h: size,
            w: size,
            c,
            kh: 3,
            kw: 3,
            o,
            oh: out,
            ow: out,
            stride: [stride; 2],
            pad: [1; 4],
            dilation: [1; 2],
            groups: 1,
        };
        for side in [Side::Output, Side::Input, Side::Weight] {
            found.push((
                format!("conv 3x3 {c}->{o}, {size}x{size}, stride {stride}, {side:?}"),
                conv_rate(isa, &geo, side),
            ));
        }
    }
    found.extend(block_rates(isa));
    found
}

fn conv_rate(isa: Isa, geo: &ConvGeo, side: Side) -> f64 {
    let plan = ConvPlan::new(isa, geo.clone(), side);
    let x = vec![0.5f32; geo.n * geo.h * geo.w * geo.c];
    let w = vec![0.5f32; geo.kh * geo.kw * geo.c * geo.o];
    let y = vec![0.5f32; geo.n * geo.oh * geo.ow * geo.o];
    let mut out = vec![0f32; x.len().max(w.len()).max(y.len())];
    let mut scratch = vec![0f32; plan.scratch_len()];
    let (x, w, y) = (x.as_ptr(), w.as_ptr(), y.as_ptr());
    let (out, scratch) = (out.as_mut_ptr(), scratch.as_mut_ptr());
    rate(0.05, plan.flops() as f64, || unsafe {
        match side {
            Side::Output => conv::output(&plan, x, w, out, scratch, 0..geo.n, false),
            Side::Input => conv::input(&plan, w, y, out, scratch, 0..geo.n, false),
            Side::Weight => conv::weight(&plan, x, y, out, scratch, 0..plan.weight_tiles(), false),
        }
    })
}

fn block_rates(isa: Isa) -> Vec<(String, f64)> {
    let (rows, lanes) = (16, 64);
    let data = vec![0.5f32; 4 * rows * lanes];
    let mut out = vec![0f32; rows * lanes];
    let map = |k: usize| Arg::Map(data[k * rows * lanes..].as_ptr(), lanes);
    let lane = Arg::Lane(data.as_ptr());
    let cases = [
        ("x * y + z", BlockOp::MulAdd, [map(0), map(1), map(2)]),
        ("x * lane + lane", BlockOp::MulAdd, [map(0), lane, lane]),
        ("x + row", BlockOp::Add, [map(0), Arg::Row(data.as_ptr(), 1), lane]),
        ("exp", BlockOp::Exp, [map(0), lane, lane]),
        ("tanh", BlockOp::Tanh, [map(0), lane, lane]),
    ];
    let name = |what| format!("block of 16x64, {what}: 10^9 results a second");
    let work = (rows * lanes) as f64;
    cases
        .into_iter()
        .map(|(what, op, args)| {
            let call = || unsafe { pointwise(isa, op, out.as_mut_ptr(), lanes, args, rows, lanes) };
            (name(what), rate(0.03, work, call))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_has_a_rate() {
        for isa in Isa::supported() {
            for (name, rate) in bench_kernels(isa) {
                println!("{:9} {rate:8.2}  {name}", isa.name());
                assert!(rate.is_finite() && rate > 0.0, "{isa:?} {name}: {rate}");
            }
        }
    }
}
