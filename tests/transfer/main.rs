//! Transfer: closed forms and laws of each method, derivatives to third order, executors against each other,
//! knowledge files, and that distillation works for the right reason.

mod answers;
mod classes;
mod derivatives;
mod distilling;
mod features;
mod knowledge;
mod parameters;

use metatape::random::Stream;

/// Numbers of a test: `n` standard normal ones.
fn noise(n: usize, seed: u32) -> Vec<f64> {
    let mut random = Stream::new(seed, 16, 0, 0);
    (0..n).map(|_| random.normal()).collect()
}

#[track_caller]
fn near(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= tolerance, "{found:?}, expected {expected:?}");
    }
}
