//! Learning from another network's answers.

use crate::tape::Var;

/// KL(teacher ‖ student) at temperature `t`, times t². Hinton, Vinyals, Dean 2015, section 2: the factor
/// keeps gradient sizes equal when `t` changes. Both `[tasks, examples, classes]` -> `[tasks]`, in nats,
/// mean over the examples. The teacher receives no gradient.
#[track_caller]
pub fn kl_div<'t>(student: Var<'t>, teacher: Var<'t>, t: f64) -> Var<'t> {
    // Logarithms first: softmax may round to 0, and 0 · log 0 would be NaN.
    let log_p = (teacher.detach() * (1.0 / t)).log_softmax(2);
    let log_q = (student * (1.0 / t)).log_softmax(2);
    let total = (log_p.exp() * (log_p - log_q)).sum(&[1, 2]).squeeze(&[1, 2]);
    total * (t * t / student.shape()[1] as f64)
}
