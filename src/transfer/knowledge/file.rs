//! Knowledge on disk: one safetensors file, `metatape-knowledge-1`. Its metadata has one entry, `metatape`, a JSON object
//! with what is no tensor; what the tensors are called stands at [`Knowledge`].
//!
//! A file may come from anywhere: its size is bounded before it is read, memory by its size, and every shape and
//! number is checked before anyone learns from it.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use serde::{Deserialize, Serialize};

use super::{Knowledge, digits};
use crate::data::read_bounded;
use crate::error::{Error, Result};
use crate::run::{Named, save_model};
use crate::shape::Shape;
use sha2::{Digest, Sha256};

pub const FORMAT: &str = "metatape-knowledge-1";

/// No knowledge file is larger: 1 GiB.
pub const MOST_BYTES: u64 = 1 << 30;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    network: serde_json::Value,
    trunk: String,
    temperature: f64,
    examples: usize,
    examples_fingerprint: String,
    classes: BTreeMap<String, Vec<String>>,
    /// Of this object without it, and of each tensor in order of name: safetensors would not notice a flipped bit.
    checksum: String,
}

impl Knowledge {
    /// Writes the file, whole or not at all. Errors: a number that is not finite, and what writing may meet.
    pub fn save(&self, path: &Path) -> Result<()> {
        let bytes: usize = self.tensors.iter().map(|(.., values)| 4 * values.len()).sum();
        if bytes as u64 > MOST_BYTES / 2 {
            return Err(Error::input(format!(
                "the knowledge for {} holds {bytes} bytes, at most {} are possible: take fewer examples or layers",
                path.display(),
                MOST_BYTES / 2
            )));
        }
        let wrong = |why| Error::input(format!("cannot write {}: {why}", path.display()));
        self.check().map_err(wrong)?;
        let mut tensors = self.tensors.clone();
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        let mut header = Header {
            format: FORMAT.into(),
            network: self.network.clone(),
            trunk: self.trunk.clone(),
            temperature: self.temperature,
            examples: self.examples,
            examples_fingerprint: self.examples_fingerprint.clone(),
            classes: self.classes.clone(),
            checksum: String::new(),
        };
        header.checksum = checksum(&header, &tensors);
        let value = serde_json::to_value(&header).expect("a header is plain data");
        save_model(path, &tensors, &value)
    }

    /// Reads a file that [`Knowledge::save`] wrote. Errors: one line with what was found and what was expected.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = read_bounded(path, MOST_BYTES)?;
        Self::from_bytes(&bytes).map_err(|why| {
            Error::input(format!(
                "{}: {why}; expected a knowledge file of metatape ({FORMAT})",
                path.display()
            ))
        })
    }

    fn from_bytes(bytes: &[u8]) -> std::result::Result<Self, String> {
        let damaged = |why: String| format!("damaged or cut short ({why})");
        let file = SafeTensors::deserialize(bytes).map_err(|e| damaged(e.to_string()))?;
        let (_, metadata) =
            SafeTensors::read_metadata(bytes).map_err(|e| damaged(e.to_string()))?;
        let entry = metadata.metadata().as_ref().and_then(|m| m.get("metatape"));
        let text = entry.ok_or("no entry \"metatape\" in its metadata")?;
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|e| damaged(e.to_string()))?;
        match value.get("format").and_then(|format| format.as_str()) {
            Some(FORMAT) => {}
            Some(other) => return Err(format!("its format is {other:?}")),
            None => return Err("a model or checkpoint, not knowledge".into()),
        }
        let header: Header = serde_json::from_value(value).map_err(|e| damaged(e.to_string()))?;
        let mut tensors = vec![];
        for (name, view) in file.iter() {
            if view.dtype() != Dtype::F32 {
                return Err(format!("{name:?} holds {:?}, not F32", view.dtype()));
            }
            let numbers = view.data().chunks_exact(4);
            let values = numbers.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            tensors.push((name.to_string(), view.shape().to_vec(), values));
        }
        tensors.sort_by(|a: &Named, b| a.0.cmp(&b.0));
        let found = checksum(&header, &tensors);
        if found != header.checksum {
            return Err(damaged(format!("checksum {found}, it says {:?}", header.checksum)));
        }
        let Header { network, trunk, temperature, examples, examples_fingerprint, classes, .. } =
            header;
        let knowledge =
            Self { network, trunk, temperature, examples, examples_fingerprint, classes, tensors };
        knowledge.check()?;
        Ok(knowledge)
    }

    /// What every knowledge is: known tensors of fitting shapes, finite numbers, probabilities that sum to 1.
    fn check(&self) -> std::result::Result<(), String> {
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            return Err(format!("a temperature of {}", self.temperature));
        }
        for (name, shape, values) in &self.tensors {
            let wrong = |why: &str| Err(format!("{name:?} {shape:?} {why}"));
            if let Err(why) = Shape::try_new(shape) {
                return Err(format!("{name:?}: {why}"));
            }
            if values.iter().any(|v| !v.is_finite()) {
                return wrong("holds a number that is not finite");
            }
            let classes = |task: &str| self.classes.get(task).map_or(0, Vec::len);
            let per_example = shape[0] == self.examples;
            match name.split_once('/').unwrap_or((&name[..], "")) {
                ("soft", task) => {
                    if !per_example || shape[1..] != [classes(task)] {
                        return wrong("is no list of one probability a class for each example");
                    }
                    // 1e-3: a thousand classes, each rounded to f32.
                    let fine = |row: &[f32]| {
                        (row.iter().sum::<f32>() - 1.0).abs() < 1e-3
                            && row.iter().all(|&p| p >= 0.0)
                    };
                    if !values.chunks_exact(shape[1]).all(fine) {
                        return wrong("has a row that is no probability");
                    }
                }
                ("feature" | "attention" | "input", _) if !per_example => {
                    return wrong("has not one entry for each example");
                }
                ("feature" | "attention" | "weight", _) | ("input", "") => {}
                ("prototype", rest) => {
                    let Some((task, what)) = rest.rsplit_once('/') else {
                        return wrong("is no part of a prototype");
                    };
                    let rank = if what == "mean" { 2 } else { 1 };
                    let n = classes(task);
                    if !["mean", "count"].contains(&what) || shape.len() != rank || shape[0] != n {
                        return wrong("is no mean or count with one row a class");
                    }
                    if what == "count" && values.iter().any(|&v| v < 0.0 || v.fract() != 0.0) {
                        return wrong("counts by fractions");
                    }
                }
                ("statistics", rest) => match rest.rsplit_once('/') {
                    Some((_, "mean")) if shape.len() == 1 => {}
                    Some((_, "variance")) if shape.len() == 1 => {
                        if values.iter().any(|&v| v < 0.0) {
                            return wrong("has a variance below 0");
                        }
                    }
                    _ => return wrong("is no mean or variance of channels"),
                },
                _ => return wrong("is nothing that knowledge consists of"),
            }
        }
        Ok(())
    }
}

fn checksum(header: &Header, tensors: &[Named]) -> String {
    let mut hash = Sha256::new();
    let Header {
        format, network, trunk, temperature, examples, examples_fingerprint, classes, ..
    } = header;
    hash.update(format!("{format} {network} {trunk:?} {} {examples}", temperature.to_bits()));
    hash.update(format!("{examples_fingerprint:?} {classes:?}"));
    for (name, shape, values) in tensors {
        hash.update(format!("{name:?} {shape:?}"));
        values.iter().for_each(|v| hash.update(v.to_le_bytes()));
    }
    digits(hash)
}
