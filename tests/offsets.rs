//! Logits far from 0: what cancels must cancel first, whatever the plan rewrites.

use metatape::exec::{Device, Options, compile};
use metatape::tape::{Tape, grad};

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
