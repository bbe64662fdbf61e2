//! The checks that anyone can run: programs with known answers (`verify`) and finite differences
//! (`gradcheck`), on any executor.
//!
//! `case_file` reads a case, `program` its steps, `build` writes them on a tape, `verify` compares.
//! `rows` lists an example of every operation, `gradcheck` differentiates each. `fault` breaks one
//! rule or kernel on purpose, so that tests can see a check fail.

mod attrs;
pub mod build;
pub mod case_file;
pub mod fault;
mod guard;
pub mod program;
pub mod verify;
