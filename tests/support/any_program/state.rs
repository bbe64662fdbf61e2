//! What becomes of a program's leaves after a run: optimisers with and without moments, leaves that change places, stay, or
//! take what another one takes.

use metatape::tape::{Tape, Var};

/// Outputs, and which of them become which slot: see [`metatape::exec::compile`].
pub type Stateful<'t> = (Vec<Var<'t>>, Vec<(usize, usize)>);

/// `outputs` as [`super::for_programs`] gives them, the gradients by `leaves` last, and the leaves' next values after them.
pub fn stateful<'t>(tape: &'t Tape, leaves: &[Var<'t>], mut outputs: Vec<Var<'t>>) -> Stateful<'t> {
    let gradients = outputs.split_off(outputs.len() - leaves.len());
    // As good as dice: programs end at any node.
    let sort = outputs[0].id;
    let mut next: Vec<(Var<'t>, usize)> = vec![];
    for (k, (&leaf, &gradient)) in leaves.iter().zip(&gradients).enumerate() {
        let update = leaf - gradient.tanh() * 0.1;
        let alike = |other: &&Var<'t>| other.shape() == leaf.shape() && other.id != leaf.id;
        let value = match sort % 3 {
            0 => update,
            1 => {
                let moment = tape.input(leaf.shape());
                let moved = moment * 0.9 + gradient.tanh() * 0.1;
                next.push((moved, moment.slot().unwrap()));
                leaf - moved * (moved.square() + 1.0).rsqrt()
            }
            _ => match (sort / 3 + k) % 6 {
                0 => update,
                1 => gradient.tanh(),
                2 => *leaves.iter().find(alike).unwrap_or(&leaf),
                3 => *next.iter().map(|(value, _)| value).find(alike).unwrap_or(&update),
                4 => *outputs.iter().find(alike).unwrap_or(&leaf.like(0.3)),
                _ => continue,
            },
        };
        next.push((value, leaf.slot().unwrap()));
    }
    outputs.extend(gradients);
    let state = next.iter().enumerate().map(|(i, &(_, slot))| (outputs.len() + i, slot)).collect();
    outputs.extend(next.into_iter().map(|(value, _)| value));
    (outputs, state)
}
