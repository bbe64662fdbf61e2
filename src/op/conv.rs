//! Convolution as one trilinear form F(x, w, g) = Σ x·w·g over the window pattern.
//!
//! Its three partial derivatives are its three *sides*: output(x, w), input(w, g), weight(x, g). The
//! derivative of a side with respect to one operand is the side that lacks that operand, with the
//! cotangent in the place of the missing one. So the family is closed and every order exact.
//!
//! Shapes: x [T, N, H, W, C], w [T, kh, kw, C/groups, O], g [T, N, H', W', O]; cross-correlation,
//! H' = floor((H + top + bottom − dilation·(kh − 1) − 1) / stride) + 1. Task axes are equal;
//! `Var::conv2d` expands them.

use crate::shape::Shape;
use crate::tape::Var;

/// Which of the three operands the result stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// (x, w) -> g
    Output,
    /// (w, g) -> x
    Input,
    /// (x, g) -> w
    Weight,
}

/// How a window moves over the image. Rows first, then columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvGeometry {
    pub stride: [usize; 2],
    /// Zeros above, below, left and right.
    pub pad: [usize; 4],
    pub dilation: [usize; 2],
    /// Output channels split in runs; run g reads input channels g·C/groups ...
    pub groups: usize,
    /// Height and width of the image, and of the kernel: a side that lacks one needs them.
    pub image: [usize; 2],
    pub kernel: [usize; 2],
}

impl ConvGeometry {
    /// Height and width of the output.
    pub fn output(&self) -> Result<[usize; 2], String> {
        let mut out = [0; 2];
        for (a, out) in out.iter_mut().enumerate() {
            let (k, d, s) = (self.kernel[a], self.dilation[a], self.stride[a]);
            if k == 0 || d == 0 || s == 0 || self.image[a] == 0 {
                return Err("kernel, stride, dilation and image are at least 1".into());
            }
            let padded = self.image[a] + self.pad[2 * a] + self.pad[2 * a + 1];
            let reach = d * (k - 1) + 1;
            if padded < reach {
                return Err(format!("a window of {reach} does not fit into {padded} on axis {a}"));
            }
            *out = (padded - reach) / s + 1;
        }
        Ok(out)
    }
}

/// What a side gives for the shapes of its two operands. The input side's C and the weight side's
/// channel count follow from the operands and `groups`.
pub fn shape(
    side: Side,
    geo: &ConvGeometry,
    a: Shape,
    b: Shape,
    _wanted: Option<Shape>,
) -> Result<Shape, String> {
    if a.rank() != 5 || b.rank() != 5 {
        return Err(format!("{a} and {b} need 5 axes each"));
    }
    if a.tasks() != b.tasks() {
        return Err(format!("task axes of {a} and {b} differ"));
    }
    let (t, [oh, ow], [h, w], [kh, kw]) = (a.tasks(), geo.output()?, geo.image, geo.kernel);
    let expect = |what: &str, got: [usize; 2], want: [usize; 2]| {
        if got == want { Ok(()) } else { Err(format!("{what} is {got:?}, expected {want:?}")) }
    };
    let groups_fit = |c: usize, o: usize| {
        if geo.groups == 0 || !c.is_multiple_of(geo.groups) || !o.is_multiple_of(geo.groups) {
            return Err(format!("{c} and {o} channels do not split into {} groups", geo.groups));
        }
        Ok(())
    };
    match side {
        Side::Output => {
            expect("the image", [a[2], a[3]], [h, w])?;
            expect("the kernel", [b[1], b[2]], [kh, kw])?;
            groups_fit(a[4], b[4])?;
            if b[3] * geo.groups != a[4] {
                return Err(format!("channels of {a} and {b} differ ({} and {})", a[4], b[3]));
            }
            Ok([t, a[1], oh, ow, b[4]].into())
        }
        Side::Input => {
            expect("the kernel", [a[1], a[2]], [kh, kw])?;
            expect("the output", [b[2], b[3]], [oh, ow])?;
            groups_fit(a[3] * geo.groups, a[4])?;
            if a[4] != b[4] {
                return Err(format!("output channels of {a} and {b} differ"));
            }
            Ok([t, b[1], h, w, a[3] * geo.groups].into())
        }
        Side::Weight => {
            expect("the image", [a[2], a[3]], [h, w])?;
            expect("the output", [b[2], b[3]], [oh, ow])?;
            groups_fit(a[4], b[4])?;
            if a[1] != b[1] {
                return Err(format!("{a} and {b} hold different numbers of images"));
            }
            Ok([t, kh, kw, a[4] / geo.groups, b[4]].into())
        }
    }
}

/// The closed family: each derivative is another side.
pub fn vjp<'t>(
    side: Side,
    geo: &ConvGeometry,
    a: Var<'t>,
    b: Var<'t>,
    g: Var<'t>,
) -> Vec<Option<Var<'t>>> {
    let f = |side, a: Var<'t>, b: Var<'t>| Some(a.conv_side(b, side, *geo));
    match side {
        Side::Output => vec![f(Side::Input, b, g), f(Side::Weight, a, g)], // x, w
        Side::Input => vec![f(Side::Weight, g, b), f(Side::Output, g, a)], // w, g
        Side::Weight => vec![f(Side::Input, g, b), f(Side::Output, a, g)], // x, g
    }
}

/// The trilinear form, once for all three sides: every (x, w, g) triple of the window pattern.
pub fn reference(
    side: Side,
    geo: &ConvGeometry,
    (a, sa): (&[f64], Shape),
    (b, sb): (&[f64], Shape),
    out: &mut [f64],
    to: Shape,
) {
    let (xs, ws, gs) = match side {
        Side::Output => (sa, sb, to),
        Side::Input => (to, sa, sb),
        Side::Weight => (sa, to, sb),
    };
    let (per_in, per_out) = (ws[3], ws[4] / geo.groups);
    out.fill(0.0);
    for t in 0..gs[0] {
        for n in 0..gs[1] {
            for y in 0..gs[2] {
                for x in 0..gs[3] {
                    for ky in 0..ws[1] {
                        for kx in 0..ws[2] {
                            let row = y * geo.stride[0] + ky * geo.dilation[0];
                            let col = x * geo.stride[1] + kx * geo.dilation[1];
                            let (Some(row), Some(col)) =
                                (row.checked_sub(geo.pad[0]), col.checked_sub(geo.pad[2]))
                            else {
                                continue;
                            };
                            if row >= xs[2] || col >= xs[3] {
                                continue;
                            }
                            let x_at = (((t * xs[1] + n) * xs[2] + row) * xs[3] + col) * xs[4];
                            let w_at = ((t * ws[1] + ky) * ws[2] + kx) * ws[3] * ws[4];
                            let g_at = (((t * gs[1] + n) * gs[2] + y) * gs[3] + x) * gs[4];
                            for o in 0..ws[4] {
                                for c in 0..per_in {
                                    let xi = x_at + o / per_out * per_in + c;
                                    let wi = w_at + c * ws[4] + o;
                                    let gi = g_at + o;
                                    match side {
                                        Side::Output => out[gi] += a[xi] * b[wi],
                                        Side::Input => out[xi] += a[wi] * b[gi],
                                        Side::Weight => out[wi] += a[xi] * b[gi],
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
