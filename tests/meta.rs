//! MAML against closed forms, laws and finite differences, all in f64.

use metatape::exec::reference::evaluate;
use metatape::meta::{Episode, Judged, Maml, Part, judge};
use metatape::nn::{Activation, Init, Mlp, Model, Params, Weights};
use metatape::optim::{Adam, Optimizer, Sgd};
use metatape::random::Stream;
use metatape::tape::{Tape, grad};

/// Loss ½(w − y)² of task t, no network: the inner step is w − α(w − y).
fn quadratic<'t>(weights: &Params<'t>, part: Part<'t>) -> Judged<'t> {
    let off = weights.get("w").reshape([part.y.shape()[0]]) - part.y;
    Judged { loss: off.square() * 0.5, output: off }
}

/// Meta loss and its gradient in w = `w` for two tasks with goals `support`, `query`.
fn on_quadratics(maml: Maml, w: f64, support: [f64; 2], query: [f64; 2]) -> (f64, f64) {
    let tape = Tape::new();
    let theta = Params::new(&["w"], vec![tape.data([1, 1], &[w])]);
    let goal = |values| (tape.filled(0.0, [2, 1]), tape.data([2], values));
    let episode = Episode { support: goal(&support), query: goal(&query) };
    let loss = maml.run(&theta, &episode, quadratic).meta_loss;
    let gradient = grad(loss, theta.vars())[0];
    let found = evaluate(&tape, &[], &[loss, gradient]);
    (found[0][0], found[1][0])
}

/// After S steps w_t = y + (1 − α)^S (w − y), so the meta-gradient is the mean of (1 − α)^S (w_t − y′).
/// First order leaves the factor (1 − α)^S away. 1e-12: a dozen roundings of numbers near 1.
#[test]
fn maml_on_quadratics_matches_its_closed_form() {
    let (w, alpha, support, query) = (1.7, 0.3, [0.4, -1.1], [0.9, 0.2]);
    for steps in [0, 1, 2, 5] {
        let shrink = (1.0f64 - alpha).powi(steps as i32);
        let off = [0, 1].map(|t| support[t] + shrink * (w - support[t]) - query[t]);
        let loss = (off[0].powi(2) + off[1].powi(2)) / 4.0;
        for first_order in [false, true] {
            let maml = Maml { first_order, ..Maml::new(alpha, steps) };
            let (found, gradient) = on_quadratics(maml, w, support, query);
            let factor = if first_order { 1.0 } else { shrink };
            assert!((found - loss).abs() < 1e-12, "{steps} steps: loss {found}, expected {loss}");
            let expected = factor * (off[0] + off[1]) / 2.0;
            assert!(
                (gradient - expected).abs() < 1e-12,
                "{steps}: {gradient}, expected {expected}"
            );
        }
    }
}

const SIZES: [usize; 3] = [1, 6, 1];

fn mlp() -> Mlp {
    // Smooth, so that finite differences meet no corner.
    Mlp { sizes: SIZES.to_vec(), activation: Activation::Tanh, init: Init::Normal(0.7) }
}

/// Numbers of a small regression: weights by slot, then support x, y and query x, y of `order`'s tasks.
fn numbers(order: &[usize]) -> Vec<Vec<f64>> {
    let weights = Weights::init(&mlp().spec(), 3);
    let mut slots: Vec<Vec<f64>> =
        weights.iter().map(|w| w.values.iter().map(|&v| v as f64).collect()).collect();
    for points in [4, 4, 3, 3] {
        let part = slots.len() as u32;
        let of_task = |&t: &usize| {
            let mut random = Stream::new(1, 16, part, t as u32);
            (0..points).map(move |_| random.between(-2.0, 2.0)).collect::<Vec<_>>()
        };
        slots.push(order.iter().flat_map(of_task).collect());
    }
    slots
}

/// Meta loss, task losses, gradients of all weights, for slots as [`numbers`] gives them.
fn regression(maml: Maml, slots: &[Vec<f64>], tasks: usize) -> Vec<Vec<f64>> {
    let (tape, model) = (Tape::new(), mlp());
    let theta = Params::inputs(&tape, &model.spec());
    let shapes = [4, 4, 3, 3].map(|points| [tasks, points, 1].into());
    let episode = Episode::inputs(&tape, shapes);
    let result = maml.run(&theta, &episode, judge(&model, metatape::loss::mse));
    let mut outputs = vec![result.meta_loss, result.query.loss];
    outputs.extend(grad(result.meta_loss, theta.vars()));
    evaluate(&tape, slots, &outputs)
}

/// The meta-gradient along a fixed direction, against (L(w + hd) − L(w − hd))/2h.
fn gradient_is_the_difference(maml: Maml) {
    let slots = numbers(&[0, 1, 2]);
    let found = regression(maml, &slots, 3);
    let weights = found.len() - 2;
    let direction = |i: usize, k: usize| ((7 * i + 3 * k) as f64).sin();
    let along: f64 = (0..weights)
        .flat_map(|i| found[2 + i].iter().enumerate().map(move |(k, g)| g * direction(i, k)))
        .sum();
    let h = 1e-5;
    let moved = |by: f64| {
        let mut slots = slots.clone();
        for (i, slot) in slots.iter_mut().enumerate().take(weights) {
            slot.iter_mut().enumerate().for_each(|(k, w)| *w += by * direction(i, k));
        }
        regression(maml, &slots, 3)[0][0]
    };
    let difference = (moved(h) - moved(-h)) / (2.0 * h);
    // Central differences err by h²·L‴/6 + 1e-16/h, both near 1e-10; 1e-7 leaves room for large L‴.
    let off = (along - difference).abs() / difference.abs().max(1.0);
    assert!(off < 1e-7, "{maml:?}: {along} by grad, {difference} by difference");
}

#[test]
fn exact_meta_gradients_through_every_inner_optimiser_are_differences() {
    let adam = Adam { eps_root: 1e-4, ..Adam::default() };
    for inner in [
        Optimizer::GRADIENT_DESCENT,
        Optimizer::Sgd(Sgd { momentum: 0.8, weight_decay: 0.05 }),
        Optimizer::Adam(adam),
        Optimizer::Adam(Adam { weight_decay: 0.1, ..adam }),
    ] {
        gradient_is_the_difference(Maml { inner, ..Maml::new(0.1, 3) });
    }
}

#[test]
fn first_order_equals_exact_in_value_but_not_in_gradient() {
    let slots = numbers(&[0, 1, 2]);
    let exact = regression(Maml::new(0.1, 3), &slots, 3);
    let first = regression(Maml { first_order: true, ..Maml::new(0.1, 3) }, &slots, 3);
    assert_eq!(exact[..2], first[..2]);
    assert_ne!(exact[2..], first[2..]);
}

#[test]
fn shuffling_the_tasks_shuffles_the_losses_and_leaves_the_gradient() {
    let straight = regression(Maml::new(0.1, 2), &numbers(&[0, 1, 2]), 3);
    let shuffled = regression(Maml::new(0.1, 2), &numbers(&[2, 0, 1]), 3);
    assert_eq!([2, 0, 1].map(|t| straight[1][t])[..], shuffled[1]);
    for (a, b) in straight[2..].concat().iter().zip(shuffled[2..].concat()) {
        assert!((a - b).abs() < 1e-13, "{a} and {b}"); // sums over tasks in another order
    }
}

#[test]
fn weights_that_do_not_adapt_stay_shared_and_still_learn() {
    let (tape, model, slots) = (Tape::new(), mlp(), numbers(&[0, 1, 2]));
    let theta = Params::inputs(&tape, &model.spec()).adapting(|name| name.starts_with("layer2"));
    let episode = Episode::inputs(&tape, [4, 4, 3, 3].map(|points| [3, points, 1].into()));
    let result = Maml::new(0.1, 2).run(&theta, &episode, judge(&model, metatape::loss::mse));
    let mut outputs = result.weights.vars().to_vec();
    outputs.extend(grad(result.meta_loss, theta.vars()));
    let found = evaluate(&tape, &slots, &outputs);
    for (i, name) in theta.names().iter().enumerate() {
        let same = found[i] == slots[i].repeat(3);
        assert_eq!(same, name.starts_with("layer1"), "{name}");
        assert!(found[4 + i].iter().any(|g| *g != 0.0), "{name} has no meta-gradient");
    }
}

#[test]
fn evaluation_after_s_steps_is_the_loss_of_a_run_of_s_steps() {
    let (tape, model, slots) = (Tape::new(), mlp(), numbers(&[0, 1, 2]));
    let theta = Params::inputs(&tape, &model.spec());
    let episode = Episode::inputs(&tape, [4, 4, 3, 3].map(|points| [3, points, 1].into()));
    let maml = Maml::new(0.1, 1);
    let after = maml.evaluate(&theta, &episode, judge(&model, metatape::loss::mse), &[3, 0, 1]);
    let outputs: Vec<_> = after.iter().map(|judged| judged.loss).collect();
    let found = evaluate(&tape, &slots, &outputs);
    for (steps, losses) in [3, 0, 1].into_iter().zip(found) {
        assert_eq!(losses, regression(Maml::new(0.1, steps), &slots, 3)[1]);
    }
}
