//! Running a plan: the segments in order, each the way its tasks ask for.
//!
//! A per-task segment: workers take fixed chunks of tasks, run the whole segment for one task after
//! the other in their own arena, and add what is summed over tasks into the chunk's own buffer. Chunks
//! are combined in order at the end. A segment without tasks: small kernels are one worker's, large
//! ones are cut into fixed parts. So no bit depends on how many workers there are.

use super::code::{Code, Scratch};
use super::isa::Isa;
use super::pool::{Barrier, Pool};
use super::storage::Floats;
use super::sweep::{BLOCK, Pointers};
use super::table::Table;
use crate::error::Result;
use crate::exec::{Cost, Options, Program};
use crate::plan::{BufferId, Memory, Passes, Place, Plan};
use crate::tape::{Tape, Var};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// At most this many chunks of tasks, each with its own sums: enough to share evenly, few enough to
/// combine quickly (8 to 16 measured equal).
const CHUNKS: usize = 16;

pub struct Cpu {
    plan: Plan,
    isa: Isa,
    pool: Pool,
    barrier: Barrier,
    workers: Vec<Mutex<Worker>>,
    segments: Vec<Running>,
    codes: Vec<Code>,
    /// Storage that the tables point into.
    _own: Vec<Floats>,
    _shared: Floats,
    partials: Floats,
    cost: Cost,
}

/// What a worker runs with.
struct Worker {
    table: Table,
    scratch: Scratch,
    _arena: Floats,
    _registers: Floats,
    _floats: Floats,
}

// Safety: the pointers lead into storage that the program owns.
unsafe impl Send for Worker {}

/// A segment's own state.
struct Running {
    chunks: usize,
    next: AtomicUsize,
    /// Sums of each chunk, sum after sum.
    sums: Floats,
    sums_len: usize,
}

impl Cpu {
    pub fn new(
        tape: &Tape,
        outputs: &[Var],
        state: &[(usize, usize)],
        options: &Options,
    ) -> Result<Self> {
        let isa = Isa::choose()?;
        let threads = options.threads.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(1, |threads| threads.get())
        });
        let passes = if options.plain { Passes::PLAIN } else { Passes::FAST };
        let plan = Plan::with(tape, outputs, state, Memory::PerWorker, passes);
        Self::run_plan(plan, isa, threads.max(1), options.memory)
    }

    /// A program from a plan laid out with `Memory::PerWorker`.
    pub fn run_plan(plan: Plan, isa: Isa, threads: usize, budget: Option<u64>) -> Result<Self> {
        let (fixed, one_worker) = plan.bytes();
        let peak = fixed + one_worker * threads as u64;
        if let Some(budget) = budget.filter(|&budget| peak > budget) {
            return Err(crate::error::Error::input(format!(
                "this program needs {} MiB on {threads} threads, the memory allowed is {} MiB; \
                 fewer tasks a step or --threads 1 ({} MiB) would need less",
                peak >> 20,
                budget >> 20,
                (fixed + one_worker) >> 20
            )));
        }
        let own: Vec<Floats> = plan
            .buffers
            .iter()
            .map(|b| Floats::new(if b.place == Place::Own { b.words(b.tasks) } else { 0 }))
            .collect();
        for (buffer, values) in &plan.constants {
            for (i, &value) in values.iter().enumerate() {
                // Safety: a constant fills its buffer.
                unsafe { *own[*buffer].start().add(i) = value as f32 };
            }
        }
        let shared = Floats::new(plan.shared_len);
        let starts: Vec<*mut f32> = own.iter().map(Floats::start).collect();
        let table = |arena: *mut f32| Table::new(&plan, &starts, shared.start(), arena);
        let first = table(std::ptr::null_mut());
        let mut codes = Vec::with_capacity(plan.kernels.len());
        let mut segments = Vec::new();
        for segment in &plan.segments {
            for kernel in &plan.kernels[segment.kernels.clone()] {
                codes.push(Code::new(isa, kernel, &first, segment.tasks == 1));
            }
            let sums_len: usize =
                segment.task_sums.iter().map(|sum| plan.buffers[sum.from].len).sum();
            let chunks = CHUNKS.min(segment.tasks);
            let sums = Floats::new(chunks * sums_len);
            segments.push(Running { chunks, next: AtomicUsize::new(0), sums, sums_len });
        }
        let most = |all: &mut dyn Iterator<Item = usize>| all.max().unwrap_or(0);
        let floats = most(&mut codes.iter().map(|code| code.scratch(isa).0));
        let registers = most(&mut codes.iter().map(|code| code.scratch(isa).1));
        let partials = Floats::new(most(&mut codes.iter().map(|code| code.partial_len)));
        let workers = (0..threads)
            .map(|_| {
                let arena = Floats::new(plan.worker_len);
                let (registers, floats) = (Floats::new(registers * BLOCK), Floats::new(floats));
                let scratch = Scratch {
                    registers: registers.start(),
                    floats: floats.start(),
                    pointers: Pointers::default(),
                };
                let table = table(arena.start());
                let kept = (arena, registers, floats);
                Mutex::new(Worker {
                    table,
                    scratch,
                    _arena: kept.0,
                    _registers: kept.1,
                    _floats: kept.2,
                })
            })
            .collect();
        let scratch_bytes = 4 * (floats + registers * BLOCK) as u64 * threads as u64;
        let sums_bytes: usize = segments.iter().map(|s| 4 * s.chunks * s.sums_len).sum();
        let cost = Cost {
            flops: plan.flops(),
            peak_bytes: peak + scratch_bytes + sums_bytes as u64,
            kernels: plan.kernels.len(),
        };
        Ok(Self {
            plan,
            isa,
            pool: Pool::new(threads),
            barrier: Barrier::new(threads),
            workers,
            segments,
            codes,
            _own: own,
            _shared: shared,
            partials,
            cost,
        })
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Kernel `k` for one task, on the calling thread with the first worker's memory.
    pub(super) fn run_kernel(&mut self, k: usize, task: usize) {
        let worker = self.workers[0].get_mut().expect("no run is going on");
        // Safety: no run is going on, so nobody else touches any buffer.
        unsafe { self.codes[k].run_task(self.isa, &worker.table, task, &mut worker.scratch) };
    }

    /// Everything of one run that worker `number` does.
    fn work(&self, number: usize) {
        let mut worker = self.workers[number].lock().expect("each worker locks its own");
        let worker = &mut *worker;
        for (segment, running) in self.plan.segments.iter().zip(&self.segments) {
            if segment.tasks > 1 {
                // Safety: chunks are claimed once each; what tasks write is their own.
                unsafe { self.per_task(segment, running, worker, number) };
            } else {
                // Safety: parts are claimed by number; barriers stand between kernels that share.
                unsafe { self.in_turn(segment, worker, number) };
            }
            self.barrier.wait();
        }
    }

    unsafe fn per_task(
        &self,
        segment: &crate::plan::Segment,
        running: &Running,
        worker: &mut Worker,
        number: usize,
    ) {
        let codes = &self.codes[segment.kernels.clone()];
        loop {
            let chunk = running.next.fetch_add(1, Ordering::Relaxed);
            if chunk >= running.chunks {
                break;
            }
            let tasks = segment.tasks * chunk / running.chunks
                ..segment.tasks * (chunk + 1) / running.chunks;
            let first = tasks.start;
            for task in tasks {
                for code in codes {
                    unsafe { code.run_task(self.isa, &worker.table, task, &mut worker.scratch) };
                }
                let mut to = running.sums.start().wrapping_add(chunk * running.sums_len);
                for sum in &segment.task_sums {
                    let buffer = &self.plan.buffers[sum.from];
                    let start = match buffer.place {
                        Place::Worker { .. } => 0,
                        _ => task * buffer.len,
                    };
                    let from = worker.table.base(sum.from).wrapping_add(start);
                    unsafe { accumulate(to, from, buffer.len, task == first) };
                    to = to.wrapping_add(buffer.len);
                }
            }
        }
        self.barrier.wait();
        if number == 0 {
            running.next.store(0, Ordering::Relaxed);
        }
        // Each worker combines a stretch of every sum, chunk after chunk.
        let mut at = 0;
        for sum in &segment.task_sums {
            let len = self.plan.buffers[sum.from].len;
            let workers = self.pool.workers();
            let (from, to) = (len * number / workers, len * (number + 1) / workers);
            for chunk in 0..running.chunks {
                let start = chunk * running.sums_len + at + from;
                unsafe {
                    let into = worker.table.base(sum.to).add(from);
                    accumulate(into, running.sums.start().add(start), to - from, chunk == 0);
                }
            }
            at += len;
        }
    }

    unsafe fn in_turn(&self, segment: &crate::plan::Segment, worker: &mut Worker, number: usize) {
        let workers = self.pool.workers();
        // Whether something ran on worker 0 alone since all last met.
        let mut alone = false;
        for code in &self.codes[segment.kernels.clone()] {
            let scratch = &mut worker.scratch;
            if code.parts == 1 {
                alone = true;
                if number == 0 {
                    for task in 0..code.tasks {
                        unsafe { code.run_task(self.isa, &worker.table, task, scratch) };
                    }
                }
                continue;
            }
            if alone {
                self.barrier.wait();
            }
            let partials = self.partials.start();
            for part in (number..code.parts).step_by(workers) {
                unsafe { code.run_part(self.isa, &worker.table, part, partials, scratch) };
            }
            self.barrier.wait();
            alone = code.partial_len > 0;
            if alone && number == 0 {
                unsafe { code.finish_parts(&worker.table, partials) };
            }
        }
    }

    /// Where a buffer stands now: state pairs exchange places after each run.
    fn start(&self, buffer: BufferId) -> *mut f32 {
        let worker = self.workers[0].lock().expect("no run is going on");
        worker.table.base(buffer)
    }

    fn slice(&self, buffer: BufferId) -> &[f32] {
        let b = &self.plan.buffers[buffer];
        assert!(b.place == Place::Own, "only what outlives a run is read");
        // Safety: the buffer's storage, and no run is going on while `self` is borrowed.
        unsafe { std::slice::from_raw_parts(self.start(buffer), b.len * b.tasks) }
    }
}

/// to (+)= from, flat.
unsafe fn accumulate(to: *mut f32, from: *const f32, len: usize, first: bool) {
    unsafe {
        let from = std::slice::from_raw_parts(from, len);
        let to = std::slice::from_raw_parts_mut(to, len);
        if first {
            to.copy_from_slice(from);
        } else {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        }
    }
}

impl Program for Cpu {
    fn write(&mut self, slot: usize, values: &[f32]) {
        let Some(buffer) = self.plan.inputs[slot] else { return };
        let b = &self.plan.buffers[buffer];
        assert_eq!(values.len(), b.len * b.tasks, "values for input slot {slot}");
        let start = self.start(buffer);
        // Safety: as long as asserted, and no run is going on.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), start, values.len()) };
    }

    fn run(&mut self) -> Result<()> {
        self.pool.run(&|number| self.work(number));
        for &(output, input) in &self.plan.state {
            for worker in &mut self.workers {
                worker.get_mut().expect("no run is going on").table.swap(output, input);
            }
        }
        Ok(())
    }

    fn read(&mut self, output: usize, into: &mut [f32]) -> Result<()> {
        let buffer = self.plan.outputs[output];
        // A state output's newest value stands where its input now is.
        let pair = self.plan.state.iter().find(|&&(from, _)| from == buffer);
        into.copy_from_slice(self.slice(pair.map_or(buffer, |&(_, input)| input)));
        Ok(())
    }

    fn read_slot(&mut self, slot: usize, into: &mut [f32]) -> Result<()> {
        match self.plan.inputs[slot] {
            Some(buffer) => into.copy_from_slice(self.slice(buffer)),
            None => into.fill(0.0),
        }
        Ok(())
    }

    fn cost(&self) -> Cost {
        self.cost.clone()
    }

    fn device(&self) -> String {
        format!("cpu, {} threads, {}", self.pool.workers(), self.isa.name())
    }
}
