//! Normalisation, whose mode is always named: whose statistics a picture is normalised with decides
//! whether one query may learn from another (transductive) or not.

use super::{Init, Params, Spec, Step};
use crate::tape::Var;

/// Whose statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// All pictures of a pass together; queries see one another (transductive).
    Batch,
    /// Each query together with the support set of its task, one at a time: not transductive. The support
    /// set alone, while adapting, is normalised as in `Batch`.
    Single,
    /// As `Batch`, with scale and shift of their own for each inner step up to this one (MAML++, Antoniou
    /// et al. 2019). Later steps use the last.
    PerStep { steps: usize },
    /// Each picture alone, its channels in so many groups (Wu and He 2018).
    Group { groups: usize },
}

impl Norm {
    /// As recipes and results say it.
    pub fn word(self) -> &'static str {
        match self {
            Norm::Batch => "batch",
            Norm::Single => "single",
            Norm::PerStep { .. } => "per_step",
            Norm::Group { .. } => "group",
        }
    }
}

/// Added to a variance before its root. PyTorch's default; cbfinn/maml has 1e-3.
const EPS: f64 = 1e-5;

/// (x − mean)/√(var + ε) over each run of `members` pictures and their pixels, per channel.
/// `[tasks, images, height, width, channels]`; `members` divides the number of images.
#[track_caller]
pub fn grouped_batch_norm<'t>(x: Var<'t>, members: usize) -> Var<'t> {
    let s = x.shape();
    if members == s[1] {
        return x.normalize(&[1, 2, 3], EPS);
    }
    assert!(s[1].is_multiple_of(members), "runs of {members} pictures in {s}");
    let runs = [s[0], s[1] / members, members, s[2], s[3], s[4]];
    x.reshape(runs).normalize(&[2, 3, 4], EPS).reshape(s)
}

/// (x − mean)/√(var + ε) over the pixels of one picture and the channels of one group.
#[track_caller]
pub fn group_norm<'t>(x: Var<'t>, groups: usize) -> Var<'t> {
    let s = x.shape();
    assert!(groups > 0 && s[4].is_multiple_of(groups), "{groups} groups of the channels of {s}");
    // Pixels first, channel by channel, then the few numbers that are left by group: with the group as an axis
    // of the picture, the channels of one group are too short a row and a training step took three times as long.
    let of_group = |x: Var<'t>| {
        let each = x.mean(&[2, 3]).reshape([s[0], s[1], groups, s[4] / groups]);
        let together = each.mean(&[3]).expand(each.shape());
        together.reshape([s[0], s[1], 1, 1, s[4]])
    };
    let centred = x - of_group(x);
    centred * (of_group(centred.square()) + EPS).rsqrt()
}

/// Normalises, then scales and shifts by `name/scale` and `name/shift`. `members` pictures belong together
/// (all of a pass, or the support set and one query); `step` is the number of inner steps taken.
#[track_caller]
pub fn norm<'t>(
    norm: Norm,
    weights: &Params<'t>,
    name: &str,
    x: Var<'t>,
    members: usize,
    step: impl Into<Step<'t>>,
) -> Var<'t> {
    let normal = match norm {
        Norm::Batch | Norm::Single | Norm::PerStep { .. } => grouped_batch_norm(x, members),
        Norm::Group { groups } => group_norm(x, groups),
    };
    let step = step.into();
    // Stored [1, sets, 1, 1, channels]: the set's axis stands where the pictures' does. How many there are is
    // the weights' own affair, so that a network learned in one mode can be judged in another.
    let of_step = |kind: &str| {
        let w = weights.get(&format!("{name}/{kind}"));
        match (step, w.shape()[1] - 1) {
            (Step::Number(step), last) => w.narrow(1, step.min(last), 1),
            (Step::Slot(_), 0) => w,
            (Step::Slot(step), _) => w.gather(step, 1), // an index behind the last means the last
        }
    };
    normal * of_step("scale") + of_step("shift")
}

/// The parameters of [`norm`] for so many channels: scale 1, shift 0.
pub fn spec_norm(name: &str, channels: usize, norm: Norm) -> [Spec; 2] {
    let sets = match norm {
        Norm::PerStep { steps } => steps + 1,
        _ => 1,
    };
    let shape = [1, sets, 1, 1, channels];
    [
        Spec::new(format!("{name}/scale"), shape, Init::ONES),
        Spec::new(format!("{name}/shift"), shape, Init::ZEROS),
    ]
}
