//! Which of several labels are there, any number of them: one answer a picture, or one at each place.

use serde::{Deserialize, Serialize};

use super::pool::at_each_place;
use super::{Kind, Place, Pool, Read, check_count};
use crate::loss::{binary_cross_entropy, binary_kl, mean_each};
use crate::nn::{Init, Layer, Params, Spec, spec_linear};
use crate::tape::Var;

/// Output: logits `[tasks, pictures, labels]`; `cells`: `[tasks, pictures, rows, columns, labels]` at the places
/// of the layer it reads. Target: 1, 0 or, for what is not to be counted, −1, in the same shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labels {
    pub labels: usize,
    /// How places become one answer; not read with `cells`.
    #[serde(default)]
    pub pool: Pool,
    /// An answer at each place.
    #[serde(default)]
    pub cells: bool,
    /// What a label that is there counts, beside 1 for one that is not.
    #[serde(default = "one")]
    pub positive: f64,
}

fn one() -> f64 {
    1.0
}

impl Labels {
    pub fn new(labels: usize) -> Self {
        Self { labels, pool: Pool::Mean, cells: false, positive: 1.0 }
    }
}

impl Kind for Labels {
    fn spec(&self, name: &str, place: &Place) -> Vec<Spec> {
        if self.cells {
            spec_linear(name, place.read.channels, self.labels, Init::Glorot).to_vec()
        } else {
            self.pool.spec(name, place.read, self.labels)
        }
    }

    fn output<'t>(&self, name: &str, weights: &Params<'t>, read: &Read<'_, 't>) -> Var<'t> {
        if self.cells {
            at_each_place(name, weights, read.x)
        } else {
            self.pool.output(name, weights, read.x)
        }
    }

    fn output_shape(&self, place: &Place) -> Vec<usize> {
        let [rows, columns] = place.read.size;
        if self.cells { vec![rows, columns, self.labels] } else { vec![self.labels] }
    }

    fn target_shape(&self, place: &Place) -> Vec<usize> {
        self.output_shape(place)
    }

    fn losses<'t>(&self, output: Var<'t>, target: Var<'t>) -> Var<'t> {
        mean_each(binary_cross_entropy(output, target, self.positive))
    }

    fn distances<'t>(&self, output: Var<'t>, teacher: Var<'t>, temperature: f64) -> Var<'t> {
        mean_each(binary_kl(output, teacher, temperature))
    }

    fn check(&self, _: &[Layer], most: usize) -> Result<(), String> {
        check_count("labels", self.labels, most)?;
        if self.positive.is_finite() && self.positive >= 0.0 {
            return Ok(());
        }
        Err(format!("positive = {}; expected a number that is not negative", self.positive))
    }
}
