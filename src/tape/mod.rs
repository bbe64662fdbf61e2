//! The tape: a growing list of operations, each naming its inputs by position.
//!
//! Nothing is computed here. Writing an expression appends nodes, and `grad` appends more nodes of
//! the same kind, so a gradient can be differentiated again with no further code. Exact second-order
//! MAML rests on that alone.
//!
//! Shapes are `[tasks, ...]`; a first axis of 1 means "one value, shared by all tasks".
//! Read next: `op/pointwise.rs` (what a node can be), then `plan/` (how nodes become kernels).

mod composed;
mod grad;
mod images;
mod movement;
mod reductions;
mod show;

pub use grad::grad;
pub use images::Conv2d;
pub use show::listing;

use crate::op::{Literal, Op, Pointwise};
use crate::shape::Shape;
use std::cell::{Ref, RefCell};

/// One step of the computation. Its inputs always stand before it on the tape.
#[derive(Clone, Debug)]
pub struct Node {
    pub op: Op,
    pub inputs: Vec<usize>,
    pub shape: Shape,
}

#[derive(Default)]
pub struct Tape {
    nodes: RefCell<Vec<Node>>,
    /// Shapes of the input slots, in order.
    inputs: RefCell<Vec<Shape>>,
}

/// A handle to one node. Two words and `Copy`, so formulas read like formulas.
#[derive(Clone, Copy)]
pub struct Var<'t> {
    pub tape: &'t Tape,
    pub id: usize,
}

impl Tape {
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `op(inputs)`; `wanted` is the result's shape where the inputs do not decide it.
    ///
    /// Panics when the shapes do not fit: that is a mistake in the program, not in its input, and
    /// `track_caller` makes the message point at the line that wrote the expression.
    #[track_caller]
    pub fn push<'t>(&'t self, op: Op, inputs: &[Var<'t>], wanted: Option<Shape>) -> Var<'t> {
        match self.try_push(op, inputs, wanted) {
            Ok(var) => var,
            Err(why) => panic!("{why}"), // not in a closure: those lose `track_caller`
        }
    }

    /// As [`Tape::push`], for programs that come from a file.
    pub fn try_push<'t>(
        &'t self,
        op: Op,
        inputs: &[Var<'t>],
        wanted: Option<Shape>,
    ) -> Result<Var<'t>, String> {
        let shapes: Vec<Shape> = inputs.iter().map(|x| x.shape()).collect();
        let shape = op.shape(&shapes, wanted).map_err(|why| format!("{}: {why}", op.name()))?;
        let inputs = inputs.iter().map(|x| x.id).collect();
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(Node { op, inputs, shape });
        Ok(Var { tape: self, id: nodes.len() - 1 })
    }

    /// A value given before each run. Slots count from 0 in the order of these calls.
    pub fn input(&self, shape: impl Into<Shape>) -> Var<'_> {
        let shape = shape.into();
        let mut inputs = self.inputs.borrow_mut();
        inputs.push(shape);
        self.push(Op::Input(inputs.len() - 1), &[], Some(shape))
    }

    /// One value at every place.
    pub fn filled(&self, value: f64, shape: impl Into<Shape>) -> Var<'_> {
        self.push(Op::Const(value.to_bits()), &[], Some(shape.into()))
    }

    /// Known numbers, row-major.
    #[track_caller]
    pub fn data(&self, shape: impl Into<Shape>, values: &[f64]) -> Var<'_> {
        self.push(Op::Data(Literal(values.into())), &[], Some(shape.into()))
    }

    /// The element with flat index i is i·scale + offset.
    pub fn iota(&self, shape: impl Into<Shape>, scale: f64, offset: f64) -> Var<'_> {
        let shape = shape.into();
        let values: Vec<f64> = (0..shape.len()).map(|i| i as f64 * scale + offset).collect();
        self.data(shape, &values)
    }

    /// Uniform numbers in [0, 1) with 24 bits: Philox4x32-10 with key (seed, stream) and counter
    /// (element, step, task). `step` has one element, a whole number below 2^24. The same bits on
    /// every executor.
    #[track_caller]
    pub fn random<'t>(
        &'t self,
        seed: u32,
        stream: u32,
        step: Var<'t>,
        shape: impl Into<Shape>,
    ) -> Var<'t> {
        self.push(Op::Random { seed, stream }, &[step], Some(shape.into()))
    }

    pub fn node(&self, id: usize) -> Node {
        self.nodes.borrow()[id].clone()
    }

    /// All nodes so far.
    pub fn nodes(&self) -> Ref<'_, Vec<Node>> {
        self.nodes.borrow()
    }

    pub fn len(&self) -> usize {
        self.nodes.borrow().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shapes of the input slots.
    pub fn input_shapes(&self) -> Vec<Shape> {
        self.inputs.borrow().clone()
    }
}

impl<'t> Var<'t> {
    pub fn shape(self) -> Shape {
        self.tape.nodes.borrow()[self.id].shape
    }

    /// The input slot this value is, if it is one.
    pub fn slot(self) -> Option<usize> {
        match self.tape.nodes.borrow()[self.id].op {
            Op::Input(slot) => Some(slot),
            _ => None,
        }
    }

    /// Passes the value and stops every derivative.
    pub fn detach(self) -> Var<'t> {
        self.tape.push(Op::Detach, &[self], None)
    }

    /// A constant of this value's shape.
    pub fn like(self, value: f64) -> Var<'t> {
        self.tape.filled(value, self.shape())
    }

    /// `op` of this value alone.
    #[track_caller]
    pub(crate) fn unary(self, op: Pointwise) -> Var<'t> {
        self.tape.push(Op::Pointwise(op), &[self], None)
    }

    /// `op` of both, each expanded to the common shape.
    #[track_caller]
    pub(crate) fn binary(self, op: Pointwise, other: Var<'t>) -> Var<'t> {
        let shape = match self.shape().broadcast(&other.shape()) {
            Ok(shape) => shape,
            Err(why) => panic!("{op:?}: {why}"),
        };
        self.tape.push(Op::Pointwise(op), &[self.expand(shape), other.expand(shape)], None)
    }
}

impl std::fmt::Debug for Var<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "%{} {}", self.id, self.shape())
    }
}

macro_rules! operator {
    ($Trait:ident, $method:ident, |$a:ident, $b:ident| $expr:expr) => {
        #[allow(clippy::suspicious_arithmetic_impl)] // a / b is a · (1/b): division is no primitive
        impl<'t> std::ops::$Trait<Var<'t>> for Var<'t> {
            type Output = Var<'t>;
            #[track_caller]
            fn $method(self, other: Var<'t>) -> Var<'t> {
                let ($a, $b) = (self, other);
                $expr
            }
        }
        #[allow(clippy::suspicious_arithmetic_impl)]
        impl<'t> std::ops::$Trait<f64> for Var<'t> {
            type Output = Var<'t>;
            #[track_caller]
            fn $method(self, other: f64) -> Var<'t> {
                let ($a, $b) = (self, self.like(other));
                $expr
            }
        }
        #[allow(clippy::suspicious_arithmetic_impl)]
        impl<'t> std::ops::$Trait<Var<'t>> for f64 {
            type Output = Var<'t>;
            #[track_caller]
            fn $method(self, other: Var<'t>) -> Var<'t> {
                let ($a, $b) = (other.like(self), other);
                $expr
            }
        }
    };
}
operator!(Add, add, |a, b| a.binary(Pointwise::Add, b));
operator!(Mul, mul, |a, b| a.binary(Pointwise::Mul, b));
operator!(Sub, sub, |a, b| a + b * -1.0);
operator!(Div, div, |a, b| a * b.recip());

impl<'t> std::ops::Neg for Var<'t> {
    type Output = Var<'t>;
    fn neg(self) -> Var<'t> {
        self * -1.0
    }
}
