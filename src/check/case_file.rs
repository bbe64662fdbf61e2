//! A case: one safetensors file with a small program, its inputs and the answers of an independent
//! implementation. This file reads it and trusts nothing in it.
//!
//! Tensors `in/NAME` are inputs (F64, F32 or I32), `out/NAME` the expected results (F64). The
//! metadata holds the program as JSON (see `program.rs`) and the tolerances. Everything allocated here
//! is bounded by the size of the file; what the program's results need is bounded in `build.rs`.

use super::program::Program;
use crate::shape::Shape;
use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensors};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read;
use std::path::Path;

/// Why a case gave no answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// The file is damaged or contradicts itself.
    Damaged(String),
    /// The file is in order, and asks for an operation, attribute or format that is not known here.
    Unsupported(String),
}

pub type Checked<T> = std::result::Result<T, Refusal>;

pub(super) fn damaged<T>(why: impl Into<String>) -> Checked<T> {
    Err(Refusal::Damaged(why.into()))
}

pub(super) fn unsupported<T>(why: impl Into<String>) -> Checked<T> {
    Err(Refusal::Unsupported(why.into()))
}

/// Numbers of a tensor in a file, row-major.
#[derive(Clone, Debug)]
pub struct Values {
    pub name: String,
    pub shape: Shape,
    /// I32: labels or indices; whole numbers that are never differentiated.
    pub whole: bool,
    pub numbers: Vec<f64>,
}

/// `|got − want| ≤ absolute + relative · max|want|`, the maximum over the whole output.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    pub relative: f64,
    pub absolute: f64,
}

#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub program: Program,
    pub inputs: Vec<Values>,
    /// In the order of the program's outputs.
    pub wanted: Vec<Values>,
    /// For executors that compute in f32.
    pub tolerance: Tolerance,
    /// For `reference`.
    pub tolerance64: Tolerance,
}

/// A case file larger than this is refused unread.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// Reads a whole regular file: never more than [`MAX_FILE_BYTES`].
pub fn load(path: &Path) -> Checked<Case> {
    let failed = |why: std::io::Error| Refusal::Damaged(why.to_string());
    let about = std::fs::metadata(path).map_err(failed)?;
    if !about.is_file() {
        return damaged("is not a regular file");
    }
    if about.len() > MAX_FILE_BYTES {
        return damaged(format!("has {} bytes; a case has at most {MAX_FILE_BYTES}", about.len()));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    parse(&bytes)
}

/// As [`load`], from the bytes of a file.
pub fn parse(bytes: &[u8]) -> Checked<Case> {
    let header_len = check_header(bytes)?;
    let (_, header) = SafeTensors::read_metadata(bytes)
        .map_err(|why| Refusal::Damaged(format!("no safetensors file: {why}")))?;
    let none = HashMap::new();
    let about = header.metadata().as_ref().unwrap_or(&none);
    let text = |key: &str| match about.get(key) {
        Some(text) => Ok(text.as_str()),
        None => damaged(format!("its metadata has no `{key}`")),
    };
    match text("format")? {
        "metatape-case-1" => {}
        other => return unsupported(format!("format {other:?}; known is \"metatape-case-1\"")),
    }
    let number = |key: &str| match text(key)?.trim().parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => damaged(format!("`{key}` is {:?}, expected a number of at least 0", text(key)?)),
    };
    let tolerance = Tolerance { relative: number("rtol")?, absolute: number("atol")? };
    let tolerance64 = Tolerance { relative: number("rtol64")?, absolute: number("atol64")? };

    let (inputs, outputs) = tensors(&header, &bytes[8 + header_len..])?;
    let program = Program::parse(text("program")?, &inputs)?;
    let wanted = in_order(&program, outputs)?;
    Ok(Case { name: text("name")?.to_string(), program, inputs, wanted, tolerance, tolerance64 })
}

/// The header's length, checked against the file; no tensor may be named twice in it (the library
/// would keep one of them in silence).
fn check_header(bytes: &[u8]) -> Checked<usize> {
    let Some(first) = bytes.first_chunk::<8>() else {
        return damaged(format!("has {} bytes; a header alone has more", bytes.len()));
    };
    let len = u64::from_le_bytes(*first);
    if len > bytes.len() as u64 - 8 {
        return damaged(format!("its header of {len} bytes does not fit into {}", bytes.len()));
    }
    let text = &bytes[8..8 + len as usize];
    match serde_json::from_slice::<UniqueKeys>(text) {
        Ok(UniqueKeys(None)) => Ok(len as usize),
        Ok(UniqueKeys(Some(name))) => damaged(format!("{name:?} stands twice in its header")),
        Err(why) => damaged(format!("its header is no JSON object: {why}")),
    }
}

/// The first key of a JSON object that stands there twice.
struct UniqueKeys(Option<String>);

impl<'de> serde::Deserialize<'de> for UniqueKeys {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = UniqueKeys;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                write!(f, "an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueKeys, A::Error> {
                let (mut seen, mut twice) = (HashSet::new(), None);
                while let Some((key, _)) = map.next_entry::<String, IgnoredAny>()? {
                    if let Some(key) = seen.replace(key) {
                        twice.get_or_insert(key);
                    }
                }
                Ok(UniqueKeys(twice))
            }
        }
        from.deserialize_map(Keys)
    }
}

/// All inputs and all expected outputs, inputs in the order of their names.
fn tensors(header: &Metadata, data: &[u8]) -> Checked<(Vec<Values>, HashMap<String, Values>)> {
    let (mut inputs, mut outputs) = (vec![], HashMap::new());
    for (name, info) in BTreeMap::from_iter(header.tensors()) {
        if let Some(short) = name.strip_prefix("in/") {
            inputs.push(values(short, info, data, &[Dtype::F64, Dtype::F32, Dtype::I32])?);
        } else if let Some(short) = name.strip_prefix("out/") {
            let wanted = values(short, info, data, &[Dtype::F64])?;
            if wanted.numbers.iter().any(|v| !v.is_finite()) {
                return damaged(format!("tensor {name:?} holds a value that is not finite"));
            }
            outputs.insert(short.to_string(), wanted);
        } else {
            return damaged(format!("tensor {name:?} is neither in/... nor out/..."));
        }
    }
    inputs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((inputs, outputs))
}

fn values(name: &str, info: &TensorInfo, data: &[u8], allowed: &[Dtype]) -> Checked<Values> {
    if !allowed.contains(&info.dtype) {
        return damaged(format!("{name:?} is {:?}, expected one of {allowed:?}", info.dtype));
    }
    let shape =
        Shape::try_new(&info.shape).map_err(|why| Refusal::Damaged(format!("{name:?}: {why}")))?;
    let (start, end) = info.data_offsets;
    let Some(bytes) = data.get(start..end) else {
        return damaged(format!("{name:?} lies at {start}..{end} of {} bytes", data.len()));
    };
    let size = if info.dtype == Dtype::F64 { 8 } else { 4 };
    if bytes.len() != shape.len() * size {
        return damaged(format!("{name:?} {shape} has {} bytes of data", bytes.len()));
    }
    let four = |b: &[u8]| [b[0], b[1], b[2], b[3]];
    let numbers = match info.dtype {
        Dtype::F64 => bytes
            .chunks_exact(8)
            .map(|b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]))
            .collect(),
        Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes(four(b)) as f64).collect(),
        _ => bytes.chunks_exact(4).map(|b| i32::from_le_bytes(four(b)) as f64).collect(),
    };
    Ok(Values { name: name.to_string(), shape, whole: info.dtype == Dtype::I32, numbers })
}

/// One expected tensor for each output of the program, and no other.
fn in_order(program: &Program, mut outputs: HashMap<String, Values>) -> Checked<Vec<Values>> {
    let wanted = program.outputs.iter().map(|name| match outputs.remove(name) {
        Some(values) => Ok(values),
        None => damaged(format!("output {name:?} has no tensor, or is listed twice")),
    });
    let wanted = wanted.collect::<Checked<Vec<_>>>()?;
    match outputs.keys().min() {
        Some(name) => damaged(format!("tensor \"out/{name}\" is no output of the program")),
        None => Ok(wanted),
    }
}
