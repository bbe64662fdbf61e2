//! What a network knows of a domain: a learned row of numbers, and how it bends the trunk's channels.
//!
//! CAVIA (Zintgraf et al., ICML 2019) with FiLM (Perez et al., AAAI 2018): an embedding e becomes a scale and a
//! shift for each channel, x·(1 + s) + b. A new domain's embedding is found by adaptation: the few numbers
//! of e move, the trunk may stand still.

use serde::{Deserialize, Serialize};

use super::{Init, Params, Spec, Weight, Weights};
use crate::tape::Var;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embedding {
    /// Rows of the table.
    pub domains: usize,
    /// Numbers a row.
    pub width: usize,
}

const TABLE: &str = "embedding/table";

impl Embedding {
    /// Rows begin far apart; [`film`] begins without an effect, so they still do no harm.
    pub fn spec(&self) -> Spec {
        Spec::new(TABLE, [1, self.domains, self.width], Init::Normal(1.0))
    }

    /// The embedding of each picture, `[tasks, pictures, width]`, from `domain`, `[tasks, pictures, domains]`;
    /// without it the mean of all rows, `[tasks, 1, width]`.
    #[track_caller]
    pub fn of<'t>(&self, weights: &Params<'t>, domain: Option<Var<'t>>) -> Var<'t> {
        let table = weights.get(TABLE);
        domain.map_or_else(|| table.mean(&[1]), |domain| domain.matmul(table))
    }
}

/// x·(1 + s) + b for each channel of `[tasks, pictures, height, width, channels]`; s and b are linear in the
/// embedding `e`, `[tasks, pictures or 1, width]`.
#[track_caller]
pub fn film<'t>(weights: &Params<'t>, name: &str, x: Var<'t>, e: Var<'t>) -> Var<'t> {
    let both = e.matmul(weights.get(&format!("{name}/weight")));
    let (s, channels) = (both.shape(), x.shape().last());
    let part = |i| both.narrow(2, i * channels, channels).reshape([s[0], s[1], 1, 1, channels]);
    x * (part(0) + 1.0) + part(1)
}

/// The parameter of [`film`], at 0: no effect yet.
pub fn spec_film(name: &str, width: usize, channels: usize) -> Spec {
    Spec::new(format!("{name}/weight"), [1, width, 2 * channels], Init::ZEROS)
}

impl Weights {
    /// The weights of the same network for one new domain: the table is the mean of the rows of the known ones.
    /// Without an embedding they are the same.
    pub fn for_new_domain(&self) -> Weights {
        let one = |w: &Weight| {
            if w.name != TABLE {
                return w.clone();
            }
            let (domains, width) = (w.shape[1], w.shape[2]);
            let mean = |table: &[f32]| {
                let column =
                    |j| table.iter().skip(j).step_by(width).map(|&v| v as f64).sum::<f64>();
                (0..width).map(|j| (column(j) / domains as f64) as f32).collect::<Vec<_>>()
            };
            let values = w.values.chunks_exact(domains * width).flat_map(mean).collect();
            Weight { name: w.name.clone(), shape: w.shape.with(1, 1), values }
        };
        Weights(self.iter().map(one).collect())
    }
}

impl super::MultiTask {
    /// The network that [`Weights::for_new_domain`] are for: one domain.
    pub fn for_new_domain(&self) -> Self {
        let embedding = self.embedding.map(|e| Embedding { domains: 1, ..e });
        Self { embedding, ..self.clone() }
    }
}
