//! The checks that anyone can run: programs with known answers (`verify`) and derivatives of every
//! operation (`gradcheck`), on any executor.
//!
//! `case_file` reads a case, `program` its steps, `build` writes them on a tape, `verify` compares.
//! `rows` lists an example of every operation, `program_of` differentiates it, `gradcheck` compares.
//! `primitives` lists what every one of them must have. `fault` breaks one rule or kernel on purpose, so that tests can see a check fail.

mod attrs;
pub mod build;
pub mod case_file;
pub mod compare;
mod composed_rows;
pub mod fault;
pub mod gradcheck;
mod guard;
pub mod primitives;
pub mod program;
pub mod program_of;
pub mod rows;
pub mod verify;
