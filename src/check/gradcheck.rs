//! `gradcheck`: every operation differentiated, order by order, and compared.
//!
//! On `reference` the k-th derivative along random directions, as the tape writes it, is compared with
//! the central difference of the (k − 1)-th; all in f64. On `cpu` and `gpu` the results and the
//! gradients of every order are compared with the reference's.

use super::guard::quietly;
use super::program_of::{Derivatives, draw, operand_shapes};
use super::rows::{self, Row};
use super::verify::device;
use crate::error::{Error, Result};
use crate::exec::{Device, Options};
use crate::recipe::suggest::did_you_mean;
use crate::shape::Shape;
use std::io::Write;

/// Central differences with one extrapolation err by h⁴ (h = 2e-4) times a high derivative, and by
/// rounding over h, 1e-16/2e-4, times what cancels in the sums: 8e-10 in the worst row, so a hundred
/// times that passes. A wrong rule shows percents.
pub const DIFFERENCE_LIMIT: f64 = 1e-7;

/// f32 against f64, relative to the largest gradient of its order: 6e-8 a rounding, times the
/// hundreds that a third derivative takes, times the cancellation in them.
pub const F32_LIMIT: f64 = 1e-4;

/// Checks every row (or those named `op_name`) for derivatives of the orders 1 to `order`, and prints
/// a line for each program: name, shapes, the largest relative error of each order, ok or FAILED.
///
/// Errors: `Answer` if a row fails, `Input` for an order other than 1 to 3 or an unknown name.
pub fn gradcheck(
    order: usize,
    options: &Options,
    op_name: Option<&str>,
    out: &mut dyn Write,
) -> Result<()> {
    if !(1..=3).contains(&order) {
        return Err(Error::Input(format!("order {order}; gradcheck knows 1, 2 and 3")));
    }
    let mut chosen = rows::all();
    if let Some(name) = op_name {
        if !chosen.iter().any(|row| row.name == name) {
            let known = chosen.iter().map(|row| row.name.as_str());
            let hint = did_you_mean(name, known);
            return Err(Error::Input(format!("no operation is called {name:?}; {hint}")));
        }
        chosen.retain(|row| row.name == name);
    }
    let exact = options.device == Device::Reference;
    let limit = if exact { DIFFERENCE_LIMIT } else { F32_LIMIT };
    let against = if exact { "finite differences" } else { "the reference" };
    let device = device(options)?;
    say(out, &format!("{device} against {against}, orders 1 to {order}, limit {limit:.0e}"))?;

    let (mut programs, mut failed, mut worst) = (0, 0, 0.0f64);
    for (number, row) in chosen.iter().enumerate() {
        for shapes in row.sizes.iter().flat_map(|sizes| operand_shapes(&row.operands, sizes)) {
            let ran = quietly(|| check(row, &shapes, order, number as u32, options));
            programs += 1;
            let fine = match ran.unwrap_or_else(|panic| Err(Error::Machine(panic))) {
                Ok(errors) => {
                    worst = errors.iter().fold(worst, |a, &b| if b <= a { a } else { b });
                    // Not `>`: an error that is no number fails too.
                    let fine = errors.iter().all(|&error| error <= limit);
                    let verdict = if fine { "ok" } else { "FAILED" };
                    let errors: Vec<String> = errors.iter().map(|e| format!("{e:.1e}")).collect();
                    say(out, &line(row, &shapes, &errors.join("  "), verdict))?;
                    fine
                }
                Err(why @ Error::Interrupted(_)) => return Err(why),
                // A kernel that is refused or panics fails its own row, not the others.
                Err(why) => {
                    say(out, &line(row, &shapes, &why.to_string(), "FAILED"))?;
                    false
                }
            };
            failed += usize::from(!fine);
        }
    }
    say(out, &format!("{programs} programs, {failed} FAILED, largest relative error {worst:.1e}"))?;
    match failed {
        0 => Ok(()),
        _ => Err(Error::Answer(format!("gradcheck: {failed} of {programs} programs FAILED"))),
    }
}

fn say(out: &mut dyn Write, line: &str) -> Result<()> {
    writeln!(out, "{line}").map_err(|why| Error::Machine(format!("cannot write: {why}")))
}

fn line(row: &Row, shapes: &[Shape], errors: &str, verdict: &str) -> String {
    let shapes: Vec<String> = shapes.iter().map(Shape::to_string).collect();
    format!("{:17} {:42} {errors:27} {verdict}", row.name, shapes.join(" "))
}

/// The largest relative error of each order from 1; an f32 executor's result is counted to order 1.
fn check(
    row: &Row,
    shapes: &[Shape],
    order: usize,
    seed: u32,
    options: &Options,
) -> Result<Vec<f64>> {
    let values = draw(&row.operands, shapes, seed);
    let tape = crate::tape::Tape::new();
    let derivatives = Derivatives::new(&tape, row, shapes, order, seed);
    if options.device == Device::Reference {
        derivatives.against_differences(&values)
    } else {
        derivatives.against_reference(&values, options)
    }
}
