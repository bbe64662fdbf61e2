//! `metatape explain`: the tape and the plan of a recipe, for people.

use std::path::PathBuf;

use super::output;
use crate::error::Result;
use crate::experiment;
use crate::recipe::{self, Override};

/// Print the plan of a recipe: tape, kernels, shapes, flops, bytes, segments, buffers, dispatches
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A built-in recipe or a TOML file
    pub recipe: String,
    /// Also draw the plan into this file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Print every node of the tape first
    #[arg(long)]
    pub tape: bool,
    /// auto, cpu, gpu, gpu:N or reference
    #[arg(long)]
    pub device: Option<recipe::Device>,
    /// Where data sets lie that are not part of the program
    #[arg(long, value_name = "DIR", env = "METATAPE_DATA")]
    pub data: Option<PathBuf>,
    /// Change a key, as in `run`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

pub fn main(args: &Args) -> Result<()> {
    let overrides =
        args.set.iter().map(|text| Override::parse(text)).collect::<Result<Vec<_>>>()?;
    let recipe = recipe::load(&args.recipe, &overrides)?;
    let device = args.device.unwrap_or(recipe.device).into();
    let explained = experiment::explain(&recipe, args.data.as_deref(), device)?;
    if args.tape {
        output::print(&explained.tape)?;
    }
    output::print(&explained.text)?;
    match &args.svg {
        Some(path) => crate::run::files::write_atomic(path, explained.svg.as_bytes()),
        None => Ok(()),
    }
}
