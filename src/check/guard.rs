//! Turns a panic into that case's error.
//!
//! Formulas on the tape panic when shapes do not fit, because that is a mistake in a program. Here the
//! program is a file's, so the panic is caught at the step that made it. Nothing is printed meanwhile:
//! a flag of this thread silences the hook, so panics of other threads stay as loud as before.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// The result of `f`, or the message it panicked with, on one line.
pub fn quietly<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
    let before = QUIET.replace(true);
    // What `f` touched is thrown away with the case after a panic, so nobody sees it half-changed.
    let result = catch_unwind(AssertUnwindSafe(f));
    QUIET.set(before);
    result.map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or(payload.downcast_ref::<&str>().copied()).unwrap_or("panicked");
        text.lines().next().unwrap_or_default().to_string()
    })
}
