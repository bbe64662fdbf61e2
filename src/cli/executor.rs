//! Where a command computes: the flags that several commands share.

use crate::exec;
use crate::recipe::Device;

#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Executor {
    /// auto, cpu, gpu, gpu:N or reference
    #[arg(long, default_value = "auto")]
    pub device: Device,
    /// Threads of `cpu`; 0 takes all cores
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
}

impl Executor {
    /// As the library has it.
    pub fn options(self) -> exec::Options {
        let threads = Some(self.threads).filter(|&n| n > 0);
        exec::Options { device: self.device.into(), threads, ..Default::default() }
    }
}
