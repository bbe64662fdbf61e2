//! Dynamic weight average: a task whose loss falls slowly counts more. Liu, Johns, Davison, CVPR 2019, equation (7):
//! weights K·softmax(r/T) with r_i = L_i(t − 1)/L_i(t − 2), losses averaged over a window; 1 each until two are known.
//!
//! LibMTL's window is an epoch, nash-mtl's toy and network code takes 25 steps.

use super::famo::softmax;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dwa {
    /// T: higher is more equal.
    pub temperature: f64,
    /// Steps whose losses are averaged.
    pub window: usize,
}

impl Default for Dwa {
    fn default() -> Self {
        Self { temperature: 2.0, window: 25 }
    }
}

impl Dwa {
    /// Weights; sums of this window; means of the last one; steps in all.
    pub(super) fn start(&self, tasks: usize) -> Vec<f64> {
        [vec![1.0; tasks], vec![0.0; 2 * tasks + 1]].concat()
    }

    pub(super) fn learn(&self, state: &mut [f64], losses: &[f64]) {
        let k = losses.len();
        let (weights, rest) = state.split_at_mut(k);
        let (sums, rest) = rest.split_at_mut(k);
        let (last, steps) = rest.split_at_mut(k);
        sums.iter_mut().zip(losses).for_each(|(sum, loss)| *sum += loss);
        steps[0] += 1.0;
        if steps[0] % self.window as f64 != 0.0 {
            return;
        }
        let means: Vec<f64> = sums.iter().map(|sum| sum / self.window as f64).collect();
        if steps[0] > self.window as f64 {
            let rates = means.iter().zip(last.iter()).map(|(mean, last)| mean / last);
            let rates: Vec<f64> = rates.map(|rate| rate / self.temperature).collect();
            let shares = softmax(&rates);
            weights.iter_mut().zip(shares).for_each(|(w, share)| *w = k as f64 * share);
        }
        last.copy_from_slice(&means);
        sums.fill(0.0);
    }
}
