//! Is there something in each cell, and where exactly?

use super::focal;
use crate::tape::Var;

/// The loss of each picture, `[tasks, pictures]`, summed over its cells: focal loss of the classes, and, where a
/// centre is, [`giou_loss`] of the box. Output `[tasks, pictures, rows, columns, classes + 4]`; target `[.., classes
/// + 4 + 1]`, whose last number is 1 in the cell of a centre. See [`crate::nn::Boxes`].
#[track_caller]
pub fn detection_loss<'t>(output: Var<'t>, target: Var<'t>, classes: usize) -> Var<'t> {
    let bounds = |all: Var<'t>| all.narrow(4, classes, 4);
    let class = focal(output.narrow(4, 0, classes), target.narrow(4, 0, classes));
    let off = giou_loss(bounds(output), bounds(target)) * target.narrow(4, classes + 4, 1);
    let cells = [2, 3, 4];
    (class.sum(&cells) + off.sum(&cells)).squeeze(&cells)
}

/// Sides of a box stay below e^4 cells, so that nothing overflows in a cell that holds no object: there 0 times
/// infinity would be NaN.
const WIDEST: f64 = 4.0;

/// 1 − GIoU of boxes (y, x, ln height, ln width), `[..., 4]` -> `[..., 1]`: 0 for the same box, 2 for boxes far apart.
/// Rezatofighi et al., CVPR 2019, algorithm 1: intersection over union less the share of their hull that neither
/// fills, so that boxes that do not meet are still drawn together. It is what average precision asks for,
/// whatever the size of the object.
#[track_caller]
pub fn giou_loss<'t>(output: Var<'t>, target: Var<'t>) -> Var<'t> {
    let ([top, left, bottom, right], [t, l, b, r]) = (edges(output), edges(target));
    let area = |[top, left, bottom, right]: [Var<'t>; 4]| (bottom - top) * (right - left);
    let both = (bottom.min(b) - top.max(t)).relu() * (right.min(r) - left.max(l)).relu();
    let either = area([top, left, bottom, right]) + area([t, l, b, r]) - both;
    let hull = area([top.min(t), left.min(l), bottom.max(b), right.max(r)]);
    1.0 - both / either + (hull - either) / hull
}

/// Top, left, bottom, right.
fn edges<'t>(place: Var<'t>) -> [Var<'t>; 4] {
    let last = place.shape().rank() - 1;
    let at = |i| place.narrow(last, i, 1);
    let half = |log: Var<'t>| log.min(log.like(WIDEST)).exp() * 0.5;
    let (h, w) = (half(at(2)), half(at(3)));
    [at(0) - h, at(1) - w, at(0) + h, at(1) + w]
}
