//! Distillation works for the right reason: a student with few labels and many unlabelled examples is better with a good teacher
//! than alone, and not with a teacher that was never trained. Five seeds, all networks at once on the task axis.

use metatape::doctor::Interval;
use metatape::exec::{Device, Options, compile};
use metatape::loss::{accuracy, cross_entropy};
use metatape::nn::{Activation, Given, Init, Mlp, Model, Params, Weights};
use metatape::optim::{Adam, Optimizer, Pace};
use metatape::random::Stream;
use metatape::tape::{Tape, Var, grad};
use metatape::transfer::{distill, soft_targets};

const SEEDS: usize = 5;
const INPUTS: usize = 8;
const CLASSES: usize = 4;
const LABELLED: usize = 40;
const UNLABELLED: usize = 600;
const TEST: usize = 1000;

fn net(hidden: usize) -> Mlp {
    Mlp { sizes: vec![INPUTS, hidden, CLASSES], activation: Activation::Tanh, init: Init::Glorot }
}

/// Standard normal inputs, and the largest of four outputs of a random network as their label.
fn world(seed: usize, part: u32, n: usize) -> (Vec<f32>, Vec<f32>) {
    let mut truth = Stream::new(seed as u32, 16, 0, 0);
    let a: Vec<f64> = (0..INPUTS * 12).map(|_| 0.5 * truth.normal()).collect();
    let b: Vec<f64> = (0..12 * CLASSES).map(|_| truth.normal()).collect();
    let mut random = Stream::new(seed as u32, 16, 1, part);
    let x: Vec<f32> = (0..n * INPUTS).map(|_| random.normal() as f32).collect();
    let label = |x: &[f32]| {
        let hidden: Vec<f64> = (0..12)
            .map(|h| {
                x.iter().enumerate().map(|(i, &v)| f64::from(v) * a[i * 12 + h]).sum::<f64>().sin()
            })
            .collect();
        let score = |c: usize| (0..12).map(|h| hidden[h] * b[h * CLASSES + c]).sum::<f64>();
        (0..CLASSES).max_by(|&c, &d| score(c).total_cmp(&score(d))).unwrap() as f32
    };
    let y = x.chunks_exact(INPUTS).map(label).collect();
    (x, y)
}

/// The worlds of all seeds, `arms` times each, one after the other along the task axis.
fn worlds(part: u32, n: usize, arms: usize) -> (Vec<f32>, Vec<f32>) {
    let (mut xs, mut ys) = (vec![], vec![]);
    for i in 0..SEEDS * arms {
        let (x, y) = world(i / arms, part, n);
        xs.extend(x);
        ys.extend(y);
    }
    (xs, ys)
}

fn options() -> Options {
    Options { device: Device::Cpu, threads: Some(1), ..Default::default() }
}

/// Trains a network for each entry of the task axis by `loss` over the slots that `inputs` fill. Starts differ by seed, not by
/// arm. Returns the weights slot by slot.
fn train(
    model: &Mlp,
    arms: usize,
    steps: usize,
    inputs: &[(Vec<usize>, Vec<f32>)],
    loss: impl for<'t> Fn(&Params<'t>, &[Var<'t>]) -> Var<'t>,
) -> Vec<Vec<f32>> {
    let (tape, nets) = (Tape::new(), SEEDS * arms);
    let spec: Vec<_> = model.spec();
    let weights: Vec<Var> = spec.iter().map(|s| tape.input(s.shape.with(0, nets))).collect();
    let names: Vec<&str> = spec.iter().map(|s| &s.name[..]).collect();
    let params = Params::new(&names, weights);
    let adam = Optimizer::Adam(Adam::default());
    let state = adam.inputs(&tape, params.vars());
    let step = tape.input([1]);
    let given: Vec<Var> = inputs.iter().map(|(shape, _)| tape.input(&shape[..])).collect();
    let gradient = grad(loss(&params, &given), params.vars());
    let (next, kept) = adam.update(params.vars(), &gradient, &state, Pace::new(0.01, step));
    let outputs = [next, kept.concat()].concat();
    let pairs: Vec<_> = (0..outputs.len()).map(|i| (i, i)).collect();
    let mut program = compile(&tape, &outputs, &pairs, &options()).expect("compiles");
    for (slot, values) in starts(model, arms).iter().enumerate() {
        program.write(slot, values);
    }
    for (slot, output) in outputs.iter().enumerate().skip(spec.len()) {
        program.write(slot, &vec![0.0; output.shape().len()]);
    }
    for (k, (_, values)) in inputs.iter().enumerate() {
        program.write(outputs.len() + 1 + k, values);
    }
    for number in 1..=steps {
        program.write(outputs.len(), &[number as f32]);
        program.run().expect("runs");
    }
    let read = |(slot, s): (usize, &metatape::nn::Spec)| {
        let mut values = vec![0.0; s.shape.len() * nets];
        program.read_slot(slot, &mut values).expect("reads");
        values
    };
    spec.iter().enumerate().map(read).collect()
}

fn starts(model: &Mlp, arms: usize) -> Vec<Vec<f32>> {
    let all: Vec<Weights> =
        (0..SEEDS * arms).map(|i| Weights::init(&model.spec(), (i / arms) as u64)).collect();
    let slot = |k: usize| all.iter().flat_map(|w| w.0[k].values.iter().copied()).collect();
    (0..model.spec().len()).map(slot).collect()
}

/// What networks with these weights answer: the values of `f` of their logits.
fn answers(
    model: &Mlp,
    weights: &[Vec<f32>],
    x: &[f32],
    f: impl for<'t> Fn(Var<'t>) -> Var<'t>,
) -> Vec<f32> {
    let tape = Tape::new();
    let nets = weights[0].len() / model.spec()[0].shape.len();
    let vars: Vec<Var> = model.spec().iter().map(|s| tape.input(s.shape.with(0, nets))).collect();
    let spec = model.spec();
    let names: Vec<&str> = spec.iter().map(|s| &s.name[..]).collect();
    let input = tape.input([nets, x.len() / nets / INPUTS, INPUTS]);
    let output = f(model.output(&Params::new(&names, vars), Given::new(input)));
    let mut program = compile(&tape, &[output], &[], &options()).expect("compiles");
    for (slot, values) in weights.iter().chain([&x.to_vec()]).enumerate() {
        program.write(slot, values);
    }
    program.run().expect("runs");
    let mut values = vec![0.0; output.shape().len()];
    program.read(0, &mut values).expect("reads");
    values
}

/// Held-out accuracy of each network, in points.
fn scores(model: &Mlp, weights: &[Vec<f32>], arms: usize) -> Vec<f64> {
    let (x, y) = worlds(2, TEST, arms);
    let logits = answers(model, weights, &x, |logits| logits);
    let nets = logits.chunks_exact(TEST * CLASSES).zip(y.chunks_exact(TEST));
    nets.map(|(logits, y)| 100.0 * accuracy(logits, y, CLASSES)).collect()
}

/// The 95% interval of the mean difference between two arms, over seeds.
fn difference(scores: &[f64], arms: usize, a: usize, b: usize) -> Interval {
    let differences: Vec<f64> = scores.chunks_exact(arms).map(|s| s[a] - s[b]).collect();
    Interval::of(&differences, 0.05)
}

#[test]
fn a_good_teacher_helps_a_student_with_few_labels_and_an_untrained_one_does_not() {
    let (teacher, student) = (net(64), net(32));
    let (x, y) = worlds(0, 2000, 1);
    let with_labels =
        |n: usize, nets: usize, x, y| vec![(vec![nets, n, INPUTS], x), (vec![nets, n], y)];
    let good = train(&teacher, 1, 300, &with_labels(2000, SEEDS, x, y), |w, given| {
        cross_entropy(net(64).output(w, Given::new(given[0])), given[1])
    });
    let untrained = starts(&teacher, 1);
    let teachers = scores(&teacher, &good, 1);
    println!("teachers {teachers:.1?}, untrained {:.1?}", scores(&teacher, &untrained, 1));

    let (open, _) = worlds(1, UNLABELLED, 1);
    for t in [1.0, 4.0] {
        // Arms: alone, with the good teacher, with the untrained one. Alone, the targets weigh nothing.
        const ARMS: usize = 3;
        let targets = |weights: &[Vec<f32>]| {
            answers(&teacher, weights, &open, move |logits| soft_targets(&[logits], None, t))
        };
        let (from_good, from_untrained) = (targets(&good), targets(&untrained));
        let each = UNLABELLED * CLASSES;
        let soft = (0..SEEDS * ARMS).flat_map(|i| {
            let from = if i % ARMS == 1 { &from_good } else { &from_untrained };
            from[i / ARMS * each..][..each].to_vec()
        });
        let (lx, ly) = worlds(3, LABELLED, ARMS);
        let mut inputs = with_labels(LABELLED, SEEDS * ARMS, lx, ly);
        inputs.push((vec![SEEDS * ARMS, UNLABELLED, INPUTS], worlds(1, UNLABELLED, ARMS).0));
        inputs.push((vec![SEEDS * ARMS, UNLABELLED, CLASSES], soft.collect()));
        inputs.push((vec![SEEDS * ARMS], [0.0, 1.0, 1.0].repeat(SEEDS)));
        let students = train(&student, ARMS, 300, &inputs, move |w, given| {
            let output = |x| net(32).output(w, Given::new(x));
            cross_entropy(output(given[0]), given[1])
                + distill(output(given[2]), given[3], t) * given[4]
        });
        let found = scores(&student, &students, ARMS);
        let mean = |arm: usize| found.iter().skip(arm).step_by(ARMS).sum::<f64>() / SEEDS as f64;
        let (good, bad) = (difference(&found, ARMS, 1, 0), difference(&found, ARMS, 2, 0));
        println!(
            "t = {t}: alone {:.1}, good teacher {:.1} (+{good}), untrained {:.1} ({bad})",
            mean(0),
            mean(1),
            mean(2)
        );
        assert!(good.low() > 0.0, "t = {t}: {good} points with a good teacher");
        assert!(bad.low() <= 0.0, "t = {t}: {bad} points with an untrained teacher");
        assert!(
            difference(&found, ARMS, 1, 2).low() > 0.0,
            "it is the teacher's knowledge that helps"
        );
    }
}
