//! What the person at the keyboard can repair: one line each, with what was found, what was expected
//! and what to do. Mistakes in a program (shapes) panic instead; see ARCHITECTURE.md.

/// Why a command ended without its result. [`Error::exit_code`] is what the process returns.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Wrong use or bad input: no such recipe, a damaged file, a device that is not there.
    #[error("{0}")]
    Input(String),
    /// The answer is no: a check failed, training diverged.
    #[error("{0}")]
    Answer(String),
    /// The machine failed: disk full, device lost.
    #[error("{0}")]
    Machine(String),
    /// Stopped by the user; a checkpoint was left where there is one.
    #[error("{0}")]
    Interrupted(String),
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn input(why: impl std::fmt::Display) -> Self {
        Self::Input(why.to_string())
    }

    /// DESIGN of the command line: 1 the answer is no, 2 wrong use, 3 the machine failed, 130 interrupted.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Answer(_) => 1,
            Error::Input(_) => 2,
            Error::Machine(_) => 3,
            Error::Interrupted(_) => 130,
        }
    }
}
