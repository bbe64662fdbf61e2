//! The host side of parameters: names, shapes and numbers, to be written into slots or files.

use crate::random::{Stream, fold, stream};
use crate::shape::Shape;

use super::Spec;

/// One parameter's numbers, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Weight {
    pub name: String,
    pub shape: Shape,
    pub values: Vec<f32>,
}

/// All parameters of a model, in its order.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Weights(pub Vec<Weight>);

impl Weights {
    /// Start values. Each parameter's are a function of the seed and its own name, so that adding a layer
    /// does not change the start of another.
    pub fn init(spec: &[Spec], seed: u64) -> Self {
        let weight = |s: &Spec| {
            let mut random = Stream::new(fold(seed), stream::WEIGHTS, fnv1a(&s.name), 0);
            let values = s.init.values(&s.shape, &mut random);
            Weight { name: s.name.clone(), shape: s.shape, values }
        };
        Self(spec.iter().map(weight).collect())
    }

    pub fn iter(&self) -> impl Iterator<Item = &Weight> {
        self.0.iter()
    }

    pub fn get(&self, name: &str) -> Option<&Weight> {
        self.iter().find(|w| w.name == name)
    }

    /// Numbers in all.
    pub fn count(&self) -> usize {
        self.iter().map(|w| w.values.len()).sum()
    }

    /// The name of the first parameter with a number that is not finite.
    pub fn not_finite(&self) -> Option<&str> {
        let bad = self.iter().find(|w| w.values.iter().any(|v| !v.is_finite()));
        bad.map(|w| &w.name[..])
    }
}

/// FNV-1a, 32 bits: a number for a name.
fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ byte as u32).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::super::{Init, Spec};
    use super::*;

    #[test]
    fn a_start_depends_on_seed_and_name_alone() {
        let a = Spec::new("a/weight", [1, 3, 4], Init::He);
        let b = Spec::new("b/weight", [1, 3, 4], Init::He);
        let both = Weights::init(&[a.clone(), b.clone()], 7);
        assert_eq!(both.get("b/weight"), Weights::init(&[b], 7).get("b/weight"));
        assert_ne!(both.0[0].values, both.0[1].values);
        assert_ne!(both.0[0].values, Weights::init(&[a], 8).0[0].values);
    }
}
