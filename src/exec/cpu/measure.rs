//! How fast the kernels are on this processor, beside the most that its multiply-adds allow: one thread,
//! under three seconds in all. `metatape bench` prints it.

use super::block::{Arg, BlockOp, pointwise};
use super::conv::{self, ConvGeo, ConvPlan, Side};
use super::isa::Isa;
use super::matmul::{matmul, scratch_len};
use super::simd::{Lanes, dispatch};
use std::time::Instant;

/// What one kernel reached.
#[derive(Clone, Debug)]
pub struct Speed {
    pub name: String,
    /// 10^9 a second: multiplications and additions, or results where the name says so.
    pub rate: f64,
    /// Time it would take at the ceiling, every product of taps and pixels that meet done, by time it took. Both were measured turn by turn, because the clock of
    /// a shared machine changes from one tenth of a second to the next. None where multiply-adds are not the limit.
    pub of_ceiling: Option<f64>,
}

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

/// Floats on a 64-byte boundary, as the executor's arenas are: a vector across two cache lines costs double.
struct Floats(Vec<f32>);

impl Floats {
    fn new(n: usize) -> Self {
        Self(vec![0.5; n + 16])
    }

    fn ptr(&mut self) -> *mut f32 {
        let offset = self.0.as_ptr().align_offset(64).min(16);
        self.0[offset..].as_mut_ptr()
    }
}

/// Seconds of one call of `call`, called `times` times.
fn seconds(times: usize, mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..times).for_each(|_| call());
    start.elapsed().as_secs_f64() / times as f64
}

/// A kernel on numbers of its own: the list that `metatape bench kernels` and `cargo bench` time.
pub struct Case {
    pub name: String,
    /// Multiplications and additions of a call, or results where the name says so.
    pub work: f64,
    /// Whether multiply-adds are what limits it.
    bounded: bool,
    pub call: Box<dyn FnMut()>,
}

impl Case {
    fn new(name: String, work: f64, call: impl FnMut() + 'static) -> Self {
        Self { name, work, bounded: true, call: Box::new(call) }
    }

    /// Rounds of half a millisecond for `total` seconds, a round of the ceiling before each. The rate is that of
    /// the best round, because other work on a machine only ever makes one slower; the share is the median's.
    fn speed(mut self, isa: Isa, total: f64) -> Speed {
        let turns = 1000;
        let ceiling_work = (turns * 10 * isa.lanes() * 2) as f64;
        let times = (5e-4 / seconds(1, &mut self.call).max(1e-8)).clamp(1.0, 1e6) as usize;
        let (mut best, mut shares, start) = (f64::MAX, Vec::new(), Instant::now());
        while start.elapsed().as_secs_f64() < total || shares.len() < 3 {
            let ceiling = seconds(50, || {
                std::hint::black_box(unsafe { multiply_adds(isa, turns) });
            });
            let time = seconds(times, &mut self.call);
            best = best.min(time);
            shares.push(self.work / time / (ceiling_work / ceiling));
        }
        shares.sort_by(f64::total_cmp);
        let share = shares[shares.len() / 2];
        Speed {
            name: self.name,
            rate: self.work / best / 1e9,
            of_ceiling: self.bounded.then_some(share),
        }
    }
}

/// Every kernel, the ceiling first.
pub fn cases(isa: Isa) -> Vec<Case> {
    let turns = 1000;
    let ceiling_work = (turns * 10 * isa.lanes() * 2) as f64;
    let mut all = vec![Case::new("multiply-adds in registers".into(), ceiling_work, move || {
        std::hint::black_box(unsafe { multiply_adds(isa, turns) });
    })];
    for shape in SHAPES {
        for side in [Side::Output, Side::Input, Side::Weight] {
            all.push(convolution(isa, shape, side));
        }
    }
    for sizes in [[10, 40, 40], [40, 40, 10], [10, 1, 40], [5, 5, 64], [245, 64, 576], [512; 3]] {
        for (what, transposed) in
            [("A B", [false, false]), ("Aᵀ B", [true, false]), ("A Bᵀ", [false, true])]
        {
            all.push(product(isa, what, sizes, transposed));
        }
    }
    all.extend(blocks(isa));
    all
}

/// What every one of [`cases`] reaches.
pub fn bench_kernels(isa: Isa) -> Vec<Speed> {
    cases(isa).into_iter().map(|case| case.speed(isa, 0.03)).collect()
}

/// Image size, channels, window, stride of convolutions: those of Conv-4-64, pooled and strided, and those
/// of a network of 32 channels that looks at pictures of 48 x 48 in colour and ends in 1 x 1 heads.
const SHAPES: [(usize, [usize; 2], usize, usize); 18] = [
    (28, [64, 64], 3, 1),
    (14, [64, 64], 3, 1),
    (7, [64, 64], 3, 1),
    (3, [64, 64], 3, 1),
    (28, [1, 64], 3, 1),
    (28, [1, 64], 3, 2),
    (28, [64, 64], 3, 2),
    (14, [64, 64], 3, 2),
    (7, [64, 64], 3, 2),
    (4, [64, 64], 3, 2),
    (48, [3, 32], 5, 2),
    (24, [32, 32], 3, 2),
    (12, [32, 32], 3, 1),
    (12, [32, 32], 3, 2),
    (6, [32, 32], 3, 1),
    (12, [32, 1], 1, 1),
    (12, [32, 4], 1, 1),
    (12, [32, 16], 1, 1),
];

/// Five images, as many zeros around them as keep their size.
fn convolution(isa: Isa, shape: (usize, [usize; 2], usize, usize), side: Side) -> Case {
    let (size, [c, o], k, stride) = shape;
    let out = (size - 1) / stride + 1;
    #[rustfmt::skip]
    let geo = ConvGeo { n: 5, h: size, w: size, c, kh: k, kw: k, o, oh: out, ow: out, stride: [stride; 2], pad: [k / 2; 4], dilation: [1; 2], groups: 1 };
    let name = format!("conv {k}x{k} {c}->{o}, {size}x{size}, stride {stride}, {side:?}");
    let plan = ConvPlan::new(isa, geo.clone(), side);
    let lens = [geo.n * size * size * c, k * k * c * o, geo.n * out * out * o];
    let own = [plan.packed_len(), plan.scratch_len()];
    let (mut tensors, mut own) = (lens.map(Floats::new), own.map(Floats::new));
    Case::new(name, plan.flops_met() as f64, move || unsafe {
        let [x, w, y] = tensors.each_mut().map(Floats::ptr);
        let [packed, scratch] = own.each_mut().map(Floats::ptr);
        let mut weights = w;
        if plan.packed_len() > 0 {
            conv::pack(&plan, w, packed, 0..plan.packed_rows());
            weights = packed;
        }
        match side {
            Side::Output => conv::output(&plan, x, weights, y, scratch, 0..geo.n, false),
            Side::Input => conv::input(&plan, weights, y, x, scratch, 0..geo.n, false),
            Side::Weight if plan.weight_parts() > 0 => {
                for part in 0..plan.weight_parts() {
                    conv::weight_part(&plan, x, y, w, scratch, part, part > 0);
                }
            }
            Side::Weight => conv::weight(&plan, x, y, w, 0..plan.weight_tiles(), false),
        }
    })
}

fn product(isa: Isa, what: &str, [m, n, k]: [usize; 3], transposed: [bool; 2]) -> Case {
    let name = format!("{what}, {m}x{n}, sum over {k}");
    let sa = if transposed[0] { (1, m) } else { (k, 1) };
    let sb = if transposed[1] { (1, k) } else { (n, 1) };
    let mut own = [m * k, k * n, m * n, scratch_len(isa, m, n, k)].map(Floats::new);
    Case::new(name, (2 * m * n * k) as f64, move || unsafe {
        let [a, b, c, scratch] = own.each_mut().map(Floats::ptr);
        matmul(isa, m, n, k, a, sa, b, sb, c, n, false, scratch);
    })
}

/// Pointwise work on one block.
fn blocks(isa: Isa) -> impl Iterator<Item = Case> {
    let (rows, lanes) = (16, 64);
    type Args = fn(Maps) -> [Arg; 3];
    let cases: [(&str, BlockOp, Args); 6] = [
        ("x * y + z", BlockOp::MulAdd, |m| [m.map(0), m.map(1), m.map(2)]),
        ("x * lane + lane", BlockOp::MulAdd, |m| [m.map(0), m.lane(), m.lane()]),
        ("x + row", BlockOp::Add, |m| [m.map(0), Arg::Row(m.data, 1), m.lane()]),
        ("max(x, 0)", BlockOp::Max, |m| [m.map(0), Arg::Scalar(0.0), m.lane()]),
        ("exp", BlockOp::Exp, |m| [m.map(0), m.lane(), m.lane()]),
        ("tanh", BlockOp::Tanh, |m| [m.map(0), m.lane(), m.lane()]),
    ];
    cases.into_iter().map(move |(what, op, args)| {
        let name = format!("block of 16x64, {what}: results");
        let (mut data, mut out) = (Floats::new(3 * Maps::APART), Floats::new(rows * lanes));
        let call = move || unsafe {
            let args = args(Maps { data: data.ptr(), lanes });
            pointwise(isa, op, out.ptr(), lanes, &args, rows, lanes)
        };
        Case { bounded: false, ..Case::new(name, (rows * lanes) as f64, call) }
    })
}

/// Operands of a block.
#[derive(Clone, Copy)]
struct Maps {
    data: *const f32,
    lanes: usize,
}

impl Maps {
    /// Some lines more than a block: operands a multiple of 4 KB apart would wait for each other.
    const APART: usize = 16 * 64 + 48;

    fn map(self, k: usize) -> Arg {
        Arg::Map(self.data.wrapping_add(k * Self::APART), self.lanes)
    }

    fn lane(self) -> Arg {
        Arg::Lane(self.data)
    }
}

/// GFLOP/s of multiply-adds in registers on one thread: what every product is measured against.
pub fn ceiling(isa: Isa) -> f64 {
    let turns = 1000;
    let work = (turns * 10 * isa.lanes() * 2) as f64;
    let round = || {
        seconds(200, || {
            std::hint::black_box(unsafe { multiply_adds(isa, turns) });
        })
    };
    work / (0..20).map(|_| round()).fold(f64::MAX, f64::min) / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_has_a_rate_and_none_beats_the_ceiling() {
        for isa in Isa::supported() {
            for Speed { name, rate, of_ceiling } in bench_kernels(isa) {
                let share = of_ceiling.map_or(String::new(), |s| format!("{:.0}%", 100.0 * s));
                println!("{:9} {rate:8.2} {share:>5}  {name}", isa.name());
                assert!(rate.is_finite() && rate > 0.0, "{isa:?} {name}: {rate}");
                // Arrays have no ceiling of their own: what the compiler makes of ten chains may be slower.
                // Winograd does 16 products for 36. Half again as fast as that allows can only be a ceiling that
                // is none, not a moment of noise.
                let real = isa == Isa::Portable || of_ceiling.is_none_or(|s| s < 1.5 * 36.0 / 16.0);
                assert!(real, "{isa:?} {name}: {of_ceiling:?}");
            }
        }
    }
}
