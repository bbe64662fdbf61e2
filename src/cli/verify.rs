//! `metatape verify`: case files with known answers.

use std::path::PathBuf;

use crate::error::Result;
use crate::recipe::{Device, PlanKind};
use crate::{check, exec};

/// Compare with the known answers in case files
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Case files, or folders of them
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// auto, cpu, gpu, gpu:N or reference
    #[arg(long, default_value = "auto")]
    pub device: Device,
    /// `plain` switches every rewriting off
    #[arg(long, default_value = "fast", value_parser = plan)]
    pub plan: PlanKind,
}

pub(super) fn plan(text: &str) -> std::result::Result<PlanKind, String> {
    match text {
        "fast" => Ok(PlanKind::Fast),
        "plain" => Ok(PlanKind::Plain),
        _ => Err("expected fast or plain".into()),
    }
}

pub fn main(args: &Args) -> Result<()> {
    let plain = args.plan == PlanKind::Plain;
    let options = exec::Options { device: args.device.into(), plain, ..Default::default() };
    check::verify::verify(&args.paths, &options, &mut std::io::stdout())
}
