//! Optimisers against their papers' recursions written out on the host, clipping and losses against closed
//! forms.

use metatape::exec::reference::evaluate;
use metatape::exec::{Device, Options, compile};
use metatape::loss::{cross_entropy, kl_div, mse};
use metatape::optim::{Adam, Optimizer, Pace, Sgd, clip_by_norm, clip_by_value};
use metatape::tape::{Tape, grad};

/// Four updates of w under loss ½·Σ a·w², with step size and step number from slots and the state in place.
fn train(optimizer: Optimizer, w: [f64; 2], a: [f64; 2]) -> Vec<[f64; 2]> {
    let tape = Tape::new();
    let weights = [tape.input([1, 2])];
    let state = optimizer.inputs(&tape, &weights);
    let (lr, step) = (tape.input([1]), tape.input([1]));
    let loss = (weights[0].square() * tape.data([1, 2], &a)).sum_all() * 0.5;
    let gradient = grad(loss, &weights);
    let (new, kept) = optimizer.update(&weights, &gradient, &state, Pace::new(lr, step));
    let outputs = [new, kept.concat()].concat();
    let pairs: Vec<_> = (0..outputs.len()).map(|i| (i, i)).collect();
    let options = Options { device: Device::Reference, ..Default::default() };
    let mut program = compile(&tape, &outputs, &pairs, &options).expect("compiles");
    program.write_f64(0, &w);
    let slots = tape.input_shapes().len();
    (1..=4)
        .map(|t| {
            program.write_f64(slots - 2, &[0.1 / t as f64]);
            program.write_f64(slots - 1, &[t as f64]);
            program.run().expect("runs");
            program.read_f64(0, 2).expect("reads").try_into().expect("two weights")
        })
        .collect()
}

/// f64 on both sides; the tape's β^t is by tanh, which costs a digit or two.
const ROUNDING: f64 = 1e-12;

fn near(found: &[[f64; 2]], expected: &[[f64; 2]]) {
    for (f, e) in found.concat().iter().zip(expected.concat()) {
        assert!((f - e).abs() < ROUNDING, "{found:?}, expected {expected:?}");
    }
}

#[test]
fn sgd_is_its_recursion() {
    for (momentum, weight_decay) in [(0.0, 0.0), (0.9, 0.0), (0.5, 0.1)] {
        let (mut w, a, mut u) = ([1.0, -2.0], [1.0, 3.0], [0.0; 2]);
        let found = train(Optimizer::Sgd(Sgd { momentum, weight_decay }), w, a);
        let expected: Vec<_> = (1..=4)
            .map(|t| {
                for i in 0..2 {
                    u[i] = momentum * u[i] + a[i] * w[i] + weight_decay * w[i];
                    w[i] -= 0.1 / t as f64 * u[i];
                }
                w
            })
            .collect();
        near(&found, &expected);
    }
}

#[test]
fn adam_and_adamw_are_their_recursions() {
    for (weight_decay, eps_root) in [(0.0, 0.0), (0.2, 0.0), (0.0, 1e-3)] {
        let adam = Adam { weight_decay, eps_root, ..Adam::default() };
        let (mut w, a, mut m, mut v) = ([1.0, -2.0], [1.0, 3.0], [0.0; 2], [0.0; 2]);
        let found = train(Optimizer::Adam(adam), w, a);
        let expected: Vec<_> = (1..=4)
            .map(|t| {
                let lr = 0.1 / t as f64;
                for i in 0..2 {
                    let g: f64 = a[i] * w[i];
                    m[i] = 0.9 * m[i] + 0.1 * g;
                    v[i] = 0.999 * v[i] + 0.001 * g * g;
                    let (mean, square): (f64, f64) =
                        (m[i] / (1.0 - 0.9f64.powi(t)), v[i] / (1.0 - 0.999f64.powi(t)));
                    w[i] -= lr * (mean / ((square + eps_root).sqrt() + 1e-8) + weight_decay * w[i]);
                }
                w
            })
            .collect();
        near(&found, &expected);
    }
}

#[test]
fn a_step_number_known_early_gives_the_same_update() {
    let (tape, adam) = (Tape::new(), Optimizer::Adam(Adam::default()));
    let (w, g) = ([tape.data([1, 2], &[1.0, 2.0])], [tape.data([1, 2], &[0.3, -0.4])]);
    let state = adam.init(&w);
    let fixed = adam.update(&w, &g, &state, Pace::new(0.1, 3.0)).0[0];
    let given = Pace::new(tape.data([1], &[0.1]), tape.data([1], &[3.0]));
    let given = adam.update(&w, &g, &state, given).0[0];
    let found = evaluate(&tape, &[], &[fixed, given]);
    near(&[[found[0][0], found[0][1]]], &[[found[1][0], found[1][1]]]);
}

#[test]
fn clipping_by_norm_is_per_task_and_harmless_at_zero() {
    let tape = Tape::new();
    // Norms over both tensors: 5 and 0 for the two tasks.
    let g = [tape.data([2, 1], &[3.0, 0.0]), tape.data([2, 1, 2], &[4.0, 0.0, 0.0, 0.0])];
    let (clipped, norm) = clip_by_norm(&g, 2.5);
    let (free, _) = clip_by_norm(&g, 7.0);
    let slope = grad(clipped[0].sum_all(), &g)[0];
    let by_value = clip_by_value(&g, 3.5)[1];
    let outputs = [clipped[0], clipped[1], norm, free[1], by_value, slope];
    let found = evaluate(&tape, &[], &outputs);
    assert_eq!(found[0], [1.5, 0.0]);
    assert_eq!(found[1], [2.0, 0.0, 0.0, 0.0]);
    assert_eq!(found[2], [5.0, 0.0]);
    assert!((found[3][0] - 4.0).abs() < ROUNDING);
    assert_eq!(found[4], [3.5, 0.0, 0.0, 0.0]);
    // ∂(2.5·g₁/|g|)/∂g₁ = 2.5·(1/5 − 9/125) where clipped, 1 where not.
    assert!((found[5][0] - 2.5 * (0.2 - 9.0 / 125.0)).abs() < ROUNDING);
    assert!((found[5][1] - 1.0).abs() < ROUNDING);
}

#[test]
fn losses_are_their_definitions_and_stay_finite() {
    let tape = Tape::new();
    let logits = tape.data([1, 2, 3], &[0.0, 0.0, 0.0, 1e4, 0.0, -1e4]);
    let labels = tape.data([1, 2], &[2.0, 1.0]);
    let ce = cross_entropy(logits, labels);
    let slope = grad(ce, &[logits])[0];
    let teacher = tape.data([1, 1, 2], &[0.0, 1.0f64.exp()]);
    let kl = kl_div(tape.data([1, 1, 2], &[0.0, 0.0]), teacher, 2.0);
    let square = mse(tape.data([2, 1, 2], &[1.0, 2.0, 3.0, 4.0]), tape.filled(1.0, [2, 1, 2]));
    let found = evaluate(&tape, &[], &[ce, slope, kl, square]);
    assert!((found[0][0] - (3f64.ln() + 1e4) / 2.0).abs() < 1e-9); // 1e4 keeps 12 digits
    let third = 1.0 / 6.0;
    for (f, e) in found[1].iter().zip([third, third, third - 0.5, 0.5, -0.5, 0.0]) {
        assert!((f - e).abs() < ROUNDING, "{:?}", found[1]);
    }
    // Teacher at temperature 2: p = 1/(1 + e^(−e/2)) against one half.
    let p = 1.0 / (1.0 + (-0.5 * 1f64.exp()).exp());
    let expected = 4.0 * (p * (2.0 * p).ln() + (1.0 - p) * (2.0 * (1.0 - p)).ln());
    assert!((found[2][0] - expected).abs() < ROUNDING);
    assert_eq!(found[3], [0.5, 6.5]);
}
