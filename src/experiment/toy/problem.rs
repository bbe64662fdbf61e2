//! What is descended? Two losses of two numbers, with valleys that trap and a front that rewards compromise.
//!
//! Liu et al., NeurIPS 2021 (CAGrad), appendix B and `toy.py`; nash-mtl and FAMO use the same with another scale of
//! the first loss. For t = tanh(−x2), ℓ(u) = ln max(|u|, 5·10⁻⁶) + 6, c1 = max(tanh(x2/2), 0), c2 = max(tanh(−x2/2), 0):
//! ```text
//! L1 = s · [c1·ℓ(½(−x1 − 7) − t)     + c2·(((−x1 + 7)² + (−x2 − 8)²/10)/10 − 20)]
//! L2 =      c1·ℓ(½(−x1 + 3) + t + 2) + c2·(((−x1 − 7)² + (−x2 − 8)²/10)/10 − 20)
//! ```
//! Two numbers are no work for an engine: this is plain f64, and a test holds it to the tape's `grad`.

/// The two losses; `scale` is s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Problem {
    pub scale: f64,
}

/// Below this ln|u| is cut off.
const LEAST: f64 = 5e-6;

/// A number and its two partial derivatives.
type Slope = (f64, [f64; 2]);

impl Problem {
    /// Both losses at `x`, and the gradient of each.
    pub fn at(&self, [x1, x2]: [f64; 2]) -> ([f64; 2], [[f64; 2]; 2]) {
        let t = (-x2).tanh();
        let dt = t * t - 1.0; // ∂t/∂x2
        let half = (0.5 * x2).tanh();
        let dhalf = 0.5 * (1.0 - half * half);
        // Above the axis the logarithms rule, below it the bowls. On it both maxima are ties, where PyTorch gives each
        // side half the derivative: without that the start (0, 0) would never move.
        let share = |side: f64| if side == 0.0 { 0.5 } else { f64::from(side > 0.0) };
        let (c1, dc1) = (half.max(0.0), share(half) * dhalf);
        let (c2, dc2) = ((-half).max(0.0), -share(-half) * dhalf);

        let valley = |u: f64, du: [f64; 2]| -> Slope {
            let slope = if u.abs() > LEAST { 1.0 / u } else { 0.0 };
            (u.abs().max(LEAST).ln() + 6.0, du.map(|d| slope * d))
        };
        let bowl = |side: f64| -> Slope {
            let (a, b) = (-x1 + side, -x2 - 8.0);
            ((a * a + 0.1 * b * b) / 10.0 - 20.0, [-0.2 * a, -0.02 * b])
        };
        let loss = |(v, dv): Slope, (b, db): Slope| -> Slope {
            let value = c1 * v + c2 * b;
            (value, [c1 * dv[0] + c2 * db[0], c1 * dv[1] + c2 * db[1] + dc1 * v + dc2 * b])
        };
        let first = loss(valley(0.5 * (-x1 - 7.0) - t, [-0.5, -dt]), bowl(7.0));
        let second = loss(valley(0.5 * (-x1 + 3.0) + t + 2.0, [-0.5, dt]), bowl(-7.0));
        ([self.scale * first.0, second.0], [first.1.map(|d| self.scale * d), second.1])
    }
}

/// The place on the Pareto front with this x1, from −7 to 7: there the two gradients point in opposite directions.
pub fn front(x1: f64) -> [f64; 2] {
    let turn = |x2: f64| {
        let (_, [a, b]) = Problem { scale: 1.0 }.at([x1, x2]);
        a[0] * b[1] - a[1] * b[0]
    };
    // −8.36 to −8.43; the determinant changes its sign once in between.
    let (mut low, mut high) = (-9.0, -8.0);
    let sign = turn(low).signum();
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        let below = turn(middle).signum() == sign;
        (low, high) = if below { (middle, high) } else { (low, middle) };
    }
    [x1, 0.5 * (low + high)]
}

/// Whether a run that ended at `x` has reached the front: steps of 10⁻³ leave it within hundredths.
pub fn on_front(x: [f64; 2]) -> bool {
    x[0].abs() < 7.02 && (x[1] - front(x[0].clamp(-7.0, 7.0))[1]).abs() < 0.05
}
