//! The exact meta-gradient in little memory: MAML's chain in three pieces, each a tape of its own.
//!
//! With x_k the fast weights and what the inner optimiser keeps after k steps, x_{k+1} = Φ_k(x_k) and the
//! meta-loss is Q(x_K). Its derivatives λ_k = dQ/dx_k come from the end: λ_K = ∂Q/∂x_K, then λ_k = (∂Φ_k/∂x_k)ᵀ λ_{k+1}.
//! One tape for all of it ([`Maml::run`]) keeps what each step computed until the way back reaches it. Here
//! only x_0 ... x_K are kept, and [`Maml::backward`] computes its one step again, as MixFlow-MG does (Kemaev et al.,
//! arXiv 2505.00793) with one step a block. For gradient descent λ_k = λ_{k+1} − α ∇²ℓ(x_k) λ_{k+1}: a
//! Hessian-vector product, never the matrix (Pearlmutter 1994).
//!
//! A tape computes equal nodes once, so computing again takes programs that the host runs in turn.
//! What crosses between them is a [`State`]; the number of the inner step is a slot, so one program serves all.

use super::{Judged, Maml, Part};
use crate::nn::{Params, Spec};
use crate::optim::Pace;
use crate::tape::{Tape, Var, grad};

/// What one inner step hands to the next: fast weights, then what the optimiser keeps of those that adapt.
#[derive(Clone, Debug)]
pub struct State<'t> {
    pub weights: Params<'t>,
    pub kept: Vec<Vec<Var<'t>>>,
}

impl<'t> State<'t> {
    /// Input slots for `tasks` tasks, `[tasks, ...]` each, in the order of [`State::vars`].
    pub fn inputs(tape: &'t Tape, maml: &Maml, spec: &[Spec], tasks: usize) -> Self {
        let each: Vec<Spec> =
            spec.iter().map(|s| Spec { shape: s.shape.with(0, tasks), ..s.clone() }).collect();
        let weights = Params::inputs(tape, &each);
        let kept = maml.inner.inputs(tape, &weights.adapting_vars());
        Self { weights, kept }
    }

    /// All of it: every weight, then list after list of what is kept.
    pub fn vars(&self) -> Vec<Var<'t>> {
        [self.weights.vars(), &self.kept.concat()].concat()
    }
}

impl Maml {
    /// x_{k+1}, one inner step on `part` from `state`; `turn` is k, the number of steps before this one, `[1]`.
    #[track_caller]
    pub fn forward<'t>(
        &self,
        state: &State<'t>,
        part: Part<'t>,
        turn: Var<'t>,
        judge: impl Fn(&Params<'t>, Part<'t>) -> Judged<'t>,
    ) -> State<'t> {
        let loss = judge(&state.weights, part).loss;
        let pace = Pace::new(self.inner_lr, turn + 1.0);
        let slope = self.slope(loss, &state.weights, pace);
        let (weights, kept) = self.descend(&state.weights, &slope, &state.kept, pace);
        State { weights, kept }
    }

    /// λ_k of λ_{k+1} (`later`, in the order of [`State::vars`]) for the step that [`Maml::forward`] takes from `state`.
    #[track_caller]
    pub fn backward<'t>(
        &self,
        state: &State<'t>,
        later: &[Var<'t>],
        part: Part<'t>,
        turn: Var<'t>,
        judge: impl Fn(&Params<'t>, Part<'t>) -> Judged<'t>,
    ) -> Vec<Var<'t>> {
        let weights = state.weights.vars();
        let loss = judge(&state.weights, part).loss;
        let pace = Pace::new(self.inner_lr, turn + 1.0);
        let slope = self.slope(loss, &state.weights, pace);
        // First through the update, as if the slope were a number: to the state itself, and to the slope.
        let given: Vec<Var> = slope.iter().map(|g| g.detach()).collect();
        let (moved, kept) = self.descend(&state.weights, &given, &state.kept, pace);
        let next = State { weights: moved, kept }.vars();
        let mut earlier = grad(inner(&next, later), &[&state.vars()[..], &given].concat());
        let along: Vec<Var> = earlier.split_off(state.vars().len());
        if self.first_order {
            return earlier;
        }
        // Then through the slope: ∇⟨∇ℓ, v⟩, the loss's second derivatives times `along`. A tangent of ∇ℓ along v (forward
        // over reverse) is the same work here: see BENCHMARKS.md.
        let along: Vec<Var> = along.into_iter().map(Var::detach).collect();
        let product = grad(inner(&slope, &along), weights);
        for (sum, term) in earlier.iter_mut().zip(product) {
            *sum = *sum + term;
        }
        earlier
    }
}

/// Σ ⟨a_i, b_i⟩ over lists of tensors, one number a task: `[tasks]`.
fn inner<'t>(a: &[Var<'t>], b: &[Var<'t>]) -> Var<'t> {
    let one = |(&a, &b): (&Var<'t>, &Var<'t>)| {
        let product = a * b;
        let tasks = product.shape().tasks();
        product.reshape([tasks, product.shape().len() / tasks]).sum(&[1]).reshape([tasks])
    };
    let all = a.iter().zip(b).map(one);
    all.reduce(|sum, term| sum + term).expect("a network has weights")
}
