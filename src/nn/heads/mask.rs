//! What stands at each pixel: a decoder that widens a small layer and sharpens it with an earlier one.

use serde::{Deserialize, Serialize};

use super::classes::check_weights;
use super::pool::at_each_place;
use super::{Kind, Place, Read, check_count, check_layer, layer};
use crate::loss::{cross_entropy_each, kl_each, mean_each, mean_labelled};
use crate::nn::{Init, Layer, Norm, Params, Spec, conv, norm, spec_conv, spec_linear, spec_norm};
use crate::tape::{Conv2d, Var};

/// Output: logits `[tasks, pictures, height, width, classes]`. Target: the class's number at each pixel,
/// `[tasks, pictures, height, width]`, −1 where nobody knows (void).
///
/// The layer it reads is brought to `width` channels, widened (bilinear) to the size of `skip` and added to it: a
/// feature pyramid of two levels (Lin et al. 2017). A 3×3 convolution smooths the sum, each place answers, and
/// the answers are widened to the picture. Both layers beside each other, as in U-Net, cost four times the
/// convolution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mask {
    pub classes: usize,
    /// An earlier, larger layer.
    pub skip: String,
    /// Channels of the decoder.
    #[serde(default = "width")]
    pub width: usize,
    /// What a pixel of each class counts; none: all 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Vec<f64>>,
}

fn width() -> usize {
    16
}

impl Mask {
    pub fn new(classes: usize, skip: &str) -> Self {
        Self { classes, skip: skip.into(), width: width(), weights: None }
    }
}

fn part(name: &str, part: &str) -> String {
    format!("{name}/{part}")
}

/// All channels of a picture together.
const NORM: Norm = Norm::Group { groups: 1 };

impl Kind for Mask {
    fn spec(&self, name: &str, place: &Place) -> Vec<Spec> {
        let skip = place.layers.iter().find(|layer| layer.name == self.skip);
        let skip = skip.map_or(0, |layer| layer.channels);
        let mut all = vec![];
        all.extend(spec_linear(&part(name, "deep"), place.read.channels, self.width, Init::He));
        all.extend(spec_linear(&part(name, "skip"), skip, self.width, Init::He));
        all.push(spec_conv(&part(name, "conv"), 3, self.width, self.width, Init::He));
        all.extend(spec_norm(&part(name, "norm"), self.width, NORM));
        all.extend(spec_linear(&part(name, "answer"), self.width, self.classes, Init::Glorot));
        all
    }

    fn output<'t>(&self, name: &str, weights: &Params<'t>, read: &Read<'_, 't>) -> Var<'t> {
        let skip = layer(read.layers, &self.skip);
        let [h, w] = [skip.shape()[2], skip.shape()[3]];
        // Channels first: a linear layer at each place and a widening can change places, and this is cheaper.
        let deep = at_each_place(&part(name, "deep"), weights, read.x).resize_bilinear([h, w]);
        let both = deep + at_each_place(&part(name, "skip"), weights, skip);
        let y = conv(weights, &part(name, "conv"), both, Conv2d::new(1, 1));
        let y = norm(NORM, weights, &part(name, "norm"), y, 1, 0).relu();
        at_each_place(&part(name, "answer"), weights, y).resize_bilinear(read.image)
    }

    fn output_shape(&self, place: &Place) -> Vec<usize> {
        vec![place.image[0], place.image[1], self.classes]
    }

    fn target_shape(&self, place: &Place) -> Vec<usize> {
        place.image.to_vec()
    }

    /// The mean over the pixels that are not void.
    fn losses<'t>(&self, output: Var<'t>, target: Var<'t>) -> Var<'t> {
        let each = cross_entropy_each(output, target, self.weights.as_deref());
        mean_labelled(each, target)
    }

    fn distances<'t>(&self, output: Var<'t>, teacher: Var<'t>, temperature: f64) -> Var<'t> {
        mean_each(kl_each(output, teacher, temperature))
    }

    fn check(&self, layers: &[Layer], most: usize) -> Result<(), String> {
        check_count("classes", self.classes, most)?;
        check_count("channels", self.width, most)?;
        check_weights(self.weights.as_deref(), self.classes)?;
        check_layer(layers, &self.skip)
    }
}
