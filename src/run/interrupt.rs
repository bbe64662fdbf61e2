//! Ctrl-C: the first one asks the run to stop after its step, with a checkpoint; the second ends it at once.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

static ASKED: AtomicBool = AtomicBool::new(false);

/// Listens from now on. For the program only: a library leaves signals alone.
pub fn listen() -> Result<()> {
    ctrlc::set_handler(|| {
        if ASKED.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        eprintln!("\nstopping after this step, with a checkpoint (Ctrl-C again: at once)");
    })
    .map_err(|e| Error::Machine(format!("cannot listen for Ctrl-C: {e}")))
}

/// Whether somebody asked to stop.
pub fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}
