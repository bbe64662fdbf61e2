//! Trunks: from pictures to named layers that heads read.
//!
//! A trunk is one file with three parts: the layers it gives, its parameters, and the pass.

mod residual;
mod small;

pub use residual::Residual;
pub use small::Small;

use serde::{Deserialize, Serialize};

use super::embedding::{film, spec_film};
use super::{Init, Norm, Params, Spec, conv, norm, spec_conv, spec_norm};
use crate::tape::{Conv2d, Var};

/// One of the trunks, as a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Trunk {
    Small(Small),
    Residual(Residual),
}

/// A layer that heads can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    pub name: String,
    /// Height and width.
    pub size: [usize; 2],
    pub channels: usize,
}

/// What a trunk's file says of it.
pub(super) trait Body {
    /// From first to last.
    fn layers(&self, image: [usize; 3]) -> Vec<Layer>;

    /// `width`: numbers of an embedding, where there is one.
    fn spec(&self, image: [usize; 3], width: Option<usize>) -> Vec<Spec>;

    /// The values of [`Body::layers`]. `e` `[tasks, pictures or 1, width]`.
    fn run<'t>(&self, weights: &Params<'t>, x: Var<'t>, e: Option<Var<'t>>) -> Vec<Var<'t>>;

    /// The numbers of channels that its layers have, and the groups that each is normalised in.
    fn channels(&self) -> (Vec<usize>, usize);
}

impl Trunk {
    fn body(&self) -> &dyn Body {
        match self {
            Trunk::Small(trunk) => trunk,
            Trunk::Residual(trunk) => trunk,
        }
    }

    pub fn layers(&self, image: [usize; 3]) -> Vec<Layer> {
        self.body().layers(image)
    }

    pub fn spec(&self, image: [usize; 3], width: Option<usize>) -> Vec<Spec> {
        self.body().spec(image, width)
    }

    #[track_caller]
    pub fn run<'t>(&self, weights: &Params<'t>, x: Var<'t>, e: Option<Var<'t>>) -> Vec<Var<'t>> {
        self.body().run(weights, x, e)
    }

    /// Why it cannot be built, for one that comes from a file.
    pub fn check(&self) -> Result<(), String> {
        let (channels, groups) = self.body().channels();
        let cut = |&n: &usize| n > 0 && n <= 1024 && groups > 0 && n.is_multiple_of(groups);
        match channels.iter().find(|n| !cut(n)) {
            Some(channels) => Err(format!("a trunk of {channels} channels in {groups} groups")),
            None => Ok(()),
        }
    }
}

/// Convolution, group norm and, where there is an embedding, its scale and shift: what every trunk repeats.
/// "Same" padding; `window` is odd.
#[track_caller]
pub(super) fn unit<'t>(
    weights: &Params<'t>,
    name: &str,
    x: Var<'t>,
    stride: usize,
    groups: usize,
    e: Option<Var<'t>>,
) -> Var<'t> {
    let window = weights.get(&format!("{name}/conv/weight")).shape()[1];
    let y = conv(weights, &format!("{name}/conv"), x, Conv2d::new(stride, window / 2));
    let y = norm(Norm::Group { groups }, weights, &format!("{name}/norm"), y, 1, 0);
    e.map_or(y, |e| film(weights, &format!("{name}/film"), y, e))
}

/// The parameters of [`unit`].
pub(super) fn spec_unit(
    name: &str,
    window: usize,
    [inputs, outputs]: [usize; 2],
    width: Option<usize>,
) -> Vec<Spec> {
    let mut all =
        vec![spec_conv(&format!("{name}/conv"), window, inputs, outputs, Init::Orthogonal)];
    all.extend(spec_norm(&format!("{name}/norm"), outputs, Norm::Group { groups: 1 }));
    all.extend(width.map(|width| spec_film(&format!("{name}/film"), width, outputs)));
    all
}

/// Sides after a convolution of this stride with "same" padding.
pub(super) fn strided(size: [usize; 2], stride: usize) -> [usize; 2] {
    size.map(|side| side.div_ceil(stride))
}
