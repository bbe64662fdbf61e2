//! Derivatives of every loss and head of `transfer`, to third order and on `cpu`.

use metatape::check::gradcheck::{DIFFERENCE_LIMIT, F32_LIMIT};
use metatape::check::program_of::{Derivatives, draw, operand_shapes};
use metatape::check::rows::{Operand, Row, row};
use metatape::exec::{Device, Options};
use metatape::nn::Params;
use metatape::tape::{Tape, Var};
use metatape::transfer::*;

fn hint<'t>(x: &[Var<'t>]) -> (Hint, Params<'t>) {
    let hint = Hint::new("a", x[0].shape().last(), x[1].shape().last());
    let names = hint.spec().map(|spec| spec.name);
    let weights = Params::new(&[&names[0], &names[1]], vec![x[2], x[3]]);
    (hint, weights)
}

/// Each loss and head of `transfer`, with who may move and who may not.
fn rows() -> Vec<Row> {
    let (free, held) = (Operand::Free(-2.0, 2.0), Operand::Held(-2.0, 2.0));
    let some = Operand::Held(0.1, 0.9);
    // Directions of features near 0 turn fast, and differences cannot follow.
    let above = Operand::Free(0.5, 2.0);
    let map: &[&[&[usize]]] = &[&[&[2, 2, 3, 4], &[2, 6]]];
    // Student [2 examples, 3 places, 3 channels], teacher of 2 channels, adapter.
    let layers: &[&[&[usize]]] = &[&[&[2, 3, 3], &[2, 3, 2], &[3, 2], &[1, 2]]];
    vec![
        row("distill, t = 1", &[free, some], &[&[&[3, 4], &[3, 4]]], |x| distill(x[0], x[1], 1.0)),
        row("distill, t = 3", &[free, some], &[&[&[3, 4], &[3, 4]]], |x| distill(x[0], x[1], 3.0)),
        row("hint", &[free, held, free, free], layers, |x| {
            let (hint, weights) = hint(x);
            hint.loss(&weights, x[0], x[1])
        }),
        row("feature_matching", &[above, held, above, above], layers, |x| {
            let (hint, weights) = hint(x);
            feature_matching(&hint, &weights, x[0], x[1])
        }),
        row("attention_map", &[free], &[&[&[2, 2, 3, 4]]], |x| attention_map(x[0])),
        row("attention_transfer", &[free, some], map, |x| attention_transfer(x[0], x[1])),
        row("l2_sp", &[free, held, free], &[&[&[3, 2], &[3, 2], &[4]]], |x| {
            // The source is of one task: each of several is drawn to the same point.
            let weights = Params::new(&["trunk/w", "head/w"], vec![x[0], x[2]]);
            let source = Params::new(&["trunk/w"], vec![x[1]]);
            let tasks = x.iter().map(|x| x.shape().tasks()).max().unwrap();
            l2_sp(&weights.per_task(tasks), &source.per_task(tasks), 0.3, 0.02)
        }),
        row("prototypes", &[free, Operand::Whole(4), free], &[&[&[5, 3], &[5], &[2, 3]]], |x| {
            // Label 3 is no class. Logits of unseen classes are -1e9: left out, their cube hides all else.
            let tasks = x.iter().map(|x| x.shape().tasks()).max().unwrap();
            let x: Vec<Var> = x.iter().map(|x| x.per_task(tasks)).collect();
            let found = Prototypes::new(x[0], x[1], 3);
            let seen = found.counts.like(0.5).less(found.counts).transpose();
            let logits = found.logits(x[2]);
            seen.expand(logits.shape()).select(logits, logits.like(0.0))
        }),
        row("probe", &[free, Operand::Whole(3)], &[&[&[4, 2], &[4]]], |x| {
            let tasks = x.iter().map(|x| x.shape().tasks()).max().unwrap();
            let x: Vec<Var> = x.iter().map(|x| x.per_task(tasks)).collect();
            Probe { lr: 0.2, steps: 2, decay: 0.1 }.fit(x[0], x[1], 3).get("head/weight")
        }),
    ]
}

/// Limits are gradcheck's own.
fn check_derivatives(device: Device, limit: f64) {
    for (number, row) in rows().iter().enumerate() {
        for shapes in operand_shapes(&row.operands, row.sizes[0]) {
            let values = draw(&row.operands, &shapes, number as u32);
            let tape = Tape::new();
            let derivatives = Derivatives::new(&tape, row, &shapes, 3, number as u32);
            let errors = match device {
                Device::Reference => derivatives.against_differences(&values),
                _ => derivatives
                    .against_reference(&values, &Options { device, ..Default::default() }),
            };
            let errors = errors.expect("runs");
            assert_eq!(errors.len(), 3);
            assert!(errors.iter().all(|&e| e <= limit), "{} {shapes:?}: {errors:?}", row.name);
        }
    }
}

#[test]
fn every_loss_of_transfer_has_derivatives_to_third_order() {
    check_derivatives(Device::Reference, DIFFERENCE_LIMIT);
}

#[test]
fn cpu_gives_the_reference_derivatives_of_transfer() {
    check_derivatives(Device::Cpu, F32_LIMIT);
}
