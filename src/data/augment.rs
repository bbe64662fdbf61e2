//! A scene, changed without changing what it is: shifted, mirrored, in other colours.
//!
//! What is true of a picture moves with it: boxes and mask shift and mirror, the path's offset shifts and
//! changes sign, its curvature changes sign; kind, surface and the light's state stay. How a scene is
//! changed is a function of (seed, step, element) alone.

use super::scenes::{Object, Scene, Truth};
use crate::random::{Stream, fold, stream};

/// How much a training picture may be changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Augment {
    /// Farthest shift in each direction, in pixels; the border is continued (a padded random crop).
    pub shift: usize,
    /// Mirror one picture in two.
    pub flip: bool,
    /// Colour jitter: standard deviation of the logarithms of brightness, contrast and each channel.
    pub jitter: f32,
    /// An object shifted out of the picture stays one while this much of its body is visible ...
    pub visible: f32,
    /// ... and what is left of it is at least this wide and high, in pixels.
    pub side: f32,
}

impl Default for Augment {
    fn default() -> Self {
        Self { shift: 3, flip: true, jitter: 0.1, visible: 0.4, side: 4.5 }
    }
}

impl Augment {
    /// The scene as element `element` of step `step` sees it.
    pub fn apply(&self, scene: &Scene, seed: u64, step: u32, element: u32) -> Scene {
        let mut random = Stream::new(fold(seed), stream::AUGMENT, step, element);
        let mut shift = || random.below(2 * self.shift + 1) as i32 - self.shift as i32;
        let (right, down) = (shift(), shift());
        let mut seen = self.shifted(scene, right, down);
        if random.uniform() < 0.5 && self.flip {
            seen = mirrored(&seen);
        }
        if self.jitter > 0.0 {
            let mut factor = || (self.jitter * random.normal() as f32).exp();
            let (brightness, contrast) = (factor(), factor());
            let channels = [0; 3].map(|_| brightness * factor().sqrt());
            recolour(&mut seen.pixels, channels, contrast);
        }
        seen
    }

    /// The picture moved by whole pixels, its border continued into what is uncovered.
    pub fn shifted(&self, scene: &Scene, right: i32, down: i32) -> Scene {
        let size = scene.size;
        let from = |to: usize, by: i32| (to as i32 - by).clamp(0, size as i32 - 1) as usize;
        let columns: Vec<usize> = (0..size).map(|x| from(x, right)).collect();
        let places = (0..size).flat_map(|y| columns.iter().map(move |x| from(y, down) * size + x));
        let (pixels, mask) = moved(scene, places);
        let truth = &scene.truth;
        let [curvature, offset] = truth.path;
        Scene {
            size,
            pixels,
            truth: Truth {
                objects: truth
                    .objects
                    .iter()
                    .filter_map(|o| self.object(o, size, right, down))
                    .collect(),
                path: [curvature, offset + right as f32 / size as f32],
                mask,
                ..*truth
            },
        }
    }

    fn object(&self, object: &Object, size: usize, right: i32, down: i32) -> Option<Object> {
        let by = [right, down, right, down].map(|b| b as f32);
        let whole = [0, 1, 2, 3].map(|i| object.bounds[i] + by[i]);
        let bounds = whole.map(|b| b.clamp(0.0, size as f32));
        let sides = |[left, top, right, bottom]: [f32; 4]| [right - left, bottom - top];
        let ([width, height], [all_width, all_height]) = (sides(bounds), sides(whole));
        // As if the body filled its box evenly.
        let visible = object.visible * ((width * height) / (all_width * all_height));
        let stays = visible >= self.visible && width.min(height) >= self.side;
        stays.then_some(Object { class: object.class, bounds, visible })
    }
}

/// Left and right exchanged. Twice is the scene itself, to the bit.
pub fn mirrored(scene: &Scene) -> Scene {
    let size = scene.size;
    let places = (0..size).flat_map(|y| (0..size).rev().map(move |x| y * size + x));
    let (pixels, mask) = moved(scene, places);
    let truth = &scene.truth;
    let width = size as f32;
    let mirror = |object: &Object| {
        let [left, top, right, bottom] = object.bounds;
        Object { bounds: [width - right, top, width - left, bottom], ..*object }
    };
    Scene {
        size,
        pixels,
        truth: Truth {
            objects: truth.objects.iter().map(mirror).collect(),
            path: truth.path.map(|p| -p),
            mask,
            ..*truth
        },
    }
}

/// Pixels and mask taken from other places of the same scene.
fn moved(scene: &Scene, places: impl Iterator<Item = usize>) -> (Vec<u8>, Vec<u8>) {
    let mut pixels = Vec::with_capacity(scene.pixels.len());
    let mut mask = Vec::with_capacity(scene.truth.mask.len());
    for at in places {
        pixels.extend_from_slice(&scene.pixels[3 * at..3 * at + 3]);
        mask.push(scene.truth.mask[at]);
    }
    (pixels, mask)
}

/// Each channel times its factor, then contrast about the picture's mean.
fn recolour(pixels: &mut [u8], channels: [f32; 3], contrast: f32) {
    let mut sums = [0u64; 3];
    pixels.chunks_exact(3).for_each(|p| (0..3).for_each(|c| sums[c] += u64::from(p[c])));
    let count = (pixels.len() / 3).max(1) as f32;
    let mean = (0..3).map(|c| channels[c] * sums[c] as f32 / count).sum::<f32>() / 3.0;
    let table = channels.map(|channel| {
        std::array::from_fn::<u8, 256, _>(|v| {
            (mean + contrast * (channel * v as f32 - mean) + 0.5) as u8 // `as` cuts off at 0 and 255
        })
    });
    for pixel in pixels.chunks_exact_mut(3) {
        (0..3).for_each(|c| pixel[c] = table[c][pixel[c] as usize]);
    }
}

/// What is taken from each channel and by what it is divided, so that a training set has mean 0 and
/// deviation 1. In units of a picture from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normal {
    pub mean: [f32; 3],
    pub deviation: [f32; 3],
}

impl Normal {
    /// Over all pixels of some scenes.
    pub fn of(scenes: &[Scene]) -> Self {
        let (mut count, mut sum, mut squares) = (0u64, [0u64; 3], [0u64; 3]);
        for pixel in scenes.iter().flat_map(|scene| scene.pixels.chunks_exact(3)) {
            count += 1;
            for c in 0..3 {
                let v = u64::from(pixel[c]);
                (sum[c], squares[c]) = (sum[c] + v, squares[c] + v * v);
            }
        }
        let count = count.max(1) as f64;
        let mean = sum.map(|s| s as f64 / count);
        let deviation = [0, 1, 2].map(|c| {
            let variance = squares[c] as f64 / count - mean[c] * mean[c];
            variance.max(1.0).sqrt() // a set of one colour is left as it is, near enough
        });
        Self {
            mean: mean.map(|m| m as f32 / 255.0),
            deviation: deviation.map(|d| d as f32 / 255.0),
        }
    }

    /// Bytes `[.., 3]` to numbers for the network, as many.
    pub fn write(&self, pixels: &[u8], out: &mut [f32]) {
        assert_eq!(pixels.len(), out.len(), "bytes of a picture and room for them");
        let table: [[f32; 256]; 3] = std::array::from_fn(|c| {
            std::array::from_fn(|v| (v as f32 / 255.0 - self.mean[c]) / self.deviation[c])
        });
        for (pixel, out) in pixels.chunks_exact(3).zip(out.chunks_exact_mut(3)) {
            (0..3).for_each(|c| out[c] = table[c][pixel[c] as usize]);
        }
    }
}
