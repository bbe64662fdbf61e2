//! What a model file says of itself beside its weights: the network, what its answers are called, what pictures it
//! expects. It stands in the file's metadata as JSON, in the object `metatape` under the key `card`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::nn::{HeadKind, MultiTask};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// What the model is, in a sentence.
    pub title: String,
    pub network: MultiTask,
    /// Names of each head's classes, labels or numbers, in their order.
    pub classes: BTreeMap<String, Vec<String>>,
    /// Of each channel over the pictures it learned from, in values of 0 to 1: the network sees (x − mean)/std.
    pub mean: [f32; 3],
    pub std: [f32; 3],
    /// For a head that sees pictures as one mixture of the known domains: the share of each row of the embedding's
    /// table. A head without an entry sees them as all in equal parts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub domains: BTreeMap<String, Vec<f32>>,
}

/// Sides of a picture that a network from a file may want.
const MOST_SIDE: usize = 1024;

impl Card {
    /// Whether the parts fit together: for a card that comes from a file. An error is one line.
    pub fn check(&self) -> Result<(), String> {
        let [height, width, channels] = self.network.image;
        if channels != 3 || height.max(width) > MOST_SIDE {
            return Err(format!(
                "it wants pictures of {height}x{width}x{channels}; sides up to {MOST_SIDE} and 3 channels are possible"
            ));
        }
        self.network.check().map_err(|e| e.to_string())?;
        let numbers = self.mean.iter().chain(&self.std);
        if !numbers.clone().all(|v| v.is_finite()) || self.std.iter().any(|&s| s <= 0.0) {
            return Err(format!("mean {:?} and std {:?} of its pictures", self.mean, self.std));
        }
        for head in &self.network.heads {
            let (expected, found) = (answers(&head.kind), self.names(&head.name).len());
            if expected != found {
                return Err(format!(
                    "head {} gives {expected} answers and has {found} names",
                    head.name
                ));
            }
        }
        let rows = self.network.embedding.map_or(0, |e| e.domains);
        for (head, shares) in &self.domains {
            if shares.len() != rows || !shares.iter().all(|s| s.is_finite()) {
                return Err(format!("head {head} mixes {} domains of {rows}", shares.len()));
            }
        }
        Ok(())
    }

    /// Names of a head's answers; none for a head that is not there.
    pub fn names(&self, head: &str) -> &[String] {
        self.classes.get(head).map_or(&[], |names| names)
    }

    /// The share of each domain in what a head sees; `None` without an embedding.
    pub fn mixture(&self, head: &str) -> Option<Vec<f32>> {
        let rows = self.network.embedding?.domains;
        let equal = || vec![1.0 / rows as f32; rows];
        Some(self.domains.get(head).cloned().unwrap_or_else(equal))
    }
}

/// How many names a head's answers have.
fn answers(kind: &HeadKind) -> usize {
    match kind {
        HeadKind::Classes(kind) => kind.classes,
        HeadKind::Labels(kind) => kind.labels,
        HeadKind::Boxes(kind) => kind.classes,
        HeadKind::Mask(kind) => kind.classes,
        HeadKind::Values(kind) => kind.count,
    }
}
