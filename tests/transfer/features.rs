//! Hints, attention, feature matching: closed forms and what they are blind to.

use super::{near, noise};
use metatape::exec::reference::evaluate;
use metatape::nn::Params;
use metatape::tape::{Tape, grad};
use metatape::transfer::*;

#[test]
fn a_hint_that_is_understood_costs_nothing() {
    let tape = Tape::new();
    let hint = Hint::new("mid", 2, 3);
    let spec = hint.spec();
    assert_eq!(spec.each_ref().map(|s| &s.name[..]), ["hint/mid/weight", "hint/mid/bias"]);
    let w = tape.data([1, 2, 3], &noise(6, 1));
    let b = tape.data([1, 1, 3], &noise(3, 2));
    let weights = Params::new(&["hint/mid/weight", "hint/mid/bias"], vec![w, b]);
    let student = tape.data([2, 2, 2, 2], &noise(16, 3));
    let said = hint.adapt(&weights, student);
    assert_eq!(said.shape().dims(), [2, 2, 2, 3]);
    let (same, off) =
        (hint.loss(&weights, student, said), hint.loss(&weights, student, said + 0.5));
    let found = evaluate(&tape, &[], &[same, off]);
    assert_eq!(found[0], [0.0, 0.0]);
    near(&found[1], &[0.25, 0.25], 1e-15);
}

#[test]
fn attention_is_where_not_how_much() {
    let tape = Tape::new();
    // Channel means of squares 3²·½ and 4²·½ at two places: a map of length 1 is (9, 16)/√337.
    let features = tape.data([1, 1, 1, 2, 2], &[3.0, 0.0, 0.0, 4.0]);
    let map = attention_map(features);
    let louder = attention_map(features * -7.0);
    let dead = attention_map(features * 0.0);
    let dead_slope = grad(dead, &[features])[0];
    let distance = attention_transfer(features, tape.data([1, 1, 2], &[1.0, 0.0]));
    let found = evaluate(&tape, &[], &[map, louder, dead, dead_slope, distance]);
    let (a, b) = (9.0 / 337f64.sqrt(), 16.0 / 337f64.sqrt());
    near(&found[0], &[a, b], 1e-12);
    near(&found[1], &[a, b], 1e-12);
    assert_eq!((&found[2][..], &found[3][..]), (&[0.0; 2][..], &[0.0; 4][..]));
    near(&found[4], &[((a - 1.0).powi(2) + b * b) / 2.0], 1e-12);
}

#[test]
fn feature_matching_compares_directions_alone() {
    let tape = Tape::new();
    let hint = Hint::new("t", 2, 2);
    let identity = tape.data([1, 2, 2], &[1.0, 0.0, 0.0, 1.0]);
    let zeros = tape.filled(0.0, [1, 1, 2]);
    let weights = Params::new(&["hint/t/weight", "hint/t/bias"], vec![identity, zeros]);
    let x = tape.data([1, 1, 2, 2], &[3.0, 4.0, 1.0, 0.0]);
    let turned = tape.data([1, 1, 2, 2], &[-4.0, 3.0, 0.0, 2.0]);
    let loss = |teacher| feature_matching(&hint, &weights, x, teacher);
    let found = evaluate(&tape, &[], &[loss(x * 9.0), loss(-x), loss(turned)]).concat();
    near(&found, &[0.0, 4.0, 2.0], 1e-11); // the addend under the root: 1e-12
}
