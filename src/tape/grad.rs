//! The reverse sweep. It appends ordinary nodes; nothing marks a gradient as one.

use super::Var;

/// The gradient of the sum of all elements of `f` with respect to each of `wrt`, in their shapes.
///
/// Each of `wrt` is an independent variable: what was computed before it does not react, everything
/// computed from it does, another one of `wrt` included. `f` that does not depend on one gives zeros.
///
/// Walking backwards, a node's users all stand after it, so its adjoint is complete when the walk
/// arrives there. Cost: the tape between the oldest of `wrt` and `f`.
pub fn grad<'t>(f: Var<'t>, wrt: &[Var<'t>]) -> Vec<Var<'t>> {
    let tape = f.tape;
    // Nothing before the oldest of `wrt` can react, so a late inner step does not walk the early ones.
    let start = wrt.iter().map(|w| w.id).min().unwrap_or(f.id).min(f.id);
    let mut leads = vec![false; f.id + 1 - start];
    for w in wrt.iter().filter(|w| w.id <= f.id) {
        leads[w.id - start] = true;
    }
    {
        let nodes = tape.nodes();
        for id in start..=f.id {
            leads[id - start] |=
                nodes[id].inputs.iter().any(|&input| input >= start && leads[input - start]);
        }
    }

    let mut adjoint: Vec<Option<Var<'t>>> = vec![None; f.id + 1 - start];
    adjoint[f.id - start] = Some(f.like(1.0));
    for id in (start..=f.id).rev() {
        let Some(g) = adjoint[id - start].filter(|_| leads[id - start]) else { continue };
        let node = tape.node(id);
        if !node.inputs.iter().any(|&input| input >= start && leads[input - start]) {
            continue; // one of `wrt` itself: its rule would only add nodes that nobody reads
        }
        let inputs: Vec<Var> = node.inputs.iter().map(|&id| Var { tape, id }).collect();
        for (x, share) in inputs.iter().zip(node.op.vjp(&inputs, Var { tape, id }, g)) {
            if x.id < start || !leads[x.id - start] {
                continue;
            }
            let Some(share) = share else { continue };
            let sum = adjoint[x.id - start];
            adjoint[x.id - start] = Some(sum.map_or(share, |sum| sum + share));
        }
    }
    wrt.iter()
        .map(|w| {
            let found = (w.id <= f.id).then(|| adjoint[w.id - start]).flatten();
            found.unwrap_or_else(|| w.like(0.0))
        })
        .collect()
}
