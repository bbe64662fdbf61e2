//! `metatape data`: which data sets are there, whole, and under which licence.

use std::path::PathBuf;

use crate::error::Result;

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

/// SEAM: needs the data sets.
pub fn main(_args: &Args) -> Result<()> {
    Err(super::not_connected("data"))
}
