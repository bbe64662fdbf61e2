//! Row R7: three heads on one Conv-4-64 trunk. What do three exact gradients cost beside one of the mean?
//!
//! Estimate, in flops of a sample: forward F, backward 2F − F1 (no gradient to the picture), so one pass 3F − F1 and three
//! gradients from one forward pass F + 3(2F − F1): 2.32 times one pass. What is above that is overhead.

use super::rows::{Built, Pooled, Work, data, outer, pooled};
use crate::error::Result;
use crate::exec::Program;
use crate::loss::cross_entropy;
use crate::mtl::aggregate::{Aggregator, PcGrad};
use crate::mtl::{Gram, step};
use crate::nn::{Model, Params, Weights};
use crate::optim::{Adam, Optimizer, Pace};
use crate::tape::{Tape, Var};

/// What is timed, all with the same three cross-entropies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// The losses alone.
    Forward,
    /// One backward pass of their mean, Adam.
    One,
    /// Per-task gradients to the trunk on the task axis, Gram matrix, PCGrad in index order, Adam.
    PerTask,
}

pub const BATCH: usize = 32;
const HEADS: usize = 3;
const WAYS: usize = 20;

/// Between two runs: an aggregator's weights of the gradients that the last one left, for each model.
pub struct Weighed {
    pub models: usize,
    pub tasks: usize,
    pub aggregator: Aggregator,
    /// The output that holds the Gram matrices, and the slot of the weights.
    pub gram: usize,
    pub weights: usize,
}

impl Weighed {
    pub fn weigh(&self, program: &mut dyn Program) -> Result<()> {
        let mut read = vec![0.0; self.models * self.tasks * self.tasks];
        program.read(self.gram, &mut read)?;
        let mut weights = vec![];
        for gram in Gram::of_models(self.tasks, &read)? {
            let found = self.aggregator.weigh(&gram, &vec![0.0; self.tasks], 0);
            weights.extend(found.weights.iter().map(|&w| w as f32));
        }
        program.write(self.weights, &weights);
        Ok(())
    }
}

pub fn build(tape: Box<Tape>, case: Case) -> Work {
    let mut spec = pooled(WAYS).spec();
    // The heads stand on the task axis from the start: nothing about them is shared.
    let trunk = spec.iter().take_while(|s| !s.name.starts_with("head/")).count();
    spec[trunk..].iter_mut().for_each(|s| s.shape = s.shape.with(0, HEADS));
    let all = Params::inputs(&tape, &spec);
    let (x, y) = (tape.input([1, BATCH, 28, 28, 1]), tape.input([HEADS, BATCH]));

    let names: Vec<&str> = all.names()[..trunk].iter().map(|name| &name[..]).collect();
    let theta = Params::new(&names, all.vars()[..trunk].to_vec());
    let own = all.vars()[trunk..].to_vec();
    let (outputs, state, mut values) = match case {
        Case::Forward => (vec![losses(&theta, &own, x, y).mean(&[0]).id], vec![], vec![]),
        Case::One => outer(&tape, &all, losses(&theta, &own, x, y).mean(&[0]), &spec),
        Case::PerTask => per_task(&tape, &theta, &own, x, y),
    };
    let after = match case {
        Case::PerTask => Some(Weighed {
            models: 1,
            tasks: HEADS,
            aggregator: Aggregator::PcGrad(PcGrad::default()),
            gram: 1,
            weights: tape.input_shapes().len() - 1,
        }),
        _ => None,
    };
    if values.is_empty() {
        values = tape.input_shapes().iter().map(|shape| vec![0.0; shape.len()]).collect();
        for (slot, weight) in Weights::init(&spec, 0).iter().enumerate() {
            values[slot] = weight.values.clone();
        }
    }
    values[spec.len()] = data(x.shape(), 0, Some(WAYS));
    // Another reading of the same pictures for each head.
    let label = |i: usize| ((i % BATCH) * (i / BATCH + 1) + i / BATCH) % WAYS;
    values[spec.len() + 1] = (0..HEADS * BATCH).map(|i| label(i) as f32).collect();
    if case == Case::PerTask {
        values[spec.len() + 2] = vec![1.0]; // the number of the step
    }
    Work { tape, outputs, state, values, after }
}

/// One cross-entropy a head, `[HEADS]`.
fn losses<'t>(trunk: &Params<'t>, own: &[Var<'t>], x: Var<'t>, y: Var<'t>) -> Var<'t> {
    let z = Pooled::trunk(trunk, x).per_task(HEADS);
    cross_entropy(z.matmul(own[0]) + own[1], y)
}

/// [`step`] with its losses' mean as the first output.
fn per_task<'t>(
    tape: &'t Tape,
    theta: &Params<'t>,
    own: &[Var<'t>],
    x: Var<'t>,
    y: Var<'t>,
) -> Built {
    let number = tape.input([1]);
    let outer = (Optimizer::Adam(Adam::default()), Pace::new(1e-3, number));
    let made = step(tape, theta, own, HEADS, outer, |w, own| losses(w, own, x, y));
    let (mut outputs, mut state) = (made.outputs, made.state);
    outputs[0] = made.losses.mean(&[0]);
    state.push((outputs.len(), number.slot().expect("an input")));
    outputs.push(number + 1.0);
    (outputs.iter().map(|v| v.id).collect(), state, vec![])
}
