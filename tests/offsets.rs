//! Numbers far from 0: what cancels must cancel first, whatever the plan rewrites.

use metatape::exec::{Device, Options, compile};
use metatape::tape::{Conv2d, Tape, Var, grad};

/// Both outputs by the reference, and by `cpu` with the fast plan and the plain one.
fn answers(tape: &Tape, outputs: &[Var; 2], values: &[Vec<f64>]) -> [[Vec<f64>; 2]; 3] {
    let ways = [(Device::Reference, false), (Device::Cpu, false), (Device::Cpu, true)];
    ways.map(|(device, plain)| {
        let options = Options { device, plain, ..Options::default() };
        let mut program = compile(tape, outputs, &[], &options).unwrap();
        for (slot, values) in values.iter().enumerate() {
            program.write_f64(slot, values);
        }
        program.run().unwrap();
        [0, 1].map(|k| program.read_f64(k, outputs[k].shape().len()).unwrap())
    })
}

/// Logits 10,000 + k/1024, exact in f32. The answer does not depend on the offset, so an f32 executor
/// has to give it as well as without one: 4e-6 is some roundings of numbers below 4. Subtracting
/// max + ln Σ at once instead of one after the other is wrong by 2^-11 here.
#[test]
fn log_softmax_far_from_zero_keeps_its_digits() {
    let tape = Tape::new();
    let x = tape.input([3, 2, 5]);
    let y = x.log_softmax(2);
    let outputs = [y, grad(y.square(), &[x])[0]];
    let values: Vec<f64> = (0..30).map(|i| 1e4 + f64::from(i * 7 % 1000) / 1024.0).collect();
    let [wanted, fast, plain] = answers(&tape, &outputs, &[values]);
    for (plan, got) in [("fast", fast), ("plain", plain)] {
        for (got, wanted) in got.iter().zip(&wanted) {
            for (g, w) in got.iter().zip(wanted) {
                assert!((g - w).abs() < 4e-6, "{plan} plan: {g}, expected {w}");
            }
        }
    }
}

/// Bright pictures, of mean 9 and spread .58: what a normalised first layer's gradient is made of is sixteen times as large as
/// what is left once means are taken off. One kernel a node takes them off each pixel (2e-5 of the largest number,
/// for f32 has 6e-8 a rounding, and both mean and spread are such differences); the fast plan takes them off the window's
/// sums, and loses another digit (1.5e-4). More than twice these means that something else cancels.
#[test]
fn a_first_layer_on_bright_pictures_keeps_its_digits() {
    let tape = Tape::new();
    let (x, window) = (tape.input([2, 2, 7, 7, 1]), tape.input([1, 3, 3, 1, 16]));
    let y = x.conv2d(window.per_task(2), Conv2d::new(1, 0)).normalize(&[1, 2, 3], 1e-3);
    let loss = (y.relu() * y.sin()).sum_all();
    let first = grad(loss, &[window])[0];
    let second = grad(first.square().sum_all(), &[window])[0];
    let outputs = [first, second];
    let pixels: Vec<f64> =
        (0..196).map(|i| 9.0 + f64::from(i * i * 37 % 64) / 32.0 - 1.0).collect();
    let weights: Vec<f64> = (0..144).map(|i| f64::from(i * i * 29 % 61) / 61.0 - 0.5).collect();
    let [wanted, fast, plain] = answers(&tape, &outputs, &[pixels, weights]);
    for (plan, got, most) in [("fast", fast, 3e-4), ("plain", plain, 4e-5)] {
        for (got, wanted) in got.iter().zip(&wanted) {
            let scale = wanted.iter().fold(0f64, |m, w| m.max(w.abs()));
            let worst = got.iter().zip(wanted).fold(0f64, |m, (g, w)| m.max((g - w).abs()));
            assert!(worst < most * scale, "{plan} plan: off by {worst} of {scale}");
        }
    }
}
