//! Values of one to four axes. The first has different sizes, so it is not plain which are tasks, and steps move it as they
//! move others.

use super::{Family, Operands, tangent};
use metatape::op::Along;
use metatape::shape::Axes;
use metatape::tape::Var;
use proptest::prelude::*;

pub fn family() -> Family {
    Family { leaves: leaves().boxed(), largest: 1_000, kinds: 43, stops: true, taken }
}

fn leaves() -> impl Strategy<Value = Vec<Vec<usize>>> {
    // More tasks than chunks of them, now and then.
    let first = prop_oneof![8 => 1usize..=4, 1 => Just(17usize), 1 => Just(35)];
    (first, 1usize..=4, 1usize..=5).prop_map(|(a, b, c)| {
        vec![
            vec![a, b],
            vec![b, c],
            vec![c],
            vec![1, b],
            vec![a, b, c],
            vec![b, 1, c],
            vec![a, 1, b, c],
        ]
    })
}

fn taken<'t>(what: u8, on: &Operands<'_, 't>) -> Option<Var<'t>> {
    let &Operands { x, y, leaves, numbers: [j, k, l], .. } = on;
    let (s, other) = (x.shape(), y.shape());
    let rank = s.rank();
    let axis = k % rank;
    let places = |n: usize| {
        let chosen: Vec<f64> = (0..n).map(|p| ((p * (1 + l) + j) % s[axis]) as f64).collect();
        x.tape.data([n], &chosen)
    };
    Some(match what {
        0 => x.tanh(),
        1 => x.sin(),
        2 => (x + 0.37).relu(),
        3..=4 if on.pair() => x * y,
        5..=7 if on.pair() => x + y * 0.7,
        8 => x.narrow(axis, j % s[axis], 1 + l % (s[axis] - j % s[axis])),
        9 => x.flip(Axes::new(&[axis])),
        10..=11 => {
            let order: Vec<usize> = (0..rank).map(|a| (a + 1 + l) % rank).collect();
            x.permute(&order)
        }
        12..=13 => {
            let divides: Vec<usize> = (1..=s.len()).filter(|d| s.len() % d == 0).collect();
            let d = divides[l % divides.len()];
            x.reshape([s.len() / d, d])
        }
        14 => x.reshape([s.len()]),
        15 if rank < 4 => {
            let mut sizes = s.dims().to_vec();
            sizes.insert(k % (rank + 1), 1);
            x.reshape(&sizes[..])
        }
        16..=17 => x.sum(&[axis]) * 0.5,
        18 => x.mean(&[axis]),
        19 => x.sum_all() * 0.2,
        20..=21 if s[axis] == 1 => x.expand(s.with(axis, 1 + l % 4)),
        22 => x.pad_to(s.with(axis, s[axis] + 1 + l % 2), &[0; 4][..rank], 0.2),
        23 if on.joins(axis) => x.tape.concat(&[x, y], axis),
        24..=25 if rank == other.rank() && rank > 1 && s[rank - 1] == other[rank - 2] => {
            let lead = |a: usize| s[a] == other[a] || s[a] == 1 || other[a] == 1;
            (0..rank - 2).all(lead).then(|| x.matmul(y) * 0.4)?
        }
        26 if rank > 1 => x.matmul_t(x, l % 2 == 0, l % 2 == 1) * 0.3,
        27 => on.told_apart(&[axis]).max_over(&[axis]),
        28 => on.told_apart(&[axis]).argmax(Along::Axis(axis as u8)) * 0.2,
        29 => x.normalize(&[axis], 0.1),
        30 => x.softmax(axis),
        31 => x.gather(places(1 + l % 3), axis),
        32 => (x.square() + 0.5).rsqrt().powi(3),
        33 => tangent(x.tanh() * x, leaves[j % leaves.len()])?,
        34 => tangent(x.tanh(), y)?,
        35 => {
            // An inner step.
            let of = leaves[j % leaves.len()];
            of - tangent(x.sin(), of)? * 0.1
        }
        36 => x.scatter_add(places(s[axis]), axis, s[axis] + l % 2),
        37 if s == other => {
            y.take(on.told_apart(&[axis]).argmax(Along::Axis(axis as u8)), Along::Axis(axis as u8))
        }
        38 => x.logsumexp(&[axis]),
        39 => x.var(&[axis]),
        40 => x.tape.random(5, j as u32 % 3, x.tape.filled(l as f64, [1]), s) + x,
        41 if rank < 4 => {
            let labels = on.told_apart(&[axis]).argmax(Along::Axis(axis as u8));
            labels.one_hot(1 + l % 4) * 0.5
        }
        42 => x.gelu(),
        _ => return None,
    })
}
