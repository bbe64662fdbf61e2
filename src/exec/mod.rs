//! Executors: they run what a tape means. All give the same numbers within rounding.
//!
//! `reference` walks the tape in f64; `cpu` and `gpu` run a [`crate::plan::Plan`].

pub mod cpu;
#[cfg(feature = "gpu")]
pub mod gpu;
pub mod reference;

use crate::error::Result;
use crate::tape::{Tape, Var};

/// Which executor, as `--device` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Device {
    /// A hardware GPU, else `cpu`.
    #[default]
    Auto,
    Cpu,
    /// Hardware, else a software adapter with a warning, else an error; or the adapter of this number.
    Gpu(Option<usize>),
    Reference,
}

/// How a program is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    pub device: Device,
    /// One kernel a node, no rewriting: slow, for comparison.
    pub plain: bool,
    /// Worker threads of `cpu`; none: one a core.
    pub threads: Option<usize>,
    /// Bytes the program may hold; more is an error that says what would fit.
    pub memory: Option<u64>,
}

impl Options {
    /// Worker threads of `cpu`.
    pub fn workers(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, |threads| threads.get());
        self.threads.unwrap_or_else(cores).max(1)
    }
}

/// What a program costs, known before it runs.
#[derive(Clone, Debug, Default)]
pub struct Cost {
    pub flops: u64,
    /// Bytes of all buffers and arenas.
    pub peak_bytes: u64,
    /// The part of them that each worker of `cpu` has for itself; 0 elsewhere.
    pub worker_bytes: u64,
    /// Kernels a run launches: dispatches on `gpu`.
    pub kernels: usize,
}

/// A compiled tape: inputs are written, `run` computes, outputs are read.
pub trait Program {
    /// Sets an input slot, row-major. Panics if the length differs from the slot's.
    fn write(&mut self, slot: usize, values: &[f32]);

    /// One run. State pairs are exchanged at its end: see [`compile`].
    fn run(&mut self) -> Result<()>;

    /// Copies an output of the last run, row-major. Panics if the length differs.
    fn read(&mut self, output: usize, into: &mut [f32]) -> Result<()>;

    /// Copies what an input slot holds now: for state, the value the next run will see.
    fn read_slot(&mut self, slot: usize, into: &mut [f32]) -> Result<()>;

    fn cost(&self) -> Cost;

    /// What runs it, for people: `cpu, 2 threads, avx512`.
    fn device(&self) -> String;

    /// As [`Program::write`], from f64; only `reference` keeps all digits.
    fn write_f64(&mut self, slot: usize, values: &[f64]) {
        self.write(slot, &values.iter().map(|&v| v as f32).collect::<Vec<_>>());
    }

    /// As [`Program::read`], in f64.
    fn read_f64(&mut self, output: usize, len: usize) -> Result<Vec<f64>> {
        let mut values = vec![0.0; len];
        self.read(output, &mut values)?;
        Ok(values.into_iter().map(f64::from).collect())
    }
}

/// Compiles `outputs` of a tape. `state` pairs (number of an output, slot): after each run that output
/// becomes the slot's value, in place; an output may become several slots', a slot one output. Errors: a device that is not there,
/// more memory than allowed.
pub fn compile(
    tape: &Tape,
    outputs: &[Var],
    state: &[(usize, usize)],
    options: &Options,
) -> Result<Box<dyn Program>> {
    match options.device {
        Device::Reference => Ok(Box::new(reference::Reference::new(tape, outputs, state))),
        Device::Cpu => Ok(Box::new(cpu::Cpu::new(tape, outputs, state, options)?)),
        Device::Auto => match automatic() {
            Some(number) => on_gpu(tape, outputs, state, options, Some(number)),
            None => Ok(Box::new(cpu::Cpu::new(tape, outputs, state, options)?)),
        },
        Device::Gpu(number) => on_gpu(tape, outputs, state, options, number),
    }
}

/// What [`compile`] would make costs: planned in the same way, but nothing is allocated, and `options.memory`
/// does not count. Errors: a device that is not there.
pub fn cost(
    tape: &Tape,
    outputs: &[Var],
    state: &[(usize, usize)],
    options: &Options,
) -> Result<Cost> {
    match options.device {
        Device::Reference => Ok(reference::Reference::new(tape, outputs, state).cost()),
        Device::Cpu => cpu::Cpu::cost_of(tape, outputs, state, options),
        Device::Auto => match automatic() {
            Some(number) => cost_on_gpu(tape, outputs, state, options, Some(number)),
            None => cpu::Cpu::cost_of(tape, outputs, state, options),
        },
        Device::Gpu(number) => cost_on_gpu(tape, outputs, state, options, number),
    }
}

/// The hardware GPU that `auto` takes, if there is one.
#[cfg(feature = "gpu")]
fn automatic() -> Option<usize> {
    gpu::automatic()
}

#[cfg(not(feature = "gpu"))]
fn automatic() -> Option<usize> {
    None
}

#[cfg(feature = "gpu")]
fn on_gpu(
    tape: &Tape,
    outputs: &[Var],
    state: &[(usize, usize)],
    options: &Options,
    number: Option<usize>,
) -> Result<Box<dyn Program>> {
    let number = gpu::choose_adapter(number)?;
    Ok(Box::new(gpu::GpuProgram::compile(tape, outputs, state, options, number)?))
}

#[cfg(feature = "gpu")]
fn cost_on_gpu(
    tape: &Tape,
    outputs: &[Var],
    state: &[(usize, usize)],
    options: &Options,
    number: Option<usize>,
) -> Result<Cost> {
    gpu::GpuProgram::cost_of(tape, outputs, state, options, gpu::choose_adapter(number)?)
}

#[cfg(not(feature = "gpu"))]
fn on_gpu(
    _: &Tape,
    _: &[Var],
    _: &[(usize, usize)],
    _: &Options,
    _: Option<usize>,
) -> Result<Box<dyn Program>> {
    Err(no_gpu())
}

#[cfg(not(feature = "gpu"))]
fn cost_on_gpu(
    _: &Tape,
    _: &[Var],
    _: &[(usize, usize)],
    _: &Options,
    _: Option<usize>,
) -> Result<Cost> {
    Err(no_gpu())
}

#[cfg(not(feature = "gpu"))]
fn no_gpu() -> crate::error::Error {
    let why = "this build has no `gpu`; build with --features gpu, or use --device cpu";
    crate::error::Error::input(why)
}
