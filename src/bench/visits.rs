//! How close visits of maps come to a copy: work that moves bytes rather than multiplies, on one thread of
//! `cpu`, at the sizes of a meta-step and longer. What must move is every input and every output once; a plan
//! that visits a map twice, or stores what it could keep in registers, falls behind a copy of as many bytes.

use super::rows;
use crate::error::Result;
use crate::exec::cpu::Cpu;
use crate::exec::{Options, Program};
use crate::loss;
use crate::nn::Model;
use crate::op::Window;
use crate::optim::{Adam, Optimizer, Pace};
use crate::tape::{Tape, Var, grad};
use serde::Serialize;
use std::time::Instant;

/// What one program reached.
#[derive(Clone, Debug, Serialize)]
pub struct Visit {
    pub row: &'static str,
    pub case: String,
    /// The best round's.
    pub ms: f64,
    /// 10^9 bytes a second, of those that must move.
    pub gb_per_s: f64,
    /// Time of a copy of as many bytes in the same moment, by time taken: the median round's.
    pub of_copy: f64,
    pub kernels: usize,
}

#[derive(Clone, Copy)]
enum Work {
    /// max(x·y + z, 0) of so many numbers.
    Map(usize),
    /// The sums of 64 columns of so many rows.
    Sum(usize),
    /// Normalisation over all but 64 channels, scale, shift, ReLU and 2×2 maximum of so many pictures of 28×28.
    Pooled(usize),
    /// That and its gradient by everything.
    Gradient(usize),
    /// Cross-entropy of so many rows and classes.
    Softmax(usize, usize),
    /// Adam's update of Conv-4-64.
    Adam,
}

const ALL: [Work; 12] = [
    Work::Map(1_000),
    Work::Map(4_000_000),
    Work::Sum(980),
    Work::Sum(58_800),
    Work::Pooled(5),
    Work::Pooled(75),
    Work::Gradient(5),
    Work::Gradient(75),
    Work::Softmax(75, 5),
    Work::Softmax(75, 20),
    Work::Softmax(4_096, 1_000),
    Work::Adam,
];

impl Work {
    fn name(self) -> String {
        match self {
            Work::Map(n) => format!("max(x·y + z, 0), {n} numbers"),
            Work::Sum(n) => format!("sum over {n} rows of 64"),
            Work::Pooled(n) => format!("normalise, scale, ReLU, pool, {n}×28×28×64"),
            Work::Gradient(n) => format!("the same and its gradient, {n}×28×28×64"),
            Work::Softmax(n, classes) => format!("cross-entropy, {n}×{classes}"),
            Work::Adam => "Adam, all parameters of Conv-4-64".into(),
        }
    }

    /// Outputs and state.
    fn build(self, tape: &Tape) -> (Vec<Var<'_>>, Vec<(usize, usize)>) {
        let maps = |n: usize| tape.input([1, n, 28, 28, 64]);
        let pooled = |x: Var<'_>, scale: Var<'_>, shift: Var<'_>| -> usize {
            let y = (x.normalize(&[1, 2, 3], 1e-5) * scale + shift).relu();
            y.max_pool(Window::tiles(2)).id
        };
        let channels = || tape.input([1, 1, 1, 1, 64]);
        match self {
            Work::Map(n) => {
                let [x, y, z] = [0; 3].map(|_| tape.input([1, n]));
                (vec![(x * y + z).relu()], vec![])
            }
            Work::Sum(n) => (vec![tape.input([1, n, 64]).sum(&[1])], vec![]),
            Work::Pooled(n) => {
                let id = pooled(maps(n), channels(), channels());
                (vec![Var { tape, id }], vec![])
            }
            Work::Gradient(n) => {
                let (x, scale, shift) = (maps(n), channels(), channels());
                let y = Var { tape, id: pooled(x, scale, shift) };
                let given = tape.input(y.shape());
                (grad((y * given).sum_all(), &[x, scale, shift]), vec![])
            }
            Work::Softmax(n, classes) => {
                let (logits, labels) = (tape.input([1, n, classes]), tape.input([1, n]));
                (vec![loss::cross_entropy(logits, labels)], vec![])
            }
            Work::Adam => adam(tape),
        }
    }
}

fn adam(tape: &Tape) -> (Vec<Var<'_>>, Vec<(usize, usize)>) {
    let shapes: Vec<_> = rows::pooled(5).spec().into_iter().map(|spec| spec.shape).collect();
    let inputs = || shapes.iter().map(|&shape| tape.input(shape)).collect::<Vec<Var>>();
    let (weights, gradient) = (inputs(), inputs());
    let adam = Optimizer::Adam(Adam::default());
    let kept = adam.inputs(tape, &weights);
    let (next, kept_next) = adam.update(&weights, &gradient, &kept, Pace::new(1e-3, 10.0));
    let old = weights.iter().chain(kept.iter().flatten());
    let new: Vec<Var> = next.into_iter().chain(kept_next.into_iter().flatten()).collect();
    let state = old.enumerate().map(|(k, old)| (k, old.slot().expect("an input"))).collect();
    (new, state)
}

/// Every program in turn, a tenth of a second and more each.
pub fn visits() -> Result<Vec<Visit>> {
    ALL.into_iter().map(visit).collect()
}

fn visit(work: Work) -> Result<Visit> {
    let tape = Tape::new();
    let (outputs, state) = work.build(&tape);
    let options = Options { threads: Some(1), ..Options::default() };
    let mut cpu = Cpu::new(&tape, &outputs, &state, &options)?;
    let inputs = tape.input_shapes();
    for (slot, shape) in inputs.iter().enumerate() {
        // Different numbers, above zero: second moments are, and a root wants them so.
        let values: Vec<f32> = (0..shape.len()).map(|i| (i % 97 + 1) as f32 / 97.0).collect();
        cpu.write(slot, &values);
    }
    let shapes = inputs.iter().copied().chain(outputs.iter().map(|output| output.shape()));
    let numbers: usize = shapes.map(|shape| shape.len()).sum();
    let from = vec![1.0f32; numbers.div_ceil(2)];
    let mut to = vec![0.0f32; from.len()];
    // The rounds of either take half a millisecond or one call.
    let mut once = |times: usize| -> Result<[f64; 2]> {
        let begun = Instant::now();
        for _ in 0..times {
            std::hint::black_box(&mut to).copy_from_slice(std::hint::black_box(&from));
        }
        let copy = begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        for _ in 0..times {
            cpu.run()?;
        }
        Ok([copy, begun.elapsed().as_secs_f64()].map(|seconds| seconds / times as f64))
    };
    once(1)?;
    let times = (5e-4 / once(1)?[1]).clamp(1.0, 1e4) as usize;
    let (mut best, mut shares, begun) = (f64::MAX, vec![], Instant::now());
    while begun.elapsed().as_secs_f64() < 0.1 || shares.len() < 5 {
        let [copy, run] = once(times)?;
        best = best.min(run);
        shares.push(copy / run);
    }
    shares.sort_by(f64::total_cmp);
    Ok(Visit {
        row: "visits",
        case: work.name(),
        ms: best * 1e3,
        gb_per_s: 4.0 * numbers as f64 / best / 1e9,
        of_copy: shares[shares.len() / 2],
        kernels: cpu.cost().kernels,
    })
}
