//! The engine in somebody's own program: a small network trained on data that the program has, the weights
//! and the optimiser living inside the compiled step.
//!
//!     cargo run --release --example as_a_library
//!
//! The data: which of two interleaved half-moons a point lies on.

use metatape::error::Result;
use metatape::exec::{Options, compile};
use metatape::loss::{accuracy, cross_entropy};
use metatape::nn::{Activation, Given, Init, Mlp, Model, Params, Weights};
use metatape::optim::{Adam, Optimizer, Pace};
use metatape::random::{Stream, stream};
use metatape::tape::{Tape, grad};

const POINTS: usize = 200;

/// Points `[1, POINTS, 2]` and labels `[1, POINTS]`.
fn moons() -> (Vec<f32>, Vec<f32>) {
    let mut random = Stream::new(1, stream::FREE, 0, 0);
    let mut points = vec![];
    for i in 0..POINTS {
        let angle = random.between(0.0, std::f64::consts::PI);
        let (x, y) = if i % 2 == 0 {
            (angle.cos(), angle.sin())
        } else {
            (1.0 - angle.cos(), 0.5 - angle.sin())
        };
        points.extend([x, y].map(|v| (v + 0.1 * random.normal()) as f32));
    }
    (points, (0..POINTS).map(|i| (i % 2) as f32).collect())
}

fn main() -> Result<()> {
    let model = Mlp { sizes: vec![2, 32, 2], activation: Activation::Tanh, init: Init::Glorot };
    let adam = Optimizer::Adam(Adam::default());

    // Written once: slots for weights, moments, data and the step's number, then loss, gradient, update.
    let tape = Tape::new();
    let weights = Params::inputs(&tape, &model.spec());
    let moments = adam.inputs(&tape, weights.vars());
    let (x, y) = (tape.input([1, POINTS, 2]), tape.input([1, POINTS]));
    let step = tape.input([1]);
    let logits = model.output(&weights, Given::new(x));
    let loss = cross_entropy(logits, y);
    let gradient = grad(loss, weights.vars());
    let (weights_next, moments_next) =
        adam.update(weights.vars(), &gradient, &moments, Pace::new(0.02, step));

    // Each new value goes back into the slot it came from; loss and logits are read when wanted.
    let mut outputs = [weights_next, moments_next.concat()].concat();
    let state: Vec<_> = (0..outputs.len()).map(|slot| (slot, slot)).collect();
    outputs.extend([loss, logits]);
    let mut program = compile(&tape, &outputs, &state, &Options::default())?;

    for (slot, weight) in Weights::init(&model.spec(), 7).iter().enumerate() {
        program.write(slot, &weight.values);
    }
    let (points, labels) = moons();
    program.write(x.slot().expect("an input"), &points);
    program.write(y.slot().expect("an input"), &labels);
    let (mut now, mut answers) = ([0.0], vec![0.0; POINTS * 2]);
    for number in 1..=300 {
        program.write(step.slot().expect("an input"), &[number as f32]);
        program.run()?;
        if number % 100 == 1 || number == 300 {
            program.read(outputs.len() - 2, &mut now)?;
            println!("step {number:>3}: loss {:.4}", now[0]);
        }
    }
    program.read(outputs.len() - 1, &mut answers)?;
    let right = accuracy(&answers, &labels, 2);
    println!("{:.1} % right, on {}", 100.0 * right, program.device());
    // Noise of 0.1 leaves the moons apart.
    assert!(right > 0.97);
    Ok(())
}
