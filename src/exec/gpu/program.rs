//! A plan on a device: one buffer for everything, one pass and one submission a run.
//!
//! Bind groups and pipelines are made once; a run records dispatches and
//! submits them. Nothing is read back unless asked for.

use super::assemble::over_banks;
use super::device::{self, Gpu};
use super::launch::Launch;
use super::lower::{ALIGN, Map, launches};
use super::selftest;
use crate::error::{Error, Result};
use crate::exec::{Cost, Options, Program};
use crate::plan::{BufferId, Memory, Plan};
use crate::tape::{Tape, Var};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Runs that may wait in the queue: enough to hide recording, few enough that an error shows soon.
const AHEAD: usize = 3;

pub struct GpuProgram {
    gpu: Arc<Gpu>,
    arena: wgpu::Buffer,
    steps: Vec<Step>,
    /// Where each input slot stands (start, length); where no output needs it, what was written.
    slots: Vec<Slot>,
    /// Start and length of each output.
    outputs: Vec<(usize, usize)>,
    staging: Option<wgpu::Buffer>,
    submitted: VecDeque<wgpu::SubmissionIndex>,
    timeout: Duration,
    cost: Cost,
}

enum Slot {
    Arena(usize, usize),
    Host(Vec<f32>),
}

/// A launch made ready.
struct Step {
    pipeline: wgpu::ComputePipeline,
    bind_group: wgpu::BindGroup,
    grid: [u32; 3],
}

impl GpuProgram {
    /// Compiles outputs of a tape for adapter `number`: see [`crate::exec::compile`].
    pub fn compile(
        tape: &Tape,
        outputs: &[Var],
        state: &[(usize, usize)],
        options: &Options,
        number: usize,
    ) -> Result<GpuProgram> {
        let make = if options.plain { Plan::plain } else { Plan::fast };
        let plan = make(tape, outputs, state, Memory::AllTasks);
        GpuProgram::new(&plan, number, options.memory)
    }

    /// What [`GpuProgram::compile`] would make costs, without its arena.
    pub fn cost_of(
        tape: &Tape,
        outputs: &[Var],
        state: &[(usize, usize)],
        options: &Options,
        number: usize,
    ) -> Result<Cost> {
        let make = if options.plain { Plan::plain } else { Plan::fast };
        let plan = make(tape, outputs, state, Memory::AllTasks);
        let (launches, len) = launches(&plan, device::open(number)?.adapter.hardware)?;
        Ok(cost(&plan, arena_bytes(len), launches.len()))
    }

    /// Makes `plan` ready on adapter `number`. `memory`: bytes it may take. Errors: the adapter does not
    /// open, too little memory, a shader that fails its test.
    pub fn new(plan: &Plan, number: usize, memory: Option<u64>) -> Result<GpuProgram> {
        let gpu = device::open(number)?;
        let hardware = gpu.adapter.hardware;
        let (launches, len) = launches(plan, hardware)?;
        fits(plan, 4 * len as u64, &gpu, memory)?;
        selftest::prove(&gpu, number, &launches)?;
        let binding = gpu.adapter.binding_bytes;
        Self::ready(gpu, plan, launches, len, binding)
    }

    /// As [`GpuProgram::new`], without self-tests (they run on it) and with bindings of the arena of at
    /// most so many bytes. `len`: what [`launches`] says.
    pub fn ready(
        gpu: Arc<Gpu>,
        plan: &Plan,
        mut launches: Vec<Launch>,
        len: usize,
        binding: u64,
    ) -> Result<GpuProgram> {
        let map = Map::of(plan);
        let bytes = arena_bytes(len);
        // Banks are a power of two long, so that a shift finds them.
        let bank = if bytes <= binding { bytes } else { 1 << binding.ilog2() };
        let banks = bytes.div_ceil(bank) as usize;
        if banks > 1 {
            for launch in &mut launches {
                launch.text = over_banks(&launch.text, banks, (bank / 4).ilog2());
            }
        }
        let arena = gpu.guarded("the arena", || {
            gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("arena"),
                size: bytes,
                usage: wgpu::BufferUsages::STORAGE
                    | wgpu::BufferUsages::COPY_SRC
                    | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        })?;
        let steps = make_steps(&gpu, &launches, &arena, bank)?;
        for (buffer, values) in &plan.constants {
            let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
            let at = 4 * map.starts[*buffer] as u64;
            gpu.queue.write_buffer(&arena, at, bytemuck::cast_slice(&values));
        }
        let place = |b: BufferId| (map.starts[b], plan.buffers[b].len * plan.buffers[b].tasks);
        let slots = plan.inputs.iter().zip(&plan.slots).map(|(buffer, &len)| match buffer {
            Some(buffer) => {
                let (start, have) = place(*buffer);
                assert_eq!(have, len, "a slot's buffer holds the slot");
                Slot::Arena(start, len)
            }
            None => Slot::Host(vec![0.0; len]),
        });
        let seconds = if gpu.adapter.hardware { 120 } else { 1200 };
        Ok(GpuProgram {
            slots: slots.collect(),
            outputs: plan.outputs.iter().map(|&b| place(b)).collect(),
            cost: cost(plan, bytes, steps.len()),
            gpu,
            arena,
            steps,
            staging: None,
            submitted: VecDeque::new(),
            timeout: Duration::from_secs(seconds),
        })
    }

    fn submit(&mut self, encoder: wgpu::CommandEncoder) {
        let index = self.gpu.queue.submit([encoder.finish()]);
        self.submitted.push_back(index);
    }

    /// Waits until at most `left` submissions are under way.
    fn wait(&mut self, left: usize) -> Result<()> {
        while self.submitted.len() > left {
            let index = self.submitted.pop_front();
            let poll =
                wgpu::PollType::Wait { submission_index: index, timeout: Some(self.timeout) };
            if let Err(why) = self.gpu.device.poll(poll) {
                return Err(self.gpu.fail(format!("no answer in {:?} ({why})", self.timeout)));
            }
        }
        self.gpu.healthy()
    }

    /// Copies elements from `start` on.
    fn fetch(&mut self, start: usize, into: &mut [f32]) -> Result<()> {
        let bytes = 4 * into.len() as u64;
        let staging = match self.staging.take().filter(|staging| staging.size() >= bytes) {
            Some(staging) => staging,
            None => self.gpu.guarded("a buffer to read from", || {
                self.gpu.device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some("staging"),
                    size: bytes.next_power_of_two().max(4096),
                    usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                    mapped_at_creation: false,
                })
            })?,
        };
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&self.arena, 4 * start as u64, &staging, 0, bytes);
        self.submit(encoder);
        let (answer, mapped) = std::sync::mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, 0..bytes, move |result| {
            let _ = answer.send(result); // nobody listens any more after an error
        });
        self.wait(0)?;
        // Another thread that waits on this device may be the one that delivers the answer.
        match mapped.recv_timeout(self.timeout) {
            Ok(Ok(())) => {}
            Ok(Err(why)) => return Err(self.gpu.fail(format!("reading back failed: {why}"))),
            Err(why) => return Err(self.gpu.fail(format!("reading back failed: {why}"))),
        }
        let view = staging.get_mapped_range(0..bytes);
        let view = view.map_err(|why| self.gpu.fail(format!("reading back failed: {why}")))?;
        into.copy_from_slice(bytemuck::cast_slice(&view));
        drop(view);
        staging.unmap();
        self.staging = Some(staging);
        Ok(())
    }
}

/// Refuses what the adapter or the caller cannot hold, saying what is large and what would fit.
/// Bytes of an arena of so many elements.
fn arena_bytes(len: usize) -> u64 {
    (4 * len.max(ALIGN)) as u64
}

fn cost(plan: &Plan, peak_bytes: u64, kernels: usize) -> Cost {
    Cost { flops: plan.flops(), peak_bytes, worker_bytes: 0, kernels }
}

fn fits(plan: &Plan, bytes: u64, gpu: &Gpu, memory: Option<u64>) -> Result<()> {
    let offered = gpu.adapter.most_bytes;
    let most = offered.min(memory.unwrap_or(u64::MAX));
    if bytes <= most {
        return Ok(());
    }
    let who =
        if most < offered { "`memory` allows".into() } else { format!("{} offers", gpu.adapter) };
    let largest = plan.buffers.iter().max_by_key(|b| b.len * b.tasks).expect("buffers");
    let tasks = plan.buffers.iter().map(|b| b.tasks).max().unwrap_or(1);
    let fit = (tasks as u64 * most / bytes) as usize;
    let advice = if fit >= 1 && tasks > 1 {
        format!("about {fit} of {tasks} tasks at a time would fit")
    } else {
        "use --device cpu, or a smaller batch".to_string()
    };
    Err(Error::input(format!(
        "the program needs {}, {who} {}; its largest value takes {} ({} tasks of {} numbers); {advice}",
        mebibytes(bytes),
        mebibytes(most),
        mebibytes(4 * (largest.len * largest.tasks) as u64),
        largest.tasks,
        largest.len,
    )))
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1 << 20) as f64)
}

fn make_steps(
    gpu: &Gpu,
    launches: &[Launch],
    arena: &wgpu::Buffer,
    bank: u64,
) -> Result<Vec<Step>> {
    let bound = |buffer, offset, size| {
        let size = std::num::NonZero::new(size);
        wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size })
    };
    let banks: Vec<u64> = (0..arena.size()).step_by(bank as usize).collect();
    let layout = gpu.layout(banks.len());
    let align = gpu.device.limits().min_uniform_buffer_offset_alignment as usize / 4;
    let mut words: Vec<u32> = vec![];
    let starts: Vec<usize> = launches
        .iter()
        .map(|launch| {
            words.resize(words.len().next_multiple_of(align), 0);
            words.extend(&launch.params);
            words.len() - launch.params.len()
        })
        .collect();
    let params = gpu.guarded("parameters", || {
        gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("parameters"),
            size: 4 * words.len().max(4) as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    })?;
    gpu.queue.write_buffer(&params, 0, bytemuck::cast_slice(&words));
    let steps = launches.iter().zip(starts).map(|(launch, start)| {
        let pipeline = gpu.pipeline(launch, &layout)?;
        let bytes = 4 * launch.params.len() as u64;
        let mut entries = vec![wgpu::BindGroupEntry {
            binding: 0,
            resource: bound(&params, 4 * start as u64, bytes),
        }];
        entries.extend(banks.iter().enumerate().map(|(k, &from)| wgpu::BindGroupEntry {
            binding: k as u32 + 1,
            resource: bound(arena, from, bank.min(arena.size() - from)),
        }));
        let bind_group = gpu.guarded(launch.file, || {
            gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: &layout.group,
                entries: &entries,
            })
        })?;
        Ok(Step { pipeline, bind_group, grid: launch.grid() })
    });
    steps.collect()
}

impl Program for GpuProgram {
    #[track_caller]
    fn write(&mut self, slot: usize, values: &[f32]) {
        match &mut self.slots[slot] {
            Slot::Host(held) => held.copy_from_slice(values),
            Slot::Arena(start, len) => {
                assert_eq!(values.len(), *len, "values for input slot {slot}");
                let at = 4 * *start as u64;
                self.gpu.queue.write_buffer(&self.arena, at, bytemuck::cast_slice(values));
            }
        }
    }

    fn run(&mut self) -> Result<()> {
        self.wait(AHEAD)?;
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        for step in &self.steps {
            pass.set_pipeline(&step.pipeline);
            pass.set_bind_group(0, &step.bind_group, &[]);
            pass.dispatch_workgroups(step.grid[0], step.grid[1], step.grid[2]);
        }
        drop(pass);
        self.submit(encoder);
        self.gpu.healthy()
    }

    #[track_caller]
    fn read(&mut self, output: usize, into: &mut [f32]) -> Result<()> {
        let (start, len) = self.outputs[output];
        assert_eq!(into.len(), len, "values of output {output}");
        self.fetch(start, into)
    }

    #[track_caller]
    fn read_slot(&mut self, slot: usize, into: &mut [f32]) -> Result<()> {
        match &self.slots[slot] {
            Slot::Host(held) => {
                into.copy_from_slice(held);
                Ok(())
            }
            &Slot::Arena(start, len) => {
                assert_eq!(into.len(), len, "values of input slot {slot}");
                self.fetch(start, into)
            }
        }
    }

    fn cost(&self) -> Cost {
        self.cost.clone()
    }

    fn device(&self) -> String {
        format!("gpu, {}", self.gpu.adapter)
    }
}
