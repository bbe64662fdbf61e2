//! Many independent networks trained by one program: a network is a place on the task axis.
//!
//! The seeds, the controls and the target domains of a study are networks of one shape, each with weights,
//! pictures, labels, loss weights and step sizes of its own: `[nets, ...]` throughout. So they are trained
//! together, each batch row its own experiment, at the price of their arithmetic and nothing more.
//!
//! A step descends, for each network, Σ over heads of hard·loss + soft·distillation, + anchor/2·‖w − w₀‖²
//! (L2-SP, Li et al. 2018), by Adam with a step size for each group of parameters; and keeps a running average
//! of the weights (EMA or SWA: Izmailov et al. 2018), as `keep` says.

use super::learner::{
    Batch, HUGE, Learner, Step, Tally, first_bad, read_slots, read_stacked, slot_name, stacked,
    write_stacked,
};
use crate::error::Result;
use crate::exec::{Cost, Options, Program, compile};
use crate::mtl::repeat;
use crate::nn::{MultiTask, Params, Spec, Weights};
use crate::optim::{Adam, Optimizer, Pace};
use crate::run::Named;
use crate::tape::{Tape, Var, grad};

/// Parameters with a step size of their own: the factors of [`Rates`].
pub const GROUPS: [&str; 3] = ["trunk/", "embedding/", "head/"];

/// What the program of a stack is written for.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    pub net: MultiTask,
    pub nets: usize,
    /// Pictures of one network in one step.
    pub pictures: usize,
    /// Rows of the task axis that a network's pictures are dealt to, each with a copy of the weights: so a few large
    /// networks divide by the workers, and a row's maps stay in a worker's cache. What is computed is the same.
    pub parts: usize,
    /// Whether networks learn from a teacher's answers too.
    pub teacher: bool,
    /// Whether networks are held to where they began (L2-SP).
    pub anchor: bool,
}

/// Pictures of 48×48 with 32 channels whose maps stay near a core: rows hold no more.
const ROW: usize = 16;

impl Layout {
    /// Networks that learn from labels alone, wherever they go.
    pub fn new(net: &MultiTask, nets: usize, pictures: usize) -> Self {
        let parts = (1..=pictures).find(|p| pictures.is_multiple_of(*p) && pictures / p <= ROW);
        let parts = parts.expect("a row of one picture is short enough");
        Self { net: net.clone(), nets, pictures, parts, teacher: false, anchor: false }
    }
}

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

/// Where the slots of each kind begin.
#[derive(Clone, Debug, Default)]
pub struct Slots {
    /// How many are updated in place, from 0: weights, two moments, average, tally, first bad step.
    state: usize,
    start: usize,
    x: usize,
    targets: usize,
    soft: usize,
    rates: usize,
    step: usize,
}

/// A compiled step of many networks.
pub struct Stack {
    program: Box<dyn Program>,
    layout: Layout,
    spec: Vec<Spec>,
    slots: Slots,
}

impl Stack {
    /// Compiles a step. Distillation is at `temperature`.
    pub fn new(layout: Layout, temperature: f64, options: &Options) -> Result<Self> {
        let tape = Tape::new();
        let (outputs, slots) = write(&tape, &layout, temperature);
        let state: Vec<(usize, usize)> = (0..outputs.len()).map(|i| (i, i)).collect();
        let program = compile(&tape, &outputs, &state, options)?;
        let spec = layout.net.spec();
        Ok(Self { program, layout, spec, slots })
    }

    /// Begins each network at its weights, with its rates.
    #[track_caller]
    pub fn start(&mut self, weights: &[&Weights], rates: &[Rates]) {
        let Layout { nets, net, anchor, .. } = &self.layout;
        assert!(
            weights.len() == *nets && rates.len() == *nets,
            "weights and rates of {nets} networks"
        );
        for slot in 0..self.slots.state {
            let zeros = vec![0.0; self.state_len(slot)];
            self.program.write(slot, &zeros);
        }
        let (average, start) = (3 * self.spec.len(), self.slots.start);
        for from in [Some(0), Some(average), anchor.then_some(start)].into_iter().flatten() {
            write_stacked(&mut *self.program, from, &self.spec, weights);
        }
        let heads = net.heads.len();
        let gather = |pick: &dyn Fn(&Rates) -> Vec<f64>, each: usize| -> Vec<f32> {
            let all: Vec<f32> = rates.iter().flat_map(pick).map(|v| v as f32).collect();
            assert_eq!(all.len(), nets * each, "rates of {each} numbers a network");
            all
        };
        let at = self.slots.rates;
        self.program.write(at, &gather(&|r| r.hard.clone(), heads));
        self.program.write(at + 1, &gather(&|r| r.soft.clone(), heads));
        self.program.write(at + 2, &gather(&|r| r.groups.to_vec(), GROUPS.len()));
        self.program.write(at + 3, &gather(&|r| vec![r.anchor], 1));
    }

    fn state_len(&self, slot: usize) -> usize {
        let (nets, count) = (self.layout.nets, self.spec.len());
        match slot {
            s if s < 4 * count => self.spec[s % count].shape.len() * nets,
            s if s == 4 * count => nets * self.layout.net.heads.len(),
            _ => nets,
        }
    }
}

impl Learner for Stack {
    fn size(&self) -> (usize, usize) {
        (self.layout.nets, self.layout.pictures)
    }

    fn room(&self) -> Batch {
        room(&self.layout)
    }

    fn step(&mut self, step: Step, batch: &Batch) -> Result<()> {
        let Slots { x, targets, soft, step: at, .. } = self.slots;
        self.program.write(x, &batch.x);
        if !batch.domain.is_empty() {
            self.program.write(x + 1, &batch.domain);
        }
        let heads = self.layout.net.heads.len();
        for h in 0..heads {
            self.program.write(targets + h, &batch.targets[h]);
            self.program.write(targets + heads + h, &batch.known[h]);
        }
        if self.layout.teacher {
            for h in 0..heads {
                self.program.write(soft + h, &batch.soft[h]);
            }
            self.program.write(soft + heads, &batch.taught);
        }
        // The number of the step is exact to 2^24; by then Adam's corrections are 1.
        for (i, value) in [step.lr, step.number as f64, step.keep].into_iter().enumerate() {
            self.program.write(at + i, &[value as f32]);
        }
        self.program.run()
    }

    fn tally(&mut self, count: u64) -> Result<Tally> {
        let (nets, heads) = (self.layout.nets, self.layout.net.heads.len());
        let slot = 4 * self.spec.len();
        let mut sums = vec![0.0; nets * heads];
        self.program.read_slot(slot, &mut sums)?;
        self.program.write(slot, &vec![0.0; nets * heads]);
        let mean = |sums: &[f32]| sums.iter().map(|&v| v as f64 / count as f64).collect();
        let mut bad = vec![0.0; nets];
        self.program.read_slot(slot + 1, &mut bad)?;
        let losses = sums.chunks(heads).map(mean).collect();
        Ok(Tally { losses, bad: first_bad(&bad), remarks: vec![] })
    }

    fn weights(&mut self) -> Result<Vec<Weights>> {
        read_stacked(&mut *self.program, 0, &self.spec, self.layout.nets)
    }

    fn averages(&mut self) -> Result<Vec<Weights>> {
        read_stacked(&mut *self.program, 3 * self.spec.len(), &self.spec, self.layout.nets)
    }

    fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        (0..self.slots.state).map(|s| (slot_name(s), vec![self.state_len(s)])).collect()
    }

    fn state(&mut self) -> Result<Vec<Named>> {
        let slots: Vec<_> = (0..self.slots.state).map(|s| (s, self.state_len(s))).collect();
        read_slots(&mut *self.program, &slots)
    }

    fn restore(&mut self, state: &[&[f32]]) {
        for (slot, values) in state.iter().enumerate() {
            self.program.write(slot, values);
        }
    }

    fn cost(&self) -> Cost {
        self.program.cost()
    }

    fn device(&self) -> String {
        self.program.device()
    }
}

/// Room for a batch of this layout.
pub fn room(layout: &Layout) -> Batch {
    let Layout { net, nets, pictures, teacher, .. } = layout;
    let examples = nets * pictures;
    let domains = net.embedding.map_or(0, |e| e.domains);
    let of_head =
        |len: &dyn Fn(usize) -> usize| (0..net.heads.len()).map(|h| vec![0.0; len(h)]).collect();
    Batch {
        x: vec![0.0; examples * net.image.iter().product::<usize>()],
        domain: vec![0.0; examples * domains],
        targets: of_head(&|h| net.target_shape(h, *nets, *pictures).len()),
        known: of_head(&|_| examples),
        soft: match teacher {
            true => of_head(&|h| net.output_shape(h, *nets, *pictures).len()),
            false => vec![],
        },
        taught: vec![0.0; if *teacher { examples } else { 0 }],
    }
}

/// Writes a step on `tape`; the first outputs are the new state, slot by slot.
pub fn write<'t>(tape: &'t Tape, layout: &Layout, temperature: f64) -> (Vec<Var<'t>>, Slots) {
    let Layout { net, nets, pictures, parts, teacher, anchor } = layout;
    let (nets, parts) = (*nets, *parts);
    let (rows, each) = (nets * parts, pictures / parts);
    let spec = stacked(&net.spec(), nets);
    let (count, heads) = (spec.len(), net.heads.len());

    let weights = Params::inputs(tape, &spec);
    let adam = Optimizer::Adam(Adam::default());
    let moments = adam.inputs(tape, weights.vars());
    let average = Params::inputs(tape, &spec);
    let (tally, bad) = (tape.input([nets, heads]), tape.input([nets]));
    let mut slots = Slots { state: 4 * count + 2, start: 4 * count + 2, ..Slots::default() };

    let started = anchor.then(|| Params::inputs(tape, &spec));
    slots.x = slots.start + if *anchor { count } else { 0 };
    let x = tape.input(&[&[rows, each], &net.image[..]].concat()[..]);
    let domain = net.embedding.map(|e| tape.input([rows, each, e.domains]));
    slots.targets = slots.x + 1 + domain.iter().len();
    let targets: Vec<Var> =
        (0..heads).map(|h| tape.input(net.target_shape(h, rows, each))).collect();
    let known: Vec<Var> = (0..heads).map(|_| tape.input([nets, *pictures])).collect();
    slots.soft = slots.targets + 2 * heads;
    let taught = teacher.then(|| {
        let answers = (0..heads).map(|h| tape.input(net.output_shape(h, rows, each)));
        (answers.collect::<Vec<Var>>(), tape.input([nets, *pictures]))
    });
    slots.rates = slots.soft + if *teacher { heads + 1 } else { 0 };
    let (hard, soft) = (tape.input([nets, heads]), tape.input([nets, heads]));
    let (groups, strength) = (tape.input([nets, GROUPS.len()]), tape.input([nets, 1]));
    slots.step = slots.rates + 4;
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

    // Less is 0 for NaN and for infinity, so this is the step's number for both.
    let trouble = total.less(total.like(HUGE)).select(total.like(0.0), number.expand([nets]));
    let first_bad = bad.select(bad, trouble);
    let sums = tally + tape.concat(&losses, 1);
    let averaged: Vec<Var> = averaged.collect();
    let outputs = [next, kept.concat(), averaged, vec![sums, first_bad]].concat();
    (outputs, slots)
}
