//! The tape's nodes as the plan's passes see them: only what the outputs need, free to be rewritten.

use crate::op::Op;
use crate::shape::Shape;
use crate::tape::{Node, Tape, Var};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

/// Nodes in an order in which inputs come first, and which of them are wanted.
#[derive(Clone, Debug)]
pub struct Graph {
    pub nodes: Vec<Node>,
    pub outputs: Vec<usize>,
}

impl Graph {
    /// What `outputs` need of a tape.
    pub fn of(tape: &Tape, outputs: &[Var]) -> Self {
        let outputs = outputs.iter().map(|output| output.id).collect();
        Self { nodes: tape.nodes().clone(), outputs }.live()
    }

    /// Without the nodes that no output needs.
    pub fn live(self) -> Self {
        let mut needed = vec![false; self.nodes.len()];
        for &output in &self.outputs {
            needed[output] = true;
        }
        for id in (0..self.nodes.len()).rev() {
            if needed[id] {
                for &input in &self.nodes[id].inputs {
                    needed[input] = true;
                }
            }
        }
        let mut to = vec![usize::MAX; self.nodes.len()];
        let mut nodes = Vec::new();
        for (id, mut node) in self.nodes.into_iter().enumerate().filter(|&(id, _)| needed[id]) {
            node.inputs.iter_mut().for_each(|input| *input = to[*input]);
            to[id] = nodes.len();
            nodes.push(node);
        }
        Self { nodes, outputs: self.outputs.iter().map(|&output| to[output]).collect() }
    }

    /// Who reads each node, in order; a node that reads another twice stands twice.
    pub fn users(&self) -> Vec<Vec<usize>> {
        let mut users = vec![vec![]; self.nodes.len()];
        for (id, node) in self.nodes.iter().enumerate() {
            for &input in &node.inputs {
                users[input].push(id);
            }
        }
        users
    }
}

/// Builds a graph in which equal expressions are one node.
#[derive(Default)]
pub struct Builder {
    pub nodes: Vec<Node>,
    /// By the hash of an expression; where two have the same, the second stands under the next number.
    known: HashMap<u64, usize, BuildHasherDefault<Itself>>,
}

/// The hash of what is a hash already.
#[derive(Default)]
struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are numbers");
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

impl Builder {
    /// `op(inputs)`, the existing node if there is an equal one.
    pub fn node(&mut self, op: Op, inputs: Vec<usize>, shape: Shape) -> usize {
        match self.known_as(&op, &inputs, shape) {
            Ok(id) => id,
            Err(key) => {
                let id = self.nodes.len();
                self.nodes.push(Node { op, inputs, shape });
                self.known.insert(key, id);
                id
            }
        }
    }

    /// The existing node `op(inputs)`, if there is one.
    pub fn find(&self, op: Op, inputs: Vec<usize>, shape: Shape) -> Option<usize> {
        self.known_as(&op, &inputs, shape).ok()
    }

    /// The node, or the key it would stand under.
    fn known_as(&self, op: &Op, inputs: &[usize], shape: Shape) -> Result<usize, u64> {
        let mut hasher = DefaultHasher::new();
        (op, inputs, shape).hash(&mut hasher);
        let mut key = hasher.finish();
        while let Some(&id) = self.known.get(&key) {
            let node = &self.nodes[id];
            if node.op == *op && node.inputs == inputs && node.shape == shape {
                return Ok(id);
            }
            key = key.wrapping_add(1);
        }
        Err(key)
    }

    pub fn shape(&self, id: usize) -> Shape {
        self.nodes[id].shape
    }

    /// The value of a constant node.
    pub fn number(&self, id: usize) -> Option<f64> {
        match self.nodes[id].op {
            Op::Const(bits) => Some(f64::from_bits(bits)),
            _ => None,
        }
    }
}
