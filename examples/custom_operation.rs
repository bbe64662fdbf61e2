//! An operation of one's own: composed of what the tape has, so its derivatives of every order exist.
//!
//!     cargo run --release --example custom_operation
//!
//! Mish (Misra 2019): x·tanh(softplus x). Its first and second derivative are checked against central
//! differences, in f64 on the reference and in f32 on this machine's fast executor.

use metatape::error::Result;
use metatape::exec::reference::evaluate;
use metatape::exec::{Options, compile};
use metatape::tape::{Tape, Var, grad};

fn mish(x: Var<'_>) -> Var<'_> {
    x * x.softplus().tanh()
}

/// Mish, its derivative and its second derivative at some points, on the reference.
fn on_reference(points: &[f64]) -> Vec<Vec<f64>> {
    let tape = Tape::new();
    let x = tape.data([1, points.len()], points);
    let y = mish(x);
    let slope = grad(y, &[x])[0];
    let bend = grad(slope, &[x])[0];
    evaluate(&tape, &[], &[y, slope, bend])
}

fn main() -> Result<()> {
    let points: Vec<f64> = (-40..=40).map(|i| i as f64 / 8.0).collect();
    let exact = on_reference(&points);

    let h = 1e-5;
    let moved = |by: f64| on_reference(&points.iter().map(|x| x + by).collect::<Vec<_>>());
    let (up, down) = (moved(h), moved(-h));
    for order in [1, 2] {
        let difference = |i: usize| (up[order - 1][i] - down[order - 1][i]) / (2.0 * h);
        let off = (0..points.len()).map(|i| (exact[order][i] - difference(i)).abs());
        let worst = off.fold(0.0, f64::max);
        println!("derivative {order} against its difference: {worst:.1e}");
        // Central differences err by h²·f‴/6 + 1e-16/h, both near 1e-11.
        assert!(worst < 1e-9);
    }

    // The same tape as a program of a fast executor: all of it becomes one kernel.
    let tape = Tape::new();
    let x = tape.input([1, points.len()]);
    let y = mish(x);
    let outputs = [y, grad(y, &[x])[0]];
    let mut program = compile(&tape, &outputs, &[], &Options::default())?;
    program.write_f64(0, &points);
    program.run()?;
    for (i, name) in ["value", "slope"].iter().enumerate() {
        let found = program.read_f64(i, points.len())?;
        let worst = found.iter().zip(&exact[i]).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        println!("{name} on {}: {worst:.1e} from f64", program.device());
        // Values up to 5 in f32, a dozen roundings.
        assert!(worst < 1e-5);
    }
    Ok(())
}
