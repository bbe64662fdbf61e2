//! What comes in: files that are pictures, and files that are not.

use std::io::Cursor;
use std::path::Path;

use image::ExtendedColorType;
use metatape::data::picture::{self, MOST_PIXELS, Rgb};

use super::memory::LARGEST;
use super::{Png, damaged, exif, jpeg, noise, rgb_png, small, with_exif};

fn decode(bytes: &[u8]) -> Rgb {
    picture::decode(bytes, MOST_PIXELS).unwrap()
}

fn refusal(bytes: &[u8]) -> String {
    let why = picture::decode(bytes, MOST_PIXELS).unwrap_err();
    assert_eq!(why.lines().count(), 1, "{why}");
    why
}

#[test]
fn grey_sixteen_bits_palette_and_transparency_come_out_as_the_colours_a_person_sees() {
    use png::{BitDepth::*, ColorType::*};
    let one = |png: &Png, raw: &[u8]| decode(&png.file(1, 1, raw)).pixels;
    assert_eq!(one(&Png::new(Rgb, Eight), &[1, 2, 3]), [1, 2, 3]);
    assert_eq!(one(&Png::new(Grayscale, Eight), &[77]), [77; 3]);
    assert_eq!(one(&Png::new(Grayscale, One), &[0x80]), [255; 3]);
    assert_eq!(one(&Png::new(Grayscale, Four), &[0x50]), [0x55; 3]);
    assert_eq!(one(&Png::new(Grayscale, Sixteen), &[200, 13]), [200; 3]);
    assert_eq!(one(&Png::new(Rgb, Sixteen), &[9, 255, 8, 255, 7, 255]), [9, 8, 7]);
    let palette = Png { palette: vec![1, 1, 1, 10, 20, 30], ..Png::new(Indexed, One) };
    assert_eq!(one(&palette, &[0x80]), [10, 20, 30]);
    // Transparent is paper; a half of black on paper is a grey.
    assert_eq!(one(&Png::new(Rgba, Eight), &[1, 2, 3, 0]), [255; 3]);
    assert_eq!(one(&Png::new(Rgba, Eight), &[1, 2, 3, 255]), [1, 2, 3]);
    assert_eq!(one(&Png::new(GrayscaleAlpha, Eight), &[0, 128]), [127; 3]);
    assert_eq!(one(&Png::new(Rgba, Sixteen), &[1, 0, 2, 0, 3, 0, 255, 255]), [1, 2, 3]);
}

#[test]
fn a_grey_and_a_colour_jpeg_are_read() {
    let grey = decode(&jpeg(8, 8, ExtendedColorType::L8, &[90; 64]));
    assert_eq!((grey.height, grey.width, &grey.pixels[..3]), (8, 8, &[90u8; 3][..]));
    let colour = decode(&jpeg(8, 8, ExtendedColorType::Rgb8, &[200, 30, 60].repeat(64)));
    // At quality 100 a flat colour is off by the rounding of the colour transform alone: 1 to 2 levels.
    let near = colour.pixels.iter().zip([200u8, 30, 60].iter().cycle());
    assert!(near.into_iter().all(|(&a, &b)| a.abs_diff(b) <= 2), "{:?}", &colour.pixels[..3]);
}

/// EXIF 2.3, tag 0x0112: which corner of the scene the first stored pixel shows, and along which side the rows run.
#[test]
fn all_eight_exif_orientations_are_carried_out_in_jpeg_and_png() {
    let Rgb { height, width, pixels } = small();
    // (row, column) of the stored pixel for (y, x) of the upright picture; and whether the sides swap.
    type Turn = fn(usize, usize, usize, usize) -> (usize, usize);
    let turns: [(bool, Turn); 8] = [
        (false, |y, x, _, _| (y, x)),
        (false, |y, x, _, w| (y, w - 1 - x)),
        (false, |y, x, h, w| (h - 1 - y, w - 1 - x)),
        (false, |y, x, h, _| (h - 1 - y, x)),
        (true, |y, x, _, _| (x, y)),
        (true, |y, x, h, _| (h - 1 - x, y)),
        (true, |y, x, h, w| (h - 1 - x, w - 1 - y)),
        (true, |y, x, _, w| (x, w - 1 - y)),
    ];
    // Each stored pixel as a block of 16×16: a JPEG keeps the middle of such a block.
    const BLOCK: usize = 16;
    let big = |y: usize, x: usize| {
        let at = (y / BLOCK * width + x / BLOCK) * 3;
        pixels[at..at + 3].to_vec()
    };
    let (bh, bw) = (height * BLOCK, width * BLOCK);
    let raw: Vec<u8> = (0..bh * bw).flat_map(|i| big(i / bw, i % bw)).collect();
    let plain = jpeg(bw as u32, bh as u32, ExtendedColorType::Rgb8, &raw);
    for (i, (swap, turn)) in turns.into_iter().enumerate() {
        for big_endian in [false, true] {
            let exif = exif(i as u16 + 1, big_endian);
            let png = Png {
                exif: Some(exif.clone()),
                ..Png::new(png::ColorType::Rgb, png::BitDepth::Eight)
            };
            let upright = decode(&png.file(width as u32, height as u32, &pixels));
            let (h, w) = if swap { (width, height) } else { (height, width) };
            assert_eq!([upright.height, upright.width], [h, w], "orientation {}", i + 1);
            let photo = decode(&with_exif(&plain, &exif));
            assert_eq!([photo.height, photo.width], [h * BLOCK, w * BLOCK]);
            for (y, x) in (0..h).flat_map(|y| (0..w).map(move |x| (y, x))) {
                let (row, column) = turn(y, x, height, width);
                let stored = &pixels[(row * width + column) * 3..][..3];
                assert_eq!(
                    &upright.pixels[(y * w + x) * 3..][..3],
                    stored,
                    "{} at {y}, {x}",
                    i + 1
                );
                let middle = (y * BLOCK + BLOCK / 2) * photo.width + x * BLOCK + BLOCK / 2;
                let seen = &photo.pixels[middle * 3..][..3];
                // Chroma at half resolution and ringing stay below 40 of 255 in the middle; colours differ by over 200.
                assert!(
                    seen.iter().zip(stored).all(|(a, b)| a.abs_diff(*b) < 40),
                    "{} {seen:?} {stored:?}",
                    i + 1
                );
            }
        }
    }
    // A nonsense orientation, or none, leaves the picture as it is.
    for exif in [exif(0, true), exif(9, true), exif(6, true)[..9].to_vec(), b"MM".to_vec(), vec![]]
    {
        assert_eq!(decode(&with_exif(&plain, &exif)), decode(&plain));
    }
}

#[test]
fn what_is_no_picture_gets_one_line_that_says_what_it_is() {
    for (bytes, expected) in [
        (&b""[..], "an empty file"),
        (b"hello, world", "not a picture"),
        (b"GIF89a......", "a GIF"),
        (b"BM..........", "a BMP"),
        (b"RIFF....WEBP", "a WebP"),
        (b"\0\0\0 ftypheic", "a HEIC"),
        (b"\x89PNG", "PNG"),
        (b"\xff\xd8", "JPEG"),
        (&[0; 4096], "not a picture"),
    ] {
        let why = refusal(bytes);
        assert!(why.contains(expected), "{bytes:?}: {why}");
    }
    let folder = tempfile::tempdir().unwrap();
    for (path, expected) in
        [(folder.path().to_path_buf(), "a folder"), (folder.path().join("no.png"), "no.png")]
    {
        let why = picture::read(&path).unwrap_err();
        assert_eq!((why.exit_code(), why.to_string().lines().count()), (2, 1));
        assert!(why.to_string().contains(expected), "{why}");
    }
    if cfg!(unix) {
        assert!(
            picture::read(Path::new("/dev/zero"))
                .unwrap_err()
                .to_string()
                .contains("not a plain file")
        );
    }
}

#[test]
fn a_picture_cut_short_is_refused_and_not_painted_grey() {
    let noise = noise(64, 48, 3);
    for whole in [rgb_png(&noise), jpeg(64, 48, ExtendedColorType::Rgb8, &noise.pixels)] {
        decode(&whole);
        for part in [2, 3, 4, 5, 6, 7, 8, 9] {
            let why = refusal(&whole[..whole.len() * part / 10]);
            assert!(why.contains("cut short") || why.contains("damaged"), "{part}/10: {why}");
        }
    }
    // The end mark of a thumbnail inside is not the picture's.
    let whole = jpeg(64, 48, ExtendedColorType::Rgb8, &noise.pixels);
    let thumbnail =
        with_exif(&whole, &[exif(1, true), jpeg(8, 8, ExtendedColorType::L8, &[9; 64])].concat());
    decode(&thumbnail);
    assert!(refusal(&thumbnail[..thumbnail.len() - 200]).contains("cut short"));
}

/// A PNG whose header says `width` × `height` (and has the right checksum), with little behind it.
fn announcing(width: u32, height: u32) -> Vec<u8> {
    let mut png = vec![];
    let mut encoder = png::Encoder::new(&mut png, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().unwrap();
    writer.write_chunk(png::chunk::IDAT, &[0x78, 0x9c, 3, 0, 0, 0, 0, 1]).unwrap();
    drop(writer);
    png
}

/// A JPEG whose header says so.
fn announcing_jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut file = jpeg(8, 8, ExtendedColorType::L8, &[9; 64]);
    let start = file.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    file[start + 5..start + 7].copy_from_slice(&height.to_be_bytes());
    file[start + 7..start + 9].copy_from_slice(&width.to_be_bytes());
    file
}

#[test]
fn a_size_announced_in_a_header_is_refused_before_memory_is_asked_for() {
    LARGEST.set(0);
    for (bytes, expected) in [
        (announcing(20_000, 20_000), "20000 x 20000 pixels, expected at most"),
        (announcing_jpeg(20_000, 20_000), "20000 x 20000 pixels, expected at most"),
        (announcing(u32::MAX >> 1, u32::MAX >> 1), "expected at most"),
        (announcing(1, u32::MAX >> 1), "expected at most"),
        // Allowed sizes that the file's few bytes cannot hold.
        (announcing(8000, 8000), "cannot hold the 8000 x 8000"),
        (announcing_jpeg(8000, 8000), "cannot hold the 8000 x 8000"),
    ] {
        let why = refusal(&bytes);
        assert!(why.contains(expected), "{why}");
    }
    // The decoder's own buffers: 32 kB of window and pieces of input.
    assert!(LARGEST.get() < 1 << 20, "{} bytes were asked for at once", LARGEST.get());
}

#[test]
fn damaged_pictures_give_a_picture_or_one_line_and_no_more_memory_than_the_file_can_fill() {
    let picture = noise(40, 30, 1);
    let photo = jpeg(40, 30, ExtendedColorType::Rgb8, &picture.pixels);
    let png =
        Png { exif: Some(exif(6, false)), ..Png::new(png::ColorType::Rgb, png::BitDepth::Eight) };
    let files = [
        png.file(40, 30, &picture.pixels),
        with_exif(&photo, &exif(3, true)),
        Png::new(png::ColorType::Rgba, png::BitDepth::Sixteen).file(
            15,
            20,
            &picture.pixels[..2400],
        ),
    ];
    LARGEST.set(0);
    let mut refused = 0;
    for (number, file) in files.iter().enumerate() {
        for round in 0..2000 {
            match picture::decode(&damaged(file, round + 2000 * number as u32), MOST_PIXELS) {
                Ok(picture) => assert_eq!(picture.pixels.len(), picture.height * picture.width * 3),
                Err(why) => {
                    assert_eq!(why.lines().count(), 1, "{why}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 3000, "{refused} of 6000: the damage is too mild to show anything");
    // A file of 4 kB may announce 8 · 1032 pixels a byte at most, of 4 channels.
    let most = files.iter().map(Vec::len).max().unwrap() * 8 * 1032 * 4;
    assert!(LARGEST.get() <= most, "{} bytes were asked for at once", LARGEST.get());
}

#[test]
fn a_png_written_here_is_what_other_programs_read() {
    let bytes = rgb_png(&small());
    let other = image::load(Cursor::new(&bytes), image::ImageFormat::Png).unwrap();
    assert_eq!(other.to_rgb8().into_raw(), decode(&bytes).pixels);
}
