//! Gradcheck's rows for composed operations: one at least for every operation of case files.

use super::rows::{Operand, Row, SMOOTH, row};
use crate::loss::{
    binary_cross_entropy, binary_kl, cross_entropy, cross_entropy_each, detection_loss, focal,
    kl_div, kl_each, mean_known, mean_labelled, mse, pseudo_huber,
};
use crate::op::Window;
use crate::shape::Axes;
use crate::tape::{Conv2d, Var};

/// Values with their zero well inside: kinks and signs count.
const BOTH: Operand = Operand::Free(-2.0, 2.0);
/// Values where logarithms, roots and reciprocals are smooth.
const ABOVE: Operand = Operand::Free(0.4, 3.0);
/// A teacher's answers: no derivative reaches them.
const TEACHER: Operand = Operand::Held(-2.0, 2.0);

/// Rows that no case file asks for: the losses of heads.
pub const BEYOND_CASES: [&str; 9] = [
    "cross_entropy_each",
    "kl_each",
    "binary_cross_entropy",
    "focal",
    "binary_kl",
    "pseudo_huber",
    "mean_known",
    "mean_labelled",
    "detection_loss",
];

pub fn all() -> Vec<Row> {
    let mut rows = unary();
    rows.extend(sources_and_pairs());
    rows.extend(reductions());
    rows.extend(movement());
    rows.extend(images());
    rows.extend(losses());
    rows
}

fn unary() -> Vec<Row> {
    fn one(name: &str, operand: Operand, f: impl for<'t> Fn(Var<'t>) -> Var<'t> + 'static) -> Row {
        row(name, &[operand], &[&[&[7]], &[&[3, 4]]], move |x| f(x[0]))
    }
    vec![
        one("neg", BOTH, |x| -x),
        one("recip", ABOVE, |x| x.recip()),
        one("exp", BOTH, |x| x.exp()),
        one("ln", ABOVE, |x| x.ln()),
        one("sqrt", ABOVE, |x| x.sqrt()),
        one("rsqrt", ABOVE, |x| x.rsqrt()),
        one("square", BOTH, |x| x.square()),
        one("abs", BOTH, |x| x.abs()),
        one("sin", BOTH, |x| x.sin()),
        one("cos", BOTH, |x| x.cos()),
        one("tanh", BOTH, |x| x.tanh()),
        one("sigmoid", BOTH, |x| x.sigmoid()),
        one("relu", BOTH, |x| x.relu()),
        one("softplus", BOTH, |x| x.softplus()),
        one("erf", BOTH, |x| x.erf()),
        one("silu", BOTH, |x| x.silu()),
        one("gelu", BOTH, |x| x.gelu()),
        one("leaky_relu", BOTH, |x| x.leaky_relu(0.2)),
        one("powi", BOTH, |x| x.powi(3)),
        one("powi", BOTH, |x| x.powi(0)),
        one("powi", ABOVE, |x| x.powi(-2)),
        one("powi", Operand::Free(-1.2, 1.2), |x| x.powi(6)),
    ]
}

fn sources_and_pairs() -> Vec<Row> {
    // The second of each pair broadcasts on an axis of its own.
    fn two(
        name: &str,
        second: Operand,
        f: impl for<'t> Fn(Var<'t>, Var<'t>) -> Var<'t> + 'static,
    ) -> Row {
        let sizes = &[&[&[7usize] as &[usize], &[7]] as &[&[usize]], &[&[3, 1], &[1, 4]]];
        row(name, &[BOTH, second], sizes, move |x| f(x[0], x[1]))
    }
    vec![
        row("const", &[BOTH], &[&[&[4]]], |x| x[0] * x[0].like(-1.3)),
        row("iota", &[BOTH], &[&[&[4]]], |x| x[0] * x[0].tape.iota(x[0].shape(), 0.2, -0.5)),
        row("hash_uniform", &[BOTH], &[&[&[4]]], |x| {
            let shape = x[0].shape();
            let values: Vec<f64> =
                (0..shape.len() as u32).map(|i| super::build::hash_uniform(i, 5)).collect();
            x[0] * x[0].tape.data(shape, &values)
        }),
        row("detach", &[Operand::Held(-2.0, 2.0), BOTH], &[&[&[4], &[4]]], |x| {
            x[0].tanh().detach() * x[1]
        }),
        two("add", BOTH, |a, b| a + b),
        two("sub", BOTH, |a, b| a - b),
        two("mul", BOTH, |a, b| a * b),
        two("div", ABOVE, |a, b| a / b),
        two("max", BOTH, |a, b| a.max(b)),
        two("min", BOTH, |a, b| a.min(b)),
        two("less", BOTH, |a, b| a.less(b)),
        row(
            "select",
            &[Operand::Whole(2), BOTH, BOTH],
            &[&[&[7], &[7], &[7]], &[&[3, 4], &[3, 1], &[1, 4]]],
            |x| x[0].select(x[1], x[2]),
        ),
    ]
}

fn reductions() -> Vec<Row> {
    let one = &[SMOOTH];
    vec![
        row("sum", one, &[&[&[5, 3]], &[&[1, 4]]], |x| x[0].sum(&[1])),
        row("mean", one, &[&[&[5, 3]], &[&[7, 1]]], |x| x[0].mean(&[1, 2]).squeeze(&[1])),
        row("mean", one, &[&[&[5, 3]]], |x| x[0].mean(&[0])),
        row("max", one, &[&[&[5, 3]], &[&[1, 4]]], |x| x[0].max_over(&[1, 2])),
        row("var", one, &[&[&[5, 3]], &[&[4, 1]]], |x| x[0].var(&[1])),
        row("logsumexp", one, &[&[&[5, 3]], &[&[2, 4]]], |x| x[0].logsumexp(&[1, 2])),
        row("softmax", one, &[&[&[3, 5]], &[&[2, 2]]], |x| x[0].softmax(2)),
        row("softmax", one, &[&[&[4]]], |x| x[0].softmax(0)),
        row("log_softmax", one, &[&[&[3, 5]], &[&[4, 2]]], |x| x[0].log_softmax(1)),
        row("normalize", one, &[&[&[6, 3]], &[&[9, 2]]], |x| x[0].normalize(&[1], 0.1)),
        row("normalize", one, &[&[&[2, 3, 2, 2]]], |x| x[0].normalize(&[1, 2, 3], 1e-2)),
    ]
}

fn movement() -> Vec<Row> {
    let one = &[SMOOTH];
    vec![
        row("reshape", one, &[&[&[2, 3]]], |x| {
            x[0].reshape([3 * x[0].shape().tasks(), 2]).reshape([2, 3 * x[0].shape().tasks()])
        }),
        row("permute", one, &[&[&[2, 3]]], |x| x[0].transpose()),
        row("expand", one, &[&[&[1, 3]]], |x| x[0].expand(x[0].shape().with(1, 4))),
        row("slice", one, &[&[&[5, 3]]], |x| x[0].narrow(1, 2, 3)),
        row("pad", one, &[&[&[2, 3]]], |x| x[0].pad_to([x[0].shape()[0], 4, 5], &[0, 1, 2], -0.4)),
        row("concat", &[SMOOTH, SMOOTH], &[&[&[2, 3], &[2, 1]]], |x| {
            let tasks = x[0].shape().tasks().max(x[1].shape().tasks());
            x[0].tape.concat(&[x[0].per_task(tasks), x[1].per_task(tasks)], 2)
        }),
        row("flip", one, &[&[&[2, 3]]], |x| x[0].flip(Axes::new(&[0, 2]))),
        row("gather", &[SMOOTH, Operand::Line(4)], &[&[&[4, 3], &[6]]], |x| x[0].gather(x[1], 1)),
        row("gather", &[SMOOTH, Operand::Line(1)], &[&[&[4], &[3]]], |x| x[0].gather(x[1], 0)),
        row("scatter_add", &[SMOOTH, Operand::Line(4)], &[&[&[6, 3], &[6]]], |x| {
            x[0].scatter_add(x[1], 1, 4)
        }),
        row("take_along", &[SMOOTH, Operand::Whole(4)], &[&[&[4, 3], &[2, 3]]], |x| {
            x[0].take_along(x[1], 1)
        }),
        row("one_hot", &[SMOOTH, Operand::Whole(5)], &[&[&[3, 4], &[3]]], |x| {
            x[0] * x[1].one_hot(4) // label 4 lies outside: a row of zeros
        }),
    ]
}

fn images() -> Vec<Row> {
    let (one, two) = (&[SMOOTH], &[Operand::Free(-0.8, 0.8); 2]);
    let ragged = Conv2d { stride: [2, 1], pad: [1, 0, 2, 1], dilation: [1, 2], groups: 2 };
    let window = Window { size: [2, 3], stride: [1, 2], pad: [1, 0, 0, 2] };
    vec![
        row("matmul", two, &[&[&[3, 4], &[4, 5]], &[&[2, 1, 3], &[1, 3, 2]]], |x| {
            x[0].matmul(x[1])
        }),
        row("matmul", two, &[&[&[4, 3], &[5, 4]]], |x| x[0].matmul_t(x[1], true, true)),
        row("conv2d", two, &[&[&[2, 5, 4, 4], &[3, 2, 2, 6]]], move |x| x[0].conv2d(x[1], ragged)),
        row("conv2d", two, &[&[&[2, 4, 5, 3], &[3, 3, 3, 2]]], |x| {
            x[0].conv2d(x[1], Conv2d::new(1, 1))
        }),
        row("conv2d_transpose", two, &[&[&[2, 3, 2, 6], &[3, 2, 2, 6]]], move |x| {
            x[0].conv2d_transpose(x[1], ragged, [1, 0])
        }),
        row("max_pool", one, &[&[&[2, 5, 4, 3]]], |x| x[0].max_pool(Window::tiles(2))),
        row("max_pool", one, &[&[&[1, 4, 5, 2]]], move |x| x[0].max_pool(window)),
        row("avg_pool", one, &[&[&[2, 5, 4, 3]]], move |x| x[0].avg_pool(window, true)),
        row("avg_pool", one, &[&[&[2, 5, 4, 3]]], move |x| x[0].avg_pool(window, false)),
        row("resize_nearest", one, &[&[&[2, 2, 3, 2]]], |x| x[0].resize_nearest([3, 2])),
        row("resize_bilinear", one, &[&[&[2, 2, 3, 2]]], |x| x[0].resize_bilinear([5, 2])),
    ]
}

fn losses() -> Vec<Row> {
    vec![
        row("cross_entropy", &[BOTH, Operand::Whole(5)], &[&[&[3, 5], &[3]]], |x| {
            cross_entropy(x[0], x[1])
        }),
        row("mse", &[BOTH, BOTH], &[&[&[3, 4], &[3, 4]], &[&[5], &[1]]], |x| mse(x[0], x[1])),
        row("kl_div", &[BOTH, TEACHER], &[&[&[3, 4], &[3, 4]]], |x| kl_div(x[0], x[1], 2.0)),
        row("cross_entropy_each", &[BOTH, Operand::Whole(5)], &[&[&[3, 2, 4], &[3, 2]]], |x| {
            cross_entropy_each(x[0], x[1], Some(&[0.5, 1.0, 2.0, 0.0]))
        }),
        row("kl_each", &[BOTH, TEACHER], &[&[&[3, 2, 4], &[3, 2, 4]]], |x| {
            kl_each(x[0], x[1], 2.0)
        }),
        row("binary_cross_entropy", &[BOTH, Operand::Whole(2)], &[&[&[3, 4], &[3, 4]]], |x| {
            binary_cross_entropy(x[0], x[1], 3.0)
        }),
        row("focal", &[BOTH, Operand::Whole(2)], &[&[&[3, 4], &[3, 4]]], |x| focal(x[0], x[1])),
        row("binary_kl", &[BOTH, TEACHER], &[&[&[3, 4], &[3, 4]]], |x| binary_kl(x[0], x[1], 2.0)),
        row("pseudo_huber", &[BOTH], &[&[&[7]]], |x| pseudo_huber(x[0])),
        row("mean_known", &[BOTH, Operand::Whole(2)], &[&[&[5], &[5]], &[&[1], &[1]]], |x| {
            mean_known(x[0], x[1])
        }),
        row("mean_labelled", &[BOTH, Operand::Whole(3)], &[&[&[2, 3, 2], &[2, 3, 2]]], |x| {
            mean_labelled(x[0], x[1] - 1.0) // labels from −1 (void) to 1
        }),
        // Two classes and a box a cell; the cell's last target says whether a centre is there.
        row(
            "detection_loss",
            &[BOTH, Operand::Whole(2)],
            &[&[&[2, 1, 3, 6], &[2, 1, 3, 7]]],
            |x| detection_loss(x[0], x[1], 2),
        ),
    ]
}
