//! The program gradcheck runs for a row: a number made of the row's result, and its derivatives along
//! random directions, each the derivative of the one before.
//!
//! With y = f(x) and random c the number is s = Σ c·(y + y²/2 + y³/6), so that even a linear f leaves
//! something to differentiate three times, and the cotangent it sees depends on x. Then D₀ = s and
//! D_k = Σ ⟨∂D_{k−1}/∂x, v_k⟩.

use super::rows::{Operand, Row};
use crate::error::Result;
use crate::exec::{Device, Options, Program, compile};
use crate::random::{Stream, stream};
use crate::shape::Shape;
use crate::tape::{Tape, Var, grad};

/// The step of the differences. Points are drawn at least 1e-3 apart (see [`draw`]), so no
/// difference crosses a tie or a kink.
const STEP: f64 = 2e-4;

/// For every operand's sizes: one task, three tasks, and three with each operand in turn shared.
pub fn operand_shapes(operands: &[Operand], sizes: &[&[usize]]) -> Vec<Vec<Shape>> {
    let with_tasks = |tasks: &dyn Fn(usize) -> usize| -> Vec<Shape> {
        let shape = |(k, size): (usize, &&[usize])| match operands[k] {
            Operand::Line(_) => Shape::new(size),
            _ => Shape::new(&[&[tasks(k)], *size].concat()),
        };
        sizes.iter().enumerate().map(shape).collect()
    };
    let mut all = vec![with_tasks(&|_| 1), with_tasks(&|_| 3)];
    let axes = operands.iter().filter(|o| !matches!(o, Operand::Line(_))).count();
    if axes > 1 {
        all.extend((0..sizes.len()).map(|shared| with_tasks(&|k| if k == shared { 1 } else { 3 })));
    }
    all
}

/// Values for each operand. Real ones with the same interval stand on one shuffled grid, at least half
/// a cell apart from each other and a quarter from 0, so no max, relu or pool is near its kink.
pub fn draw(operands: &[Operand], shapes: &[Shape], seed: u32) -> Vec<Vec<f64>> {
    let mut random = Stream::new(seed, stream::FREE, 0, 0);
    let count: usize = shapes.iter().map(Shape::len).sum::<usize>().next_multiple_of(2);
    let mut cells: Vec<usize> = (0..count).collect();
    for i in (1..count).rev() {
        cells.swap(i, random.below(i + 1));
    }
    let mut cells = cells.into_iter();
    let values = operands.iter().zip(shapes).map(|(operand, shape)| {
        let mut value = || match *operand {
            Operand::Free(low, high) | Operand::Held(low, high) => {
                let cell = cells.next().expect("a cell for each element") as f64;
                low + (high - low) * (cell + 0.25 + 0.5 * f64::from(random.uniform()))
                    / count as f64
            }
            Operand::Whole(n) | Operand::Line(n) => random.below(n) as f64,
        };
        (0..shape.len()).map(|_| value()).collect()
    });
    values.collect()
}

/// See the file's first paragraph.
pub struct Derivatives<'t> {
    tape: &'t Tape,
    operands: Vec<Operand>,
    /// f(x).
    result: Var<'t>,
    /// D₀, D₁, ...
    numbers: Vec<Var<'t>>,
    /// For each order from 1, ∂D_{k−1}/∂x for each real operand.
    gradients: Vec<Vec<Var<'t>>>,
    /// Values of c, then of v₁, v₂, ... for each operand: the slots after the operands'.
    fixed: Vec<Vec<f64>>,
    /// The directions again, by order and operand; zero where an operand is not real.
    directions: Vec<Vec<Vec<f64>>>,
}

impl<'t> Derivatives<'t> {
    pub fn new(tape: &'t Tape, row: &Row, shapes: &[Shape], order: usize, seed: u32) -> Self {
        let mut random = Stream::new(seed, stream::FREE, 1, 0);
        let mut noise = |len: usize| -> Vec<f64> {
            // Away from 0, so that no term of a sum goes unseen.
            (0..len)
                .map(|_| (0.3 + 0.7 * f64::from(random.uniform())) * [1.0, -1.0][random.below(2)])
                .collect()
        };
        let x: Vec<Var> = shapes.iter().map(|&shape| tape.input(shape)).collect();
        let y = (row.formula)(&x);
        let c = tape.input(y.shape());
        let mut fixed = vec![noise(y.shape().len())];
        let real: Vec<usize> = (0..x.len())
            .filter(|&k| matches!(row.operands[k], Operand::Free(..) | Operand::Held(..)))
            .collect();
        let wrt: Vec<Var> = real.iter().map(|&k| x[k]).collect();

        let s = c * (y + y.square() * 0.5 + y.square() * y * (1.0 / 6.0));
        let mut numbers = vec![s.sum_all().reshape([1])];
        let (mut gradients, mut directions) = (vec![], vec![]);
        for _ in 0..order {
            let g = grad(numbers[numbers.len() - 1], &wrt);
            let mut along = vec![vec![]; x.len()];
            let mut sum: Option<Var> = None;
            for (&k, g) in real.iter().zip(&g) {
                along[k] = noise(shapes[k].len());
                fixed.push(along[k].clone());
                let part = (*g * tape.input(shapes[k])).sum_all().reshape([1]);
                sum = Some(sum.map_or(part, |sum| sum + part));
            }
            numbers.extend(sum);
            gradients.push(g);
            directions.push(along);
        }
        let operands = row.operands.clone();
        Self { tape, operands, result: y, numbers, gradients, fixed, directions }
    }

    fn write(&self, program: &mut dyn Program, values: &[Vec<f64>]) {
        for (slot, values) in values.iter().chain(&self.fixed).enumerate() {
            program.write_f64(slot, values);
        }
    }

    /// For each order k from 1: the tape's D_k beside the difference of D_{k−1} along v_k. Held
    /// operands stay where they are, so a derivative that reaches one shows.
    ///
    /// The error is relative to |D_k|, and to a thousandth of |D_{k−1}| where D_k vanishes: what
    /// rounding alone leaves in a difference.
    pub fn against_differences(&self, values: &[Vec<f64>]) -> Result<Vec<f64>> {
        let options = Options { device: Device::Reference, ..Options::default() };
        let mut program = compile(self.tape, &self.numbers, &[], &options)?;
        self.write(&mut *program, values);
        let mut at = |order: usize, step: f64| -> Result<Vec<f64>> {
            for (slot, (operand, values)) in self.operands.iter().zip(values).enumerate() {
                if let Operand::Free(..) = operand {
                    let along = &self.directions[order][slot];
                    let moved = values.iter().zip(along).map(|(x, v)| x + step * v);
                    program.write_f64(slot, &moved.collect::<Vec<_>>());
                }
            }
            program.run()?;
            (0..self.numbers.len()).map(|k| Ok(program.read_f64(k, 1)?[0])).collect()
        };
        let tape = at(0, 0.0)?;
        let errors = (1..tape.len()).map(|k| {
            let mut difference = |h: f64| {
                Ok::<f64, crate::error::Error>(
                    (at(k - 1, h)?[k - 1] - at(k - 1, -h)?[k - 1]) / (2.0 * h),
                )
            };
            // Richardson: the errors h² and (2h)² cancel.
            let wanted = (4.0 * difference(STEP)? - difference(2.0 * STEP)?) / 3.0;
            let scale = wanted.abs().max(1e-3 * tape[k - 1].abs()).max(1e-6);
            Ok((tape[k] - wanted).abs() / scale)
        });
        errors.collect()
    }

    /// For each order: the largest difference to the reference's gradients, relative to the largest
    /// of them (at least a hundredth of the largest of all orders); the first counts the result too. Both see the same numbers, rounded to f32.
    pub fn against_reference(&self, values: &[Vec<f64>], options: &Options) -> Result<Vec<f64>> {
        let outputs: Vec<Var> =
            std::iter::once(self.result).chain(self.gradients.iter().flatten().copied()).collect();
        let round = |v: &Vec<f64>| v.iter().map(|&v| f64::from(v as f32)).collect::<Vec<_>>();
        let run = |options: &Options| -> Result<Vec<Vec<f64>>> {
            let mut program = compile(self.tape, &outputs, &[], options)?;
            for (slot, values) in values.iter().chain(&self.fixed).enumerate() {
                program.write_f64(slot, &round(values));
            }
            program.run()?;
            let read = |(k, output): (usize, &Var)| program.read_f64(k, output.shape().len());
            outputs.iter().enumerate().map(read).collect()
        };
        let wanted = run(&Options { device: Device::Reference, ..*options })?;
        let got = run(options)?;
        // A gradient that is zero by cancellation keeps the rounding of what cancelled.
        let least = (1e-2 * largest(&wanted)).max(f64::MIN_POSITIVE);
        let relative = |got: &[Vec<f64>], wanted: &[Vec<f64>]| {
            let pairs = got.iter().flatten().zip(wanted.iter().flatten());
            pairs.fold(0.0, |most, (g, w)| worse(most, (g - w).abs())) / largest(wanted).max(least)
        };
        let mut errors = vec![relative(&got[..1], &wanted[..1])];
        let each = self.gradients[0].len();
        for (k, (got, wanted)) in got[1..].chunks(each).zip(wanted[1..].chunks(each)).enumerate() {
            let error = relative(got, wanted);
            if k == 0 { errors[0] = worse(errors[0], error) } else { errors.push(error) }
        }
        Ok(errors)
    }
}

/// The larger, and NaN if there is one: a NaN must not pass for small.
fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

/// max|v| over all tensors together.
fn largest(tensors: &[Vec<f64>]) -> f64 {
    tensors.iter().flatten().fold(0.0, |most: f64, v| most.max(v.abs()))
}
