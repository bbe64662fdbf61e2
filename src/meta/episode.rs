//! What a method is given: a batch of tasks, and a way to judge weights on a part of them.

use crate::nn::{Given, Model, Params, Step};
use crate::tape::{Tape, Var};

/// A batch of tasks: what each task adapts on, and what the adapted weights are judged on.
/// Shapes: `[tasks, shots, ...]` for each x, `[tasks, shots, targets]` or `[tasks, shots]` for each y.
#[derive(Clone, Copy, Debug)]
pub struct Episode<'t> {
    pub support: (Var<'t>, Var<'t>),
    pub query: (Var<'t>, Var<'t>),
}

impl<'t> Episode<'t> {
    /// Input slots of these shapes, in the order support x, support y, query x, query y.
    pub fn inputs(tape: &'t Tape, shapes: [crate::shape::Shape; 4]) -> Self {
        let [sx, sy, qx, qy] = shapes.map(|shape| tape.input(shape));
        Self { support: (sx, sy), query: (qx, qy) }
    }

    pub fn tasks(&self) -> usize {
        self.support.0.shape().tasks()
    }

    /// The support set, `step` inner steps in.
    pub fn support_part(&self, step: impl Into<Step<'t>>) -> Part<'t> {
        let (x, y) = self.support;
        Part { given: Given { x, context: None, step: step.into() }, y }
    }

    /// The query set, after `step` inner steps.
    pub fn query_part(&self, step: impl Into<Step<'t>>) -> Part<'t> {
        let (x, y) = self.query;
        Part { given: Given { x, context: Some(self.support.0), step: step.into() }, y }
    }
}

/// One side of an episode, as a judge gets it.
#[derive(Clone, Copy, Debug)]
pub struct Part<'t> {
    pub given: Given<'t>,
    pub y: Var<'t>,
}

/// What a judge says of some weights on a part.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'t> {
    /// One number a task, `[tasks]`.
    pub loss: Var<'t>,
    /// What the network answered: logits or values.
    pub output: Var<'t>,
}

/// The usual judge: a model's output, and a loss (output, y) -> `[tasks]` of it.
pub fn judge<'m, 't: 'm>(
    model: &'m dyn Model,
    loss: impl Fn(Var<'t>, Var<'t>) -> Var<'t> + 'm,
) -> impl Fn(&Params<'t>, Part<'t>) -> Judged<'t> + 'm {
    move |weights, part| {
        let output = model.output(weights, part.given);
        Judged { loss: loss(output, part.y), output }
    }
}
