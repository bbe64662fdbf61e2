//! Learning to learn: one file a method, one signature for all.
//!
//! A method takes shared weights, an episode (a batch of tasks) and a judge (weights and examples -> loss),
//! and returns the meta loss, the adapted weights and what happened on the way. Everything is written
//! with the public tape; there is no loop over tasks, because fast weights are ordinary weights with
//! `tasks` in front instead of 1. Read `maml.rs`; `unrolled.rs` is its inner loop in pieces, for little memory.

mod anil;
mod episode;
mod maml;
mod reptile;
mod unrolled;

pub use anil::Anil;
pub use episode::{Episode, Judged, Part, judge};
pub use maml::{Adaptation, Maml};
pub use reptile::Reptile;
pub use unrolled::State;
