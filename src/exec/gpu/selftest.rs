//! Self-tests: before a shader's first use on an adapter it computes a small known answer.
//!
//! Drivers differ, and wrong numbers come without an error. A shader that fails is refused by name;
//! nothing takes its place in silence. What passed is remembered for the process, by the shader's text.

use super::assemble::{self, shader};
use super::device::{Gpu, lock};
use super::launch::Launch;
use super::lower::launches;
use super::program::GpuProgram;
use crate::error::{Error, Result};
use crate::exec::{Program, reference};
use crate::op::{Along, ConvGeometry, Pointwise, Side, Window};
use crate::plan::{Memory, Plan};
use crate::random::uniform24;
use crate::tape::{Tape, Var};
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Tests every shader that `wanted` uses and that has not been tested on `gpu` yet.
pub fn prove(gpu: &Arc<Gpu>, number: usize, wanted: &[Launch]) -> Result<()> {
    if !assemble::self_tests_are_on() {
        return Ok(());
    }
    let files: BTreeSet<&'static str> = wanted.iter().map(|launch| launch.file).collect();
    for file in files {
        let mut hasher = DefaultHasher::new();
        (file, shader(file, &[], None)).hash(&mut hasher);
        let key = hasher.finish();
        if lock(&gpu.proven).contains(&key) {
            continue;
        }
        let worst = test(gpu, file)?;
        if worst > 1.0 {
            return Err(Error::Machine(format!(
                "shader {file} gives wrong numbers on {} ({worst:.1} times the tolerance); use another \
                 driver, `--device cpu`, or another adapter than gpu:{number}",
                gpu.adapter
            )));
        }
        lock(&gpu.proven).insert(key);
    }
    Ok(())
}

/// Tests every kernel shader there is; how many passed, or the first that did not.
pub fn all(gpu: &Arc<Gpu>) -> Result<usize> {
    for (file, _) in assemble::FILES {
        let worst = test(gpu, file)?;
        if worst > 1.0 {
            let why = format!("shader {file} gives wrong numbers ({worst:.1} times the tolerance)");
            return Err(Error::Machine(why));
        }
    }
    Ok(assemble::FILES.len())
}

/// The largest error of a shader's small program against the reference, in tolerances.
///
/// Tolerance: 2e-5 of the largest element of each output. Values are of order 1; the longest sum has
/// 70,000 terms, whose rounding grows with its root, so 6e-8 · 265 = 1.6e-5 at worst.
pub fn test(gpu: &Arc<Gpu>, file: &str) -> Result<f64> {
    let tape = Tape::new();
    let outputs = example(&tape, file);
    let plan = Plan::plain(&tape, &outputs, &state_of(file), Memory::AllTasks);
    let hardware = file == "matmul_tiles"; // which a software adapter would not choose
    let (made, len) = launches(&plan, hardware)?;
    assert!(made.iter().any(|launch| launch.file == file), "the example of {file} uses it");
    let inputs: Vec<Vec<f64>> = tape
        .input_shapes()
        .iter()
        .enumerate()
        .map(|(slot, shape)| {
            let uniform = |i| uniform24(9, 1, i, 0, slot as u32) as f64 * 2.0 - 1.0;
            (0..shape.len() as u32).map(uniform).collect()
        })
        .collect();
    let mut program = GpuProgram::ready(gpu.clone(), &plan, made, len, u64::MAX)?;
    for (slot, values) in inputs.iter().enumerate() {
        program.write_f64(slot, values);
    }
    program.run()?;
    let mut worst = 0.0f64;
    for (k, wanted) in reference::evaluate(&tape, &inputs, &outputs).iter().enumerate() {
        let got = if file == "copy_ranges" {
            let mut got = vec![0.0f32; wanted.len()]; // the state it has been copied to
            program.read_slot(k, &mut got)?;
            got.into_iter().map(f64::from).collect()
        } else {
            program.read_f64(k, wanted.len())?
        };
        let scale = wanted.iter().fold(1.0f64, |scale, v| scale.max(v.abs()));
        for (a, b) in got.iter().zip(wanted) {
            let error = (a - b).abs() / (2e-5 * scale);
            worst = worst.max(if error.is_nan() { f64::INFINITY } else { error });
        }
    }
    Ok(worst)
}

fn state_of(file: &str) -> Vec<(usize, usize)> {
    if file == "copy_ranges" { vec![(0, 0), (1, 1)] } else { vec![] }
}

/// A program that uses the shader in all its forms, inputs in [-1, 1).
fn example<'t>(tape: &'t Tape, file: &str) -> Vec<Var<'t>> {
    let image = |channels: usize| tape.input([2, 2, 7, 6, channels]);
    let geometry = ConvGeometry {
        stride: [2, 1],
        pad: [1, 0, 2, 1],
        dilation: [1, 2],
        groups: 2,
        image: [7, 6],
        kernel: [3, 3],
    };
    match file {
        "sweep_map" => {
            let (a, b, c) = (tape.input([3, 5, 7]), tape.input([3, 5, 7]), tape.input([3, 5, 7]));
            let positive = a * a + 0.3;
            let mut outputs: Vec<Var> = Pointwise::ALL
                .iter()
                .map(|&op| {
                    let (low, _) = op.domain();
                    let first = if low > 0.0 { positive } else { a };
                    let args = [first, b, c];
                    tape.push(crate::op::Op::Pointwise(op), &args[..op.arity()], None)
                })
                .collect();
            outputs.push(b.permute(&[0, 2, 1]));
            outputs
        }
        "sweep_sum" => vec![
            tape.input([2, 70, 5]).sum(&[2]),
            tape.input([2, 3, 700]).sum(&[2]),
            tape.input([2, 90, 19]).sum(&[1]),
            tape.input([1, 70_000]).sum(&[1]),
        ],
        "matmul_registers" => vec![
            tape.input([2, 5, 9]).matmul(tape.input([2, 9, 7])),
            tape.input([1, 17, 2000]).matmul_t(tape.input([1, 18, 2000]), false, true),
        ],
        "matmul_tiles" => vec![
            tape.input([2, 70, 33]).matmul(tape.input([2, 33, 66])),
            tape.input([1, 600, 40]).matmul_t(tape.input([1, 40, 600]), true, true),
        ],
        "conv_output" => {
            vec![image(4).conv_side(tape.input([2, 3, 3, 2, 6]), Side::Output, geometry)]
        }
        "conv_input" => {
            let g = tape.input([2, 2, 3, 5, 6]);
            vec![tape.input([2, 3, 3, 2, 6]).conv_side(g, Side::Input, geometry)]
        }
        "conv_weight" => {
            vec![image(4).conv_side(tape.input([2, 2, 3, 5, 6]), Side::Weight, geometry)]
        }
        "argmax_axis" => {
            let (short, long) = (tape.input([2, 9, 5]), tape.input([2, 300, 3]));
            let steps = long.less(long.like(0.0)); // many equal ones: the first counts
            let equal = short.less(short.like(0.0));
            let (last, first) = (Along::Axis(2), Along::Axis(1));
            vec![short.argmax(last), equal.argmax(last), long.argmax(first), steps.argmax(first)]
        }
        "take_put" => {
            let (x, index) = (tape.input([2, 9, 5]), tape.input([2, 4, 5]) * 9.0);
            let index = index.max(index * -1.0); // fractions are cut off alike everywhere
            let taken = x.take(index, Along::Axis(1));
            vec![taken, taken.put(index, Along::Axis(1), [2, 9, 5])]
        }
        "choose_window" => {
            let window = Window { size: [3, 2], stride: [2, 1], pad: [1, 0, 0, 1] };
            let (x, along) = (image(3), Along::Window(window));
            let (index, equal) = (x.argmax(along), x.less(x.like(0.0)).argmax(along));
            let taken = x.take(index, along);
            vec![index, equal, taken, taken.put(index, along, x.shape())]
        }
        "random" => vec![tape.random(3, 4, tape.filled(5.0, [1, 1]), [2, 100])],
        "copy_ranges" => vec![tape.input([2, 3]) * 2.0, tape.input([1, 5000]) + 1.0],
        _ => panic!("{file} has no self-test"),
    }
}
