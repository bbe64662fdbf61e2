//! Checkpoints: everything that a run needs to go on bit for bit, in one safetensors file.
//!
//! Episodes and random numbers are pure functions of (seed, stream, step, task, element), so the state is: weights,
//! optimiser, step, and how long `metrics.jsonl` was. The file's metadata has one entry, `metatape`, a JSON object
//! with the rest and a checksum over names, shapes and numbers: safetensors itself would not notice a flipped bit.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

use super::files::{io_error, write_atomic};
use crate::error::{Error, Result};
use crate::recipe::fnv1a;

/// Rises when a reader of the old format would misunderstand the new one.
pub const FORMAT: u32 = 1;

/// A named tensor: name, shape (sizes of axes), values in row-major order.
pub type Named = (String, Vec<usize>, Vec<f32>);

/// The state after `step` steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    pub step: u64,
    /// [`crate::recipe::Recipe::hash`] of the recipe that made it.
    pub recipe_hash: String,
    /// Length of `metrics.jsonl` when this was saved.
    pub metrics_bytes: u64,
    pub tensors: Vec<Named>,
    /// Counters and scalars; floats come back bit for bit.
    pub extra: serde_json::Value,
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    step: u64,
    recipe_hash: String,
    metrics_bytes: u64,
    extra: serde_json::Value,
    /// FNV-1a of this object without it, then of each tensor in order of name.
    checksum: String,
}

impl Checkpoint {
    /// Writes the file, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut tensors: Vec<&Named> = self.tensors.iter().collect();
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        let mut header = Header {
            format: FORMAT,
            step: self.step,
            recipe_hash: self.recipe_hash.clone(),
            metrics_bytes: self.metrics_bytes,
            extra: self.extra.clone(),
            checksum: String::new(),
        };
        let bytes: Vec<Vec<u8>> = tensors.iter().map(|(_, _, values)| to_bytes(values)).collect();
        let parts = tensors.iter().zip(&bytes);
        let parts = parts.map(|((name, shape, _), bytes)| (name.as_str(), &shape[..], &bytes[..]));
        header.checksum = checksum(&header, parts);
        let text = serde_json::to_string(&header).expect("a header is plain data");
        let named = tensors
            .iter()
            .zip(&bytes)
            .map(|((name, shape, _), b)| (name.as_str(), &shape[..], &b[..]));
        write_atomic(path, &pack(named, "metatape", text))
    }

    /// Reads a checkpoint of the recipe with this hash.
    ///
    /// Everything in the file is checked before it is believed; allocations are bounded by the file's size. Fails
    /// with what was found, what was expected and what to do.
    pub fn load(path: &Path, expected_hash: &str) -> Result<Self> {
        let shown = path.display();
        let damaged = |why: String| {
            Error::input(format!(
                "{shown} is damaged or cut short ({why}); expected a checkpoint of metatape: \
                 restore it from a copy, or remove it to begin from step 0"
            ))
        };
        if !path.is_file() {
            return Err(Error::input(format!(
                "{shown} does not exist; expected a checkpoint of metatape"
            )));
        }
        let bytes = std::fs::read(path).map_err(|e| io_error("read", path, &e))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
        let (_, metadata) =
            SafeTensors::read_metadata(&bytes).map_err(|e| damaged(e.to_string()))?;
        let text =
            metadata.metadata().as_ref().and_then(|m| m.get("metatape")).ok_or_else(|| {
                Error::input(format!(
                    "{shown} is a safetensors file of {} tensors without the entry \"metatape\"; \
                 expected a checkpoint that metatape wrote",
                    file.len()
                ))
            })?;
        let header: Header = serde_json::from_str(text).map_err(|e| damaged(e.to_string()))?;
        if header.format != FORMAT {
            return Err(Error::input(format!(
                "{shown} has format {}; this program reads format {FORMAT}: use the version that wrote it",
                header.format
            )));
        }
        let mut views: Vec<(&str, TensorView)> = file.iter().collect();
        views.sort_by_key(|(name, _)| *name);
        if let Some((name, view)) = views.iter().find(|(_, view)| view.dtype() != Dtype::F32) {
            return Err(damaged(format!("{name:?} holds {:?}, not F32", view.dtype())));
        }
        let found = checksum(&header, views.iter().map(|(name, v)| (*name, v.shape(), v.data())));
        if found != header.checksum {
            return Err(damaged(format!("checksum {found}, the file says {:?}", header.checksum)));
        }
        if header.recipe_hash != expected_hash {
            return Err(Error::input(format!(
                "{shown} was made by another recipe (hash {}, expected {expected_hash}): \
                 resume with the recipe.toml beside it and without changes to what is learned",
                header.recipe_hash
            )));
        }
        let tensors =
            views.iter().map(|(name, v)| (name.to_string(), v.shape().to_vec(), to_f32(v.data())));
        Ok(Checkpoint {
            step: header.step,
            recipe_hash: header.recipe_hash,
            metrics_bytes: header.metrics_bytes,
            tensors: tensors.collect(),
            extra: header.extra,
        })
    }

    /// The values of the tensors with these names and shapes, in this order, and no others.
    ///
    /// Fails where the checkpoint is of another model, naming the first difference.
    pub fn matching(&self, expected: &[(String, Vec<usize>)]) -> Result<Vec<&[f32]>> {
        let other =
            |why: String| Error::input(format!("the checkpoint is of another model: {why}"));
        let found: HashMap<&str, &Named> = self.tensors.iter().map(|t| (t.0.as_str(), t)).collect();
        let values = expected.iter().map(|(name, shape)| match found.get(name.as_str()) {
            Some((_, s, values)) if s == shape => Ok(&values[..]),
            Some((_, s, _)) => {
                Err(other(format!("{name} has the shape {s:?}, expected {shape:?}")))
            }
            None => Err(other(format!("it has no {name} {shape:?}"))),
        });
        let values = values.collect::<Result<Vec<_>>>()?;
        let extra = self.tensors.iter().find(|(name, ..)| !expected.iter().any(|(e, _)| e == name));
        match extra {
            Some((name, shape, _)) => {
                Err(other(format!("it has {name} {shape:?}, which this one has not")))
            }
            None => Ok(values),
        }
    }
}

/// Writes tensors and one entry of metadata as a safetensors file that other programs can read.
pub fn save_model(path: &Path, tensors: &[Named], metadata: &serde_json::Value) -> Result<()> {
    let bytes: Vec<Vec<u8>> = tensors.iter().map(|(_, _, values)| to_bytes(values)).collect();
    let named =
        tensors.iter().zip(&bytes).map(|((name, shape, _), b)| (name.as_str(), &shape[..], &b[..]));
    write_atomic(path, &pack(named, "metatape", metadata.to_string()))
}

/// One entry of metadata only: the format's map has no order, and the same state shall be the same bytes.
#[track_caller]
fn pack<'a>(
    named: impl Iterator<Item = (&'a str, &'a [usize], &'a [u8])>,
    entry: &str,
    text: String,
) -> Vec<u8> {
    let views = named.map(|(name, shape, bytes)| {
        match TensorView::new(Dtype::F32, shape.to_vec(), bytes) {
            Ok(view) => (name, view),
            Err(why) => panic!("{name} {shape:?}: {why}"),
        }
    });
    let metadata = HashMap::from([(entry.to_string(), text)]);
    match safetensors::serialize(views.collect::<Vec<_>>(), Some(metadata)) {
        Ok(bytes) => bytes,
        Err(why) => panic!("these tensors make no safetensors file: {why}"),
    }
}

fn checksum<'a>(
    header: &Header,
    tensors: impl Iterator<Item = (&'a str, &'a [usize], &'a [u8])>,
) -> String {
    let Header { format, step, recipe_hash, metrics_bytes, extra, .. } = header;
    let head = format!("{format} {step} {recipe_hash:?} {metrics_bytes} {extra}");
    let mut sum = fnv1a([head.as_bytes()]);
    for (name, shape, bytes) in tensors {
        let head = format!("{sum:x} {name:?} {shape:?}");
        sum = fnv1a([head.as_bytes(), bytes]);
    }
    format!("{sum:016x}")
}

fn to_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn to_f32(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// When a checkpoint is due: every so many seconds, every so many steps, or both; 0 turns one off.
#[derive(Clone, Debug)]
pub struct Policy {
    seconds: f64,
    steps: u64,
    last: Duration,
}

impl Policy {
    pub fn new(seconds: f64, steps: u64) -> Self {
        Policy { seconds, steps, last: Duration::ZERO }
    }

    /// Whether to save after `step` steps, `elapsed` after the start of this process.
    pub fn due(&mut self, step: u64, elapsed: Duration) -> bool {
        let by_time =
            self.seconds > 0.0 && (elapsed.saturating_sub(self.last)).as_secs_f64() >= self.seconds;
        let by_steps = self.steps > 0 && step.is_multiple_of(self.steps);
        if by_time || by_steps {
            self.last = elapsed;
        }
        by_time || by_steps
    }
}
