//! Start values, and the record of a parameter: name, shape, start.

use crate::random::Stream;
use crate::shape::Shape;

/// A parameter of a model, before it has numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    pub name: String,
    /// `[1, ...]`: shared by all tasks.
    pub shape: Shape,
    pub init: Init,
    /// Whether an inner loop changes it.
    pub adapts: bool,
}

impl Spec {
    pub fn new(name: impl Into<String>, shape: impl Into<Shape>, init: Init) -> Self {
        Self { name: name.into(), shape: shape.into(), init, adapts: true }
    }
}

/// How the numbers of a parameter begin. Fans of `[1, ..., in, out]` count what one output reads and what
/// one input reaches: the sizes between the task axis and the last two multiply both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Normal, variance 2 / fan in. He et al. 2015, for ReLU.
    He,
    /// Uniform on ±√(6 / (fan in + fan out)). Glorot and Bengio 2010.
    Glorot,
    /// Normal with this standard deviation.
    Normal(f64),
    /// The same, drawn again where it lies more than two of them from 0.
    TruncatedNormal(f64),
    /// The same number everywhere.
    Constant(f64),
}

impl Init {
    pub const ZEROS: Init = Init::Constant(0.0);
    pub const ONES: Init = Init::Constant(1.0);

    pub fn values(self, shape: &Shape, random: &mut Stream) -> Vec<f32> {
        let (fan_in, fan_out) = fans(shape);
        let mut draw = || match self {
            Init::He => random.normal() * (2.0 / fan_in).sqrt(),
            Init::Glorot => {
                let reach = (6.0 / (fan_in + fan_out)).sqrt();
                random.between(-reach, reach)
            }
            Init::Normal(std) => random.normal() * std,
            Init::TruncatedNormal(std) => loop {
                let z = random.normal();
                if z.abs() <= 2.0 {
                    break z * std;
                }
            },
            Init::Constant(value) => value,
        };
        (0..shape.len()).map(|_| draw() as f32).collect()
    }
}

fn fans(shape: &Shape) -> (f64, f64) {
    let dims = shape.dims();
    let [.., i, o] = *dims else { return (1.0, dims[0] as f64) };
    let window: usize = dims[1..dims.len().max(3) - 2].iter().product();
    ((window * i) as f64, (window * o) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and standard deviation of 30,000 numbers of each start.
    #[test]
    fn starts_have_the_spread_of_their_papers() {
        let shape = Shape::from([1, 3, 3, 40, 84]); // fan in 360, fan out 756
        let n = shape.len() as f64;
        let truncated = 0.87962566; // √(1 − 4·φ(2)/(2·Φ(2) − 1)): the normal law cut at two deviations
        for (init, std) in [
            (Init::He, (2.0f64 / 360.0).sqrt()),
            (Init::Glorot, (2.0f64 / (360.0 + 756.0)).sqrt()),
            (Init::Normal(0.3), 0.3),
            (Init::TruncatedNormal(0.01), 0.01 * truncated),
            (Init::Constant(1.0), 0.0),
        ] {
            let mut random = Stream::new(1, crate::random::stream::WEIGHTS, 0, 0);
            let x = init.values(&shape, &mut random);
            let mean = x.iter().map(|&v| v as f64).sum::<f64>() / n;
            let var = x.iter().map(|&v| (v as f64 - mean).powi(2)).sum::<f64>() / n;
            let centre = if init == Init::ONES { 1.0 } else { 0.0 };
            // Six standard errors: std/√n of the mean, std/√(2n) of the deviation.
            assert!((mean - centre).abs() <= 6.0 * std / n.sqrt(), "{init:?}: mean {mean}");
            assert!((var.sqrt() - std).abs() <= 6.0 * std / (2.0 * n).sqrt(), "{init:?}: {var}");
        }
    }

    #[test]
    fn a_bias_has_fans_too() {
        assert_eq!(fans(&Shape::from([1, 1, 7])), (1.0, 7.0));
        assert_eq!(fans(&Shape::from([1, 5, 7])), (5.0, 7.0));
        assert_eq!(fans(&Shape::from([1, 7])), (1.0, 7.0));
    }
}
