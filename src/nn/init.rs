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
    /// Filters at right angles to each other, each as long as a mean one of [`Init::He`]: no two look for the same, so few
    /// filters miss less of what there is. Saxe, McClelland, Ganguli 2014.
    Orthogonal,
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
        if self == Init::Orthogonal {
            return (0..shape.tasks()).flat_map(|_| orthogonal(shape, random)).collect();
        }
        let (fan_in, fan_out) = fans(shape);
        let mut draw = || match self {
            Init::Orthogonal => unreachable!("made as a whole"),
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

/// One task's weights `[inputs, outputs]`, by Gram and Schmidt: the outputs' columns at right angles to each other, or,
/// where there are more of them than inputs, the rows.
fn orthogonal(shape: &Shape, random: &mut Stream) -> Vec<f32> {
    let outputs = shape.last();
    let inputs = shape.len() / shape.tasks() / outputs;
    let (count, len) = (inputs.min(outputs), inputs.max(outputs));
    let mut all: Vec<Vec<f64>> = Vec::with_capacity(count);
    while all.len() < count {
        let mut new: Vec<f64> = (0..len).map(|_| random.normal()).collect();
        // Twice: what rounding leaves of the first pass goes with the second.
        for old in all.iter().chain(&all) {
            let along: f64 = old.iter().zip(&new).map(|(a, b)| a * b).sum();
            new.iter_mut().zip(old).for_each(|(v, old)| *v -= along * old);
        }
        let norm = new.iter().map(|v| v * v).sum::<f64>().sqrt();
        if norm > 1e-6 * (len as f64).sqrt() {
            new.iter_mut().for_each(|v| *v /= norm);
            all.push(new);
        }
    }
    // A filter of variance 2 / inputs has a squared length of 2, so all together 2 · outputs.
    let scale = (2.0 * outputs as f64 / count as f64).sqrt();
    let at = |i: usize, o: usize| if outputs <= inputs { all[o][i] } else { all[i][o] };
    let places = (0..inputs).flat_map(|i| (0..outputs).map(move |o| (i, o)));
    places.map(|(i, o)| (scale * at(i, o)) as f32).collect()
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
            (Init::Orthogonal, (2.0f64 / 360.0).sqrt()),
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

    /// Outputs up to the number of inputs; beyond it the inputs.
    #[test]
    fn orthogonal_filters_are_at_right_angles() {
        for (inputs, outputs) in [(12, 5), (5, 12), (7, 7)] {
            let mut random = Stream::new(1, crate::random::stream::WEIGHTS, 0, 0);
            let x = Init::Orthogonal.values(&Shape::from([2, inputs, outputs]), &mut random);
            let squared = 2.0 * outputs as f32 / inputs.min(outputs) as f32;
            for task in x.chunks(inputs * outputs) {
                let at = |i: usize, o: usize| task[i * outputs + o];
                let product = |a: usize, b: usize| -> f32 {
                    match outputs <= inputs {
                        true => (0..inputs).map(|i| at(i, a) * at(i, b)).sum(),
                        false => (0..outputs).map(|o| at(a, o) * at(b, o)).sum(),
                    }
                };
                for a in 0..inputs.min(outputs) {
                    for b in 0..=a {
                        let wanted = if a == b { squared } else { 0.0 };
                        // Rounding to f32 of a dozen products of numbers below 2.
                        assert!((product(a, b) - wanted).abs() < 1e-5, "{a} and {b}");
                    }
                }
            }
            assert_ne!(x[..inputs * outputs], x[inputs * outputs..], "each task its own");
        }
    }

    #[test]
    fn a_bias_has_fans_too() {
        assert_eq!(fans(&Shape::from([1, 1, 7])), (1.0, 7.0));
        assert_eq!(fans(&Shape::from([1, 5, 7])), (5.0, 7.0));
        assert_eq!(fans(&Shape::from([1, 7])), (1.0, 7.0));
    }
}
