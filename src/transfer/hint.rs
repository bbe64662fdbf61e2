//! Hints: a student's layer learns to say what a teacher's says, through an adapter of its own.
//! Romero et al. 2015 (FitNets), equation 3, with a 1×1 convolution as regressor.
//!
//! The adapter makes up for different widths. Its parameters, `hint/NAME/weight` and `hint/NAME/bias`, are trained
//! beside the student's and thrown away afterwards.

use crate::loss::mse;
use crate::nn::{Init, Params, Spec, linear, spec_linear};
use crate::tape::Var;

/// An adapter between two layers.
#[derive(Clone, Debug, PartialEq)]
pub struct Hint {
    pub name: String,
    /// Channels of the student's layer.
    pub from: usize,
    /// Channels of the teacher's.
    pub to: usize,
}

impl Hint {
    pub fn new(name: impl Into<String>, from: usize, to: usize) -> Self {
        Self { name: name.into(), from, to }
    }

    /// `hint/NAME/weight` `[1, from, to]` and `hint/NAME/bias` `[1, 1, to]`.
    pub fn spec(&self) -> [Spec; 2] {
        spec_linear(&format!("hint/{}", self.name), self.from, self.to, Init::Glorot)
    }

    /// The student's features as the teacher would say them: `[tasks, examples, ..., from]` -> `[.., to]`. A
    /// convolution of one pixel is a product with the channels.
    #[track_caller]
    pub fn adapt<'t>(&self, weights: &Params<'t>, features: Var<'t>) -> Var<'t> {
        let shape = features.shape();
        let places = shape.len() / shape.tasks() / shape.last();
        let flat = features.reshape([shape.tasks(), places, shape.last()]);
        let said = linear(weights, &format!("hint/{}", self.name), flat);
        said.reshape(shape.with(0, said.shape().tasks()).with(shape.rank() - 1, self.to))
    }

    /// Mean squared difference between the adapted student and the teacher, `[tasks]`; FitNets' usual
    /// weight is 100 (RepDistiller). The teacher's shape is the student's with `to` channels.
    #[track_caller]
    pub fn loss<'t>(&self, weights: &Params<'t>, student: Var<'t>, teacher: Var<'t>) -> Var<'t> {
        mse(self.adapt(weights, student), teacher.detach())
    }
}
