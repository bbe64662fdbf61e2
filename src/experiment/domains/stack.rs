//! Many independent networks trained by one program: a network is a place on the task axis.
//!
//! The seeds, the controls and the target domains of a study are networks of one shape, each with weights,
//! pictures, labels, loss weights and step sizes of its own: `[nets, ...]` throughout. So they are trained
//! together, each batch row its own experiment, at the price of their arithmetic and nothing more.
//!
//! A step descends, for each network, Σ over heads of hard·loss + soft·distillation, + anchor/2·‖w − w₀‖²
//! (L2-SP, Li et al. 2018), by Adam with a step size for each group of parameters; and keeps a running average
//! of the weights (EMA or SWA: Izmailov et al. 2018), as `keep` says.

use super::learner::{Batch, Layout, Learner, Step, Tally};
use super::training::{Training, Written, next_slot, stacked};
use crate::error::Result;
use crate::exec::Options;
use crate::experiment::tally::{LossSlots, Losses};
use crate::mtl::repeat;
use crate::nn::{Params, Weights};
use crate::optim::{Adam, Optimizer, Pace};
use crate::tape::{Tape, Var, grad};

/// Parameters with a step size of their own: the factors of [`Rates`].
pub const GROUPS: [&str; 3] = ["trunk/", "embedding/", "head/"];

/// What differs from network to network and stays for a whole training.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    /// Weight of each head's loss on labels.
    pub hard: Vec<f64>,
    /// Weight of each head's distillation loss.
    pub soft: Vec<f64>,
    /// Factor of the step size for each of `GROUPS` (trunk, embedding, heads); 0 freezes.
    pub groups: [f64; 3],
    /// Strength of L2-SP.
    pub anchor: f64,
}

/// Where the slots that only a stack has begin.
#[derive(Clone, Copy, Debug)]
pub struct Slots {
    average: usize,
    losses: LossSlots,
    /// Where each network began: what it is held to.
    start: Option<usize>,
    rates: usize,
}

/// A compiled step of many networks.
pub struct Stack {
    training: Training,
    slots: Slots,
}

impl Stack {
    /// Compiles a step. Distillation is at `temperature`.
    pub fn new(layout: Layout, temperature: f64, options: &Options) -> Result<Self> {
        let tape = Tape::new();
        let (written, slots) = write(&tape, &layout, temperature);
        Ok(Self { training: Training::compile(&tape, &written, layout, options)?, slots })
    }

    /// Begins each network at its weights, with its rates.
    #[track_caller]
    pub fn start(&mut self, weights: &[&Weights], rates: &[Rates]) {
        let (nets, heads) = (self.training.layout.nets, self.training.layout.net.heads.len());
        assert_eq!(rates.len(), nets, "rates of networks");
        self.training.start(weights);
        for from in [Some(self.slots.average), self.slots.start].into_iter().flatten() {
            self.training.write_networks(from, weights);
        }
        let gather = |pick: &dyn Fn(&Rates) -> Vec<f64>, each: usize| -> Vec<f32> {
            let all: Vec<f32> = rates.iter().flat_map(pick).map(|v| v as f32).collect();
            assert_eq!(all.len(), nets * each, "rates of {each} numbers a network");
            all
        };
        let (program, at) = (&mut self.training.program, self.slots.rates);
        program.write(at, &gather(&|r| r.hard.clone(), heads));
        program.write(at + 1, &gather(&|r| r.soft.clone(), heads));
        program.write(at + 2, &gather(&|r| r.groups.to_vec(), GROUPS.len()));
        program.write(at + 3, &gather(&|r| vec![r.anchor], 1));
    }
}

impl Learner for Stack {
    fn training(&self) -> &Training {
        &self.training
    }

    fn training_mut(&mut self) -> &mut Training {
        &mut self.training
    }

    fn step(&mut self, step: Step, batch: &Batch) -> Result<()> {
        self.training.step(batch, &[step.lr, step.number as f64, step.keep])
    }

    fn tally(&mut self, count: u64) -> Result<Tally> {
        let Training { program, layout, .. } = &mut self.training;
        let sums = self.slots.losses.take_sums(&mut **program)?;
        let bad = self.slots.losses.first_bad(&mut **program)?;
        let mean = |sums: &[f32]| sums.iter().map(|&v| v as f64 / count as f64).collect();
        let losses = sums.chunks(layout.net.heads.len()).map(mean).collect();
        Ok(Tally { losses, bad, remarks: vec![] })
    }

    fn averages(&mut self) -> Result<Vec<Weights>> {
        self.training.networks(self.slots.average)
    }
}

/// Writes a step on `tape`. What it changes: weights, Adam's two moments, average, tally, first bad step.
pub fn write<'t>(tape: &'t Tape, layout: &Layout, temperature: f64) -> (Written<'t>, Slots) {
    let Layout { net, nets, pictures, parts, teacher, anchor } = layout;
    let (nets, parts) = (*nets, *parts);
    let (rows, each) = (nets * parts, pictures / parts);
    let spec = stacked(&net.spec(), nets);
    let (count, heads) = (spec.len(), net.heads.len());

    let weights = Params::inputs(tape, &spec);
    let adam = Optimizer::Adam(Adam::default());
    let moments = adam.inputs(tape, weights.vars());
    let average_slot = next_slot(tape);
    let average = Params::inputs(tape, &spec);
    let sums_slot = next_slot(tape);
    let tally = Losses::inputs(tape, [nets, heads], nets);
    let start_slot = next_slot(tape);
    let started = anchor.then(|| Params::inputs(tape, &spec));
    let batch = next_slot(tape);
    let x = tape.input(&[&[rows, each], &net.image[..]].concat()[..]);
    let domain = net.embedding.map(|e| tape.input([rows, each, e.domains]));
    let targets: Vec<Var> =
        (0..heads).map(|h| tape.input(net.target_shape(h, rows, each))).collect();
    let known: Vec<Var> = (0..heads).map(|_| tape.input([nets, *pictures])).collect();
    let taught = teacher.then(|| {
        let answers = (0..heads).map(|h| tape.input(net.output_shape(h, rows, each)));
        (answers.collect::<Vec<Var>>(), tape.input([nets, *pictures]))
    });
    let rates = next_slot(tape);
    let (hard, soft) = (tape.input([nets, heads]), tape.input([nets, heads]));
    let (groups, strength) = (tape.input([nets, GROUPS.len()]), tape.input([nets, 1]));
    let pace_slot = next_slot(tape);
    let (lr, number, keep) = (tape.input([1]), tape.input([1]), tape.input([1]));

    let copies = weights.with(weights.vars().iter().map(|&w| repeat(w, parts)).collect());
    let answers = net.answer(&copies, x, domain);
    let column = |of: Var<'t>, i: usize| of.narrow(1, i, 1).reshape([nets]);
    let of_net = |rows: Var<'t>| rows.reshape([nets, parts]).sum(&[1]).reshape([nets]);
    // What each picture counts in its network's mean: known before any row is computed.
    let share = |known: Var<'t>| {
        let count = known.sum(&[1]);
        let share = known / count.select(count, count.like(1.0)).expand(known.shape());
        share.reshape([rows, each])
    };
    let mean = |each: Var<'t>, share: Var<'t>| (each * share).sum(&[1]).reshape([rows]);
    let taught = taught.map(|(answers, taught)| (answers, share(taught)));
    let mut losses = vec![];
    let mut by_row: Option<Var> = None;
    let mut add = |more: Var<'t>| by_row = Some(by_row.map_or(more, |sum: Var| sum + more));
    for (h, head) in net.heads.iter().enumerate() {
        let loss = mean(head.losses(answers.heads[h], targets[h]), share(known[h]));
        losses.push(of_net(loss).reshape([nets, 1]));
        add(loss * repeat(column(hard, h), parts));
        if let Some((soft_targets, taught)) = &taught {
            let distances = head.distances(answers.heads[h], soft_targets[h], temperature);
            add(mean(distances, *taught) * repeat(column(soft, h), parts));
        }
    }
    let mut total = of_net(by_row.expect("a network has heads"));
    if let Some(started) = &started {
        for (&w, &w0) in weights.vars().iter().zip(started.vars()) {
            let axes: Vec<usize> = (1..w.shape().rank()).collect();
            let distance = (w - w0).square().sum(&axes).reshape([nets]);
            total = total + distance * column(strength, 0) * 0.5;
        }
    }
    let gradient = grad(total, weights.vars());

    // One update a group: its step size differs from network to network.
    let (mut next, mut kept) = (weights.vars().to_vec(), moments.clone());
    for (g, prefix) in GROUPS.iter().enumerate() {
        let of: Vec<usize> = (0..count).filter(|&i| spec[i].name.starts_with(prefix)).collect();
        let pick = |all: &[Var<'t>]| of.iter().map(|&i| all[i]).collect::<Vec<_>>();
        let state: Vec<Vec<Var>> = moments.iter().map(|all| pick(all)).collect();
        let rate = column(groups, g) * lr.expand([nets]);
        let pace = Pace::new(rate, number);
        let (moved, state) = adam.update(&pick(weights.vars()), &pick(&gradient), &state, pace);
        for (k, &i) in of.iter().enumerate() {
            next[i] = moved[k];
            for (all, new) in kept.iter_mut().zip(&state) {
                all[i] = new[k];
            }
        }
    }
    let averaged = average.vars().iter().zip(&next).map(|(&a, &w)| {
        let keep = keep.reshape(&vec![1; w.shape().rank()][..]);
        w + (a - w) * keep
    });

    let averaged: Vec<Var> = averaged.collect();
    let tally = tally.after(tape.concat(&losses, 1), total, number);
    let outputs = [next, kept.concat(), averaged, tally].concat();
    let slots = Slots {
        average: average_slot,
        losses: LossSlots { sums: sums_slot, summed: nets * heads, watched: nets },
        start: anchor.then_some(start_slot),
        rates,
    };
    (Written::in_order(outputs, batch, pace_slot), slots)
}
