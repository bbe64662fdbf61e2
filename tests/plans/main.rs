//! Plans mean what their tapes mean: every pass alone and all together, run in f64 by
//! `plan::interpret` and on `cpu`, against the reference.

#[path = "../support/any_program/mod.rs"]
mod any_program;
mod first_layer;
mod movement;
mod shared;
mod state;
mod terms;

use metatape::exec::Program;
use metatape::exec::cpu::{Cpu, isa::Isa};
use metatape::exec::reference::evaluate;
use metatape::op::{Along, Window};
use metatape::plan::interpret::interpret;
use metatape::plan::{Kernel, Kind, Memory, Passes, Plan};
use metatape::shape::Shape;
use metatape::tape::{Conv2d, Tape, Var, grad};

/// Numbers in [-1, 1) that differ from each other.
fn numbers(n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..n)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        })
        .collect()
}

const PASSES: [(&str, Passes); 8] = [
    ("plain", Passes::PLAIN),
    ("simplify", Passes { simplify: true, ..Passes::PLAIN }),
    ("twins", Passes { twins: true, ..Passes::PLAIN }),
    ("views", Passes { views: true, ..Passes::PLAIN }),
    ("cut", Passes { cut: true, ..Passes::PLAIN }),
    ("fuse", Passes { fuse: true, views: true, ..Passes::PLAIN }),
    ("ride", Passes { fuse: true, views: true, cut: true, ..Passes::PLAIN }),
    ("fast", Passes::FAST),
];

/// Every pass, both memory layouts, against the reference.
fn check(name: &str, shapes: &[&[usize]], program: impl for<'t> Fn(&[Var<'t>]) -> Vec<Var<'t>>) {
    let tape = Tape::new();
    let inputs: Vec<Var> = shapes.iter().map(|&s| tape.input(Shape::new(s))).collect();
    let outputs = program(&inputs);
    let values = values(&tape);
    let want = evaluate(&tape, &values, &outputs);
    for (pass, passes) in PASSES {
        for memory in [Memory::AllTasks, Memory::PerWorker] {
            let plan = Plan::with(&tape, &outputs, &[], memory, passes);
            let got = interpret(&plan, &values);
            if memory == Memory::PerWorker {
                on_cpu(name, pass, &plan, &values, &want);
            }
            close(&format!("{name}, {pass}, {memory:?}"), &got, &want, EXACT);
        }
    }
}

/// The same plan on `cpu`: every instruction set, 1 and 3 threads with the same bits.
fn on_cpu(name: &str, pass: &str, plan: &Plan, values: &[Vec<f64>], want: &[Vec<f64>]) {
    for isa in Isa::supported() {
        let mut bits: Option<Vec<Vec<u64>>> = None;
        for threads in [1, 3] {
            let mut cpu = written(plan, isa, threads, values);
            cpu.run().unwrap();
            cpu.run().unwrap(); // a second run finds its memory used
            let got = read(&mut cpu, want);
            let what = format!("{name}, {pass}, cpu {isa:?} {threads} threads");
            close(&what, &got, want, SINGLE);
            let now: Vec<Vec<u64>> =
                got.iter().map(|v| v.iter().map(|x| x.to_bits()).collect()).collect();
            assert!(bits.get_or_insert(now.clone()) == &now, "{name}: bits depend on threads");
        }
    }
}

/// The plan on `cpu`, its slots filled.
fn written(plan: &Plan, isa: Isa, threads: usize, values: &[Vec<f64>]) -> Cpu {
    let mut cpu = Cpu::run_plan(plan.clone(), isa, threads, None).unwrap();
    values.iter().enumerate().for_each(|(slot, values)| cpu.write_f64(slot, values));
    cpu
}

/// Numbers for each input slot.
fn values(tape: &Tape) -> Vec<Vec<f64>> {
    let shapes = tape.input_shapes();
    shapes.iter().enumerate().map(|(i, shape)| numbers(shape.len(), i as u64 + 1)).collect()
}

/// The outputs of the last run, as long as `want`.
fn read(program: &mut dyn Program, want: &[Vec<f64>]) -> Vec<Vec<f64>> {
    want.iter().enumerate().map(|(k, w)| program.read_f64(k, w.len()).unwrap()).collect()
}

/// How far results may be from the reference: a part of an output's largest number, and the least that this counts as.
type Tolerance = (f64, f64);

/// Of `interpret`: reordered sums in f64.
const EXACT: Tolerance = (1e-9, 1e-3);

/// Of `cpu`: these programs are ill-conditioned on purpose (normalisation of few values, exponentials), f32 has
/// 1e-7 and second derivatives multiply that by about a thousand.
const SINGLE: Tolerance = (2e-4, 1e-2);

#[track_caller]
fn close(what: &str, got: &[Vec<f64>], want: &[Vec<f64>], (part, least): Tolerance) {
    for (k, (got, want)) in got.iter().zip(want).enumerate() {
        assert_eq!(got.len(), want.len(), "{what}, output {k}");
        let scale = want.iter().fold(least, |m, v| m.max(v.abs()));
        for (i, (a, b)) in got.iter().zip(want).enumerate() {
            let near = (a - b).abs() <= part * scale;
            assert!(near, "{what}, output {k} [{i}]: {a}, reference {b}");
        }
    }
}

fn maml<'t>(
    theta: &[Var<'t>],
    tasks: usize,
    steps: usize,
    loss: impl Fn(&[Var<'t>], usize) -> Var<'t>,
) -> Vec<Var<'t>> {
    let mut fast: Vec<Var> = theta.iter().map(|w| w.per_task(tasks)).collect();
    for _ in 0..steps {
        let g = grad(loss(&fast, 0).sum_all(), &fast);
        fast = fast.iter().zip(g).map(|(w, g)| *w - g * 0.1).collect();
    }
    let meta = loss(&fast, 1).sum_all() * (1.0 / tasks as f64);
    let mut out = vec![meta];
    out.extend(grad(meta, theta));
    out
}

#[test]
fn an_mlp_with_an_inner_loop() {
    let shapes: &[&[usize]] = &[
        &[1, 1, 8],
        &[1, 1, 8],
        &[1, 8, 1],
        &[1, 1, 1],
        &[3, 5, 1],
        &[3, 5, 1],
        &[3, 4, 1],
        &[3, 4, 1],
    ];
    check("mlp", shapes, |v| {
        maml(&v[..4], 3, 2, |w, set| {
            let (x, y) = (v[4 + 2 * set], v[5 + 2 * set]);
            let h = (x.matmul(w[0]) + w[1]).relu();
            let out = h.matmul(w[2]) + w[3];
            (out - y).square().mean(&[1, 2])
        })
    });
}

#[test]
fn a_convolutional_net_with_an_inner_loop() {
    let shapes: &[&[usize]] = &[
        &[1, 3, 3, 1, 4],
        &[1, 1, 1, 1, 4],
        &[1, 1, 1, 1, 4],
        &[1, 3, 3, 4, 4],
        &[1, 16, 3],
        &[2, 3, 9, 9, 1],
        &[2, 3],
        &[2, 2, 9, 9, 1],
        &[2, 2],
    ];
    check("conv", shapes, |v| {
        maml(&v[..5], 2, 2, |w, set| {
            let (x, y) = (v[5 + 2 * set], v[6 + 2 * set]);
            let h = x.conv2d(w[0], Conv2d::new(1, 1));
            let h = h.normalize(&[1, 2, 3], 1e-5) * w[1] + w[2];
            let h = h.max_pool(Window::tiles(2)).relu();
            let h = h.conv2d(w[3], Conv2d::new(2, 1)).normalize(&[1, 2, 3], 1e-5).relu();
            let s = h.shape();
            let logits = h.reshape([s[0], s[1], s[2] * s[3] * s[4]]).matmul(w[4]);
            // Labels are whole numbers; here any number will do.
            let z = logits.log_softmax(2);
            (z.narrow(2, 0, 1).reshape([s[0], s[1]]) * y + z.sum(&[2]).squeeze(&[2])).mean(&[1])
        })
    });
}

#[test]
fn choices_along_axes_and_windows() {
    check("choice", &[&[2, 3, 7, 5, 3], &[2, 4]], |v| {
        let window = Window { size: [3, 2], stride: [2, 1], pad: [1, 0, 1, 0] };
        let pooled = v[0].max_pool(window);
        let g = grad((pooled.square() * v[0].max_pool(window).exp()).sum_all(), &[v[0]])[0];
        let h = grad(g.sin().sum_all(), &[v[0]])[0];
        let i = v[1].argmax(Along::Axis(1));
        let t = v[1].take(i, Along::Axis(1)).tanh();
        let p = grad((t * t).sum_all(), &[v[1]])[0];
        let tiles = v[0].relu().max_pool(Window::tiles(2));
        let q = grad((tiles * tiles).sum_all(), &[v[0]])[0] * v[0];
        let r = v[1].gather(v[1].tape.data([3], &[2.0, 0.0, 2.0]), 1);
        let s = grad(r.exp().sum_all(), &[v[1]])[0];
        vec![pooled, g, h, t, p, q, q.sum(&[2, 3]), r, s]
    });
}

/// Normalisation, pool and ReLU, its gradient and the gradient of that.
fn pooled_norm<'t>(x: Var<'t>, scale: Var<'t>) -> Vec<Var<'t>> {
    let y = x.normalize(&[1, 2, 3], 0.1) * scale;
    let pooled = y.max_pool(Window::tiles(2)).relu();
    let first = grad((pooled * pooled.sin()).sum_all(), &[x, scale]);
    let second = grad((first[0] * first[0]).sum_all() + first[1].sin().sum_all(), &[x, scale]);
    vec![pooled, first[0], first[1], second[0], second[1]]
}

/// Odd sizes, channels that fill no vector, rows of several blocks, more channels than a block.
#[test]
fn pools_that_ride_in_sweeps() {
    for (h, w, c) in [(5, 7, 3), (4, 2, 70), (2, 27, 44), (3, 2, 600), (3, 3, 17)] {
        let x: &[usize] = &[3, 2, h, w, c];
        check(&format!("pool {h}×{w}×{c}"), &[x, &[1, 1, 1, 1, c]], |v| {
            let local = pooled_norm(v[0], v[1].per_task(3));
            let shared = pooled_norm(v[0].sum(&[0]), v[1]);
            // One index for all, a cotangent for each task.
            let along = Along::Window(Window::tiles(2));
            let total = v[0].sum(&[0]);
            let index = total.argmax(along);
            let each = v[0].max_pool(Window::tiles(2)).tanh();
            let put = each.put(index.per_task(3), along, v[0].shape());
            let taken = (v[0] * 2.0).exp().take(index.per_task(3), along);
            // A put that is stored, and one that many read.
            let stored = put + put.sum(&[4]).expand(put.shape());
            [local, shared, vec![put * v[0], taken, stored, put.sum(&[2, 4])]].concat()
        });
    }
}

/// A diverged number is seen wherever a pool rides: all of its tile's window, and the same in both plans.
#[test]
fn a_nan_in_a_tile_that_rides_is_kept() {
    let tape = Tape::new();
    let x = tape.input([1, 1, 4, 6, 20]);
    let pooled = (x * 2.0).max_pool(Window::tiles(2));
    let outputs = [pooled, grad((pooled * pooled).sum_all(), &[x])[0]];
    let mut values = numbers(480, 1);
    for (at, value) in [(3, f64::NAN), (45, f64::NAN), (140, f64::NAN), (200, f64::INFINITY)] {
        values[at] = value;
    }
    let want = evaluate(&tape, &[values.clone()], &outputs);
    for isa in Isa::supported() {
        for passes in [Passes::PLAIN, Passes::FAST] {
            let plan = Plan::with(&tape, &outputs, &[], Memory::PerWorker, passes);
            let mut cpu = Cpu::run_plan(plan, isa, 1, None).unwrap();
            cpu.write_f64(0, &values);
            cpu.run().unwrap();
            for (k, want) in want.iter().enumerate() {
                let mut got = vec![0.0; want.len()];
                cpu.read(k, &mut got).unwrap();
                for (got, want) in got.iter().zip(want) {
                    let close = (*got as f64 - want).abs() < 1e-5 || *got as f64 == *want;
                    assert!(close || got.is_nan() && want.is_nan(), "{got}, {want}");
                }
            }
        }
    }
}

#[test]
fn state_and_task_sums_in_place() {
    check("sums", &[&[5, 3, 4], &[1, 3, 4]], |v| {
        let local = (v[0] * v[1].per_task(5)).tanh();
        let total = local.sum(&[0]);
        let spread = (local - total.per_task(5) * 0.2).square().sum(&[0, 1]);
        let again = (local.permute(&[0, 2, 1]) * spread.reshape([1, 4, 1]).per_task(5)).sum(&[0]);
        vec![total, spread, again, local, v[0].sum(&[0]), local.mean(&[1, 2])]
    });
}

/// The map that a product makes is normalised for the next product: the result stands in its place, though
/// sums and an instruction read the old numbers after the new ones are made.
#[test]
fn a_map_takes_the_place_of_the_one_it_is_made_from() {
    let program = |v: &[Var<'_>]| -> Vec<usize> {
        let a = v[0].matmul(v[1]);
        let b = (a - a.mean(&[1])) * 3.0;
        let both = (a * b).sum(&[1]) + (b + a * 0.1).tanh().sum(&[1]);
        vec![b.matmul(v[2]).id, both.id]
    };
    let shapes: [&[usize]; 3] = [&[3, 48, 4], &[3, 4, 48], &[3, 48, 2]];
    check("in place", &shapes, |v| program(v).into_iter().map(|id| Var { id, ..v[0] }).collect());
    let tape = Tape::new();
    let inputs: Vec<Var> = shapes.iter().map(|&s| tape.input(Shape::new(s))).collect();
    let outputs: Vec<Var> =
        program(&inputs).into_iter().map(|id| Var { id, ..inputs[0] }).collect();
    let plan = Plan::fast(&tape, &outputs, &[], Memory::PerWorker);
    assert!(plan.worker_len < 2 * 48 * 48, "{} for two maps of {}", plan.worker_len, 48 * 48);
}

/// Group norm, scale and shift, FiLM (Perez et al. 2018) and ReLU, with every network's own weights.
fn film<'t>(v: &[Var<'t>], groups: usize) -> Var<'t> {
    let s = v[0].shape();
    let split = [s[0], s[1], s[2], s[3], groups, s[4] / groups];
    let y = v[0].reshape(split).normalize(&[2, 3, 5], 0.1).reshape(s) * v[1] + v[2];
    (y * (v[3] + 1.0) + v[4]).relu()
}

#[test]
fn a_group_norm_is_done_in_the_shape_of_its_map() {
    let channels: &[usize] = &[2, 1, 1, 1, 36];
    let pictures: &[usize] = &[2, 3, 1, 1, 36];
    let shapes: [&[usize]; 5] = [&[2, 3, 5, 4, 36], channels, channels, pictures, pictures];
    for groups in [1, 3, 36] {
        check(&format!("group norm of {groups}"), &shapes, |v| {
            let y = film(v, groups);
            let first = grad((y * y.sin()).sum_all(), v);
            let second = grad((first[0] * first[0]).sum_all() + first[1].sin().sum_all(), v);
            [vec![y], first, second].concat()
        });
        // Three visits: mean, variance, result.
        let tape = Tape::new();
        let inputs: Vec<Var> = shapes.iter().map(|&s| tape.input(Shape::new(s))).collect();
        let plan = Plan::fast(&tape, &[film(&inputs, groups)], &[], Memory::PerWorker);
        let visits = plan.kernels.iter().filter(|kernel| match &kernel.kind {
            Kind::Sweep(sweep) => sweep.space.iter().product::<usize>() == 3 * 5 * 4 * 36,
            _ => false,
        });
        assert_eq!(visits.count(), 3, "{groups} groups");
    }
}

/// Sums over a map of products that have scales of each channel within.
fn scaled_sums<'t>(v: &[Var<'t>]) -> Vec<Var<'t>> {
    let [x, y, z, a, b] = v[..] else { unreachable!() };
    let sum = |v: Var<'t>| v.sum(&[1]);
    vec![sum(x * a * y), sum(x * (y * b)), sum(y * (x * a + z * b)), sum(z * y)]
}

#[test]
fn sums_of_one_product_differ_by_scales_alone() {
    let map: &[usize] = &[1, 6, 16];
    let lane: &[usize] = &[1, 1, 16];
    check("scaled sums", &[map, map, map, lane, lane], scaled_sums);
    let tape = Tape::new();
    let inputs: Vec<Var> =
        [map, map, map, lane, lane].iter().map(|&s| tape.input(Shape::new(s))).collect();
    let plan = Plan::fast(&tape, &scaled_sums(&inputs), &[], Memory::PerWorker);
    // All four are made of Σ x·y and Σ z·y.
    let over_rows = plan.kernels.iter().filter_map(|kernel| match &kernel.kind {
        Kind::Sweep(s) if s.space.len() > 1 => {
            Some(s.sinks.iter().filter(|sink| sink.sum.has(s.space.len() - 2)))
        }
        _ => None,
    });
    assert_eq!(over_rows.flatten().count(), 2, "{:?}", plan.kernels);
}

/// Two layers, their momentum and a bias without one: three tasks' gradient and a step. Of the state, the momentum of the
/// second bias is handed to nobody.
fn momentum<'t>(v: &[Var<'t>]) -> (Vec<Var<'t>>, Vec<(usize, usize)>) {
    let (x, weights, means) = (v[0], &v[1..5], &v[5..9]);
    let [w, b, u, c] = [0, 1, 2, 3].map(|k| weights[k].per_task(3));
    let loss = ((x.matmul(w) + b).tanh().matmul(u) + c).square().sum_all();
    let (mut next, mut kept) = (vec![], vec![]);
    for ((&w, &m), g) in weights.iter().zip(means).zip(grad(loss, weights)) {
        let m = m * 0.9 + g;
        next.push(w - m * 0.01);
        kept.push(m);
    }
    next.extend(kept);
    next.push(loss);
    (next, (0..8).map(|k| (k, k + 1)).collect())
}

const MOMENTUM: [&[usize]; 9] = [
    &[3, 7, 5],
    &[1, 5, 6],
    &[1, 1, 6],
    &[1, 6, 33],
    &[1, 1, 33],
    &[1, 5, 6],
    &[1, 1, 6],
    &[1, 6, 33],
    &[1, 1, 33],
];

/// Parameters of 30, 6 and 198 numbers, whose parts do not end where a vector does. The last one's gradient brings a factor
/// of its own, so its update stays apart.
#[test]
fn updates_that_are_alike_are_one_visit() {
    let tape = Tape::new();
    let inputs: Vec<Var> = MOMENTUM.iter().map(|&s| tape.input(Shape::new(s))).collect();
    let (outputs, state) = momentum(&inputs);
    let values: Vec<Vec<f64>> =
        (0..9).map(|i| numbers(tape.input_shapes()[i].len(), 7 + i as u64)).collect();
    let apart = Passes { flat: false, ..Passes::FAST };
    for memory in [Memory::AllTasks, Memory::PerWorker] {
        let [apart, flat] =
            [apart, Passes::FAST].map(|passes| Plan::with(&tape, &outputs, &state, memory, passes));
        assert_eq!(apart.kernels.len() - flat.kernels.len(), 2, "{memory:?}: three are one");
        assert_eq!(interpret(&apart, &values), interpret(&flat, &values), "{memory:?}");
    }
    for (isa, threads) in Isa::supported().into_iter().flat_map(|isa| [(isa, 1), (isa, 3)]) {
        let steps = |passes: Passes| -> Vec<u32> {
            let plan = Plan::with(&tape, &outputs, &state, Memory::PerWorker, passes);
            let mut cpu = Cpu::run_plan(plan, isa, threads, None).unwrap();
            for (slot, values) in values.iter().enumerate() {
                cpu.write_f64(slot, values);
            }
            let mut bits = vec![];
            for step in 0..5 {
                cpu.run().unwrap();
                // A parameter written between two steps is a part as well.
                if step == 2 {
                    cpu.write_f64(3, &values[3]);
                }
                for (k, output) in outputs.iter().enumerate() {
                    let mut read = vec![0.0; output.shape().len()];
                    cpu.read(k, &mut read).unwrap();
                    bits.extend(read.iter().map(|x| x.to_bits()));
                    if k < 8 {
                        cpu.read_slot(k + 1, &mut read).unwrap();
                        bits.extend(read.iter().map(|x| x.to_bits()));
                    }
                }
            }
            bits
        };
        assert!(steps(apart) == steps(Passes::FAST), "{isa:?}, {threads} threads");
    }
}

/// State that does not go back to where the same part came from: nothing is joined.
#[test]
fn parameters_that_change_places_are_updated_apart() {
    let tape = Tape::new();
    let [a, b, c] = [tape.input([1, 20]), tape.input([1, 20]), tape.input([1, 7])];
    let new = |x: Var<'_>| (x * 0.5 + 1.0).id;
    let [a, b, c] = [a, b, c].map(|x| Var { id: new(x), ..x });
    let values = [numbers(20, 1), numbers(20, 2), numbers(7, 3)];
    let spaces = |outputs: &[Var], state: &[(usize, usize)]| -> Vec<usize> {
        let plan = Plan::fast(&tape, outputs, state, Memory::PerWorker);
        let apart = Plan::plain(&tape, outputs, state, Memory::PerWorker);
        assert_eq!(interpret(&plan, &values), interpret(&apart, &values));
        let space = |kernel: &Kernel| match &kernel.kind {
            Kind::Sweep(sweep) => sweep.space[0],
            other => panic!("{other:?}"),
        };
        plan.kernels.iter().map(space).collect()
    };
    // A part begins at a multiple of 16 numbers.
    assert_eq!(spaces(&[a, b], &[(0, 0), (1, 1)]), [32 + 20]);
    assert_eq!(spaces(&[a, b], &[(0, 1), (1, 0)]), [20], "exchanged: one visit of two maps");
    assert_eq!(spaces(&[a, c], &[(0, 0), (1, 2)]), [16 + 20]);
    assert_eq!(spaces(&[a, c], &[(0, 1), (1, 2)]), [7, 20], "handed on to what is not updated");
    assert_eq!(spaces(&[a, c], &[(0, 0)]), [7, 20], "of one parameter alone");
}

#[test]
fn pictures_that_nobody_thought_of() {
    let family = any_program::pictures::family();
    any_program::for_programs(family, 150, |shapes, program| check("pictures", shapes, program));
}

#[test]
fn shapes_that_nobody_thought_of() {
    let family = any_program::shapes::family();
    any_program::for_programs(family, 300, |shapes, program| check("shapes", shapes, program));
}

#[test]
fn large_pictures_that_nobody_thought_of() {
    let family = any_program::pictures::large();
    any_program::for_programs(family, 10, |shapes, program| check("large", shapes, program));
}
