//! The `gpu` executor against `reference`: every kind of kernel, odd sizes, shared and per-task operands.
//!
//! Needs a GPU adapter; a software one will do (Debian: libvulkan1 mesa-vulkan-drivers), and
//! METATAPE_NO_GPU=1 says that there is none.
#![cfg(feature = "gpu")]

#[path = "../support/any_program/mod.rs"]
mod any_program;
mod kernels;
mod programs;

use metatape::exec::gpu::{self, GpuProgram};
use metatape::exec::{Options, Program, reference};
use metatape::op::{ConvGeometry, Side};
use metatape::random::uniform24;
use metatape::tape::{Tape, Var};
use std::io::Write;

/// The adapter the tests run on; `None`, aloud, where METATAPE_NO_GPU says that there is none.
fn adapter() -> Option<usize> {
    if std::env::var_os("METATAPE_NO_GPU").is_some() {
        // Not `eprintln!`, which the test harness keeps to itself when a test passes.
        static SAID: std::sync::Once = std::sync::Once::new();
        SAID.call_once(|| {
            let _ = std::io::stderr().write_all(b"skipped: no GPU (METATAPE_NO_GPU is set)\n");
        });
        return None;
    }
    match gpu::choose_adapter(None) {
        Ok(number) => Some(number),
        Err(why) => panic!("{why} (METATAPE_NO_GPU=1 skips these tests)"),
    }
}

fn inputs(tape: &Tape) -> Vec<Vec<f64>> {
    let uniform = |i, slot| uniform24(3, 1, i, 0, slot as u32) as f64 * 2.0 - 1.0;
    let shapes = tape.input_shapes();
    let fill = |(slot, shape): (usize, &metatape::shape::Shape)| {
        (0..shape.len() as u32).map(|i| uniform(i, slot)).collect()
    };
    shapes.iter().enumerate().map(fill).collect()
}

fn run(program: &mut dyn Program, inputs: &[Vec<f64>], outputs: &[Var]) -> Vec<Vec<f64>> {
    for (slot, values) in inputs.iter().enumerate() {
        program.write_f64(slot, values);
    }
    run_again(program, outputs)
}

/// A run with what the slots hold already.
fn run_again(program: &mut dyn Program, outputs: &[Var]) -> Vec<Vec<f64>> {
    program.run().unwrap();
    let read = |(k, output): (usize, &Var)| program.read_f64(k, output.shape().len()).unwrap();
    outputs.iter().enumerate().map(read).collect()
}

/// |got − wanted| ≤ tolerance · largest |wanted| of the output, at least 1 as the inputs are: a sum
/// that cancels keeps the rounding of its terms. NaN and infinity where wanted has them.
#[track_caller]
fn close(what: &str, got: &[Vec<f64>], wanted: &[Vec<f64>], tolerance: f64) {
    for (k, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        assert_eq!(got.len(), wanted.len());
        let finite = wanted.iter().filter(|v| v.is_finite());
        let scale = finite.fold(1.0f64, |scale, v| scale.max(v.abs()));
        for (i, (a, b)) in got.iter().zip(wanted).enumerate() {
            let same = if b.is_finite() {
                (a - b).abs() <= tolerance * scale
            } else {
                a == b || a.is_nan() && b.is_nan()
            };
            assert!(same, "{what}, output {k}, element {i}: {a}, expected {b} (scale {scale})");
        }
    }
}

/// Plain and fast plans on the GPU against the reference. 2e-5 of the largest value: sums here have up to some thousand
/// terms of order 1, whose rounding grows with the root of their number (6e-8 · √1e4 = 6e-6).
#[track_caller]
fn agrees(what: &str, build: impl for<'t> Fn(&'t Tape) -> Vec<Var<'t>>) {
    agrees_for(what, build, inputs);
}

#[track_caller]
fn agrees_for(
    what: &str,
    build: impl for<'t> Fn(&'t Tape) -> Vec<Var<'t>>,
    inputs: impl Fn(&Tape) -> Vec<Vec<f64>>,
) {
    let Some(number) = adapter() else { return };
    let tape = Tape::new();
    let outputs = build(&tape);
    let inputs = inputs(&tape);
    let wanted = reference::evaluate(&tape, &inputs, &outputs);
    for plain in [true, false] {
        let options = Options { plain, ..Default::default() };
        let mut program = GpuProgram::compile(&tape, &outputs, &[], &options, number).unwrap();
        let got = run(&mut program, &inputs, &outputs);
        close(&format!("{what}, plain: {plain}"), &got, &wanted, 2e-5);
    }
}

fn geometries() -> Vec<(ConvGeometry, usize, usize)> {
    let plain = ConvGeometry {
        stride: [1, 1],
        pad: [1, 1, 1, 1],
        dilation: [1, 1],
        groups: 1,
        image: [7, 6],
        kernel: [3, 3],
    };
    vec![
        (plain, 3, 5),
        (ConvGeometry { pad: [0; 4], kernel: [1, 1], ..plain }, 7, 1),
        (ConvGeometry { stride: [2, 3], pad: [1, 0, 2, 1], ..plain }, 4, 6),
        (ConvGeometry { dilation: [2, 1], pad: [2, 1, 0, 3], kernel: [2, 4], ..plain }, 1, 9),
        (ConvGeometry { groups: 2, stride: [2, 2], ..plain }, 6, 10),
        (ConvGeometry { groups: 5, ..plain }, 5, 5),
        (ConvGeometry { image: [1, 1], kernel: [2, 2], pad: [1, 0, 0, 1], ..plain }, 2, 3),
        (ConvGeometry { image: [40, 41], ..plain }, 2, 3), // long sums of the weight side
    ]
}
