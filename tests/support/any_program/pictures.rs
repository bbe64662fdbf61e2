//! Pictures, windows and rows: [tasks, images, height, width, channels].

use super::{Family, Step, tangent};
use metatape::op::{Along, Window};
use metatape::shape::{Axes, Shape};
use metatape::tape::{Conv2d, Var};
use proptest::prelude::*;
use std::ops::RangeInclusive;

/// Nodes from which on no gradient is taken.
const NODES: usize = 400;

pub fn family() -> Family {
    let channels = prop_oneof![Just(1usize), Just(2), Just(3), Just(16), Just(17)];
    Family {
        leaves: leaves(1..=7, channels.boxed()),
        largest: 6_000,
        kinds: 45,
        stops: true,
        taken,
    }
}

/// Of sizes from which on workers share kernels and Winograd's tiles pay.
pub fn large() -> Family {
    let channels = prop_oneof![Just(32usize), Just(33), Just(48)];
    Family {
        leaves: leaves(8..=16, channels.boxed()),
        largest: 60_000,
        kinds: 45,
        stops: true,
        taken,
    }
}

/// Shapes of the leaves: pictures of one channel and a map, rows, windows onto one channel, onto a group and onto all; some of
/// each task, some shared.
fn leaves(
    side: RangeInclusive<usize>,
    channels: BoxedStrategy<usize>,
) -> BoxedStrategy<Vec<Vec<usize>>> {
    let sizes = (1usize..=3, 1usize..=3, side.clone(), side);
    let shapes = (sizes, channels, any::<bool>()).prop_map(|((t, n, h, w), c, two)| {
        let group = if two && c % 2 == 0 { c / 2 } else { 1 };
        vec![
            vec![t, n, h, w, 1],
            vec![1, n, h, w, 1],
            vec![t, n, h, w, c],
            vec![1, 1, 1, 1, c],
            vec![t, 1, 1, 1, c],
            vec![1, 3, 3, 1, c],
            vec![t, 3, 3, group, c],
            vec![1, 3, 3, c, c],
        ]
    });
    shapes.boxed()
}

/// The result of a step; none where its operands do not suit it.
fn taken<'t>(
    (what, [_, j, k, l]): Step,
    [x, y]: [Var<'t>; 2],
    leaves: &[Var<'t>],
    largest: usize,
) -> Option<Var<'t>> {
    let [j, k, l] = [j, k, l].map(usize::from);
    let (s, other) = (x.shape(), y.shape());
    let axis = k % 5;
    let pair = s.broadcast(&other).is_ok_and(|both| both.len() <= largest);
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
        20..=23 => convolved(x, leaves[5 + j % 3], k, l, largest)?,
        24 => convolved(x, y, k, l, largest)?,
        25 => spread(x, leaves[5 + j % 3], k, l, largest)?,
        26 if s[2].min(s[3]) > 1 => told_apart(&[2, 3]).max_pool(Window::tiles(2)),
        27 => pooled(told_apart(&[2, 3]), x, [j, k, l])?,
        28 => told_apart(&[axis]).max_over(&[axis]),
        29 => told_apart(&[4]).argmax(Along::Axis(4)) * (3.0 / s[4] as f64),
        30 => x.narrow(axis, j % s[axis], 1 + l % (s[axis] - j % s[axis])),
        31 => x.flip(Axes::new(&[axis])),
        32 if s.len() <= largest / 3 => x.pad_to(s.with(axis, s[axis] + 1 + l % 2), &[0; 5], 0.2),
        33 if s[0] == 1 => x.per_task(leaves[0].shape()[0]),
        34 => x.sum(&[0]) * 0.5,
        35 if s.with(axis, 1) == other.with(axis, 1) => x.tape.concat(&[x, y], axis),
        36 => x.permute(&[0, 1, 3, 2, 4]),
        37 => {
            let rows = x.reshape([s[0], s[1], s[2] * s[3], s[4]]);
            let gram = rows.matmul_t(rows, true, false) * (1.0 / (s[2] * s[3]) as f64);
            gram.reshape([s[0], s[1], 1, s[4], s[4]])
        }
        38 => x * x.tape.random(5, j as u32 % 3, x.tape.filled(l as f64, [1]), s),
        39 => tangent(x.tanh() * x, leaves[j % leaves.len()])?,
        40 => tangent(x.tanh(), y)?,
        41 => {
            // An inner step.
            let of = leaves[3 + j % 5];
            of - tangent(x.sin(), of)? * 0.1
        }
        42 => pooled(told_apart(&[2, 3]), y, [j, k, l])?,
        43 => x.resize_bilinear([1 + j % (s[2] + 2), 1 + l % (s[3] + 2)]),
        44 if s.len() <= largest / 6 => x.resize_nearest([1 + j % 2, 1 + l % 3]),
        _ => return None,
    })
}

/// Windows of some size, stride and border: of each the largest of `y`, where `x` has its largest; where they go back to; or means.
fn pooled<'t>(x: Var<'t>, y: Var<'t>, [size, step, border]: [usize; 3]) -> Option<Var<'t>> {
    let s = x.shape();
    let window = Window {
        size: [1 + size % 3, 1 + size / 4 % 3],
        stride: [1 + step % 3, 1 + step / 4 % 3],
        pad: [border % 2, border / 2 % 2, border / 4 % 2, border / 8 % 2],
    };
    window.output(s[2], s[3]).ok()?;
    let along = Along::Window(window);
    let place = x.argmax(along);
    Some(match border / 16 % 4 {
        0 => x.avg_pool(window, size < 128),
        1 => x.take(place, along).put(place, along, s),
        _ if y.shape() == s => y.take(place, along),
        _ => return None,
    })
}

/// `x` seen through `w`, if that can be, with some stride, dilation and border, in as many groups as fit.
fn convolved<'t>(
    x: Var<'t>,
    w: Var<'t>,
    steps: usize,
    border: usize,
    largest: usize,
) -> Option<Var<'t>> {
    let (s, window) = (x.shape(), w.shape());
    let how = how(steps, border, s[4] / window[3]);
    let reaches = |a: usize| {
        s[2 + a] + how.pad[2 * a] + how.pad[2 * a + 1] > how.dilation[a] * (window[1 + a] - 1)
    };
    let most = s[0].max(window[0]) * s[1] * (s[2] + 2) * (s[3] + 3) * window[4];
    let suits = s[4] == window[3] * how.groups && window[4] % how.groups == 0;
    let fits = suits && windows(s, window) && reaches(0) && reaches(1) && most <= largest;
    fits.then(|| x.conv2d(w, how) * scale(window[3]))
}

/// What `w` spreads of `x`, if that can be: the adjoint of [`convolved`].
fn spread<'t>(
    x: Var<'t>,
    w: Var<'t>,
    steps: usize,
    border: usize,
    largest: usize,
) -> Option<Var<'t>> {
    let (s, window) = (x.shape(), w.shape());
    let how = how(steps, border, 1);
    let sizes = [0, 1].map(|a| {
        let all = (s[2 + a] - 1) * how.stride[a] + how.dilation[a] * (window[1 + a] - 1) + 1;
        all.saturating_sub(how.pad[2 * a] + how.pad[2 * a + 1])
    });
    let most = s[0].max(window[0]) * s[1] * sizes[0] * sizes[1] * window[3];
    let fits = s[4] == window[4] && windows(s, window) && (1..=largest).contains(&most);
    fits.then(|| x.conv2d_transpose(w, how, [0; 2]) * scale(window[4]))
}

fn how(steps: usize, border: usize, groups: usize) -> Conv2d {
    Conv2d {
        stride: [1 + steps % 2, 1 + steps / 2 % 2],
        dilation: [1 + steps / 32 % 4 / 3, 1 + steps / 64 % 4 / 3],
        pad: [1, 1, 1 + border % 2, border / 2 % 2],
        groups,
    }
}

/// Whether `window` is a small one, of as many tasks as `s`.
fn windows(s: Shape, window: Shape) -> bool {
    let tasks = s[0] == window[0] || s[0] == 1 || window[0] == 1;
    tasks && window[1].max(window[2]) <= 3
}

/// Of a sum of 9 values a channel.
fn scale(channels: usize) -> f64 {
    1.5 / ((channels * 9) as f64).sqrt()
}
