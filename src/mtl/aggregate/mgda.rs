//! MGDA: the shortest vector in the convex hull of the gradients, which descends every task, or is 0 where no
//! direction does. Désidéri, Comptes Rendus Mathématique 350, 2012; for networks Sener and Koltun, NeurIPS 2018.
//!
//! Sener and Koltun divide the gradients by a scale of their own before the hull is made. Their repository and LibMTL stop
//! Frank and Wolfe's iteration after 250 steps or at 1e-5; here the answer is exact (see `min_norm.rs`).

use super::min_norm::min_norm;
use super::{Effort, Gram, Weighing};

#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Mgda {
    pub normalize: Normalize,
    pub effort: Effort,
}

/// What a gradient is divided by before the hull is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Normalize {
    #[default]
    None,
    /// Its length.
    Length,
    /// The task's loss.
    Loss,
    /// Both: `loss+` in the authors' repository.
    LossAndLength,
}

impl Mgda {
    /// Residual: that of `min_norm`. `losses` scale the gradients where asked for.
    pub(super) fn weigh(&self, gram: &Gram, losses: &[f64]) -> Weighing {
        let scale: Vec<f64> = (0..gram.tasks())
            .map(|i| match self.normalize {
                Normalize::None => 1.0,
                Normalize::Length => gram.norm(i),
                Normalize::Loss => losses[i],
                Normalize::LossAndLength => losses[i] * gram.norm(i),
            })
            // A gradient or a loss of 0 cannot be divided by; the hull then contains 0 as it is.
            .map(|scale| if scale.abs() > 0.0 { scale } else { 1.0 })
            .collect();
        let mut found = min_norm(&gram.map(|i, j, m| m / (scale[i] * scale[j])), self.effort);
        found.weights.iter_mut().zip(scale).for_each(|(w, scale)| *w /= scale);
        found
    }
}
