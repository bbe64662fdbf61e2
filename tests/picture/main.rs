//! One's own pictures: whatever a camera, a scanner or a drawing program writes comes out as the picture a person
//! sees, and whatever else a file may hold gets one line, without a panic and without memory that it does not need.

mod decoding;
mod memory;
mod placing;
mod support;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};
use metatape::data::picture::Rgb;
use metatape::random::{Stream, stream};

struct Png {
    colour: png::ColorType,
    depth: png::BitDepth,
    palette: Vec<u8>,
    exif: Option<Vec<u8>>,
}

impl Png {
    fn new(colour: png::ColorType, depth: png::BitDepth) -> Self {
        Png { colour, depth, palette: vec![], exif: None }
    }

    fn file(&self, width: u32, height: u32, raw: &[u8]) -> Vec<u8> {
        let mut file = vec![];
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(self.colour);
        encoder.set_depth(self.depth);
        if !self.palette.is_empty() {
            encoder.set_palette(self.palette.clone());
        }
        let mut writer = encoder.write_header().unwrap();
        if let Some(exif) = &self.exif {
            writer.write_chunk(png::chunk::eXIf, exif).unwrap();
        }
        writer.write_image_data(raw).unwrap();
        drop(writer);
        file
    }
}

fn rgb_png(picture: &Rgb) -> Vec<u8> {
    let png = Png::new(png::ColorType::Rgb, png::BitDepth::Eight);
    png.file(picture.width as u32, picture.height as u32, &picture.pixels)
}

fn jpeg(width: u32, height: u32, colour: ExtendedColorType, raw: &[u8]) -> Vec<u8> {
    let mut file = vec![];
    JpegEncoder::new_with_quality(&mut file, 100).write_image(raw, width, height, colour).unwrap();
    file
}

/// An EXIF block with one entry, the orientation.
fn exif(orientation: u16, big: bool) -> Vec<u8> {
    let two = |v: u16| if big { v.to_be_bytes() } else { v.to_le_bytes() };
    let four = |v: u32| if big { v.to_be_bytes() } else { v.to_le_bytes() };
    let mut out = if big { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
    out.extend(four(8)); // where the first folder is
    out.extend(two(1)); // one entry
    out.extend([two(0x112), two(3)].concat()); // orientation, a short
    out.extend(four(1));
    out.extend([two(orientation), two(0)].concat());
    out.extend(four(0)); // no second folder
    out
}

/// The same JPEG with an APP1 segment that holds `exif`.
fn with_exif(jpeg: &[u8], exif: &[u8]) -> Vec<u8> {
    let mut out = jpeg[..2].to_vec();
    out.extend([0xff, 0xe1]);
    out.extend((exif.len() as u16 + 8).to_be_bytes());
    out.extend(b"Exif\0\0");
    out.extend(exif);
    out.extend(&jpeg[2..]);
    out
}

/// 3 × 2 pixels, all different, strong enough to survive a JPEG.
fn small() -> Rgb {
    let pixels =
        [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [0, 255, 255], [40, 40, 40]];
    Rgb { height: 2, width: 3, pixels: pixels.concat() }
}

/// `bytes` cut, flipped, or with a run overwritten; the same for the same `round`.
fn damaged(bytes: &[u8], round: u32) -> Vec<u8> {
    let mut random = Stream::new(3, stream::FREE, 0, round);
    let mut out = bytes.to_vec();
    match round % 4 {
        0 => out.truncate(random.below(bytes.len())),
        1 => out[random.below(bytes.len())] ^= 1 << random.below(8),
        2 => {
            let near = random.below(bytes.len().min(200)); // headers
            out[near] = random.word() as u8;
        }
        _ => {
            let at = random.below(bytes.len());
            for byte in out[at..].iter_mut().take(8) {
                *byte = [0, 0xff, random.word() as u8][random.below(3)];
            }
        }
    }
    out
}

fn noise(width: usize, height: usize, seed: u32) -> Rgb {
    let mut random = Stream::new(seed, stream::FREE, 0, 0);
    Rgb { height, width, pixels: (0..width * height * 3).map(|_| random.word() as u8).collect() }
}
