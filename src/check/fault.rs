//! Faults planted on purpose: a test breaks one thing and sees the check fail.
//!
//! Off unless a test calls [`inject`], and then only on the thread that called it. Executors ask
//! [`active`] when they compile a program, the tape when it writes a derivative; neither asks while
//! numbers are computed.

use crate::tape::Var;
use std::cell::Cell;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The derivative rule of the primitive of this name is 1% too large.
    Rule(&'static str),
    /// `cpu` takes its tanh wrong.
    CpuKernel,
    /// The matrix product's shader of `gpu` weighs one row of each block 1% too much.
    GpuShader,
}

thread_local! {
    static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
}

/// Plants a fault until the guard is dropped.
#[must_use]
pub fn inject(fault: Fault) -> Planted {
    Planted { before: PLANTED.replace(Some(fault)) }
}

/// Whether this very fault is planted on this thread.
pub fn active(fault: Fault) -> bool {
    PLANTED.get() == Some(fault)
}

/// Takes its fault away when dropped.
pub struct Planted {
    before: Option<Fault>,
}

impl Drop for Planted {
    fn drop(&mut self) {
        PLANTED.set(self.before);
    }
}

/// The adjoints a rule gave, spoilt if its fault is planted.
pub(crate) fn spoil<'t>(
    name: impl FnOnce() -> String,
    adjoints: Vec<Option<Var<'t>>>,
) -> Vec<Option<Var<'t>>> {
    match PLANTED.get() {
        Some(Fault::Rule(rule)) if rule == name() => {
            adjoints.into_iter().map(|adjoint| adjoint.map(|a| a * 1.01)).collect()
        }
        _ => adjoints,
    }
}
