//! Omniglot's original into sheets: `images_background.zip` and `images_evaluation.zip` (or the folders
//! in them), 32,460 drawings of 105×105 pixels named `SET/ALPHABET/characterNN/NNNN_DD.png`.
//!
//! Whatever the files claim, memory stays within two archives of at most [`MOST_ARCHIVE`] bytes, one
//! drawing of at most [`MOST_DRAWING`] bytes, and the finished ink (25 MB).

use super::omniglot::{Alphabet, CHARACTERS, DRAWERS, SIDE, TILE, alphabets};
use super::{check::sha256, embedded, read_bounded, sheet};
use crate::error::{Error, Result};
use std::{fs, io::Cursor, io::Read, path::Path};

/// Pixels along a side of an original drawing.
pub const ORIGINAL: usize = 105;
/// The original's larger archive has 9.5 MB.
pub const MOST_ARCHIVE: u64 = 16 << 20;
/// The largest original drawing has under 1 kB.
pub const MOST_DRAWING: u64 = 64 << 10;

const SETS: [&str; 2] = ["background", "evaluation"];

/// What an import made.
#[derive(Debug, PartialEq, Eq)]
pub struct Summary {
    pub alphabets: usize,
    pub characters: usize,
    pub drawings: usize,
    /// Bytes of all sheets.
    pub bytes: usize,
}

/// Whether `folder` looks like the original: any archive or any unpacked half of it.
pub fn is_original(folder: &Path) -> bool {
    SETS.iter().any(|set| {
        let name = format!("images_{set}");
        folder.join(format!("{name}.zip")).exists() || folder.join(name).exists()
    })
}

/// Reads the original at `path` and writes sheets, texts and checksums into `out` (made if need be).
/// `progress` is called with (drawings read, drawings in all). The same input gives the same bytes.
/// Nothing is written unless every drawing was read; each file appears whole or not at all.
pub fn import(path: &Path, out: &Path, progress: impl FnMut(usize, usize)) -> Result<Summary> {
    let ink = read(path, progress)?;
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for alphabet in alphabets() {
        let ink = &ink[alphabet.first * DRAWERS * TILE..][..alphabet.parts.len() * DRAWERS * TILE];
        files.push((format!("{}.png", alphabet.name), sheet::write(ink)));
    }
    let bytes = files.iter().map(|(_, bytes)| bytes.len()).sum();
    let summary = Summary {
        alphabets: files.len(),
        characters: CHARACTERS,
        drawings: CHARACTERS * DRAWERS,
        bytes,
    };
    files.extend(
        embedded::TEXTS.iter().map(|(name, text)| (name.to_string(), text.as_bytes().to_vec())),
    );
    files.sort();
    let line = |(name, bytes): &(String, Vec<u8>)| format!("{}  {name}\n", sha256(bytes));
    let sums: String = files.iter().map(line).collect();
    files.push(("SHA256SUMS".into(), sums.into_bytes()));

    let fail = |e| Error::Machine(format!("{}: cannot write the sheets ({e})", out.display()));
    fs::create_dir_all(out).map_err(fail)?;
    for (name, bytes) in &files {
        let unfinished = out.join(format!("{name}.tmp"));
        let written =
            fs::write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, out.join(name)));
        if let Err(e) = written {
            let _ = fs::remove_file(&unfinished); // the error worth telling is the first one
            return Err(fail(e));
        }
    }
    Ok(summary)
}

/// The ink of all drawings, `[characters, drawers, 28, 28]`, from the original at `path`.
pub fn read(path: &Path, mut progress: impl FnMut(usize, usize)) -> Result<Vec<u8>> {
    let mut drawings = Drawings {
        ink: vec![0; CHARACTERS * DRAWERS * TILE],
        seen: vec![false; CHARACTERS * DRAWERS],
    };
    let mut done = 0;
    for set in SETS {
        let stem = format!("images_{set}");
        let (archive, folder) = (path.join(format!("{stem}.zip")), path.join(&stem));
        let mut take = |name: &str, bytes: &mut dyn FnMut() -> Result<Vec<u8>>| {
            if let Some(place) = place(set, name) {
                drawings.take(place, &bytes()?).map_err(|why| {
                    Error::input(format!(
                        "{}: {name}: {why}; get the original again",
                        path.display()
                    ))
                })?;
                done += 1;
                progress(done, CHARACTERS * DRAWERS);
            }
            Ok(())
        };
        if archive.exists() {
            each_in_archive(&archive, &mut take)?;
        } else if folder.is_dir() {
            each_in_folder(&folder, set, &mut take)?;
        } else {
            return Err(Error::input(format!(
                "{}: neither {stem}.zip nor a folder {stem} in it; give the folder that holds Omniglot's two archives",
                path.display()
            )));
        }
    }
    if let Some(first) = drawings.seen.iter().position(|seen| !seen) {
        let missing = drawings.seen.iter().filter(|seen| !**seen).count();
        return Err(Error::input(format!(
            "{}: {missing} of {} drawings are missing, the first of them drawing {:02} of {}; get the original again",
            path.display(),
            CHARACTERS * DRAWERS,
            first % DRAWERS + 1,
            super::omniglot::name(first / DRAWERS),
        )));
    }
    Ok(drawings.ink)
}

type Take<'a> = dyn FnMut(&str, &mut dyn FnMut() -> Result<Vec<u8>>) -> Result<()> + 'a;

fn each_in_archive(path: &Path, take: &mut Take) -> Result<()> {
    let damaged = |why: &dyn std::fmt::Display| {
        Error::input(format!("{}: a damaged zip archive ({why}); get it again", path.display()))
    };
    let bytes = read_bounded(path, MOST_ARCHIVE)?;
    // The zip reader reserves room for the entries that the directory's own bytes could hold, about
    // seven bytes for each of the file's: bounded by the bound on the file.
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| damaged(&e))?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|e| damaged(&e))?;
        let name = entry.name().map_err(|e| damaged(&e))?.into_owned();
        take(&name, &mut || {
            let mut drawing = Vec::new();
            // The announced size is not asked: an entry may hold far more than it says.
            let read = entry.by_ref().take(MOST_DRAWING + 1).read_to_end(&mut drawing);
            read.map_err(|e| damaged(&format!("{name}: {e}")))?;
            match drawing.len() as u64 > MOST_DRAWING {
                true => Err(damaged(&format!("{name} has over {MOST_DRAWING} bytes"))),
                false => Ok(drawing),
            }
        })?;
    }
    Ok(())
}

fn each_in_folder(folder: &Path, set: &str, take: &mut Take) -> Result<()> {
    // Only names that the table knows are opened, so links and strays cannot lead anywhere.
    for alphabet in alphabets().iter().filter(|alphabet| alphabet.set == set) {
        for number in 1..=alphabet.parts.len() {
            let inner = format!("{}/character{number:02}", alphabet.name);
            let entries = fs::read_dir(folder.join(&inner)).map_err(|e| {
                Error::input(format!(
                    "{}/{inner}: cannot be read ({e}); get the original again",
                    folder.display()
                ))
            })?;
            for entry in entries.flatten() {
                let name = format!("images_{set}/{inner}/{}", entry.file_name().to_string_lossy());
                take(&name, &mut || read_bounded(&entry.path(), MOST_DRAWING))?;
            }
        }
    }
    Ok(())
}

/// Where `images_SET/ALPHABET/characterNN/NNNN_DD.png` belongs; `None` for anything else in an archive
/// (folders, thumbnails). Whether a drawing lacks is found at the end, so a misspelt name is not lost.
fn place(set: &str, name: &str) -> Option<usize> {
    let [top, alphabet, character, file] = name.split('/').collect::<Vec<_>>()[..] else {
        return None;
    };
    let known = |a: &&Alphabet| a.set == set && a.name == alphabet;
    let alphabet =
        alphabets().iter().find(known).filter(|_| top.strip_prefix("images_") == Some(set))?;
    let number: usize = character.strip_prefix("character")?.parse().ok()?;
    let (_, drawer) = file.strip_suffix(".png")?.split_once('_')?;
    let drawer: usize = drawer.parse().ok()?;
    let inside = (1..=alphabet.parts.len()).contains(&number) && (1..=DRAWERS).contains(&drawer);
    inside.then(|| (alphabet.first + number - 1) * DRAWERS + drawer - 1)
}

struct Drawings {
    ink: Vec<u8>,
    seen: Vec<bool>,
}

impl Drawings {
    fn take(&mut self, place: usize, bytes: &[u8]) -> std::result::Result<(), String> {
        let size = [ORIGINAL, ORIGINAL];
        let picture = sheet::read_grey(bytes, size, size)?;
        if std::mem::replace(&mut self.seen[place], true) {
            return Err("is there twice".into());
        }
        shrink(&picture.pixels, &mut self.ink[place * TILE..][..TILE]);
        Ok(())
    }
}

/// 105×105 grey (255 = paper) to 28×28 ink (255 = stroke) in 16 levels, by exact area averages.
///
/// 105 / 28 = 15 / 4: measured in quarters of an original pixel, a tile's pixel is 15 wide and an
/// original one 4, so all weights are whole numbers and the sum over 15 × 15 quarters is exact.
/// Nearest neighbour would read one pixel in 14 and lose thin strokes and dots.
pub fn shrink(grey: &[u8], ink: &mut [u8]) {
    const QUARTERS: usize = 15;
    // (original pixel, quarters of it) along one axis of tile pixel i: five at most.
    let overlaps = |i: usize| {
        let (from, to) = (i * QUARTERS, (i + 1) * QUARTERS);
        (from / 4..to.div_ceil(4)).map(move |p| (p, (4 * p + 4).min(to) - (4 * p).max(from)))
    };
    for (at, to) in ink.iter_mut().enumerate() {
        let mut sum = 0;
        for (y, height) in overlaps(at / SIDE) {
            for (x, width) in overlaps(at % SIDE) {
                sum += (255 - grey[y * ORIGINAL + x] as usize) * width * height;
            }
        }
        // Sixteen levels of 17: the sum of full ink, 225 · 255, is 15 levels. The divisor is odd, so no
        // sum lies half-way and rounding has no choice to make.
        let level = (sum + QUARTERS * 255 / 2) / (QUARTERS * 255);
        *to = 17 * level as u8;
    }
}
