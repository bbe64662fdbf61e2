//! The cut along the task axis: whose work is independent of whose.
//!
//! A node is *task-local* if result t reads only task t of operands with T tasks, or the one of operands
//! that all tasks share. Everything else ends a segment. Stages alternate: even ones hold what is
//! computed once for all tasks, odd ones what each task computes for itself. A sum over tasks of
//! task-local values is taken while its segment runs, task by task.

use super::graph::Graph;
use crate::op::{Along, Op};
use crate::shape::{Axes, Shape};
use crate::tape::Node;

#[derive(Clone, Debug)]
pub struct Cut {
    /// The number of tasks of all odd stages; 1: there are none.
    pub tasks: usize,
    /// Stage of each node; sources (inputs, constants) stand before all.
    pub stage: Vec<usize>,
    /// Sums over tasks taken at the end of the stage before their own.
    pub task_sum: Vec<bool>,
}

/// Everything in one stage: no node is task-local.
pub fn whole(graph: &Graph) -> Cut {
    let n = graph.nodes.len();
    Cut { tasks: 1, stage: vec![0; n], task_sum: vec![false; n] }
}

pub fn cut(graph: &Graph) -> Cut {
    let tasks = busiest_task_count(graph);
    let mut result = whole(graph);
    if tasks == 1 {
        return result;
    }
    result.tasks = tasks;
    for (id, node) in graph.nodes.iter().enumerate() {
        if is_source(&node.op) {
            continue;
        }
        let local = node.shape.tasks() == tasks && is_task_local(node, |i| graph.nodes[i].shape);
        let latest = node.inputs.iter().map(|&i| result.stage[i]).max().unwrap_or(0);
        let parity = local as usize;
        let input = node.inputs[0];
        let of_tasks = result.stage[input] % 2 == 1 && !is_source(&graph.nodes[input].op);
        result.task_sum[id] = node.op == Op::Sum(Axes(1)) && of_tasks;
        result.stage[id] = latest + (latest % 2 != parity) as usize;
    }
    postpone(graph, &mut result);
    result
}

/// What is computed once for all tasks moves to the last stage that still serves its readers: there it
/// may be part of their sweep instead of a map stored in between.
fn postpone(graph: &Graph, cut: &mut Cut) {
    let mut latest = vec![usize::MAX; graph.nodes.len()];
    for (id, node) in graph.nodes.iter().enumerate().rev() {
        let fixed = is_source(&node.op) || cut.stage[id] % 2 == 1 || cut.task_sum[id];
        if !fixed && latest[id] != usize::MAX {
            cut.stage[id] = cut.stage[id].max(latest[id]);
        }
        for &input in &node.inputs {
            let before = cut.stage[id] - cut.stage[id] % 2;
            latest[input] = latest[input].min(before);
        }
    }
}

pub fn is_source(op: &Op) -> bool {
    matches!(op, Op::Input(_) | Op::Const(_) | Op::Data(_))
}

/// The size above 1 of the first axis behind which most elements are computed.
fn busiest_task_count(graph: &Graph) -> usize {
    let mut work = std::collections::BTreeMap::<usize, usize>::new();
    for node in graph.nodes.iter().filter(|node| !is_source(&node.op)) {
        if node.shape.tasks() > 1 && is_task_local(node, |i| graph.nodes[i].shape) {
            *work.entry(node.shape.tasks()).or_default() += node.shape.len();
        }
    }
    work.into_iter().max_by_key(|&(tasks, work)| (work, tasks)).map_or(1, |(tasks, _)| tasks)
}

fn is_task_local(node: &Node, shape_of: impl Fn(usize) -> Shape) -> bool {
    let tasks = node.shape.tasks();
    let all = |id: &usize| shape_of(*id).tasks() == tasks;
    match &node.op {
        Op::Input(_) | Op::Const(_) | Op::Data(_) => false,
        Op::Random { .. } => true,
        Op::Expand => node.inputs.iter().all(|&i| [1, tasks].contains(&shape_of(i).tasks())),
        Op::Detach | Op::Pointwise(_) | Op::Reshape | Op::Conv { .. } => {
            node.inputs.iter().all(all)
        }
        Op::Permute { order } => order[0] == 0,
        Op::Slice { .. } | Op::Pad { .. } => node.inputs.iter().all(all),
        Op::Concat { axis } => *axis != 0,
        Op::Flip(axes) | Op::Sum(axes) => !axes.has(0),
        Op::MatMul { .. } => node.shape.rank() > 2,
        Op::ArgMax(along) | Op::Take(along) | Op::Put(along) => *along != Along::Axis(0),
    }
}
