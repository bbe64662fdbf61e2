//! Shapes: the sizes of a tensor's axes, the first of them the task axis.
//!
//! Every tensor is `[tasks, ...]`, row-major, all sizes at least 1, at most [`MAX_RANK`] axes. A task
//! axis of 1 means "one value, shared by all tasks". Axes never broadcast by themselves: `Expand` on
//! the tape says where one does, so that its derivative (a sum) is on the tape too.

use std::fmt;

/// More axes than any operation here needs (the widest, nearest-neighbour resizing, uses 7).
pub const MAX_RANK: usize = 8;

/// The sizes of up to [`MAX_RANK`] axes. `Copy`, so that nodes and formulas pass it by value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shape {
    rank: u8,
    dims: [usize; MAX_RANK],
}

impl Shape {
    /// A shape from its sizes. Panics above [`MAX_RANK`] axes or at a size of 0: see [`Shape::try_new`].
    #[track_caller]
    pub fn new(dims: &[usize]) -> Self {
        match Self::try_new(dims) {
            Ok(shape) => shape,
            Err(why) => panic!("{why}"),
        }
    }

    /// As [`Shape::new`], for sizes that come from a file.
    pub fn try_new(dims: &[usize]) -> Result<Self, String> {
        if dims.is_empty() || dims.len() > MAX_RANK {
            return Err(format!("{dims:?} has {} axes; 1 to {MAX_RANK} are possible", dims.len()));
        }
        if dims.contains(&0) {
            return Err(format!("{dims:?} has an axis of size 0; tensors are never empty"));
        }
        dims.iter()
            .try_fold(1usize, |n, &d| n.checked_mul(d))
            .filter(|&n| n <= 1 << 40)
            .ok_or_else(|| format!("{dims:?} has more than 2^40 elements"))?;
        let mut all = [1; MAX_RANK];
        all[..dims.len()].copy_from_slice(dims);
        Ok(Self { rank: dims.len() as u8, dims: all })
    }

    pub fn rank(&self) -> usize {
        self.rank as usize
    }

    pub fn dims(&self) -> &[usize] {
        &self.dims[..self.rank()]
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.dims().iter().product()
    }

    /// Never: tensors have at least one element. Here because clippy asks for it beside `len`.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The size of the task axis.
    pub fn tasks(&self) -> usize {
        self.dims[0]
    }

    /// The last size.
    pub fn last(&self) -> usize {
        self.dims()[self.rank() - 1]
    }

    /// The same shape with `size` on `axis`.
    pub fn with(mut self, axis: usize, size: usize) -> Self {
        debug_assert!(axis < self.rank());
        self.dims[axis] = size;
        self
    }

    /// Elements between neighbours on each axis, row-major.
    pub fn strides(&self) -> [usize; MAX_RANK] {
        let mut strides = [0; MAX_RANK];
        let mut step = 1;
        for axis in (0..self.rank()).rev() {
            strides[axis] = step;
            step *= self.dims[axis];
        }
        strides
    }

    /// The shape both operands expand to: sizes equal, or one of them 1. Same rank on both sides.
    pub fn broadcast(&self, other: &Shape) -> Result<Shape, String> {
        if self.rank() != other.rank() {
            return Err(format!("{self} and {other} have different numbers of axes"));
        }
        let mut out = *self;
        for axis in 0..self.rank() {
            let (a, b) = (self.dims[axis], other.dims[axis]);
            if a != b && a != 1 && b != 1 {
                return Err(format!("{self} and {other} differ on axis {axis} ({a} and {b})"));
            }
            out.dims[axis] = a.max(b);
        }
        Ok(out)
    }
}

impl std::ops::Index<usize> for Shape {
    type Output = usize;
    fn index(&self, axis: usize) -> &usize {
        &self.dims()[axis]
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    #[track_caller]
    fn from(dims: [usize; N]) -> Self {
        Self::new(&dims)
    }
}

impl From<&[usize]> for Shape {
    #[track_caller]
    fn from(dims: &[usize]) -> Self {
        Self::new(dims)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:?}", self.dims())
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:?}", self.dims())
    }
}

/// A set of axes as bits, bit k for axis k.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Axes(pub u8);

impl Axes {
    pub fn new(axes: &[usize]) -> Self {
        Self(axes.iter().fold(0, |bits, &axis| bits | 1 << axis))
    }

    pub fn has(self, axis: usize) -> bool {
        self.0 >> axis & 1 == 1
    }

    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..MAX_RANK).filter(move |&axis| self.has(axis))
    }
}
