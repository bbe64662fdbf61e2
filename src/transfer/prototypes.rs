//! Class prototypes: the mean feature of each class, and the nearest one as the answer.
//! Snell, Swersky, Zemel 2017, equations 1 and 2; as a linear head, their section 2.3 and
//! Triantafillou et al. 2020 (ProtoMAML): −‖f − p‖² is f·2p − ‖p‖² but for a number that all classes share.

use crate::tape::Var;

/// Means and how many examples stand behind each.
#[derive(Clone, Copy, Debug)]
pub struct Prototypes<'t> {
    /// `[tasks, classes, features]`; zeros where a class has no example.
    pub means: Var<'t>,
    /// `[tasks, classes, 1]`.
    pub counts: Var<'t>,
}

/// The logit of a class that nobody has seen: never the answer, and finite, so that a loss stays a number.
pub const UNSEEN: f64 = -1e9;

impl<'t> Prototypes<'t> {
    /// From features `[tasks, examples, features]` and labels `[tasks, examples]`; a label outside the classes is a
    /// missing one and counts nowhere.
    #[track_caller]
    pub fn new(features: Var<'t>, labels: Var<'t>, classes: usize) -> Self {
        let member = labels.one_hot(classes);
        let sums = member.matmul_t(features, true, false);
        let counts = member.sum(&[1]).transpose();
        // A missing class divides by 1: its sum is 0 already.
        Self { means: sums * counts.max(counts.like(1.0)).recip(), counts }
    }

    /// The linear head that answers with the nearest prototype: weight `[tasks, features, classes]` and bias
    /// `[tasks, 1, classes]`. A class without an example has zeros and the bias [`UNSEEN`].
    pub fn head(&self) -> (Var<'t>, Var<'t>) {
        let distance = self.means.square().sum(&[2]);
        let seen = distance.like(0.5).less(self.counts);
        (self.means.transpose() * 2.0, seen.select(-distance, distance.like(UNSEEN)).transpose())
    }

    /// Logits `[tasks, examples, classes]` of [`Prototypes::head`].
    #[track_caller]
    pub fn logits(&self, features: Var<'t>) -> Var<'t> {
        let (weight, bias) = self.head();
        features.matmul(weight) + bias
    }
}
