//! From a plan to the launches of a run, and where everything stands in the arena: no device yet.
//!
//! The arena holds, one after the other, the plan's shared arena, every buffer of its own, and
//! scratch for sums in parts.

use super::launch::{Launch, Site, Strided};
use super::sweep::Sums;
use super::{choose, contract, sweep};
use crate::error::Result;
use crate::plan::kernel::Arg;
use crate::plan::{BufferId, Kind, Place, Plan, TaskSum};

/// Buffers start at multiples of so many elements: a cache line of any GPU.
pub const ALIGN: usize = 32;

/// Where things stand in the arena, in elements.
pub struct Map {
    pub starts: Vec<usize>,
    /// Where scratch begins: the end of everything else.
    pub scratch: usize,
}

impl Map {
    pub fn of(plan: &Plan) -> Map {
        let mut end = plan.shared_len.next_multiple_of(ALIGN);
        let starts = plan.buffers.iter().map(|buffer| match buffer.place {
            Place::Shared { offset } => offset,
            Place::Part { offset, .. } => offset, // in a whole that stands somewhere below
            Place::Own => {
                let start = end;
                end += (buffer.len * buffer.tasks).next_multiple_of(ALIGN);
                start
            }
            Place::Worker { .. } => panic!("a plan for `gpu` is made with Memory::AllTasks"),
        });
        let mut starts: Vec<usize> = starts.collect();
        for (b, buffer) in plan.buffers.iter().enumerate() {
            if let Place::Part { whole, .. } = buffer.place {
                starts[b] += starts[whole];
            }
        }
        Map { starts, scratch: end }
    }
}

/// All launches of a run in order, and how long the arena must be.
pub fn launches(plan: &Plan, hardware: bool) -> Result<(Vec<Launch>, usize)> {
    let map = Map::of(plan);
    let site = Site { starts: &|b: BufferId| map.starts[b], scratch: map.scratch, hardware };
    let (mut launches, mut scratch) = (vec![], 0);
    let mut add = |made: Vec<Launch>, used: usize| {
        launches.extend(made);
        scratch = scratch.max(used); // dispatches run one after the other: all share one scratch
    };
    for segment in &plan.segments {
        for kernel in &plan.kernels[segment.kernels.clone()] {
            let tasks = kernel.tasks;
            match &kernel.kind {
                Kind::Sweep(p) => {
                    let (made, used) = sweep::sweep(p, tasks, &site);
                    add(made, used);
                }
                Kind::MatMul(p) => {
                    let (made, used) = contract::matmul(p, tasks, &site)?;
                    add(made, used);
                }
                Kind::Conv(p) => {
                    let (made, used) = contract::conv(p, tasks, &site);
                    add(made, used);
                }
                Kind::Choose(p) => add(vec![choose::choose(p, tasks, &site)?], 0),
                Kind::Random(p) => add(vec![choose::random(p, tasks, &site)], 0),
            }
        }
        for sum in &segment.task_sums {
            let mut made = vec![];
            let used = task_sum(plan, sum, &map, &mut made);
            add(made, used);
        }
    }
    let (made, used) = state(plan, &map);
    add(made, used);
    Ok((launches, map.scratch + scratch))
}

fn task_sum(plan: &Plan, sum: &TaskSum, map: &Map, launches: &mut Vec<Launch>) -> usize {
    let [term] = sum.from[..] else {
        unreachable!("plans for all tasks at once add terms in kernels")
    };
    let from = &plan.buffers[term];
    let sums = Sums {
        kept: vec![from.len],
        summed: vec![from.tasks],
        loads: vec![Strided { start: map.starts[term], strides: vec![1, from.len as isize] }],
        program: &[],
        sinks: vec![(Arg::Load(0), Strided { start: map.starts[sum.to], strides: vec![1, 0] })],
        accumulate: false,
    };
    sums.launch(map.scratch, launches)
}

/// Copies of new state to where the next run reads it.
fn state(plan: &Plan, map: &Map) -> (Vec<Launch>, usize) {
    let len = |b: BufferId| plan.buffers[b].len * plan.buffers[b].tasks;
    let pairs: Vec<(usize, usize, usize)> = plan
        .state
        .iter()
        .filter(|(from, to)| from != to)
        // A part goes with its whole.
        .filter(|(from, _)| !matches!(plan.buffers[*from].place, Place::Part { .. }))
        .map(|&(from, to)| (map.starts[from], map.starts[to], len(to)))
        .collect();
    let written = |start: usize| pairs.iter().any(|&(_, to, _)| to == start);
    if !pairs.iter().any(|&(from, ..)| written(from)) {
        return (choose::copies(&pairs), 0);
    }
    // An input handed on to another input, or two exchanged: by way of scratch.
    let mut at = map.scratch;
    let (mut out, mut back) = (vec![], vec![]);
    for (from, to, len) in pairs {
        out.push((from, at, len));
        back.push((at, to, len));
        at += len;
    }
    let mut launches = choose::copies(&out);
    launches.extend(choose::copies(&back));
    (launches, at - map.scratch)
}
