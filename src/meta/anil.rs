//! ANIL: does the whole network have to adapt? Almost no inner loop: only the head moves inside.
//! Raghu, Raghu, Bengio, Vinyals, ICLR 2020, section 4.
//!
//! It is MAML in which the parameters that adapt are those below one name. The body stands still in the
//! inner loop and learns in the outer one; the gradient is exact in both, through the adapted head.

use super::{Adaptation, Episode, Judged, Maml, Part};
use crate::nn::Params;

#[derive(Clone, Debug, PartialEq)]
pub struct Anil {
    /// The inner loop.
    pub maml: Maml,
    /// What adapts: the parameters whose name begins so, `head/` for instance.
    pub prefix: String,
}

impl Anil {
    pub fn new(maml: Maml, prefix: impl Into<String>) -> Self {
        Self { maml, prefix: prefix.into() }
    }

    /// As [`Maml::run`]. Panics where no parameter that may adapt has the prefix.
    #[track_caller]
    pub fn run<'t>(
        &self,
        theta: &Params<'t>,
        episode: &Episode<'t>,
        judge: impl Fn(&Params<'t>, Part<'t>) -> Judged<'t>,
    ) -> Adaptation<'t> {
        self.maml.run(&self.head_of(theta), episode, judge)
    }

    /// As [`Maml::evaluate`].
    #[track_caller]
    pub fn evaluate<'t>(
        &self,
        theta: &Params<'t>,
        episode: &Episode<'t>,
        judge: impl Fn(&Params<'t>, Part<'t>) -> Judged<'t>,
        steps: &[usize],
    ) -> Vec<Judged<'t>> {
        self.maml.evaluate(&self.head_of(theta), episode, judge, steps)
    }

    /// The same parameters, of which those with the prefix adapt, if they did before.
    #[track_caller]
    fn head_of<'t>(&self, theta: &Params<'t>) -> Params<'t> {
        let names = theta.names();
        let moving = theta.adapting_positions().into_iter().map(|i| &names[i]);
        let head: Vec<&String> = moving.filter(|name| name.starts_with(&self.prefix)).collect();
        assert!(
            !head.is_empty(),
            "no parameter that adapts begins with {:?}: {names:?}",
            self.prefix
        );
        theta.adapting(|name| head.iter().any(|h| *h == name))
    }
}
