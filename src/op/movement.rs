//! Movement: elements keep their values and change their places. Each is another one's derivative.
//!
//! The plan turns most of these into strides of whoever reads them; only `Pad` and `Concat` always copy.

use crate::shape::{Axes, MAX_RANK, Shape};
use crate::tape::Var;

/// Calls `f(flat index, index per axis)` for every place, row-major.
pub fn for_each_index(shape: Shape, mut f: impl FnMut(usize, &[usize; MAX_RANK])) {
    let mut at = [0; MAX_RANK];
    for i in 0..shape.len() {
        f(i, &at);
        for axis in (0..shape.rank()).rev() {
            at[axis] += 1;
            if at[axis] < shape[axis] {
                break;
            }
            at[axis] = 0;
        }
    }
}

/// Fills `out` (row-major, `shape`) from `x` at `Σ at·stride + offset`; strides may be 0 or negative.
fn gather(x: &[f64], offset: isize, strides: &[isize; MAX_RANK], out: &mut [f64], shape: Shape) {
    for_each_index(shape, |i, at| {
        let place: isize = (0..shape.rank()).map(|k| at[k] as isize * strides[k]).sum();
        out[i] = x[(offset + place) as usize];
    });
}

fn signed(strides: [usize; MAX_RANK]) -> [isize; MAX_RANK] {
    strides.map(|s| s as isize)
}

pub fn reshape_shape(x: Shape, wanted: Shape) -> Result<Shape, String> {
    if x.len() != wanted.len() {
        return Err(format!("{x} has {} elements, {wanted} has {}", x.len(), wanted.len()));
    }
    Ok(wanted)
}

pub fn permute_shape(x: Shape, order: &[u8; MAX_RANK]) -> Result<Shape, String> {
    let order = &order[..x.rank()];
    let mut seen = [false; MAX_RANK];
    for &axis in order {
        if axis as usize >= x.rank() || std::mem::replace(&mut seen[axis as usize], true) {
            return Err(format!("{order:?} is no order of the axes of {x}"));
        }
    }
    Ok(order.iter().enumerate().fold(x, |shape, (k, &axis)| shape.with(k, x[axis as usize])))
}

pub fn permute_vjp<'t>(g: Var<'t>, order: &[u8; MAX_RANK]) -> Var<'t> {
    let rank = g.shape().rank();
    let mut back = vec![0; rank];
    for k in 0..rank {
        back[order[k] as usize] = k;
    }
    g.permute(&back)
}

pub fn permute_reference(
    (x, from): (&[f64], Shape),
    order: &[u8; MAX_RANK],
    out: &mut [f64],
    to: Shape,
) {
    let strides = signed(from.strides());
    let mut moved = [0; MAX_RANK];
    for k in 0..to.rank() {
        moved[k] = strides[order[k] as usize];
    }
    gather(x, 0, &moved, out, to);
}

pub fn expand_shape(x: Shape, wanted: Shape) -> Result<Shape, String> {
    let fits = x.rank() == wanted.rank() && (0..x.rank()).all(|k| x[k] == wanted[k] || x[k] == 1);
    if fits { Ok(wanted) } else { Err(format!("{x} does not grow to {wanted}")) }
}

pub fn expand_reference((x, from): (&[f64], Shape), out: &mut [f64], to: Shape) {
    let mut strides = signed(from.strides());
    for k in 0..from.rank() {
        if from[k] == 1 {
            strides[k] = 0;
        }
    }
    gather(x, 0, &strides, out, to);
}

pub fn slice_shape(x: Shape, start: &[usize; MAX_RANK], wanted: Shape) -> Result<Shape, String> {
    let fits = x.rank() == wanted.rank() && (0..x.rank()).all(|k| start[k] + wanted[k] <= x[k]);
    if fits {
        Ok(wanted)
    } else {
        Err(format!("{wanted} from {:?} leaves {x}", &start[..x.rank()]))
    }
}

pub fn slice_vjp<'t>(g: Var<'t>, start: &[usize; MAX_RANK], x: Shape) -> Var<'t> {
    g.pad_to(x, &start[..x.rank()], 0.0)
}

pub fn slice_reference(
    (x, from): (&[f64], Shape),
    start: &[usize; MAX_RANK],
    out: &mut [f64],
    to: Shape,
) {
    let strides = from.strides();
    let offset: usize = (0..from.rank()).map(|k| start[k] * strides[k]).sum();
    gather(x, offset as isize, &signed(strides), out, to);
}

pub fn pad_shape(x: Shape, before: &[usize; MAX_RANK], wanted: Shape) -> Result<Shape, String> {
    slice_shape(wanted, before, x)
        .map(|_| wanted)
        .map_err(|_| format!("{x} at {:?} does not lie inside {wanted}", &before[..x.rank()]))
}

pub fn pad_vjp<'t>(g: Var<'t>, before: &[usize; MAX_RANK], x: Shape) -> Var<'t> {
    g.slice(&before[..x.rank()], x)
}

pub fn pad_reference(
    (x, from): (&[f64], Shape),
    before: &[usize; MAX_RANK],
    value: f64,
    out: &mut [f64],
    to: Shape,
) {
    out.fill(value);
    let strides = to.strides();
    for_each_index(from, |i, at| {
        let place: usize = (0..from.rank()).map(|k| (at[k] + before[k]) * strides[k]).sum();
        out[place] = x[i];
    });
}

pub fn concat_shape(inputs: &[Shape], axis: usize) -> Result<Shape, String> {
    let first = *inputs.first().ok_or("needs at least one input")?;
    if axis >= first.rank() {
        return Err(format!("{first} has no axis {axis}"));
    }
    let mut size = 0;
    for x in inputs {
        if x.rank() != first.rank() || x.with(axis, 1) != first.with(axis, 1) {
            return Err(format!("{first} and {x} differ on more than axis {axis}"));
        }
        size += x[axis];
    }
    Ok(first.with(axis, size))
}

pub fn concat_vjp<'t>(g: Var<'t>, inputs: &[Var<'t>], axis: usize) -> Vec<Option<Var<'t>>> {
    let mut start = [0; MAX_RANK];
    inputs
        .iter()
        .map(|x| {
            let shape = x.shape();
            let part = g.slice(&start[..shape.rank()], shape);
            start[axis] += shape[axis];
            Some(part)
        })
        .collect()
}

pub fn concat_reference(x: &[(&[f64], Shape)], axis: usize, out: &mut [f64], to: Shape) {
    let strides = to.strides();
    let mut start = 0;
    for (values, from) in x {
        for_each_index(*from, |i, at| {
            let place: usize = (0..from.rank()).map(|k| at[k] * strides[k]).sum();
            out[place + start * strides[axis]] = values[i];
        });
        start += from[axis];
    }
}

pub fn flip_shape(x: Shape, axes: Axes) -> Result<Shape, String> {
    match axes.iter().find(|&axis| axis >= x.rank()) {
        Some(axis) => Err(format!("{x} has no axis {axis}")),
        None => Ok(x),
    }
}

pub fn flip_reference((x, from): (&[f64], Shape), axes: Axes, out: &mut [f64], to: Shape) {
    let mut strides = signed(from.strides());
    let mut offset = 0;
    for axis in axes.iter() {
        offset += strides[axis] * (from[axis] as isize - 1);
        strides[axis] = -strides[axis];
    }
    gather(x, offset, &strides, out, to);
}
