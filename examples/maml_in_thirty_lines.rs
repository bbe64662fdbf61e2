//! MAML from nothing but the tape, on tasks where the answer is known.
//!
//!     cargo run --release --example maml_in_thirty_lines
//!
//! Task t wants w = y_t: its loss is ½(w − y_t)². One inner step leads to w − α(w − y_t), so the exact
//! meta-gradient is the mean of (1 − α)²(w − y_t), and first order drops one factor of (1 − α).

use metatape::exec::reference::evaluate;
use metatape::tape::{Tape, Var, grad};

/// One number for each task.
fn loss<'t>(w: Var<'t>, y: Var<'t>) -> Var<'t> {
    (w - y).square() * 0.5
}

/// The mean loss of all tasks after `steps` gradient steps of size `alpha` on each.
fn maml<'t>(w: Var<'t>, y: Var<'t>, alpha: f64, steps: usize, first_order: bool) -> Var<'t> {
    // One copy of the shared weight for each task. Whoever differentiates it gets a sum over tasks.
    let mut fast = w.per_task(y.shape().tasks());
    for _ in 0..steps {
        let g = grad(loss(fast, y), &[fast])[0];
        fast = fast - alpha * if first_order { g.detach() } else { g };
    }
    loss(fast, y).mean(&[0])
}

fn main() {
    let (w, alpha, goals) = (2.0, 0.1, [0.5, -1.0, 3.5]);
    let tape = Tape::new();
    let shared = tape.data([1], &[w]);
    let y = tape.data([3], &goals);
    let mean_off = goals.iter().map(|y| w - y).sum::<f64>() / 3.0;
    println!(
        "{:>5} {:>12} {:>12} {:>12} {:>12}",
        "steps", "exact", "expected", "first", "expected"
    );
    for steps in [0, 1, 5, 20] {
        let gradient = |first| grad(maml(shared, y, alpha, steps, first), &[shared])[0];
        let found = evaluate(&tape, &[], &[gradient(false), gradient(true)]);
        let shrink = (1.0f64 - alpha).powi(steps as i32);
        let expected = [shrink * shrink * mean_off, shrink * mean_off];
        let [exact, first] = [found[0][0], found[1][0]];
        println!(
            "{steps:>5} {exact:>12.8} {:>12.8} {first:>12.8} {:>12.8}",
            expected[0], expected[1]
        );
        assert!((exact - expected[0]).abs() < 1e-14 && (first - expected[1]).abs() < 1e-14);
    }
    println!("all equal: the second derivative is there, and `detach` takes exactly it away");
}
