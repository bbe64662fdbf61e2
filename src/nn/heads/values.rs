//! How much: numbers, by regression.

use serde::{Deserialize, Serialize};

use super::{Kind, Place, Pool, Read, check_count};
use crate::loss::mean_each;
use crate::nn::{Layer, Params, Spec};
use crate::tape::Var;

/// Output and target: `[tasks, pictures, count]`. Bring targets to a spread near 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Values {
    pub count: usize,
}

impl Kind for Values {
    fn spec(&self, name: &str, place: &Place) -> Vec<Spec> {
        Pool::Mean.spec(name, place.read, self.count)
    }

    fn output<'t>(&self, name: &str, weights: &Params<'t>, read: &Read<'_, 't>) -> Var<'t> {
        Pool::Mean.output(name, weights, read.x)
    }

    fn output_shape(&self, _: &Place) -> Vec<usize> {
        vec![self.count]
    }

    fn target_shape(&self, _: &Place) -> Vec<usize> {
        vec![self.count]
    }

    /// Mean squared error over the numbers of a picture.
    fn losses<'t>(&self, output: Var<'t>, target: Var<'t>) -> Var<'t> {
        mean_each((output - target).square())
    }

    /// The same: a number has no temperature.
    fn distances<'t>(&self, output: Var<'t>, teacher: Var<'t>, _: f64) -> Var<'t> {
        self.losses(output, teacher)
    }

    fn check(&self, _: &[Layer], most: usize) -> Result<(), String> {
        check_count("values", self.count, most)
    }
}
