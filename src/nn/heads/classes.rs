//! Which of several classes: one answer a picture.

use serde::{Deserialize, Serialize};

use super::{Kind, Place, Pool, Read, check_count};
use crate::loss::{cross_entropy_each, kl_each};
use crate::nn::{Layer, Params, Spec};
use crate::tape::Var;

/// Output: logits `[tasks, pictures, classes]`. Target: the class's number, `[tasks, pictures]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classes {
    pub classes: usize,
    #[serde(default)]
    pub pool: Pool,
    /// What a picture of each class counts; none: all 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Vec<f64>>,
}

impl Classes {
    pub fn new(classes: usize, pool: Pool) -> Self {
        Self { classes, pool, weights: None }
    }
}

impl Kind for Classes {
    fn spec(&self, name: &str, place: &Place) -> Vec<Spec> {
        self.pool.spec(name, place.read, self.classes)
    }

    fn output<'t>(&self, name: &str, weights: &Params<'t>, read: &Read<'_, 't>) -> Var<'t> {
        self.pool.output(name, weights, read.x)
    }

    fn output_shape(&self, _: &Place) -> Vec<usize> {
        vec![self.classes]
    }

    fn target_shape(&self, _: &Place) -> Vec<usize> {
        vec![]
    }

    fn losses<'t>(&self, output: Var<'t>, target: Var<'t>) -> Var<'t> {
        cross_entropy_each(output, target, self.weights.as_deref())
    }

    fn distances<'t>(&self, output: Var<'t>, teacher: Var<'t>, temperature: f64) -> Var<'t> {
        kl_each(output, teacher, temperature)
    }

    fn check(&self, _: &[Layer], most: usize) -> Result<(), String> {
        check_count("classes", self.classes, most)?;
        check_weights(self.weights.as_deref(), self.classes)
    }
}

/// One weight a class, none negative.
pub(super) fn check_weights(weights: Option<&[f64]>, classes: usize) -> Result<(), String> {
    let Some(weights) = weights else { return Ok(()) };
    if weights.len() == classes && weights.iter().all(|w| w.is_finite() && *w >= 0.0) {
        return Ok(());
    }
    Err(format!("weights {weights:?}; expected {classes} numbers that are not negative"))
}
