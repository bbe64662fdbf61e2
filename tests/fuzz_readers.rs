//! Whatever stands in a file, a reader of pictures, archives or checksum lists answers with data or one
//! line: no panic, and no more memory than the format needs. Damage is made from fixed seeds.

use metatape::data::omniglot::alphabets;
use metatape::data::{check::check, embedded, import, sheet};
use metatape::random::{Stream, stream};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Remembers the largest single request, so that a header's lie shows even if the memory is never used.
struct Watch;
static LARGEST: AtomicUsize = AtomicUsize::new(0);

unsafe impl GlobalAlloc for Watch {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Relaxed);
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static WATCH: Watch = Watch;

/// The finished ink of all drawings, the largest thing any reader here may ask for.
const ALL_INK: usize = 1623 * 20 * 28 * 28;

/// `bytes` cut, flipped, or with a run overwritten; the same for the same `round`.
fn damaged(bytes: &[u8], round: u32) -> Vec<u8> {
    let mut random = Stream::new(2, stream::FREE, 0, round);
    let mut out = bytes.to_vec();
    match round % 4 {
        0 => out.truncate(random.below(bytes.len())),
        1 => out[random.below(bytes.len())] ^= 1 << random.below(8),
        2 => {
            // The first and last bytes hold the headers and directories.
            let near = random.below(bytes.len().min(80));
            let at = if random.below(2) == 0 { near } else { bytes.len() - 1 - near };
            out[at] = random.word() as u8;
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

/// A PNG whose header says `width` × `height` (and has the right checksum), with little behind it.
fn announcing(width: u32, height: u32) -> Vec<u8> {
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Four);
    let mut writer = encoder.write_header().unwrap();
    writer.write_chunk(png::chunk::IDAT, &[0x78, 0x9c, 3, 0, 0, 0, 0, 1]).unwrap();
    drop(writer);
    png
}

// One test, because the allocator's record is shared and tests run side by side.
#[test]
fn readers_refuse_damage_without_panic_and_without_asking_for_memory() {
    damaged_sheets();
    lying_headers();
    damaged_archives();
    an_archive_that_announces_millions_of_entries();
    damaged_checksum_lists();
    let largest = LARGEST.load(Relaxed);
    assert!(
        largest <= ALL_INK,
        "{largest} bytes were asked for at once, at most {ALL_INK} are needed"
    );
}

fn damaged_sheets() {
    let blackfoot =
        alphabets().iter().position(|a| a.name == "Blackfoot_(Canadian_Aboriginal_Syllabics)");
    let (name, bytes) = embedded::SHEETS[blackfoot.unwrap()];
    let rows = alphabets()[blackfoot.unwrap()].parts.len();
    let whole = sheet::read(bytes, rows).unwrap();
    let mut refused = 0;
    for round in 0..4000 {
        match sheet::read(&damaged(bytes, round), rows) {
            Err(why) => {
                assert_eq!(why.lines().count(), 1, "{name}, round {round}: {why}");
                refused += 1;
            }
            Ok(ink) => assert_eq!(ink.len(), whole.len()),
        }
    }
    for cut in 1..=12 {
        let file = &bytes[..bytes.len() - cut]; // nothing but the closing chunk is missing
        assert!(sheet::read(file, rows).is_err(), "{cut} bytes cut");
    }
    // Some changes are none (a byte replaced by itself); every other one breaks a checksum.
    assert!(refused > 3900, "{refused} of 4000");
}

fn lying_headers() {
    for (width, height) in
        [(20_000, 20_000), (u32::MAX >> 1, u32::MAX >> 1), (560, 1 << 30), (560, 28), (20_000, 392)]
    {
        let why = sheet::read(&announcing(width, height), 14).unwrap_err();
        assert!(why.contains(&format!("{width}x{height}")), "{why}");
    }
    // The right size, but nothing behind it.
    assert!(sheet::read(&announcing(560, 14 * 28), 14).is_err());
    // Colour, 16 bits, transparency: refused before decoding.
    for (colour, depth) in [
        (png::ColorType::Rgb, png::BitDepth::Eight),
        (png::ColorType::Grayscale, png::BitDepth::Sixteen),
        (png::ColorType::GrayscaleAlpha, png::BitDepth::Eight),
    ] {
        let mut png = Vec::new();
        let mut encoder = png::Encoder::new(&mut png, 560, 28);
        encoder.set_color(colour);
        encoder.set_depth(depth);
        let bytes = vec![0; 560 * 28 * colour.samples() * depth as usize / 8];
        encoder.write_header().unwrap().write_image_data(&bytes).unwrap();
        assert!(sheet::read(&png, 1).unwrap_err().contains("expected grey"));
    }
}

/// An archive with a few right names in it, so that damage reaches drawings as well.
fn small_archive() -> Vec<u8> {
    let mut png = Vec::new();
    let encoder = png::Encoder::new(&mut png, 105, 105);
    encoder.write_header().unwrap().write_image_data(&[255; 105 * 105]).unwrap();
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (drawer, method) in
        [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated].into_iter().enumerate()
    {
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        let name = format!("images_background/Greek/character01/0394_{:02}.png", drawer + 1);
        archive.start_file(name, options).unwrap();
        std::io::Write::write_all(&mut archive, &png).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn refused(folder: &std::path::Path, round: u32) {
    let why = import::read(folder, |_, _| {}).unwrap_err();
    assert_eq!((why.exit_code(), why.to_string().lines().count()), (2, 1), "round {round}: {why}");
}

fn damaged_archives() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = small_archive();
    for round in 0..1000 {
        std::fs::write(folder.path().join("images_background.zip"), damaged(&bytes, round))
            .unwrap();
        refused(folder.path(), round);
    }
}

/// ZIP64's end record may announce any number of entries, and the zip crate reserves room for them before
/// it reads one: this holds it to comparing the number with the directory's bytes first.
fn an_archive_that_announces_millions_of_entries() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = vec![0u8; 8 << 20];
    let directory = bytes.len() as u64;
    let (entries, size, start) = (4u64 << 20, 1u64 << 40, directory / 2);
    bytes[start as usize..][..4].copy_from_slice(b"PK\x01\x02"); // where the first entry should be
    bytes.extend(b"PK\x06\x06");
    bytes.extend(44u64.to_le_bytes());
    bytes.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for value in [entries, entries, size, start] {
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend(b"PK\x06\x07\0\0\0\0");
    bytes.extend(directory.to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([0xff; 12]);
    bytes.extend([0, 0]);
    std::fs::write(folder.path().join("images_background.zip"), bytes).unwrap();
    refused(folder.path(), 0);
}

fn damaged_checksum_lists() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("camvid");
    std::fs::create_dir(&folder).unwrap();
    let list = format!("{}  classes.csv\n{}  ../../etc/passwd\n", "0".repeat(64), "1".repeat(64));
    for round in 0..500 {
        std::fs::write(folder.join("SHA256SUMS"), damaged(list.as_bytes(), round)).unwrap();
        assert!(!check(Some(data.path()), true).good());
    }
}
