//! What stands at each pixel: a decoder that widens a small layer and sharpens it with an earlier one.

use serde::{Deserialize, Serialize};

use super::classes::check_weights;
use super::pool::{at_each_place, beside};
use super::{Kind, Place, Read, check_count, check_layer, layer};
use crate::loss::{cross_entropy_each, kl_each, mean_each, mean_labelled};
use crate::nn::{Init, Layer, Norm, Params, Spec, conv, norm, spec_conv, spec_linear, spec_norm};
use crate::tape::{Conv2d, Var};

/// Output: logits `[tasks, pictures, height, width, classes]`. Target: the class's number at each pixel,
/// `[tasks, pictures, height, width]`, −1 where nobody knows (void).
///
/// The layer it reads is widened (bilinear) to the size of `skip` and put beside it; a 3×3 convolution reads
/// both, each place answers, and the answers are widened to the picture: as FCN (Long et al. 2015), with
/// the skip concatenated as in U-Net (Ronneberger et al. 2015).
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

/// All channels of a picture together.
const NORM: Norm = Norm::Group { groups: 1 };

impl Kind for Mask {
    fn spec(&self, name: &str, place: &Place) -> Vec<Spec> {
        let skip = place.layers.iter().find(|layer| layer.name == self.skip);
        let inputs = place.read.channels + skip.map_or(0, |layer| layer.channels);
        let mut all = vec![spec_conv(&format!("{name}/conv"), 3, inputs, self.width, Init::He)];
        all.extend(spec_norm(&format!("{name}/norm"), self.width, NORM));
        all.extend(spec_linear(&format!("{name}/answer"), self.width, self.classes, Init::Glorot));
        all
    }

    fn output<'t>(&self, name: &str, weights: &Params<'t>, read: &Read<'_, 't>) -> Var<'t> {
        let skip = layer(read.layers, &self.skip);
        let s = skip.shape();
        let wide = read.x.resize_bilinear([s[2], s[3]]);
        let y = conv(weights, &format!("{name}/conv"), beside(wide, skip), Conv2d::new(1, 1));
        let y = norm(NORM, weights, &format!("{name}/norm"), y, 1, 0).relu();
        at_each_place(&format!("{name}/answer"), weights, y).resize_bilinear(read.image)
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
