//! Soft targets: what a teacher answers at a temperature, and a student that learns from it.
//! Hinton, Vinyals, Dean 2015, section 2.
//!
//! [`crate::loss::kl_div`] takes a teacher's logits; here are its probabilities instead, because several teachers are
//! averaged as probabilities and because that is what a knowledge file holds. A program that trains with
//! labels as well adds the two losses: (1 − a)·cross entropy + a·[`distill`].

use crate::tape::Var;

/// The mean over teachers of softmax(logits/t), without a gradient: each `[tasks, examples, classes]`.
/// The arithmetic mean of Hinton et al. 2015, section 3; teachers with a say of their own: `weights`, which sum to 1.
#[track_caller]
pub fn soft_targets<'t>(teachers: &[Var<'t>], weights: Option<&[f64]>, t: f64) -> Var<'t> {
    let even = vec![1.0 / teachers.len() as f64; teachers.len()];
    let weights = weights.unwrap_or(&even);
    assert_eq!(teachers.len(), weights.len(), "a weight for each teacher");
    let sum: f64 = weights.iter().sum();
    assert!((sum - 1.0).abs() < 1e-9, "weights of teachers that sum to {sum}, not 1");
    let parts = teachers.iter().zip(weights);
    let parts = parts.map(|(logits, &w)| (logits.detach() * (1.0 / t)).softmax(2) * w);
    parts.reduce(|a, b| a + b).expect("soft targets of no teacher")
}

/// KL(targets ‖ student at temperature `t`)·t², `[tasks]`, in nats, mean over the examples. `targets` are
/// probabilities at that same temperature, `student` logits, both `[tasks, examples, classes]`. With one teacher's
/// [`soft_targets`] it is [`crate::loss::kl_div`]. A probability of 0 adds 0.
#[track_caller]
pub fn distill<'t>(student: Var<'t>, targets: Var<'t>, t: f64) -> Var<'t> {
    let p = targets.detach();
    // p·ln p with the logarithm of at least the smallest normal f32: a rounded 0 gives 0, not NaN.
    let log_p = p.max(p.like(f32::MIN_POSITIVE as f64)).ln();
    let log_q = (student * (1.0 / t)).log_softmax(2);
    let total = (p * (log_p - log_q)).sum(&[1, 2]).squeeze(&[1, 2]);
    total * (t * t / student.shape()[1] as f64)
}
