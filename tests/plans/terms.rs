//! The terms of a sum, whatever its brackets: products of one kind are one buffer, and what tasks leave is added where
//! tasks are added.

use super::{check, values};
use metatape::exec::reference::evaluate;
use metatape::plan::interpret::interpret;
use metatape::plan::{Kind, Memory, Passes, Plan};
use metatape::shape::Shape;
use metatape::tape::{Tape, Var};

/// (p + A·B) + C·D, bracketed as asked, with p itself an output.
fn bracketed<'t>(v: &[Var<'t>], left: bool) -> Vec<Var<'t>> {
    let p = v[0].matmul(v[1]);
    let (q, r) = (v[2].matmul(v[3]), v[4].matmul(v[3]));
    let sum = if left { (p + q) + r } else { r + (q + p) };
    vec![p, sum]
}

const SHAPES: [&[usize]; 5] = [&[3, 5, 4], &[3, 4, 6], &[3, 5, 7], &[3, 7, 6], &[3, 5, 7]];

#[test]
fn products_meet_across_brackets() {
    for left in [true, false] {
        check("bracketed", &SHAPES, |v| bracketed(v, left));
        let tape = Tape::new();
        let v: Vec<Var> = SHAPES.iter().map(|&s| tape.input(Shape::new(s))).collect();
        let plan = Plan::with(&tape, &bracketed(&v, left), &[], Memory::PerWorker, Passes::FAST);
        let adds = |kind: &Kind| matches!(kind, Kind::MatMul(product) if product.accumulate);
        assert_eq!(plan.kernels.iter().filter(|k| adds(&k.kind)).count(), 1, "left {left}");
        // Three products, and the sum of p with what the other two left.
        assert_eq!(plan.kernels.len(), 4, "left {left}");
    }
}

/// Σ over tasks of p + q + r, where p is read elsewhere: two terms.
fn of_tasks<'t>(v: &[Var<'t>]) -> Vec<Var<'t>> {
    let all = bracketed(v, true);
    vec![all[0].square().sum(&[0]), all[1].sum(&[0])]
}

#[test]
fn two_terms_of_a_sum_over_tasks_need_no_kernel() {
    check("of tasks", &SHAPES, of_tasks);
    let tape = Tape::new();
    let v: Vec<Var> = SHAPES.iter().map(|&s| tape.input(Shape::new(s))).collect();
    let plan = Plan::with(&tape, &of_tasks(&v), &[], Memory::PerWorker, Passes::FAST);
    let terms: Vec<usize> = plan.segments[0].task_sums.iter().map(|sum| sum.from.len()).collect();
    assert_eq!(terms, [1, 2]);
    let values = values(&tape);
    let want = evaluate(&tape, &values, &of_tasks(&v));
    let got = interpret(&plan, &values);
    for (a, b) in got[1].iter().zip(&want[1]) {
        assert!((a - b).abs() < 1e-12 * (1.0 + b.abs()), "{a}, reference {b}");
    }
}

#[test]
fn a_term_may_be_read_twice() {
    check("twice", &SHAPES, |v| {
        let (q, r) = (v[2].matmul(v[3]), v[4].matmul(v[3]));
        vec![(q + r) + q, ((q + r) * r).sum(&[0])]
    });
}
