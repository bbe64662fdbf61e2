//! How near two gradients are: the angle and the lengths, for a whole recipe's meta-gradient.

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
