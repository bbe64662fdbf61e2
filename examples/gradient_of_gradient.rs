//! A gradient is tape, so it has a gradient: three derivatives of one function, against closed forms.
//!
//!     cargo run --release --example gradient_of_gradient

use metatape::exec::reference::evaluate;
use metatape::tape::{Tape, Var, grad};

/// f(x) = x³·sin x, elementwise.
fn f(x: Var<'_>) -> Var<'_> {
    x.powi(3) * x.sin()
}

fn main() {
    let points = [-1.3, 0.0, 0.4, 2.0];
    let tape = Tape::new();
    // Shapes begin with the task axis; here one task with four numbers.
    let x = tape.data([1, 4], &points);
    let y = f(x);
    // `grad` is the gradient of the sum, and no element's value depends on another's x: so each of these is
    // the derivative at every point.
    let first = grad(y, &[x])[0];
    let second = grad(first, &[x])[0];
    let third = grad(second, &[x])[0];
    println!("the tape has {} nodes; nothing has been computed yet", tape.len());

    let found = evaluate(&tape, &[], &[y, first, second, third]);
    let closed = |x: f64| {
        let (s, c) = x.sin_cos();
        [
            x.powi(3) * s,
            3.0 * x.powi(2) * s + x.powi(3) * c,
            (6.0 * x - x.powi(3)) * s + 6.0 * x.powi(2) * c,
            (6.0 - 9.0 * x.powi(2)) * s + (18.0 * x - x.powi(3)) * c,
        ]
    };
    println!("{:>6} {:>12} {:>12} {:>12} {:>12}", "x", "f", "f'", "f''", "f'''");
    let mut worst = 0.0f64;
    for (i, &x) in points.iter().enumerate() {
        let row: Vec<f64> = found.iter().map(|values| values[i]).collect();
        println!("{x:>6} {:>12.6} {:>12.6} {:>12.6} {:>12.6}", row[0], row[1], row[2], row[3]);
        worst = row.iter().zip(closed(x)).fold(worst, |w, (a, b)| w.max((a - b).abs()));
    }
    println!("largest difference to the closed forms: {worst:.1e}");
    // A few dozen roundings of numbers up to 40.
    assert!(worst < 1e-13);
}
