//! The numbers a pointwise value is instantiated for: f64 in `reference` and for constants in the plan.
//! The f32 executors have their own instances: `exec/cpu/block.rs` and the WGSL text of the row.

/// What a row of the pointwise table may call on its inputs.
pub trait Real: Copy + std::ops::Add<Output = Self> + std::ops::Mul<Output = Self> {
    fn recip(self) -> Self;
    fn exp(self) -> Self;
    fn ln(self) -> Self;
    fn sqrt(self) -> Self;
    fn sin(self) -> Self;
    fn tanh(self) -> Self;
    fn erf(self) -> Self;
    /// The larger; NaN if either is NaN; the second on a tie.
    fn max_nan(self, other: Self) -> Self;
    /// 1 where `self < other`, else 0 (also for NaN).
    fn less(self, other: Self) -> Self;
    /// `yes` where `self` is not 0, else `no`.
    fn select(self, yes: Self, no: Self) -> Self;
}

impl Real for f64 {
    fn recip(self) -> f64 {
        1.0 / self
    }
    fn exp(self) -> f64 {
        f64::exp(self)
    }
    fn ln(self) -> f64 {
        f64::ln(self)
    }
    fn sqrt(self) -> f64 {
        f64::sqrt(self)
    }
    fn sin(self) -> f64 {
        f64::sin(self)
    }
    fn tanh(self) -> f64 {
        f64::tanh(self)
    }
    fn erf(self) -> f64 {
        crate::math::erf64(self)
    }
    fn max_nan(self, other: f64) -> f64 {
        if self > other || self.is_nan() { self } else { other }
    }
    fn less(self, other: f64) -> f64 {
        (self < other) as u8 as f64
    }
    fn select(self, yes: f64, no: f64) -> f64 {
        if self != 0.0 { yes } else { no }
    }
}
