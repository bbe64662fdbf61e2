//! Losses place by place: nothing is summed but the classes of one answer. Heads decide over what the mean goes.

use crate::tape::Var;

/// Cross-entropy of each answer, in nats: logits `[..., classes]`, labels `[...]` -> `[...]`. A label outside the
/// classes gives 0. `weights`, one a class, say what an answer of that class counts.
#[track_caller]
pub fn cross_entropy_each<'t>(
    logits: Var<'t>,
    labels: Var<'t>,
    weights: Option<&[f64]>,
) -> Var<'t> {
    let last = logits.shape().rank() - 1;
    let classes = logits.shape().last();
    let mut picked = labels.one_hot(classes);
    if let Some(weights) = weights {
        let mut row = vec![1; last + 1];
        row[last] = classes;
        picked = picked * logits.tape.data(&row[..], weights);
    }
    -(logits.log_softmax(last) * picked).sum(&[last]).squeeze(&[last])
}

/// KL(teacher ‖ student) of each answer at temperature `t`, times t², in nats: both `[..., classes]` -> `[...]`.
/// Hinton, Vinyals, Dean 2015, section 2. The teacher receives no gradient.
#[track_caller]
pub fn kl_each<'t>(student: Var<'t>, teacher: Var<'t>, t: f64) -> Var<'t> {
    let last = student.shape().rank() - 1;
    // Logarithms first: softmax may round to 0, and 0 · log 0 would be NaN.
    let log_p = (teacher.detach() * (1.0 / t)).log_softmax(last);
    let log_q = (student * (1.0 / t)).log_softmax(last);
    (log_p.exp() * (log_p - log_q)).sum(&[last]).squeeze(&[last]) * (t * t)
}

/// Cross-entropy of sigmoids, in nats: logits and targets (1, 0, or −1: not counted) of one shape. A target of
/// 1 counts `positive` times.
#[track_caller]
pub fn binary_cross_entropy<'t>(logits: Var<'t>, targets: Var<'t>, positive: f64) -> Var<'t> {
    // −y·ln σ(z) − (1 − y)·ln(1 − σ(z)), with ln σ(z) = −softplus(−z): no logarithm of what rounds to 0.
    let (yes, counted) = split(targets);
    yes * (-logits).softplus() * positive + (counted - yes) * logits.softplus()
}

/// The focal loss with γ = 2, (1 − p)²·(−ln p) for the probability p of the truth (Lin et al. 2017): what is
/// easy counts little, so that many empty cells do not drown the few that hold something. Shapes as in
/// [`binary_cross_entropy`].
#[track_caller]
pub fn focal<'t>(logits: Var<'t>, targets: Var<'t>) -> Var<'t> {
    let (yes, counted) = split(targets);
    let p = logits.sigmoid();
    yes * (1.0 - p).square() * (-logits).softplus()
        + (counted - yes) * p.square() * logits.softplus()
}

/// 1 where the target is 1; 1 where it counts at all.
fn split<'t>(targets: Var<'t>) -> (Var<'t>, Var<'t>) {
    (targets.like(0.5).less(targets), targets.like(-0.5).less(targets))
}

/// KL(teacher ‖ student) of sigmoids at temperature `t`, times t², in nats: both of one shape. The teacher
/// receives no gradient.
#[track_caller]
pub fn binary_kl<'t>(student: Var<'t>, teacher: Var<'t>, t: f64) -> Var<'t> {
    let (z, z0) = (student * (1.0 / t), teacher.detach() * (1.0 / t));
    // p·(ln p − ln q) + (1 − p)·(ln(1 − p) − ln(1 − q)).
    let yes = z0.sigmoid() * ((-z).softplus() - (-z0).softplus());
    let no = (-z0).sigmoid() * (z.softplus() - z0.softplus());
    (yes + no) * (t * t)
}

/// √(1 + x²) − 1: near x²/2 where x is small and |x| − 1 where it is large, so an outlier pulls no harder than 1.
/// Charbonnier et al. 1994 (pseudo-Huber). Unlike smooth L1 it has no kink in any derivative.
pub fn pseudo_huber<'t>(x: Var<'t>) -> Var<'t> {
    (x.square() + 1.0).sqrt() - 1.0
}
