//! One's own pictures: whatever a camera, a scanner or a drawing program writes comes out as the picture a person
//! sees, and whatever else a file may hold gets one line, without a panic and without memory that it does not need.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};
use metatape::data::picture::{self, MOST_PIXELS, Placement, Rgb};
use metatape::data::{support, support_table};
use metatape::random::{Stream, stream};

/// Remembers the largest single request of each thread: tests run side by side.
struct Watch;
thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn remember(size: usize) {
    LARGEST.with(|largest| largest.set(largest.get().max(size)));
}

unsafe impl GlobalAlloc for Watch {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        remember(layout.size());
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        remember(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        remember(size);
        unsafe { System.realloc(at, layout, size) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static WATCH: Watch = Watch;

// Making files.

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

fn decode(bytes: &[u8]) -> Rgb {
    picture::decode(bytes, MOST_PIXELS).unwrap()
}

fn refusal(bytes: &[u8]) -> String {
    let why = picture::decode(bytes, MOST_PIXELS).unwrap_err();
    assert_eq!(why.lines().count(), 1, "{why}");
    why
}

// What comes in.

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

// What the network sees.

#[test]
fn a_shrunk_picture_is_the_mean_of_the_areas_and_keeps_the_mean_of_all() {
    let Rgb { pixels, .. } = small();
    let mean = |c: usize| (0..6).map(|i| f32::from(pixels[3 * i + c])).sum::<f32>() / 6.0 / 255.0;
    let one = small().resized([1, 1]);
    // Six numbers of 24 bits are added.
    assert!((0..3).all(|c| (one[c] - mean(c)).abs() < 1e-6), "{one:?}");
    // 3 → 2 columns: one and a half old pixels each.
    let two = small().resized([2, 2]);
    let expected = [2.0 / 3.0, 1.0 / 3.0, 0.0, 0.0, 1.0 / 3.0, 2.0 / 3.0];
    assert!(two[..6].iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{two:?}");
    // Larger, a pixel is a square of the same colour.
    let large = small().resized([4, 6]);
    for (y, x) in (0..4).flat_map(|y| (0..6).map(move |x| (y, x))) {
        let from = &pixels[(y / 2 * 3 + x / 2) * 3..][..3];
        let at = &large[(y * 6 + x) * 3..][..3];
        assert!(at.iter().zip(from).all(|(a, &b)| (a - f32::from(b) / 255.0).abs() < 1e-6));
    }
    for size in [[1, 7], [5, 1], [13, 11], [30, 40], [47, 64]] {
        let picture = noise(40, 30, 5);
        let all: f64 = picture.pixels.iter().map(|&v| f64::from(v) / 255.0).sum::<f64>() / 3600.0;
        let small = picture.resized(size);
        let mean = small.iter().map(|&v| f64::from(v)).sum::<f64>() / small.len() as f64;
        // Areas cover the picture once; rounding of f32 sums of up to 1200 numbers.
        assert!((mean - all).abs() < 1e-5, "{size:?}: {mean} {all}");
    }
}

#[test]
fn a_picture_of_other_proportions_stands_whole_in_the_middle_and_boxes_find_back() {
    // 200 × 100 into 64 × 64: 64 wide, 32 high, 16 rows above.
    let placement = Placement::new([100, 200], [64, 64]);
    assert_eq!((placement.filled, placement.start), ([32, 64], [16, 0]));
    assert_eq!(placement.box_to_picture([0.0, 16.0, 64.0, 48.0]), [0.0, 0.0, 200.0, 100.0]);
    assert_eq!(placement.box_to_picture([16.0, 24.0, 32.0, 32.0]), [50.0, 25.0, 100.0, 50.0]);
    // What reaches over the edge is cut.
    assert_eq!(placement.box_to_picture([-9.0, 0.0, 99.0, 24.0]), [0.0, 0.0, 200.0, 25.0]);
    for picture in [[1, 1], [1, 5000], [5000, 1], [37, 91], [64, 64]] {
        let placement = Placement::new(picture, [48, 64]);
        let corner = placement.to_seen([picture[0] as f32, picture[1] as f32]);
        assert!(
            (0..2).all(|a| placement.filled[a] >= 1 && placement.filled[a] <= placement.seen[a])
        );
        assert!(placement.filled[0] == 48 || placement.filled[1] == 64, "as large as it fits");
        let back = placement.to_picture(corner);
        // Two products in f32 of numbers up to 5000.
        assert!((0..2).all(|a| (back[a] - picture[a] as f32).abs() < 2e-3 * picture[a] as f32));
    }
    let white = Rgb { height: 100, width: 200, pixels: vec![255; 60_000] };
    let fitted = white.fit([64, 64], [0.25, 0.5, 0.75]);
    for (i, pixel) in fitted.values.chunks_exact(3).enumerate() {
        let inside = (16..48).contains(&(i / 64));
        let expected = if inside { [1.0; 3] } else { [0.25, 0.5, 0.75] };
        assert!(
            pixel.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6),
            "row {}: {pixel:?}",
            i / 64
        );
    }
}

// Support sets.

fn write_pictures(folder: &Path, names: &[&str]) {
    fs::create_dir_all(folder).unwrap();
    names.iter().for_each(|name| fs::write(folder.join(name), rgb_png(&small())).unwrap());
}

#[track_caller]
fn support_refusal(path: &Path, column: Option<&str>, expected: &str) {
    let why = support::read(path, column).unwrap_err();
    let text = why.to_string();
    assert_eq!((why.exit_code(), text.lines().count()), (2, 1), "{text}");
    assert!(text.contains(expected), "{text:?}, expected {expected:?}");
}

#[test]
fn a_folder_a_class_is_read_in_order_of_name_and_strays_are_told() {
    let dir = tempfile::tempdir().unwrap();
    write_pictures(&dir.path().join("dog"), &["b.png", "a.JPG"]);
    write_pictures(&dir.path().join("cat"), &["one.jpeg"]);
    fs::write(dir.path().join("dog/notes.txt"), "x").unwrap();
    fs::write(dir.path().join("cat/.hidden.png"), "x").unwrap();
    let set = support::read(dir.path(), None).unwrap();
    assert_eq!((set.classes.join(" "), set.counts()), ("cat dog".into(), vec![1, 2]));
    let names: Vec<_> =
        set.examples.iter().map(|e| e.path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["one.jpeg", "a.JPG", "b.png"]);
    assert_eq!(set.skipped, [dir.path().join("dog/notes.txt")]);
    assert!((set.majority() - 2.0 / 3.0).abs() < 1e-12);
    let other = set.clone().renumbered(&["dog".into(), "bird".into(), "cat".into()]).unwrap();
    assert_eq!(other.counts(), [2, 0, 1]);
    assert!(set.renumbered(&["dog".into()]).unwrap_err().to_string().contains("\"cat\""));
}

#[test]
fn a_hundred_classes_of_one_picture_are_a_support_set() {
    let dir = tempfile::tempdir().unwrap();
    for class in 0..100 {
        write_pictures(&dir.path().join(format!("c{class:02}")), &["x.png"]);
    }
    let set = support::read(dir.path(), None).unwrap();
    assert_eq!((set.classes.len(), set.examples.len(), set.examples[99].class), (100, 100, 99));
}

#[test]
fn a_support_set_that_cannot_teach_gets_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    support_refusal(&at("nowhere"), None, "no such folder");
    fs::create_dir(at("empty")).unwrap();
    support_refusal(&at("empty"), None, "an empty folder");
    write_pictures(&at("flat"), &["a.png", "b.png"]);
    support_refusal(&at("flat"), None, "pictures without labels");
    write_pictures(&at("one/cat"), &["a.png", "b.png"]);
    support_refusal(&at("one"), None, "all pictures are of one class, \"cat\"");
    fs::create_dir(at("one/dog")).unwrap();
    support_refusal(&at("one"), None, "dog: no PNG or JPEG in it");
    fs::write(at("one/dog/readme.txt"), "").unwrap();
    support_refusal(&at("one"), None, "dog: no PNG or JPEG in it");
    support_refusal(&at("flat/a.png"), None, "expected a folder");
    fs::create_dir(at("two")).unwrap();
    fs::write(at("two/a.csv"), "x").unwrap();
    fs::write(at("two/b.csv"), "x").unwrap();
    support_refusal(&at("two"), None, "several tables");
}

#[test]
fn a_table_gives_labels_and_says_which_line_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    write_pictures(&dir.path().join("p"), &["a.png", "b.png", "c d.png"]);
    let table = dir.path().join("labels.csv");
    let with = |text: &str| fs::write(&table, text).unwrap();
    with(
        "file,kind,colour\np/a.png,cat,red\np/b.png,dog,\n\"p/c d.png\", cat ,\"dark, \"\"red\"\"\"\n",
    );
    let set = support::read(dir.path(), Some("kind")).unwrap();
    assert_eq!((set.classes.join(" "), set.counts()), ("cat dog".into(), vec![2, 1]));
    let set = support::read(&table, Some("colour")).unwrap();
    assert_eq!((set.classes.join("|"), set.skipped.len()), ("dark, \"red\"|red".into(), 1));
    support_refusal(&table, None, "several columns of labels (\"kind\", \"colour\")");
    support_refusal(&table, Some("size"), "no column \"size\"");
    // Without names, with a mark of UTF-8, Windows line ends, semicolons.
    with("\u{feff}p/a.png;cat\r\np/b.png;dog\r\n\r\n");
    assert_eq!(support::read(dir.path(), None).unwrap().classes, ["cat", "dog"]);
    for (text, expected) in [
        ("", "an empty table"),
        ("\n\n", "an empty table"),
        ("file\n", "line 1: one field"),
        ("file,label\n", "nothing below them"),
        ("file,label\np/a.png,cat\np/x.png,dog\n", "line 3: no file \"p/x.png\""),
        ("file,label\np/a.png,cat,dog\n", "line 2: 3 fields, expected 2"),
        ("file,label\np/a.png,\"cat\n", "line 2: a quote that is never closed"),
        ("file,label\np/a.png,\"cat\"x\n", "line 2: text behind a closing quote"),
        ("file,a,a\np/a.png,1,2\n", "two columns are named \"a\""),
        ("file,label\np/a.png,\np/b.png,\n", "no picture has a label"),
        ("file,label\np/a.png,x\np/b.png,x\n", "all pictures are of one class"),
    ] {
        with(text);
        support_refusal(&table, None, expected);
    }
    fs::write(&table, [0xff, 0xfe, 0]).unwrap();
    support_refusal(&table, None, "not text in UTF-8");
    fs::write(&table, format!("file{}", ",x".repeat(1 << 20))).unwrap();
    support_refusal(&table, None, "more than 256 fields");
}

#[test]
fn a_damaged_table_gives_rows_or_one_line() {
    let text = "file,kind,colour\n\"a \"\"b\"\".png\",cat,red\nb.png,\"dog, big\",\r\n\"two\nlines.png\",x,y\n";
    let mut refused = 0;
    for round in 0..2000 {
        let text = String::from_utf8_lossy(&damaged(text.as_bytes(), round)).into_owned();
        match support_table::parse(&text, |name| name.ends_with(".png")) {
            Ok(table) => {
                assert!(table.rows.iter().all(|row| row.labels.len() == table.columns.len()))
            }
            Err(why) => {
                assert!(why.starts_with(':') || why.starts_with(", line "), "{why}");
                refused += 1;
            }
        }
    }
    assert!(refused > 200, "{refused} of 2000");
}

#[test]
fn a_png_written_here_is_what_other_programs_read() {
    let bytes = rgb_png(&small());
    let other = image::load(Cursor::new(&bytes), image::ImageFormat::Png).unwrap();
    assert_eq!(other.to_rgb8().into_raw(), decode(&bytes).pixels);
}
