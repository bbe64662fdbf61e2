//! How does a step on one task change the loss of another? TAG, Fifty et al. 2021, equation 1:
//! Z_ij = 1 − L_j(θ − η·∇L_i(θ))/L_j(θ): one step of gradient descent of the shared weights θ on task i, the heads
//! held fixed. Z_ij > 0: i helps j.
//!
//! The K look-ahead weights lie along the task axis, `[K, ...]`: one forward pass of K networks on all tasks'
//! examples is the whole matrix, and one backward pass with a cotangent a network gives the K gradients for it.
//! The Gram matrix of these, M_ij = ⟨g_i, g_j⟩, is Z to first order (Z ≈ η·M_ij/L_j) and gives the cosines.
//!
//! TAG takes one fresh batch for step and judgement, and so is Z taken here: do the tasks want the same? With few
//! examples, seen again and again, that is not the whole question: what training does to one task from *its* examples may
//! take from another what Z does not show. So there is a second matrix E, the same formula with the step from
//! the examples that are learnt from, judged on fresh ones. (Step and judgement both on learnt examples would mislead: where
//! joint training comes to rest the tasks' gradients add up to nothing, so each seems the others' enemy.)

use crate::error::Result;
use crate::exec::Program;
use crate::nn::Params;
use crate::tape::{Var, grad};

/// The measurement on the tape.
#[derive(Clone, Copy, Debug)]
pub struct Affinity<'t> {
    /// L_j on fresh examples before any step, `[1, K]`.
    pub before: Var<'t>,
    /// Z, `[K, K]`: the step on task i from fresh examples, row i.
    pub affinity: Var<'t>,
    /// E, `[K, K]`: the step on task i from learnt examples.
    pub effect: Var<'t>,
    /// M of the fresh examples, `[K, K]`.
    pub gram: Var<'t>,
}

/// Measures `tasks` tasks that share `theta` (each `[1, ...]`), with look-ahead steps of size `lr`.
///
/// Both closures give each network's loss on each task, `[networks, tasks]`, for shared weights of as many networks
/// as the task axis has; they hold the examples and the heads. Tasks with examples of their own: all of them go
/// through the trunk, each head reads its part. `learnt` is what training descends, `fresh` the same on held-out examples.
#[track_caller]
pub fn look_ahead<'t>(
    theta: &Params<'t>,
    tasks: usize,
    lr: f64,
    learnt: impl Fn(&Params<'t>) -> Var<'t>,
    fresh: impl Fn(&Params<'t>) -> Var<'t>,
) -> Affinity<'t> {
    let networks = theta.per_task(tasks);
    let steps = |all: Var<'t>| {
        let shape = all.shape();
        assert_eq!(shape.dims(), [tasks, tasks], "losses of {tasks} networks on {tasks} tasks");
        // Network i is asked for the gradient of task i alone.
        let own = all * all.tape.data([tasks, tasks], &identity(tasks));
        grad(own.sum_all(), networks.vars())
    };
    let now = fresh(&networks);
    let before = now.narrow(0, 0, 1); // the networks are still alike
    let after = |steps: &[Var<'t>]| {
        let moved = networks.vars().iter().zip(steps).map(|(&w, &g)| w - g * lr).collect();
        1.0 - fresh(&networks.with(moved)) * before.recip()
    };
    let wanted = steps(now);
    let gram = wanted.iter().map(|g| {
        let flat = g.reshape([1, tasks, g.shape().len() / tasks]);
        flat.matmul_t(flat, false, true).reshape([tasks, tasks])
    });
    let gram = gram.reduce(|a, b| a + b).expect("shared weights");
    let (affinity, effect) = (after(&wanted), after(&steps(learnt(&networks))));
    Affinity { before, affinity, effect, gram }
}

fn identity(n: usize) -> Vec<f64> {
    (0..n * n).map(|i| f64::from(i % (n + 1) == 0)).collect()
}

/// One measurement, on the host. Matrices row by row, K×K.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub before: Vec<f64>,
    pub affinity: Vec<f64>,
    pub effect: Vec<f64>,
    pub gram: Vec<f64>,
}

impl<'t> Affinity<'t> {
    /// What a program has to put out, in this order, for [`Reading::read`].
    pub fn outputs(&self) -> [Var<'t>; 4] {
        [self.before, self.affinity, self.effect, self.gram]
    }
}

impl Reading {
    /// From a program whose outputs from `first` on are [`Affinity::outputs`], after a run.
    pub fn read(program: &mut dyn Program, first: usize, tasks: usize) -> Result<Self> {
        let mut read = |k, len| program.read_f64(first + k, len);
        let n = tasks * tasks;
        let (before, affinity, effect) = (read(0, tasks)?, read(1, n)?, read(2, n)?);
        Ok(Self { before, affinity, effect, gram: read(3, n)? })
    }

    pub fn tasks(&self) -> usize {
        self.before.len()
    }

    /// Z and E divided by the step size, as the authors' program does: comparable between step sizes.
    pub fn per_lr(mut self, lr: f64) -> Self {
        self.affinity.iter_mut().chain(&mut self.effect).for_each(|z| *z /= lr);
        self
    }

    /// M_ij/√(M_ii·M_jj); 0 beside a task without a gradient.
    pub fn cosines(&self) -> Vec<f64> {
        let n = self.tasks();
        let size = |i: usize| self.gram[i * (n + 1)].max(0.0).sqrt();
        let cosine = |(at, &dot): (usize, &f64)| {
            let sizes = size(at / n) * size(at % n);
            if sizes > 0.0 { dot / sizes } else { 0.0 }
        };
        self.gram.iter().enumerate().map(cosine).collect()
    }

    /// √M_ii: how long each task's gradient is.
    pub fn lengths(&self) -> Vec<f64> {
        let n = self.tasks();
        (0..n).map(|i| self.gram[i * (n + 1)].max(0.0).sqrt()).collect()
    }
}
