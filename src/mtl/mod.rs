//! Many tasks, one set of weights: whose gradient counts how much, or whose loss.
//!
//! * `per_task`: K gradients of the same weights from one backward pass, and their Gram matrix.
//! * [`aggregate`]: from the Gram matrix to K weights, a file a method.
//! * `step`: a training step that waits for the solver in between.
//! * [`balance`]: weights of losses instead of gradients, a file a method; no Gram matrix, one gradient.
//!
//! Read `per_task.rs`, then `aggregate/mod.rs` and any one method.

pub mod aggregate;
pub mod balance;
mod gram;
mod per_task;
mod step;

pub use gram::Gram;
pub use per_task::{Pass, PerTask, repeat};
pub use step::{Step, step};
