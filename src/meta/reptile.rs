//! Reptile: move the start towards where training on each task ends.
//! Nichol, Achiam, Schulman 2018, "On first-order meta-learning algorithms", Algorithm 1 (its batched form):
//! θ ← θ + ε·mean_i(φ_i − θ).
//!
//! A task's φ_i comes from any optimiser on minibatches of all its examples, support and query together.
//! θ − mean φ is the gradient of ½·mean_i ‖θ − φ_i‖² with φ_i held fixed (their section 5.2), and that is the
//! meta loss here: `grad` of it in θ and any outer optimiser give the update, as for every other method;
//! gradient descent with step size ε is the line above. No derivative passes through an inner step.

use super::{Adaptation, Episode, Judged, Maml, Part};
use crate::nn::{Given, Params};
use crate::optim::{Optimizer, Pace};
use crate::tape::{Var, grad};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reptile {
    /// The paper's Omniglot runs take Adam without momentum (β₁ = 0).
    pub inner: Optimizer,
    pub inner_lr: f64,
    pub inner_steps: usize,
    /// How many minibatches a task's examples are dealt into; step k trains on the k-th, and after the last
    /// the first comes again. 1: every step sees all. Must divide the number of examples.
    pub minibatches: usize,
}

impl Reptile {
    /// Adapts the shared weights `theta` (each `[1, ...]`) to each task on all examples of `episode`.
    ///
    /// In the result `meta_loss` is the distance above, `query` what `judge` says of the query set after
    /// adaptation (which has trained on it: a sign of life, not a score), `support_losses` the loss on each step's minibatch.
    #[track_caller]
    pub fn run<'t>(
        &self,
        theta: &Params<'t>,
        episode: &Episode<'t>,
        judge: impl Fn(&Params<'t>, Part<'t>) -> Judged<'t>,
    ) -> Adaptation<'t> {
        let tasks = episode.tasks();
        let moving = theta.adapting_positions();
        let pick =
            |of: &Params<'t>| -> Vec<Var<'t>> { moving.iter().map(|&i| of.vars()[i]).collect() };
        let mut fast =
            theta.with(theta.per_task(tasks).vars().iter().map(|w| w.detach()).collect());
        let mut state = self.inner.init(&pick(&fast));
        let mut support_losses = vec![];
        for step in 0..self.inner_steps {
            let loss = judge(&fast, self.minibatch(episode, step)).loss;
            let at = pick(&fast);
            let gradient: Vec<Var> = grad(loss, &at).into_iter().map(Var::detach).collect();
            let pace = Pace::new(self.inner_lr, (step + 1) as f64);
            let (moved, kept) = self.inner.update(&at, &gradient, &state, pace);
            let mut vars = fast.vars().to_vec();
            for (&i, w) in moving.iter().zip(moved) {
                vars[i] = w;
            }
            (fast, state) = (fast.with(vars), kept);
            support_losses.push(loss);
        }
        let distances = pick(theta).into_iter().zip(pick(&fast)).map(|(w, end)| {
            let axes: Vec<usize> = (1..end.shape().rank()).collect();
            (w.per_task(tasks) - end.detach()).square().sum(&axes).reshape([tasks])
        });
        let distance = distances.reduce(|a, b| a + b).expect("parameters that adapt");
        let query = judge(&fast, episode.query_part(self.inner_steps));
        Adaptation { meta_loss: distance.mean(&[0]) * 0.5, query, support_losses, weights: fast }
    }

    /// The query loss and answers after each of `steps` inner steps on the support set alone: a test task has no
    /// other labels. Otherwise as [`Maml::evaluate`].
    #[track_caller]
    pub fn evaluate<'t>(
        &self,
        theta: &Params<'t>,
        episode: &Episode<'t>,
        judge: impl Fn(&Params<'t>, Part<'t>) -> Judged<'t>,
        steps: &[usize],
    ) -> Vec<Judged<'t>> {
        let Self { inner, inner_lr, inner_steps, .. } = *self;
        let maml = Maml { inner, inner_lr, inner_steps, first_order: true };
        maml.evaluate(theta, episode, judge, steps)
    }

    /// Every m-th example of support and query together, from the `step`-th on: dealt like cards, because
    /// examples often stand class by class.
    #[track_caller]
    fn minibatch<'t>(&self, episode: &Episode<'t>, step: usize) -> Part<'t> {
        let m = self.minibatches;
        let deal = |(a, b): (Var<'t>, Var<'t>)| {
            let all = a.tape.concat(&[a, b], 1);
            let dims = all.shape().dims().to_vec();
            assert_eq!(dims[1] % m, 0, "{} examples do not deal into {m} minibatches", dims[1]);
            let rest = &dims[2..];
            let dealt = all.reshape(&[&[dims[0], dims[1] / m, m], rest].concat()[..]);
            let own = dealt.narrow(2, step % m, 1);
            own.reshape(&[&[dims[0], dims[1] / m], rest].concat()[..])
        };
        let ((sx, sy), (qx, qy)) = (episode.support, episode.query);
        Part {
            given: Given { x: deal((sx, qx)), context: None, step: step.into() },
            y: deal((sy, qy)),
        }
    }
}
