//! How sure is a mean over a few seeds? Student's t, because with three seeds the normal law is far too sure.

use std::f64::consts::{FRAC_PI_2, PI};

/// A mean and the half-width of its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub mean: f64,
    /// NaN for a single value: one run says nothing of the next.
    pub ci95: f64,
    pub n: usize,
}

impl Interval {
    /// t·s/√n, s with n − 1, of independent values: one a seed, each a mean over whatever the seeds share. A value
    /// that is not finite makes the mean so: a diverged run is not left out in silence.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
        let ci95 = match n {
            0 | 1 => f64::NAN,
            _ => student_t(0.975, n - 1) * (square / (n - 1) as f64 / n as f64).sqrt(),
        };
        Self { mean, ci95, n }
    }

    /// Of the differences `a` − `b`, seed by seed: what the seeds share falls out.
    #[track_caller]
    pub fn paired(a: &[f64], b: &[f64]) -> Self {
        assert_eq!(a.len(), b.len(), "pairs");
        Self::of(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>())
    }

    /// The whole interval lies above zero.
    pub fn above_zero(&self) -> bool {
        self.mean - self.ci95 > 0.0
    }

    /// The whole interval lies below zero.
    pub fn below_zero(&self) -> bool {
        self.mean + self.ci95 < 0.0
    }
}

/// The quantile of Student's law with `freedom` ≥ 1 degrees of freedom: P(t ≤ result) = `p`, 0 < p < 1.
#[track_caller]
pub fn student_t(p: f64, freedom: usize) -> f64 {
    assert!(p > 0.0 && p < 1.0 && freedom > 0, "Student's t at {p} with {freedom} degrees");
    // P(|t| ≤ x) grows with the angle of x/√freedom, from 0 to 1 on 0 to π/2; halving 100 times finds any f64.
    let (within, mut low, mut high) = ((2.0 * p - 1.0).abs(), 0.0, FRAC_PI_2);
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if within_angle(middle, freedom) < within { low = middle } else { high = middle }
    }
    let t = ((low + high) / 2.0).tan() * (freedom as f64).sqrt();
    if p < 0.5 { -t } else { t }
}

/// P(|t| ≤ √freedom·tan θ). Abramowitz and Stegun 1964, 26.7.3 and 26.7.4: finite sums for whole degrees.
fn within_angle(angle: f64, freedom: usize) -> f64 {
    let (sin, cos) = angle.sin_cos();
    let odd = freedom % 2 == 1;
    // 1 + ½·cos² + (1·3)/(2·4)·cos⁴ + ... to cos^(freedom − 2); odd: cos·(1 + ⅔·cos² + ...), alike.
    let (mut term, mut sum) = (if odd { cos } else { 1.0 }, 0.0);
    let mut k = if odd { 3 } else { 2 };
    while k <= freedom {
        sum += term;
        term *= cos * cos * (k - 1) as f64 / k as f64;
        k += 2;
    }
    if odd { 2.0 / PI * (angle + sin * sum) } else { sin * sum }
}
