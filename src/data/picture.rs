//! A picture from anywhere: any PNG or JPEG as upright 8-bit RGB, and that at the size a network sees.
//!
//! Grey becomes three equal channels, 16 bits the upper 8, a palette its colours, transparency white paper, and the
//! rotation that a camera noted (EXIF) is carried out. [`Rgb::fit`] keeps the proportions: the whole picture, area
//! averaged, in the middle of the network's, with a border in one colour where the proportions differ. [`Placement`]
//! is the way back, for boxes and masks.
//!
//! Nothing is allocated for pixels before the announced size was compared with [`MOST_PIXELS`] and with what the
//! file's bytes could hold at best.

use std::io::Cursor;
use std::path::Path;

use image::codecs::jpeg::JpegDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, RgbImage};

use super::read_bounded;
use crate::error::{Error, Result};

/// Bytes of the largest file that is read.
pub const MOST_BYTES: u64 = 128 << 20;
/// Pixels of the largest picture that is read: 67 million, more than a full-frame camera takes.
pub const MOST_PIXELS: usize = 1 << 26;

/// Red, green, blue of each pixel, rows from top to bottom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rgb {
    pub height: usize,
    pub width: usize,
    /// `[height, width, 3]`.
    pub pixels: Vec<u8>,
}

/// A picture as a network sees it, and where in it the picture is.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// `[height, width, 3]`, 0 (black) to 1 (white).
    pub values: Vec<f32>,
    pub placement: Placement,
}

/// Where a picture lies inside the network's: between the two, every axis has a scale and an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Height and width of the picture.
    pub picture: [usize; 2],
    /// Height and width of what the network sees.
    pub seen: [usize; 2],
    /// Height and width of the part of it that the picture fills.
    pub filled: [usize; 2],
    /// First row and column of that part.
    pub start: [usize; 2],
}

/// Whether the name ends as a PNG's or JPEG's does.
pub fn is_named_picture(path: &Path) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    matches!(ending.as_deref(), Some("png" | "jpg" | "jpeg"))
}

/// The picture in a file, or one line on why there is none.
pub fn read(path: &Path) -> Result<Rgb> {
    let fail = |why: String| Error::input(format!("{}: {why}", path.display()));
    if path.is_dir() {
        return Err(fail("a folder, expected a PNG or JPEG picture".into()));
    }
    // A pipe would block, and a device has no end.
    if path.exists() && !path.is_file() {
        return Err(fail("not a plain file, expected a PNG or JPEG picture".into()));
    }
    decode(&read_bounded(path, MOST_BYTES)?, MOST_PIXELS).map_err(fail)
}

/// The picture in the bytes of a PNG or JPEG file of at most `most` pixels.
pub fn decode(bytes: &[u8], most: usize) -> std::result::Result<Rgb, String> {
    match bytes {
        [] => Err("an empty file, expected a PNG or JPEG picture".into()),
        [0x89, b'P', b'N', b'G', ..] => decode_png(bytes, most),
        [0xff, 0xd8, ..] => decode_jpeg(bytes, most),
        _ => Err(format!("{}, expected a PNG or JPEG picture", kind(bytes))),
    }
}

/// What a file that is no PNG or JPEG is instead, by its first bytes.
fn kind(bytes: &[u8]) -> &'static str {
    match bytes {
        [b'G', b'I', b'F', b'8', ..] => "a GIF",
        [b'B', b'M', ..] => "a BMP",
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => "a TIFF",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "a WebP",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "a HEIC, AVIF or MP4 file",
        _ => "not a picture",
    }
}

/// Refuses a size before anything of that size exists. `densest` is how many pixels a byte of the file can carry.
fn check_size(
    [height, width]: [usize; 2],
    most: usize,
    file: usize,
    densest: usize,
) -> std::result::Result<(), String> {
    let pixels = height.saturating_mul(width);
    if pixels == 0 {
        return Err(format!("a picture of {width} x {height} pixels, expected at least one"));
    }
    if pixels > most {
        return Err(format!(
            "a picture of {width} x {height} pixels, expected at most {most} in all; shrink it first"
        ));
    }
    if pixels / densest > file {
        return Err(format!(
            "cut short: {file} bytes cannot hold the {width} x {height} pixels they announce; get it again"
        ));
    }
    Ok(())
}

fn decode_png(bytes: &[u8], most: usize) -> std::result::Result<Rgb, String> {
    use png::{BitDepth, ColorType, Transformations};
    let damaged = |e: png::DecodingError| match e {
        png::DecodingError::IoError(_) => "a PNG that is cut short; get it again".to_string(),
        e => format!("a damaged PNG ({e}); get it again"),
    };
    // The decoder's own: chunks beside the pixels, two rows of them, and the compressed data in pieces.
    let limits = png::Limits { bytes: 16 << 20 };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    // Texts and colour profiles may be compressed bombs, and nobody reads them here.
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let header = decoder.read_header_info().map_err(damaged)?;
    let (height, width) = (header.height as usize, header.width as usize);
    // One bit a pixel, and deflate repeats at most 1032 to 1.
    check_size([height, width], most, bytes.len(), 8 * 1032)?;
    let mut reader = decoder.read_info().map_err(damaged)?;
    let (colour, depth) = reader.output_color_type();
    let channels = match (colour, depth) {
        (ColorType::Grayscale, BitDepth::Eight) => 1,
        (ColorType::GrayscaleAlpha, BitDepth::Eight) => 2,
        (ColorType::Rgb, BitDepth::Eight) => 3,
        (ColorType::Rgba, BitDepth::Eight) => 4,
        (colour, depth) => return Err(format!("a PNG decoded to {colour:?} of {depth:?} bits")),
    };
    let mut raw = vec![0; height * width * channels];
    reader.next_frame(&mut raw).map_err(damaged)?;
    let exif = reader.info().exif_metadata.as_deref();
    let turn = exif.and_then(Orientation::from_exif_chunk);
    Ok(upright(height, width, to_rgb(raw, channels), turn))
}

fn decode_jpeg(bytes: &[u8], most: usize) -> std::result::Result<Rgb, String> {
    let damaged = |e: image::ImageError| {
        let text = e.to_string();
        let words: Vec<&str> = text.split_whitespace().collect(); // its text may have several lines
        format!("a damaged JPEG ({}); get it again", words.join(" "))
    };
    let mut decoder = JpegDecoder::new(Cursor::new(bytes)).map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    let (height, width) = (height as usize, width as usize);
    // A block of 8×8 needs a bit for its mean; what follows can be left out together.
    check_size([height, width], most, bytes.len(), 64 * 8)?;
    // The decoder would paint what is missing grey.
    if !jpeg_has_end(bytes) {
        return Err("a JPEG that is cut short; get it again".into());
    }
    let turn = decoder.orientation().ok();
    let channels = decoder.color_type().channel_count() as usize;
    if decoder.total_bytes() != (height * width * channels) as u64 {
        return Err("a JPEG of other than 8 bits a channel, expected 8".into());
    }
    let mut raw = vec![0; height * width * channels];
    decoder.read_image(&mut raw).map_err(damaged)?;
    Ok(upright(height, width, to_rgb(raw, channels), turn))
}

/// Whether the picture's own end marker (FFD9) stands where the segments lead to, not that of a thumbnail in one.
fn jpeg_has_end(bytes: &[u8]) -> bool {
    let mut at = 2;
    let mut scanned = false;
    while let Some(&[first, second]) = bytes.get(at..).and_then(|rest| rest.first_chunk::<2>()) {
        match (first, second) {
            (0xff, 0xd9) => return scanned,
            // Filling, a stuffed byte of a scan, a restart.
            (0xff, 0xff) => at += 1,
            (0xff, 0x00 | 0x01 | 0xd0..=0xd7) => at += 2,
            (0xff, marker) => {
                let Some(&[high, low]) =
                    bytes.get(at + 2..).and_then(|rest| rest.first_chunk::<2>())
                else {
                    return false;
                };
                at += 2 + usize::from(u16::from_be_bytes([high, low]));
                scanned |= marker == 0xda;
            }
            // The numbers of a scan; before one, whatever a sloppy writer left.
            _ => at += 1,
        }
    }
    false
}

/// Three channels a pixel; what is transparent shows white paper.
fn to_rgb(raw: Vec<u8>, channels: usize) -> Vec<u8> {
    let on_paper = |value: u8, alpha: u8| {
        let (value, alpha) = (u32::from(value), u32::from(alpha));
        ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    match channels {
        1 => raw.iter().flat_map(|&v| [v; 3]).collect(),
        2 => raw.as_chunks().0.iter().flat_map(|&[v, a]| [on_paper(v, a); 3]).collect(),
        3 => raw,
        4 => {
            let paint = |&[r, g, b, a]: &[u8; 4]| [r, g, b].map(|v| on_paper(v, a));
            raw.as_chunks().0.iter().flat_map(paint).collect()
        }
        n => panic!("pixels of {n} channels; decoders give 1 to 4"),
    }
}

fn upright(height: usize, width: usize, pixels: Vec<u8>, turn: Option<Orientation>) -> Rgb {
    match turn {
        None | Some(Orientation::NoTransforms) => Rgb { height, width, pixels },
        Some(turn) => {
            let picture = RgbImage::from_raw(width as u32, height as u32, pixels);
            let mut picture = DynamicImage::from(picture.expect("three bytes a pixel"));
            picture.apply_orientation(turn);
            let (height, width) = (picture.height() as usize, picture.width() as usize);
            Rgb { height, width, pixels: picture.into_rgb8().into_raw() }
        }
    }
}

impl Rgb {
    /// The whole picture in the middle of `seen` = [height, width], proportions kept (to the nearest pixel of
    /// `seen`); the border is filled with `border`, 0 to 1 a channel. The colour that the network's input is centred
    /// on makes the border 0 for it.
    pub fn fit(&self, seen: [usize; 2], border: [f32; 3]) -> Fitted {
        let placement = Placement::new([self.height, self.width], seen);
        let Placement { filled, start, .. } = placement;
        let inner = self.resized(filled);
        let mut values: Vec<f32> = border.repeat(seen[0] * seen[1]);
        for (y, row) in inner.chunks_exact(3 * filled[1]).enumerate() {
            let at = 3 * ((start[0] + y) * seen[1] + start[1]);
            values[at..at + row.len()].copy_from_slice(row);
        }
        Fitted { values, placement }
    }

    /// `[height, width, 3]`, 0 to 1: each new pixel is the mean of the area it covers. A picture that grows keeps
    /// its pixels as squares.
    pub fn resized(&self, [height, width]: [usize; 2]) -> Vec<f32> {
        let mut out = vec![0.0; height * width * 3];
        let columns: Vec<_> = (0..width).map(|x| covered(x, width, self.width)).collect();
        let mut line = vec![0.0; width * 3];
        for y in 0..height {
            let (first, shares) = covered(y, height, self.height);
            for (i, down) in shares.iter().enumerate() {
                let row = &self.pixels[(first + i) * self.width * 3..][..self.width * 3];
                line.fill(0.0);
                for ((first, shares), to) in columns.iter().zip(line.chunks_exact_mut(3)) {
                    for (share, from) in shares.iter().zip(row[first * 3..].chunks_exact(3)) {
                        for (to, &from) in to.iter_mut().zip(from) {
                            *to += share * f32::from(from);
                        }
                    }
                }
                for (to, &from) in out[y * width * 3..][..width * 3].iter_mut().zip(&line) {
                    *to += down * from / 255.0;
                }
            }
        }
        out
    }
}

/// The old pixels under new pixel `at` of `to`, along an axis of `from`: the first, and the share of each. The shares
/// add up to 1.
fn covered(at: usize, to: usize, from: usize) -> (usize, Vec<f32>) {
    // In units of 1/to of an old pixel all ends are whole numbers.
    let (low, high) = (at * from, (at + 1) * from);
    let (first, end) = (low / to, high.div_ceil(to));
    let share = |p: usize| ((p + 1) * to).min(high) - (p * to).max(low);
    (first, (first..end).map(|p| share(p) as f32 / from as f32).collect())
}

impl Placement {
    /// As large as it fits, in the middle; a border of odd width is wider below or to the right.
    pub fn new(picture: [usize; 2], seen: [usize; 2]) -> Self {
        let scale =
            (0..2).map(|a| seen[a] as f64 / picture[a] as f64).fold(f64::INFINITY, f64::min);
        let side = |a: usize| ((picture[a] as f64 * scale).round() as usize).clamp(1, seen[a]);
        let filled = [side(0), side(1)];
        let start = [0, 1].map(|a| (seen[a] - filled[a]) / 2);
        Placement { picture, seen, filled, start }
    }

    /// A place in the picture, (row, column) in pixels, of a place in what the network sees.
    pub fn to_picture(&self, at: [f32; 2]) -> [f32; 2] {
        let back = |a: usize| {
            (at[a] - self.start[a] as f32) * self.picture[a] as f32 / self.filled[a] as f32
        };
        [back(0), back(1)]
    }

    /// The other way.
    pub fn to_seen(&self, at: [f32; 2]) -> [f32; 2] {
        let forth = |a: usize| {
            at[a] * self.filled[a] as f32 / self.picture[a] as f32 + self.start[a] as f32
        };
        [forth(0), forth(1)]
    }

    /// A box (left, top, right, bottom) of what the network sees, in the picture's pixels and cut at its edges.
    pub fn box_to_picture(&self, [left, top, right, bottom]: [f32; 4]) -> [f32; 4] {
        let (near, far) = (self.to_picture([top, left]), self.to_picture([bottom, right]));
        let cut = |v: f32, a: usize| v.clamp(0.0, self.picture[a] as f32);
        [cut(near[1], 1), cut(near[0], 0), cut(far[1], 1), cut(far[0], 0)]
    }
}
