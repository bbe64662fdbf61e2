//! The step size as a function of the step: computed on the host in f64 and given to a slot.

/// How the step size changes, after a linear rise from 0 over `warmup` steps.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Schedule {
    pub warmup: u64,
    pub kind: ScheduleKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum ScheduleKind {
    #[default]
    Constant,
    /// Half a cosine from 1 to `floor` over the steps after the warm-up (Loshchilov and Hutter 2017).
    Cosine { floor: f64 },
    /// 1, then a straight line to 0 over the last `fall` of the steps (Zhai et al. 2022): until it falls, a training
    /// that would be longer looks the same.
    Trapezoid { fall: f64 },
    /// Times `factor` after every `period` steps.
    Step { period: u64, factor: f64 },
}

impl Schedule {
    /// The factor of the step size for step `step` (from 0) out of `steps`.
    pub fn at(&self, step: u64, steps: u64) -> f64 {
        if step < self.warmup {
            // The first step is not 0: it would be a step for nothing.
            return (step + 1) as f64 / (self.warmup + 1) as f64;
        }
        let after = step - self.warmup;
        match self.kind {
            ScheduleKind::Constant => 1.0,
            ScheduleKind::Cosine { floor } => {
                let part = after as f64 / steps.saturating_sub(self.warmup).max(1) as f64;
                floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * part.min(1.0)).cos())
            }
            ScheduleKind::Trapezoid { fall } => {
                let left = steps.saturating_sub(step) as f64 / steps.max(1) as f64;
                (left / fall).min(1.0)
            }
            ScheduleKind::Step { period, factor } => factor.powf((after / period.max(1)) as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_begin_and_end_where_they_say() {
        let cosine = Schedule { warmup: 4, kind: ScheduleKind::Cosine { floor: 0.1 } };
        assert_eq!(cosine.at(0, 104), 0.2);
        assert_eq!(cosine.at(4, 104), 1.0);
        assert!((cosine.at(54, 104) - 0.55).abs() < 1e-12); // half way: the mean of 1 and the floor
        assert!((cosine.at(104, 104) - 0.1).abs() < 1e-12);
        let step = Schedule { warmup: 0, kind: ScheduleKind::Step { period: 10, factor: 0.5 } };
        assert_eq!([0, 9, 10, 25].map(|s| step.at(s, 30)), [1.0, 1.0, 0.5, 0.25]);
        let trapezoid = Schedule { warmup: 1, kind: ScheduleKind::Trapezoid { fall: 0.25 } };
        assert_eq!([0, 1, 75, 90, 100].map(|s| trapezoid.at(s, 100)), [0.5, 1.0, 1.0, 0.4, 0.0]);
        assert_eq!(Schedule::default().at(7, 9), 1.0);
    }
}
