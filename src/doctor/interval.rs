//! A mean and how far it may be off: Student's interval over repeated measurements.

use std::fmt;

/// `mean` ± `half`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub mean: f64,
    /// Infinite where there are fewer than two measurements, or one is not finite.
    pub half: f64,
}

impl Interval {
    /// The two-sided interval that misses with probability `miss`, from independent measurements.
    pub fn of(values: &[f64], miss: f64) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
        if values.len() < 2 || !variance.is_finite() {
            return Self { mean, half: f64::INFINITY };
        }
        Self { mean, half: student_t(values.len() - 1, miss) * (variance / n).sqrt() }
    }

    pub fn low(&self) -> f64 {
        self.mean - self.half
    }

    pub fn high(&self) -> f64 {
        self.mean + self.half
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.half.is_finite() {
            true => write!(f, "{:.2} ± {:.2}", self.mean, self.half),
            false => f.write_str("unknown"),
        }
    }
}

/// The t with P(|T| > t) = `miss` for `freedom` degrees of freedom, at least 1. Abramowitz and Stegun
/// 26.7.3 and 26.7.4, which are exact for whole degrees, and bisection.
pub fn student_t(freedom: usize, miss: f64) -> f64 {
    let inside = |t: f64| {
        let angle = (t / (freedom as f64).sqrt()).atan();
        let (sin, cos) = angle.sin_cos();
        // Σ of cos^k with k of the other parity than `freedom`, each term from the one before.
        let first = if freedom.is_multiple_of(2) { 0 } else { 1 };
        let (mut term, mut sum) = (if first == 0 { 1.0 } else { cos }, 0.0);
        for k in (first..freedom.saturating_sub(1)).step_by(2) {
            sum += term;
            term *= cos * cos * (k + 1) as f64 / (k + 2) as f64;
        }
        match first {
            0 => sin * sum,
            _ => (angle + sin * sum) * std::f64::consts::FRAC_2_PI,
        }
    };
    let (mut low, mut high) = (0.0, 1.0);
    while inside(high) < 1.0 - miss && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        *(if inside(middle) < 1.0 - miss { &mut low } else { &mut high }) = middle;
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The usual table, three decimals.
    #[test]
    fn student_t_is_the_table() {
        for (freedom, miss, t) in [
            (1, 0.05, 12.706),
            (2, 0.05, 4.303),
            (3, 0.05, 3.182),
            (4, 0.05, 2.776),
            (5, 0.01, 4.032),
            (10, 0.05, 2.228),
            (29, 0.01, 2.756),
            (120, 0.05, 1.980),
        ] {
            let found = student_t(freedom, miss);
            assert!((found - t).abs() < 6e-4, "{freedom}, {miss}: {found}, expected {t}");
        }
    }

    #[test]
    fn one_measurement_or_a_broken_one_says_nothing() {
        assert_eq!(Interval::of(&[3.0], 0.05).half, f64::INFINITY);
        assert_eq!(Interval::of(&[3.0, f64::NAN], 0.05).half, f64::INFINITY);
        let known = Interval::of(&[1.0, 3.0], 0.05);
        assert!((known.mean - 2.0).abs() < 1e-12 && (known.half - 12.706).abs() < 1e-3);
    }
}
