//! `metatape data`: which data sets are there, whole, and under which licence.

use std::path::{Path, PathBuf};

use super::output;
use crate::data::check::check;
use crate::data::{existing_folder, import as omniglot};
use crate::error::{Error, Result};
use crate::run::Progress;

/// List, check or import data sets
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    pub action: Option<Action>,
    /// Where data sets lie that are not part of the program
    #[arg(long, value_name = "DIR", env = "METATAPE_DATA", global = true)]
    pub data: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
pub enum Action {
    /// Which sets the program knows, and which of them are here (the default)
    List,
    /// Per set: found, complete, checksum, licence
    Check,
    /// Bring a public original from its own layout into the compact form
    Import {
        /// Name of the set, as `metatape data list` has it
        set: String,
        /// The original: an archive or a folder
        path: PathBuf,
    },
}

pub fn main(args: &Args) -> Result<()> {
    let data = args.data.as_deref();
    if let Some(Action::Import { set, path }) = &args.action {
        return import(set, path, data);
    }
    if let Some(folder) = data {
        existing_folder(folder)?;
    }
    let sums = matches!(args.action, Some(Action::Check));
    let report = check(data, sums);
    output::print(&report.to_string())?;
    match report.good() {
        true => Ok(()),
        false => Err(Error::Answer("a data set is not whole: see the table above".into())),
    }
}

/// Into `DATA/SET`, or `data/SET` here.
fn import(set: &str, path: &Path, data: Option<&Path>) -> Result<()> {
    if set != "omniglot" {
        return Err(Error::input(format!(
            "cannot import {set:?}; there is an importer for omniglot"
        )));
    }
    let out = data.unwrap_or(Path::new("data")).join(set);
    let mut progress = None;
    let made = omniglot::import(path, &out, |done, total| {
        let begin = || Progress::new("drawings", done as u64, total as u64, false);
        progress.get_or_insert_with(begin).at(done as u64, String::new);
    })?;
    output::print(&format!(
        "{}: {} alphabets, {} characters, {} drawings in {:.1} MB\n",
        out.display(),
        made.alphabets,
        made.characters,
        made.drawings,
        made.bytes as f64 / 1e6
    ))
}
