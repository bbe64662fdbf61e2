//! Soft targets, distillation from them, and ensembles.

use super::{near, noise};
use metatape::exec::reference::evaluate;
use metatape::loss::kl_div;
use metatape::nn::Detection;
use metatape::tape::{Tape, grad};
use metatape::transfer::*;

/// At any temperature the gradient is t·(q − p)/examples: Hinton et al. 2015, equation 2, times t².
#[test]
fn distillation_from_one_teacher_is_the_divergence_of_logits() {
    for t in [1.0, 4.0] {
        let tape = Tape::new();
        let student = tape.data([1, 2, 3], &noise(6, 1));
        let teacher = tape.data([1, 2, 3], &noise(6, 2));
        let targets = soft_targets(&[teacher], None, t);
        let loss = distill(student, targets, t);
        let slope = grad(loss, &[student, teacher]);
        let q = (student * (1.0 / t)).softmax(2);
        let expected = (q - targets) * (t / 2.0);
        let outputs = [loss, kl_div(student, teacher, t), slope[0], expected, slope[1]];
        let found = evaluate(&tape, &[], &outputs);
        near(&found[0], &found[1], 1e-14);
        near(&found[2], &found[3], 1e-14);
        assert_eq!(found[4], [0.0; 6]);
    }
}

#[test]
fn several_teachers_are_the_mean_of_their_probabilities() {
    let tape = Tape::new();
    let logits = [0.0f64, 3f64.ln()]; // probabilities 1/4 and 3/4
    let teachers = [tape.data([1, 1, 2], &logits), tape.data([1, 1, 2], &[0.0, 0.0])];
    let (even, weighted) =
        (soft_targets(&teachers, None, 1.0), soft_targets(&teachers, Some(&[0.8, 0.2]), 1.0));
    let found = evaluate(&tape, &[], &[even, weighted]);
    near(&found[0], &[0.375, 0.625], 1e-15);
    near(&found[1], &[0.3, 0.7], 1e-15);
}

#[test]
fn a_target_of_exactly_zero_is_a_number() {
    let tape = Tape::new();
    let student = tape.data([1, 1, 2], &[0.0, 0.0]);
    let loss = distill(student, tape.data([1, 1, 2], &[0.0, 1.0]), 1.0);
    near(&evaluate(&tape, &[], &[loss])[0], &[2f64.ln()], 1e-15);
}

#[test]
fn ensembles_average_probabilities_and_boxes() {
    let third = 3f32.ln();
    let mean = mean_probabilities(&[&[0.0, third, 5.0, 5.0], &[0.0, 0.0, 5.0, 5.0]], 2);
    let mean: Vec<f64> = mean.into_iter().map(f64::from).collect();
    near(&mean, &[0.375, 0.625, 0.5, 0.5], 1e-7);

    let found = |class, score, bounds| Detection { class, score, bounds };
    let one = [found(0, 0.9, [0.0, 0.0, 10.0, 10.0]), found(1, 0.5, [0.0, 0.0, 10.0, 10.0])];
    let two = [found(0, 0.3, [0.0, 0.0, 10.0, 8.0]), found(0, 0.4, [20.0, 0.0, 30.0, 10.0])];
    let joined = join_boxes(&[&one, &two], 0.55);
    // Overlap 80/100: one box, corners (.9·10 + .3·8)/1.2, score .6·2/2. The others stand alone: half their score.
    assert_eq!(joined.len(), 3);
    assert_eq!(joined[0].class, 0);
    near(&joined[0].bounds.map(f64::from), &[0.0, 0.0, 10.0, 9.5], 1e-5);
    let scores: Vec<f64> = joined.iter().map(|f| f64::from(f.score)).collect();
    near(&scores, &[0.6, 0.25, 0.2], 1e-6);
}

#[test]
fn boxes_that_are_no_numbers_are_left_out_and_empty_ones_do_not_overlap() {
    let bad = Detection { class: 0, score: f32::NAN, bounds: [0.0; 4] };
    let empty = Detection { class: 0, score: 0.5, bounds: [1.0; 4] };
    assert_eq!(join_boxes(&[&[bad, empty, empty]], 0.5).len(), 2);
    assert_eq!(join_boxes(&[], 0.5), []);
}
