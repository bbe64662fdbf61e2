//! A small residual network (He et al. 2016): a strided stem and three blocks of two convolutions that add to
//! what they read. A picture of 48×48 becomes 24, 12, 6, 6, the last two with twice the channels.

use serde::{Deserialize, Serialize};

use super::{Body, Layer, spec_unit, strided, unit};
use crate::nn::{Params, Spec};
use crate::tape::Var;

/// Layers `stem`, `block1`, `block2`, `block3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Residual {
    /// Of the stem and the first block; the others have twice as many.
    pub channels: usize,
    /// Groups of channels that are normalised together.
    pub groups: usize,
}

impl Default for Residual {
    fn default() -> Self {
        Self { channels: 32, groups: 8 }
    }
}

struct Block {
    stride: usize,
    /// Channels in and out, in multiples of the stem's.
    wider: [usize; 2],
}

const BLOCKS: [Block; 3] = [
    Block { stride: 2, wider: [1, 1] },
    Block { stride: 2, wider: [1, 2] },
    Block { stride: 1, wider: [2, 2] },
];

impl Block {
    /// Whether the short way must change the shape: a 1×1 convolution.
    fn projects(&self) -> bool {
        self.stride != 1 || self.wider[0] != self.wider[1]
    }
}

const STEM: &str = "trunk/stem";

impl Body for Residual {
    fn layers(&self, image: [usize; 3]) -> Vec<Layer> {
        let mut size = strided([image[0], image[1]], 2);
        let mut all = vec![Layer { name: "stem".into(), size, channels: self.channels }];
        for (i, block) in BLOCKS.iter().enumerate() {
            size = strided(size, block.stride);
            let channels = block.wider[1] * self.channels;
            all.push(Layer { name: format!("block{}", i + 1), size, channels });
        }
        all
    }

    fn spec(&self, image: [usize; 3], width: Option<usize>) -> Vec<Spec> {
        let mut all = spec_unit(STEM, 5, [image[2], self.channels], width);
        for (i, block) in BLOCKS.iter().enumerate() {
            let name = format!("trunk/block{}", i + 1);
            let [inputs, outputs] = block.wider.map(|wider| wider * self.channels);
            all.extend(spec_unit(&format!("{name}/a"), 3, [inputs, outputs], None));
            all.extend(spec_unit(&format!("{name}/b"), 3, [outputs, outputs], width));
            if block.projects() {
                all.extend(spec_unit(&format!("{name}/short"), 1, [inputs, outputs], None));
            }
        }
        all
    }

    fn run<'t>(&self, weights: &Params<'t>, x: Var<'t>, e: Option<Var<'t>>) -> Vec<Var<'t>> {
        let mut x = unit(weights, STEM, x, 2, self.groups, e).relu();
        let mut all = vec![x];
        for (i, block) in BLOCKS.iter().enumerate() {
            let name = format!("trunk/block{}", i + 1);
            let part = |part: &str, x, stride, e| {
                unit(weights, &format!("{name}/{part}"), x, stride, self.groups, e)
            };
            let long = part("b", part("a", x, block.stride, None).relu(), 1, e);
            let short = if block.projects() { part("short", x, block.stride, None) } else { x };
            x = (long + short).relu();
            all.push(x);
        }
        all
    }

    fn channels(&self) -> (Vec<usize>, usize) {
        (vec![self.channels], self.groups)
    }
}
