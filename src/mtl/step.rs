//! How does a training step wait for a solver on the host? It ends where the gradients are ready.
//!
//! One program; its run t moves the weights along the gradients that run t − 1 left in their slots, combined
//! with the weights that the solver has found in between, and then makes the gradients at the new place:
//! ```text
//! write the tasks' weights (0 at first) and a batch │ run │ read losses and Gram matrix │ solve │ again
//! ```
//! So gradients never leave the device, K×K numbers do, and N updates take N + 1 runs.

use super::per_task::{Pass, PerTask};
use crate::nn::Params;
use crate::optim::{Optimizer, Pace};
use crate::tape::{Tape, Var};

/// A written step. Slots that it adds: optimiser state of `theta` and `own`, gradients of both, task weights.
#[derive(Clone, Debug)]
pub struct Step<'t> {
    /// Input, `[M, K]`: the weights of the gradients that the last run left. 0 in the first run, and its
    /// step size 0 where the optimiser decays weights, since there is nothing to descend yet.
    pub weights: Var<'t>,
    /// The losses at the new place, `[M·K]`: output 0.
    pub losses: Var<'t>,
    /// The Gram matrices there, `[M, K, K]`: output 1.
    pub gram: Var<'t>,
    pub outputs: Vec<Var<'t>>,
    /// (output, slot): what is updated in place.
    pub state: Vec<(usize, usize)>,
}

/// Writes a step of `theta` `[M, ...]` and of the tasks' `own` weights, all of them input slots. `losses`
/// (copies of `theta`, own weights) -> `[M·K]`, as in [`PerTask::write`].
#[track_caller]
pub fn step<'t>(
    tape: &'t Tape,
    theta: &Params<'t>,
    own: &[Var<'t>],
    tasks: usize,
    (optimizer, pace): (Optimizer, Pace<'t>),
    losses: impl FnOnce(&Params<'t>, &[Var<'t>]) -> Var<'t>,
) -> Step<'t> {
    let models = theta.vars()[0].shape().tasks();
    let old = [theta.vars(), own].concat();
    let kept = optimizer.inputs(tape, &old);
    let left = PerTask::slots(tape, theta, tasks);
    let left_own: Vec<Var> = own.iter().map(|w| tape.input(w.shape())).collect();
    let weights = tape.input([models, tasks]);

    let descent = [&left.combine(weights)[..], &left_own].concat();
    let (new, new_kept) = optimizer.update(&old, &descent, &kept, pace);
    let (moved, moved_own) = new.split_at(theta.vars().len());
    let Pass { losses, gradients, own } =
        PerTask::write(&theta.with(moved.to_vec()), tasks, moved_own, |w| losses(w, moved_own));

    let gram = gradients.gram();
    let slots = [&old[..], &kept.concat(), left.vars(), &left_own].concat();
    let next = [&new[..], &new_kept.concat(), gradients.vars(), &own].concat();
    let outputs = [&[losses, gram], &next[..]].concat();
    let slot = |(i, v): (usize, &Var)| (i + 2, v.slot().expect("weights are input slots"));
    let state = slots.iter().enumerate().map(slot).collect();
    Step { weights, losses, gram, outputs, state }
}
