//! Choice: where the largest element stands, and moving elements by such an index.
//!
//! `Take` reads the elements an index names, `Put` adds elements at the places an index names; each is
//! the other's derivative. An index is an ordinary tensor of whole numbers (exact below 2^24, which
//! the shape rule enforces), so views and copies need no second element type; it is never
//! differentiated. A value outside the axis is clamped: no index can reach foreign memory.
//!
//! Along an axis: x [.., n, ..], index [.., m, ..] with the other axes equal. Along windows: x
//! [T, N, H, W, C], index [T, N, H', W', C] counts row-major inside its window.

use super::movement::for_each_index;
use crate::shape::{MAX_RANK, Shape};

/// What an index counts along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Along {
    Axis(u8),
    Window(Window),
}

/// Windows over axes 2 and 3. Places outside the image are never chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    pub size: [usize; 2],
    pub stride: [usize; 2],
    /// Above, below, left, right.
    pub pad: [usize; 4],
}

impl Along {
    pub fn suffix(&self) -> &'static str {
        match self {
            Along::Axis(_) => "Axis",
            Along::Window(_) => "Window",
        }
    }
}

impl Window {
    /// Height and width of the result for an image of h × w.
    pub fn output(&self, h: usize, w: usize) -> Result<[usize; 2], String> {
        let mut out = [0; 2];
        for (a, n) in [h, w].into_iter().enumerate() {
            let (before, after, k, s) =
                (self.pad[2 * a], self.pad[2 * a + 1], self.size[a], self.stride[a]);
            if k == 0 || s == 0 || n + before + after < k {
                return Err(format!("windows of {:?} do not fit into {h}×{w}", self.size));
            }
            out[a] = (n + before + after - k) / s + 1;
            // A window that lies in the padding alone would have nothing to choose from.
            if before >= k || (out[a] - 1) * s >= n + before {
                return Err(format!("a window of {:?} meets no pixel of {h}×{w}", self.size));
            }
        }
        Ok(out)
    }

    /// The pixel (row, column) of place `k` in window (y, x), where it lies inside the image.
    pub fn pixel(
        &self,
        y: usize,
        x: usize,
        k: usize,
        h: usize,
        w: usize,
    ) -> Option<(usize, usize)> {
        let row = (y * self.stride[0] + k / self.size[1]).checked_sub(self.pad[0])?;
        let col = (x * self.stride[1] + k % self.size[1]).checked_sub(self.pad[2])?;
        (row < h && col < w).then_some((row, col))
    }
}

fn exact_index(n: usize) -> Result<(), String> {
    if n < 1 << 24 { Ok(()) } else { Err(format!("an index along {n} places is not exact in f32")) }
}

pub fn argmax_shape(x: Shape, along: &Along) -> Result<Shape, String> {
    match along {
        Along::Axis(axis) => {
            let axis = *axis as usize;
            if axis >= x.rank() {
                return Err(format!("{x} has no axis {axis}"));
            }
            exact_index(x[axis])?;
            Ok(x.with(axis, 1))
        }
        Along::Window(window) => pooled(x, window),
    }
}

fn pooled(x: Shape, window: &Window) -> Result<Shape, String> {
    if x.rank() != 5 {
        return Err(format!("windows need [tasks, images, height, width, channels], got {x}"));
    }
    let [h, w] = window.output(x[2], x[3])?;
    exact_index(window.size[0] * window.size[1])?;
    Ok(x.with(2, h).with(3, w))
}

pub fn take_shape(x: Shape, index: Shape, along: &Along) -> Result<Shape, String> {
    match along {
        Along::Axis(axis) => {
            let axis = *axis as usize;
            if x.rank() != index.rank()
                || axis >= x.rank()
                || x.with(axis, 1) != index.with(axis, 1)
            {
                return Err(format!("{x} and index {index} differ on more than axis {axis}"));
            }
            exact_index(x[axis])?;
            Ok(index)
        }
        Along::Window(window) => {
            let to = pooled(x, window)?;
            if to == index { Ok(to) } else { Err(format!("index {index}, expected {to}")) }
        }
    }
}

pub fn put_shape(g: Shape, index: Shape, along: &Along, wanted: Shape) -> Result<Shape, String> {
    if g != index {
        return Err(format!("{g} and index {index} differ"));
    }
    take_shape(wanted, index, along).map(|_| wanted)
}

pub fn argmax_reference((x, from): (&[f64], Shape), along: &Along, out: &mut [f64], to: Shape) {
    // NaN wins, as in `Max`: a diverged value must not vanish in a pool.
    let better = |v: f64, best: f64| v > best || (v.is_nan() && !best.is_nan());
    let strides = from.strides();
    for_each_index(to, |i, at| {
        let mut best: Option<(f64, usize)> = None;
        let mut see = |place: usize, k: usize| {
            if best.is_none_or(|(b, _)| better(x[place], b)) {
                best = Some((x[place], k));
            }
        };
        match along {
            Along::Axis(axis) => {
                let base: usize = (0..to.rank()).map(|k| at[k] * strides[k]).sum();
                (0..from[*axis as usize]).for_each(|k| see(base + k * strides[*axis as usize], k));
            }
            Along::Window(window) => {
                for k in 0..window.size[0] * window.size[1] {
                    if let Some(place) = window_place(window, from, at, k) {
                        see(place, k);
                    }
                }
            }
        }
        out[i] = best.expect("every window meets the image").1 as f64;
    });
}

/// The flat place in `image` of element `k` of the window that result place `at` stands for.
fn window_place(window: &Window, image: Shape, at: &[usize; MAX_RANK], k: usize) -> Option<usize> {
    let (row, col) = window.pixel(at[2], at[3], k, image[2], image[3])?;
    let s = image.strides();
    Some(at[0] * s[0] + at[1] * s[1] + row * s[2] + col * s[3] + at[4])
}

/// The flat place in `image` that an index value at `at` names.
fn named_place(along: &Along, image: Shape, at: &[usize; MAX_RANK], index: f64) -> Option<usize> {
    match along {
        Along::Axis(axis) => {
            let (axis, s) = (*axis as usize, image.strides());
            let k = (index.max(0.0) as usize).min(image[axis] - 1);
            Some((0..image.rank()).map(|d| s[d] * if d == axis { k } else { at[d] }).sum())
        }
        Along::Window(window) => {
            let k = (index.max(0.0) as usize).min(window.size[0] * window.size[1] - 1);
            window_place(window, image, at, k)
        }
    }
}

pub fn take_reference(
    (x, from): (&[f64], Shape),
    (index, _): (&[f64], Shape),
    along: &Along,
    out: &mut [f64],
    to: Shape,
) {
    for_each_index(to, |i, at| {
        out[i] = named_place(along, from, at, index[i]).map_or(0.0, |place| x[place]);
    });
}

pub fn put_reference(
    (g, from): (&[f64], Shape),
    (index, _): (&[f64], Shape),
    along: &Along,
    out: &mut [f64],
    to: Shape,
) {
    out.fill(0.0);
    for_each_index(from, |i, at| {
        if let Some(place) = named_place(along, to, at, index[i]) {
            out[place] += g[i];
        }
    });
}
