//! The list of primitives, and for each a wrong use with the message it must give.
//!
//! `kind` is exhaustive on purpose: a new primitive does not compile until it stands here, and then a
//! test asks for its message, its gradcheck row and its derivative.

use crate::op::{Along, ConvGeometry, Literal, Op, Pointwise, Side, Window};
use crate::shape::{Axes, MAX_RANK, Shape};

/// How many kinds of primitives there are, pointwise ones and the sides of `Conv` counted one by one.
pub const KINDS: usize = Pointwise::ALL.len() + 23;

/// The number of an operation's kind, below [`KINDS`].
pub fn kind(op: &Op) -> usize {
    let structural = match op {
        Op::Pointwise(op) => return *op as usize,
        Op::Input(_) => 0,
        Op::Const(_) => 1,
        Op::Data(_) => 2,
        Op::Random { .. } => 3,
        Op::Detach => 4,
        Op::Reshape => 5,
        Op::Permute { .. } => 6,
        Op::Expand => 7,
        Op::Slice { .. } => 8,
        Op::Pad { .. } => 9,
        Op::Concat { .. } => 10,
        Op::Flip(_) => 11,
        Op::Sum(_) => 12,
        Op::MatMul { .. } => 13,
        Op::Conv { side: Side::Output, .. } => 14,
        Op::Conv { side: Side::Input, .. } => 15,
        Op::Conv { side: Side::Weight, .. } => 16,
        Op::ArgMax(Along::Axis(_)) => 17,
        Op::ArgMax(Along::Window(_)) => 18,
        Op::Take(Along::Axis(_)) => 19,
        Op::Take(Along::Window(_)) => 20,
        Op::Put(Along::Axis(_)) => 21,
        Op::Put(Along::Window(_)) => 22,
    };
    Pointwise::ALL.len() + structural
}

/// A use whose shapes do not fit, and what the message must say after the operation's name.
pub struct Misuse {
    pub op: Op,
    pub inputs: Vec<Shape>,
    pub wanted: Option<Shape>,
    pub says: &'static str,
}

/// One for each kind.
pub fn misuses() -> Vec<Misuse> {
    let pointwise = Pointwise::ALL.iter().map(|&op| {
        let mut inputs = vec![Shape::from([3, 4]); op.arity()];
        let says = if op.arity() == 1 {
            inputs.clear();
            "takes 1 input, got 0"
        } else {
            inputs[op.arity() - 1] = [3, 5].into();
            "[3, 4] and [3, 5] differ"
        };
        Misuse { op: Op::Pointwise(op), inputs, wanted: None, says }
    });
    pointwise.chain(structural()).collect()
}

fn structural() -> Vec<Misuse> {
    fn wrong<const N: usize>(
        op: Op,
        inputs: [&[usize]; N],
        wanted: Option<&[usize]>,
        says: &'static str,
    ) -> Misuse {
        let inputs = inputs.map(Shape::new).to_vec();
        Misuse { op, inputs, wanted: wanted.map(Shape::new), says }
    }
    let mut start = [0; MAX_RANK];
    start[1] = 2;
    let conv = |side| Op::Conv {
        side,
        geometry: ConvGeometry {
            stride: [1, 1],
            pad: [0; 4],
            dilation: [1, 1],
            groups: 1,
            image: [4, 4],
            kernel: [3, 3],
        },
    };
    let (axis, window) = (Along::Axis(1), Along::Window(Window::tiles(2)));
    vec![
        wrong(Op::Input(0), [], None, "needs a result shape"),
        wrong(Op::Const(0), [], None, "needs a result shape"),
        wrong(Op::Data(Literal([1.0, 2.0].into())), [], Some(&[3]), "2 numbers do not fill [3]"),
        wrong(
            Op::Random { seed: 0, stream: 0 },
            [&[2]],
            Some(&[3]),
            "takes the step, one element; got [[2]]",
        ),
        wrong(Op::Detach, [], None, "takes 1 input, got 0"),
        wrong(Op::Reshape, [&[2, 3]], Some(&[5]), "[2, 3] has 6 elements, [5] has 5"),
        wrong(
            Op::Permute { order: [0; MAX_RANK] },
            [&[2, 3]],
            None,
            "[0, 0] is no order of the axes of [2, 3]",
        ),
        wrong(Op::Expand, [&[2, 3]], Some(&[4, 3]), "[2, 3] does not grow to [4, 3]"),
        wrong(Op::Slice { start }, [&[2, 3]], Some(&[2, 2]), "[2, 2] from [0, 2] leaves [2, 3]"),
        wrong(
            Op::Pad { before: start, value: 0 },
            [&[2, 3]],
            Some(&[2, 4]),
            "[2, 3] at [0, 2] does not lie inside [2, 4]",
        ),
        wrong(
            Op::Concat { axis: 1 },
            [&[2, 3], &[3, 3]],
            None,
            "[2, 3] and [3, 3] differ on more than axis 1",
        ),
        wrong(Op::Flip(Axes::new(&[2])), [&[2, 3]], None, "[2, 3] has no axis 2"),
        wrong(Op::Sum(Axes::new(&[2])), [&[2, 3]], None, "[2, 3] has no axis 2"),
        wrong(
            Op::MatMul { ta: false, tb: false },
            [&[1, 2, 3], &[1, 4, 5]],
            None,
            "columns of [1, 2, 3] and rows of [1, 4, 5] differ (3 and 4)",
        ),
        wrong(
            conv(Side::Output),
            [&[1, 2, 4, 4, 3], &[1, 3, 3, 2, 5]],
            None,
            "channels of [1, 2, 4, 4, 3] and [1, 3, 3, 2, 5] differ (3 and 2)",
        ),
        wrong(
            conv(Side::Input),
            [&[1, 3, 3, 2, 5], &[1, 2, 3, 2, 5]],
            None,
            "the output is [3, 2], expected [2, 2]",
        ),
        wrong(
            conv(Side::Weight),
            [&[1, 2, 4, 4, 3], &[1, 1, 2, 2, 5]],
            None,
            "[1, 2, 4, 4, 3] and [1, 1, 2, 2, 5] hold different numbers of images",
        ),
        wrong(Op::ArgMax(Along::Axis(2)), [&[2, 3]], None, "[2, 3] has no axis 2"),
        wrong(
            Op::ArgMax(window),
            [&[1, 1, 1, 4, 3]],
            None,
            "windows of [2, 2] do not fit into 1×4",
        ),
        wrong(
            Op::Take(axis),
            [&[2, 3], &[1, 3]],
            None,
            "[2, 3] and index [1, 3] differ on more than axis 1",
        ),
        wrong(
            Op::Take(window),
            [&[1, 1, 4, 4, 3], &[1, 1, 2, 1, 3]],
            None,
            "index [1, 1, 2, 1, 3], expected [1, 1, 2, 2, 3]",
        ),
        wrong(Op::Put(axis), [&[2, 3], &[2, 4]], Some(&[2, 5]), "[2, 3] and index [2, 4] differ"),
        wrong(
            Op::Put(window),
            [&[1, 1, 2, 2, 3], &[1, 1, 2, 2, 3]],
            Some(&[1, 1, 6, 4, 3]),
            "index [1, 1, 2, 2, 3], expected [1, 1, 3, 2, 3]",
        ),
    ]
}
