//! The definition: walks the tape in f64, node by node, and never sees a plan.
//!
//! Slow and obviously right. Every other executor is compared with this one, so a planner's bug
//! cannot hide in both sides of a comparison.

use super::{Cost, Program};
use crate::error::Result;
use crate::op::Op;
use crate::random::uniform24;
use crate::shape::Shape;
use crate::tape::{Node, Tape, Var};

/// The values of `outputs` for the values of all input slots.
///
/// Nodes that no output needs are not computed, and a value is dropped after its last use.
/// Panics if `inputs` do not fill the tape's slots: that is a mistake in the program.
#[track_caller]
pub fn evaluate(tape: &Tape, inputs: &[Vec<f64>], outputs: &[Var]) -> Vec<Vec<f64>> {
    let slots = tape.input_shapes();
    assert_eq!(inputs.len(), slots.len(), "values for the tape's input slots");
    for (slot, (values, shape)) in inputs.iter().zip(&slots).enumerate() {
        assert_eq!(values.len(), shape.len(), "values for input slot {slot} of shape {shape}");
    }
    let outputs: Vec<usize> = outputs.iter().map(|output| output.id).collect();
    walk(&tape.nodes(), inputs, &outputs)
}

/// The walk itself, over nodes that may also be a rewritten copy of a tape's.
pub fn walk(nodes: &[Node], inputs: &[Vec<f64>], outputs: &[usize]) -> Vec<Vec<f64>> {
    let mut last_use = vec![0usize; nodes.len()]; // 0: nobody needs it
    for &output in outputs {
        last_use[output] = usize::MAX;
    }
    for id in (0..nodes.len()).rev() {
        if last_use[id] > 0 {
            for &input in &nodes[id].inputs {
                last_use[input] = last_use[input].max(id);
            }
        }
    }

    let mut values: Vec<Vec<f64>> = vec![vec![]; nodes.len()];
    for (id, node) in nodes.iter().enumerate().filter(|&(id, _)| last_use[id] > 0) {
        values[id] = match &node.op {
            Op::Input(slot) => inputs[*slot].clone(),
            Op::Random { seed, stream } => {
                random(*seed, *stream, values[node.inputs[0]][0], node.shape)
            }
            op => {
                let mut out = vec![0.0; node.shape.len()];
                let args: Vec<(&[f64], Shape)> =
                    node.inputs.iter().map(|&i| (&values[i][..], nodes[i].shape)).collect();
                op.reference(&args, &mut out, node.shape);
                out
            }
        };
        for &input in &node.inputs {
            if last_use[input] == id {
                values[input] = vec![];
            }
        }
    }
    outputs.iter().map(|&output| values[output].clone()).collect()
}

/// Element i of task t: the counter is (i, step, t). See `random.rs`.
fn random(seed: u32, stream: u32, step: f64, shape: Shape) -> Vec<f64> {
    let per_task = shape.len() / shape.tasks();
    (0..shape.len())
        .map(|i| {
            let (element, task) = ((i % per_task) as u32, (i / per_task) as u32);
            uniform24(seed, stream, element, step as u32, task) as f64
        })
        .collect()
}

/// The reference as a [`Program`]: a copy of the tape's nodes and its inputs in f64.
pub struct Reference {
    nodes: Vec<Node>,
    inputs: Vec<Vec<f64>>,
    outputs: Vec<usize>,
    state: Vec<(usize, usize)>,
    results: Vec<Vec<f64>>,
}

impl Reference {
    pub fn new(tape: &Tape, outputs: &[Var], state: &[(usize, usize)]) -> Self {
        Self {
            nodes: tape.nodes().clone(),
            inputs: tape.input_shapes().iter().map(|shape| vec![0.0; shape.len()]).collect(),
            outputs: outputs.iter().map(|output| output.id).collect(),
            state: state.to_vec(),
            results: vec![],
        }
    }
}

impl Program for Reference {
    fn write(&mut self, slot: usize, values: &[f32]) {
        self.write_f64(slot, &values.iter().map(|&v| v as f64).collect::<Vec<_>>());
    }

    fn write_f64(&mut self, slot: usize, values: &[f64]) {
        self.inputs[slot].copy_from_slice(values);
    }

    fn run(&mut self) -> Result<()> {
        self.results = walk(&self.nodes, &self.inputs, &self.outputs);
        for &(output, slot) in &self.state {
            self.inputs[slot].copy_from_slice(&self.results[output]);
        }
        Ok(())
    }

    fn read(&mut self, output: usize, into: &mut [f32]) -> Result<()> {
        for (to, from) in into.iter_mut().zip(&self.results[output]) {
            *to = *from as f32;
        }
        Ok(())
    }

    fn read_f64(&mut self, output: usize, len: usize) -> Result<Vec<f64>> {
        assert_eq!(len, self.results[output].len());
        Ok(self.results[output].clone())
    }

    fn read_slot(&mut self, slot: usize, into: &mut [f32]) -> Result<()> {
        for (to, from) in into.iter_mut().zip(&self.inputs[slot]) {
            *to = *from as f32;
        }
        Ok(())
    }

    fn cost(&self) -> Cost {
        let bytes: usize = self.nodes.iter().map(|node| node.shape.len() * 8).sum();
        Cost { peak_bytes: bytes as u64, kernels: self.nodes.len(), ..Cost::default() }
    }

    fn device(&self) -> String {
        "reference, f64".into()
    }
}
