//! Pictures, windows and rows: [tasks, images, height, width, channels].

use super::{Family, LARGEST, Step, tangent};
use metatape::op::{Along, Window};
use metatape::shape::Axes;
use metatape::tape::{Conv2d, Var};
use proptest::prelude::*;

/// Nodes from which on no gradient is taken.
const NODES: usize = 400;

pub fn family() -> Family {
    Family { leaves: leaves().boxed(), kinds: 42, taken }
}

/// Shapes of the leaves: pictures of one channel and a map, windows onto one channel and onto all, rows; some of each task,
/// some shared.
fn leaves() -> impl Strategy<Value = Vec<Vec<usize>>> {
    let channels = prop_oneof![Just(1usize), Just(2), Just(3), Just(16), Just(17)];
    (1usize..=3, 1usize..=3, 1usize..=7, 1usize..=7, channels).prop_map(|(t, n, h, w, c)| {
        vec![
            vec![t, n, h, w, 1],
            vec![1, n, h, w, 1],
            vec![t, n, h, w, c],
            vec![1, 1, 1, 1, c],
            vec![t, 1, 1, 1, c],
            vec![1, 3, 3, 1, c],
            vec![t, 3, 3, 1, c],
            vec![1, 3, 3, c, c],
        ]
    })
}

/// The result of a step; none where its operands do not suit it.
fn taken<'t>(
    (what, [_, j, k, l]): Step,
    [x, y]: [Var<'t>; 2],
    leaves: &[Var<'t>],
) -> Option<Var<'t>> {
    let [j, k, l] = [j, k, l].map(usize::from);
    let (s, other) = (x.shape(), y.shape());
    let axis = k % 5;
    let pair = s.broadcast(&other).is_ok_and(|both| both.len() <= LARGEST);
    // x, and at each place along `axes` a number that no other place has.
    let told_apart = |axes: &[usize]| {
        let sizes: Vec<usize> = (0..5).map(|a| if axes.contains(&a) { s[a] } else { 1 }).collect();
        x + x.tape.iota(&sizes[..], 2.0 / sizes.iter().product::<usize>() as f64, -1.0)
    };
    let tangent = |loss, of| tangent(loss, of, NODES);
    Some(match what {
        0 => x.tanh(),
        1 => x.sin(),
        2 => x.tanh().exp(),
        3 => (x + 0.37).relu(),
        4 => x + x.less(x.mean(&[axis]) + 0.37),
        5..=8 if pair => x * y,
        9..=12 if pair => x + y * 0.7,
        13 if pair => (x + 0.37).max(y),
        14..=16 => x.normalize(&[1, 2, 3], 0.1),
        17 => x.normalize(&[4], 0.1),
        18 => x.mean(&[1, 2, 3]),
        19 => x.mean(&[axis]),
        20..=24 => convolved(x, leaves[5 + j % 3], k, l)?,
        25 => convolved(x, y, k, l)?,
        26..=27 if s[2].min(s[3]) > 1 => told_apart(&[2, 3]).max_pool(Window::tiles(2)),
        28 => told_apart(&[axis]).max_over(&[axis]),
        29 => told_apart(&[4]).argmax(Along::Axis(4)) * 0.2,
        30 => x.narrow(axis, j % s[axis], 1 + l % (s[axis] - j % s[axis])),
        31 => x.flip(Axes::new(&[axis])),
        32 if s.len() <= LARGEST / 3 => x.pad_to(s.with(axis, s[axis] + 1 + l % 2), &[0; 5], 0.2),
        33 if s[0] == 1 => x.per_task(leaves[0].shape()[0]),
        34 => x.sum(&[0]) * 0.5,
        35 if s.with(axis, 1) == other.with(axis, 1) => x.tape.concat(&[x, y], axis),
        36 => x.permute(&[0, 1, 3, 2, 4]),
        37 => {
            let rows = x.reshape([s[0], s[1], s[2] * s[3], s[4]]);
            let gram = rows.matmul_t(rows, true, false) * (1.0 / (s[2] * s[3]) as f64);
            gram.reshape([s[0], s[1], 1, s[4], s[4]])
        }
        38 => x.detach(),
        39 => tangent(x.tanh() * x, leaves[j % leaves.len()])?,
        40 => tangent(x.tanh(), y)?,
        41 => {
            // An inner step.
            let of = leaves[3 + j % 5];
            of - tangent(x.sin(), of)? * 0.1
        }
        _ => return None,
    })
}

/// `x` seen through `w`, if that can be, with some stride and border.
fn convolved<'t>(x: Var<'t>, w: Var<'t>, stride: usize, border: usize) -> Option<Var<'t>> {
    let (s, window) = (x.shape(), w.shape());
    let how = Conv2d {
        stride: [1 + stride % 2, 1 + stride / 2 % 2],
        pad: [1, 1, 1 + border % 2, border / 2 % 2],
        ..Conv2d::default()
    };
    let tasks = s[0] == window[0] || s[0] == 1 || window[0] == 1;
    let reaches = s[2] + 2 >= window[1] && s[3] + how.pad[2] + how.pad[3] >= window[2];
    let most = s[0].max(window[0]) * s[1] * (s[2] + 2) * (s[3] + 2) * window[4];
    let suits = s[4] == window[3] && window[1].max(window[2]) <= 3;
    let sum = (s[4] * 9) as f64;
    (suits && tasks && reaches && most <= LARGEST).then(|| x.conv2d(w, how) * (1.5 / sum.sqrt()))
}
