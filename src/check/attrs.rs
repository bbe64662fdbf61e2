//! The attributes of one step, read with their types and bounds.
//!
//! Every whole number is below 2^24: larger ones mean nothing for tensors of at most 2^28 elements, and
//! no product of two of them overflows.

use super::case_file::{Checked, damaged, unsupported};
use crate::shape::{Axes, Shape};
use serde_json::{Map, Value};

const MAX_WHOLE: u64 = 1 << 24;

pub struct Attrs<'a> {
    map: &'a Map<String, Value>,
}

impl<'a> Attrs<'a> {
    /// Refuses every attribute that the operation does not know.
    pub fn new(map: &'a Map<String, Value>, known: &[&str]) -> Checked<Self> {
        match map.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => unsupported(format!("attribute {key:?} is not known")),
            None => Ok(Self { map }),
        }
    }

    pub fn has(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    fn required(&self, key: &str) -> Checked<&'a Value> {
        match self.map.get(key) {
            Some(value) => Ok(value),
            None => damaged(format!("attribute {key:?} is missing")),
        }
    }

    pub fn number(&self, key: &str, default: Option<f64>) -> Checked<f64> {
        match (self.map.get(key), default) {
            (None, Some(value)) => Ok(value),
            _ => match self.required(key)?.as_f64() {
                Some(value) if value.is_finite() => Ok(value),
                _ => damaged(format!("attribute {key:?} is {}, expected a number", self.map[key])),
            },
        }
    }

    pub fn flag(&self, key: &str, default: bool) -> Checked<bool> {
        match self.map.get(key) {
            None => Ok(default),
            Some(Value::Bool(value)) => Ok(*value),
            Some(other) => damaged(format!("attribute {key:?} is {other}, expected true or false")),
        }
    }

    /// An i32, as the exponent of `powi`.
    pub fn exponent(&self, key: &str) -> Checked<i32> {
        match self.required(key)?.as_i64().and_then(|n| i32::try_from(n).ok()) {
            Some(n) => Ok(n),
            None => {
                damaged(format!("attribute {key:?} is {}, expected a whole number", self.map[key]))
            }
        }
    }

    /// The seed of `hash_uniform`: any u32.
    pub fn seed(&self, key: &str) -> Checked<u32> {
        match self.required(key)?.as_u64().and_then(|n| u32::try_from(n).ok()) {
            Some(n) => Ok(n),
            None => {
                damaged(format!("attribute {key:?} is {}, expected 0 to 2^32 − 1", self.map[key]))
            }
        }
    }

    /// A whole number from `least`.
    pub fn whole(&self, key: &str, least: usize) -> Checked<usize> {
        whole(key, self.required(key)?, least)
    }

    pub fn whole_or(&self, key: &str, least: usize, default: usize) -> Checked<usize> {
        if self.has(key) { self.whole(key, least) } else { Ok(default) }
    }

    pub fn list(&self, key: &str, least: usize) -> Checked<Vec<usize>> {
        let value = self.required(key)?;
        match value.as_array() {
            Some(all) => all.iter().map(|item| whole(key, item, least)).collect(),
            None => damaged(format!("attribute {key:?} is {value}, expected a list")),
        }
    }

    /// A list of exactly N numbers.
    pub fn array<const N: usize>(&self, key: &str, least: usize) -> Checked<[usize; N]> {
        let list = self.list(key, least)?;
        let len = list.len();
        list.try_into()
            .or_else(|_| damaged(format!("attribute {key:?} has {len} numbers, expected {N}")))
    }

    pub fn array_or<const N: usize>(
        &self,
        key: &str,
        least: usize,
        default: [usize; N],
    ) -> Checked<[usize; N]> {
        if self.has(key) { self.array(key, least) } else { Ok(default) }
    }

    /// A list with one number for each axis of `shape`.
    pub fn per_axis(&self, key: &str, shape: Shape) -> Checked<Vec<usize>> {
        let list = self.list(key, 0)?;
        if list.len() != shape.rank() {
            return damaged(format!("attribute {key:?} has {} numbers for {shape}", list.len()));
        }
        Ok(list)
    }

    pub fn shape(&self, key: &str) -> Checked<Shape> {
        Shape::try_new(&self.list(key, 1)?).or_else(damaged)
    }

    pub fn axis(&self, key: &str, shape: Shape) -> Checked<usize> {
        let axis = self.whole(key, 0)?;
        if axis < shape.rank() { Ok(axis) } else { damaged(format!("{shape} has no axis {axis}")) }
    }

    /// Distinct axes of `shape`, in ascending order.
    pub fn axes(&self, key: &str, shape: Shape) -> Checked<Vec<usize>> {
        let list = self.list(key, 0)?;
        if let Some(axis) = list.iter().find(|&&axis| axis >= shape.rank()) {
            return damaged(format!("{shape} has no axis {axis}"));
        }
        let distinct: Vec<usize> = Axes::new(&list).iter().collect();
        if distinct.len() != list.len() {
            return damaged(format!("attribute {key:?} names an axis twice: {list:?}"));
        }
        Ok(distinct)
    }
}

fn whole(key: &str, value: &Value, least: usize) -> Checked<usize> {
    match value.as_u64() {
        Some(n) if n >= least as u64 && n < MAX_WHOLE => Ok(n as usize),
        _ => damaged(format!("attribute {key:?}: {value} is no whole number from {least} to 2^24")),
    }
}
