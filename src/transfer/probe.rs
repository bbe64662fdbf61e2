//! A linear probe: how much of a task can be read off features that stand still?
//! Alain and Bengio 2016: multinomial logistic regression on a frozen layer.
//!
//! The problem is convex, so plain gradient descent from zeros finds the answer, and each task's probe is trained
//! at once along the task axis. It is tape: whoever wants can differentiate through it.

use crate::loss::cross_entropy;
use crate::nn::Params;
use crate::tape::{Var, grad};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probe {
    pub lr: f64,
    pub steps: usize,
    /// λ of λ/2·‖W‖²: without it, separable examples have no finite answer.
    pub decay: f64,
}

impl Probe {
    /// `head/weight` `[tasks, features, classes]` and `head/bias` `[tasks, 1, classes]` from features
    /// `[tasks, examples, features]` and labels `[tasks, examples]`. Nothing about the scale of the features is
    /// assumed but that `lr` suits it: below 2/(largest eigenvalue of FᵀF/examples + decay) it converges.
    #[track_caller]
    pub fn fit<'t>(&self, features: Var<'t>, labels: Var<'t>, classes: usize) -> Params<'t> {
        let s = features.shape();
        let zeros = |rows| features.tape.filled(0.0, [s[0], rows, classes]);
        let mut head = vec![zeros(s[2]), zeros(1)];
        for _ in 0..self.steps {
            let loss = cross_entropy(features.matmul(head[0]) + head[1], labels);
            let decay = head[0].square().sum(&[1, 2]).squeeze(&[1, 2]) * (self.decay / 2.0);
            let gradient = grad(loss + decay, &head);
            head = head.iter().zip(gradient).map(|(&w, g)| w - g * self.lr).collect();
        }
        Params::new(&["head/weight", "head/bias"], head)
    }
}
