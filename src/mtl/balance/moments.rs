//! Adam for a handful of numbers on the host, where a program would be too much. Kingma and Ba, ICLR 2015.
//!
//! The state of n numbers is 2n + 1 of them: mean, mean square, number of steps, so that it can stand in a list.

/// Adam with its usual decays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    pub lr: f64,
    /// Added to the gradient, γ·x, as `torch.optim.Adam` does (not AdamW).
    pub weight_decay: f64,
}

impl Moments {
    /// The state of `n` numbers before the first step.
    pub fn start(n: usize) -> Vec<f64> {
        vec![0.0; 2 * n + 1]
    }

    /// Moves `x` against `gradient`.
    #[track_caller]
    pub fn step(&self, x: &mut [f64], gradient: &[f64], state: &mut [f64]) {
        let n = x.len();
        assert_eq!((gradient.len(), state.len()), (n, 2 * n + 1), "sizes of Adam's state");
        let (moments, steps) = state.split_at_mut(2 * n);
        let (mean, square) = moments.split_at_mut(n);
        steps[0] += 1.0;
        let [left1, left2] = [0.9f64, 0.999].map(|decay| 1.0 - decay.powf(steps[0]));
        for i in 0..n {
            let g = gradient[i] + self.weight_decay * x[i];
            mean[i] = 0.9 * mean[i] + 0.1 * g;
            square[i] = 0.999 * square[i] + 0.001 * g * g;
            x[i] -= self.lr * (mean[i] / left1) / ((square[i] / left2).sqrt() + 1e-8);
        }
    }
}
