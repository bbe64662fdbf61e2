//! How do K tasks' gradients become one direction? One file a method, one question for all.
//!
//! A method sees the [`Gram`] matrix (and losses, where it asks) and answers with K weights: the direction is
//! d = Σ w_i g_i, and an optimiser descends it. Solvers run on the host in f64 between two runs of a program:
//! K×K numbers come back, K go in. Every answer states the solver's residual; one that did not converge is
//! for the caller to report, and is never replaced by a plain sum.
//!
//! Weights are those of a mean, so that a step size means the same under every method: the plain sum has 1/K
//! each. [`Weighing::times`] K gives what authors who add their tasks up write.

mod aligned;
mod cagrad;
mod imtl_g;
mod linear;
mod mgda;
mod min_norm;
mod nash;
mod pcgrad;
mod upgrad;

pub use aligned::Aligned;
pub use cagrad::{CaGrad, Rescale};
pub use imtl_g::ImtlG;
pub use mgda::{Mgda, Normalize};
pub use nash::Nash;
pub use pcgrad::{Order, PcGrad};
pub use upgrad::UpGrad;

use super::Gram;

/// One of the methods, as a value. The defaults are the plain definitions; what papers and their
/// repositories do otherwise is an option of the method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aggregator {
    /// The gradient of the mean loss.
    Sum,
    PcGrad(PcGrad),
    Mgda(Mgda),
    CaGrad(CaGrad),
    ImtlG(ImtlG),
    Nash(Nash),
    Aligned(Aligned),
    UpGrad(UpGrad),
}

/// What a method answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighing {
    /// One a task; not always positive, nor of sum 1.
    pub weights: Vec<f64>,
    /// How far they are from what the method asks for; each method says in which measure. 0 where nothing is solved.
    pub residual: f64,
    /// Whether the weights are what the method asks for. Where it asks for something that there is not (a
    /// bargain between opposite gradients) they are the last attempt.
    pub converged: bool,
    pub iterations: usize,
}

/// How long a solver tries, and what it calls solved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effort {
    pub iterations: usize,
    /// Largest residual of a solution.
    pub tolerance: f64,
}

impl Default for Effort {
    fn default() -> Self {
        // Every solver here is done in fewer than 50 for five tasks; 1e-9 is far below what f32 gradients know.
        Self { iterations: 250, tolerance: 1e-9 }
    }
}

impl Aggregator {
    /// Each method with its defaults.
    pub fn all() -> [Self; 8] {
        [
            Self::Sum,
            Self::PcGrad(PcGrad::default()),
            Self::Mgda(Mgda::default()),
            Self::CaGrad(CaGrad::default()),
            Self::ImtlG(ImtlG),
            Self::Nash(Nash::default()),
            Self::Aligned(Aligned::default()),
            Self::UpGrad(UpGrad::default()),
        ]
    }

    /// A method with its defaults, by its [`Aggregator::word`].
    pub fn named(word: &str) -> Option<Self> {
        Self::all().into_iter().find(|method| method.word() == word)
    }

    /// Its name in recipes and figures.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::PcGrad(_) => "pcgrad",
            Self::Mgda(_) => "mgda",
            Self::CaGrad(_) => "cagrad",
            Self::ImtlG(_) => "imtl_g",
            Self::Nash(_) => "nash",
            Self::Aligned(_) => "aligned",
            Self::UpGrad(_) => "upgrad",
        }
    }

    /// The weights for gradients with this Gram matrix. `losses` (one a task) and the number of the `step` are
    /// read by the methods that say so.
    #[track_caller]
    pub fn weigh(&self, gram: &Gram, losses: &[f64], step: u32) -> Weighing {
        assert_eq!(losses.len(), gram.tasks(), "a loss a task");
        match self {
            Self::Sum => Weighing::closed(mean(gram.tasks())),
            Self::PcGrad(method) => method.weigh(gram, step),
            Self::Mgda(method) => method.weigh(gram, losses),
            Self::CaGrad(method) => method.weigh(gram),
            Self::ImtlG(method) => method.weigh(gram),
            Self::Nash(method) => method.weigh(gram),
            Self::Aligned(method) => method.weigh(gram),
            Self::UpGrad(method) => method.weigh(gram),
        }
    }
}

impl Weighing {
    /// Weights from a formula: nothing was solved.
    fn closed(weights: Vec<f64>) -> Self {
        Self { weights, residual: 0.0, converged: true, iterations: 0 }
    }

    /// Weights that a solver left after so many iterations; solved where the residual is below its tolerance.
    fn solved(weights: Vec<f64>, residual: f64, iterations: usize, effort: Effort) -> Self {
        Self { weights, residual, converged: residual <= effort.tolerance, iterations }
    }

    /// The same direction, `factor` times as long.
    pub fn times(mut self, factor: f64) -> Self {
        self.weights.iter_mut().for_each(|w| *w *= factor);
        self
    }
}

/// 1/K each.
fn mean(tasks: usize) -> Vec<f64> {
    vec![1.0 / tasks as f64; tasks]
}
