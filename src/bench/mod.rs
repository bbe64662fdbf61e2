//! How fast it is here: the rows of work that other engines are timed on as well, beside what the
//! machine can do in the same run. What a row is stands in `benches/peers/WORK.md`.

mod driving;
mod heads;
pub mod memory;
pub mod rows;
pub mod visits;

use crate::error::{Error, Result};
use crate::exec::cpu::isa::Isa;
use crate::exec::cpu::measure;
use crate::exec::{Options, compile};
use rows::Row;
use serde::Serialize;
use std::time::Instant;

/// One line of a bench: what was run and what it took. Names as in `benches/peers/results`.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    pub row: String,
    pub case: String,
    pub device: String,
    pub threads: usize,
    pub median_ms: f64,
    pub min_ms: f64,
    pub reps: usize,
    pub gflop: f64,
    pub gflops: f64,
    /// Multiply-adds in registers, in the same run, times the threads; 0 where not measured (`gpu`).
    pub ceiling_gflops: f64,
    /// What the program holds, known before it ran.
    pub peak_bytes: u64,
    /// Kernels a run launches.
    pub dispatches: usize,
    /// The most the whole process held until then, where the system tells (Linux).
    pub process_peak_bytes: Option<u64>,
    /// Milliseconds from tape to program.
    pub plan_ms: f64,
    /// The loss before the first step and after the last: the work was done.
    pub loss_first: f32,
    pub loss_last: f32,
}

/// Time spent on one row, at least five runs whatever it is.
const BUDGET_S: f64 = 3.0;

/// Runs a row and times its steps.
pub fn run(row: &Row, options: &Options) -> Result<Line> {
    let started = Instant::now();
    let work = row.build();
    let mut program = compile(&work.tape, &work.outputs(), &work.state, options)?;
    let plan_ms = ms(started);
    for (slot, values) in work.values.iter().enumerate() {
        program.write(slot, values);
    }
    let threads = options.threads.unwrap_or_else(available_threads);
    let mut loss = [0f32];
    program.run()?;
    program.read(0, &mut loss)?;
    let loss_first = loss[0];
    for _ in 0..row.warm_up() {
        program.run()?;
        if let Some(after) = &work.after {
            after.weigh(&mut *program)?;
        }
    }
    program.read(0, &mut loss)?;
    let (mut times, start) = (vec![], Instant::now());
    while times.len() < 5 || start.elapsed().as_secs_f64() < BUDGET_S && times.len() < 2000 {
        let step = Instant::now();
        program.run()?;
        program.read(0, &mut loss)?; // a step ends when its loss is a number on the host
        if let Some(after) = &work.after {
            after.weigh(&mut *program)?;
        }
        times.push(ms(step));
    }
    if !loss[0].is_finite() {
        return Err(Error::Answer(format!("{}: the loss became {}", row.name, loss[0])));
    }
    times.sort_by(f64::total_cmp);
    let (median, cost, gflop) = (times[times.len() / 2], program.cost(), row.gflop());
    let cpu = program.device().starts_with("cpu");
    Ok(Line {
        row: row.name.into(),
        case: row.case.into(),
        device: program.device(),
        threads: if cpu { threads } else { 1 },
        median_ms: median,
        min_ms: times[0],
        reps: times.len(),
        gflop,
        gflops: gflop / median * 1e3,
        ceiling_gflops: if cpu { ceiling()? * threads as f64 } else { 0.0 },
        peak_bytes: cost.peak_bytes,
        dispatches: cost.kernels,
        process_peak_bytes: process_peak(),
        plan_ms,
        loss_first,
        loss_last: loss[0],
    })
}

/// GFLOP/s of multiply-adds in registers on one thread, now.
fn ceiling() -> Result<f64> {
    Ok(measure::ceiling(Isa::choose()?))
}

pub fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |threads| threads.get())
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// `VmHWM` of /proc/self/status.
pub fn process_peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// All lines for the named rows (all where none is named), on one device.
pub fn rows_named(names: &[String]) -> Result<Vec<Row>> {
    let all = rows::all();
    if names.is_empty() {
        return Ok(all);
    }
    let mut chosen = vec![];
    for name in names {
        let before = chosen.len();
        chosen.extend(all.iter().filter(|row| row.name.eq_ignore_ascii_case(name)).cloned());
        if chosen.len() == before {
            return Err(Error::input(format!(
                "no bench is called {name:?}; there are R1, R2, R3, R4, R7, omniglot, driving, kernels, visits, plan, tasks and memory"
            )));
        }
    }
    Ok(chosen)
}

/// Where a row's time goes on `cpu`, on one thread, after one run.
pub fn profile(row: &Row) -> Result<Vec<crate::exec::cpu::Share>> {
    use crate::exec::Program;
    let work = row.build();
    let options = Options { threads: Some(1), ..Options::default() };
    let mut cpu = crate::exec::cpu::Cpu::new(&work.tape, &work.outputs(), &work.state, &options)?;
    for (slot, values) in work.values.iter().enumerate() {
        cpu.write(slot, values);
    }
    cpu.run()?;
    cpu.profile(); // once for the caches
    Ok(cpu.profile())
}

/// Planning of R2 with other numbers of inner steps: nothing runs.
#[derive(Clone, Debug, Serialize)]
pub struct Planning {
    pub row: &'static str,
    pub inner_steps: usize,
    pub nodes: usize,
    pub kernels: usize,
    /// Writing the tape, gradients included.
    pub tape_ms: f64,
    /// All passes.
    pub plan_ms: f64,
}

/// What planning costs for 1 to 50 inner steps: the least of three tries each.
pub fn planning() -> Vec<Planning> {
    use crate::plan::{Memory, Plan};
    let one = |inner_steps: usize| {
        let row = Row::images(4, 15, inner_steps);
        let tries = (0..3).map(|_| {
            let begun = Instant::now();
            let work = row.build();
            let tape_ms = ms(begun);
            let begun = Instant::now();
            let plan = Plan::fast(&work.tape, &work.outputs(), &work.state, Memory::PerWorker);
            (tape_ms, ms(begun), work.tape.len(), plan.kernels.len())
        });
        let (tape_ms, plan_ms, nodes, kernels) =
            tries.min_by(|a, b| a.1.total_cmp(&b.1)).expect("three tries");
        Planning { row: "plan", inner_steps, nodes, kernels, tape_ms, plan_ms }
    };
    [1, 2, 5, 10, 20, 50].map(one).to_vec()
}

/// R1 with 1 to 256 tasks: how time and memory grow with the task axis.
pub fn task_rows() -> Vec<(usize, Row)> {
    [1, 2, 4, 8, 16, 32, 64, 128, 256].map(|tasks| (tasks, Row::images(tasks, 1, 1))).to_vec()
}
