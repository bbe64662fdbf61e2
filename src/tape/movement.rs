//! Movement on the tape: shapes change, values do not.

use super::{Tape, Var};
use crate::op::{Along, Op};
use crate::shape::{Axes, MAX_RANK, Shape};

fn fixed<T: Copy + Default>(values: impl IntoIterator<Item = T>) -> [T; MAX_RANK] {
    let mut out = [T::default(); MAX_RANK];
    for (o, v) in out.iter_mut().zip(values) {
        *o = v;
    }
    out
}

impl<'t> Var<'t> {
    #[track_caller]
    pub fn reshape(self, shape: impl Into<Shape>) -> Var<'t> {
        let shape = shape.into();
        if shape == self.shape() { self } else { self.tape.push(Op::Reshape, &[self], Some(shape)) }
    }

    /// Axis k of the result is axis `order[k]` of this value.
    #[track_caller]
    pub fn permute(self, order: &[usize]) -> Var<'t> {
        assert_eq!(order.len(), self.shape().rank(), "Permute: {order:?} for {}", self.shape());
        let order = fixed(order.iter().map(|&axis| axis as u8));
        self.tape.push(Op::Permute { order }, &[self], None)
    }

    /// The last two axes swapped.
    #[track_caller]
    pub fn transpose(self) -> Var<'t> {
        let rank = self.shape().rank();
        let mut order: Vec<usize> = (0..rank).collect();
        order.swap(rank - 1, rank - 2);
        self.permute(&order)
    }

    /// Axes of size 1 grow to the sizes of `shape`.
    #[track_caller]
    pub fn expand(self, shape: impl Into<Shape>) -> Var<'t> {
        let shape = shape.into();
        if shape == self.shape() { self } else { self.tape.push(Op::Expand, &[self], Some(shape)) }
    }

    /// A copy for each of `tasks` tasks: `[1, ...]` -> `[tasks, ...]`. Its derivative is the sum over tasks.
    #[track_caller]
    pub fn per_task(self, tasks: usize) -> Var<'t> {
        self.expand(self.shape().with(0, tasks))
    }

    /// The box of `shape` that begins at `start`.
    #[track_caller]
    pub fn slice(self, start: &[usize], shape: impl Into<Shape>) -> Var<'t> {
        let shape = shape.into();
        if shape == self.shape() && start.iter().all(|&s| s == 0) {
            return self;
        }
        self.tape.push(Op::Slice { start: fixed(start.iter().copied()) }, &[self], Some(shape))
    }

    /// `len` places of one axis, from `start`.
    #[track_caller]
    pub fn narrow(self, axis: usize, start: usize, len: usize) -> Var<'t> {
        let shape = self.shape();
        let mut from = [0; MAX_RANK];
        from[axis] = start;
        self.slice(&from[..shape.rank()], shape.with(axis, len))
    }

    /// This value at offset `before` inside `shape`, `value` elsewhere.
    #[track_caller]
    pub fn pad_to(self, shape: impl Into<Shape>, before: &[usize], value: f64) -> Var<'t> {
        let before = fixed(before.iter().copied());
        self.tape.push(Op::Pad { before, value: value.to_bits() }, &[self], Some(shape.into()))
    }

    /// Axes run backwards.
    #[track_caller]
    pub fn flip(self, axes: Axes) -> Var<'t> {
        self.tape.push(Op::Flip(axes), &[self], None)
    }

    /// `result[.., j, ..] = self[.., index[.., j, ..], ..]`; see [`Along`].
    #[track_caller]
    pub fn take(self, index: Var<'t>, along: Along) -> Var<'t> {
        self.tape.push(Op::Take(along), &[self, index], None)
    }

    /// Zeros of `shape`, with each element added at the place its index names.
    #[track_caller]
    pub fn put(self, index: Var<'t>, along: Along, shape: impl Into<Shape>) -> Var<'t> {
        self.tape.push(Op::Put(along), &[self, index], Some(shape.into()))
    }

    /// Index of the largest element along an axis (which becomes 1) or of each window.
    #[track_caller]
    pub fn argmax(self, along: Along) -> Var<'t> {
        self.tape.push(Op::ArgMax(along), &[self], None)
    }

    /// `result[.., j, ..] = self[.., index[j], ..]`: one index of rank 1 for all other axes.
    #[track_caller]
    pub fn gather(self, index: Var<'t>, axis: usize) -> Var<'t> {
        let shape = self.shape().with(axis, index.shape().len());
        self.take(index_on(index, axis, shape), Along::Axis(axis as u8))
    }

    /// Zeros with `size` places on `axis`, plus `self[.., j, ..]` added at `index[j]`.
    #[track_caller]
    pub fn scatter_add(self, index: Var<'t>, axis: usize, size: usize) -> Var<'t> {
        let shape = self.shape();
        self.put(index_on(index, axis, shape), Along::Axis(axis as u8), shape.with(axis, size))
    }

    /// As [`Var::take`] along an axis, where the task axes of both broadcast.
    #[track_caller]
    pub fn take_along(self, index: Var<'t>, axis: usize) -> Var<'t> {
        if axis == 0 {
            return self.take(index, Along::Axis(0));
        }
        let tasks = self.shape().tasks().max(index.shape().tasks());
        self.per_task(tasks).take(index.per_task(tasks), Along::Axis(axis as u8))
    }

    /// Appends a last axis of `classes` places: 1 where the label is the place, else 0. A label
    /// outside 0..classes gives zeros. Labels are whole numbers; no derivative.
    pub fn one_hot(self, classes: usize) -> Var<'t> {
        let mut dims = self.shape().dims().to_vec();
        dims.push(1);
        let labels = self.reshape(&dims[..]);
        let mut row = vec![1; dims.len()];
        row[dims.len() - 1] = classes;
        let places = self.tape.iota(&row[..], 1.0, 0.0);
        // Equal, from two `Less`: neither below nor above by half or more.
        (labels - 0.5).less(places) * places.less(labels + 0.5)
    }
}

/// An index of rank 1 laid along `axis` and the same for every other place of `shape`.
#[track_caller]
fn index_on<'t>(index: Var<'t>, axis: usize, shape: Shape) -> Var<'t> {
    let ones = vec![1; shape.rank()];
    let line = Shape::new(&ones).with(axis, index.shape().len());
    index.reshape(line).expand(shape)
}

impl Tape {
    /// Inputs one after the other along `axis`.
    #[track_caller]
    pub fn concat<'t>(&'t self, inputs: &[Var<'t>], axis: usize) -> Var<'t> {
        self.push(Op::Concat { axis: axis as u8 }, inputs, None)
    }
}
