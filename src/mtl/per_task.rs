//! How does one get K gradients of the same weights, kept apart? By writing the K tasks on the task axis.
//!
//! Shared weights `[1, ...]` are copied for each task, `[K, ...]`; the tasks' losses `[K]` are differentiated by those copies,
//! once. No task's loss depends on another's copy, so row k of the gradient is task k's own: one backward pass
//! with K cotangents. What the tasks share (the same pictures) is computed once, since the plan moves a copy behind
//! all work that is the same for every copy; a task with its own pictures, `[K, ...]`, simply has its own work.
//!
//! M independent models with K tasks each stand on one axis of M·K, model by model: weights `[M, ...]`, losses `[M·K]`,
//! gradients `[M·K, ...]`, Gram matrices `[M, K, K]`, weights of tasks `[M, K]`. Only M = 1 shares forward work among tasks.

use crate::nn::Params;
use crate::tape::{Tape, Var};

/// Gradients of K tasks that have not been added up, for each of M models. There are two ways to have
/// one, [`PerTask::write`] and [`PerTask::slots`], so an aggregator cannot be given a sum.
#[derive(Clone, Debug)]
pub struct PerTask<'t> {
    models: usize,
    tasks: usize,
    /// One a weight, `[M·K, ...]`.
    gradients: Vec<Var<'t>>,
}

/// What one pass over all tasks gives.
#[derive(Clone, Debug)]
pub struct Pass<'t> {
    /// `[M·K]`.
    pub losses: Var<'t>,
    pub gradients: PerTask<'t>,
    /// The gradients of the weights that belong to one task alone, in their shapes: there is nothing to aggregate.
    pub own: Vec<Var<'t>>,
}

impl<'t> PerTask<'t> {
    /// Writes `losses` (copies of `theta`, `[M·K, ...]` -> `[M·K]`) and its derivatives. `theta` is `[M, ...]`. `own`
    /// are weights that `losses` uses for single tasks (heads), of any shape; the sum of all losses is
    /// differentiated by them. Inputs that the tasks of one model share go through [`repeat`].
    #[track_caller]
    pub fn write(
        theta: &Params<'t>,
        tasks: usize,
        own: &[Var<'t>],
        losses: impl FnOnce(&Params<'t>) -> Var<'t>,
    ) -> Pass<'t> {
        let models = theta.vars()[0].shape().tasks();
        let copies = theta.with(theta.vars().iter().map(|&w| repeat(w, tasks)).collect());
        let losses = losses(&copies);
        assert_eq!(losses.shape().dims(), [models * tasks], "one loss a task of each model");
        let mut gradients = crate::tape::grad(losses, &[copies.vars(), own].concat());
        let own = gradients.split_off(copies.vars().len());
        Pass { losses, gradients: Self { models, tasks, gradients }, own }
    }

    /// Input slots for the gradients that an earlier run left, of weights like `theta`.
    pub fn slots(tape: &'t Tape, theta: &Params<'t>, tasks: usize) -> Self {
        let models = theta.vars()[0].shape().tasks();
        let slot = |w: &Var<'t>| tape.input(w.shape().with(0, models * tasks));
        Self { models, tasks, gradients: theta.vars().iter().map(slot).collect() }
    }

    /// One a weight, `[M·K, ...]`: for outputs of a program.
    pub fn vars(&self) -> &[Var<'t>] {
        &self.gradients
    }

    /// ⟨g_i, g_j⟩ over all weights together, `[M, K, K]`: read it into [`super::Gram::of_models`].
    pub fn gram(&self) -> Var<'t> {
        let products = self.gradients.iter().map(|&g| {
            let rows = self.rows(g);
            rows.matmul(rows.transpose())
        });
        products.reduce(|a, b| a + b).expect("at least one weight")
    }

    /// Σ_k w_k g_k for each weight, in its own shape `[M, ...]`; `weights` is `[M, K]`.
    #[track_caller]
    pub fn combine(&self, weights: Var<'t>) -> Vec<Var<'t>> {
        assert_eq!(weights.shape().dims(), [self.models, self.tasks], "a weight a task");
        let combine = |&g: &Var<'t>| {
            let shape = g.shape().with(0, self.models);
            if self.models == 1 {
                // A sum over the task axis: taken while each task's work is at hand.
                let mut dims = vec![1; g.shape().rank()];
                dims[0] = self.tasks;
                return (g * weights.reshape(&dims[..])).sum(&[0]);
            }
            let weights = weights.reshape([self.models, self.tasks, 1]);
            (self.rows(g) * weights).sum(&[1]).reshape(shape)
        };
        self.gradients.iter().map(combine).collect()
    }

    /// `[M·K, ...]` as `[M, K, n]`.
    fn rows(&self, g: Var<'t>) -> Var<'t> {
        let n = g.shape().len() / (self.models * self.tasks);
        g.reshape([self.models, self.tasks, n])
    }
}

/// Each model's value once for each of its tasks, `[M, ...]` -> `[M·tasks, ...]`.
pub fn repeat(x: Var, tasks: usize) -> Var {
    let (shape, models) = (x.shape(), x.shape().tasks());
    if models == 1 {
        return x.per_task(tasks); // a plain copy, which the plan knows how to move
    }
    let n = shape.len() / models;
    let copies = x.reshape([models, 1, n]).expand([models, tasks, n]);
    copies.reshape(shape.with(0, models * tasks))
}
