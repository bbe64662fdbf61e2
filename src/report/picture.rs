//! Pictures inside the page: PNG in base64, so that a report is one file.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

/// Grey (`channels` 1) or RGB (3), rows from top to bottom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub width: u32,
    pub height: u32,
    pub channels: u8,
    pub pixels: Vec<u8>,
}

impl Picture {
    /// A picture of values from 0 (black) to 1 (white), `[height, width, channels]`; others are cut off.
    #[track_caller]
    pub fn from_unit(width: usize, height: usize, channels: usize, values: &[f32]) -> Self {
        assert_eq!(
            values.len(),
            width * height * channels,
            "values of a {width} x {height} x {channels} picture"
        );
        // NaN becomes black: `as` cuts off at both ends and takes NaN to 0.
        let pixels = values.iter().map(|v| (v * 255.0).round() as u8).collect();
        Picture { width: width as u32, height: height as u32, channels: channels as u8, pixels }
    }

    /// Pictures of one height and kind beside each other, a little white between.
    #[track_caller]
    pub fn beside(all: &[Picture]) -> Self {
        const GAP: usize = 4;
        let Picture { height, channels, .. } = all[0];
        let alike = |p: &Picture| p.height == height && p.channels == channels;
        assert!(all.iter().all(alike), "pictures of one height and kind");
        let (mut pixels, bytes) = (vec![], usize::from(channels));
        for row in 0..height as usize {
            for (i, picture) in all.iter().enumerate() {
                pixels.extend(std::iter::repeat_n(255, if i > 0 { GAP * bytes } else { 0 }));
                let line = picture.width as usize * bytes;
                pixels.extend_from_slice(&picture.pixels[row * line..][..line]);
            }
        }
        let width = all.iter().map(|p| p.width).sum::<u32>() + (GAP * (all.len() - 1)) as u32;
        Self { width, height, channels, pixels }
    }

    /// `data:image/png;base64,...`
    #[track_caller]
    pub fn data_url(&self) -> String {
        let colour = match self.channels {
            1 => ExtendedColorType::L8,
            3 => ExtendedColorType::Rgb8,
            n => panic!("a picture of {n} channels; 1 (grey) and 3 (RGB) are possible"),
        };
        let mut png = Vec::new();
        let encoder =
            PngEncoder::new_with_quality(&mut png, CompressionType::Best, FilterType::Adaptive);
        if let Err(why) = encoder.write_image(&self.pixels, self.width, self.height, colour) {
            panic!("{} x {} pixels do not make a PNG: {why}", self.width, self.height);
        }
        format!("data:image/png;base64,{}", base64(&png))
    }
}

/// RFC 4648, with padding.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let n = three.iter().enumerate().fold(0u32, |n, (i, &b)| n | u32::from(b) << (16 - 8 * i));
        for i in 0..4 {
            let digit = DIGITS[(n >> (18 - 6 * i)) as usize & 63];
            text.push(if i <= three.len() { digit as char } else { '=' });
        }
    }
    text
}
