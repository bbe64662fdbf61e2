//! Parameters held near a source, slowed, frozen, and fused.

use super::{near, noise};
use metatape::exec::reference::evaluate;
use metatape::nn::{Params, Weight, Weights};
use metatape::optim::{Adam, Optimizer, Pace};
use metatape::tape::{Tape, Var, grad};
use metatape::transfer::fuse::ema_step;
use metatape::transfer::paces::update_at;
use metatape::transfer::*;

#[test]
fn l2_sp_is_its_formula_for_shared_and_for_fast_weights() {
    let tape = Tape::new();
    let (trunk, head) = (tape.data([1, 2], &[1.0, 2.0]), tape.data([1, 1], &[3.0]));
    let weights = Params::new(&["trunk/w", "head/w"], vec![trunk, head]);
    let source = Params::new(&["trunk/w"], vec![tape.data([1, 2], &[0.0, 4.0])]);
    let shared = l2_sp(&weights, &source, 0.5, 0.1);
    let fast = l2_sp(&weights.per_task(2), &source, 0.5, 0.1);
    let slope = grad(shared, &[trunk, head]);
    let found = evaluate(&tape, &[], &[shared, fast, slope[0], slope[1]]);
    let expected = 0.25 * (1.0 + 4.0) + 0.05 * 9.0;
    near(&found[0], &[expected], 1e-15);
    near(&found[1], &[expected; 2], 1e-15);
    near(&found[2], &[0.5, -1.0], 1e-15);
    near(&found[3], &[0.3], 1e-15);
}

#[test]
#[should_panic(expected = "the source's trunk/v has no counterpart")]
fn l2_sp_towards_another_network_is_a_mistake() {
    let tape = Tape::new();
    let one = |name: &'static str| Params::new(&[name], vec![tape.filled(0.0, [1, 2])]);
    l2_sp(&one("trunk/w"), &one("trunk/v"), 1.0, 1.0);
}

/// A factor is a step size: two updates at factor .25 with step size .1 are those with step size .025.
#[test]
fn slow_weights_step_shorter_and_frozen_ones_stand_still() {
    let names = ["trunk/1", "trunk/2", "head"].map(String::from);
    let paces = Paces::new(&[("trunk/", 0.0), ("trunk/2", 0.25)]);
    let factors = paces.factors(&names).expect("factors");
    assert_eq!(factors, [0.0, 0.25, 1.0]);
    let tape = Tape::new();
    let adam = Optimizer::Adam(Adam { weight_decay: 0.1, ..Adam::default() });
    let start: Vec<Var> = (0..3).map(|i| tape.data([1, 2], &noise(2, i))).collect();
    let gradient: Vec<Var> = (3..6).map(|i| tape.data([1, 2], &noise(2, i))).collect();
    let walk = |lr: f64, factors: &[f64]| {
        let (mut w, mut state) = (start.clone(), adam.init(&start));
        for step in [1.0, 2.0] {
            let pace = Pace::new(tape.data([1], &[lr]), tape.data([1], &[step]));
            (w, state) = update_at(&adam, &w, &gradient, &state, pace, factors);
        }
        (w, state)
    };
    let ((slow, kept), (short, _), (full, _)) =
        (walk(0.1, &factors), walk(0.025, &[1.0; 3]), walk(0.1, &[1.0; 3]));
    assert_eq!(slow[0].id, start[0].id, "a frozen weight is the same node");
    let moments = [kept[0][0], kept[1][0]];
    let outputs = [slow[1], short[1], slow[2], full[2], short[1], start[1], moments[0], moments[1]];
    let found = evaluate(&tape, &[], &outputs);
    near(&found[0], &found[1], 1e-15);
    assert_eq!(found[2], found[3]);
    assert_ne!(found[4], found[5]);
    assert_eq!((&found[6], &found[7]), (&vec![0.0; 2], &vec![0.0; 2]));
}

#[test]
fn a_pace_that_slows_nothing_is_said_in_one_line() {
    let names = ["trunk/w".to_string()];
    for (prefix, factor, said) in [
        ("trnk", 0.0, "no parameter begins with \"trnk\""),
        ("trunk", -1.0, "is -1; expected 0 (frozen) or more"),
        ("trunk", f64::NAN, "is NaN"),
    ] {
        let why = Paces::new(&[(prefix, factor)]).factors(&names).unwrap_err();
        let text = why.to_string();
        assert!(text.contains(said) && !text.contains('\n') && why.exit_code() == 2, "{text}");
    }
}

fn weights(values: &[f32]) -> Weights {
    let (a, b) = values.split_at(values.len() - 1);
    let weight = |name: &str, v: &[f32]| Weight {
        name: name.into(),
        shape: [1, v.len()].into(),
        values: v.to_vec(),
    };
    Weights(vec![weight("trunk/w", a), weight("head/w", b)])
}

#[test]
fn parameters_are_fused_by_their_formulas() {
    let (base, a, b) =
        (weights(&[1.0, 2.0, 3.0]), weights(&[3.0, 2.0, 0.0]), weights(&[1.0, 6.0, 3.0]));
    let same = |found: metatape::error::Result<Weights>, values: &[f32]| {
        assert_eq!(found.expect("one shape"), weights(values));
    };
    same(weighted_average(&[(&a, 3.0), (&b, 1.0)]), &[2.5, 3.0, 0.75]);
    same(weighted_average(&[(&a, 1.0), (&a, 1.0)]), &[3.0, 2.0, 0.0]);
    // λ = 0 is the base, λ = 1 with one network is that network, and effects add up.
    same(task_arithmetic(&base, &[&a, &b], 0.0), &[1.0, 2.0, 3.0]);
    same(task_arithmetic(&base, &[&a], 1.0), &[3.0, 2.0, 0.0]);
    same(task_arithmetic(&base, &[&a, &b], 0.5), &[2.0, 4.0, 1.5]);

    let (mut ema, mut swa) = (Ema::new(0.75), Swa::default());
    for w in [&base, &a, &b] {
        ema.add(w);
        swa.add(w);
    }
    // .75·(.75·base + .25·a) + .25·b, and the plain mean.
    assert_eq!(ema.weights(&base), weights(&[1.375, 3.0, 2.4375]));
    assert_eq!(swa.weights(&base), weights(&[5.0 / 3.0, 10.0 / 3.0, 2.0]));

    let tape = Tape::new();
    let step = ema_step(&[tape.filled(2.0, [1, 1])], &[tape.filled(6.0, [1, 1])], 0.75)[0];
    assert_eq!(evaluate(&tape, &[], &[step])[0], [3.0]);
}

#[test]
fn a_greedy_soup_keeps_what_does_not_make_it_worse() {
    // Score: −distance of the first number from 1.
    let score = |w: &Weights| Ok(-f64::from((w.0[0].values[0] - 1.0).abs()));
    let all = [
        weights(&[1.5, 0.0]),
        weights(&[9.0, 0.0]),
        weights(&[0.4, 0.0]),
        weights(&[f32::NAN, 0.0]),
    ];
    let (soup, reached, kept) = greedy_soup(&all.each_ref(), score).expect("a soup");
    assert_eq!(kept, [0, 2]);
    assert!((soup.0[0].values[0] - 0.95).abs() < 1e-6 && (reached + 0.05).abs() < 1e-6);
    assert_eq!(greedy_soup(&[&all[3]], score).unwrap_err().exit_code(), 2);
}

#[test]
fn networks_of_different_shape_are_not_fused() {
    let (two, three) = (weights(&[1.0, 2.0]), weights(&[1.0, 2.0, 3.0]));
    let why = weighted_average(&[(&two, 1.0), (&three, 1.0)]).unwrap_err().to_string();
    assert_eq!(
        why,
        "networks of different shape cannot be joined: trunk/w [1, 1] in one is trunk/w [1, 2] in the other"
    );
    assert!(task_arithmetic(&two, &[&three], 1.0).is_err());
    assert!(weighted_average(&[]).is_err());
    assert!(weighted_average(&[(&two, 1.0), (&two, -1.0)]).is_err());
}
