//! Writing so that nothing half-written stays behind, whatever happens in between.
//!
//! A file is written under a temporary name beside its place, synced, renamed, and the folder synced: after a
//! crash or a power cut there is the old file or the new one, whole.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Replaces `path` by `bytes`, or leaves it as it was and says why.
///
/// Fails as [`io_error`] says: exit code 3 on a full disk, 2 where the path cannot be written to.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = temporary_name(path);
    let written = (|| {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&temporary, path)?;
        sync_folder(path)
    })();
    written.map_err(|e| {
        // Best effort: where even this fails there is nothing left to try, and the first error matters.
        let _ = fs::remove_file(&temporary);
        io_error("write", path, &e)
    })
}

/// Removes what a killed process may have left in `folder` under a temporary name.
pub fn remove_temporaries(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.ends_with(TEMPORARY) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

const TEMPORARY: &str = ".metatape-tmp";

fn temporary_name(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}{TEMPORARY}"))
}

/// A rename is on disk only when its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(()); // elsewhere a folder cannot be opened as a file
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// What went wrong with a path, in one line: a path that a person can correct is bad input (2), the rest
/// (disk full, input/output error) is the machine's failure (3).
pub fn io_error(verb: &str, path: &Path, e: &io::Error) -> Error {
    let line = format!("cannot {verb} {}: {}", path.display(), cause(e));
    match e.kind() {
        ErrorKind::NotFound
        | ErrorKind::PermissionDenied
        | ErrorKind::AlreadyExists
        | ErrorKind::NotADirectory
        | ErrorKind::IsADirectory
        | ErrorKind::InvalidFilename
        | ErrorKind::ReadOnlyFilesystem => Error::Input(line),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            Error::Machine(format!(
                "{line}; nothing half-written was left, free some space and start again"
            ))
        }
        _ => Error::Machine(line),
    }
}

/// "No space left on device" rather than "No space left on device (os error 28)".
fn cause(e: &io::Error) -> String {
    let text = e.to_string();
    text.split(" (os error").next().unwrap_or_default().to_string()
}
