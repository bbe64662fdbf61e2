//! The rows of work, exactly as `benches/peers/WORK.md` defines them: the same networks, sizes, losses,
//! inner and outer steps as the peers run; inputs from the same distributions.

use super::driving;
use super::heads::Case;
use crate::loss;
use crate::meta::{Episode, Judged, Maml};
use crate::nn::{Conv4, Given, Init, Mlp, Model, Params, Spec, Weights};
use crate::op::Window;
use crate::optim::{Adam, Optimizer, Pace};
use crate::random::Stream;
use crate::shape::Shape;
use crate::tape::{Conv2d, Tape, Var, grad};

/// One row in one case.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: &'static str,
    pub case: &'static str,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// MAML on pooled Conv-4-64, five ways: tasks, queries a class, inner steps, first order.
    Images { tasks: usize, queries: usize, steps: usize, first_order: bool },
    /// A step of the recipes for Omniglot with their network, strided Conv-4.
    Omniglot { ways: usize, tasks: usize, steps: usize, inner_lr: f64 },
    /// MAML on the sinusoid, 25 tasks.
    Sine,
    /// An ordinary training step of Conv-4-64, 20 ways.
    Supervised { batch: usize },
    /// Three heads of 20 ways on one trunk, batch 32.
    Heads(super::heads::Case),
    /// The driving case's network, three times, with Adam.
    Driving(driving::Case),
}

const WAYS: usize = 5;

pub fn all() -> Vec<Row> {
    let images =
        |tasks, queries, steps, first_order| Kind::Images { tasks, queries, steps, first_order };
    let row = |name, case, kind| Row { name, case, kind };
    vec![
        row("R1", "order2", images(32, 1, 1, false)),
        row("R1", "order1", images(32, 1, 1, true)),
        row("R2", "order2", images(4, 15, 5, false)),
        row("R2", "order1", images(4, 15, 5, true)),
        row("R3", "order2", Kind::Sine),
        row("R4", "batch32", Kind::Supervised { batch: 32 }),
        row("R4", "batch320", Kind::Supervised { batch: 320 }),
        row("R7", "forward", Kind::Heads(Case::Forward)),
        row("R7", "one", Kind::Heads(Case::One)),
        row("R7", "k", Kind::Heads(Case::PerTask)),
        row("omniglot", "5w1s", Kind::Omniglot { ways: 5, tasks: 32, steps: 1, inner_lr: 0.4 }),
        row("omniglot", "20w1s", Kind::Omniglot { ways: 20, tasks: 16, steps: 5, inner_lr: 0.4 }),
        row("driving", "joint", Kind::Driving(driving::Case::Joint)),
        row("driving", "parts", Kind::Driving(driving::Case::Parts)),
        row("driving", "k", Kind::Driving(driving::Case::PerTask)),
    ]
}

/// A row as a tape: outputs with the loss first, state pairs, and what goes into each slot.
pub struct Work {
    pub tape: Box<Tape>,
    pub(super) outputs: Vec<usize>,
    pub state: Vec<(usize, usize)>,
    pub values: Vec<Vec<f32>>,
    /// What the host does after a run.
    pub after: Option<super::heads::Weighed>,
}

impl Work {
    pub fn outputs(&self) -> Vec<Var<'_>> {
        self.outputs.iter().map(|&id| Var { tape: &self.tape, id }).collect()
    }
}

impl Row {
    /// R1 with another number of tasks, R2 with other inner steps: for scaling curves.
    pub fn images(tasks: usize, queries: usize, steps: usize) -> Row {
        let kind = Kind::Images { tasks, queries, steps, first_order: false };
        Row { name: "maml", case: "order2", kind }
    }

    /// Steps before the clock starts.
    pub fn warm_up(&self) -> usize {
        if let Kind::Sine = self.kind { 200 } else { 1 }
    }

    pub fn build(&self) -> Work {
        let tape = Box::new(Tape::new());
        match self.kind {
            Kind::Heads(case) => return super::heads::build(tape, case),
            Kind::Driving(case) => return driving::build(tape, case),
            _ => {}
        }
        let (outputs, state, values) = match self.kind {
            Kind::Images { tasks, queries, steps, first_order } => {
                let maml = Maml { first_order, ..Maml::new(0.4, steps) };
                meta_step(&tape, &pooled(WAYS), &maml, tasks, [WAYS, WAYS * queries], Some(WAYS))
            }
            Kind::Omniglot { ways, tasks, steps, inner_lr } => {
                let (net, maml) = (Conv4::omniglot(ways), Maml::new(inner_lr, steps));
                meta_step(&tape, &net, &maml, tasks, [ways, ways], Some(ways))
            }
            Kind::Sine => {
                let sizes = vec![1, 40, 40, 1];
                let mlp = Mlp { sizes, activation: Default::default(), init: Init::He };
                meta_step(&tape, &mlp, &Maml::new(0.01, 1), 25, [10, 10], None)
            }
            Kind::Supervised { batch } => supervised(&tape, batch),
            Kind::Heads(_) | Kind::Driving(_) => unreachable!("built above"),
        };
        Work { tape, outputs, state, values, after: None }
    }

    /// The row's multiply-adds of convolutions and head, as `WORK.md` counts them, in 10^9 flops.
    pub fn gflop(&self) -> f64 {
        // One picture forward, and the share of the first layer, which needs no gradient by its pictures.
        let conv4 = |[p1, p2, p3, p4]: [usize; 4], ways: usize| -> (f64, f64) {
            let layer = |ci: usize, pixels: usize| (2 * 64 * ci * 9 * pixels) as f64;
            let first = layer(1, p1);
            (first + layer(64, p2 + p3 + p4) + (2 * 64 * ways) as f64, first)
        };
        let sample = |ways: usize| conv4([784, 196, 49, 9], ways);
        let meta = |(f, f1): (f64, f64), support: usize, query: usize, first_order: bool| {
            let gradient = 3.0 * f - f1;
            let inner = if first_order { gradient } else { 9.0 * f - 5.0 * f1 };
            support as f64 * inner + query as f64 * gradient
        };
        let flops = match self.kind {
            Kind::Images { tasks, queries, steps, first_order } => {
                let one = meta(sample(WAYS), steps * WAYS, WAYS * queries, first_order);
                tasks as f64 * one
            }
            Kind::Omniglot { ways, tasks, steps, .. } => {
                let strided = conv4([196, 49, 16, 4], ways);
                tasks as f64 * meta(strided, steps * ways, ways, false)
            }
            // 12 products of the 40×40 layer and as many thin ones, a task (see BENCHMARKS.md).
            Kind::Sine => 25.0 * 12.0 * 2.0 * 10.0 * (40.0 * 40.0 + 80.0),
            Kind::Supervised { batch } => {
                let (f, f1) = sample(20);
                batch as f64 * (3.0 * f - f1)
            }
            Kind::Heads(case) => {
                let (f, f1) = sample(3 * 20); // heads: one product of each sample with each
                let passes = match case {
                    Case::Forward => f,
                    Case::One => 3.0 * f - f1,
                    Case::PerTask => f + 3.0 * (2.0 * f - f1),
                };
                super::heads::BATCH as f64 * passes
            }
            Kind::Driving(_) => {
                let (f, f1) = driving::flops();
                driving::pictures() * (3.0 * f - f1)
            }
        };
        flops / 1e9
    }
}

/// Pooled Conv-4-64 with a bias in each convolution, as the peers have it.
pub(super) struct Pooled {
    ways: usize,
}

pub(super) fn pooled(ways: usize) -> Pooled {
    Pooled { ways }
}

impl Model for Pooled {
    fn spec(&self) -> Vec<Spec> {
        let mut all = vec![];
        for (i, inputs) in [1, 64, 64, 64].into_iter().enumerate() {
            let part = |name: &str| format!("block{}/{name}", i + 1);
            all.push(Spec::new(part("weight"), [1, 3, 3, inputs, 64], Init::He));
            all.push(Spec::new(part("bias"), [1, 1, 1, 1, 64], Init::ZEROS));
            all.push(Spec::new(part("scale"), [1, 1, 1, 1, 64], Init::ONES));
            all.push(Spec::new(part("shift"), [1, 1, 1, 1, 64], Init::ZEROS));
        }
        all.push(Spec::new("head/weight", [1, 64, self.ways], Init::Normal(0.125)));
        all.push(Spec::new("head/bias", [1, 1, self.ways], Init::ZEROS));
        all
    }

    fn output<'t>(&self, weights: &Params<'t>, given: Given<'t>) -> Var<'t> {
        let h = Self::trunk(weights, given.x);
        h.matmul(weights.get("head/weight")) + weights.get("head/bias")
    }
}

impl Pooled {
    /// `[tasks, batch, 28, 28, 1]` -> `[tasks, batch, 64]`.
    pub(super) fn trunk<'t>(weights: &Params<'t>, x: Var<'t>) -> Var<'t> {
        let mut h = x;
        for i in 1..=4 {
            let part = |name: &str| weights.get(&format!("block{i}/{name}"));
            h = h.conv2d(part("weight"), Conv2d::new(1, 1)) + part("bias");
            h = h.normalize(&[1, 2, 3], 1e-5) * part("scale") + part("shift");
            h = h.max_pool(Window::tiles(2)).relu();
        }
        let s = h.shape();
        h.reshape([s[0], s[1], s[4]])
    }
}

pub(super) type Built = (Vec<usize>, Vec<(usize, usize)>, Vec<Vec<f32>>);

/// One meta-step with Adam 1e-3; `ways` for pictures with labels, none for numbers.
fn meta_step(
    tape: &Tape,
    model: &dyn Model,
    maml: &Maml,
    tasks: usize,
    examples: [usize; 2],
    ways: Option<usize>,
) -> Built {
    let spec = model.spec();
    let theta = Params::inputs(tape, &spec);
    let (x, y): (Vec<usize>, Vec<usize>) =
        if ways.is_some() { (vec![28, 28, 1], vec![]) } else { (vec![1], vec![1]) };
    let side = |n: usize, rest: &[usize]| Shape::new(&[&[tasks, n], rest].concat());
    let shapes = [
        side(examples[0], &x),
        side(examples[0], &y),
        side(examples[1], &x),
        side(examples[1], &y),
    ];
    let episode = Episode::inputs(tape, shapes);
    let adapted = maml.run(&theta, &episode, |weights, part| {
        let output = model.output(weights, part.given);
        let loss = match ways {
            Some(_) => loss::cross_entropy(output, part.y),
            None => loss::mse(output, part.y),
        };
        Judged { loss, output }
    });
    let mut built = outer(tape, &theta, adapted.meta_loss, &spec);
    for (k, shape) in shapes.into_iter().enumerate() {
        let at = theta.vars().len() + k;
        built.2[at] = data(shape, k, ways);
    }
    built
}

/// Normal pictures and labels in class order; sine tasks for the MLP.
pub(super) fn data(shape: Shape, k: usize, ways: Option<usize>) -> Vec<f32> {
    let mut random = Stream::new(1, 0x1000, 0, k as u32);
    match (ways, k % 2) {
        (Some(ways), 1) => {
            let each = shape[1] / ways;
            (0..shape.len()).map(|i| (i % shape[1] / each) as f32).collect()
        }
        (Some(_), _) => (0..shape.len()).map(|_| random.normal() as f32).collect(),
        (None, _) => {
            // The same x on both sides of a set: x from one stream, y = A·sin(x − φ) of it.
            let tasks = shape.tasks();
            let per_task = shape.len() / tasks;
            let mut values = vec![];
            for task in 0..tasks {
                let mut curve = Stream::new(2, 0x1001, 0, task as u32);
                let (a, phase) =
                    (curve.between(0.1, 5.0), curve.between(0.0, std::f64::consts::PI));
                let mut points = Stream::new(2, 0x1002, (k / 2) as u32, task as u32);
                for _ in 0..per_task {
                    let x = points.between(-5.0, 5.0);
                    values.push(if k.is_multiple_of(2) { x } else { a * (x - phase).sin() } as f32);
                }
            }
            values
        }
    }
}

fn supervised(tape: &Tape, batch: usize) -> Built {
    let model = pooled(20);
    let spec = model.spec();
    let theta = Params::inputs(tape, &spec);
    let (x, y) = (tape.input([1, batch, 28, 28, 1]), tape.input([1, batch]));
    let output = model.output(&theta, Given::new(x));
    let loss = loss::cross_entropy(output, y);
    let mut built = outer(tape, &theta, loss, &spec);
    let at = theta.vars().len();
    built.2[at] = data(x.shape(), 0, Some(20));
    built.2[at + 1] = (0..batch).map(|i| (i % 20) as f32).collect();
    built
}

/// Adam on `loss`: outputs, state pairs and start values of every slot that is not data.
pub(super) fn outer(tape: &Tape, theta: &Params, loss: Var, spec: &[Spec]) -> Built {
    let loss = Var { tape, id: loss.id };
    let weights: Vec<Var> = theta.vars().iter().map(|w| Var { tape, id: w.id }).collect();
    let adam = Optimizer::Adam(Adam::default());
    let kept = adam.inputs(tape, &weights);
    let step = tape.input([1]);
    let gradient = grad(loss, &weights);
    let (next, state) = adam.update(&weights, &gradient, &kept, Pace::new(1e-3, step));

    let (mut outputs, mut pairs) = (vec![loss.id], vec![]);
    let slots = weights.iter().chain(kept.iter().flatten());
    for (new, old) in next.iter().chain(state.iter().flatten()).zip(slots) {
        pairs.push((outputs.len(), old.slot().expect("an input")));
        outputs.push(new.id);
    }
    pairs.push((outputs.len(), step.slot().expect("an input")));
    outputs.push((step + 1.0).id);

    let mut values: Vec<Vec<f32>> =
        tape.input_shapes().iter().map(|shape| vec![0.0; shape.len()]).collect();
    for (slot, weight) in Weights::init(spec, 0).iter().enumerate() {
        values[slot] = weight.values.clone();
    }
    values[step.slot().expect("an input")] = vec![1.0];
    (outputs, pairs, values)
}
