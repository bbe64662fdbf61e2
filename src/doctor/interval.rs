//! A mean and how far it may be off: Student's interval over repeated measurements.

use std::fmt;

use crate::eval::student_t;

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
        Self { mean, half: student_t(1.0 - miss / 2.0, values.len() - 1) * (variance / n).sqrt() }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_measurement_or_a_broken_one_says_nothing() {
        assert_eq!(Interval::of(&[3.0], 0.05).half, f64::INFINITY);
        assert_eq!(Interval::of(&[3.0, f64::NAN], 0.05).half, f64::INFINITY);
        let known = Interval::of(&[1.0, 3.0], 0.05);
        assert!((known.mean - 2.0).abs() < 1e-12 && (known.half - 12.706).abs() < 1e-3);
        assert!((Interval::of(&[1.0, 3.0], 0.01).half - 63.657).abs() < 1e-3);
    }
}
