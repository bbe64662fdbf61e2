//! Pointwise functions composed of primitives, one function each. Their derivatives follow.

use super::Var;
use crate::op::Pointwise;

impl<'t> Var<'t> {
    pub fn recip(self) -> Var<'t> {
        self.unary(Pointwise::Recip)
    }
    pub fn exp(self) -> Var<'t> {
        self.unary(Pointwise::Exp)
    }
    /// Natural logarithm.
    pub fn ln(self) -> Var<'t> {
        self.unary(Pointwise::Log)
    }
    pub fn sqrt(self) -> Var<'t> {
        self.unary(Pointwise::Sqrt)
    }
    pub fn rsqrt(self) -> Var<'t> {
        self.sqrt().recip()
    }
    pub fn sin(self) -> Var<'t> {
        self.unary(Pointwise::Sin)
    }
    /// sin(x + π/2).
    pub fn cos(self) -> Var<'t> {
        (self + std::f64::consts::FRAC_PI_2).sin()
    }
    pub fn tanh(self) -> Var<'t> {
        self.unary(Pointwise::Tanh)
    }
    pub fn erf(self) -> Var<'t> {
        self.unary(Pointwise::Erf)
    }
    pub fn square(self) -> Var<'t> {
        self * self
    }

    /// The larger of both, place by place; ties go to `other`; NaN stays NaN.
    #[track_caller]
    pub fn max(self, other: Var<'t>) -> Var<'t> {
        self.binary(Pointwise::Max, other)
    }

    /// The smaller of both, place by place.
    #[track_caller]
    pub fn min(self, other: Var<'t>) -> Var<'t> {
        -(-self).max(-other)
    }

    /// 1 where `self < other`, else 0. No derivative.
    #[track_caller]
    pub fn less(self, other: Var<'t>) -> Var<'t> {
        self.binary(Pointwise::Less, other)
    }

    /// `yes` where `self` is not 0, else `no`. All three broadcast.
    #[track_caller]
    pub fn select(self, yes: Var<'t>, no: Var<'t>) -> Var<'t> {
        let both = self.shape().broadcast(&yes.shape()).and_then(|s| s.broadcast(&no.shape()));
        let shape = match both {
            Ok(shape) => shape,
            Err(why) => panic!("Select: {why}"),
        };
        let inputs = [self.expand(shape), yes.expand(shape), no.expand(shape)];
        self.tape.push(crate::op::Op::Pointwise(Pointwise::Select), &inputs, None)
    }

    /// max(x, 0), slope 0 at 0. Not `clamp`: that would swallow NaN on some devices.
    pub fn relu(self) -> Var<'t> {
        self.max(self.like(0.0))
    }

    /// x where x > 0, else slope·x.
    pub fn leaky_relu(self, slope: f64) -> Var<'t> {
        self.like(0.0).less(self).select(self, self * slope)
    }

    /// |x|, slope 0 at 0.
    pub fn abs(self) -> Var<'t> {
        self.relu() + (-self).relu()
    }

    /// 1 / (1 + exp(−x)), by tanh: finite with finite derivatives for every x.
    pub fn sigmoid(self) -> Var<'t> {
        ((self * 0.5).tanh() + 1.0) * 0.5
    }

    /// ln(1 + exp(x)), as ln(exp(x − m) + exp(−m)) with m = max(x, 0) held fixed: finite for every x,
    /// and its derivative is the sigmoid at every order, also at 0.
    pub fn softplus(self) -> Var<'t> {
        let m = self.relu().detach();
        m + ((self - m).exp() + (-m).exp()).ln()
    }

    /// x·sigmoid(x).
    pub fn silu(self) -> Var<'t> {
        self * self.sigmoid()
    }

    /// x·(1 + erf(x/√2))/2.
    pub fn gelu(self) -> Var<'t> {
        self * ((self * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5
    }

    /// xⁿ for a whole n by repeated squaring, exact at 0 to every order for n ≥ 0.
    pub fn powi(self, n: i32) -> Var<'t> {
        let (mut rest, mut base) = (n.unsigned_abs(), self);
        let mut result: Option<Var> = None;
        while rest > 0 {
            if rest & 1 == 1 {
                result = Some(result.map_or(base, |r| r * base));
            }
            rest >>= 1;
            if rest > 0 {
                base = base * base;
            }
        }
        let result = result.unwrap_or_else(|| self.like(1.0));
        if n < 0 { result.recip() } else { result }
    }
}
