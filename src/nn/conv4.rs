//! Conv-4: four blocks of convolution, normalisation and ReLU, each halving the picture, and a linear head.
//! The network of Vinyals et al. 2016 and of MAML (Finn et al. 2017, appendix A.1).
//!
//! Strided: 28 → 14 → 7 → 4 → 2, and the head reads the mean over the remaining pixels, as in
//! cbfinn/maml. Pooled: 28 → 14 → 7 → 3 → 1, and the head reads all that remains.

use super::{
    Activation, Given, Init, Model, Norm, Params, Spec, Step, conv, linear, norm, spec_conv,
    spec_linear, spec_norm,
};
use crate::op::Window;
use crate::tape::{Conv2d, Var};

/// How a block halves the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Downsample {
    /// By the stride of its convolution.
    Stride,
    /// By the largest of each 2×2 pixels.
    Pool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Conv4 {
    /// Height, width and channels of a picture.
    pub image: [usize; 3],
    pub filters: usize,
    pub classes: usize,
    pub downsample: Downsample,
    pub norm: Norm,
    /// Must not fall anywhere: it stands behind the pool.
    pub activation: Activation,
    /// Start of the convolutions.
    pub init: Init,
    /// Start of the head's weight: the standard deviation of a normal distribution.
    pub head_std: f64,
}

const BLOCKS: usize = 4;

impl Conv4 {
    /// 28×28 grey pictures, 64 filters, strided, batch statistics: the Omniglot network.
    pub fn omniglot(classes: usize) -> Self {
        Self {
            image: [28, 28, 1],
            filters: 64,
            classes,
            downsample: Downsample::Stride,
            norm: Norm::Batch,
            activation: Activation::Relu,
            init: Init::Glorot,
            head_std: 0.1,
        }
    }

    /// Numbers that the head reads.
    fn features(&self) -> usize {
        match self.downsample {
            Downsample::Stride => self.filters,
            Downsample::Pool => {
                let left = |size: usize| (0..BLOCKS).fold(size, |size, _| size / 2);
                left(self.image[0]) * left(self.image[1]) * self.filters
            }
        }
    }

    /// `[tasks, images, height, width, channels]` -> `[tasks, images, features]`.
    fn embed<'t>(
        &self,
        weights: &Params<'t>,
        x: Var<'t>,
        members: usize,
        step: Step<'t>,
    ) -> Var<'t> {
        let geometry = match self.downsample {
            Downsample::Stride => Conv2d::new(2, 1),
            Downsample::Pool => Conv2d::new(1, 1),
        };
        let h = (1..=BLOCKS).fold(x, |x, i| {
            let y = conv(weights, &format!("block{i}/conv"), x, geometry);
            let y = norm(self.norm, weights, &format!("block{i}/norm"), y, members, step);
            match self.downsample {
                Downsample::Stride => self.activation.apply(y),
                // Behind the pool, a quarter of the pixels: the same values and derivatives, since the
                // activation does not change which pixel is the largest.
                Downsample::Pool => self.activation.apply(y.max_pool(Window::tiles(2))),
            }
        });
        let s = h.shape();
        match self.downsample {
            Downsample::Stride => h.mean(&[2, 3]).reshape([s[0], s[1], s[4]]),
            Downsample::Pool => h.reshape([s[0], s[1], s[2] * s[3] * s[4]]),
        }
    }
}

impl Model for Conv4 {
    fn spec(&self) -> Vec<Spec> {
        let mut all = vec![];
        for i in 1..=BLOCKS {
            let inputs = if i == 1 { self.image[2] } else { self.filters };
            all.push(spec_conv(&format!("block{i}/conv"), 3, inputs, self.filters, self.init));
            all.extend(spec_norm(&format!("block{i}/norm"), self.filters, self.norm));
        }
        all.extend(spec_linear("head", self.features(), self.classes, Init::Normal(self.head_std)));
        all
    }

    /// Logits `[tasks, images, classes]`.
    #[track_caller]
    fn output<'t>(&self, weights: &Params<'t>, given: Given<'t>) -> Var<'t> {
        let (x, s) = (given.x, given.x.shape());
        let features = match given.context.filter(|_| self.norm == Norm::Single) {
            None => self.embed(weights, x, s[1], given.step),
            Some(support) => {
                // Each query with its own copy of the support set: [T, Q, S + 1, H, W, C]. The copies differ
                // from the second block on, because their statistics do.
                let (tasks, queries, shots) = (s[0], s[1], support.shape()[1]);
                let picture = [s[2], s[3], s[4]];
                let with = |q: usize, n: usize| [tasks, q, n, picture[0], picture[1], picture[2]];
                let supports = support.reshape(with(1, shots)).expand(with(queries, shots));
                let all = x.tape.concat(&[supports, x.reshape(with(queries, 1))], 2);
                let members = shots + 1;
                let flat = [tasks, queries * members, s[2], s[3], s[4]];
                let features = self.embed(weights, all.reshape(flat), members, given.step);
                let width = features.shape()[2];
                let split = features.reshape([tasks, queries, members, width]);
                split.narrow(2, shots, 1).reshape([tasks, queries, width])
            }
        };
        linear(weights, "head", features)
    }
}
