//! Running a plan: the segments in order, each the way its tasks ask for.
//!
//! A per-task segment: workers take fixed chunks of tasks, run the whole segment for one task after
//! the other in their own arena, and add what is summed over tasks into the chunk's own buffer. Chunks
//! are combined as they are done (`tree.rs`). Once half of the workers wait for the others, what is left of
//! large tasks, and always a segment without tasks, all workers run in lockstep: small kernels are one
//! worker's, large ones are cut into parts. The parts are the same when one worker runs them all, so
//! no bit depends on how many workers there are, nor on who waited for whom.

use super::code::{Code, Scratch};
use super::isa::Isa;
use super::pool::{Barrier, Parts, Pool};
use super::ready::Ready;
use super::storage::Floats;
use super::sums::add_terms;
use super::sweep::BLOCK;
use super::table::Table;
use super::tree::{Join, Tree, tasks_of};
use super::visit::Pointers;
use crate::error::Result;
use crate::exec::{Cost, Options, Program};
use crate::plan::{BufferId, Memory, Passes, Place, Plan, Segment};
use crate::tape::{Tape, Var};
use std::sync::Mutex;

/// Work of a segment's average kernel, for one task, from which on meeting after each of them pays.
const LOCKSTEP: u64 = 131_072;
/// Floats of a kernel's partial sums from which on all workers add them together.
const LONG_SUMS: usize = 32_768;

pub struct Cpu {
    plan: Plan,
    isa: Isa,
    pool: Pool,
    barrier: Barrier,
    parts: Parts,
    /// Where each worker finds the buffers; in lockstep all use the leader's.
    tables: Vec<Table>,
    workers: Vec<Mutex<Worker>>,
    /// What each worker has left to all of them, in the segment that runs.
    rests: Vec<Mutex<Option<Rest>>>,
    segments: Vec<Running>,
    codes: Vec<Code>,
    /// Storage that the tables point into.
    _own: Vec<Floats>,
    _shared: Floats,
    /// What the parts of a kernel in lockstep share: partial sums or packed weights.
    meeting: Floats,
    /// What was written to each slot that no output needs; of the others nothing.
    idle: Vec<Vec<f32>>,
    cost: Cost,
}

/// What a worker runs with.
struct Worker {
    scratch: Scratch,
    /// Turns of [`Parts`] so far: the same for all workers.
    turn: usize,
    /// What the pointers of table and scratch lead into.
    _arena: Floats,
    _registers: Floats,
    _floats: Floats,
    _partials: Floats,
}

// Safety: the pointers lead into storage that the program owns.
unsafe impl Send for Worker {}

/// A segment's own state.
struct Running {
    tree: Tree,
    /// Its kernels do enough for one task that running them together pays.
    large: bool,
    /// Sums of each chunk, sum after sum.
    sums: Floats,
    sums_len: usize,
}

/// What is left of a chunk: its tasks from one on, that one from a kernel on.
#[derive(Clone, Copy)]
struct Rest {
    chunk: usize,
    task: usize,
    kernel: usize,
}

/// Who has done something in lockstep since all last met.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Since {
    Nothing,
    /// The leader alone.
    Leader,
    Each,
}

/// The plan of a tape, the instructions and the number of workers that `options` ask for.
fn planned(
    tape: &Tape,
    outputs: &[Var],
    state: &[(usize, usize)],
    options: &Options,
) -> Result<(Plan, Isa, usize)> {
    let passes = if options.plain { Passes::PLAIN } else { Passes::FAST };
    let plan = Plan::with(tape, outputs, state, Memory::PerWorker, passes);
    Ok((plan, Isa::choose()?, options.workers()))
}

impl Cpu {
    pub fn new(
        tape: &Tape,
        outputs: &[Var],
        state: &[(usize, usize)],
        options: &Options,
    ) -> Result<Self> {
        let (plan, isa, threads) = planned(tape, outputs, state, options)?;
        Self::run_plan(plan, isa, threads, options.memory)
    }

    /// What [`Cpu::new`] would make costs, without its arenas.
    pub fn cost_of(
        tape: &Tape,
        outputs: &[Var],
        state: &[(usize, usize)],
        options: &Options,
    ) -> Result<Cost> {
        let (plan, isa, threads) = planned(tape, outputs, state, options)?;
        Ok(Ready::new(&plan, isa).cost(&plan, threads))
    }

    /// A program from a plan laid out with `Memory::PerWorker`.
    pub fn run_plan(plan: Plan, isa: Isa, threads: usize, budget: Option<u64>) -> Result<Self> {
        let ready = Ready::new(&plan, isa);
        let cost = ready.cost(&plan, threads);
        if let Some(budget) = budget.filter(|&budget| cost.peak_bytes > budget) {
            return Err(crate::error::Error::input(format!(
                "this program needs {} MiB on {threads} threads, the memory allowed is {} MiB; \
                 fewer tasks a step or --threads 1 ({} MiB) would need less",
                cost.peak_bytes.div_ceil(1 << 20),
                budget >> 20,
                ready.cost(&plan, 1).peak_bytes.div_ceil(1 << 20)
            )));
        }
        let own: Vec<Floats> = plan
            .buffers
            .iter()
            .map(|b| Floats::new(if b.place == Place::Own { b.words(b.tasks) } else { 0 }))
            .collect();
        for (buffer, values) in &plan.constants {
            for (i, &value) in values.iter().enumerate() {
                // Safety: a constant fills its buffer, which is no part of another.
                unsafe { *own[*buffer].start().add(i) = value as f32 };
            }
        }
        let shared = Floats::new(plan.shared_len);
        let starts: Vec<*mut f32> = own.iter().map(Floats::start).collect();
        let table = |arena: *mut f32| Table::new(&plan, &starts, shared.start(), arena);
        let running = |(i, segment): (usize, &Segment)| {
            let (chunks, sums_len) = ready.sums[i];
            let kernels = &plan.kernels[segment.kernels.clone()];
            let flops: u64 = kernels.iter().map(|k| k.flops() / k.tasks as u64).sum();
            let large = flops >= LOCKSTEP * kernels.len() as u64;
            let sums = Floats::new(chunks * sums_len);
            Running { tree: Tree::new(chunks), large, sums, sums_len }
        };
        let segments = plan.segments.iter().enumerate().map(running).collect();
        let (mut tables, mut workers) = (Vec::new(), Vec::new());
        for _ in 0..threads {
            let arena = Floats::new(plan.worker_len);
            let registers = Floats::new(ready.registers * BLOCK);
            let (floats, partials) = (Floats::new(ready.floats), Floats::new(ready.partial));
            let scratch = Scratch {
                registers: registers.start(),
                floats: floats.start(),
                partials: partials.start(),
                pointers: Pointers::default(),
            };
            tables.push(table(arena.start()));
            workers.push(Mutex::new(Worker {
                scratch,
                turn: 0,
                _arena: arena,
                _registers: registers,
                _floats: floats,
                _partials: partials,
            }));
        }
        let slots = plan.inputs.iter().zip(&plan.slots);
        let idle = slots.map(|(needed, &len)| vec![0.0; if needed.is_some() { 0 } else { len }]);
        Ok(Self {
            idle: idle.collect(),
            isa,
            pool: Pool::new(threads),
            barrier: Barrier::new(threads),
            parts: Parts::new(threads),
            tables,
            rests: workers.iter().map(|_| Mutex::new(None)).collect(),
            workers,
            segments,
            meeting: Floats::new(ready.meeting),
            codes: ready.codes,
            plan,
            _own: own,
            _shared: shared,
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
        unsafe { self.codes[k].run_task(self.isa, &self.tables[0], task, &mut worker.scratch) };
    }

    /// Everything of one run that worker `number` does.
    fn work(&self, number: usize) {
        let _attends = self.barrier.attend();
        let mut worker = self.workers[number].lock().expect("each worker locks its own");
        let worker = &mut *worker;
        for (segment, running) in self.plan.segments.iter().zip(&self.segments) {
            if segment.tasks > 1 {
                // Safety: chunks are claimed once each; what tasks write is their own.
                unsafe { self.per_task(segment, running, worker, number) };
            } else {
                // Safety: parts are claimed once each; barriers stand between kernels that share.
                unsafe { self.lockstep(segment, 0, 0, 0, worker, number) };
            }
            self.barrier.wait();
        }
    }

    unsafe fn per_task(
        &self,
        segment: &Segment,
        running: &Running,
        worker: &mut Worker,
        number: usize,
    ) {
        let codes = &self.codes[segment.kernels.clone()];
        let table = &self.tables[number];
        let chunks = running.tree.chunks();
        let join = |join| unsafe { self.join_sums(segment, running, join) };
        let scratch = &mut worker.scratch;
        let mut rest = None;
        self.parts.share(worker.turn, number, chunks, |chunk| {
            let (first, end) = tasks_of(chunk, chunks, segment.tasks);
            for task in first..end {
                for (kernel, code) in codes.iter().enumerate() {
                    // Whoever waits has found no chunk left, so this one is this worker's last.
                    if running.large && self.barrier.half_wait() {
                        rest = Some(Rest { chunk, task, kernel });
                        return;
                    }
                    unsafe { code.run_task(self.isa, table, task, scratch) };
                }
                unsafe { self.keep_sums(segment, running, table, chunk, task) };
            }
            running.tree.bring(chunk, join);
        });
        worker.turn += 1;
        if !running.large {
            return;
        }
        *self.rests[number].lock().expect("no worker panics while it holds it") = rest;
        self.barrier.wait();
        for leader in 0..self.pool.workers() {
            let left = *self.rests[leader].lock().expect("as above");
            let Some(Rest { chunk, task: begun, kernel }) = left else { continue };
            let (_, end) = tasks_of(chunk, chunks, segment.tasks);
            for task in begun..end {
                let from = if task == begun { kernel } else { 0 };
                unsafe { self.lockstep(segment, from, task, leader, worker, number) };
                self.barrier.wait();
                if number == leader {
                    unsafe { self.keep_sums(segment, running, table, chunk, task) };
                }
                self.barrier.wait(); // the next task writes where this one's sums are
            }
        }
        if let Some(rest) = rest {
            running.tree.bring(rest.chunk, join);
        }
    }

    /// What a task leaves to be summed, into its chunk's sums.
    unsafe fn keep_sums(
        &self,
        segment: &Segment,
        running: &Running,
        table: &Table,
        chunk: usize,
        task: usize,
    ) {
        let first = task == tasks_of(chunk, running.tree.chunks(), segment.tasks).0;
        let mut into = running.sums.start().wrapping_add(chunk * running.sums_len);
        for sum in &segment.task_sums {
            let len = self.plan.buffers[sum.to].len;
            let term = |term: BufferId| {
                let start = match self.plan.buffers[term].place {
                    Place::Worker { .. } => 0,
                    _ => task * len,
                };
                table.base(term).wrapping_add(start).cast_const()
            };
            let second = sum.from.get(1).map_or(std::ptr::null(), |&second| term(second));
            unsafe { add_terms(self.isa, into, term(sum.from[0]), second, len, !first) };
            into = into.wrapping_add(len);
        }
    }

    /// Two chunks' sums added together: to the left one's, in the end to where the sums belong.
    unsafe fn join_sums(&self, segment: &Segment, running: &Running, join: Join) {
        let mut at = 0;
        for sum in &segment.task_sums {
            let len = self.plan.buffers[sum.to].len;
            let [left, right] = [join.left, join.right]
                .map(|chunk| running.sums.start().wrapping_add(chunk * running.sums_len + at));
            let into = if join.last { self.tables[0].base(sum.to) } else { left };
            unsafe { add_terms(self.isa, into, left, right, len, false) };
            at += len;
        }
    }

    /// The segment's kernels from `from` on one after the other, all workers on the same one: for the tasks from `task`
    /// on that one run serves, in the leader's arena.
    unsafe fn lockstep(
        &self,
        segment: &Segment,
        from: usize,
        task: usize,
        leader: usize,
        worker: &mut Worker,
        number: usize,
    ) {
        let table = &self.tables[leader];
        let mine = (number, self.pool.workers());
        let mut since = Since::Nothing;
        for code in &self.codes[segment.kernels.clone()][from..] {
            let scratch = &mut worker.scratch;
            if code.parts == 1 {
                if since == Since::Each {
                    self.barrier.wait();
                }
                since = Since::Leader;
                if number == leader {
                    for task in task..task + code.at_once {
                        unsafe { code.run_task(self.isa, table, task, scratch) };
                    }
                }
                continue;
            }
            if since != Since::Nothing {
                self.barrier.wait();
            }
            let meeting = self.meeting.start();
            if code.packed_len > 0 {
                unsafe { code.begin_parts(table, task, meeting, mine) };
                self.barrier.wait();
            }
            self.parts.share(worker.turn, number, code.parts, |part| unsafe {
                code.run_part(self.isa, table, task, part, meeting, scratch)
            });
            worker.turn += 1;
            self.barrier.wait();
            let piece;
            (since, piece) = match code.partial_len {
                0 => (Since::Nothing, None),
                LONG_SUMS.. => (Since::Each, Some(mine)),
                _ => (Since::Leader, (number == leader).then_some((0, 1))),
            };
            if let Some(piece) = piece {
                unsafe { code.finish_parts(self.isa, table, task, meeting, piece) };
            }
        }
    }

    /// Where a buffer stands now: state pairs exchange places after each run.
    fn start(&self, buffer: BufferId) -> *mut f32 {
        self.tables[0].base(buffer)
    }

    fn slice(&self, buffer: BufferId) -> &[f32] {
        let b = &self.plan.buffers[buffer];
        let stays = matches!(b.place, Place::Own | Place::Part { .. });
        assert!(stays, "only what outlives a run is read");
        // Safety: the buffer's storage, and no run is going on while `self` is borrowed.
        unsafe { std::slice::from_raw_parts(self.start(buffer), b.len * b.tasks) }
    }
}

impl Program for Cpu {
    fn write(&mut self, slot: usize, values: &[f32]) {
        assert_eq!(values.len(), self.plan.slots[slot], "values for input slot {slot}");
        let Some(buffer) = self.plan.inputs[slot] else {
            return self.idle[slot].copy_from_slice(values);
        };
        let start = self.start(buffer);
        // Safety: as long as asserted, and no run is going on.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), start, values.len()) };
    }

    fn run(&mut self) -> Result<()> {
        self.pool.run(&|number| self.work(number));
        for &(output, input) in &self.plan.state {
            self.tables.iter_mut().for_each(|table| table.swap(output, input));
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
        let idle = &self.idle[slot];
        into.copy_from_slice(self.plan.inputs[slot].map_or(idle, |buffer| self.slice(buffer)));
        Ok(())
    }

    fn cost(&self) -> Cost {
        self.cost.clone()
    }

    fn device(&self) -> String {
        format!("cpu, {} threads, {}", self.pool.workers(), self.isa.name())
    }
}
