//! Sum over axes. Its derivative is `Expand`, whose derivative is `Sum`.

use super::movement::for_each_index;
use crate::shape::{Axes, Shape};

/// The summed axes stay, with size 1.
pub fn shape(x: Shape, axes: Axes) -> Result<Shape, String> {
    if let Some(axis) = axes.iter().find(|&axis| axis >= x.rank()) {
        return Err(format!("{x} has no axis {axis}"));
    }
    Ok(axes.iter().fold(x, |shape, axis| shape.with(axis, 1)))
}

pub fn reference((x, from): (&[f64], Shape), axes: Axes, out: &mut [f64], to: Shape) {
    let strides = to.strides();
    out.fill(0.0);
    for_each_index(from, |i, at| {
        let place: usize =
            (0..from.rank()).filter(|&k| !axes.has(k)).map(|k| at[k] * strides[k]).sum();
        out[place] += x[i];
    });
}
