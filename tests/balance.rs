//! Loss balancing: tape and host say the same, and each method does what its paper says.

use metatape::exec::reference::evaluate;
use metatape::mtl::balance::{Balancer, Dwa, Famo, Moments, State, Uncertainty};
use metatape::optim::{Adam, Optimizer, Pace};
use metatape::tape::{Tape, grad};

const LOSSES: [f64; 3] = [0.7, 2.5, 0.04];

fn all() -> Vec<Balancer> {
    vec![
        Balancer::Equal,
        Balancer::Constant(vec![0.5, 2.0, 1.0]),
        Balancer::Uncertainty(Uncertainty::default()),
        Balancer::Dwa(Dwa { window: 1, ..Dwa::default() }),
        Balancer::Famo(Famo { lower: vec![-1.0, 0.0, -0.5], ..Famo::default() }),
    ]
}

/// Some steps of learning, so that no state is the start.
fn learned(balancer: &Balancer) -> State {
    let mut state = balancer.start(3);
    for step in 1..4 {
        // The first task's loss falls faster than the others'.
        let before = [LOSSES[0] / f64::from(step * step), LOSSES[1] / f64::from(step), LOSSES[2]];
        let after = [before[0] * 0.9, before[1] * 0.5, before[2] * 0.99];
        balancer.learn(&mut state, &before, Some(&after));
    }
    state
}

/// The slope of the tape's loss in each task's loss is the host's weight, for two models at once.
#[test]
fn weights_on_the_host_are_the_slopes_of_the_tapes_loss() {
    for balancer in all() {
        let state = learned(&balancer);
        let tape = Tape::new();
        let losses = tape.data([2, 3], &[LOSSES, LOSSES.map(|l| 3.0 * l)].concat());
        let knobs = tape.data([1, 3], &balancer.knobs(&state, 3)).expand([2, 3]);
        let loss = balancer.loss(losses, knobs);
        assert_eq!(loss.shape().dims(), [2], "{}", balancer.word());
        let found = evaluate(&tape, &[], &grad(loss, &[losses]));
        for (model, factor) in [1.0, 3.0].into_iter().enumerate() {
            let expected = balancer.weights(&state, &LOSSES.map(|l| factor * l));
            for (task, w) in expected.iter().enumerate() {
                let slope = found[0][3 * model + task];
                // The same few operations in f64.
                assert!((slope - w).abs() < 1e-14, "{}: {slope}, {w}", balancer.word());
            }
        }
    }
}

/// Otherwise a name would stand for nothing.
#[test]
fn every_method_differs_from_every_other() {
    let weights: Vec<Vec<f64>> = all().iter().map(|b| b.weights(&learned(b), &LOSSES)).collect();
    for (i, a) in weights.iter().enumerate() {
        for b in &weights[..i] {
            // Up to their length, which a step size could make up for.
            let ratio: Vec<f64> = a.iter().zip(b).map(|(a, b)| a / b).collect();
            let spread = ratio.iter().map(|r| (r / ratio[0] - 1.0).abs()).fold(0.0, f64::max);
            assert!(spread > 1e-3, "{a:?} and {b:?}");
        }
    }
}

/// s descends the loss that the tape makes of it, by Adam, and settles where e^s is the loss.
#[test]
fn uncertainty_learns_the_gradient_of_its_own_loss() {
    let method = Uncertainty { start: -0.5, lr: 0.025 };
    let balancer = Balancer::Uncertainty(method);
    let mut state = balancer.start(3);
    let tape = Tape::new();
    let s = tape.data([1, 3], &balancer.knobs(&state, 3));
    let slope = grad(balancer.loss(tape.data([1, 3], &LOSSES), s), &[s]);
    let adam = Optimizer::Adam(Adam::default());
    let moved = adam.update(&[s], &slope, &adam.init(&[s]), Pace::new(0.025, 1.0)).0;
    let expected = evaluate(&tape, &[], &moved);
    balancer.learn(&mut state, &LOSSES, None);
    for (a, b) in balancer.knobs(&state, 3).iter().zip(&expected[0]) {
        assert!((a - b).abs() < 1e-12, "{a}, {b}"); // the tape's power of a decay costs digits
    }
    for _ in 0..5000 {
        balancer.learn(&mut state, &LOSSES, None);
    }
    for (s, loss) in balancer.knobs(&state, 3).iter().zip(LOSSES) {
        assert!((s.exp() / loss - 1.0).abs() < 0.01, "e^s = {}, loss {loss}", s.exp());
    }
    assert!(!balancer.looks_after());
}

/// Liu, Johns, Davison, equation (7), written out for windows of two steps.
#[test]
fn dwa_is_its_formula_on_window_means() {
    let dwa = Balancer::Dwa(Dwa { temperature: 2.0, window: 2 });
    let mut state = dwa.start(2);
    for losses in [[1.0, 4.0], [3.0, 4.0]] {
        dwa.learn(&mut state, &losses, None);
        assert_eq!(dwa.knobs(&state, 2), [1.0, 1.0]);
    }
    dwa.learn(&mut state, &[1.0, 3.0], None);
    dwa.learn(&mut state, &[1.0, 3.0], None);
    // Means 2, 4, then 1, 3: rates 1/2 and 3/4.
    let (a, b) = (0.25f64.exp(), 0.375f64.exp());
    let expected = [2.0 * a / (a + b), 2.0 * b / (a + b)];
    for (w, e) in dwa.knobs(&state, 2).iter().zip(expected) {
        assert!((w - e).abs() < 1e-15, "{w}, {e}");
    }
}

/// All rates count alike at first; then the task that falls slowest gains weight, and the fastest loses it.
#[test]
fn famo_turns_towards_the_slowest_task() {
    let famo = Balancer::Famo(Famo { decay: 0.0, ..Famo::default() });
    let mut state = famo.start(3);
    let third = famo.knobs(&state, 3);
    assert!(third.iter().all(|z| (z - 1.0 / 3.0).abs() < 1e-15));
    // (z/D)/Σ(z/D): the rates of all tasks count alike at first.
    let weights = famo.weights(&state, &LOSSES);
    let rates: Vec<f64> = weights.iter().zip(LOSSES).map(|(w, l)| w * l).collect();
    assert!(rates.iter().all(|r| (r / rates[0] - 1.0).abs() < 1e-6), "{rates:?}"); // D has 1e-8 added
    for _ in 0..20 {
        famo.learn(
            &mut state,
            &LOSSES,
            Some(&[0.9 * LOSSES[0], 0.5 * LOSSES[1], 0.99 * LOSSES[2]]),
        );
    }
    let z = famo.knobs(&state, 3);
    assert!(z[2] > z[0] && z[0] > z[1], "{z:?}");
    assert!(famo.looks_after());
}

/// Adam on the host is Adam on the tape, weight decay added to the gradient.
#[test]
fn moments_are_adam() {
    let (mut x, mut state) = ([0.3f64, -2.0], Moments::start(2));
    let (mut mean, mut square) = ([0.0; 2], [0.0; 2]);
    let mut y = x;
    for step in 1..=5 {
        let gradient = [y[0] * 2.0 + 0.1, -y[1].powi(3)];
        Moments { lr: 0.1, weight_decay: 0.2 }.step(&mut x, &gradient, &mut state);
        for i in 0..2 {
            let g: f64 = gradient[i] + 0.2 * y[i];
            mean[i] = 0.9 * mean[i] + 0.1 * g;
            square[i] = 0.999 * square[i] + 0.001 * g * g;
            let (m, v): (f64, f64) =
                (mean[i] / (1.0 - 0.9f64.powi(step)), square[i] / (1.0 - 0.999f64.powi(step)));
            y[i] -= 0.1 * m / (v.sqrt() + 1e-8);
        }
        assert!((0..2).all(|i| (x[i] - y[i]).abs() < 1e-13), "{x:?}, {y:?}");
    }
}
