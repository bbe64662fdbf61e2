//! Meta-learning over domains: a start from which a few gradient steps on a domain's few labels go far.
//!
//! MAML (Finn, Abbeel, Levine 2017) on multi-task episodes: a task of the episode is a *domain*; its support and
//! its query are pictures that carry labels of every task, one each. Several networks (the seeds) learn at once,
//! network by network on the task axis, [nets · domains, ...].

use super::learner::{Batch, Layout, Learner, Step, Tally};
use super::training::{Training, Written, next_slot, stacked};
use crate::error::Result;
use crate::exec::Options;
use crate::experiment::tally::{LossSlots, Losses};
use crate::meta::{Episode, Judged, Maml, Part};
use crate::mtl::repeat;
use crate::nn::{Params, Weights};
use crate::optim::{Adam, Optimizer, Pace};
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
    training: Training,
    losses: LossSlots,
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
        let (written, losses) = write(&tape, &layout, episodes, hard, maml);
        Ok(Self { training: Training::compile(&tape, &written, layout, options)?, losses })
    }

    /// Begins each network at its weights.
    pub fn start(&mut self, weights: &[&Weights]) {
        self.training.start(weights);
    }
}

impl Learner for Meta {
    fn training(&self) -> &Training {
        &self.training
    }

    fn training_mut(&mut self) -> &mut Training {
        &mut self.training
    }

    fn step(&mut self, step: Step, batch: &Batch) -> Result<()> {
        self.training.step(batch, &[step.lr, step.number as f64])
    }

    /// The query loss stands at the first head.
    fn tally(&mut self, count: u64) -> Result<Tally> {
        let Training { program, layout, .. } = &mut self.training;
        let heads = layout.net.heads.len();
        let sums = self.losses.take_sums(&mut **program)?;
        let bad = self.losses.first_bad(&mut **program)?;
        let of_net = |&sum: &f32| {
            let mut losses = vec![0.0; heads];
            losses[0] = f64::from(sum) / count as f64;
            losses
        };
        let losses = sums.iter().map(of_net).collect();
        Ok(Tally { losses, bad, remarks: vec![] })
    }
}

/// The step, and where it tallies. What it changes: weights, Adam's two moments, tally, first bad step.
fn write<'t>(
    tape: &'t Tape,
    layout: &Layout,
    episodes: &Episodes,
    hard: &[f64],
    maml: Maml,
) -> (Written<'t>, LossSlots) {
    let Layout { net, nets, .. } = layout;
    let (rows, each) = (nets * episodes.domains, episodes.each());
    let spec = net.spec();
    let theta = Params::inputs(tape, &stacked(&spec, *nets));
    let adam = Optimizer::Adam(Adam::default());
    let moments = adam.inputs(tape, theta.vars());
    let slots = LossSlots { sums: next_slot(tape), summed: *nets, watched: *nets };
    let tally = Losses::inputs(tape, [*nets], *nets);
    let batch = next_slot(tape);
    let [h, w, c] = net.image;
    let x = tape.input([rows, each, h, w, c]);
    let domain = net.embedding.map(|e| tape.input([rows, each, e.domains]));
    let heads = net.heads.len();
    let targets: Vec<Var> =
        (0..heads).map(|h| tape.input(net.target_shape(h, rows, each))).collect();
    let known: Vec<Var> = (0..heads).map(|_| tape.input([rows, each])).collect();
    let pace = next_slot(tape);
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
    let outputs = [next, kept.concat(), tally.after(losses, losses, number)].concat();
    (Written::in_order(outputs, batch, pace), slots)
}
