//! The closed set of primitives. Everything else is composed from them, in one function each.
//!
//! Each kind of operation is one file with its shape rule, its derivative (on the tape) and its
//! definition in f64. Here they meet in one `enum` and three exhaustive matches, so the compiler
//! lists what a new operation still lacks.

pub mod choice;
pub mod conv;
pub mod matmul;
pub mod movement;
pub mod pointwise;
pub mod real;
pub mod reduce;
pub mod source;

pub use choice::{Along, Window};
pub use conv::{ConvGeometry, Side};
pub use pointwise::Pointwise;
pub use source::Literal;

use crate::shape::{Axes, MAX_RANK, Shape};
use crate::tape::Var;

/// One primitive with its attributes. Its inputs and its result's shape stand in the tape's `Node`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// A value given from outside before each run; the number is its slot.
    Input(usize),
    /// One value at every place: the bits of an f64.
    Const(u64),
    /// Known numbers, row-major.
    Data(Literal),
    /// Uniform numbers in [0, 1), a pure function of seed, stream, step (the input), task and element.
    Random {
        seed: u32,
        stream: u32,
    },
    /// Passes the value and stops every derivative.
    Detach,
    Pointwise(Pointwise),
    /// The same elements in row-major order under another shape.
    Reshape,
    /// Axis k of the result is axis `order[k]` of the input.
    Permute {
        order: [u8; MAX_RANK],
    },
    /// Axes of size 1 grow to the result's sizes.
    Expand,
    /// A box: from `start`, as large as the result.
    Slice {
        start: [usize; MAX_RANK],
    },
    /// The input at offset `before` in a larger box filled with a value (the bits of an f64).
    Pad {
        before: [usize; MAX_RANK],
        value: u64,
    },
    /// Inputs one after the other along an axis.
    Concat {
        axis: u8,
    },
    /// Axes run backwards.
    Flip(Axes),
    /// Sum over axes, which stay with size 1.
    Sum(Axes),
    /// [..., M, K] × [..., K, N]; `ta`, `tb`: that operand is stored with its last two axes swapped.
    MatMul {
        ta: bool,
        tb: bool,
    },
    /// One side of the trilinear form Σ x·w·g of a convolution.
    Conv {
        side: Side,
        geometry: ConvGeometry,
    },
    /// Where along an axis, or in each window, the largest element stands (the first of equals).
    ArgMax(Along),
    /// The elements an index names.
    Take(Along),
    /// Elements added at the places an index names; zero elsewhere.
    Put(Along),
}

impl Op {
    /// The shape of the result where inputs alone decide it, else a check of `wanted`.
    ///
    /// `wanted` is the shape the caller asks for (`Reshape`, `Expand`, sources, ...).
    pub fn shape(&self, inputs: &[Shape], wanted: Option<Shape>) -> Result<Shape, String> {
        if let Some(arity) = self.arity().filter(|&arity| arity != inputs.len()) {
            let plural = if arity == 1 { "" } else { "s" };
            return Err(format!("takes {arity} input{plural}, got {}", inputs.len()));
        }
        let want = || wanted.ok_or_else(|| "needs a result shape".to_string());
        match self {
            Op::Input(_) | Op::Const(_) => want(),
            Op::Data(literal) => source::data_shape(literal, want()?),
            Op::Random { .. } => source::random_shape(inputs, want()?),
            Op::Detach => Ok(inputs[0]),
            Op::Pointwise(_) => pointwise_shape(inputs),
            Op::Reshape => movement::reshape_shape(inputs[0], want()?),
            Op::Permute { order } => movement::permute_shape(inputs[0], order),
            Op::Expand => movement::expand_shape(inputs[0], want()?),
            Op::Slice { start } => movement::slice_shape(inputs[0], start, want()?),
            Op::Pad { before, .. } => movement::pad_shape(inputs[0], before, want()?),
            Op::Concat { axis } => movement::concat_shape(inputs, *axis as usize),
            Op::Flip(axes) => movement::flip_shape(inputs[0], *axes),
            Op::Sum(axes) => reduce::shape(inputs[0], *axes),
            Op::MatMul { ta, tb } => matmul::shape(inputs[0], inputs[1], *ta, *tb),
            Op::Conv { side, geometry } => {
                conv::shape(*side, geometry, inputs[0], inputs[1], wanted)
            }
            Op::ArgMax(along) => choice::argmax_shape(inputs[0], along),
            Op::Take(along) => choice::take_shape(inputs[0], inputs[1], along),
            Op::Put(along) => choice::put_shape(inputs[0], inputs[1], along, want()?),
        }
    }

    /// How many inputs it takes; none: any number, at least one.
    pub fn arity(&self) -> Option<usize> {
        match self {
            Op::Input(_) | Op::Const(_) | Op::Data(_) => Some(0),
            Op::Concat { .. } => None,
            Op::Pointwise(op) => Some(op.arity()),
            Op::MatMul { .. } | Op::Conv { .. } | Op::Take(_) | Op::Put(_) => Some(2),
            Op::Random { .. } | Op::Detach | Op::Reshape | Op::Permute { .. } => Some(1),
            Op::Expand | Op::Slice { .. } | Op::Pad { .. } | Op::Flip(_) => Some(1),
            Op::Sum(_) | Op::ArgMax(_) => Some(1),
        }
    }

    /// The adjoint of each input, given the adjoint `g` of the result `y`, as tape.
    pub fn vjp<'t>(&self, x: &[Var<'t>], y: Var<'t>, g: Var<'t>) -> Vec<Option<Var<'t>>> {
        let adjoints = match self {
            Op::Input(_) | Op::Const(_) | Op::Data(_) => vec![],
            Op::Random { .. } | Op::Detach | Op::ArgMax(_) => vec![None],
            Op::Pointwise(op) => op.vjp(x, y, g),
            Op::Reshape => vec![Some(g.reshape(x[0].shape()))],
            Op::Permute { order } => vec![Some(movement::permute_vjp(g, order))],
            Op::Expand => vec![Some(g.sum_to(x[0].shape()))],
            Op::Slice { start } => vec![Some(movement::slice_vjp(g, start, x[0].shape()))],
            Op::Pad { before, .. } => vec![Some(movement::pad_vjp(g, before, x[0].shape()))],
            Op::Concat { axis } => movement::concat_vjp(g, x, *axis as usize),
            Op::Flip(axes) => vec![Some(g.flip(*axes))],
            Op::Sum(_) => vec![Some(g.expand(x[0].shape()))],
            Op::MatMul { ta, tb } => matmul::vjp(x[0], x[1], g, *ta, *tb),
            Op::Conv { side, geometry } => conv::vjp(*side, geometry, x[0], x[1], g),
            Op::Take(along) => vec![Some(g.put(x[1], *along, x[0].shape())), None],
            Op::Put(along) => vec![Some(g.take(x[1], *along)), None],
        };
        crate::check::fault::spoil(|| self.name(), adjoints)
    }

    /// The definition, in f64: clarity before speed. `Input` and `Random` are the executor's own.
    pub fn reference(&self, x: &[(&[f64], Shape)], out: &mut [f64], shape: Shape) {
        match self {
            Op::Input(_) | Op::Random { .. } => unreachable!("given by the executor"),
            Op::Const(bits) => out.fill(f64::from_bits(*bits)),
            Op::Data(literal) => out.copy_from_slice(literal),
            Op::Detach | Op::Reshape => out.copy_from_slice(x[0].0),
            Op::Pointwise(op) => {
                let mut args = [0.0; 3];
                for (i, out) in out.iter_mut().enumerate() {
                    for (arg, (values, _)) in args.iter_mut().zip(x) {
                        *arg = values[i];
                    }
                    *out = op.value(&args[..x.len()]);
                }
            }
            Op::Permute { order } => movement::permute_reference(x[0], order, out, shape),
            Op::Expand => movement::expand_reference(x[0], out, shape),
            Op::Slice { start } => movement::slice_reference(x[0], start, out, shape),
            Op::Pad { before, value } => {
                movement::pad_reference(x[0], before, f64::from_bits(*value), out, shape)
            }
            Op::Concat { axis } => movement::concat_reference(x, *axis as usize, out, shape),
            Op::Flip(axes) => movement::flip_reference(x[0], *axes, out, shape),
            Op::Sum(axes) => reduce::reference(x[0], *axes, out, shape),
            Op::MatMul { ta, tb } => matmul::reference(x[0], x[1], *ta, *tb, out, shape),
            Op::Conv { side, geometry } => conv::reference(*side, geometry, x[0], x[1], out, shape),
            Op::ArgMax(along) => choice::argmax_reference(x[0], along, out, shape),
            Op::Take(along) => choice::take_reference(x[0], x[1], along, out, shape),
            Op::Put(along) => choice::put_reference(x[0], x[1], along, out, shape),
        }
    }

    /// The name a message or a listing shows.
    pub fn name(&self) -> String {
        match self {
            Op::Pointwise(op) => format!("{op:?}"),
            Op::Conv { side, .. } => format!("Conv{side:?}"),
            Op::ArgMax(along) => format!("ArgMax{}", along.suffix()),
            Op::Take(along) => format!("Take{}", along.suffix()),
            Op::Put(along) => format!("Put{}", along.suffix()),
            other => {
                let text = format!("{other:?}");
                text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_string()
            }
        }
    }
}

fn pointwise_shape(inputs: &[Shape]) -> Result<Shape, String> {
    for other in &inputs[1..] {
        if *other != inputs[0] {
            return Err(format!("{} and {other} differ", inputs[0]));
        }
    }
    Ok(inputs[0])
}
