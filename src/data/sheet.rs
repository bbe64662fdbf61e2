//! A sheet: all drawings of one alphabet in one PNG. Row = character, column = one of 20 drawers,
//! tile = 28×28 pixels, 4-bit grey, dark strokes on white so that a person can look at it.
//! In memory a drawing is *ink*: one byte a pixel, 255 = stroke, 0 = paper, the opposite of the file.

use std::io::Cursor;

/// Pixels along a tile's side.
pub const SIDE: usize = 28;
/// Pixels in a tile.
pub const TILE: usize = SIDE * SIDE;
/// Tiles in a row: who drew it.
pub const DRAWERS: usize = 20;
/// Characters of the largest sheet that is read; the largest alphabet (Tifinagh) has 55.
pub const MOST_ROWS: usize = 64;
/// Bytes of the largest sheet file that is read; ours stay below 150,000.
pub const MOST_BYTES: u64 = 1 << 20;

const WIDTH: usize = DRAWERS * SIDE;

/// An 8-bit grey picture: 255 = white.
pub struct Grey {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<u8>,
}

/// Decodes a grey PNG of 1 to 8 bits whose size is `[width, height]` in (from, to) both included.
/// The sizes are compared before anything is allocated, so memory is bounded by `to`.
pub fn read_grey(bytes: &[u8], from: [usize; 2], to: [usize; 2]) -> Result<Grey, String> {
    let not_png = |e: png::DecodingError| format!("not a readable PNG ({e})");
    // The decoder's own buffers: a few rows and the compressed data in pieces.
    let limits = png::Limits { bytes: 4 << 20 };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    // Texts and colour profiles may be compressed bombs, and nobody reads them here.
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(png::Transformations::EXPAND);
    let header = decoder.read_header_info().map_err(not_png)?;
    let (width, height) = (header.width as usize, header.height as usize);
    if !(from[0]..=to[0]).contains(&width) || !(from[1]..=to[1]).contains(&height) {
        let wanted = match from == to {
            true => format!("{}x{}", to[0], to[1]),
            false => format!("{}x{} to {}x{}", from[0], from[1], to[0], to[1]),
        };
        return Err(format!("a picture of {width}x{height} pixels, expected {wanted}"));
    }
    if header.color_type != png::ColorType::Grayscale || header.bit_depth == png::BitDepth::Sixteen
    {
        let (colour, depth) = (header.color_type, header.bit_depth as u8);
        return Err(format!("a {colour:?} picture of {depth} bits, expected grey of 1 to 8 bits"));
    }
    let mut reader = decoder.read_info().map_err(not_png)?;
    // `EXPAND` adds an alpha channel where a transparent grey is named; then a pixel is two bytes.
    if reader.output_color_type() != (png::ColorType::Grayscale, png::BitDepth::Eight) {
        return Err("a picture with transparency, expected plain grey".into());
    }
    let mut pixels = vec![0; width * height];
    reader.next_frame(&mut pixels).map_err(not_png)?;
    reader.finish().map_err(not_png)?; // a file cut after its last row is damaged as well
    Ok(Grey { width, height, pixels })
}

/// The ink of a sheet, `[rows, 20, 28, 28]`. Any other size than 560 × 28·rows is an error.
pub fn read(bytes: &[u8], rows: usize) -> Result<Vec<u8>, String> {
    assert!(rows <= MOST_ROWS, "a sheet of {rows} rows; at most {MOST_ROWS} are read");
    let size = [WIDTH, rows * SIDE];
    let picture = read_grey(bytes, size, size)?;
    let mut ink = vec![0; rows * DRAWERS * TILE];
    for (line, grey) in picture.pixels.chunks_exact(WIDTH).enumerate() {
        for (column, piece) in grey.chunks_exact(SIDE).enumerate() {
            let at = (line / SIDE * DRAWERS + column) * TILE + line % SIDE * SIDE;
            for (to, &from) in ink[at..at + SIDE].iter_mut().zip(piece) {
                *to = 255 - from;
            }
        }
    }
    Ok(ink)
}

/// The PNG of `[rows, 20, 28, 28]` ink, rounded to 16 levels. The same ink gives the same bytes on
/// every machine: no row filters (they do not help strokes on white), and a plain-Rust compressor
/// whose choices depend on no processor feature.
pub fn write(ink: &[u8]) -> Vec<u8> {
    let rows = ink.len() / (DRAWERS * TILE);
    let mut lines = Vec::with_capacity(rows * SIDE * (1 + WIDTH / 2));
    for line in 0..rows * SIDE {
        lines.push(0); // filter type: none
        for x in (0..WIDTH).step_by(2) {
            let level = |x: usize| {
                let tile = line / SIDE * DRAWERS + x / SIDE;
                let ink = ink[tile * TILE + line % SIDE * SIDE + x % SIDE];
                15 - ((ink as u16 + 8) / 17) as u8
            };
            lines.push(level(x) << 4 | level(x + 1));
        }
    }
    let packed = miniz_oxide::deflate::compress_to_vec_zlib(&lines, 10);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, WIDTH as u32, (rows * SIDE) as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Four);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_chunk(png::chunk::IDAT, &packed).map(|()| drop(writer))
    });
    written.expect("writing into memory cannot fail");
    file
}
