//! First layers, whose maps are much larger than their pictures: made where they are read, their sums taken from the picture.

use super::check;
use metatape::op::Window;
use metatape::plan::{Kernel, Kind, Memory, Passes, Plan};
use metatape::tape::{Conv2d, Tape, Var, grad};

/// A first layer on pictures of one channel, its gradient by the window and the gradient of that.
fn thin_layer<'t>(x: Var<'t>, window: Var<'t>, how: Conv2d) -> Vec<Var<'t>> {
    let y = x.conv2d(window, how);
    let pooled = y.normalize(&[1, 2, 3], 0.1).max_pool(Window::tiles(2)).relu();
    let first = grad((pooled * pooled.sin()).sum_all() + y.sin().sum_all(), &[window])[0];
    let second = grad((first * first).sum_all(), &[window])[0];
    vec![pooled, first, second]
}

/// Odd sizes, channels that fill no vector, rows of several blocks, windows that reach outside on unequal sides
/// or skip a pixel, windows of each task and shared ones.
#[test]
fn thin_convolutions_that_ride_in_sweeps() {
    for (h, w, c, pad, stride) in [
        (5, 7, 19, [1; 4], [1, 1]),
        (4, 3, 70, [1; 4], [1, 1]),
        (2, 67, 16, [2, 1, 0, 2], [1, 1]),
        (6, 5, 600, [0; 4], [1, 1]),
        (5, 6, 33, [0, 2, 1, 0], [1, 1]),
        (8, 9, 19, [1; 4], [2, 2]),
        (5, 131, 16, [2, 1, 0, 2], [2, 2]),
        (7, 13, 600, [0; 4], [1, 2]),
        (9, 6, 33, [0, 2, 1, 0], [2, 1]),
    ] {
        let (x, window): (&[usize], &[usize]) = (&[3, 2, h, w, 1], &[1, 3, 3, 1, c]);
        check(&format!("thin {h}×{w}→{c} by {stride:?}"), &[x, window], |v| {
            let how = Conv2d { pad, stride, ..Conv2d::new(1, 0) };
            let local = thin_layer(v[0], v[1].per_task(3), how);
            let one = v[0].slice(&[0; 5], [1, 2, h, w, 1]);
            // Pictures of one task, and a cotangent that depends on the picture.
            let shared = thin_layer(one, v[1], how);
            let y = one.conv2d(v[1], how);
            let read_twice = [y * 2.0, y.sum(&[4]), grad(y.tanh().sum_all(), &[v[1]])[0]];
            // One map for all tasks, read by each with a cotangent of its own.
            let each = v[0].slice(&[0; 5], [3, 2, 1, 1, 1]).expand(y.shape().with(0, 3));
            let by_task = grad(((y * 0.5).per_task(3) * each).tanh().sum_all(), &[v[1]])[0];
            [local, shared, read_twice.to_vec(), vec![by_task]].concat()
        });
    }
}

#[test]
fn no_kernel_of_a_thin_convolution_is_left() {
    let tape = Tape::new();
    let (x, window) = (tape.input([1, 2, 6, 6, 1]), tape.input([1, 3, 3, 1, 16]));
    let outputs = thin_layer(x, window, Conv2d::new(1, 1));
    let kernels = |thin| {
        let passes = Passes { thin, ..Passes::FAST };
        let plan = Plan::with(&tape, &outputs[..2], &[], Memory::PerWorker, passes);
        let wide =
            |kernel: &&Kernel| matches!(&kernel.kind, Kind::Conv(conv) if conv.channels[1] > 1);
        plan.kernels.iter().filter(wide).count()
    };
    assert_eq!((kernels(true), kernels(false)), (0, 2));
}

/// Sums over a map that is much larger than its picture: with a bias, a factor, a mean taken off; and of each image.
fn sums_of_map<'t>(x: Var<'t>, window: Var<'t>, bias: Var<'t>, how: Conv2d) -> Vec<Var<'t>> {
    let y = x.conv2d(window, how);
    let mean = (y + bias).mean(&[1, 2, 3]);
    let spread = (y + bias - mean).square().mean(&[1, 2, 3]);
    let first = grad((mean.sin() * spread).sum_all(), &[window, bias]);
    let second = grad((first[0] * first[0]).sum_all(), &[window])[0];
    let others =
        [(y * 0.5).sum(&[1, 2, 3]), y.sum(&[2, 3]), y.sum(&[1, 2, 3, 4]), y.sum(&[0, 1, 2, 3])];
    [&[mean, spread, first[0], first[1], second][..], &others].concat()
}

#[test]
fn the_sum_of_a_large_map_is_taken_from_its_picture() {
    for (n, h, w, c, k, o, how) in [
        (2, 5, 7, 1, 3, 16, Conv2d::new(1, 1)),
        (1, 6, 3, 2, 3, 19, Conv2d { pad: [0, 2, 1, 1], ..Conv2d::new(1, 0) }),
        (3, 9, 8, 1, 5, 70, Conv2d::new(2, 2)),
        (2, 7, 7, 1, 3, 17, Conv2d { dilation: [2, 1], ..Conv2d::new(1, 2) }),
    ] {
        let shapes: &[&[usize]] = &[&[3, n, h, w, c], &[1, k, k, c, o], &[1, 1, 1, 1, o]];
        check(&format!("sum of {h}×{w}×{c}→{o}"), shapes, |v| {
            let local = sums_of_map(v[0], v[1].per_task(3), v[2].per_task(3), how);
            let one = v[0].slice(&[0; 5], [1, n, h, w, c]);
            let shared = sums_of_map(one, v[1], v[2], how);
            // One picture, windows of each task.
            let each = v[1].per_task(3) * v[0].slice(&[0; 5], [3, 1, 1, 1, 1]);
            let windows = sums_of_map(one.per_task(3), each, v[2].per_task(3), how);
            [local, shared, windows].concat()
        });
    }
}

/// The mean of a map alone costs an eighth of what the map would.
#[test]
fn a_map_is_not_made_for_its_sum() {
    let tape = Tape::new();
    let (x, window, bias) =
        (tape.input([1, 2, 8, 8, 1]), tape.input([1, 3, 3, 1, 16]), tape.input([1, 1, 1, 1, 16]));
    let mean = (x.conv2d(window, Conv2d::new(1, 1)) + bias).mean(&[1, 2, 3]);
    let flops = |passes| Plan::with(&tape, &[mean], &[], Memory::PerWorker, passes).flops();
    let map = 2 * 9 * 2 * 8 * 8 * 16;
    assert!(flops(Passes::PLAIN) > map, "{} of {map}", flops(Passes::PLAIN));
    assert!(flops(Passes::FAST) < map / 8, "{} of {map}", flops(Passes::FAST));
}

/// A first layer as networks have it, on its way into a second one: a loss for each task.
fn two_layers<'t>(x: Var<'t>, weights: &[Var<'t>], how: Conv2d, pooled: bool) -> Var<'t> {
    let [window, bias, scale, shift, next] = weights[..] else { unreachable!("five weights") };
    let y = (x.conv2d(window, how) + bias).normalize(&[1, 2, 3], 0.1) * scale + shift;
    let y = if pooled { y.max_pool(Window::tiles(2)).relu() } else { y.relu() };
    y.conv2d(next, Conv2d::new(2, 1)).sin().sum(&[1, 2, 3, 4])
}

/// All weights after a step of each task's own.
fn learnt<'t>(x: Var<'t>, weights: &[Var<'t>], how: Conv2d, pooled: bool) -> Vec<Var<'t>> {
    let own: Vec<Var> = weights.iter().map(|w| w.per_task(x.shape()[0])).collect();
    let gradient = grad(two_layers(x, &own, how, pooled).sum_all(), &own);
    own.iter().zip(&gradient).map(|(w, g)| *w - *g * 0.1).collect()
}

const TWO_LAYERS: [&[usize]; 5] =
    [&[1, 3, 3, 1, 16], &[1, 1, 1, 1, 16], &[1, 1, 1, 1, 16], &[1, 1, 1, 1, 16], &[1, 3, 3, 16, 2]];

/// What a normalised map leaves for its window is taken from sums that were there: gradients to the third order,
/// on pictures of each task and on shared ones.
#[test]
fn gradients_of_a_normalised_first_layer_are_taken_apart() {
    for (h, w, how, pooled) in [
        (5, 6, Conv2d::new(1, 1), false),
        (7, 5, Conv2d::new(2, 1), false),
        (6, 7, Conv2d { pad: [0, 1, 2, 0], stride: [1, 2], ..Conv2d::new(1, 0) }, false),
        (6, 5, Conv2d::new(1, 1), true),
    ] {
        let pictures: &[usize] = &[2, 2, h, w, 1];
        let shapes = [&[pictures][..], &TWO_LAYERS].concat();
        check(&format!("two layers on {h}×{w}, pooled {pooled}"), &shapes, |v| {
            let shared = v[0].slice(&[0; 5], [1, 2, h, w, 1]).per_task(2);
            let through = |x| {
                let after = learnt(x, &v[1..], how, pooled);
                // Not by the bias, whose gradient is 0 and has no scale.
                let wanted = [v[1], v[3], v[4], v[5]];
                grad(two_layers(x, &after, how, pooled).sum_all(), &wanted)
            };
            let second = through(v[0]);
            let third = grad(second[0].square().sum_all(), &v[1..2]);
            [learnt(v[0], &v[1..], how, pooled), second, third, through(shared)].concat()
        });
    }
}

/// Thin maps that the sweeps of the fast plan make, and window sums that they take.
fn visits(tape: &Tape, outputs: &[Var]) -> [usize; 3] {
    let plan = Plan::fast(tape, outputs, &[], Memory::PerWorker);
    let sweeps = plan.kernels.iter().filter_map(|kernel| match &kernel.kind {
        Kind::Sweep(sweep) => Some([sweep.thins.len(), sweep.window_sums.len()]),
        _ => None,
    });
    let sweeps: Vec<[usize; 2]> = sweeps.filter(|&found| found != [0, 0]).collect();
    let all = |k: usize| sweeps.iter().map(|found| found[k]).sum();
    [sweeps.len(), all(0), all(1)]
}

/// A forward pass makes the map twice, a backward pass visits the cotangent once; the way back through an inner step, what
/// both were changed by, once each. What a map leaves for its own window is visited
/// where there is only that map, and else follows from the pictures.
#[test]
fn a_first_layer_is_visited_seldom() {
    let tape = Tape::new();
    let x = tape.input([3, 2, 8, 8, 1]);
    let weights = TWO_LAYERS.map(|shape| tape.input(shape));
    let how = Conv2d::new(1, 1);
    let after = learnt(x, &weights, how, false);
    assert_eq!(visits(&tape, &after), [3, 2, 2]);
    let through = grad(two_layers(x, &after, how, false).sum_all(), &weights);
    assert_eq!(visits(&tape, &through), [8, 5, 3]);
}

/// Two maps of a picture, each with a factor and something added; and one of another picture, which stays by itself.
fn scattered<'t>(v: &[Var<'t>], how: Conv2d) -> [Var<'t>; 2] {
    let [x, other, window, second, factor, added] = v[..] else { unreachable!("six of them") };
    let y = (x.conv2d(window, how) + added) * factor;
    let sum = y - x.conv2d(second, how) * added + factor;
    [sum.relu(), (sum + other.conv2d(window, how) * 0.5).relu()]
}

fn twice_derived<'t>(v: &[Var<'t>], how: Conv2d) -> Vec<Var<'t>> {
    let [one, two] = scattered(v, how);
    let loss = (one.sin() + two.sin()).sum_all();
    let first = grad(loss, &v[2..]);
    let second = grad(first[0].square().sum_all() + first[2].square().sum_all(), &v[2..4]);
    [vec![loss], first, second].concat()
}

/// The sums of one picture's maps; not those of two pictures, nor where tiles of the sum are pooled. With gradients to the second
/// order.
#[test]
fn a_sum_of_a_picture_s_maps_is_one_map() {
    let tape = Tape::new();
    let shapes: [&[usize]; 6] = [
        &[2, 3, 5, 7, 1],
        &[2, 3, 5, 7, 1],
        &[1, 3, 3, 1, 19],
        &[1, 3, 3, 1, 19],
        &[1, 1, 1, 1, 19],
        &[1, 1, 1, 1, 19],
    ];
    let v: Vec<Var> = shapes.iter().map(|&shape| tape.input(shape)).collect();
    let own: Vec<Var> = v.iter().map(|v| v.per_task(2)).collect();
    let [one, two] = scattered(&own, Conv2d::new(1, 1));
    assert_eq!(visits(&tape, &[one.sum_all()]), [1, 1, 0]);
    assert_eq!(visits(&tape, &[two.sum_all()]), [1, 3, 0]);
    assert_eq!(visits(&tape, &[one.max_pool(Window::tiles(2)).sum_all()]), [1, 2, 0]);

    for how in [Conv2d::new(1, 1), Conv2d::new(2, 1)] {
        check(&format!("scattered maps by {:?}", how.stride), &shapes, |v| {
            let own: Vec<Var> = v.iter().map(|v| v.per_task(2)).collect();
            let one: Vec<Var> = v.iter().map(|v| v.slice(&[0; 5], v.shape().with(0, 1))).collect();
            [twice_derived(&own, how), twice_derived(&one, how)].concat()
        });
    }
}

/// Nothing is visited for the bias before a normalisation, whose gradient is the sum of what its mean was taken off.
#[test]
fn what_a_mean_was_taken_off_sums_to_zero() {
    let tape = Tape::new();
    let x = tape.input([3, 2, 8, 8, 1]);
    let (window, bias) = (tape.input(TWO_LAYERS[0]), tape.input(TWO_LAYERS[1]));
    let y = (x.conv2d(window, Conv2d::new(1, 1)) + bias).normalize(&[1, 2, 3], 1e-3).sin();
    let gradient = grad(y.square().sum_all(), &[bias])[0];
    let reading = |passes| {
        let plan = Plan::with(&tape, &[gradient], &[], Memory::PerWorker, passes);
        plan.kernels.iter().filter(|kernel| !kernel.reads().is_empty()).count()
    };
    assert!(reading(Passes::PLAIN) > 10);
    assert_eq!(reading(Passes::FAST), 0);
}
