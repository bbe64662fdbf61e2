//! `metatape bench`: how fast it is here, beside what the machine can do.

use super::executor::Executor;
use super::output;
use crate::bench;
use crate::error::{Error, Result};
use crate::report::flame::{self, Slice};

/// Time kernels and meta-steps
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Rows to run, such as R1 R2 R3 (all where none is named); kernels, visits, plan, tasks and memory for tables of their own
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Also the share of each kind of kernel on one thread of `cpu`
    #[arg(long)]
    pub profile: bool,
    /// The profile of each row also as a picture in this folder, ROW-CASE.svg
    #[arg(long, value_name = "DIR", conflicts_with = "json")]
    pub svg: Option<std::path::PathBuf>,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub executor: Executor,
}

/// A bench that prints a table of its own.
type Table = fn(&Args) -> Result<()>;

pub fn main(args: &Args) -> Result<()> {
    let options = args.executor.options();
    let mut names = args.names.clone();
    let specials: [(&str, Table); 5] = [
        ("kernels", kernels),
        ("visits", visits),
        ("plan", planning),
        ("tasks", tasks),
        ("memory", second_order),
    ];
    for (name, special) in specials {
        let before = names.len();
        names.retain(|n| !n.eq_ignore_ascii_case(name));
        if names.len() < before {
            special(args)?;
        }
    }
    if names.is_empty() && !args.names.is_empty() {
        return Ok(());
    }
    let rows = bench::rows_named(&names)?;
    if !args.json {
        output::print(&format!(
            "{:<8} {:<9} {:>10} {:>10} {:>6} {:>9} {:>8} {:>9} {:>9}  device\n",
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
            "{:<8} {:<9} {:>10.3} {:>10.3} {:>6} {:>9.1} {share:>8} {:>9.1} {:>9}  {}\n",
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
        if args.profile || args.svg.is_some() {
            profile(&row, args)?;
        }
    }
    Ok(())
}

/// Kernels of `cpu` on one thread, beside what the machine can do in the same tenths of a second.
fn kernels(args: &Args) -> Result<()> {
    for speed in crate::exec::cpu::measure::bench_kernels(crate::exec::cpu::isa::Isa::choose()?) {
        let share = speed.of_ceiling;
        output::print(&match args.json {
            true => format!(
                "{}\n",
                serde_json::json!({ "row": "kernels", "case": speed.name, "rate": speed.rate, "of_ceiling": share })
            ),
            false => format!(
                "{:<52} {:>8.1} · 10^9/s {:>6}\n",
                speed.name,
                speed.rate,
                share.map_or("-".to_string(), |share| format!("{:.0}%", 100.0 * share))
            ),
        })?;
    }
    Ok(())
}

/// One line of a table: as JSON, or as text.
fn print_line(args: &Args, line: &impl serde::Serialize, text: String) -> Result<()> {
    output::print(&match args.json {
        true => format!("{}\n", serde_json::to_string(line).expect("plain data")),
        false => text,
    })
}

/// What moves bytes rather than multiplies, on one thread of `cpu`, beside a copy of as many bytes.
fn visits(args: &Args) -> Result<()> {
    if !args.json {
        output::print(&format!(
            "{:<52} {:>9} {:>7} {:>8}  kernels\n",
            "visits of maps", "ms", "GB/s", "of copy"
        ))?;
    }
    for visit in bench::visits::visits()? {
        let text = format!(
            "{:<52} {:>9.4} {:>7.1} {:>7.0}%  {:>7}\n",
            visit.case,
            visit.ms,
            visit.gb_per_s,
            100.0 * visit.of_copy,
            visit.kernels
        );
        print_line(args, &visit, text)?;
    }
    Ok(())
}

/// Planning time against inner steps.
fn planning(args: &Args) -> Result<()> {
    if !args.json {
        output::print("inner steps    nodes  kernels   tape ms   plan ms\n")?;
    }
    for p in bench::planning() {
        let text = format!(
            "{:>11} {:>8} {:>8} {:>9.2} {:>9.2}\n",
            p.inner_steps, p.nodes, p.kernels, p.tape_ms, p.plan_ms
        );
        print_line(args, &p, text)?;
    }
    Ok(())
}

/// Time, memory and dispatches against the number of tasks.
fn tasks(args: &Args) -> Result<()> {
    let options = args.executor.options();
    if !args.json {
        output::print("tasks  median ms  ms a task  peak MiB  kernels  device\n")?;
    }
    for (tasks, row) in bench::task_rows() {
        let line = bench::run(&row, &options)?;
        let text = format!(
            "{tasks:>5} {:>10.2} {:>10.3} {:>9.1} {:>8}  {}\n",
            line.median_ms,
            line.median_ms / tasks as f64,
            line.peak_bytes as f64 / 1048576.0,
            line.dispatches,
            line.device
        );
        print_line(args, &line, text)?;
    }
    Ok(())
}

/// Exact meta-gradients on one tape and with inner steps computed again, against their number.
fn second_order(args: &Args) -> Result<()> {
    let options = args.executor.options();
    if !args.json {
        output::print(
            "inner steps  way                                               median ms    min ms  peak MiB    GFLOP  device\n",
        )?;
    }
    for inner_steps in [1, 5, 10, 20] {
        for line in bench::memory::second_order(inner_steps, &options)? {
            let text = format!(
                "{:>11}  {:<49} {:>9.1} {:>9.1} {:>9.1} {:>8.2}  {}\n",
                line.inner_steps,
                line.way,
                line.median_ms,
                line.min_ms,
                line.peak_bytes as f64 / 1048576.0,
                line.gflop,
                line.device
            );
            print_line(args, &line, text)?;
        }
    }
    Ok(())
}

/// The share of each kind of kernel, the slowest first, on one thread of `cpu`.
fn profile(row: &bench::rows::Row, args: &Args) -> Result<()> {
    let shares = bench::profile(row)?;
    let total: f64 = shares.iter().map(|share| share.seconds).sum();
    if let Some(folder) = &args.svg {
        let slice = |share: &crate::exec::cpu::Share| Slice {
            kind: share.kind.clone(),
            name: share.sizes.clone(),
            amount: share.seconds * 1e3,
        };
        let slices: Vec<Slice> = shares.iter().map(slice).collect();
        let title = format!("{} {}: one step on one thread", row.name, row.case);
        let file = folder.join(format!("{}-{}.svg", row.name, row.case));
        std::fs::create_dir_all(folder).map_err(|e| Error::input(format!("{folder:?}: {e}")))?;
        std::fs::write(&file, flame::svg(&title, "ms", &slices))
            .map_err(|e| Error::input(format!("{file:?}: {e}")))?;
    }
    for share in shares.iter().filter(|share| share.seconds > 0.005 * total) {
        output::print(&format!(
            "     {:<36} {:>6} calls {:>9.3} ms {:>5.1}% {:>8.1} GFLOP/s\n",
            format!("{} {}", share.kind, share.sizes),
            share.calls,
            share.seconds * 1e3,
            100.0 * share.seconds / total,
            share.flops as f64 / share.seconds / 1e9,
        ))?;
    }
    output::print(&format!("     {:<36} {:>22.3} ms on one thread\n", "all", total * 1e3))
}
