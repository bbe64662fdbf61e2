//! Pictures, windows and rows: [tasks, images, height, width, channels].

use super::{Family, Operands, tangent};
use metatape::op::{Along, Window};
use metatape::shape::{Axes, Shape};
use metatape::tape::{Conv2d, Var};
use proptest::prelude::*;
use std::ops::RangeInclusive;

pub fn family() -> Family {
    of_sizes(1..=7, &[1, 2, 3, 16, 17], 6_000)
}

/// Of sizes from which on workers share kernels and Winograd's tiles pay.
pub fn large() -> Family {
    of_sizes(8..=16, &[32, 33, 48], 60_000)
}

fn of_sizes(side: RangeInclusive<usize>, channels: &'static [usize], largest: usize) -> Family {
    let leaves = leaves(side, channels).boxed();
    Family { leaves, largest, kinds: 44, stops: true, taken }
}

/// Shapes of the leaves: pictures of one channel and a map, rows, windows onto one channel, onto a group and onto all; some of
/// each task, some shared.
fn leaves(
    side: RangeInclusive<usize>,
    channels: &'static [usize],
) -> impl Strategy<Value = Vec<Vec<usize>>> {
    let sizes = (1usize..=3, 1usize..=3, side.clone(), side);
    let channels = prop::sample::select(channels);
    (sizes, channels, any::<bool>()).prop_map(|((t, n, h, w), c, two)| {
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
    })
}

fn taken<'t>(what: u8, on: &Operands<'_, 't>) -> Option<Var<'t>> {
    let &Operands { x, y, leaves, numbers: [j, k, l], largest } = on;
    let s = x.shape();
    let axis = k % 5;
    Some(match what {
        0 => x.tanh(),
        1 => x.sin(),
        2 => x.tanh().exp(),
        3 => (x + 0.37).relu(),
        4 => x + x.less(x.mean(&[axis]) + 0.37),
        5..=8 if on.pair() => x * y,
        9..=12 if on.pair() => x + y * 0.7,
        13 if on.pair() => (x + 0.37).max(y),
        14..=16 => x.normalize(&[1, 2, 3], 0.1),
        17 => x.normalize(&[4], 0.1),
        18 => x.mean(&[1, 2, 3]),
        19 => x.mean(&[axis]),
        20..=23 => convolved(x, leaves[5 + j % 3], how(k, l), largest)?,
        24 => convolved(x, y, how(k, l), largest)?,
        25 => spread(x, leaves[5 + j % 3], how(k, l), largest)?,
        26 if s[2].min(s[3]) > 1 => on.told_apart(&[2, 3]).max_pool(Window::tiles(2)),
        27 => pooled(on.told_apart(&[2, 3]), y, [j, k, l])?,
        28 => on.told_apart(&[axis]).max_over(&[axis]),
        29 => on.told_apart(&[4]).argmax(Along::Axis(4)) * (3.0 / s[4] as f64),
        30 => x.narrow(axis, j % s[axis], 1 + l % (s[axis] - j % s[axis])),
        31 => x.flip(Axes::new(&[axis])),
        32 if s.len() <= largest / 3 => x.pad_to(s.with(axis, s[axis] + 1 + l % 2), &[0; 5], 0.2),
        33 if s[0] == 1 => x.per_task(leaves[0].shape()[0]),
        34 => x.sum(&[0]) * 0.5,
        35 if on.joins(axis) => x.tape.concat(&[x, y], axis),
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
        42 => x.resize_bilinear([1 + j % (s[2] + 2), 1 + l % (s[3] + 2)]),
        43 if s.len() <= largest / 6 => x.resize_nearest([1 + j % 2, 1 + l % 3]),
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

/// `x` seen through `w`, if that can be, in as many groups as fit.
fn convolved<'t>(x: Var<'t>, w: Var<'t>, how: Conv2d, largest: usize) -> Option<Var<'t>> {
    let (s, window) = (x.shape(), w.shape());
    let how = Conv2d { groups: s[4] / window[3], ..how };
    let reaches = |a: usize| {
        s[2 + a] + how.pad[2 * a] + how.pad[2 * a + 1] > how.dilation[a] * (window[1 + a] - 1)
    };
    let most = s[0].max(window[0]) * s[1] * (s[2] + 2) * (s[3] + 3) * window[4];
    let suits = s[4] == window[3] * how.groups && window[4] % how.groups == 0;
    let fits = suits && windows(s, window) && reaches(0) && reaches(1) && most <= largest;
    fits.then(|| x.conv2d(w, how) * scale(window[3]))
}

/// What `w` spreads of `x`, if that can be: the adjoint of [`convolved`].
fn spread<'t>(x: Var<'t>, w: Var<'t>, how: Conv2d, largest: usize) -> Option<Var<'t>> {
    let (s, window) = (x.shape(), w.shape());
    let sizes = [0, 1].map(|a| {
        let all = (s[2 + a] - 1) * how.stride[a] + how.dilation[a] * (window[1 + a] - 1) + 1;
        all.saturating_sub(how.pad[2 * a] + how.pad[2 * a + 1])
    });
    let most = s[0].max(window[0]) * s[1] * sizes[0] * sizes[1] * window[3];
    let fits = s[4] == window[4] && windows(s, window) && (1..=largest).contains(&most);
    fits.then(|| x.conv2d_transpose(w, how, [0; 2]) * scale(window[4]))
}

/// Some stride, dilation and border.
fn how(steps: usize, border: usize) -> Conv2d {
    Conv2d {
        stride: [1 + steps % 2, 1 + steps / 2 % 2],
        dilation: [1 + steps / 32 % 4 / 3, 1 + steps / 64 % 4 / 3],
        pad: [1, 1, 1 + border % 2, border / 2 % 2],
        groups: 1,
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
