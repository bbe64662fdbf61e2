//! How long one picture took: the median and the slowest of a hundred.

use std::time::Duration;

/// Times of one picture each.
#[derive(Clone, Debug, Default)]
pub struct Latency(Vec<f64>);

impl Latency {
    pub fn add(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64() * 1e3);
    }

    /// Milliseconds that `share` of all pictures stayed within: the smallest time with at least that share at or below
    /// it. `None` without any.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
        sorted.get(rank - 1).copied()
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_times_that_were_measured() {
        let mut latency = Latency::default();
        assert_eq!(latency.quantile(0.5), None);
        (1..=200).rev().for_each(|ms| latency.add(Duration::from_millis(ms)));
        let within = |share| latency.quantile(share).map(|ms| ms.round());
        assert_eq!(
            [within(0.0), within(0.5), within(0.99), within(1.0)],
            [1.0, 100.0, 198.0, 200.0].map(Some)
        );
    }
}
