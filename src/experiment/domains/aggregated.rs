//! Joint training whose tasks' gradients are combined by an aggregator, for several networks at once.
//!
//! The tasks of a network stand on the task axis, each with its own pictures, so that one backward pass gives
//! their gradients in the shared trunk apart from one another ([`crate::mtl::PerTask`]). Between two runs the host
//! solves for the weights from K×K numbers a network. Heads belong to their tasks: nothing to aggregate there.

use super::learner::{Batch, Layout, Learner, Step, Tally};
use super::pictures::Task;
use super::training::{Training, Written, next_slot, stacked};
use crate::error::Result;
use crate::exec::Options;
use crate::mtl::aggregate::Aggregator;
use crate::mtl::{self, Gram, repeat};
use crate::nn::{Params, Spec, Weights};
use crate::optim::{Adam, Optimizer, Pace};
use crate::run::Named;
use crate::tape::{Tape, Var};

pub struct Aggregated {
    training: Training,
    tasks: Vec<Task>,
    aggregator: Aggregator,
    /// Slot of the tasks' weights.
    slot: usize,
    /// The solver's answer to the last run's gradients, `[nets · tasks]`.
    weights: Vec<f32>,
    sums: Vec<f64>,
    bad: Option<(u64, usize)>,
    unsolved: Unsolved,
}

/// Solvers that did not reach their tolerance since the last tally.
#[derive(Default)]
struct Unsolved {
    count: usize,
    of: usize,
    largest: f64,
}

impl Aggregated {
    /// The groups of a batch stand in the order of `tasks`, all of one size. `hard`: weight of each head's loss.
    pub fn new(
        layout: Layout,
        tasks: Vec<Task>,
        hard: &[f64],
        aggregator: Aggregator,
        options: &Options,
    ) -> Result<Self> {
        let tape = Tape::new();
        let (written, slot) = write(&tape, &layout, tasks.len(), hard);
        let nets_tasks = layout.nets * tasks.len();
        Ok(Self {
            training: Training::compile(&tape, &written, layout, options)?,
            aggregator,
            slot,
            weights: vec![0.0; nets_tasks],
            sums: vec![0.0; nets_tasks],
            bad: None,
            unsolved: Unsolved::default(),
            tasks,
        })
    }

    /// Begins each network at its weights.
    pub fn start(&mut self, weights: &[&Weights]) {
        self.training.start(weights);
        self.weights.fill(0.0);
    }

    /// The weights of the gradients that the last run left.
    fn solve(&mut self, losses: &[f32], grams: &[f32], number: u64) -> Result<()> {
        let k = self.tasks.len();
        for (net, gram) in Gram::of_models(k, grams)?.iter().enumerate() {
            let losses: Vec<f64> = losses[net * k..][..k].iter().map(|&v| f64::from(v)).collect();
            let found = self.aggregator.weigh(gram, &losses, number as u32);
            self.unsolved.of += 1;
            if !found.converged {
                self.unsolved.count += 1;
                self.unsolved.largest = self.unsolved.largest.max(found.residual);
            }
            for (weight, found) in self.weights[net * k..][..k].iter_mut().zip(&found.weights) {
                *weight = *found as f32;
            }
        }
        Ok(())
    }
}

impl Learner for Aggregated {
    fn training(&self) -> &Training {
        &self.training
    }

    fn training_mut(&mut self) -> &mut Training {
        &mut self.training
    }

    fn step(&mut self, step: Step, batch: &Batch) -> Result<()> {
        self.training.program.write(self.slot, &self.weights);
        // The first run has no gradients to descend yet: its update moves nothing and is not counted.
        let number = step.number.saturating_sub(1).max(1);
        self.training.step(batch, &[step.lr, number as f64])?;
        let (nets, k) = (self.training.layout.nets, self.tasks.len());
        let (mut losses, mut grams) = (vec![0.0; nets * k], vec![0.0; nets * k * k]);
        self.training.program.read(0, &mut losses)?;
        self.training.program.read(1, &mut grams)?;
        if let Some(at) = losses.iter().position(|v| !v.is_finite()) {
            self.bad.get_or_insert((step.number, at / k));
            return Ok(());
        }
        self.sums.iter_mut().zip(&losses).for_each(|(sum, &v)| *sum += f64::from(v));
        self.solve(&losses, &grams, step.number)
    }

    fn tally(&mut self, count: u64) -> Result<Tally> {
        let heads = self.training.layout.net.heads.len();
        let of_net = |sums: &[f64]| {
            let mut losses = vec![0.0; heads];
            for (task, sum) in self.tasks.iter().zip(sums) {
                losses[task.heads[0]] = sum / count as f64;
            }
            losses
        };
        let losses = self.sums.chunks(self.tasks.len()).map(of_net).collect();
        self.sums.fill(0.0);
        let Unsolved { count, of, largest } = std::mem::take(&mut self.unsolved);
        let remark = format!(
            "{} did not converge in {count} of {of} solutions (largest residual {largest:.1e})",
            self.aggregator.word()
        );
        Ok(Tally { losses, bad: self.bad, remarks: if count > 0 { vec![remark] } else { vec![] } })
    }

    fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        let mut all = self.training.shapes();
        all.push(("weights".into(), vec![self.weights.len()]));
        all
    }

    fn state(&mut self) -> Result<Vec<Named>> {
        let mut all = self.training.state()?;
        all.push(("weights".into(), vec![self.weights.len()], self.weights.clone()));
        Ok(all)
    }

    fn restore(&mut self, state: &[&[f32]]) {
        let (weights, slots) = state.split_last().expect("the solver's weights come last");
        self.training.restore(slots);
        self.weights.copy_from_slice(weights);
    }
}

/// The step, and the slot of the tasks' weights.
fn write<'t>(tape: &'t Tape, layout: &Layout, tasks: usize, hard: &[f64]) -> (Written<'t>, usize) {
    let Layout { net, nets, pictures, .. } = layout;
    let (nets, k) = (*nets, tasks);
    let each = pictures / k;
    let spec = net.spec();
    let all = Params::inputs(tape, &stacked(&spec, nets));
    let shared: Vec<usize> = (0..spec.len()).filter(|&i| !is_head(&spec[i])).collect();
    let heads: Vec<usize> = (0..spec.len()).filter(|&i| is_head(&spec[i])).collect();
    let pick = |of: &[usize]| of.iter().map(|&i| all.vars()[i]).collect::<Vec<Var>>();
    let names = |of: &[usize]| of.iter().map(|&i| &spec[i].name[..]).collect::<Vec<&str>>();
    let theta = Params::new(&names(&shared), pick(&shared));

    // Inputs come before the state that `step` adds, so pictures are written first on the tape.
    let [h, w, c] = net.image;
    let batch = next_slot(tape);
    let x = tape.input([nets * k, each, h, w, c]);
    let domain = net.embedding.map(|e| tape.input([nets * k, each, e.domains]));
    let count = net.heads.len();
    let targets: Vec<Var> =
        (0..count).map(|h| tape.input(net.target_shape(h, nets * k, each))).collect();
    let known: Vec<Var> = (0..count).map(|_| tape.input([nets * k, each])).collect();
    let pace = next_slot(tape);
    let (lr, number) = (tape.input([1]), tape.input([1]));

    let adam = Optimizer::Adam(Adam::default());
    let losses = |copies: &Params<'t>, own: &[Var<'t>]| {
        let mut vars = all.vars().to_vec();
        for (&i, &copy) in shared.iter().zip(copies.vars()) {
            vars[i] = copy;
        }
        for (&i, &own) in heads.iter().zip(own) {
            vars[i] = repeat(own, k);
        }
        let answers = net.answer(&all.with(vars), x, domain);
        let losses =
            (0..count).map(|h| net.heads[h].loss(answers.heads[h], targets[h], known[h]) * hard[h]);
        losses.reduce(|a, b| a + b).expect("a network has heads")
    };
    let step = mtl::step(tape, &theta, &pick(&heads), k, (adam, Pace::new(lr, number)), losses);
    let slot = step.weights.slot().expect("weights of tasks are an input");
    (Written { outputs: step.outputs, state: step.state, batch, pace }, slot)
}

fn is_head(spec: &Spec) -> bool {
    spec.name.starts_with("head/")
}
