//! Gradients of a whole recipe: how near two of them are, and whether one is a derivative at all.

use crate::error::{Error, Result};
use std::io::Write;

/// Two gradients beside each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// 1: the same direction; 0: nothing in common.
    pub cosine: f64,
    /// Length of the first over the length of the second.
    pub norm_ratio: f64,
}

/// Compares two gradients of the same parameters. NaN where one of them is zero.
pub fn compare_gradients(a: &[f64], b: &[f64]) -> Comparison {
    assert_eq!(a.len(), b.len(), "gradients of different parameters");
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (aa, bb) = (dot(a, a).sqrt(), dot(b, b).sqrt());
    Comparison { cosine: dot(a, b) / (aa * bb), norm_ratio: aa / bb }
}

impl std::fmt::Display for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "cosine {:.6}, lengths {:.4} to 1", self.cosine, self.norm_ratio)
    }
}

/// A meta-gradient to be looked at: the same parameters, episode and weights for both.
pub struct MetaGradient<'a> {
    /// As it is printed, `sinusoid`.
    pub name: &'a str,
    /// Through the inner steps.
    pub exact: &'a [f64],
    /// With the inner gradients held constant.
    pub first_order: &'a [f64],
    /// Which of the two the recipe trains with.
    pub trains_first_order: bool,
}

/// Prints the exact and the first-order meta-gradient beside each other, so that nobody has to wonder
/// which one is in use, and the exact one beside a difference of the meta-loss along a random direction.
///
/// `loss_at(h)` is the meta-loss with `h` times `direction` added to the parameters; both in f64, or the
/// difference has too few digits. Errors: `Answer` if the difference disagrees by more than `limit`.
pub fn meta_gradient(
    gradients: &MetaGradient,
    direction: &[f64],
    mut loss_at: impl FnMut(f64) -> Result<f64>,
    limit: f64,
    out: &mut dyn Write,
) -> Result<()> {
    let MetaGradient { name, exact, first_order, trains_first_order } = gradients;
    let tape: f64 = exact.iter().zip(direction).map(|(g, v)| g * v).sum();
    // The best of three steps counts: a long one crosses kinks (relus, where an inner gradient jumps), a
    // short one loses digits. A wrong derivative is wrong at all of them.
    let (mut difference, mut error) = (f64::NAN, f64::INFINITY);
    for h in [1e-5, 1e-6, 1e-7] {
        let slope = (loss_at(h)? - loss_at(-h)?) / (2.0 * h);
        let off = (tape - slope).abs() / slope.abs().max(1e-9);
        if off < error {
            (difference, error) = (slope, off);
        }
    }
    let fine = error <= limit;
    let verdict = if fine { "ok" } else { "FAILED" };
    let used = if *trains_first_order { "first order" } else { "exact" };
    let lines = [
        format!("{name}: meta-gradient of {} numbers; trains with the {used} one", exact.len()),
        format!(
            "exact: {tape:.9e} along a random direction, finite difference {difference:.9e}, relative error {error:.1e} {verdict}"
        ),
        format!("exact against first order: {}", compare_gradients(exact, first_order)),
    ];
    for line in lines {
        writeln!(out, "{line}").map_err(|why| Error::Machine(format!("cannot write: {why}")))?;
    }
    if fine {
        Ok(())
    } else {
        Err(Error::Answer(format!("the meta-gradient of {name} is wrong by {error:.1e}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_and_lengths_are_those_of_the_plane() {
        let Comparison { cosine, norm_ratio } = compare_gradients(&[3.0, 4.0], &[0.0, 2.0]);
        assert!((cosine - 0.8).abs() < 1e-15 && norm_ratio == 2.5);
    }

    /// loss = x³/3 + y at (2, 0): its gradient is (4, 1).
    #[test]
    fn a_meta_gradient_is_held_against_its_difference() {
        let loss = |h: f64| Ok((2.0 + h).powi(3) / 3.0 + 0.5 * h);
        let gradients = |exact| MetaGradient {
            name: "cubic",
            exact,
            first_order: &[4.0, 0.0],
            trains_first_order: false,
        };
        let mut out = vec![];
        meta_gradient(&gradients(&[4.0, 1.0]), &[1.0, 0.5], loss, 1e-8, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("trains with the exact one"), "{text}");
        assert!(text.ends_with("cosine 0.970143, lengths 1.0308 to 1\n"), "{text}");

        let wrong = meta_gradient(&gradients(&[4.0, 1.1]), &[1.0, 0.5], loss, 1e-8, &mut vec![]);
        assert_eq!(wrong.unwrap_err().exit_code(), 1);
    }
}
