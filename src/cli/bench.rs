//! `metatape bench`: how fast it is here, beside what the machine can do.

use crate::error::Result;
use crate::recipe::Device;

/// Time kernels and meta-steps
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Rows to run, such as R1 R2 R3; all where none is named
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Also the share of each kind of kernel
    #[arg(long)]
    pub profile: bool,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Threads of `cpu`; 0 takes all cores
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
    /// auto, cpu, gpu, gpu:N or reference
    #[arg(long, default_value = "auto")]
    pub device: Device,
}

/// SEAM: needs the executors.
pub fn main(_args: &Args) -> Result<()> {
    Err(super::not_connected("bench"))
}
