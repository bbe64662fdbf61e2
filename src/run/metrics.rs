//! `metrics.jsonl`: one JSON object a line, in the order in which things happened.
//!
//! Lines carry no clock, so that a resumed run's file equals an undisturbed one's. A checkpoint notes how long
//! the file was; resuming cuts it there.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::io_error;
use crate::error::{Error, Result};

/// One line. A number that is not finite stands as `null`; an [`Line::Event`] says what happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line {
    /// After `step` steps of training: `loss`, `accuracy`, `grad_norm`, ...
    Train {
        seed: u64,
        step: u64,
        #[serde(flatten)]
        values: BTreeMap<String, Option<f64>>,
    },
    /// A figure on test tasks, named as in `summary.json`; `ci95` is the half-width.
    Evaluate { seed: u64, step: u64, name: String, value: Option<f64>, ci95: Option<f64>, n: u64 },
    /// A fallback, a solver that did not converge, something non-finite.
    Event { seed: u64, step: u64, event: String, text: String },
}

impl Line {
    pub fn train(seed: u64, step: u64, values: &[(&str, f64)]) -> Self {
        let values = values.iter().map(|(name, x)| (name.to_string(), finite(*x)));
        Line::Train { seed, step, values: values.collect() }
    }

    pub fn evaluate(seed: u64, step: u64, name: &str, value: f64, ci95: f64, n: u64) -> Self {
        let (value, ci95) = (finite(value), finite(ci95));
        Line::Evaluate { seed, step, name: name.into(), value, ci95, n }
    }

    /// `event` is a short word for programs, `text` a sentence for people.
    pub fn event(seed: u64, step: u64, event: &str, text: impl std::fmt::Display) -> Self {
        Line::Event { seed, step, event: event.into(), text: text.to_string() }
    }
}

/// JSON has no NaN and no infinity.
pub fn finite(x: f64) -> Option<f64> {
    x.is_finite().then_some(x)
}

/// The open file. While it is open no other process can write to the run.
#[derive(Debug)]
pub struct Metrics {
    file: File,
    path: PathBuf,
    bytes: u64,
}

impl Metrics {
    /// Opens `path`, made where it is missing, and cuts it to its first `keep` bytes.
    ///
    /// Fails where the file is shorter than that, or another process holds it.
    pub fn open(path: &Path, keep: u64) -> Result<Self> {
        let why = |e: std::io::Error| io_error("open", path, &e);
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).open(path).map_err(why)?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(Error::input(format!(
                "{}: another process is writing to this run; wait for it or stop it",
                path.display()
            )));
        }
        let found = file.metadata().map_err(why)?.len();
        if found < keep {
            return Err(Error::input(format!(
                "{} has {found} bytes, the checkpoint beside it knows of {keep}; expected the files of one run",
                path.display()
            )));
        }
        file.set_len(keep).and_then(|()| file.seek(SeekFrom::End(0))).map_err(why)?;
        Ok(Metrics { file, path: path.into(), bytes: keep })
    }

    /// Appends one line, whole or not at all.
    pub fn append(&mut self, line: &Line) -> Result<()> {
        let mut text = serde_json::to_string(line).expect("a line is plain data");
        text.push('\n');
        match self.file.write_all(text.as_bytes()) {
            Ok(()) => {
                self.bytes += text.len() as u64;
                Ok(())
            }
            Err(e) => {
                let _ = self.file.set_len(self.bytes);
                Err(io_error("write", &self.path, &e))
            }
        }
    }

    /// Brings every line to the disk and returns the file's length: what a checkpoint notes.
    pub fn sync(&mut self) -> Result<u64> {
        self.file.sync_data().map_err(|e| io_error("write", &self.path, &e))?;
        Ok(self.bytes)
    }
}

/// All lines of a file, for reports and summaries. Fails at the first line that is none.
pub fn read(path: &Path) -> Result<Vec<Line>> {
    let file = File::open(path).map_err(|e| io_error("read", path, &e))?;
    let mut lines = Vec::new();
    for (i, text) in BufReader::new(file).lines().enumerate() {
        let text = text.map_err(|e| io_error("read", path, &e))?;
        let why =
            |e| Error::input(format!("{}, line {}: not a metric: {e}", path.display(), i + 1));
        lines.push(serde_json::from_str(&text).map_err(why)?);
    }
    Ok(lines)
}
