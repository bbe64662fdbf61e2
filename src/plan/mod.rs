//! The plan: a rewriting of the tape into kernels that changes no number beyond rounding.
//!
//! Built once per (tape, outputs), run many times. `kernel.rs` says what a plan is made of, this file
//! what it is as a whole. [`Plan::plain`] makes one kernel of every node; [`Plan::fast`] rewrites
//! first. Tests hold plain = fast = reference.

pub mod kernel;

pub use kernel::{BufferId, Kernel, Kind, View};

/// Where a buffer's elements stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Storage of its own that outlives a run: inputs, constants, outputs, what crosses segments.
    Own,
    /// In the arena that all share, from this element.
    Shared { offset: usize },
    /// In the arena of one worker, from this element: holds one task at a time (`task_stride` of its
    /// views does not count). Only where `Memory::PerWorker` was asked for.
    Worker { offset: usize },
}

#[derive(Clone, Debug)]
pub struct Buffer {
    /// Elements of one task (of all, where `tasks` is 1).
    pub len: usize,
    /// The size of its task axis.
    pub tasks: usize,
    pub place: Place,
    /// The tape's node it holds.
    pub node: usize,
}

/// How memory is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Every buffer holds all tasks: one dispatch serves all (`gpu`).
    AllTasks,
    /// What lives inside one per-task segment holds one task, in the arena of its worker (`cpu`).
    PerWorker,
}

/// A run of kernels.
#[derive(Clone, Debug)]
pub struct Segment {
    pub kernels: std::ops::Range<usize>,
    /// More than 1: every kernel serves that many tasks, independently; a worker runs the whole
    /// segment for one task. 1: kernels run one after the other, each shared among the workers.
    pub tasks: usize,
    /// Sums over the tasks taken at the segment's end: `to` = Σ_t of the task's `from`.
    pub task_sums: Vec<TaskSum>,
}

/// A sum over the task axis of what a segment leaves for each task. Accumulated in a fixed number of
/// chunks in task order, so its bits do not depend on who ran what.
#[derive(Clone, Debug)]
pub struct TaskSum {
    pub from: BufferId,
    pub to: BufferId,
}

/// Kernels in order, and where everything stands.
#[derive(Clone, Debug)]
pub struct Plan {
    pub buffers: Vec<Buffer>,
    pub kernels: Vec<Kernel>,
    pub segments: Vec<Segment>,
    /// The buffer of each input slot; none where no output needs it.
    pub inputs: Vec<Option<BufferId>>,
    /// The buffer of each output, contiguous.
    pub outputs: Vec<BufferId>,
    /// After a run, the first buffer's content becomes the second's (an input): state, in place.
    pub state: Vec<(BufferId, BufferId)>,
    /// Filled once, before the first run.
    pub constants: Vec<(BufferId, Vec<f32>)>,
    /// Elements of the shared arena and of one worker's.
    pub shared_len: usize,
    pub worker_len: usize,
    pub memory: Memory,
}
