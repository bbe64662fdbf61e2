//! `metatape data`: which data sets are there, whole, and under which licence.

use std::path::PathBuf;

use super::output;
use crate::data;
use crate::error::{Error, Result};

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
    if let Some(folder) = &args.data {
        data::existing_folder(folder)?;
    }
    match args.action.as_ref().unwrap_or(&Action::List) {
        Action::Import { set, path } => import(set, path, args.data.as_deref()),
        action => {
            let sums = matches!(action, Action::Check);
            let report = data::check::check(args.data.as_deref(), sums);
            output::print(&report.to_string())?;
            if report.good() {
                return Ok(());
            }
            Err(Error::Answer("a data set is damaged or incomplete; see the rows above".into()))
        }
    }
}

/// Writes the compact form into DIR/SET of `--data DIR`, or into data/SET here.
fn import(set: &str, path: &std::path::Path, folder: Option<&std::path::Path>) -> Result<()> {
    if set != "omniglot" {
        return Err(Error::input(format!(
            "data set {set:?} cannot be imported; only omniglot has a compact form of its own"
        )));
    }
    let out = folder.unwrap_or(std::path::Path::new("data")).join(set);
    let summary = data::import::import(path, &out, |done, all| {
        if done == all || done % 4096 == 0 {
            eprintln!("{done} of {all} drawings");
        }
    })?;
    output::print(&format!("{}: {summary:?}\n", out.display()))
}
