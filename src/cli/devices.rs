//! `metatape devices`: what there is to compute on.

use crate::error::Result;

/// List the adapters with limits and self-test, and which executor `auto` takes and why
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// SEAM: needs the executors.
pub fn main(_args: &Args) -> Result<()> {
    Err(super::not_connected("devices"))
}
