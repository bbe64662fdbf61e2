//! Losses and networks to third order: against differences, and executors against the reference.

use metatape::check::program_of::{Derivatives, draw};
use metatape::check::rows::{Operand, Row, row};
use metatape::exec::{Device, Options};
use metatape::nn::*;
use metatape::random::Stream;
use metatape::shape::Shape;
use metatape::tape::Tape;

use super::{EMBEDDING, cpu, network, trunks};

const OUTPUT: Operand = Operand::Free(-2.0, 2.0);
const TEACHER: Operand = Operand::Held(-2.0, 2.0);

/// f64 differences as in `gradcheck`: h⁴ and rounding over h, a hundred times what was seen.
const DIFFERENCE: f64 = 1e-7;
/// f32 against f64 over three derivatives, relative to the largest of an order: as in `gradcheck`.
const F32: f64 = 1e-4;

/// Orders 1 to 3 on the reference against differences.
fn differences(row: &Row, shapes: &[Shape], seed: u32) -> Vec<f64> {
    let tape = Tape::new();
    let derivatives = Derivatives::new(&tape, row, shapes, 3, seed);
    derivatives.against_differences(&draw(&row.operands, shapes, seed)).unwrap()
}

/// A kink that a difference crosses spoils it, and a network has hundreds of ReLUs. So a case may draw again: a
/// wrong rule is wrong at every draw.
#[track_caller]
fn some_draw_matches(row: &Row, shapes: &[Shape], seed: u32, draws: u32) {
    let mut seen = vec![];
    for seed in seed..seed + draws {
        let errors = differences(row, shapes, seed);
        if within(&errors, DIFFERENCE) {
            return;
        }
        seen.push(errors);
    }
    panic!("{} {shapes:?}: {seen:?}", row.name);
}

/// Value and orders 1 to 3 on an executor against the reference.
fn agrees(row: &Row, shapes: &[Shape], seed: u32, options: &Options) {
    let tape = Tape::new();
    let derivatives = Derivatives::new(&tape, row, shapes, 3, seed);
    let values = draw(&row.operands, shapes, seed);
    let errors = derivatives.against_reference(&values, options).unwrap();
    assert!(within(&errors, F32), "{} {shapes:?}: {errors:?}", row.name);
}

fn within(errors: &[f64], limit: f64) -> bool {
    errors.iter().all(|&error| error <= limit) // not `>`: NaN fails too
}

/// Random targets of a kind that are possible, of the shape the network asks for.
fn targets(kind: &HeadKind, shape: Shape, seed: u32) -> Vec<f64> {
    let mut random = Stream::new(seed, 16, 0, 0);
    let width = shape.last();
    let mut one = |i: usize| match kind {
        HeadKind::Classes(kind) => random.below(kind.classes) as f64,
        HeadKind::Mask(kind) => random.below(kind.classes + 1) as f64 - 1.0,
        HeadKind::Labels(_) => random.below(3) as f64 - 1.0,
        HeadKind::Boxes(kind) => match i % width {
            at if at < kind.classes => random.below(3) as f64 - 1.0,
            at if at == width - 1 => random.below(2) as f64,
            _ => random.normal(),
        },
        HeadKind::Values(_) => random.normal(),
    };
    (0..shape.len()).map(&mut one).collect()
}

/// The loss and the distillation loss of every kind, on outputs of its own and shared.
#[test]
fn losses_match_their_differences_to_third_order() {
    let net = network(trunks()[0].clone(), None);
    for (k, head) in net.heads.iter().enumerate() {
        for (tasks, outputs, teachers) in [(1, 1, 1), (3, 3, 3), (3, 3, 1), (3, 1, 3)] {
            let target_shape = net.target_shape(k, tasks, 4);
            let target = targets(&head.kind, target_shape, 3);
            let known: Vec<f64> = (0..tasks * 4).map(|i| (i % 3 > 0) as u8 as f64).collect();
            let owned = head.clone();
            let row = row(&head.name, &[OUTPUT, TEACHER], &[], move |x| {
                let tape = x[0].tape;
                let known = tape.data([tasks, 4], &known);
                let loss = owned.loss(x[0], tape.data(target_shape, &target), known);
                loss + owned.distill(x[0], x[1], known, 2.5)
            });
            let shapes = [net.output_shape(k, outputs, 4), net.output_shape(k, teachers, 4)];
            // Only GIoU has kinks, where an edge of a box passes another's.
            let draws = if matches!(head.kind, HeadKind::Boxes(_)) { 12 } else { 1 };
            some_draw_matches(&row, &shapes, k as u32 + 1, draws);
            agrees(&row, &shapes, k as u32 + 1, &cpu());
        }
    }
}

/// A number made of every head's output, as a function of the pictures and all weights. `tasks` of pictures, and
/// of weights at an even and at an odd place of the list.
fn network_row(net: &MultiTask, tasks: [usize; 3], pictures: usize) -> (Row, Vec<Shape>) {
    let spec = net.spec();
    let [h, w, c] = net.image;
    let mut shapes = vec![Shape::from([tasks[0], pictures, h, w, c])];
    shapes.extend(spec.iter().enumerate().map(|(i, s)| s.shape.with(0, tasks[1 + i % 2])));
    let names: Vec<String> = spec.iter().map(|s| s.name.clone()).collect();
    let net = net.clone();
    let operands = vec![Operand::Free(-1.0, 1.0); shapes.len()];
    let row = row("network", &operands, &[], move |x| {
        let names: Vec<&str> = names.iter().map(|name| &name[..]).collect();
        let weights = Params::new(&names, x[1..].to_vec());
        let domain = x[0].tape.data([1, 2, 3], &[0.5, 0.25, 0.25, 1.0, 0.0, 0.0]);
        let domain = domain.narrow(1, 0, pictures);
        let answers = net.answer(&weights, x[0], net.embedding.map(|_| domain));
        let tasks = answers.heads.iter().map(|head| head.shape().tasks()).max().unwrap();
        let sums = answers.heads.into_iter().enumerate().map(|(k, head)| {
            let axes: Vec<usize> = (1..head.shape().rank()).collect();
            let bent = (head * (1.0 + 0.1 * k as f64)).tanh();
            bent.mean(&axes).squeeze(&axes).per_task(tasks)
        });
        sums.reduce(|a, b| a + b).unwrap()
    });
    (row, shapes)
}

/// Weights all shared, all per task, and mixed; pictures shared or not.
const TASKS: [[usize; 3]; 6] = [[1, 1, 1], [2, 2, 2], [2, 1, 1], [1, 2, 2], [2, 1, 2], [1, 2, 1]];

#[test]
fn networks_match_their_differences_to_third_order() {
    for trunk in trunks() {
        let net = MultiTask { image: [16, 12, 1], ..network(trunk, EMBEDDING) };
        for tasks in TASKS {
            let (row, shapes) = network_row(&net, tasks, 1);
            some_draw_matches(&row, &shapes, 1, 12);
        }
    }
}

#[test]
fn networks_agree_with_the_reference_to_third_order() {
    for trunk in trunks() {
        let net = network(trunk, EMBEDDING);
        for tasks in TASKS {
            let (row, shapes) = network_row(&net, tasks, 2);
            agrees(&row, &shapes, 5, &cpu());
        }
    }
}

/// One trunk and one sharing: every further program is a minute of shaders for a software adapter.
#[test]
fn a_network_agrees_with_the_reference_on_the_gpu_to_third_order() {
    if std::env::var_os("METATAPE_NO_GPU").is_some() {
        return eprintln!("skipped: no GPU (METATAPE_NO_GPU is set)");
    }
    let net = network(trunks()[0].clone(), EMBEDDING);
    let (row, shapes) = network_row(&net, [2, 1, 2], 2);
    let gpu = Options { device: Device::Gpu(None), ..Options::default() };
    agrees(&row, &shapes, 5, &gpu);
}
