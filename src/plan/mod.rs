//! The plan: a rewriting of the tape into kernels that changes no number beyond rounding.
//!
//! Built once per (tape, outputs), run many times. `kernel.rs` says what a plan is made of, this file
//! what it is as a whole. [`Plan::plain`] makes one kernel of every node; [`Plan::fast`] rewrites
//! first. Tests hold plain = fast = reference.

pub mod cut;
pub mod explain;
mod flat;
mod gathered;
pub mod graph;
pub mod interpret;
pub mod kernel;
pub mod levels;
mod lower;
mod memory;
pub mod ride;
pub mod simplify;
mod split;
mod sums;
mod sweep;
pub(crate) mod thin;
mod trilinear;
mod turned;
pub mod twin;
pub mod views;

pub use kernel::{BufferId, Kernel, Kind, View};

use crate::tape::{Tape, Var};
use graph::Graph;

/// Where a buffer's elements stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Storage of its own that outlives a run: inputs, constants, outputs, what crosses segments.
    Own,
    /// In another buffer, which is `Own`, from this element (`flat.rs`).
    Part { whole: BufferId, offset: usize },
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
    /// Of one element: 4, or 1 for an index that only sweeps read (0 to 3).
    pub element_bytes: usize,
    pub place: Place,
    /// The tape's node it holds.
    pub node: usize,
}

impl Buffer {
    /// Places of four bytes that `tasks` of its tasks take.
    pub fn words(&self, tasks: usize) -> usize {
        (self.len * tasks * self.element_bytes).div_ceil(4)
    }
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
    /// One term or two, added together first.
    pub from: Vec<BufferId>,
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
    /// Elements of each input slot.
    pub slots: Vec<usize>,
    /// The buffer of each output, contiguous.
    pub outputs: Vec<BufferId>,
    /// After a run, the first buffer's content becomes the second's (an input): state, in place. Parts and
    /// their wholes are both among them.
    pub state: Vec<(BufferId, BufferId)>,
    /// Filled once, before the first run.
    pub constants: Vec<(BufferId, Vec<f64>)>,
    /// Elements of the shared arena and of one worker's.
    pub shared_len: usize,
    pub worker_len: usize,
    pub memory: Memory,
}

/// Which passes a plan goes through. All on: [`Passes::FAST`]; all off: [`Passes::PLAIN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passes {
    pub simplify: bool,
    pub twins: bool,
    /// Movements become strides of their readers.
    pub views: bool,
    /// Segments along the task axis.
    pub cut: bool,
    /// Virtual maps, levels and sweeps, which pools ride in.
    pub fuse: bool,
    /// The update of all parameters is one sweep.
    pub flat: bool,
    /// The map of a thin convolution is made where it is read (`thin.rs`), and as seldom as can be (`trilinear.rs`,
    /// `gathered.rs`).
    pub thin: bool,
}

impl Passes {
    pub const PLAIN: Passes = Passes {
        simplify: false,
        twins: false,
        views: false,
        cut: false,
        fuse: false,
        flat: false,
        thin: false,
    };
    pub const FAST: Passes = Passes {
        simplify: true,
        twins: true,
        views: true,
        cut: true,
        fuse: true,
        flat: true,
        thin: true,
    };
}

impl Plan {
    /// One kernel a node, in the tape's order, all tasks at once: no rewriting.
    pub fn plain(tape: &Tape, outputs: &[Var], state: &[(usize, usize)], memory: Memory) -> Plan {
        Self::with(tape, outputs, state, memory, Passes::PLAIN)
    }

    /// All passes.
    pub fn fast(tape: &Tape, outputs: &[Var], state: &[(usize, usize)], memory: Memory) -> Plan {
        Self::with(tape, outputs, state, memory, Passes::FAST)
    }

    /// The passes named. `state` pairs (number of an output, input slot): see [`Plan::state`].
    ///
    /// Panics when a state pair's shapes differ or two pairs name one slot: a mistake in the program.
    #[track_caller]
    pub fn with(
        tape: &Tape,
        outputs: &[Var],
        state: &[(usize, usize)],
        memory: Memory,
        passes: Passes,
    ) -> Plan {
        let slots = tape.input_shapes();
        for (k, &(output, slot)) in state.iter().enumerate() {
            let (from, to) = (outputs[output].shape(), slots[slot]);
            assert!(from == to, "state: output {output} is {from}, input slot {slot} is {to}");
            let once = state[..k].iter().all(|pair| pair.1 != slot);
            assert!(once, "state: input slot {slot} would become two outputs");
        }
        // On `gpu` a visit of pixels and one of tiles are dispatches of different sizes.
        let ride = passes.fuse && memory == Memory::PerWorker;
        let thin = ride && passes.thin;
        let (wanted, state) = each_once(outputs, state);
        let mut graph = Graph::of(tape, &wanted);
        if passes.simplify {
            graph = simplify::simplify(graph, thin);
            if thin {
                graph = gathered::gathered(graph);
            }
        }
        if passes.twins {
            graph = twin::twins(graph);
        }
        if passes.views && passes.cut && memory == Memory::PerWorker {
            graph = turned::turned_once(graph);
        }
        if thin && passes.cut {
            graph = thin::made_by_each_task(graph);
        }
        let (mut graph, views) = views::resolve(graph, passes.views);
        let cut = if passes.cut { cut::cut(&graph) } else { cut::whole(&graph) };
        if passes.twins && memory == Memory::PerWorker {
            twin::terms_of_tasks(&mut graph, &views, &cut);
        }
        let mut rides = vec![false; views.len()];
        if ride {
            rides = ride::riders(&graph, &views, &cut);
        }
        if thin {
            thin::add_thin(&graph, &views, &cut, &mut rides);
        }
        let levels = levels::levels(&graph, &views, &cut, passes.fuse, &rides);
        let mut low = lower::Lowering::new(&graph, &views, &cut, &levels, &rides, memory);
        low.run();

        let mut inputs = vec![None; slots.len()];
        for (id, node) in graph.nodes.iter().enumerate() {
            if let crate::op::Op::Input(slot) = node.op {
                inputs[slot] = low.buffer_of[id];
            }
        }
        let mut results: Vec<BufferId> = graph.outputs.iter().map(|&id| low.buffer(id)).collect();
        let mut buffers = std::mem::take(&mut low.buffers);
        let pairs = state.iter().map(|&(output, slot)| {
            let input = *inputs[slot].get_or_insert_with(|| {
                // State that nothing reads back still has to stand somewhere.
                let like = buffers[results[output]].clone();
                buffers.push(Buffer { place: Place::Own, node: usize::MAX, ..like });
                buffers.len() - 1
            });
            (results[output], input)
        });
        let mut state: Vec<_> = pairs.collect();
        if passes.flat {
            let constants = low.constants.iter().map(|&(buffer, _)| buffer).collect();
            let (kernels, segments) = (&mut low.kernels, &mut low.segments);
            flat::flatten(&mut buffers, kernels, segments, &mut state, &constants);
        }
        let own: Vec<bool> = (0..buffers.len())
            .map(|b| {
                let node = buffers[b].node;
                let source = node == usize::MAX || cut::is_source(&graph.nodes[node].op);
                let part = matches!(buffers[b].place, Place::Part { .. });
                results.contains(&b) || source || part
            })
            .collect();
        let worker = one_task_buffers(&low, &buffers, &own, memory);
        let (shared_len, worker_len) =
            memory::assign(&mut buffers, &low.kernels, &low.segments, &own, &worker);
        results.truncate(outputs.len());
        Plan {
            buffers,
            kernels: low.kernels,
            segments: low.segments,
            inputs,
            slots: slots.iter().map(|shape| shape.len()).collect(),
            outputs: results,
            state,
            constants: low.constants,
            shared_len,
            worker_len,
            memory,
        }
    }

    /// Bytes of everything this plan stores outside the workers' arenas, and of one worker's arena.
    pub fn bytes(&self) -> (u64, u64) {
        let own = self.buffers.iter().filter(|b| b.place == Place::Own);
        let own: usize = own.map(|b| b.words(b.tasks)).sum();
        (4 * (own + self.shared_len) as u64, 4 * self.worker_len as u64)
    }

    pub fn flops(&self) -> u64 {
        self.kernels.iter().map(Kernel::flops).sum()
    }
}

/// The outputs once more for every state pair after the first of an output, and pairs that name each of them once: a pair
/// exchanges two places, so what becomes two slots' value is stored twice.
fn each_once<'t>(
    outputs: &[Var<'t>],
    state: &[(usize, usize)],
) -> (Vec<Var<'t>>, Vec<(usize, usize)>) {
    let mut wanted = outputs.to_vec();
    let mut pairs: Vec<(usize, usize)> = vec![];
    for &(output, slot) in state {
        let mut from = output;
        if pairs.iter().any(|pair| pair.0 == output) {
            from = wanted.len();
            wanted.push(outputs[output]);
        }
        pairs.push((from, slot));
    }
    (wanted, pairs)
}

/// Which buffers hold one task at a time: touched by the kernels of one per-task segment alone.
fn one_task_buffers(
    low: &lower::Lowering,
    buffers: &[Buffer],
    own: &[bool],
    memory: Memory,
) -> Vec<bool> {
    if memory == Memory::AllTasks {
        return vec![false; buffers.len()];
    }
    let mut home: Vec<Option<usize>> = vec![None; buffers.len()];
    let mut worker: Vec<bool> = own.iter().map(|own| !own).collect();
    for (s, segment) in low.segments.iter().enumerate() {
        for kernel in &low.kernels[segment.kernels.clone()] {
            for view in kernel.reads().into_iter().chain(kernel.writes()) {
                let one = segment.tasks > 1 && *home[view.buffer].get_or_insert(s) == s;
                worker[view.buffer] &= one;
            }
        }
        for sum in &segment.task_sums {
            worker[sum.to] = false;
        }
    }
    // A buffer shared by all tasks is nobody's own, wherever it was made.
    buffers.iter().zip(worker).map(|(buffer, worker)| worker && buffer.tasks > 1).collect()
}
