//! The folder of a run, `runs/RECIPE/N/`: who makes it, what lies where.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::files::{io_error, remove_temporaries, write_atomic};
use crate::error::{Error, Result};
use crate::recipe::{self, Override, Recipe};

/// Where the files of one run are.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// `out`, which must be new or empty, or the next free number under `runs/RECIPE/`; with the resolved
    /// `recipe.toml` in it. Two processes that start at once get two folders. Fails without leaving a folder.
    pub fn create(recipe: &Recipe, out: Option<&Path>) -> Result<Folder> {
        let (path, made) = match out {
            Some(path) => given(path)?,
            None => (next_free(&Path::new("runs").join(&recipe.name))?, true),
        };
        let folder = Folder { path };
        write_atomic(&folder.recipe(), recipe.to_toml().as_bytes()).inspect_err(|_| {
            if made {
                let _ = fs::remove_dir(&folder.path);
            }
        })?;
        Ok(folder)
    }

    /// A folder that an earlier run left, and its recipe with `overrides`.
    pub fn open(path: &Path, overrides: &[Override]) -> Result<(Folder, Recipe)> {
        let folder = Folder { path: path.into() };
        let file = folder.recipe();
        if !file.is_file() {
            return Err(Error::input(format!(
                "{} is not the folder of a run: no recipe.toml in it; expected a folder such as runs/sinusoid/1",
                path.display()
            )));
        }
        remove_temporaries(path);
        let text = recipe::read_text(&file)?;
        let recipe = recipe::resolve(&text, &file.display().to_string(), "recipe", overrides)?;
        Ok((folder, recipe))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn recipe(&self) -> PathBuf {
        self.path.join("recipe.toml")
    }

    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    pub fn checkpoint(&self) -> PathBuf {
        self.path.join("checkpoint.safetensors")
    }

    pub fn model(&self) -> PathBuf {
        self.path.join("model.safetensors")
    }

    pub fn summary(&self) -> PathBuf {
        self.path.join("summary.json")
    }

    pub fn report(&self) -> PathBuf {
        self.path.join("report.html")
    }
}

/// A folder that the user named, and whether it is new.
fn given(path: &Path) -> Result<(PathBuf, bool)> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|e| io_error("make", parent, &e))?;
    }
    match fs::create_dir(path) {
        Ok(()) => return Ok((path.into(), true)),
        Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(io_error("make", path, &e)),
        Err(_) => {}
    }
    let mut entries = fs::read_dir(path).map_err(|e| io_error("read", path, &e))?;
    match entries.next() {
        None => Ok((path.into(), false)),
        Some(_) => Err(Error::input(format!(
            "--out {0}: the folder is not empty; name a new one, or continue a run with --resume {0}",
            path.display()
        ))),
    }
}

/// Makes `parent/N` for the first N above all there are.
pub fn next_free(parent: &Path) -> Result<PathBuf> {
    fs::create_dir_all(parent).map_err(|e| io_error("make", parent, &e))?;
    let entries = fs::read_dir(parent).map_err(|e| io_error("read", parent, &e))?;
    let numbers = entries.flatten().filter_map(|e| e.file_name().to_str()?.parse::<u64>().ok());
    let mut number = numbers.max().unwrap_or(0).saturating_add(1);
    loop {
        let path = parent.join(number.to_string());
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            // Another process was faster: making the folder is what claims a number.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(e) => return Err(io_error("make", &path, &e)),
        }
    }
}
