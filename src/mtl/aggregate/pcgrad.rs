//! PCGrad: each task's gradient gives up what contradicts another's; then the mean.
//! Yu, Kumar, Gupta, Levine, Hausman, Finn, NeurIPS 2020, Algorithm 1.
//!
//! A projection is linear, so it happens in the space of weights: u holds the coefficients of g_i's projection, ⟨g_j, Σ u g⟩
//! is (M u)_j, and taking g_j's part away changes u_j alone. Needs the Gram matrix only; nothing is solved.

use super::{Gram, Weighing};
use crate::random::{Stream, stream};

#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct PcGrad {
    pub order: Order,
}

/// In which order a gradient is projected on the others: the result depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Order {
    /// 0, 1, 2, ...: the same numbers everywhere.
    #[default]
    Index,
    /// Another one for each gradient and step, as the paper has it.
    Random { seed: u32 },
}

impl PcGrad {
    /// `step` draws the random order.
    pub(super) fn weigh(&self, gram: &Gram, step: u32) -> Weighing {
        let k = gram.tasks();
        let mut total = vec![0.0; k];
        for i in 0..k {
            let mut others: Vec<usize> = (0..k).filter(|&j| j != i).collect();
            if let Order::Random { seed } = self.order {
                Stream::new(seed, stream::AGGREGATE, step, i as u32).shuffle(&mut others);
            }
            let mut u = vec![0.0; k];
            u[i] = 1.0;
            for j in others {
                let along = gram.along(j, &u);
                // A gradient of length 0 contradicts nobody; rounding may say otherwise.
                if along < 0.0 && gram.get(j, j) > 0.0 {
                    u[j] -= along / gram.get(j, j);
                }
            }
            total.iter_mut().zip(u).for_each(|(t, u)| *t += u / k as f64);
        }
        Weighing::closed(total)
    }
}
