//! What stands where: a grid of cells, each with a probability for each class and one box.
//!
//! The cell that holds an object's centre answers for it (Redmon et al. 2016); classes are sigmoids under the
//! focal loss, started at a small probability (Lin et al. 2017, RetinaNet), boxes learn by GIoU. [`super::Grid`]
//! turns boxes into targets and answers into boxes.
//!
//! On 400 drawn pictures of 48×48 with up to four objects of three classes, 400 steps, two seeds: average precision
//! 31 and 33 with GIoU; 29 and 24 with a pseudo-Huber distance of the four numbers at four times the weight.

use serde::{Deserialize, Serialize};

use super::pool::{at_each_place, beside};
use super::{Kind, Place, Read, check_count};
use crate::loss::{binary_kl, detection_loss, pseudo_huber};
use crate::nn::{Init, Layer, Norm, Params, Spec, conv, norm, spec_conv, spec_linear, spec_norm};
use crate::tape::{Conv2d, Var};

/// Output: `[tasks, pictures, rows, columns, classes + 4]`, logits and the box. Target: `[.., classes + 4 + 1]`: 1,
/// 0 or −1 (not to be counted) a class, the box, and 1 in the cell of a centre, else 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boxes {
    pub classes: usize,
    /// Channels of a 3×3 convolution of its own before the answer.
    #[serde(default = "width")]
    pub width: usize,
}

fn width() -> usize {
    32
}

/// The probability that a cell begins with: of a few dozen cells, about one holds a centre.
const PRIOR: f64 = 0.02;
/// All channels of a picture together.
const NORM: Norm = Norm::Group { groups: 1 };

impl Boxes {
    pub fn new(classes: usize) -> Self {
        Self { classes, width: width() }
    }
}

impl Kind for Boxes {
    fn spec(&self, name: &str, place: &Place) -> Vec<Spec> {
        let inputs = place.read.channels;
        let mut all = vec![spec_conv(&format!("{name}/conv"), 3, inputs, self.width, Init::He)];
        all.extend(spec_norm(&format!("{name}/norm"), self.width, NORM));
        let [weight, mut bias] =
            spec_linear(&format!("{name}/class"), self.width, self.classes, Init::Normal(0.01));
        bias.init = Init::Constant((PRIOR / (1.0 - PRIOR)).ln());
        all.extend([weight, bias]);
        all.extend(spec_linear(&format!("{name}/box"), self.width, 4, Init::Normal(0.01)));
        all
    }

    fn output<'t>(&self, name: &str, weights: &Params<'t>, read: &Read<'_, 't>) -> Var<'t> {
        let y = conv(weights, &format!("{name}/conv"), read.x, Conv2d::new(1, 1));
        let y = norm(NORM, weights, &format!("{name}/norm"), y, 1, 0).relu();
        let class = at_each_place(&format!("{name}/class"), weights, y);
        let bounds = at_each_place(&format!("{name}/box"), weights, y);
        beside(class, bounds)
    }

    fn output_shape(&self, place: &Place) -> Vec<usize> {
        let [rows, columns] = place.read.size;
        vec![rows, columns, self.classes + 4]
    }

    fn target_shape(&self, place: &Place) -> Vec<usize> {
        let [rows, columns] = place.read.size;
        vec![rows, columns, self.classes + 5]
    }

    fn losses<'t>(&self, output: Var<'t>, target: Var<'t>) -> Var<'t> {
        detection_loss(output, target, self.classes)
    }

    /// Binary KL a class and cell; boxes count where the teacher is sure of an object, by the pseudo-Huber distance:
    /// a student that begins as its teacher stays, where GIoU has a kink.
    fn distances<'t>(&self, output: Var<'t>, teacher: Var<'t>, temperature: f64) -> Var<'t> {
        let split = |all: Var<'t>| (all.narrow(4, 0, self.classes), all.narrow(4, self.classes, 4));
        let ((class, bounds), (taught, taught_bounds)) = (split(output), split(teacher));
        let sure = taught.max_over(&[4]).sigmoid();
        let kl = binary_kl(class, taught, temperature).sum(&[2, 3, 4]);
        let off = (pseudo_huber(bounds - taught_bounds) * sure).sum(&[2, 3, 4]);
        (kl + off).squeeze(&[2, 3, 4])
    }

    fn check(&self, _: &[Layer], most: usize) -> Result<(), String> {
        check_count("classes", self.classes, most)?;
        check_count("channels", self.width, most)
    }
}
