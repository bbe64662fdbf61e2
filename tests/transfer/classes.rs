//! Prototypes and linear probes.

use super::noise;
use metatape::exec::reference::evaluate;
use metatape::loss::cross_entropy;
use metatape::tape::{Tape, grad};
use metatape::transfer::*;

#[test]
fn prototypes_are_class_means_and_a_missing_class_is_never_the_answer() {
    let tape = Tape::new();
    let features = tape.data([1, 4, 2], &[1.0, 0.0, 3.0, 0.0, 0.0, 5.0, 9.0, 9.0]);
    let labels = tape.data([1, 4], &[0.0, 0.0, 2.0, 7.0]); // 7 is no class: a missing label
    let found = Prototypes::new(features, labels, 3);
    let query = tape.data([1, 2, 2], &[2.0, 1.0, 0.0, 0.0]);
    let logits = found.logits(query);
    let slope = grad(cross_entropy(logits, tape.data([1, 2], &[1.0, 0.0])), &[features])[0];
    let values = evaluate(&tape, &[], &[found.means, found.counts, logits, slope]);
    assert_eq!(values[0], [2.0, 0.0, 0.0, 0.0, 0.0, 5.0]);
    assert_eq!(values[1], [2.0, 0.0, 1.0]);
    // −‖q − p‖² + ‖q‖²: (−1 + 5, ·, −20 + 5) and (−4, ·, −25).
    let unseen = prototypes::UNSEEN;
    assert_eq!(values[2], [4.0, unseen, -15.0, -4.0, unseen, -25.0]);
    assert!(values[3].iter().all(|v| v.is_finite()));
}

/// Where the probe stops, the gradient of what it minimises is 0; and two tasks do not meet.
#[test]
fn a_probe_ends_at_the_minimum_of_each_task() {
    let tape = Tape::new();
    let features = tape.data([2, 12, 3], &noise(72, 1));
    let labels: Vec<f64> = noise(24, 2).iter().map(|v| f64::from(*v > 0.3)).collect();
    let labels = tape.data([2, 12], &labels);
    let probe = Probe { lr: 1.0, steps: 600, decay: 0.05 };
    let head = probe.fit(features, labels, 2);
    let found = evaluate(&tape, &[], head.vars());
    let tape = Tape::new();
    let w = [tape.input([2, 3, 2]), tape.input([2, 1, 2])];
    let (features, labels) = (tape.data([2, 12, 3], &noise(72, 1)), {
        let values: Vec<f64> = noise(24, 2).iter().map(|v| f64::from(*v > 0.3)).collect();
        tape.data([2, 12], &values)
    });
    let loss = cross_entropy(features.matmul(w[0]) + w[1], labels);
    let decay = w[0].square().sum(&[1, 2]).squeeze(&[1, 2]) * 0.025;
    let slope = grad(loss + decay, &w);
    let slopes = evaluate(&tape, &found, &slope).concat();
    assert!(slopes.iter().all(|g| g.abs() < 1e-6), "{slopes:?}"); // curvature ≥ .05: (1 − .05)^600 = 4e-14
    assert!(found[0].iter().all(|v| v.abs() > 1e-3), "{found:?}");
}
