//! Views: a movement is strides of whoever reads it, where strides can say it.
//!
//! Each node is resolved to a *root* (the nearest node that is no movement) with offset and strides.
//! Roots are stored; `Expand`, `Permute`, `Slice`, `Flip` and most reshapes then cost nothing.

use super::graph::Graph;
use crate::op::Op;
use crate::shape::{MAX_RANK, Shape};
use crate::tape::Node;

pub type Strides = [isize; MAX_RANK];

/// Element (i0, i1, ...) of the node is element `offset + Σ i·strides` of `root`.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewOf {
    pub root: usize,
    pub offset: usize,
    pub strides: Strides,
}

impl ViewOf {
    /// All of a stored node.
    pub fn whole(root: usize, shape: Shape) -> Self {
        Self { root, offset: 0, strides: shape.strides().map(|s| s as isize) }
    }

    /// Whether a node of this shape is all of its root, in the root's order.
    pub fn is_all(&self, root: Shape, shape: Shape) -> bool {
        self.offset == 0 && root.len() == shape.len() && self.is_contiguous(shape)
    }

    /// Whether the elements of one task stand in row-major order without gaps; the task axis may
    /// have any stride.
    pub fn is_contiguous_per_task(&self, shape: Shape) -> bool {
        let want = shape.strides();
        (1..shape.rank()).all(|k| shape[k] == 1 || self.strides[k] == want[k] as isize)
    }

    /// As above, the task axis included.
    pub fn is_contiguous(&self, shape: Shape) -> bool {
        let task = shape.len() / shape.tasks();
        self.is_contiguous_per_task(shape)
            && (shape.tasks() == 1 || self.strides[0] == task as isize)
    }
}

/// Whether values stay what they are and change their places.
fn is_movement(op: &Op) -> bool {
    matches!(op, Op::Reshape | Op::Permute { .. } | Op::Expand | Op::Slice { .. } | Op::Flip(_))
}

/// The view each node is, if it is a movement that strides can say; `views` holds those before it.
/// With `enabled` off nothing is a view.
pub fn view_of(nodes: &[Node], views: &[Option<ViewOf>], id: usize) -> Option<ViewOf> {
    let node = &nodes[id];
    let source = || {
        let input = node.inputs[0];
        let from = nodes[input].shape;
        let view = views[input].clone().unwrap_or_else(|| ViewOf::whole(input, from));
        (view, from)
    };
    let rank = node.shape.rank();
    match &node.op {
        Op::Reshape => {
            let (mut view, from) = source();
            view.strides = reshaped(from, &view.strides, node.shape)?;
            Some(view)
        }
        Op::Permute { order } => {
            let (mut view, _) = source();
            let old = view.strides;
            for k in 0..rank {
                view.strides[k] = old[order[k] as usize];
            }
            Some(view)
        }
        Op::Expand => {
            let (mut view, from) = source();
            for k in (0..rank).filter(|&k| from[k] == 1 && node.shape[k] > 1) {
                view.strides[k] = 0;
            }
            Some(view)
        }
        Op::Slice { start } => {
            let (mut view, _) = source();
            let moved: isize = (0..rank).map(|k| start[k] as isize * view.strides[k]).sum();
            view.offset = (view.offset as isize + moved) as usize;
            Some(view)
        }
        Op::Flip(axes) => {
            let (mut view, from) = source();
            let mut offset = view.offset as isize;
            for k in axes.iter() {
                offset += view.strides[k] * (from[k] as isize - 1);
                view.strides[k] = -view.strides[k];
            }
            view.offset = offset as usize;
            Some(view)
        }
        _ => None,
    }
}

/// Strides of the same elements under another shape, or none where no strides say it.
///
/// Both shapes are cut into the shortest runs of axes with equal element counts; within a run the old
/// axes must be mergeable (each a multiple of the next), then the new ones split the merged axis.
fn reshaped(from: Shape, strides: &Strides, to: Shape) -> Option<Strides> {
    let old: Vec<(usize, isize)> =
        (0..from.rank()).filter(|&k| from[k] > 1).map(|k| (from[k], strides[k])).collect();
    let mut out = [0isize; MAX_RANK];
    let (mut next, mut axis) = (0, 0);
    while axis < to.rank() {
        if to[axis] == 1 {
            axis += 1;
            continue;
        }
        let (mut size, mut step) = *old.get(next)?;
        next += 1;
        let (start, mut want) = (axis, to[axis]);
        axis += 1;
        while size != want {
            if want < size {
                want *= *to.dims().get(axis)?;
                axis += 1;
            } else {
                let (n, s) = *old.get(next)?;
                if step != s * n as isize {
                    return None;
                }
                (size, step) = (size * n, s);
                next += 1;
            }
        }
        let mut inner = step;
        for k in (start..axis).rev() {
            out[k] = inner;
            inner *= to[k] as isize;
        }
    }
    // Axes of size 1 get the row-major stride, so that contiguity reads the same everywhere.
    let mut inner = 1;
    for k in (0..to.rank()).rev() {
        if to[k] == 1 {
            out[k] = inner;
        }
        inner = out[k].max(1) * to[k] as isize;
    }
    Some(out)
}

/// Makes plain copies (`Detach` nodes) where a kernel needs contiguous operands and gets a strided
/// view, and where an output is a view, an input or another output. Returns the graph and its views.
pub fn resolve(graph: Graph, enabled: bool) -> (Graph, Vec<Option<ViewOf>>) {
    let mut nodes: Vec<Node> = Vec::with_capacity(graph.nodes.len());
    let mut views: Vec<Option<ViewOf>> = Vec::with_capacity(graph.nodes.len());
    let mut to = Vec::with_capacity(graph.nodes.len());
    let push = |nodes: &mut Vec<Node>, views: &mut Vec<Option<ViewOf>>, mut node: Node| {
        // One number everywhere stays that wherever it moves. Only one task's worth of it is stored: a view might look past it.
        if is_movement(&node.op)
            && let Op::Const(bits) = nodes[node.inputs[0]].op
        {
            node = Node { op: Op::Const(bits), inputs: vec![], ..node };
        }
        nodes.push(node);
        let id = nodes.len() - 1;
        // Task strides are never negative, so what runs the task axis backwards is a copy.
        let forwards = |view: &ViewOf| view.strides[0] >= 0 || nodes[id].shape.tasks() == 1;
        let view = if enabled { view_of(nodes, views, id).filter(forwards) } else { None };
        views.push(view);
        id
    };
    for node in graph.nodes {
        let mut inputs: Vec<usize> = node.inputs.iter().map(|&input| to[input]).collect();
        let contiguous = matches!(node.op, Op::Conv { .. })
            || matches!(
                node.op,
                Op::ArgMax(crate::op::Along::Window(_))
                    | Op::Take(crate::op::Along::Window(_))
                    | Op::Put(crate::op::Along::Window(_))
            );
        let product = matches!(node.op, Op::MatMul { .. });
        if contiguous || product {
            for input in &mut inputs {
                let shape = nodes[*input].shape;
                let fits = |v: &ViewOf| match product {
                    true => v.strides[..shape.rank()].iter().all(|&s| s >= 0),
                    false => v.is_contiguous_per_task(shape),
                };
                if views[*input].as_ref().is_some_and(|v| !fits(v)) {
                    let copy = Node { op: Op::Detach, inputs: vec![*input], shape };
                    *input = push(&mut nodes, &mut views, copy);
                }
            }
        }
        to.push(push(&mut nodes, &mut views, Node { inputs, ..node }));
    }
    let mut outputs: Vec<usize> = Vec::with_capacity(graph.outputs.len());
    for &output in &graph.outputs {
        let mut id = to[output];
        let shape = nodes[id].shape;
        let owned = !matches!(nodes[id].op, Op::Input(_) | Op::Const(_) | Op::Data(_))
            && views[id].is_none()
            && !outputs.contains(&id);
        if !owned {
            id = push(&mut nodes, &mut views, Node { op: Op::Detach, inputs: vec![id], shape });
        }
        outputs.push(id);
    }
    (Graph { nodes, outputs }, views)
}
