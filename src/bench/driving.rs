//! Row `driving`: a training step of the driving case's network. What do gradients of each task apart cost beside
//! one gradient of their sum, where every task has pictures of its own?
//!
//! Three networks (seeds) with 36 pictures of 48×48 each, a third of them for each task, as `recipes/driving.toml`
//! trains them. All cases take each picture once forward and once backward, so they should take the same time:
//! what is above that is overhead.

use super::heads::Weighed;
use super::rows::{Built, Work, data, outer};
use crate::data::scenes::{KINDS, OBJECTS, SIGNALS, SURFACES};
use crate::mtl::aggregate::{Aggregator, CaGrad};
use crate::mtl::{repeat, step};
use crate::nn::{
    Boxes, Classes, Embedding, Head, HeadKind, MultiTask, Params, Pool, Small, Spec, Trunk, Weights,
};
use crate::optim::{Adam, Optimizer, Pace};
use crate::tape::{Tape, Var};

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// One backward pass of the losses' sum, Adam.
    Joint,
    /// The same, the pictures of each task a row of their own with copies of the weights.
    Parts,
    /// Per-task gradients to the trunk, Gram matrices, CAGrad, Adam.
    PerTask,
}

const NETS: usize = 3;
const TASKS: usize = 3;
/// Pictures of one task.
const PICTURES: usize = 12;
const SIDE: usize = 48;
const DOMAINS: usize = 12;
const CHANNELS: usize = 48;
const STEM: usize = 32;

fn network() -> MultiTask {
    let classes = |count: usize, pool: Pool| HeadKind::Classes(Classes::new(count, pool));
    let head = |name, kind| Head::new(name, "block4", kind);
    MultiTask {
        image: [SIDE, SIDE, 3],
        trunk: Trunk::Small(Small { channels: CHANNELS, stem: STEM, ..Small::default() }),
        embedding: Some(Embedding { domains: DOMAINS, width: 8 }),
        heads: vec![
            head("kind", classes(KINDS.len(), Pool::Mean)),
            head("surface", classes(SURFACES.len(), Pool::Mean)),
            head("obstacles", HeadKind::Boxes(Boxes::new(OBJECTS.len()))),
            head("signal", classes(SIGNALS.len(), Pool::LogSumExp)),
        ],
    }
}

/// The task that answers for each head.
const TASK_OF_HEAD: [usize; 4] = [0, 0, 1, 2];

/// Multiply-adds of the convolutions of one picture, forward, and those of the first layer.
pub fn flops() -> (f64, f64) {
    let layer = |window: usize, [inputs, outputs]: [usize; 2], side: usize| {
        (2 * window * window * inputs * outputs * side * side) as f64
    };
    let (first, deep) = (layer(5, [3, STEM], 24), [CHANNELS, CHANNELS]);
    let rest = layer(3, [STEM, CHANNELS], 12) + layer(3, deep, 12) + 2.0 * layer(3, deep, 6);
    (first + rest, first)
}

pub fn pictures() -> f64 {
    (NETS * TASKS * PICTURES) as f64
}

pub fn build(tape: Box<Tape>, case: Case) -> Work {
    let net = network();
    let spec: Vec<Spec> =
        net.spec().iter().map(|s| Spec { shape: s.shape.with(0, NETS), ..s.clone() }).collect();
    let all = Params::inputs(&tape, &spec);
    // A task of a network stands on the task axis where it has a gradient of its own.
    let (rows, each) = match case {
        Case::Joint => (NETS, TASKS * PICTURES),
        Case::Parts | Case::PerTask => (NETS * TASKS, PICTURES),
    };
    let batch = Batch::inputs(&tape, &net, rows, each);
    let (outputs, state, mut values) = match case {
        Case::Joint => outer(&tape, &all, batch.losses(&net, &all).sum(&[0]), &spec),
        Case::Parts => {
            let copies = all.with(all.vars().iter().map(|&w| repeat(w, TASKS)).collect());
            outer(&tape, &all, batch.losses(&net, &copies).sum(&[0]), &spec)
        }
        Case::PerTask => per_task(&tape, &net, &spec, &all, &batch),
    };
    if values.is_empty() {
        values = tape.input_shapes().iter().map(|shape| vec![0.0; shape.len()]).collect();
        for (slot, weight) in Weights::init(&spec, 0).iter().enumerate() {
            values[slot] = weight.values.clone();
        }
    }
    // Pictures of noise, all of the first domain; every picture has the labels of its own task.
    let at = spec.len();
    values[at] = data(batch.x.shape(), 0, Some(1));
    values[at + 1].iter_mut().step_by(DOMAINS).for_each(|v| *v = 1.0);
    for (head, task) in TASK_OF_HEAD.into_iter().enumerate() {
        let known = &mut values[at + 2 + TASK_OF_HEAD.len() + head];
        for (i, known) in known.iter_mut().enumerate() {
            *known = f32::from(u8::from(i / PICTURES % TASKS == task));
        }
    }
    let after = match case {
        Case::Joint | Case::Parts => None,
        Case::PerTask => {
            let number = at + 2 + 2 * TASK_OF_HEAD.len();
            values[number] = vec![1.0];
            Some(Weighed {
                models: NETS,
                tasks: TASKS,
                aggregator: Aggregator::CaGrad(CaGrad::default()),
                gram: 1,
                weights: tape.input_shapes().len() - 1,
            })
        }
    };
    Work { tape, outputs, state, values, after }
}

/// The slots of one step's pictures and labels.
struct Batch<'t> {
    x: Var<'t>,
    domain: Var<'t>,
    targets: Vec<Var<'t>>,
    known: Vec<Var<'t>>,
}

impl<'t> Batch<'t> {
    fn inputs(tape: &'t Tape, net: &MultiTask, rows: usize, each: usize) -> Self {
        let heads = 0..net.heads.len();
        Self {
            x: tape.input([rows, each, SIDE, SIDE, 3]),
            domain: tape.input([rows, each, DOMAINS]),
            targets: heads.clone().map(|h| tape.input(net.target_shape(h, rows, each))).collect(),
            known: heads.map(|_| tape.input([rows, each])).collect(),
        }
    }

    /// A number for each row.
    fn losses(&self, net: &MultiTask, weights: &Params<'t>) -> Var<'t> {
        let answers = net.answer(weights, self.x, Some(self.domain));
        let loss = |h: usize| net.heads[h].loss(answers.heads[h], self.targets[h], self.known[h]);
        (0..net.heads.len()).map(loss).reduce(|a, b| a + b).expect("four heads")
    }
}

/// [`step`] with the losses' sum as the first output.
fn per_task<'t>(
    tape: &'t Tape,
    net: &MultiTask,
    spec: &[Spec],
    all: &Params<'t>,
    batch: &Batch<'t>,
) -> Built {
    let (heads, shared): (Vec<usize>, Vec<usize>) =
        (0..spec.len()).partition(|&i| spec[i].name.starts_with("head/"));
    let pick = |of: &[usize]| of.iter().map(|&i| all.vars()[i]).collect::<Vec<Var>>();
    let names: Vec<&str> = shared.iter().map(|&i| &spec[i].name[..]).collect();
    let theta = Params::new(&names, pick(&shared));
    let number = tape.input([1]);
    let outer = (Optimizer::Adam(Adam::default()), Pace::new(1e-3, number));
    let made = step(tape, &theta, &pick(&heads), TASKS, outer, |copies, own| {
        let mut vars = all.vars().to_vec();
        shared.iter().zip(copies.vars()).for_each(|(&i, &copy)| vars[i] = copy);
        heads.iter().zip(own).for_each(|(&i, &own)| vars[i] = repeat(own, TASKS));
        batch.losses(net, &all.with(vars))
    });
    let (mut outputs, mut state) = (made.outputs, made.state);
    outputs[0] = made.losses.sum(&[0]);
    state.push((outputs.len(), number.slot().expect("an input")));
    outputs.push(number + 1.0);
    (outputs.iter().map(|v| v.id).collect(), state, vec![])
}
