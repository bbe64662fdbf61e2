//! Fully connected layers with an activation between them.

use super::{Activation, Given, Init, Model, Params, Spec, linear, spec_linear};
use crate::tape::Var;

/// `sizes` from input to output; the last layer is linear.
#[derive(Clone, Debug, PartialEq)]
pub struct Mlp {
    pub sizes: Vec<usize>,
    pub activation: Activation,
    pub init: Init,
}

impl Model for Mlp {
    fn spec(&self) -> Vec<Spec> {
        let layer = |(i, pair): (usize, &[usize])| {
            spec_linear(&format!("layer{}", i + 1), pair[0], pair[1], self.init)
        };
        self.sizes.windows(2).enumerate().flat_map(layer).collect()
    }

    /// `[tasks, examples, ...]`, each example `sizes[0]` numbers in any shape -> `[tasks, examples, last size]`.
    #[track_caller]
    fn output<'t>(&self, weights: &Params<'t>, given: Given<'t>) -> Var<'t> {
        let layers = self.sizes.len() - 1;
        let s = given.x.shape();
        let x = given.x.reshape([s[0], s[1], self.sizes[0]]);
        (1..=layers).fold(x, |x, i| {
            let y = linear(weights, &format!("layer{i}"), x);
            if i < layers { self.activation.apply(y) } else { y }
        })
    }
}
