//! The program of a case: named steps over named values, as JSON. Names are resolved here, so that
//! `build.rs` sees a list in which every argument stands before its use.
//!
//! `{"steps": [{"out": ["y"], "op": "conv2d", "in": ["x", "w"], "attrs": {...}}, ...], "outputs": ["y"]}`

use super::case_file::{Checked, Refusal, Values, damaged};
use serde_json::{Map, Value};
use std::collections::HashSet;

/// More steps than this are refused; the largest case has 375.
const MAX_STEPS: usize = 100_000;

#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub out: Vec<String>,
    pub op: String,
    #[serde(rename = "in")]
    pub inputs: Vec<String>,
    #[serde(default)]
    pub attrs: Map<String, Value>,
}

#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    pub steps: Vec<Step>,
    pub outputs: Vec<String>,
}

impl Program {
    /// Every name is an input or assigned once by an earlier step; only `grad` has several results.
    pub fn parse(text: &str, inputs: &[Values]) -> Checked<Program> {
        let program: Program = serde_json::from_str(text)
            .map_err(|why| Refusal::Damaged(format!("its program does not parse: {why}")))?;
        if program.steps.len() > MAX_STEPS {
            return damaged(format!("has {} steps, at most {MAX_STEPS}", program.steps.len()));
        }
        let mut known: HashSet<&str> = inputs.iter().map(|x| x.name.as_str()).collect();
        for (number, step) in program.steps.iter().enumerate() {
            let at = || format!("step {number} ({})", step.op);
            if let Some(name) = step.inputs.iter().find(|name| !known.contains(name.as_str())) {
                return damaged(format!("{}: {name:?} is no input and no earlier result", at()));
            }
            let results = if step.op == "grad" { step.inputs.len().wrapping_sub(1) } else { 1 };
            if step.out.len() != results || results == 0 {
                return damaged(format!("{}: has {} results", at(), step.out.len()));
            }
            for name in &step.out {
                if !known.insert(name) {
                    return damaged(format!("{}: {name:?} is assigned twice", at()));
                }
            }
        }
        match program.outputs.iter().find(|name| !known.contains(name.as_str())) {
            Some(name) => damaged(format!("output {name:?} is no input and no result")),
            None if program.outputs.is_empty() => damaged("its program has no outputs"),
            None => Ok(program),
        }
    }
}
