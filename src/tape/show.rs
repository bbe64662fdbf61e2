//! A tape as text: one line a node, for people and for tests.

use super::Tape;
use std::fmt::Write;

/// `%3 = Mul(%1, %2) [8, 40]`, a line a node.
pub fn listing(tape: &Tape) -> String {
    let mut text = String::new();
    for (id, node) in tape.nodes().iter().enumerate() {
        let inputs: Vec<String> = node.inputs.iter().map(|i| format!("%{i}")).collect();
        let _ = writeln!(text, "%{id} = {}({}) {}", node.op.name(), inputs.join(", "), node.shape);
    }
    text
}
