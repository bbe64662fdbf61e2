//! Products, convolutions, pooling and resizing. Images are [tasks, images, height, width, channels].

use super::Var;
use crate::op::{Along, ConvGeometry, Op, Side, Window};

impl<'t> Var<'t> {
    /// [..., M, K] × [..., K, N]; leading axes broadcast.
    #[track_caller]
    pub fn matmul(self, other: Var<'t>) -> Var<'t> {
        self.matmul_t(other, false, false)
    }

    /// As [`Var::matmul`]; `ta`, `tb` say that an operand is stored with its last two axes swapped.
    #[track_caller]
    pub fn matmul_t(self, other: Var<'t>, ta: bool, tb: bool) -> Var<'t> {
        let (a, b) = (self.shape(), other.shape());
        if a.rank() != b.rank() || a.rank() < 2 {
            panic!("MatMul: {a} and {b} need the same number of axes, at least 2");
        }
        let (mut to_a, mut to_b) = (a, b);
        for axis in 0..a.rank() - 2 {
            let size = a[axis].max(b[axis]);
            (to_a, to_b) = (to_a.with(axis, size), to_b.with(axis, size));
        }
        let inputs = [self.expand(to_a), other.expand(to_b)];
        self.tape.push(Op::MatMul { ta, tb }, &inputs, None)
    }

    /// One side of the convolution's trilinear form; task axes broadcast.
    #[track_caller]
    pub fn conv_side(self, other: Var<'t>, side: Side, geometry: ConvGeometry) -> Var<'t> {
        let tasks = self.shape().tasks().max(other.shape().tasks());
        let inputs = [self.per_task(tasks), other.per_task(tasks)];
        self.tape.push(Op::Conv { side, geometry }, &inputs, None)
    }

    /// Cross-correlation of images with weights [tasks, kh, kw, C/groups, O].
    #[track_caller]
    pub fn conv2d(self, weights: Var<'t>, conv: Conv2d) -> Var<'t> {
        let (x, w) = (self.shape(), weights.shape());
        assert!(x.rank() == 5 && w.rank() == 5, "Conv: {x} and {w} need 5 axes each");
        let geometry = conv.geometry([x[2], x[3]], [w[1], w[2]]);
        self.conv_side(weights, Side::Output, geometry)
    }

    /// The adjoint of [`Var::conv2d`] in its image: [T, N, H, W, O] -> [T, N, H', W', C] with
    /// H' = (H − 1)·stride − top − bottom + dilation·(kh − 1) + 1 + `output_pad`.
    #[track_caller]
    pub fn conv2d_transpose(
        self,
        weights: Var<'t>,
        conv: Conv2d,
        output_pad: [usize; 2],
    ) -> Var<'t> {
        let (y, w) = (self.shape(), weights.shape());
        assert!(y.rank() == 5 && w.rank() == 5, "Conv: {y} and {w} need 5 axes each");
        let mut image = [0; 2];
        for a in 0..2 {
            let reach = (y[2 + a] - 1) * conv.stride[a]
                + conv.dilation[a] * (w[1 + a] - 1)
                + 1
                + output_pad[a];
            match reach.checked_sub(conv.pad[2 * a] + conv.pad[2 * a + 1]) {
                Some(size) if size > 0 => image[a] = size,
                _ => panic!("ConvInput: padding {:?} leaves nothing of {y}", conv.pad),
            }
        }
        let geometry = conv.geometry(image, [w[1], w[2]]);
        weights.conv_side(self, Side::Input, geometry)
    }

    /// The largest element of each window.
    #[track_caller]
    pub fn max_pool(self, window: Window) -> Var<'t> {
        let along = Along::Window(window);
        self.take(self.argmax(along), along)
    }

    /// The sum of each window divided by its size, or, without `count_pad`, by its places inside the image.
    #[track_caller]
    pub fn avg_pool(self, window: Window, count_pad: bool) -> Var<'t> {
        let x = self.shape();
        let [kh, kw] = window.size;
        let conv = Conv2d { stride: window.stride, pad: window.pad, ..Conv2d::default() };
        // One channel at a time: [T, N, H, W, C] as N·C images of one channel would need a copy, so
        // the weights are one group a channel.
        let weight = if count_pad { 1.0 / (kh * kw) as f64 } else { 1.0 };
        let ones = self.tape.filled(weight, [1, kh, kw, 1, x[4]]);
        let sums = self.conv2d(ones, Conv2d { groups: x[4], ..conv });
        if count_pad {
            return sums;
        }
        let image = self.tape.filled(1.0, [1, 1, x[2], x[3], 1]);
        let counts = image.conv2d(self.tape.filled(1.0, [1, kh, kw, 1, 1]), conv);
        sums * counts.recip()
    }

    /// Each pixel becomes `factor[0]` × `factor[1]` pixels.
    #[track_caller]
    pub fn resize_nearest(self, factor: [usize; 2]) -> Var<'t> {
        let x = self.shape();
        let [a, b] = factor;
        let wide = [x[0], x[1], x[2], a, x[3], b, x[4]];
        self.reshape([x[0], x[1], x[2], 1, x[3], 1, x[4]]).expand(wide).reshape([
            x[0],
            x[1],
            x[2] * a,
            x[3] * b,
            x[4],
        ])
    }

    /// Result row i reads source row (i + 0.5)·H/h − 0.5, clamped, between its two neighbours; columns
    /// alike. Two products with constant matrices, so every derivative follows.
    #[track_caller]
    pub fn resize_bilinear(self, size: [usize; 2]) -> Var<'t> {
        let x = self.shape();
        // Rows: [h, H] · [T, N, H, W·C].
        let rows = self.interpolation(size[0], x[2], &[1, 1, size[0], x[2]]);
        let y = rows.matmul(self.reshape([x[0], x[1], x[2], x[3] * x[4]]));
        // Columns: [w, W] · [T, N, h, W, C].
        let columns = self.interpolation(size[1], x[3], &[1, 1, 1, size[1], x[3]]);
        columns.matmul(y.reshape([x[0], x[1], size[0], x[3], x[4]]))
    }

    /// The matrix [to, from] that mixes two neighbours into each place.
    fn interpolation(self, to: usize, from: usize, shape: &[usize]) -> Var<'t> {
        let mut matrix = vec![0.0; to * from];
        for i in 0..to {
            let at = (i as f64 + 0.5) * from as f64 / to as f64 - 0.5;
            let at = at.clamp(0.0, (from - 1) as f64);
            let low = at.floor();
            let (lo, hi) = (low as usize, (low as usize + 1).min(from - 1));
            matrix[i * from + lo] += 1.0 - (at - low);
            matrix[i * from + hi] += at - low;
        }
        self.tape.data(shape, &matrix)
    }
}

/// How a convolution moves: rows first, then columns; pad is top, bottom, left, right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2d {
    pub stride: [usize; 2],
    pub pad: [usize; 4],
    pub dilation: [usize; 2],
    pub groups: usize,
}

impl Default for Conv2d {
    fn default() -> Self {
        Self { stride: [1, 1], pad: [0; 4], dilation: [1, 1], groups: 1 }
    }
}

impl Conv2d {
    /// The same stride both ways, the same padding on all sides.
    pub fn new(stride: usize, pad: usize) -> Self {
        Self { stride: [stride; 2], pad: [pad; 4], ..Self::default() }
    }

    fn geometry(self, image: [usize; 2], kernel: [usize; 2]) -> ConvGeometry {
        let Self { stride, pad, dilation, groups } = self;
        ConvGeometry { stride, pad, dilation, groups, image, kernel }
    }
}

impl Window {
    /// Windows that tile the image: stride = size, no padding; what does not fill one is left out.
    pub fn tiles(size: usize) -> Self {
        Self { size: [size; 2], stride: [size; 2], pad: [0; 4] }
    }
}
