//! Data: where examples come from. Everything random about them is a pure function of (seed, stream,
//! step, task), see `random.rs`, so batches can be built in any order, on any thread, and again.
//!
//! Reading order: [`omniglot`] (drawings in memory, the split), [`episodes`] (N-way K-shot batches),
//! [`sine`] (tasks without any file), [`prefetch`] (batches built ahead), then how the drawings get
//! here: [`sheet`] (one PNG per alphabet), [`embedded`], [`import`]; [`scenes`] (driving pictures without
//! any file) and [`augment`] (changed as one likes); last [`check`].
//!
//! A folder given as `--data DIR` may hold sets of its own; what reads it bounds every allocation by
//! what the format allows, never by what a header says.

pub mod augment;
pub mod camvid;
pub mod camvid_view;
pub mod check;
pub mod embedded;
pub mod episodes;
pub mod import;
pub mod omniglot;
pub mod picture;
pub mod prefetch;
pub mod scenes;
pub mod sheet;
pub mod sine;
pub mod support;
pub mod support_table;

use crate::error::{Error, Result};
use std::{fs, io::Read, path::Path};

/// Refuses a `--data` that is no folder: a mistyped one would otherwise mean "nothing there".
pub fn existing_folder(data: &Path) -> Result<()> {
    if data.is_dir() {
        return Ok(());
    }
    let why = if data.exists() { "not a folder" } else { "no such folder" };
    let what = "--data (or METATAPE_DATA) names the folder that holds the sets' folders";
    Err(Error::input(format!("{}: {why}; {what}", data.display())))
}

/// The whole file, or one line on why not. `most` is in bytes: what a sane file of its kind can hold.
pub fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>> {
    let fail = |e: std::io::Error| {
        Error::input(format!("{}: cannot be read ({e}); check the path", path.display()))
    };
    let file = fs::File::open(path).map_err(fail)?;
    let mut bytes = Vec::new();
    // One byte more than allowed: a device file has no length to ask for beforehand.
    file.take(most + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > most {
        return Err(Error::input(format!(
            "{}: larger than {most} bytes, the most expected of such a file; is it the right one?",
            path.display()
        )));
    }
    Ok(bytes)
}
