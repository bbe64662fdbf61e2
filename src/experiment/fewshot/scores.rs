//! Figures of many tasks: means with intervals, medians, shares.

/// One number for each test task, for each number of inner steps.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Scores {
    /// Inner steps of each row of `values`.
    pub steps: Vec<usize>,
    /// `[steps][tasks]`.
    pub values: Vec<Vec<f64>>,
}

impl Scores {
    /// The values after so many inner steps.
    #[track_caller]
    pub fn after(&self, steps: usize) -> &[f64] {
        let at = self.steps.iter().position(|&s| s == steps).expect("steps that were judged");
        &self.values[at]
    }

    /// How many values are not finite.
    pub fn not_finite(&self) -> usize {
        self.values.iter().flatten().filter(|v| !v.is_finite()).count()
    }
}

/// Mean and half-width of its 95 % interval over tasks, 1.96·std/√n (std over tasks, divided by n, as in
/// cbfinn/maml), of the finite values; and how many these are. NaN where there is none.
pub fn mean_ci95(values: &[f64]) -> (f64, f64, u64) {
    let finite = || values.iter().copied().filter(|v| v.is_finite());
    let n = finite().count() as f64;
    let mean = finite().sum::<f64>() / n;
    let var = finite().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    (mean, 1.96 * (var / n).sqrt(), n as u64)
}

/// The middle value, the mean of both where there are two; what is not finite counts as large.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted: Vec<f64> =
        values.iter().map(|&v| if v.is_finite() { v } else { f64::INFINITY }).collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n => (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0,
    }
}

/// The share of values above `limit`, or not finite.
pub fn share(values: &[f64], limit: f64) -> f64 {
    let above = values.iter().filter(|v| v.is_nan() || **v > limit).count();
    above as f64 / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_their_definitions_and_count_what_is_not_finite() {
        let (mean, ci, n) = mean_ci95(&[1.0, 3.0, f64::NAN]);
        assert_eq!((mean, n), (2.0, 2));
        assert!((ci - 1.96 / 2f64.sqrt()).abs() < 1e-15); // std 1 over two tasks
        assert_eq!(median(&[3.0, 1.0, f64::NAN]), 3.0);
        assert_eq!(median(&[3.0, 1.0]), 2.0);
        assert_eq!(share(&[30.0, f64::NAN, 20.0, 1.0], 20.0), 0.5);
    }
}
