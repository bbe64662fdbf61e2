//! A model file: read with every claim checked, written whole or not at all.

use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use serde_json::{Value, json};

use super::Card;
use crate::data::read_bounded;
use crate::error::{Error, Result};
use crate::nn::{Weight, Weights};
use crate::run::save_model;

/// Bytes of the largest file that is read: [`crate::nn::MultiTask::check`] allows 512 MB of weights.
const MOST_BYTES: u64 = (512 << 20) + (16 << 20);
/// Bytes that a program of a model from a file may take.
pub const MOST_MEMORY: u64 = 4 << 30;

#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub card: Card,
    /// In the order of the network's parameters.
    pub weights: Weights,
    /// The recipe that made it, as TOML.
    pub recipe: Option<String>,
}

impl Model {
    /// Reads a model file, or the one in the folder of a run.
    ///
    /// Errors, one line each: no such file, not a model, a model without a card, a card that does not fit its weights.
    pub fn load(path: &Path) -> Result<Self> {
        let inside = path.join("model.safetensors");
        let path = if path.is_dir() { &inside } else { path };
        let fail = |why: &str| Error::input(format!("{}: {why}", path.display()));
        if !path.is_file() {
            return Err(fail(
                "no such file, expected the model.safetensors that `metatape run` leaves",
            ));
        }
        let bytes = read_bounded(path, MOST_BYTES)?;
        let foreign = |e: safetensors::SafeTensorError| {
            fail(&format!(
                "not a model ({e}); expected the model.safetensors that `metatape run` leaves"
            ))
        };
        let file = SafeTensors::deserialize(&bytes).map_err(foreign)?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(foreign)?;
        let entry = header.metadata().as_ref().and_then(|m| m.get("metatape")).ok_or_else(|| {
            fail("a safetensors file of another program (no entry \"metatape\"); expected a model that `metatape run` left")
        })?;
        let mut entry: Value = serde_json::from_str(entry).map_err(|e| {
            fail(&format!("its entry \"metatape\" is not JSON ({e}); it is damaged"))
        })?;
        let card = entry.get_mut("card").map(Value::take).ok_or_else(|| {
            fail("a model without a card, as few-shot recipes leave it; expected one of a recipe with heads, such as driving")
        })?;
        let card: Card = serde_json::from_value(card).map_err(|e| {
            fail(&format!("its card is not understood ({e}); use the version that wrote it"))
        })?;
        card.check().map_err(|why| fail(&format!("its card is wrong: {why}")))?;

        let mut weights = vec![];
        for spec in card.network.spec() {
            let found = file.tensor(&spec.name).map_err(|_| {
                fail(&format!(
                    "its card names {} {}, which the file does not hold",
                    spec.name, spec.shape
                ))
            })?;
            if found.dtype() != Dtype::F32 || found.shape() != spec.shape.dims() {
                let (shape, kind) = (found.shape(), found.dtype());
                return Err(fail(&format!(
                    "{} is {shape:?} of {kind:?}, expected {} of F32",
                    spec.name, spec.shape
                )));
            }
            let values =
                found.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
            weights.push(Weight { name: spec.name, shape: spec.shape, values });
        }
        let weights = Weights(weights);
        if let Some(name) = weights.not_finite() {
            return Err(fail(&format!(
                "{name} holds numbers that are not finite: the run that made it diverged"
            )));
        }
        let recipe = entry.get("recipe").and_then(Value::as_str).map(str::to_string);
        Ok(Self { card, weights, recipe })
    }

    /// Writes the file, replacing what was there.
    pub fn save(&self, path: &Path) -> Result<()> {
        let tensors: Vec<_> = self
            .weights
            .iter()
            .map(|w| (w.name.clone(), w.shape.dims().to_vec(), w.values.clone()))
            .collect();
        save_model(path, &tensors, &self.metadata())
    }

    /// What stands in the file beside the weights.
    pub fn metadata(&self) -> Value {
        let mut entry = json!({ "version": env!("CARGO_PKG_VERSION"), "card": self.card });
        if let Some(recipe) = &self.recipe {
            entry["recipe"] = json!(recipe);
        }
        entry
    }

    /// The position of the head of this name, or one line that says which there are.
    pub fn head(&self, name: &str) -> Result<usize> {
        let heads = &self.card.network.heads;
        self.card.network.head(name).ok_or_else(|| {
            let names: Vec<String> = heads.iter().map(|head| head.name.clone()).collect();
            let there = crate::data::support::listed(&names);
            Error::input(format!("the model has no head {name:?}; it has {there}"))
        })
    }
}
