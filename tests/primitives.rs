//! Every primitive has all its parts. What the compiler can not ask for is asked for here.

use metatape::check::build::OPERATIONS;
use metatape::check::primitives::{KINDS, kind, misuses};
use metatape::check::program_of::operand_shapes;
use metatape::check::rows;
use metatape::op::{Op, Pointwise};
use metatape::tape::{Tape, Var};
use std::collections::BTreeSet;

/// The nodes a row's own formula puts on the tape.
fn nodes(row: &rows::Row) -> Vec<(Op, Vec<usize>)> {
    let tape = Tape::new();
    let shapes = &operand_shapes(&row.operands, row.sizes[0])[0];
    let x: Vec<Var> = shapes.iter().map(|&shape| tape.input(shape)).collect();
    (row.formula)(&x);
    let nodes = tape.nodes();
    nodes.iter().map(|node| (node.op.clone(), node.inputs.clone())).collect()
}

#[test]
fn every_primitive_has_a_message_a_row_and_a_rule() {
    let (mut told, mut tried) = (BTreeSet::new(), BTreeSet::new());
    told.extend(misuses().iter().map(|misuse| kind(&misuse.op)));
    for row in rows::all() {
        for (op, _) in nodes(&row).iter().filter(|(op, _)| op.name() == row.name) {
            tried.insert(kind(op));
        }
    }
    let all: BTreeSet<usize> = (0..KINDS).collect();
    assert_eq!(told, all, "each kind needs a wrong use in `misuses`");
    assert_eq!(tried, all, "each kind needs a gradcheck row of its name");
}

#[test]
fn a_rule_answers_for_every_input() {
    for row in rows::all() {
        let tape = Tape::new();
        for shapes in operand_shapes(&row.operands, row.sizes[0]) {
            let x: Vec<Var> = shapes.iter().map(|&shape| tape.input(shape)).collect();
            (row.formula)(&x);
        }
        for id in 0..tape.len() {
            let node = tape.node(id);
            let inputs: Vec<Var> = node.inputs.iter().map(|&id| Var { tape: &tape, id }).collect();
            let y = Var { tape: &tape, id };
            let adjoints = node.op.vjp(&inputs, y, y.like(1.0));
            assert_eq!(adjoints.len(), inputs.len(), "{}", node.op.name());
            for (x, adjoint) in inputs.iter().zip(adjoints) {
                assert!(adjoint.is_none_or(|a| a.shape() == x.shape()), "{}", node.op.name());
            }
        }
    }
}

#[test]
fn every_operation_of_case_files_has_a_row_and_every_row_a_known_name() {
    let rows = rows::all();
    let known: BTreeSet<String> = misuses().iter().map(|misuse| misuse.op.name()).collect();
    for (name, ..) in OPERATIONS {
        assert!(rows.iter().any(|row| row.name == *name), "{name} has no row");
    }
    for name in rows::BEYOND_CASES {
        assert!(rows.iter().any(|row| row.name == name), "{name} has no row");
    }
    for row in &rows {
        let composed = OPERATIONS.iter().any(|(name, ..)| *name == row.name)
            || rows::BEYOND_CASES.contains(&&row.name[..]);
        assert!(composed || known.contains(&row.name), "{}: no such operation", row.name);
    }
}

#[test]
fn a_shape_that_does_not_fit_is_named_with_its_operation() {
    for misuse in misuses() {
        let tape = Tape::new();
        let inputs: Vec<Var> = misuse.inputs.iter().map(|&shape| tape.input(shape)).collect();
        let name = misuse.op.name();
        let why = tape.try_push(misuse.op, &inputs, misuse.wanted).unwrap_err();
        assert_eq!(why, format!("{name}: {}", misuse.says));
    }
}

#[test]
fn every_pointwise_row_has_text_for_shaders() {
    for &op in Pointwise::ALL {
        let names = &["first", "second", "third"][..op.arity()];
        let text = op.wgsl(names);
        assert!(names.iter().all(|name| text.contains(name)), "{op:?}: {text}");
    }
}
