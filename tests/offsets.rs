//! Logits far from 0: what cancels must cancel first, whatever the plan rewrites.

use metatape::exec::{Device, Options, compile};
use metatape::tape::{Conv2d, Tape, grad};

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
    let run = |device, plain| {
        let options = Options { device, plain, ..Options::default() };
        let mut program = compile(&tape, &outputs, &[], &options).unwrap();
        program.write_f64(0, &values);
        program.run().unwrap();
        [program.read_f64(0, 30).unwrap(), program.read_f64(1, 30).unwrap()]
    };
    let wanted = run(Device::Reference, false);
    for plain in [false, true] {
        for (got, wanted) in run(Device::Cpu, plain).iter().zip(&wanted) {
            for (g, w) in got.iter().zip(wanted) {
                assert!((g - w).abs() < 4e-6, "plain {plain}: {g}, expected {w}");
            }
        }
    }
}

/// Bright pictures, of mean 9 and spread .58: what a normalised first layer's gradient is made of is sixteen times as large as
/// what is left once means are taken off. One kernel a node takes them off each pixel (2e-5 of the largest number,
/// for f32 has 6e-8 a rounding, and both mean and spread are such differences); the fast plan takes them off the window's
/// sums, and another factor of eight of its digits go. More than twice these means that something else cancels.
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
    let run = |device, plain| {
        let options = Options { device, plain, ..Options::default() };
        let mut program = compile(&tape, &outputs, &[], &options).unwrap();
        program.write_f64(0, &pixels);
        program.write_f64(1, &weights);
        program.run().unwrap();
        [program.read_f64(0, 144).unwrap(), program.read_f64(1, 144).unwrap()]
    };
    let wanted = run(Device::Reference, false);
    for plain in [false, true] {
        for (got, wanted) in run(Device::Cpu, plain).iter().zip(&wanted) {
            let scale = wanted.iter().fold(0f64, |m, w| m.max(w.abs()));
            let worst = got.iter().zip(wanted).fold(0f64, |m, (g, w)| m.max((g - w).abs()));
            let most = if plain { 4e-5 } else { 3e-4 };
            assert!(worst < most * scale, "plain {plain}: off by {worst} of {scale}");
        }
    }
}
