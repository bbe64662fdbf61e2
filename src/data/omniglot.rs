//! Omniglot in memory: 1,623 characters, 20 drawings each, 28×28 ink; and who may learn from which.
//!
//! Characters are numbered through all alphabets in the order of `splits.csv`. The split is by
//! character (Vinyals' lists: 1,028 train, 172 validation, 423 test); an episode turns a class by
//! quarter turns *after* that, so no test character is ever in training, in any turn.
//! Lake, Salakhutdinov, Tenenbaum, Science 350 (2015).

use super::{embedded, existing_folder, import, read_bounded, sheet};
use crate::error::{Error, Result};
use std::{path::Path, sync::OnceLock};

pub use sheet::{DRAWERS, SIDE, TILE};

/// Characters in all.
pub const CHARACTERS: usize = 1623;

/// One row of `splits.csv`.
pub struct Alphabet {
    pub name: &'static str,
    /// The half of the original it stands in: `background` or `evaluation`.
    pub set: &'static str,
    /// Number of its first character.
    pub first: usize,
    /// One letter per character: `t` train, `v` validation, `e` test.
    pub parts: &'static [u8],
}

/// The fifty alphabets, in the order of their characters' numbers.
pub fn alphabets() -> &'static [Alphabet] {
    static ALL: OnceLock<Vec<Alphabet>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut first = 0;
        let row = |line: &'static str| {
            let [name, set, count, parts] = line.split(',').collect::<Vec<_>>()[..] else {
                panic!("splits.csv: four columns expected in {line:?}");
            };
            // Compiled in, so a wrong line is a programming mistake, found by the first test.
            assert_eq!(count.parse(), Ok(parts.len()), "splits.csv: letters of {name}");
            first += parts.len();
            Alphabet { name, set, first: first - parts.len(), parts: parts.as_bytes() }
        };
        embedded::SPLITS.lines().skip(1).map(row).collect()
    })
}

/// A part of the characters. No two of `Train`, `Validation` and `Test` share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// 1,028 characters.
    Train,
    /// 172 characters.
    Validation,
    /// Both together, the 1,200 characters that MAML trains on.
    TrainAndValidation,
    /// 423 characters.
    Test,
}

/// The numbers of the characters of one part, ascending.
pub fn split(part: Part) -> Vec<usize> {
    let letters: &[u8] = match part {
        Part::Train => b"t",
        Part::Validation => b"v",
        Part::TrainAndValidation => b"tv",
        Part::Test => b"e",
    };
    let parts = alphabets().iter().flat_map(|alphabet| alphabet.parts);
    parts.enumerate().filter(|(_, letter)| letters.contains(letter)).map(|(n, _)| n).collect()
}

/// As in the original's folders: `Greek/character03`.
#[track_caller]
pub fn name(character: usize) -> String {
    let after = alphabets().partition_point(|alphabet| alphabet.first <= character);
    let alphabet = &alphabets()[after - 1];
    format!("{}/character{:02}", alphabet.name, character - alphabet.first + 1)
}

/// All drawings. 25 MB; decoding the sheets takes about a tenth of a second.
pub struct Omniglot {
    /// `[characters, drawers, 28, 28]`, 255 = stroke.
    ink: Vec<u8>,
}

impl Omniglot {
    /// From `data/omniglot` where `--data` names such a folder, else from the sheets in the program.
    /// The folder holds either all fifty sheets or the original's two archives (or what is in them);
    /// an incomplete or damaged one is an error, never replaced by the built-in sheets.
    pub fn load(data: Option<&Path>) -> Result<Self> {
        data.map_or(Ok(()), existing_folder)?;
        let folder = data.map(|data| data.join("omniglot")).filter(|folder| folder.exists());
        let Some(folder) = folder else { return Self::built_in() };
        let has_sheet = |a: &Alphabet| folder.join(format!("{}.png", a.name)).exists();
        if import::is_original(&folder) && !alphabets().iter().any(has_sheet) {
            return Ok(Self { ink: import::read(&folder, |_, _| {})? });
        }
        let mut all = Vec::with_capacity(CHARACTERS * DRAWERS * TILE);
        for alphabet in alphabets() {
            let path = folder.join(format!("{}.png", alphabet.name));
            let bytes = read_bounded(&path, sheet::MOST_BYTES).map_err(|why| advise(&why))?;
            let ink = sheet::read(&bytes, alphabet.parts.len())
                .map_err(|why| advise(&format!("{}: {why}", path.display())))?;
            all.extend_from_slice(&ink);
        }
        Ok(Self { ink: all })
    }

    /// From the sheets compiled into the program.
    pub fn built_in() -> Result<Self> {
        let mut all = Vec::with_capacity(CHARACTERS * DRAWERS * TILE);
        for ((name, bytes), alphabet) in embedded::SHEETS.iter().zip(alphabets()) {
            let ink = sheet::read(bytes, alphabet.parts.len());
            all.extend(ink.map_err(|why| Error::Machine(format!("built-in sheet {name}: {why}")))?);
        }
        Ok(Self { ink: all })
    }

    /// The ink of one drawing, row-major 28×28, 255 = stroke.
    pub fn ink(&self, character: usize, drawing: usize) -> &[u8] {
        assert!(drawing < DRAWERS, "drawing {drawing}; each character has {DRAWERS}");
        &self.ink[(character * DRAWERS + drawing) * TILE..][..TILE]
    }

    /// Writes one drawing as numbers in [0, 1], 1 = stroke, turned counter-clockwise by `turns` quarter
    /// turns (0 to 3). `out` has 28·28 elements, row-major.
    pub fn write(&self, character: usize, drawing: usize, turns: u8, out: &mut [f32]) {
        let ink = self.ink(character, drawing);
        let from = |at: usize| ink[at] as f32 / 255.0;
        const LAST: usize = SIDE - 1;
        for (y, row) in out.chunks_exact_mut(SIDE).enumerate() {
            for (x, to) in row.iter_mut().enumerate() {
                *to = match turns & 3 {
                    0 => from(y * SIDE + x),
                    1 => from(x * SIDE + LAST - y),
                    2 => from((LAST - y) * SIDE + LAST - x),
                    _ => from((LAST - x) * SIDE + y),
                };
            }
        }
    }
}

fn advise(why: &dyn std::fmt::Display) -> Error {
    Error::input(format!(
        "{why}; make the folder again with `metatape data import omniglot`, or leave it out of \
         --data to use the built-in sheets"
    ))
}
