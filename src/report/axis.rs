//! Axes of a chart: from data to pixels, and where the ticks stand.

/// What an axis measures.
#[derive(Clone, Debug, Default)]
pub struct Axis {
    pub label: String,
    /// Values at or below 0 are left out.
    pub log: bool,
    /// Where the ticks stand; chosen where it is empty.
    pub ticks: Vec<f64>,
}

impl Axis {
    pub fn linear(label: &str) -> Self {
        Axis { label: label.into(), ..Axis::default() }
    }

    pub fn log(label: &str) -> Self {
        Axis { log: true, ..Axis::linear(label) }
    }

    pub fn with_ticks(mut self, ticks: &[f64]) -> Self {
        self.ticks = ticks.to_vec();
        self
    }
}

/// An axis with a range, in data (`low`, `high`; logarithms where the axis is logarithmic) and pixels.
#[derive(Debug)]
pub struct Scale {
    log: bool,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// Covers all `values` that can be shown, with a little air where `air` is set; `from` and `to` are pixels.
    pub fn new(
        axis: &Axis,
        values: impl Iterator<Item = f64>,
        air: bool,
        from: f64,
        to: f64,
    ) -> Self {
        let mut scale = Scale { log: axis.log, low: f64::MAX, high: f64::MIN, from, to };
        for v in values.chain(axis.ticks.iter().copied()).filter_map(|v| shown(axis.log, v)) {
            scale.low = scale.low.min(v);
            scale.high = scale.high.max(v);
        }
        if scale.low > scale.high {
            (scale.low, scale.high) = (0.0, 1.0); // nothing to show
        }
        let width = scale.high - scale.low;
        let pad = if width == 0.0 { scale.high.abs().max(1.0) * 0.05 } else { width * 0.05 };
        if air || width == 0.0 {
            (scale.low, scale.high) = (scale.low - pad, scale.high + pad);
        }
        scale
    }

    /// The pixel of a value; `None` where it cannot be shown.
    pub fn pixel(&self, v: f64) -> Option<f64> {
        let share = (shown(self.log, v)? - self.low) / (self.high - self.low);
        Some(self.from + share * (self.to - self.from))
    }

    /// Values and labels of about `count` ticks inside the range.
    pub fn ticks(&self, axis: &Axis, count: usize) -> Vec<(f64, String)> {
        if !axis.ticks.is_empty() {
            return axis.ticks.iter().map(|&v| (v, number(v))).collect();
        }
        if self.log && self.high - self.low >= 1.0 {
            let (first, last) = (self.low.ceil() as i64, self.high.floor() as i64);
            let step = ((last - first) / count as i64 + 1).max(1);
            let powers = (first..=last).step_by(step as usize);
            return powers.map(|p| (10f64.powi(p as i32), number(10f64.powi(p as i32)))).collect();
        }
        let (low, high) = match self.log {
            true => (10f64.powf(self.low), 10f64.powf(self.high)),
            false => (self.low, self.high),
        };
        let rough = (high - low) / count.max(1) as f64;
        let unit = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|m| m * unit).find(|s| *s >= rough);
        let step = step.filter(|s| s.is_finite() && *s > 0.0).unwrap_or(1.0);
        let first = (low / step).ceil();
        let all = (0..=count * 2).map(|i| (first + i as f64) * step);
        // Multiples of the step, without the rounding that repeated addition would gather.
        all.take_while(|v| *v <= high + step * 1e-9).map(|v| (v, number(v))).collect()
    }
}

/// A value as it stands on the axis, if it can.
fn shown(log: bool, v: f64) -> Option<f64> {
    let v = if log { v.log10() } else { v };
    // Beyond that, differences overflow.
    (v.is_finite() && v.abs() < 1e300).then_some(v)
}

/// A tick's label: at most four digits that matter, thousands in groups.
pub fn number(v: f64) -> String {
    let v = if v.abs() < 1e-12 { 0.0 } else { v };
    match v.abs() {
        0.0 => "0".into(),
        a if !a.is_finite() => "not finite".into(),
        a if !(1e-3..1e7).contains(&a) => format!("{v:.0e}"),
        a if a >= 1000.0 => {
            let digits = format!("{:.0}", a);
            let groups: Vec<&str> = digits
                .as_bytes()
                .rchunks(3)
                .rev()
                .filter_map(|g| std::str::from_utf8(g).ok())
                .collect();
            format!("{}{}", if v < 0.0 { "\u{2212}" } else { "" }, groups.join("\u{202f}"))
        }
        _ => {
            let text = format!("{v:.4}");
            let text = text.trim_end_matches('0').trim_end_matches('.');
            text.replace('-', "\u{2212}")
        }
    }
}
