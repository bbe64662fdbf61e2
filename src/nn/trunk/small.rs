//! Four convolutions that shrink a picture early, so that a step is cheap: 5×5 by 2, 3×3 by 2, 3×3 with a
//! pool of 2×2, 3×3. A picture of 48×48 becomes 24, 12, 6, 6.

use serde::{Deserialize, Serialize};

use super::{Body, Layer, spec_unit, strided, unit};
use crate::nn::{Params, Spec};
use crate::op::Window;
use crate::tape::Var;

/// Layers `block1` to `block4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Small {
    pub channels: usize,
    /// Channels of `block1`, where three quarters of all places are; 0: as many as the others.
    #[serde(default)]
    pub stem: usize,
    /// Groups of channels that are normalised together.
    pub groups: usize,
}

impl Default for Small {
    fn default() -> Self {
        Self { channels: 32, stem: 0, groups: 8 }
    }
}

struct Block {
    window: usize,
    stride: usize,
    pool: bool,
}

const BLOCKS: [Block; 4] = [
    Block { window: 5, stride: 2, pool: false },
    Block { window: 3, stride: 2, pool: false },
    Block { window: 3, stride: 1, pool: true },
    Block { window: 3, stride: 1, pool: false },
];

fn name(i: usize) -> String {
    format!("trunk/block{}", i + 1)
}

impl Small {
    /// Channels that block `i`, from 0, gives.
    fn width(&self, i: usize) -> usize {
        if i == 0 && self.stem > 0 { self.stem } else { self.channels }
    }
}

impl Body for Small {
    fn layers(&self, image: [usize; 3]) -> Vec<Layer> {
        let mut size = [image[0], image[1]];
        let layer = |(i, block): (usize, &Block)| {
            size = strided(size, block.stride);
            if block.pool {
                size = size.map(|side| side / 2);
            }
            Layer { name: format!("block{}", i + 1), size, channels: self.width(i) }
        };
        BLOCKS.iter().enumerate().map(layer).collect()
    }

    fn spec(&self, image: [usize; 3], width: Option<usize>) -> Vec<Spec> {
        let unit = |(i, block): (usize, &Block)| {
            let inputs = if i == 0 { image[2] } else { self.width(i - 1) };
            spec_unit(&name(i), block.window, [inputs, self.width(i)], width)
        };
        BLOCKS.iter().enumerate().flat_map(unit).collect()
    }

    fn run<'t>(&self, weights: &Params<'t>, x: Var<'t>, e: Option<Var<'t>>) -> Vec<Var<'t>> {
        let mut x = x;
        let run = |(i, block): (usize, &Block)| {
            let y = unit(weights, &name(i), x, block.stride, self.groups, e);
            // Behind the pool a quarter of the places, and the same values.
            x = if block.pool { y.max_pool(Window::tiles(2)) } else { y }.relu();
            x
        };
        BLOCKS.iter().enumerate().map(run).collect()
    }

    fn channels(&self) -> (Vec<usize>, usize) {
        (vec![self.width(0), self.width(1)], self.groups)
    }
}
