//! A compiled step of several networks, and where its slots are.
//!
//! Whatever a step descends, its slots stand alike: what it changes in place (the networks' weights first, then what is
//! kept of them), a batch, and its pace (step size, number of the step, and whatever else changes from step to step).

use super::learner::{Batch, Layout};
use crate::error::Result;
use crate::exec::{Options, Program, compile};
use crate::nn::{Spec, Weight, Weights};
use crate::run::Named;
use crate::tape::{Tape, Var};

/// A step on its tape, before it is compiled.
pub struct Written<'t> {
    pub outputs: Vec<Var<'t>>,
    /// (output, slot): what is updated in place. The weights are the slots from 0.
    pub state: Vec<(usize, usize)>,
    /// The first slots of the batch and of the pace.
    pub batch: usize,
    pub pace: usize,
}

impl<'t> Written<'t> {
    /// A step whose outputs are all state, slot by slot.
    pub fn in_order(outputs: Vec<Var<'t>>, batch: usize, pace: usize) -> Self {
        let state = (0..outputs.len()).map(|i| (i, i)).collect();
        Self { outputs, state, batch, pace }
    }
}

/// The slot of the tape's next input.
pub fn next_slot(tape: &Tape) -> usize {
    tape.input_shapes().len()
}

pub struct Training {
    pub program: Box<dyn Program>,
    pub layout: Layout,
    /// One network's parameters.
    pub spec: Vec<Spec>,
    /// The slots that it changes, in order, with their lengths.
    state: Vec<(usize, usize)>,
    batch: usize,
    pace: usize,
}

impl Training {
    pub fn compile(
        tape: &Tape,
        written: &Written,
        layout: Layout,
        options: &Options,
    ) -> Result<Self> {
        let Written { outputs, state, batch, pace } = written;
        let program = compile(tape, outputs, state, options)?;
        let shapes = tape.input_shapes();
        let mut state: Vec<_> = state.iter().map(|&(_, slot)| (slot, shapes[slot].len())).collect();
        state.sort_unstable();
        let spec = layout.net.spec();
        Ok(Self { program, layout, spec, state, batch: *batch, pace: *pace })
    }

    /// Begins each network at its weights, everything else at 0.
    #[track_caller]
    pub fn start(&mut self, weights: &[&Weights]) {
        assert_eq!(weights.len(), self.layout.nets, "weights of networks");
        for &(slot, len) in &self.state {
            self.program.write(slot, &vec![0.0; len]);
        }
        self.write_networks(0, weights);
    }

    /// Makes a step on a batch.
    pub fn step(&mut self, batch: &Batch, pace: &[f64]) -> Result<()> {
        for (i, part) in batch.parts().enumerate() {
            self.program.write(self.batch + i, part);
        }
        // The number of the step is exact to 2^24; by then Adam's corrections are 1.
        for (i, &value) in pace.iter().enumerate() {
            self.program.write(self.pace + i, &[value as f32]);
        }
        self.program.run()
    }

    /// Writes the networks' weights into the slots from `from`.
    pub fn write_networks(&mut self, from: usize, weights: &[&Weights]) {
        write_stacked(&mut *self.program, from, &self.spec, weights);
    }

    /// The networks whose weights stand in the slots from `from`.
    pub fn networks(&mut self, from: usize) -> Result<Vec<Weights>> {
        let nets = self.layout.nets;
        let mut all = vec![Weights::default(); nets];
        for (i, spec) in self.spec.iter().enumerate() {
            let len = spec.shape.len();
            let mut values = vec![0.0; len * nets];
            self.program.read_slot(from + i, &mut values)?;
            for (weights, values) in all.iter_mut().zip(values.chunks(len)) {
                let (name, shape) = (spec.name.clone(), spec.shape);
                weights.0.push(Weight { name, shape, values: values.to_vec() });
            }
        }
        Ok(all)
    }

    /// Names and shapes of what it changes.
    pub fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        self.state.iter().map(|&(slot, len)| (slot_name(slot), vec![len])).collect()
    }

    /// The numbers of [`Training::shapes`].
    pub fn state(&mut self) -> Result<Vec<Named>> {
        let mut all = vec![];
        for &(slot, len) in &self.state {
            let mut values = vec![0.0; len];
            self.program.read_slot(slot, &mut values)?;
            all.push((slot_name(slot), vec![len], values));
        }
        Ok(all)
    }

    /// Goes on from what [`Training::state`] gave.
    pub fn restore(&mut self, state: &[&[f32]]) {
        for (&(slot, _), values) in self.state.iter().zip(state) {
            self.program.write(slot, values);
        }
    }
}

/// The parameters of so many networks, each its own.
pub fn stacked(spec: &[Spec], nets: usize) -> Vec<Spec> {
    spec.iter().map(|s| Spec { shape: s.shape.with(0, nets), ..s.clone() }).collect()
}

/// Writes the weights of networks into the slots of a stack, from slot `from`.
pub fn write_stacked(program: &mut dyn Program, from: usize, spec: &[Spec], nets: &[&Weights]) {
    for i in 0..spec.len() {
        let all: Vec<f32> = nets.iter().flat_map(|w| w.0[i].values.iter().copied()).collect();
        program.write(from + i, &all);
    }
}

/// As a checkpoint names a slot: in order when sorted.
fn slot_name(slot: usize) -> String {
    format!("slot{slot:04}")
}
