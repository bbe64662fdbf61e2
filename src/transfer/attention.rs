//! Attention transfer: a student learns *where* a teacher looks, whatever their widths.
//! Zagoruyko and Komodakis, ICLR 2017, section 3.1, with the sum of squares (p = 2).

use crate::tape::Var;

/// Where a layer answers: the mean square over its channels, each example's map of length 1.
/// `[tasks, examples, height, width, channels]` -> `[tasks, examples, height·width]`.
#[track_caller]
pub fn attention_map(features: Var) -> Var {
    let s = features.shape();
    assert_eq!(
        s.rank(),
        5,
        "attention of {s}; expected [tasks, examples, height, width, channels]"
    );
    let map = features.square().mean(&[4]).reshape([s[0], s[1], s[2] * s[3]]);
    // A layer that is dead on a picture has no direction: the addend keeps its map and all derivatives finite.
    map * (map.square().sum(&[2]) + 1e-12).rsqrt()
}

/// The mean squared difference of two layers' maps, over positions and examples: `[tasks]`. `teacher_map` is
/// [`attention_map`] of the teacher's layer; of the same height and width (resize the features where they
/// differ). The usual weight is 1000: maps of length 1 make small differences.
#[track_caller]
pub fn attention_transfer<'t>(student: Var<'t>, teacher_map: Var<'t>) -> Var<'t> {
    crate::loss::mse(attention_map(student), teacher_map.detach())
}
