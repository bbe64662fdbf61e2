//! `metatape bench`: how fast it is here, beside what the machine can do.

use super::output;
use crate::bench;
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

pub fn main(args: &Args) -> Result<()> {
    let options = bench::options(args.device.into(), args.threads);
    let rows = bench::rows_named(&args.names)?;
    if !args.json {
        output::print(&format!(
            "{:<4} {:<9} {:>10} {:>10} {:>6} {:>9} {:>8} {:>9} {:>9}  device\n",
            "row",
            "case",
            "median ms",
            "min ms",
            "reps",
            "GFLOP/s",
            "of peak",
            "peak MiB",
            "kernels"
        ))?;
    }
    for row in rows {
        let line = bench::run(&row, &options)?;
        if args.json {
            let text = serde_json::to_string(&line).expect("a line is plain data");
            output::print(&format!("{text}\n"))?;
            continue;
        }
        let share = match line.ceiling_gflops {
            0.0 => "-".to_string(),
            ceiling => format!("{:.0}%", 100.0 * line.gflops / ceiling),
        };
        output::print(&format!(
            "{:<4} {:<9} {:>10.3} {:>10.3} {:>6} {:>9.1} {share:>8} {:>9.1} {:>9}  {}\n",
            line.row,
            line.case,
            line.median_ms,
            line.min_ms,
            line.reps,
            line.gflops,
            line.peak_bytes as f64 / 1048576.0,
            line.dispatches,
            line.device,
        ))?;
    }
    Ok(())
}
