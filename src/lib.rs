//! metatape: a tape whose gradients are tape again, and what is built on it.
//!
//! ```
//! use metatape::exec::reference::evaluate;
//! use metatape::tape::{Tape, grad};
//!
//! let tape = Tape::new();
//! let x = tape.input([1]);
//! let cubed = x * x * x;
//! let first = grad(cubed, &[x])[0]; // appends nodes; nothing is computed yet
//! let second = grad(first, &[x])[0]; // a gradient is tape, so it has one
//! let values = evaluate(&tape, &[vec![2.0]], &[first, second]);
//! assert_eq!((values[0][0], values[1][0]), (12.0, 12.0));
//! ```
//!
//! A tour, in reading order:
//!
//! * [`shape`], [`op`], [`tape`]: what an expression means. `op::pointwise` is one table.
//! * [`exec::reference`]: the meaning, run in f64. [`meta`]: MAML on top of it. (An evening ends here.)
//! * [`plan`]: how nodes become kernels; [`exec`]: `cpu` and `gpu` run them.
//! * [`nn`], [`loss`], [`optim`]: functions over [`tape::Var`].
//! * [`eval`]: scores, intervals and comparisons, on the host.
//! * [`check`]: derivatives against differences, programs against answers from elsewhere.
//! * [`data`], [`experiment`], [`recipe`], [`run`], [`report`], [`cli`], [`mod@bench`]: the program.

pub mod bench;
pub mod check;
pub mod cli;
pub mod data;
pub mod doctor;
pub mod error;
pub mod eval;
pub mod exec;
pub mod experiment;
pub mod loss;
pub mod math;
pub mod meta;
pub mod mtl;
pub mod nn;
pub mod op;
pub mod optim;
pub mod plan;
pub mod predict;
pub mod random;
pub mod recipe;
pub mod report;
pub mod run;
pub mod shape;
pub mod tape;
pub mod transfer;

/// The README's example, run as a test.
#[doc = include_str!("../README.md")]
#[cfg(doctest)]
pub struct Readme;
