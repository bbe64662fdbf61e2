//! Frozen and slow layers: a factor of the step size for parameters, by how their names begin.
//! Yosinski et al. 2014 (frozen); Howard and Ruder 2018, section 3.2 (slower the nearer to the input).
//!
//! A factor of 0 leaves the parameter out of the update altogether: it costs nothing, its moments stand still.
//! A linear probe is the special case in which all but the head is frozen.

use crate::error::{Error, Result};
use crate::optim::{Optimizer, Pace, Scalar};
use crate::tape::Var;

/// Rules (prefix, factor); the longest prefix that fits a name decides, without one the factor is 1.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Paces(pub Vec<(String, f64)>);

impl Paces {
    pub fn new(rules: &[(&str, f64)]) -> Self {
        Self(rules.iter().map(|(prefix, factor)| (prefix.to_string(), *factor)).collect())
    }

    /// The factor of each name. Errors: a rule that fits no name (a mistyped prefix would otherwise freeze nothing), a
    /// factor that is negative or not finite.
    pub fn factors(&self, names: &[String]) -> Result<Vec<f64>> {
        for (prefix, factor) in &self.0 {
            if !(factor.is_finite() && *factor >= 0.0) {
                let why = format!("the step-size factor of {prefix:?} is {factor}");
                return Err(Error::input(format!("{why}; expected 0 (frozen) or more")));
            }
            if !names.iter().any(|name| name.starts_with(&prefix[..])) {
                let first = names.first().map_or("none", |name| &name[..]);
                return Err(Error::input(format!(
                    "no parameter begins with {prefix:?}, so nothing would be slowed; the first of {} is {first}",
                    names.len()
                )));
            }
        }
        let factor = |name: &String| {
            let fits = self.0.iter().filter(|(prefix, _)| name.starts_with(&prefix[..]));
            fits.max_by_key(|(prefix, _)| prefix.len()).map_or(1.0, |(_, factor)| *factor)
        };
        Ok(names.iter().map(factor).collect())
    }
}

/// As [`Optimizer::update`], each weight at its own pace: `factors` is a list over the weights. The step size times the
/// factor, so AdamW's decay is slowed as well; a frozen weight and its state pass through.
#[track_caller]
pub fn update_at<'t>(
    optimizer: &Optimizer,
    weights: &[Var<'t>],
    gradient: &[Var<'t>],
    state: &[Vec<Var<'t>>],
    pace: Pace<'t>,
    factors: &[f64],
) -> (Vec<Var<'t>>, Vec<Vec<Var<'t>>>) {
    assert_eq!(weights.len(), factors.len(), "a factor for each weight");
    let (mut next, mut kept) = (weights.to_vec(), state.to_vec());
    for (i, &factor) in factors.iter().enumerate().filter(|(_, factor)| **factor != 0.0) {
        let lr = match pace.lr {
            Scalar::Number(lr) => Scalar::Number(lr * factor),
            Scalar::Var(lr) => Scalar::Var(lr * factor),
        };
        let own: Vec<Vec<Var>> = state.iter().map(|list| vec![list[i]]).collect();
        let (w, s) = optimizer.update(&[weights[i]], &[gradient[i]], &own, Pace { lr, ..pace });
        next[i] = w[0];
        for (list, own) in kept.iter_mut().zip(s) {
            list[i] = own[0];
        }
    }
    (next, kept)
}
