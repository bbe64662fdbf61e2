//! What a network said, drawn on the picture: frames with a line of text, and a tint for each pixel's class.

use super::Picture;

/// A picture being drawn on, enlarged or shrunk so that lines and letters can be seen.
#[derive(Clone, Debug)]
pub struct Overlay {
    picture: Picture,
    /// Drawn pixels for one of the original: rows, columns.
    scale: [f32; 2],
}

/// Width of a frame's line.
const LINE: i64 = 2;
/// Drawn pixels for a dot of a letter.
const DOT: i64 = 1;
/// Height of a line of text: seven dots and one above and below.
const TEXT: i64 = 9 * DOT;
/// The same as a number of pixels, for whoever makes room for lines.
pub const LINE_HEIGHT: usize = TEXT as usize;

impl Overlay {
    /// Over `[height, width, 3]` values of 0 to 1 that show a picture of `original` = [height, width] pixels: frames and
    /// tints come in the original's places, whatever size is drawn.
    #[track_caller]
    pub fn new(values: &[f32], drawn: [usize; 2], original: [usize; 2]) -> Self {
        let picture = Picture::from_unit(drawn[1], drawn[0], 3, values);
        let scale = [0, 1].map(|a| drawn[a] as f32 / original[a] as f32);
        Overlay { picture, scale }
    }

    /// The size to draw a picture at: the longer side near `side`; small pictures grow by a whole factor.
    pub fn size([height, width]: [usize; 2], side: usize) -> [usize; 2] {
        let longer = height.max(width);
        if longer <= side {
            let factor = (side / longer).max(1);
            return [height * factor, width * factor];
        }
        let shrunk = |a: usize| ((a * side) as f64 / longer as f64).round().max(1.0) as usize;
        [shrunk(height), shrunk(width)]
    }

    /// Mixes each drawn pixel with a colour: `colour` of (row, column) in the original, none leaves it as it is.
    pub fn tint(&mut self, share: f32, colour: impl Fn([f32; 2]) -> Option<[u8; 3]>) {
        let width = self.picture.width as usize;
        for (i, pixel) in self.picture.pixels.chunks_exact_mut(3).enumerate() {
            let middle = [(i / width) as f32 + 0.5, (i % width) as f32 + 0.5];
            let Some(colour) = colour([0, 1].map(|a| middle[a] / self.scale[a])) else { continue };
            for (v, c) in pixel.iter_mut().zip(colour) {
                *v = (f32::from(*v) * (1.0 - share) + f32::from(c) * share).round() as u8;
            }
        }
    }

    /// A frame around (left, top, right, bottom) of the original, with a line of text on top of it; inside where there
    /// is no room above.
    pub fn frame(&mut self, [left, top, right, bottom]: [f32; 4], colour: [u8; 3], text: &str) {
        let place = |v: f32, axis: usize| (v * self.scale[axis]).round() as i64;
        let (x0, y0, x1, y1) = (place(left, 1), place(top, 0), place(right, 1), place(bottom, 0));
        for line in 0..LINE {
            self.bar([x0, y0 + line], [x1, y0 + line + 1], colour);
            self.bar([x0, y1 - line - 1], [x1, y1 - line], colour);
            self.bar([x0 + line, y0], [x0 + line + 1, y1], colour);
            self.bar([x1 - line - 1, y0], [x1 - line, y1], colour);
        }
        if !text.is_empty() {
            let above = if y0 >= TEXT { y0 - TEXT } else { y0 };
            self.text([x0, above], colour, text);
        }
    }

    /// A line of text in the upper left corner, `line` lines below the edge.
    pub fn note(&mut self, line: usize, colour: [u8; 3], text: &str) {
        self.text([0, line as i64 * TEXT], colour, text);
    }

    pub fn picture(self) -> Picture {
        self.picture
    }

    /// Dark letters on a plate of `colour`, moved left where they would run over the edge.
    fn text(&mut self, [x, y]: [i64; 2], colour: [u8; 3], text: &str) {
        let width = (6 * text.chars().count() as i64 + 1) * DOT;
        let x = x.min(i64::from(self.picture.width) - width).max(0);
        self.bar([x, y], [x + width, y + TEXT], colour);
        let dark = luminance(colour) > 110.0;
        let ink = if dark { [0; 3] } else { [255; 3] };
        for (i, letter) in text.chars().enumerate() {
            for (column, dots) in glyph(letter).into_iter().enumerate() {
                for row in (0..7).filter(|row| dots >> row & 1 == 1) {
                    let at = [x + (6 * i as i64 + 1 + column as i64) * DOT, y + (1 + row) * DOT];
                    self.bar(at, [at[0] + DOT, at[1] + DOT], ink);
                }
            }
        }
    }

    /// All pixels from `from` = [x, y] up to `to`, as far as they are inside.
    fn bar(&mut self, from: [i64; 2], to: [i64; 2], colour: [u8; 3]) {
        let (width, height) = (i64::from(self.picture.width), i64::from(self.picture.height));
        for y in from[1].max(0)..to[1].min(height) {
            for x in from[0].max(0)..to[0].min(width) {
                let at = 3 * (y * width + x) as usize;
                self.picture.pixels[at..at + 3].copy_from_slice(&colour);
            }
        }
    }
}

fn luminance([r, g, b]: [u8; 3]) -> f32 {
    0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b)
}

/// Colours for classes, far apart for small numbers: hues turn by the golden angle.
pub fn colour(class: usize) -> [u8; 3] {
    let hue = (class as f32 * 0.618_034).fract() * 6.0;
    [5.0, 3.0, 1.0].map(|shift: f32| {
        let k = (shift + hue) % 6.0;
        let fall = k.min(4.0 - k).clamp(0.0, 1.0);
        (255.0 * 0.95 * (1.0 - 0.8 * fall)).round() as u8
    })
}

/// The picture as the bytes of a PNG file.
#[track_caller]
pub fn png(picture: &Picture) -> Vec<u8> {
    let mut file = vec![];
    let mut encoder = png::Encoder::new(&mut file, picture.width, picture.height);
    encoder.set_color(if picture.channels == 1 {
        png::ColorType::Grayscale
    } else {
        png::ColorType::Rgb
    });
    let written = encoder.write_header().and_then(|mut w| w.write_image_data(&picture.pixels));
    written.expect("a picture's pixels fill it, and memory does not fail");
    file
}

/// Five columns of seven dots, the lowest bit on top: the usual letters of small displays.
fn glyph(letter: char) -> [u8; 5] {
    const LETTERS: [[u8; 5]; 26] = [
        [0x7e, 0x11, 0x11, 0x11, 0x7e],
        [0x7f, 0x49, 0x49, 0x49, 0x36],
        [0x3e, 0x41, 0x41, 0x41, 0x22],
        [0x7f, 0x41, 0x41, 0x22, 0x1c],
        [0x7f, 0x49, 0x49, 0x49, 0x41],
        [0x7f, 0x09, 0x09, 0x09, 0x01],
        [0x3e, 0x41, 0x49, 0x49, 0x7a],
        [0x7f, 0x08, 0x08, 0x08, 0x7f],
        [0x00, 0x41, 0x7f, 0x41, 0x00],
        [0x20, 0x40, 0x41, 0x3f, 0x01],
        [0x7f, 0x08, 0x14, 0x22, 0x41],
        [0x7f, 0x40, 0x40, 0x40, 0x40],
        [0x7f, 0x02, 0x0c, 0x02, 0x7f],
        [0x7f, 0x04, 0x08, 0x10, 0x7f],
        [0x3e, 0x41, 0x41, 0x41, 0x3e],
        [0x7f, 0x09, 0x09, 0x09, 0x06],
        [0x3e, 0x41, 0x51, 0x21, 0x5e],
        [0x7f, 0x09, 0x19, 0x29, 0x46],
        [0x46, 0x49, 0x49, 0x49, 0x31],
        [0x01, 0x01, 0x7f, 0x01, 0x01],
        [0x3f, 0x40, 0x40, 0x40, 0x3f],
        [0x1f, 0x20, 0x40, 0x20, 0x1f],
        [0x3f, 0x40, 0x38, 0x40, 0x3f],
        [0x63, 0x14, 0x08, 0x14, 0x63],
        [0x07, 0x08, 0x70, 0x08, 0x07],
        [0x61, 0x51, 0x49, 0x45, 0x43],
    ];
    const DIGITS: [[u8; 5]; 10] = [
        [0x3e, 0x51, 0x49, 0x45, 0x3e],
        [0x00, 0x42, 0x7f, 0x40, 0x00],
        [0x42, 0x61, 0x51, 0x49, 0x46],
        [0x21, 0x41, 0x45, 0x4b, 0x31],
        [0x18, 0x14, 0x12, 0x7f, 0x10],
        [0x27, 0x45, 0x45, 0x45, 0x39],
        [0x3c, 0x4a, 0x49, 0x49, 0x30],
        [0x01, 0x71, 0x09, 0x05, 0x03],
        [0x36, 0x49, 0x49, 0x49, 0x36],
        [0x06, 0x49, 0x49, 0x29, 0x1e],
    ];
    match letter.to_ascii_uppercase() {
        c @ 'A'..='Z' => LETTERS[c as usize - 'A' as usize],
        c @ '0'..='9' => DIGITS[c as usize - '0' as usize],
        ' ' => [0; 5],
        '%' => [0x23, 0x13, 0x08, 0x64, 0x62],
        '.' => [0x00, 0x60, 0x60, 0x00, 0x00],
        ',' => [0x00, 0x50, 0x30, 0x00, 0x00],
        ':' => [0x00, 0x36, 0x36, 0x00, 0x00],
        '-' => [0x08; 5],
        '+' => [0x08, 0x08, 0x3e, 0x08, 0x08],
        '_' => [0x40; 5],
        '/' => [0x20, 0x10, 0x08, 0x04, 0x02],
        '(' => [0x00, 0x1c, 0x22, 0x41, 0x00],
        ')' => [0x00, 0x41, 0x22, 0x1c, 0x00],
        // What has no letter here is a box, so that it is seen to be missing.
        _ => [0x7f, 0x41, 0x41, 0x41, 0x7f],
    }
}
