//! Fusion of parameters: several networks of one shape become one.
//!
//! Sums run in f64 and are rounded once. A network with batch statistics of its own needs them estimated
//! again afterwards (Izmailov et al. 2018, section 3.2); ours keep none.

use crate::error::{Error, Result};
use crate::nn::{Weight, Weights};
use crate::tape::Var;

/// Σ share·weights / Σ share; the uniform soup (Wortsman et al. 2022, Recipe 0) with equal shares. Errors: no
/// weights, other names or shapes than the first's, shares that sum to 0 or are not finite.
pub fn weighted_average(parts: &[(&Weights, f64)]) -> Result<Weights> {
    let total: f64 = parts.iter().map(|(_, share)| share).sum();
    if !total.is_finite() || total == 0.0 {
        let n = parts.len();
        return Err(Error::input(format!(
            "an average of {n} networks whose shares sum to {total}"
        )));
    }
    let Some(((first, _), rest)) = parts.split_first() else {
        return Err(Error::input("an average of no networks"));
    };
    for (other, _) in rest {
        same_shape(first, other)?;
    }
    let value = |at: usize, k: usize| {
        let terms = parts.iter().map(|(w, share)| share * f64::from(w.0[at].values[k]));
        (terms.sum::<f64>() / total) as f32
    };
    Ok(made_like(first, value))
}

/// w⁰ + λ·Σ_i (w_i − w⁰). Ilharco et al. 2023, equation for task addition; λ = .4 is usual for several tasks, a negative
/// one forgets.
pub fn task_arithmetic(base: &Weights, tuned: &[&Weights], lambda: f64) -> Result<Weights> {
    for other in tuned {
        same_shape(base, other)?;
    }
    let value = |at: usize, k: usize| {
        let origin = f64::from(base.0[at].values[k]);
        let moved: f64 = tuned.iter().map(|w| f64::from(w.0[at].values[k]) - origin).sum();
        (origin + lambda * moved) as f32
    };
    Ok(made_like(base, value))
}

/// The greedy soup: candidates from best to worst by `score` (higher is better), each kept in the average if the average's score
/// does not fall. Wortsman et al. 2022, Recipe 1. Returns the soup, its score and which were kept.
pub fn greedy_soup(
    candidates: &[&Weights],
    mut score: impl FnMut(&Weights) -> Result<f64>,
) -> Result<(Weights, f64, Vec<usize>)> {
    let scores = candidates.iter().map(|w| score(w)).collect::<Result<Vec<f64>>>()?;
    let mut order: Vec<usize> = (0..candidates.len()).filter(|&i| !scores[i].is_nan()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a])); // stable: ties keep their order
    let Some((&best, rest)) = order.split_first() else {
        return Err(Error::input("a soup of no network with a score"));
    };
    let (mut soup, mut reached, mut kept) = (candidates[best].clone(), scores[best], vec![best]);
    for &next in rest {
        let tried: Vec<_> = kept.iter().chain([&next]).map(|&i| (candidates[i], 1.0)).collect();
        let average = weighted_average(&tried)?;
        let found = score(&average)?;
        if found >= reached {
            (soup, reached) = (average, found);
            kept.push(next);
        }
    }
    Ok((soup, reached, kept))
}

/// An exponential moving average, w̄ ← d·w̄ + (1 − d)·w, begun at the first weights. Polyak and Juditsky 1992; as
/// a teacher of its own student: Tarvainen and Valpola 2017.
#[derive(Clone, Debug)]
pub struct Ema {
    decay: f64,
    average: Option<Vec<Vec<f64>>>,
}

impl Ema {
    pub fn new(decay: f64) -> Self {
        Self { decay, average: None }
    }

    pub fn add(&mut self, weights: &Weights) {
        let d = self.decay;
        blend(&mut self.average, weights, |kept, new| d * kept + (1.0 - d) * new);
    }

    /// The average in the names and shapes of `like`. Panics before the first [`Ema::add`].
    #[track_caller]
    pub fn weights(&self, like: &Weights) -> Weights {
        rounded(&self.average, like)
    }
}

/// The same on the tape, for an average that lives in slots beside the weights.
pub fn ema_step<'t>(average: &[Var<'t>], weights: &[Var<'t>], decay: f64) -> Vec<Var<'t>> {
    average.iter().zip(weights).map(|(&a, &w)| a * decay + w * (1.0 - decay)).collect()
}

/// The plain mean of weights along the end of a training: stochastic weight averaging, Izmailov et al. 2018,
/// Algorithm 1.
#[derive(Clone, Debug, Default)]
pub struct Swa {
    count: u64,
    average: Option<Vec<Vec<f64>>>,
}

impl Swa {
    pub fn add(&mut self, weights: &Weights) {
        let n = self.count as f64;
        blend(&mut self.average, weights, |kept, new| (n * kept + new) / (n + 1.0));
        self.count += 1;
    }

    /// As [`Ema::weights`].
    #[track_caller]
    pub fn weights(&self, like: &Weights) -> Weights {
        rounded(&self.average, like)
    }
}

#[track_caller]
fn blend(average: &mut Option<Vec<Vec<f64>>>, w: &Weights, mix: impl Fn(f64, f64) -> f64) {
    let Some(average) = average else {
        let wide = |w: &Weight| w.values.iter().map(|&v| f64::from(v)).collect();
        *average = Some(w.iter().map(wide).collect());
        return;
    };
    assert_eq!(average.len(), w.0.len(), "an average over networks of one shape");
    for (kept, new) in average.iter_mut().zip(w.iter()) {
        assert_eq!(kept.len(), new.values.len(), "{}: an average over one shape", new.name);
        for (k, &n) in kept.iter_mut().zip(&new.values) {
            *k = mix(*k, f64::from(n));
        }
    }
}

#[track_caller]
fn rounded(average: &Option<Vec<Vec<f64>>>, like: &Weights) -> Weights {
    let average = average.as_ref().expect("an average of nothing yet");
    made_like(like, |at, k| average[at][k] as f32)
}

fn made_like(like: &Weights, value: impl Fn(usize, usize) -> f32) -> Weights {
    let made = |(at, w): (usize, &Weight)| {
        let values = (0..w.values.len()).map(|k| value(at, k)).collect();
        Weight { name: w.name.clone(), shape: w.shape, values }
    };
    Weights(like.iter().enumerate().map(made).collect())
}

fn same_shape(a: &Weights, b: &Weights) -> Result<()> {
    let described =
        |w: Option<&Weight>| w.map_or("nothing".into(), |w| format!("{} {}", w.name, w.shape));
    for at in 0..a.0.len().max(b.0.len()) {
        let (x, y) = (described(a.0.get(at)), described(b.0.get(at)));
        if x != y {
            return Err(Error::input(format!(
                "networks of different shape cannot be joined: {x} in one is {y} in the other"
            )));
        }
    }
    Ok(())
}
