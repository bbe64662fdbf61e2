//! Moving what one network knows into another: one file a method, each a function over `Var` or weights.
//!
//! What a teacher is asked for, Φ = K(F(X), Y), and how it lies in a file: [`knowledge`]. How a network learns
//! from it, F_G = G(F, Φ):
//!
//! | from | on the tape | on the host |
//! | --- | --- | --- |
//! | answers | [`soft`] (distillation) | [`ensemble`] (outputs joined) |
//! | features | [`hint`], [`attention`], [`matching`] | |
//! | parameters | [`l2_sp()`], [`paces`] (frozen and slow layers) | [`fuse`] (averages, arithmetic, soups) |
//! | classes | [`probe`], [`prototypes`] | |
//!
//! Losses are `[tasks]`, as in [`crate::loss`]; a teacher never receives a gradient.

pub mod attention;
pub mod ensemble;
pub mod fuse;
pub mod hint;
pub mod knowledge;
pub mod l2_sp;
pub mod matching;
pub mod paces;
pub mod probe;
pub mod prototypes;
pub mod soft;

pub use attention::{attention_map, attention_transfer};
pub use ensemble::{join_boxes, mean_probabilities};
pub use fuse::{Ema, Swa, greedy_soup, task_arithmetic, weighted_average};
pub use hint::Hint;
pub use knowledge::Knowledge;
pub use l2_sp::l2_sp;
pub use matching::feature_matching;
pub use paces::Paces;
pub use probe::Probe;
pub use prototypes::Prototypes;
pub use soft::{distill, soft_targets};
