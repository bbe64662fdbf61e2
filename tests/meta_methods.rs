//! ANIL and Reptile: closed forms first, then what they share with MAML, then the executors.

use metatape::exec::reference::evaluate;
use metatape::exec::{Device, Options, compile};
use metatape::meta::{Anil, Episode, Judged, Maml, Part, Reptile, judge};
use metatape::nn::{Activation, Init, Mlp, Model, Params, Weights};
use metatape::optim::{Adam, Optimizer};
use metatape::random::Stream;
use metatape::tape::{Tape, Var, grad};

/// Loss ½(b·w − y)² of each task, no network: b is the body, w the head.
fn product<'t>(weights: &Params<'t>, part: Part<'t>) -> Judged<'t> {
    let one = |name| weights.get(name).reshape([weights.get(name).shape().tasks()]);
    let off = one("body/b") * one("head/w") - part.y;
    Judged { loss: off.square() * 0.5, output: off }
}

/// One inner step moves w to w − α·b·(bw − y). With e = b·w₁ − y′ the query's error, the exact derivatives are
/// ∂/∂w = e·b·(1 − αb²) and ∂/∂b = e·(w₁ − αb·(2bw − y)): the last term goes through the inner gradient.
#[test]
fn anil_on_a_product_is_its_closed_form() {
    let (b, w, y, goal, alpha) = (0.8, 1.3, 0.4, -0.6, 0.3);
    let tape = Tape::new();
    let theta =
        Params::new(&["body/b", "head/w"], vec![tape.data([1, 1], &[b]), tape.data([1, 1], &[w])]);
    let set = |y: f64| (tape.filled(0.0, [1, 1]), tape.data([1], &[y]));
    let episode = Episode { support: set(y), query: set(goal) };
    let found = Anil::new(Maml::new(alpha, 1), "head/").run(&theta, &episode, product);
    let mut outputs = vec![found.meta_loss];
    outputs.extend(grad(found.meta_loss, theta.vars()));
    outputs.extend(found.weights.vars());
    let values: Vec<f64> = evaluate(&tape, &[], &outputs).concat();
    let w1 = w - alpha * b * (b * w - y);
    let e = b * w1 - goal;
    let db = e * (w1 - alpha * b * (2.0 * b * w - y));
    let dw = e * b * (1.0 - alpha * b * b);
    for (found, expected) in values.iter().zip([e * e / 2.0, db, dw, b, w1]) {
        assert!((found - expected).abs() < 1e-14, "{values:?}"); // a dozen roundings of numbers near 1
    }
}

fn mlp() -> Mlp {
    Mlp { sizes: vec![1, 6, 1], activation: Activation::Tanh, init: Init::Normal(0.7) }
}

/// Start weights and two sets of points for three tasks, by slot.
fn numbers() -> Vec<Vec<f64>> {
    let weights = Weights::init(&mlp().spec(), 3);
    let mut slots: Vec<Vec<f64>> =
        weights.iter().map(|w| w.values.iter().map(|&v| v as f64).collect()).collect();
    for (part, points) in [4, 4, 2, 2].into_iter().enumerate() {
        let mut random = Stream::new(1, 16, part as u32, 0);
        slots.push((0..3 * points).map(|_| random.between(-2.0, 2.0)).collect());
    }
    slots
}

/// A network's parameters and an episode of three tasks in slots as [`numbers`] fills them.
fn regression(tape: &Tape) -> (Params<'_>, Episode<'_>) {
    let theta = Params::inputs(tape, &mlp().spec());
    (theta, Episode::inputs(tape, [4, 4, 2, 2].map(|points| [3, points, 1].into())))
}

#[test]
fn anil_is_maml_with_a_body_that_stands_still() {
    let (tape, model, slots) = (Tape::new(), mlp(), numbers());
    let (theta, episode) = regression(&tape);
    let judge = judge(&model, metatape::loss::mse);
    let anil = Anil::new(Maml::new(0.1, 3), "layer2/").run(&theta, &episode, &judge);
    let head = theta.adapting(|name| name.starts_with("layer2/"));
    let maml = Maml::new(0.1, 3).run(&head, &episode, &judge);
    let mut all = vec![];
    for loss in [anil.meta_loss, maml.meta_loss] {
        all.push(loss);
        all.extend(grad(loss, theta.vars()));
    }
    all.extend(anil.weights.vars());
    let values = evaluate(&tape, &slots, &all);
    assert_eq!(values[..5], values[5..10]);
    for (i, name) in theta.names().iter().enumerate() {
        let moved = values[10 + i] != slots[i].repeat(3);
        assert_eq!(moved, name.starts_with("layer2/"), "{name}");
        assert!(values[1 + i].iter().any(|g| *g != 0.0), "{name} has no meta-gradient");
    }
}

#[test]
#[should_panic(expected = "no parameter that adapts begins with \"haed/\"")]
fn anil_without_a_head_is_a_mistake() {
    let (tape, model) = (Tape::new(), mlp());
    let (theta, episode) = regression(&tape);
    Anil::new(Maml::new(0.1, 1), "haed/").run(&theta, &episode, judge(&model, metatape::loss::mse));
}

/// Loss ½·mean(w − y)² over a task's examples.
fn mean_quadratic<'t>(weights: &Params<'t>, part: Part<'t>) -> Judged<'t> {
    let w = weights.get("w");
    let off = w.reshape([w.shape().tasks(), 1]) - part.y;
    Judged { loss: (off.square() * 0.5).mean(&[1]).squeeze(&[1]), output: off }
}

/// Meta loss and its gradient at w = 1.7 for two tasks of one support and three query examples.
fn reptile(minibatches: usize, inner_steps: usize) -> [f64; 2] {
    let tape = Tape::new();
    let theta = Params::new(&["w"], vec![tape.data([1, 1], &[1.7])]);
    let part = |n, values: &[f64]| (tape.filled(0.0, [2, n, 1]), tape.data([2, n], values));
    let support = part(1, &[GOALS[0][0], GOALS[1][0]]);
    let query = part(3, &[&GOALS[0][1..], &GOALS[1][1..]].concat());
    let method =
        Reptile { inner: Optimizer::GRADIENT_DESCENT, inner_lr: 0.3, inner_steps, minibatches };
    let loss = method.run(&theta, &Episode { support, query }, mean_quadratic).meta_loss;
    let values = evaluate(&tape, &[], &[loss, grad(loss, theta.vars())[0]]).concat();
    [values[0], values[1]]
}

const GOALS: [[f64; 4]; 2] = [[0.4, -1.0, 2.0, 0.1], [0.3, 0.9, -0.7, 1.1]];

/// A step on a minibatch with mean m leaves m + (1 − α)(w − m). The gradient is the mean of w − φ, the loss half the mean
/// of its square: 1e-14, a dozen roundings.
#[test]
fn reptile_moves_the_start_towards_where_training_ends() {
    for (minibatches, steps) in [(1, 1), (1, 4), (2, 3), (4, 5)] {
        let end = |goals: &[f64; 4]| {
            (0..steps).fold(1.7, |w, step| {
                let dealt = (step % minibatches..4).step_by(minibatches).map(|i| goals[i]);
                let mean = dealt.sum::<f64>() * minibatches as f64 / 4.0;
                mean + 0.7 * (w - mean)
            })
        };
        let off = GOALS.each_ref().map(|goals| 1.7 - end(goals));
        let [loss, gradient] = reptile(minibatches, steps);
        assert!((gradient - (off[0] + off[1]) / 2.0).abs() < 1e-14, "{minibatches} {steps}");
        assert!((loss - (off[0].powi(2) + off[1].powi(2)) / 4.0).abs() < 1e-14);
    }
}

#[test]
fn reptiles_gradient_is_the_way_walked_whatever_the_inner_optimiser() {
    let (tape, model, slots) = (Tape::new(), mlp(), numbers());
    let (theta, episode) = regression(&tape);
    // β₁ = 0, as in the paper; ε′ is not needed, for no derivative passes through a step.
    let inner = Optimizer::Adam(Adam { beta1: 0.0, ..Adam::default() });
    let method = Reptile { inner, inner_lr: 0.02, inner_steps: 5, minibatches: 3 };
    let found = method.run(&theta, &episode, judge(&model, metatape::loss::mse));
    let outputs = [grad(found.meta_loss, theta.vars()), found.weights.vars().to_vec()].concat();
    let values = evaluate(&tape, &slots, &outputs);
    for i in 0..4 {
        for (k, (&w, g)) in slots[i].iter().zip(&values[i]).enumerate() {
            let n = slots[i].len();
            let walked = (0..3).map(|task| w - values[4 + i][task * n + k]).sum::<f64>() / 3.0;
            assert!((g - walked).abs() < 1e-14, "{} {g} {walked}", theta.names()[i]);
            assert!(*g != 0.0);
        }
    }
}

#[test]
#[should_panic(expected = "4 examples do not deal into 3 minibatches")]
fn minibatches_that_do_not_divide_the_examples_are_a_mistake() {
    reptile(3, 1);
}

#[test]
fn reptile_is_judged_on_test_tasks_by_the_support_set_alone() {
    let (tape, model, slots) = (Tape::new(), mlp(), numbers());
    let (theta, episode) = regression(&tape);
    let judge = judge(&model, metatape::loss::mse);
    let inner = Optimizer::GRADIENT_DESCENT;
    let method = Reptile { inner, inner_lr: 0.1, inner_steps: 1, minibatches: 1 };
    let after = method.evaluate(&theta, &episode, &judge, &[0, 2]);
    let other = Maml::new(0.1, 1).evaluate(&theta, &episode, &judge, &[0, 2]);
    let outputs = [after[0].loss, after[1].loss, other[0].loss, other[1].loss];
    let values = evaluate(&tape, &slots, &outputs);
    assert_eq!(values[..2], values[2..]);
}

/// 1e-4 of the largest: f32 roundings, some hundred of them behind each number.
#[test]
fn cpu_gives_the_reference_meta_gradients_of_both() {
    let (tape, model, slots) = (Tape::new(), mlp(), numbers());
    let (theta, episode) = regression(&tape);
    let judge = judge(&model, metatape::loss::mse);
    let anil = Anil::new(Maml::new(0.1, 3), "layer2/").run(&theta, &episode, &judge).meta_loss;
    let inner = Optimizer::Adam(Adam::default());
    let method = Reptile { inner, inner_lr: 0.02, inner_steps: 3, minibatches: 2 };
    let reptile = method.run(&theta, &episode, &judge).meta_loss;
    let outputs: Vec<Var> = [anil, reptile].iter().flat_map(|&l| grad(l, theta.vars())).collect();
    let run = |device| -> Vec<Vec<f64>> {
        let options = Options { device, ..Default::default() };
        let mut program = compile(&tape, &outputs, &[], &options).expect("compiles");
        slots.iter().enumerate().for_each(|(slot, values)| program.write_f64(slot, values));
        program.run().expect("runs");
        let read = |(k, v): (usize, &Var)| program.read_f64(k, v.shape().len()).expect("reads");
        outputs.iter().enumerate().map(read).collect()
    };
    for (found, wanted) in run(Device::Cpu).iter().zip(run(Device::Reference)) {
        let scale = wanted.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        assert!(scale > 0.0);
        for (f, w) in found.iter().zip(&wanted) {
            assert!((f - w).abs() < 1e-4 * scale, "{f} and {w}");
        }
    }
}
