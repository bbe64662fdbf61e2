//! Programs that nobody thought of: random steps, gradients among them, so that gradients of gradients are taken as well. What
//! fails is cut down to the fewest steps that still do.
//!
//! f32 and f64 may rightly differ where a choice hangs on a rounding error, so no kink stands where operands
//! can meet exactly: a ReLU bends away from 0, and places are told apart before the largest is looked for.
#![allow(dead_code, reason = "not every test asks for everything")]

pub mod pictures;
pub mod shapes;
pub mod state;

use metatape::tape::{Var, grad};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Steps of the longest.
const STEPS: usize = 14;

/// Nodes from which on no gradient is taken.
const NODES: usize = 400;

/// What a step does, and numbers by which it finds its operands and places.
type Step = (u8, [u8; 4]);

/// Programs of one sort.
pub struct Family {
    /// Shapes of the inputs.
    leaves: BoxedStrategy<Vec<Vec<usize>>>,
    /// Elements of the largest value.
    largest: usize,
    /// A step's first number is below it, or the same: then derivatives stop, in a family where some may.
    kinds: u8,
    stops: bool,
    /// The result of a step of this kind; none where its operands do not suit it.
    taken: for<'t> fn(u8, &Operands<'_, 't>) -> Option<Var<'t>>,
}

/// What a step may take.
struct Operands<'a, 't> {
    x: Var<'t>,
    y: Var<'t>,
    leaves: &'a [Var<'t>],
    /// By which it finds places.
    numbers: [usize; 3],
    /// Elements that it may make.
    largest: usize,
}

/// Calls `check` with the shapes of the inputs and what computes the outputs of each of `count` programs, the same each time;
/// METATAPE_PROGRAMS, where it is set, says how many.
pub fn for_programs(
    family: Family,
    count: u32,
    check: impl Fn(&[&[usize]], &dyn for<'t> Fn(&[Var<'t>]) -> Vec<Var<'t>>),
) {
    let asked = std::env::var("METATAPE_PROGRAMS").ok().and_then(|n| n.parse().ok());
    let cases = asked.unwrap_or(count);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let dice = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let steps = prop::collection::vec(
        (0..family.kinds + u8::from(family.stops), any::<[u8; 4]>()),
        1..=STEPS,
    );
    let mut runner = TestRunner::new_with_rng(config, dice);
    let outcome = runner.run(&(family.leaves.clone(), steps), |(shapes, steps)| {
        let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
        check(&shapes, &|leaves| family.outputs(&steps, leaves));
        Ok(())
    });
    outcome.unwrap();
}

impl Family {
    /// The same without steps that stop derivatives.
    pub fn without_stops(self) -> Self {
        Self { stops: false, ..self }
    }

    /// The last value, one between, and the gradients by all leaves of a number made of the last.
    fn outputs<'t>(&self, steps: &[Step], leaves: &[Var<'t>]) -> Vec<Var<'t>> {
        let mut values = leaves.to_vec();
        for &(what, numbers) in steps {
            // The last value as often as all before it.
            let operands = [numbers[0], numbers[1]].map(|i| match i % 2 {
                0 => values[values.len() - 1],
                _ => values[i as usize / 2 % values.len()],
            });
            let taken = match what == self.kinds {
                true => Some(operands[0].detach()),
                false => {
                    let ([x, y], [_, numbers @ ..]) = (operands, numbers.map(usize::from));
                    let largest = self.largest;
                    (self.taken)(what, &Operands { x, y, leaves, numbers, largest })
                }
            };
            values.extend(taken.filter(|value| value.shape().len() <= self.largest));
        }
        let last = values[values.len() - 1];
        let between = values[(leaves.len() + values.len() - 1) / 2];
        let loss = last.tanh().square().sum_all() * (1.0 / last.shape().len() as f64);
        [vec![last, between], grad(loss, leaves)].concat()
    }
}

impl<'t> Operands<'_, 't> {
    /// Whether x and y go together place by place.
    fn pair(&self) -> bool {
        let (a, b) = (self.x.shape(), self.y.shape());
        let both = || a.broadcast(&b).is_ok_and(|both| both.len() <= self.largest);
        a.rank() == b.rank() && both()
    }

    /// Whether x and y can follow each other along `axis`.
    fn joins(&self, axis: usize) -> bool {
        let (a, b) = (self.x.shape(), self.y.shape());
        a.rank() == b.rank() && a.with(axis, 1) == b.with(axis, 1)
    }

    /// x, and at each place along `axes` a number that no other place has.
    fn told_apart(&self, axes: &[usize]) -> Var<'t> {
        let s = self.x.shape();
        let size = |axis| if axes.contains(&axis) { s[axis] } else { 1 };
        let sizes: Vec<usize> = (0..s.rank()).map(size).collect();
        let places: usize = sizes.iter().product();
        self.x + self.x.tape.iota(&sizes[..], 2.0 / places as f64, -1.0)
    }
}

/// The gradient by `of` of a number made of `loss`; none where the tape is long already.
fn tangent<'t>(loss: Var<'t>, of: Var<'t>) -> Option<Var<'t>> {
    let scale = 4.0 / loss.shape().len() as f64;
    (loss.tape.len() <= NODES).then(|| grad(loss.sum_all() * scale, &[of])[0])
}
