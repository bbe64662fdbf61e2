//! A frame of CamVid, seen otherwise without changing what it is: shifted, mirrored, in other colours.
//!
//! The classes move with the picture. What a shift uncovers continues the border and is void: nobody labelled it.
//! How a frame is changed is a function of (seed, step, element) alone.

use super::camvid::{Frame, STORED, VOID};
use crate::random::{Stream, stream};

/// One way to see a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Rows down and columns to the right, in pixels of the picture.
    pub shift: [i32; 2],
    /// Left and right exchanged, after the shift.
    pub mirrored: bool,
    /// Factor of each channel, then of the distance from the picture's mean.
    pub channels: [f32; 3],
    pub contrast: f32,
}

/// The frame as it is.
pub const PLAIN: View = View { shift: [0, 0], mirrored: false, channels: [1.0; 3], contrast: 1.0 };

/// Farthest shift, as one part in so many of the picture's height.
const SHIFT: usize = 12;
/// Standard deviations of the logarithms of brightness, contrast and each channel. Brightness changes most: the mean of
/// the drives by day alone differs by a factor of 1.4.
const BRIGHTNESS: f64 = 0.3;
const CONTRAST: f64 = 0.15;
const CHANNEL: f64 = 0.1;

impl View {
    /// The view of element `element` at step `step`, for pictures of this height.
    pub fn random(height: usize, seed: u32, step: u32, element: u32) -> Self {
        let mut random = Stream::new(seed, stream::AUGMENT, step, element);
        let far = height / SHIFT;
        let mut shift = || random.below(2 * far + 1) as i32 - far as i32;
        let shift = [shift(), shift()];
        let mirrored = random.uniform() < 0.5;
        let mut factor = |deviation: f64| (deviation * random.normal()).exp() as f32;
        let (brightness, contrast) = (factor(BRIGHTNESS), factor(CONTRAST));
        let channels = [0; 3].map(|_| brightness * factor(CHANNEL));
        Self { shift, mirrored, channels, contrast }
    }

    /// The frame seen so, its picture of `size` = [height, width].
    pub fn of(&self, frame: &Frame, size: [usize; 2]) -> Frame {
        let pixels: &[[f32; 3]] = frame.picture.as_chunks().0;
        let mut pixels = self.moved(pixels, size, self.shift, None);
        recolour(&mut pixels, self.channels, self.contrast);
        // The nearest stored pixel: at most half of one beside the picture's.
        let stored = [0, 1]
            .map(|a| (self.shift[a] as f32 * STORED[a] as f32 / size[a] as f32).round() as i32);
        let classes = self.moved(&frame.classes, STORED, stored, Some(VOID));
        let (name, drive) = (frame.name.clone(), frame.drive.clone());
        Frame { name, drive, picture: pixels.into_flattened(), classes, ..*frame }
    }

    /// `outside` stands where there was nothing; none: the border continues.
    fn moved<T: Copy>(
        &self,
        from: &[T],
        [height, width]: [usize; 2],
        [down, right]: [i32; 2],
        outside: Option<T>,
    ) -> Vec<T> {
        let place = |to: usize, by: i32, side: usize| {
            let at = to as i32 - by;
            let near = at.clamp(0, side as i32 - 1);
            (near as usize, near == at)
        };
        let column = |x: usize| place(if self.mirrored { width - 1 - x } else { x }, right, width);
        let columns: Vec<(usize, bool)> = (0..width).map(column).collect();
        let mut all = Vec::with_capacity(from.len());
        for y in 0..height {
            let (row, in_rows) = place(y, down, height);
            let line = &from[row * width..][..width];
            all.extend(columns.iter().map(|&(x, in_columns)| match outside {
                Some(outside) if !(in_rows && in_columns) => outside,
                _ => line[x],
            }));
        }
        all
    }
}

/// Each channel times its factor, then contrast about the picture's mean; within 0 and 1.
fn recolour(pixels: &mut [[f32; 3]], channels: [f32; 3], contrast: f32) {
    if channels == [1.0; 3] && contrast == 1.0 {
        return;
    }
    let mut sums = [0.0f64; 3];
    pixels.iter().for_each(|p| (0..3).for_each(|c| sums[c] += f64::from(p[c])));
    let count = pixels.len().max(1) as f64;
    let mean = (0..3).map(|c| channels[c] * (sums[c] / count) as f32).sum::<f32>() / 3.0;
    for pixel in pixels {
        for (v, channel) in pixel.iter_mut().zip(channels) {
            *v = (mean + contrast * (channel * *v - mean)).clamp(0.0, 1.0);
        }
    }
}
