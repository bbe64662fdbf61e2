//! `metatape explain`: the tape and the plan of a recipe, for people.

use std::path::PathBuf;

use crate::error::Result;
use crate::recipe::{self, Override};

/// Print the plan of a recipe: tape, kernels, shapes, flops, bytes, segments, buffers, dispatches
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A built-in recipe or a TOML file
    pub recipe: String,
    /// Also draw the plan into this file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// auto, cpu, gpu, gpu:N or reference
    #[arg(long)]
    pub device: Option<recipe::Device>,
    /// Change a key, as in `run`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// SEAM: needs the plan.
pub fn main(args: &Args) -> Result<()> {
    let overrides =
        args.set.iter().map(|text| Override::parse(text)).collect::<Result<Vec<_>>>()?;
    let _recipe = recipe::load(&args.recipe, &overrides)?;
    Err(super::not_connected("explain"))
}
