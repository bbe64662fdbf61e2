//! Gradient descent, with momentum and weight decay where asked for.
//!
//! u ← μ·u + (g + λ·w), w ← w − lr·u: Sutskever et al. 2013 in the form that most programs use, where the
//! step size is outside the sum, so that a change of it acts at once.

use super::Pace;
use crate::tape::Var;

#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Sgd {
    /// μ, the share of the last update that is kept; 0 keeps no state.
    pub momentum: f64,
    /// λ, added to the gradient as λ·w.
    pub weight_decay: f64,
}

impl Sgd {
    pub(super) fn update<'t>(
        &self,
        weights: &[Var<'t>],
        gradient: &[Var<'t>],
        state: &[Vec<Var<'t>>],
        pace: Pace<'t>,
    ) -> (Vec<Var<'t>>, Vec<Vec<Var<'t>>>) {
        let mut updates: Vec<Var> = gradient.to_vec();
        if self.weight_decay != 0.0 {
            updates =
                updates.iter().zip(weights).map(|(&g, &w)| g + w * self.weight_decay).collect();
        }
        if self.momentum != 0.0 {
            updates = updates.iter().zip(&state[0]).map(|(&g, &u)| u * self.momentum + g).collect();
        }
        let weights = weights.iter().zip(&updates).map(|(&w, &u)| w - pace.lr.times(u)).collect();
        let state = if self.momentum != 0.0 { vec![updates] } else { vec![] };
        (weights, state)
    }
}
