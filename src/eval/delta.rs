//! One number for many tasks: the mean relative change against a base. Two definitions are in use and they differ
//! wherever tasks have different numbers of metrics: print both, and name the base.

/// A metric beside the base's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    pub value: f64,
    pub base: f64,
    /// Accuracy: yes; an error: no.
    pub higher_is_better: bool,
}

impl Measured {
    /// (value − base)/base, positive where it got better.
    fn gain(&self) -> f64 {
        let change = (self.value - self.base) / self.base;
        if self.higher_is_better { change } else { -change }
    }
}

/// Δm in percent, **lower is better**: the mean over all metrics alike (Maninis et al. 2019 as the code of
/// Nash-MTL and FAMO has it, `delta_fn`).
pub fn delta_m(metrics: &[Measured]) -> f64 {
    -100.0 * mean(metrics)
}

/// Δp in percent, **higher is better**: the mean over tasks of the mean over each task's metrics (LibMTL, Lin and
/// Zhang 2023).
pub fn delta_p(tasks: &[&[Measured]]) -> f64 {
    100.0 * tasks.iter().map(|metrics| mean(metrics)).sum::<f64>() / tasks.len() as f64
}

fn mean(metrics: &[Measured]) -> f64 {
    metrics.iter().map(Measured::gain).sum::<f64>() / metrics.len() as f64
}
