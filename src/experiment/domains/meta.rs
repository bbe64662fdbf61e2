//! Meta-learning over domains: a start from which a few gradient steps on a domain's few labels go far.
//!
//! MAML (Finn, Abbeel, Levine 2017) on multi-task episodes: a task of the episode is a *domain*; its support and
//! its query are pictures that carry labels of every task, one each. Several networks (the seeds) learn at once,
//! network by network on the task axis, [nets · domains, ...].

use super::learner::{
    Batch, HUGE, Learner, Step, Tally, first_bad, read_slots, read_stacked, slot_name, stacked,
    write_stacked,
};
use super::stack::{Layout, room};
use crate::error::Result;
use crate::exec::{Cost, Options, Program, compile};
use crate::meta::{Episode, Judged, Maml, Part};
use crate::mtl::repeat;
use crate::nn::{Params, Spec, Weights};
use crate::optim::{Adam, Optimizer, Pace};
use crate::run::Named;
use crate::tape::{Tape, Var, grad};

/// The shape of an episode.
#[derive(Clone, Debug, PartialEq)]
pub struct Episodes {
    /// Domains of a network in a step.
    pub domains: usize,
    /// Tasks, each with its own pictures.
    pub tasks: usize,
    /// Pictures of each task to adapt on, and to judge the adapted weights on.
    pub support: usize,
    pub query: usize,
}

impl Episodes {
    /// Pictures of a network in a step. In a batch: by domain, by task, support before query.
    pub fn pictures(&self) -> usize {
        self.domains * self.each()
    }

    /// Pictures of a domain.
    fn each(&self) -> usize {
        self.tasks * (self.support + self.query)
    }
}

pub struct Meta {
    program: Box<dyn Program>,
    layout: Layout,
    spec: Vec<Spec>,
    /// Slot of the first input after what training changes.
    inputs: usize,
}

impl Meta {
    /// `hard`: weight of each head's loss, inside and outside. The network knows one domain: see
    /// [`Weights::for_new_domain`].
    pub fn new(
        layout: Layout,
        episodes: &Episodes,
        hard: &[f64],
        maml: Maml,
        options: &Options,
    ) -> Result<Self> {
        let tape = Tape::new();
        let (outputs, inputs) = write(&tape, &layout, episodes, hard, maml);
        let state: Vec<(usize, usize)> = (0..outputs.len()).map(|i| (i, i)).collect();
        let program = compile(&tape, &outputs, &state, options)?;
        Ok(Self { program, spec: layout.net.spec(), inputs, layout })
    }

    /// Begins each network at its weights.
    pub fn start(&mut self, weights: &[&Weights]) {
        for (slot, len) in self.slots() {
            self.program.write(slot, &vec![0.0; len]);
        }
        write_stacked(&mut *self.program, 0, &self.spec, weights);
    }

    /// What training changes: weights, two moments, the sum of losses, first bad steps.
    fn slots(&self) -> Vec<(usize, usize)> {
        let (nets, count) = (self.layout.nets, self.spec.len());
        let len =
            |slot: usize| if slot < 3 * count { self.spec[slot % count].shape.len() } else { 1 };
        (0..self.inputs).map(|slot| (slot, len(slot) * nets)).collect()
    }
}

impl Learner for Meta {
    fn size(&self) -> (usize, usize) {
        (self.layout.nets, self.layout.pictures)
    }

    fn room(&self) -> Batch {
        room(&self.layout)
    }

    fn step(&mut self, step: Step, batch: &Batch) -> Result<()> {
        let mut slot = self.inputs;
        let domain = Some(&batch.domain).filter(|domain| !domain.is_empty());
        for part in [&batch.x].into_iter().chain(domain).chain(&batch.targets).chain(&batch.known) {
            self.program.write(slot, part);
            slot += 1;
        }
        self.program.write(slot, &[step.lr as f32]);
        self.program.write(slot + 1, &[step.number as f32]);
        self.program.run()
    }

    /// The query loss stands at the first head.
    fn tally(&mut self, count: u64) -> Result<Tally> {
        let (nets, heads) = (self.layout.nets, self.layout.net.heads.len());
        let slot = 3 * self.spec.len();
        let (mut sums, mut bad) = (vec![0.0; nets], vec![0.0; nets]);
        self.program.read_slot(slot, &mut sums)?;
        self.program.write(slot, &vec![0.0; nets]);
        self.program.read_slot(slot + 1, &mut bad)?;
        let of_net = |&sum: &f32| {
            let mut losses = vec![0.0; heads];
            losses[0] = f64::from(sum) / count as f64;
            losses
        };
        let losses = sums.iter().map(of_net).collect();
        Ok(Tally { losses, bad: first_bad(&bad), remarks: vec![] })
    }

    fn weights(&mut self) -> Result<Vec<Weights>> {
        read_stacked(&mut *self.program, 0, &self.spec, self.layout.nets)
    }

    fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        self.slots().into_iter().map(|(slot, len)| (slot_name(slot), vec![len])).collect()
    }

    fn state(&mut self) -> Result<Vec<Named>> {
        let slots = self.slots();
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

/// The outputs, each the new value of the slot of its number, and the first slot of the batch.
fn write<'t>(
    tape: &'t Tape,
    layout: &Layout,
    episodes: &Episodes,
    hard: &[f64],
    maml: Maml,
) -> (Vec<Var<'t>>, usize) {
    let Layout { net, nets, .. } = layout;
    let (rows, each) = (nets * episodes.domains, episodes.each());
    let spec = net.spec();
    let theta = Params::inputs(tape, &stacked(&spec, *nets));
    let adam = Optimizer::Adam(Adam::default());
    let moments = adam.inputs(tape, theta.vars());
    let (tally, bad) = (tape.input([*nets]), tape.input([*nets]));
    let inputs = tape.input_shapes().len();
    let [h, w, c] = net.image;
    let x = tape.input([rows, each, h, w, c]);
    let domain = net.embedding.map(|e| tape.input([rows, each, e.domains]));
    let heads = net.heads.len();
    let targets: Vec<Var> =
        (0..heads).map(|h| tape.input(net.target_shape(h, rows, each))).collect();
    let known: Vec<Var> = (0..heads).map(|_| tape.input([rows, each])).collect();
    let (lr, number) = (tape.input([1]), tape.input([1]));

    // The pictures of one side: those of each task lie together, support before query.
    let side = |of: Var<'t>, query: bool| {
        let (first, count) = match query {
            false => (0, episodes.support),
            true => (episodes.support, episodes.query),
        };
        let stride = episodes.support + episodes.query;
        let parts: Vec<Var> =
            (0..episodes.tasks).map(|t| of.narrow(1, t * stride + first, count)).collect();
        of.tape.concat(&parts, 1)
    };
    let episode = Episode {
        support: (side(x, false), side(x, false)),
        query: (side(x, true), side(x, true)),
    };
    // Which side a part is, is said by its context: queries have the support set, see `Part`.
    let judge = |weights: &Params<'t>, part: Part<'t>| {
        let query = part.given.context.is_some();
        let domain = domain.map(|d| side(d, query));
        let answers = net.answer(weights, part.given.x, domain);
        let loss = |h: usize| {
            let (target, known) = (side(targets[h], query), side(known[h], query));
            net.heads[h].loss(answers.heads[h], target, known) * hard[h]
        };
        let loss = (0..heads).map(loss).reduce(|a, b| a + b).expect("a network has heads");
        Judged { loss, output: answers.heads[0] }
    };
    let fast = theta.with(theta.vars().iter().map(|&w| repeat(w, episodes.domains)).collect());
    let adaptation = maml.run(&fast, &episode, judge);
    let losses = adaptation.query.loss.reshape([*nets, episodes.domains]).mean(&[1]);
    let losses = losses.reshape([*nets]);
    let gradient = grad(losses, theta.vars());
    let (next, kept) = adam.update(theta.vars(), &gradient, &moments, Pace::new(lr, number));
    let trouble = losses.less(losses.like(HUGE)).select(losses.like(0.0), number.expand([*nets]));
    let first_bad = bad.select(bad, trouble);
    let outputs = [next, kept.concat(), vec![tally + losses, first_bad]].concat();
    (outputs, inputs)
}
