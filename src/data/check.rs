//! Which data sets are here, whether they are whole, and on what terms: `metatape data list` and
//! `metatape data check`. A set is a folder of `--data` with a `SHA256SUMS` file as `sha256sum` writes it.

use super::{embedded, read_bounded};
use sha2::{Digest, Sha256};
use std::{fmt, fs, io, io::Read, path::Path};

struct Set {
    name: &'static str,
    what: &'static str,
    /// Without these the set is of no use, whatever its checksum list says.
    needs: &'static [&'static str],
    licence: &'static str,
}

const SETS: &[Set] = &[
    Set {
        name: "omniglot",
        what: "1,623 handwritten characters, 20 drawings each",
        needs: &[], // sheets or archives: see `omniglot_needs`
        licence: "MIT, (c) 2015 Brenden Lake; cite Lake et al., Science 2015",
    },
    Set {
        name: "camvid",
        what: "701 street scenes with pixel labels, day and dusk",
        needs: &["camvid_240x180.zip", "classes.csv", "splits.csv"],
        licence: "research only, non-commercial; not to be passed on in a package",
    },
    Set {
        name: "gtsrb",
        what: "5,411 pictures of 43 traffic signs",
        needs: &["gtsrb_32x32.zip", "classes.csv", "frames.csv"],
        licence: "research use, cite Stallkamp et al. 2012; not to be passed on in a package",
    },
    Set {
        name: "cifar10",
        what: "12,000 small pictures of 10 kinds of object",
        needs: &["cifar10_jpeg.zip"],
        licence: "no licence text, cite Krizhevsky 2009; not to be passed on in a package",
    },
    Set {
        name: "medical",
        what: "breast ultrasound (BUSI) and skin lesions (PH2) with masks",
        needs: &[
            "busi_images.jpg",
            "busi_masks.png",
            "busi_labels.csv",
            "busi_boxes.csv",
            "ph2_images.jpg",
            "ph2_masks.png",
            "ph2_labels.csv",
        ],
        licence: "research only, no commercial use; not to be passed on in a package",
    },
    Set {
        name: "text",
        what: "reviews of 16 domains (FDU-MTL), CLINC150, BANKING77",
        needs: &[
            "banking77.tsv.gz",
            "clinc150.tsv.gz",
            "fdu_mtl/MR.tsv.gz",
            "fdu_mtl/apparel.tsv.gz",
            "fdu_mtl/baby.tsv.gz",
            "fdu_mtl/books.tsv.gz",
            "fdu_mtl/camera_photo.tsv.gz",
            "fdu_mtl/dvd.tsv.gz",
            "fdu_mtl/electronics.tsv.gz",
            "fdu_mtl/health_personal_care.tsv.gz",
            "fdu_mtl/imdb.tsv.gz",
            "fdu_mtl/kitchen_housewares.tsv.gz",
            "fdu_mtl/magazines.tsv.gz",
            "fdu_mtl/music.tsv.gz",
            "fdu_mtl/software.tsv.gz",
            "fdu_mtl/sports_outdoors.tsv.gz",
            "fdu_mtl/toys_games.tsv.gz",
            "fdu_mtl/video.tsv.gz",
        ],
        licence: "CLINC150 CC BY 3.0, BANKING77 CC BY 4.0; FDU-MTL none stated, research use",
    },
    Set {
        name: "finance",
        what: "credit risk, card fraud and stock movement tables",
        needs: &[
            "australian_credit.csv.gz",
            "card_fraud.csv.gz",
            "german_credit.csv.gz",
            "stock_prices.csv.gz",
            "stock_sectors.csv",
            "taiwan_default.csv.gz",
        ],
        licence: "card fraud ODbL, StockNet MIT; the others state none, UCI's terms",
    },
];

/// How a set was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// No such folder.
    Missing,
    /// Everything is there; checksums were not asked for.
    Complete,
    /// Everything is there and has the right checksum.
    Good,
    /// What is wrong, and with which file.
    Bad(String),
}

/// One set of the report.
#[derive(Clone, Debug)]
pub struct Row {
    pub set: &'static str,
    pub what: &'static str,
    /// A folder, or `built in`, or empty when missing.
    pub place: String,
    pub state: State,
    /// Files listed and their bytes.
    pub files: usize,
    pub bytes: u64,
    pub licence: &'static str,
}

/// All known sets, in a fixed order. [`fmt::Display`] prints it as a table.
pub struct Report {
    pub rows: Vec<Row>,
}

impl Report {
    /// Whether every set that was found is whole. A missing set is no fault.
    pub fn good(&self) -> bool {
        !self.rows.iter().any(|row| matches!(row.state, State::Bad(_)))
    }
}

/// Looks at every known set below `data`; with `sums` each file is read and its checksum compared.
/// Without a folder of its own, Omniglot is the one built into the program.
pub fn check(data: Option<&Path>, sums: bool) -> Report {
    let row = |set: &Set| {
        let mut row = Row {
            set: set.name,
            what: set.what,
            place: String::new(),
            state: State::Missing,
            files: 0,
            bytes: 0,
            licence: set.licence,
        };
        match data.map(|data| data.join(set.name)).filter(|folder| folder.exists()) {
            Some(folder) => {
                row.place = folder.display().to_string();
                look_at_folder(&mut row, set, &folder, sums);
            }
            None if set.name == "omniglot" => look_at_built_in(&mut row, sums),
            None => {}
        }
        row
    };
    Report { rows: SETS.iter().map(row).collect() }
}

fn look_at_folder(row: &mut Row, set: &Set, folder: &Path, sums: bool) {
    let state = whole_folder(row, set, folder, sums);
    row.state =
        state.map_or_else(State::Bad, |()| if sums { State::Good } else { State::Complete });
}

fn whole_folder(row: &mut Row, set: &Set, folder: &Path, sums: bool) -> Result<(), String> {
    let list = read_bounded(&folder.join("SHA256SUMS"), 1 << 20).map_err(|e| e.to_string())?;
    let list = parse_sums(&String::from_utf8_lossy(&list))?;
    let omniglot = if set.name == "omniglot" { omniglot_needs(folder) } else { Vec::new() };
    let needs = set.needs.iter().copied().chain(omniglot.iter().map(String::as_str));
    for name in needs {
        if !list.iter().any(|(_, listed)| listed == name) {
            return Err(format!("SHA256SUMS does not list {name}"));
        }
    }
    for (sum, name) in &list {
        let fail = |e: io::Error| format!("{name}: listed in SHA256SUMS, but cannot be read ({e})");
        let mut file = fs::File::open(folder.join(name)).map_err(fail)?;
        row.files += 1;
        row.bytes += file.metadata().map_err(fail)?.len();
        if sums {
            let (mut hash, mut piece) = (Sha256::new(), vec![0; 1 << 16]);
            loop {
                match file.read(&mut piece).map_err(fail)? {
                    0 => break,
                    n => hash.update(&piece[..n]),
                }
            }
            if hex(&hash.finalize()) != *sum {
                return Err(format!("{name}: another checksum than SHA256SUMS says; get it again"));
            }
        }
    }
    Ok(())
}

/// Omniglot may be kept as the original's archives or as sheets.
fn omniglot_needs(folder: &Path) -> Vec<String> {
    let sheets: Vec<_> = embedded::SHEETS.iter().map(|(name, _)| format!("{name}.png")).collect();
    if sheets.iter().any(|sheet| folder.join(sheet).exists()) || !super::import::is_original(folder)
    {
        return sheets;
    }
    ["images_background.zip", "images_evaluation.zip"].map(String::from).to_vec()
}

fn look_at_built_in(row: &mut Row, sums: bool) {
    row.place = "built in".into();
    row.state = if sums { State::Good } else { State::Complete };
    let listed =
        parse_sums(embedded::SUMS).expect("the compiled-in list of checksums is well formed");
    for (name, bytes) in embedded::SHEETS {
        row.files += 1;
        row.bytes += bytes.len() as u64;
        let name = format!("{name}.png");
        if sums && !listed.contains(&(sha256(bytes), name.clone())) {
            row.state = State::Bad(format!("{name}: another checksum than SHA256SUMS says"));
        }
    }
}

/// Lines of 64 hexadecimal digits, two spaces, a path inside the folder.
fn parse_sums(text: &str) -> Result<Vec<(String, String)>, String> {
    let line = |line: &str| {
        let (sum, name) = line.split_once("  ")?;
        let hex = sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit());
        // A list from elsewhere must not make us read outside the folder.
        let inside =
            Path::new(name).components().all(|c| matches!(c, std::path::Component::Normal(_)));
        (hex && inside && !name.is_empty()).then(|| (sum.to_ascii_lowercase(), name.to_string()))
    };
    let numbered = text.lines().enumerate().filter(|(_, text)| !text.is_empty());
    numbered
        .map(|(n, text)| {
            line(text).ok_or(format!("SHA256SUMS, line {}: not a checksum and a file", n + 1))
        })
        .collect()
}

/// The SHA-256 of `bytes` as 64 hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for row in &self.rows {
            let state = match &row.state {
                State::Missing => "not found",
                State::Complete => "complete",
                State::Good => "complete, checksums right",
                State::Bad(_) => "BAD",
            };
            writeln!(f, "{:<9} {state:<26} {}", row.set, row.what)?;
            if let State::Bad(why) = &row.state {
                writeln!(f, "{:<9} {why}", "")?;
            }
            if row.state != State::Missing {
                let megabytes = row.bytes as f64 / 1e6;
                writeln!(f, "{:<9} {}: {} files, {megabytes:.1} MB", "", row.place, row.files)?;
            }
            writeln!(f, "{:<9} licence: {}", "", row.licence)?;
        }
        Ok(())
    }
}
