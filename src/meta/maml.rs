//! MAML: learn a starting point from which a few gradient steps solve a new task.
//! Finn, Abbeel, Levine, ICML 2017, Algorithm 1; first order is their section 5.2.
//!
//! The inner loop may be any optimiser. One with momentum or moments keeps its own for each task, and the
//! exact meta-gradient goes through them as well.

use super::{Episode, Judged, Part};
use crate::nn::Params;
use crate::optim::{Optimizer, Pace};
use crate::tape::{Var, grad};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Maml {
    /// The optimiser of the inner loop; the paper's is plain gradient descent.
    pub inner: Optimizer,
    /// Its step size α. Finn et al. use 0.01 for the sine task.
    pub inner_lr: f64,
    pub inner_steps: usize,
    /// Treats the inner gradient as a constant (FOMAML): no second derivative, less memory.
    pub first_order: bool,
}

/// What a method makes of a batch of tasks.
#[derive(Clone, Debug)]
pub struct Adaptation<'t> {
    /// The mean over tasks of the query loss after adaptation, `[1]`: what the outer loop descends.
    pub meta_loss: Var<'t>,
    /// The query loss of each task and the network's answers, after adaptation.
    pub query: Judged<'t>,
    /// The support loss of each task before each inner step, `[tasks]` each.
    pub support_losses: Vec<Var<'t>>,
    /// The adapted weights, `[tasks, ...]`.
    pub weights: Params<'t>,
}

impl Maml {
    /// Gradient descent, exact.
    pub fn new(inner_lr: f64, inner_steps: usize) -> Self {
        Self { inner: Optimizer::GRADIENT_DESCENT, inner_lr, inner_steps, first_order: false }
    }

    /// Adapts the shared weights `theta` (each `[1, ...]`) to each task of `episode` and judges them there.
    #[track_caller]
    pub fn run<'t>(
        &self,
        theta: &Params<'t>,
        episode: &Episode<'t>,
        judge: impl Fn(&Params<'t>, Part<'t>) -> Judged<'t>,
    ) -> Adaptation<'t> {
        let (mut path, support_losses) = self.adapt(theta, episode, &judge);
        let weights = path.pop().expect("the path begins with the start");
        let query = judge(&weights, episode.query_part(self.inner_steps));
        Adaptation { meta_loss: query.loss.mean(&[0]), query, support_losses, weights }
    }

    /// The fast weights after 0, 1, ... `inner_steps` steps, each `[tasks, ...]`, and the support loss of
    /// each task before each step.
    #[track_caller]
    pub fn adapt<'t>(
        &self,
        theta: &Params<'t>,
        episode: &Episode<'t>,
        judge: impl Fn(&Params<'t>, Part<'t>) -> Judged<'t>,
    ) -> (Vec<Params<'t>>, Vec<Var<'t>>) {
        // One copy per task, [1, ...] -> [tasks, ...]. The derivative of a copy is a sum over the
        // copies, so the outer sum of Algorithm 1 needs no code of its own.
        let mut fast = theta.per_task(episode.tasks());
        let mut state = self.inner.init(&fast.adapting_vars());
        let (mut path, mut losses) = (vec![fast.clone()], vec![]);
        for step in 0..self.inner_steps {
            let loss = judge(&fast, episode.support_part(step)).loss;
            let pace = Pace::new(self.inner_lr, (step + 1) as f64);
            let mut slope = self.slope(loss, &fast, pace);
            if self.first_order {
                slope = slope.into_iter().map(Var::detach).collect();
            }
            (fast, state) = self.descend(&fast, &slope, &state, pace);
            path.push(fast.clone());
            losses.push(loss);
        }
        (path, losses)
    }

    /// What the inner optimiser takes its step from, for each weight that adapts: the gradient of `loss` (`[tasks]`).
    ///
    /// For plain gradient descent it is the step itself: w − α∇ℓ = w + ∇(−αℓ), so that one number is scaled and not every
    /// gradient, every second derivative and every cotangent of theirs.
    #[track_caller]
    pub(super) fn slope<'t>(
        &self,
        loss: Var<'t>,
        fast: &Params<'t>,
        pace: Pace<'t>,
    ) -> Vec<Var<'t>> {
        // `grad` adds the tasks' losses. That does not mix them: no task's loss depends on another
        // task's fast weights, so each row of the gradient is that task's own.
        let loss = if self.inner.is_plain() { -pace.lr.times(loss) } else { loss };
        grad(loss, &fast.adapting_vars())
    }

    /// The weights after one update of those that adapt along their [`slope`](Self::slope), and what the inner optimiser
    /// keeps of it.
    #[track_caller]
    pub(super) fn descend<'t>(
        &self,
        fast: &Params<'t>,
        slope: &[Var<'t>],
        kept: &[Vec<Var<'t>>],
        pace: Pace<'t>,
    ) -> (Params<'t>, Vec<Vec<Var<'t>>>) {
        let at = fast.adapting_vars();
        let (moved, kept) = match self.inner.is_plain() {
            true => (at.iter().zip(slope).map(|(&w, &step)| w + step).collect(), vec![]),
            false => self.inner.update(&at, slope, kept, pace),
        };
        let mut vars = fast.vars().to_vec();
        for (i, w) in fast.adapting_positions().into_iter().zip(moved) {
            vars[i] = w;
        }
        (fast.with(vars), kept)
    }

    /// The query loss and answers after each of `steps` inner steps, from one path of adaptation: for
    /// evaluation, where no derivative follows. `inner_steps` of `self` does not count here.
    #[track_caller]
    pub fn evaluate<'t>(
        &self,
        theta: &Params<'t>,
        episode: &Episode<'t>,
        judge: impl Fn(&Params<'t>, Part<'t>) -> Judged<'t>,
        steps: &[usize],
    ) -> Vec<Judged<'t>> {
        let inner_steps = steps.iter().copied().max().unwrap_or(0);
        let (path, _) = Self { inner_steps, ..*self }.adapt(theta, episode, &judge);
        steps.iter().map(|&s| judge(&path[s], episode.query_part(s))).collect()
    }
}
