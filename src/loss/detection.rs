//! Is there something in each cell, and where exactly?

use super::{focal, pseudo_huber};
use crate::tape::Var;

/// The loss of each picture, `[tasks, pictures]`, summed over its cells: focal loss of the classes, and, where a
/// centre is, the pseudo-Huber distance of the box. Output `[tasks, pictures, rows, columns, classes + 4]`; target `[.., classes + 4
/// + 1]`, whose last number is 1 in the cell of a centre. See [`crate::nn::Boxes`].
#[track_caller]
pub fn detection_loss<'t>(output: Var<'t>, target: Var<'t>, classes: usize) -> Var<'t> {
    let bounds = |all: Var<'t>| all.narrow(4, classes, 4);
    let class = focal(output.narrow(4, 0, classes), target.narrow(4, 0, classes));
    let off = pseudo_huber(bounds(output) - bounds(target)) * target.narrow(4, classes + 4, 1);
    let cells = [2, 3, 4];
    (class.sum(&cells) + off.sum(&cells)).squeeze(&cells)
}
