//! Layers with weights: fully connected and convolution. Weights are `name/weight` and `name/bias`.

use crate::tape::{Conv2d, Var};

use super::{Init, Params, Spec};

/// What stands between the layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Activation {
    #[default]
    Relu,
    Tanh,
    Softplus,
}

impl Activation {
    pub fn apply<'t>(self, x: Var<'t>) -> Var<'t> {
        match self {
            Activation::Relu => x.relu(),
            Activation::Tanh => x.tanh(),
            Activation::Softplus => x.softplus(),
        }
    }
}

/// x·W + b: `[tasks, examples, inputs]` -> `[tasks, examples, outputs]`.
#[track_caller]
pub fn linear<'t>(weights: &Params<'t>, name: &str, x: Var<'t>) -> Var<'t> {
    let w = weights.get(&format!("{name}/weight"));
    x.matmul(w) + weights.get(&format!("{name}/bias"))
}

/// The parameters of [`linear`]; biases begin at 0.
pub fn spec_linear(name: &str, inputs: usize, outputs: usize, init: Init) -> [Spec; 2] {
    [
        Spec::new(format!("{name}/weight"), [1, inputs, outputs], init),
        Spec::new(format!("{name}/bias"), [1, 1, outputs], Init::ZEROS),
    ]
}

/// Convolution without a bias: a normalisation follows that would take it away again.
/// `[tasks, images, height, width, channels]`, weights `[1, kh, kw, in, out]`.
#[track_caller]
pub fn conv<'t>(weights: &Params<'t>, name: &str, x: Var<'t>, conv: Conv2d) -> Var<'t> {
    x.conv2d(weights.get(&format!("{name}/weight")), conv)
}

/// The parameter of a [`conv`] with a square window.
pub fn spec_conv(name: &str, window: usize, inputs: usize, outputs: usize, init: Init) -> Spec {
    Spec::new(format!("{name}/weight"), [1, window, window, inputs, outputs], init)
}
