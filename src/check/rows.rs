//! What gradcheck tries: a row for every primitive (every composed operation: `composed_rows.rs`).
//!
//! A row is a formula over operands and the sizes it is tried with. Sizes leave out the task axis,
//! which gradcheck adds: 1 or 3 tasks, each operand in turn shared.

use crate::op::{Along, ConvGeometry, Pointwise, Side, Window};
use crate::shape::Axes;
use crate::tape::Var;

pub use super::composed_rows::BEYOND_CASES;

/// What an operand's values are, and what a derivative must do with it.
#[derive(Clone, Copy, Debug)]
pub enum Operand {
    /// Drawn from an interval, differentiated.
    Free(f64, f64),
    /// Drawn from an interval; the formula must pass no derivative to it.
    Held(f64, f64),
    /// Whole numbers below this one: an index, a label, a choice. Not differentiated.
    Whole(usize),
    /// As `Whole`, with one axis that is no task axis.
    Line(usize),
}

pub type Formula = Box<dyn for<'t> Fn(&[Var<'t>]) -> Var<'t>>;

pub struct Row {
    /// As `--op` names it: a primitive's own name, or an operation's as in case files.
    pub name: String,
    pub operands: Vec<Operand>,
    /// For each variant, the sizes of each operand.
    pub sizes: &'static [&'static [&'static [usize]]],
    pub formula: Formula,
}

pub fn row(
    name: impl Into<String>,
    operands: &[Operand],
    sizes: &'static [&'static [&'static [usize]]],
    formula: impl for<'t> Fn(&[Var<'t>]) -> Var<'t> + 'static,
) -> Row {
    Row { name: name.into(), operands: operands.to_vec(), sizes, formula: Box::new(formula) }
}

/// An operand that is smooth everywhere.
pub const SMOOTH: Operand = Operand::Free(-1.5, 1.5);

/// All rows: primitives first.
pub fn all() -> Vec<Row> {
    let mut rows = pointwise();
    rows.extend(sources());
    rows.extend(movement());
    rows.extend(products());
    rows.extend(choices());
    rows.extend(super::composed_rows::all());
    rows
}

/// All operands with the task axis of the largest: primitives do not broadcast.
fn together<'t>(x: &[Var<'t>]) -> Vec<Var<'t>> {
    let tasks = x.iter().map(|x| x.shape().tasks()).max().unwrap_or(1);
    x.iter().map(|x| x.per_task(tasks)).collect()
}

/// One row for each line of the pointwise table, on the interval that stands there.
fn pointwise() -> Vec<Row> {
    let rows = Pointwise::ALL.iter().map(|&op| {
        let (low, high) = op.domain();
        let mut operands = vec![Operand::Free(low, high); op.arity()];
        if op == Pointwise::Select {
            operands[0] = Operand::Whole(2);
        }
        let sizes: &'static [&'static [&'static [usize]]] = match op.arity() {
            1 => &[&[&[7]], &[&[3, 5]]],
            2 => &[&[&[7], &[7]], &[&[3, 5], &[3, 5]]],
            _ => &[&[&[7], &[7], &[7]], &[&[3, 5], &[3, 5], &[3, 5]]],
        };
        row(format!("{op:?}"), &operands, sizes, move |x| {
            x[0].tape.push(crate::op::Op::Pointwise(op), &together(x), None)
        })
    });
    rows.collect()
}

fn sources() -> Vec<Row> {
    vec![
        row("Input", &[SMOOTH], &[&[&[5]], &[&[2, 3]]], |x| x[0]),
        row("Const", &[SMOOTH], &[&[&[5]]], |x| x[0] * x[0].like(0.7)),
        row("Data", &[SMOOTH], &[&[&[5]], &[&[2, 3]]], |x| {
            let shape = x[0].shape();
            let table: Vec<f64> = (0..shape.len()).map(|i| 0.3 * i as f64 - 0.8).collect();
            x[0] * x[0].tape.data(shape, &table)
        }),
        row("Random", &[SMOOTH, Operand::Line(9)], &[&[&[5], &[1]], &[&[2, 3], &[1]]], |x| {
            x[0] * x[0].tape.random(7, 16, x[1], x[0].shape())
        }),
        row(
            "Detach",
            &[Operand::Held(-1.5, 1.5), SMOOTH],
            &[&[&[5], &[5]], &[&[2, 3], &[2, 3]]],
            |x| x[0].detach() * x[1],
        ),
    ]
}

fn movement() -> Vec<Row> {
    let one = &[SMOOTH];
    vec![
        row("Reshape", one, &[&[&[6]], &[&[2, 3]]], |x| {
            let len = x[0].shape().len() / x[0].shape().tasks();
            x[0].reshape([x[0].shape().tasks(), len / 3, 3])
        }),
        // Rows of all tasks in one axis, as an instance-wise loss may write it.
        row("Reshape", one, &[&[&[6]], &[&[2, 5]]], |x| x[0].reshape([1, x[0].shape().len()])),
        row("Permute", one, &[&[&[2, 3, 5]], &[&[4, 1, 3]]], |x| x[0].permute(&[0, 3, 1, 2])),
        row("Permute", one, &[&[&[3, 5]]], |x| x[0].permute(&[2, 0, 1])),
        row("Expand", one, &[&[&[1, 3]], &[&[1, 1]]], |x| {
            x[0].expand(x[0].shape().with(0, 3).with(1, 5))
        }),
        row("Slice", one, &[&[&[5, 3]], &[&[3, 7]]], |x| {
            let shape = x[0].shape();
            x[0].slice(&[0, 1, 1], [shape[0], shape[1] - 1, shape[2] - 2])
        }),
        row("Slice", one, &[&[&[4]]], |x| x[0].narrow(0, x[0].shape()[0] - 1, 1)),
        row("Pad", one, &[&[&[5, 3]], &[&[1, 2]]], |x| {
            let shape = x[0].shape();
            x[0].pad_to([shape[0], shape[1] + 3, shape[2] + 1], &[0, 2, 0], 0.5)
        }),
        row("Pad", one, &[&[&[3]]], |x| x[0].pad_to([x[0].shape()[0] + 2, 4], &[1, 1], 0.0)),
        row("Concat", &[SMOOTH, SMOOTH], &[&[&[2, 3], &[4, 3]], &[&[5, 1], &[1, 1]]], |x| {
            x[0].tape.concat(&together(x), 1)
        }),
        // Also of one value twice, and along the task axis.
        row("Concat", &[SMOOTH, SMOOTH], &[&[&[3], &[3]]], |x| {
            x[0].tape.concat(&[x[0], x[1], x[0]], 0)
        }),
        row("Flip", one, &[&[&[5, 3]], &[&[1, 4]]], |x| x[0].flip(Axes::new(&[1, 2]))),
        row("Flip", one, &[&[&[4]]], |x| x[0].flip(Axes::new(&[0]))),
        row("Sum", one, &[&[&[5, 3]], &[&[1, 7]]], |x| x[0].sum(&[2])),
        row("Sum", one, &[&[&[5, 3]]], |x| x[0].sum(&[0, 1])),
    ]
}

/// Strided, dilated, padded unevenly, two groups: nothing about the two axes is alike.
const RAGGED: ConvGeometry = ConvGeometry {
    stride: [2, 1],
    pad: [1, 0, 2, 1],
    dilation: [1, 2],
    groups: 2,
    image: [5, 4],
    kernel: [3, 2],
};
/// One channel and one window a place, the last row of windows reaches no further pixel.
const PLAIN: ConvGeometry = ConvGeometry {
    stride: [1, 2],
    pad: [0; 4],
    dilation: [1, 1],
    groups: 1,
    image: [4, 4],
    kernel: [2, 1],
};

fn products() -> Vec<Row> {
    let two = &[SMOOTH, SMOOTH];
    let mut rows = vec![
        row("MatMul", two, &[&[&[3, 4], &[4, 5]], &[&[1, 7], &[7, 1]]], |x| x[0].matmul(x[1])),
        row("MatMul", two, &[&[&[2, 3, 2], &[2, 4, 2]]], |x| x[0].matmul_t(x[1], false, true)),
        row("MatMul", two, &[&[&[4, 3], &[4, 5]]], |x| x[0].matmul_t(x[1], true, false)),
        row("MatMul", two, &[&[&[4, 3], &[5, 4]]], |x| x[0].matmul_t(x[1], true, true)),
    ];
    // x [2 images, 5, 4, 4 channels], w [3, 2, 2 a group, 6], g [2, 2, 5, 6]; then x [1, 4, 4, 3],
    // w [2, 1, 3, 2], g [1, 3, 2, 2].
    type Sizes = &'static [&'static [&'static [usize]]];
    let sides: [(Side, Sizes, Sizes); 3] = [
        (Side::Output, &[&[&[2, 5, 4, 4], &[3, 2, 2, 6]]], &[&[&[1, 4, 4, 3], &[2, 1, 3, 2]]]),
        (Side::Input, &[&[&[3, 2, 2, 6], &[2, 2, 5, 6]]], &[&[&[2, 1, 3, 2], &[1, 3, 2, 2]]]),
        (Side::Weight, &[&[&[2, 5, 4, 4], &[2, 2, 5, 6]]], &[&[&[1, 4, 4, 3], &[1, 3, 2, 2]]]),
    ];
    for (side, ragged, plain) in sides {
        for (geometry, sizes) in [(RAGGED, ragged), (PLAIN, plain)] {
            let operand = Operand::Free(-0.8, 0.8); // sums of tens of products stay of the order of 1
            rows.push(row(format!("Conv{side:?}"), &[operand; 2], sizes, move |x| {
                x[0].conv_side(x[1], side, geometry)
            }));
        }
    }
    rows
}

/// Overlapping windows that reach over the edge.
const WINDOW: Along = Along::Window(Window { size: [3, 2], stride: [2, 2], pad: [1, 0, 0, 1] });

fn choices() -> Vec<Row> {
    let axis = Along::Axis(1);
    vec![
        row("ArgMaxAxis", &[SMOOTH], &[&[&[5, 3]], &[&[1, 4]]], move |x| {
            x[0].argmax(axis) * x[0].sum(&[1])
        }),
        row("ArgMaxWindow", &[SMOOTH], &[&[&[2, 5, 4, 3]]], |x| x[0].argmax(WINDOW)),
        row("TakeAxis", &[SMOOTH, Operand::Whole(4)], &[&[&[4, 3], &[6, 3]]], move |x| {
            let x = together(x);
            x[0].take(x[1], axis)
        }),
        row("PutAxis", &[SMOOTH, Operand::Whole(4)], &[&[&[6, 3], &[6, 3]]], move |x| {
            let x = together(x);
            x[0].put(x[1], axis, x[0].shape().with(1, 4))
        }),
        // The window's places: [2, 2, 5, 3] results. Place 0 lies outside for the first row.
        row("TakeWindow", &[SMOOTH, Operand::Whole(6)], &[&[&[2, 5, 4, 3], &[2, 2, 2, 3]]], |x| {
            let x = together(x);
            x[0].take(x[1], WINDOW)
        }),
        row("PutWindow", &[SMOOTH, Operand::Whole(6)], &[&[&[2, 2, 2, 3], &[2, 2, 2, 3]]], |x| {
            let x = together(x);
            let tasks = x[0].shape().tasks();
            x[0].put(x[1], WINDOW, [tasks, 2, 5, 4, 3])
        }),
    ]
}
