//! A training step in several programs that the host runs in turn, behind the slots of the one that `write` describes.
//!
//! Tasks go in groups. Each group leaves the gradient of its share of the loss: from one tape, or by
//! the chain of `meta/unrolled.rs`, an inner step at a time. The host adds up; one more program makes the outer step.

use super::Experiment;
use super::budget::Choice;
use super::training::{Objective, judge, losses, update};
use crate::error::Result;
use crate::exec::{self, Cost, Options, Program};
use crate::experiment::tally::HUGE;
use crate::meta::{Episode, Maml, State};
use crate::nn::{Model, Params};
use crate::optim::Pace;
use crate::shape::Shape;
use crate::tape::{Tape, Var, grad};

/// The programs of a step: tapes, or what they were compiled to.
struct Programs<P> {
    gradient: Gradient<P>,
    /// Slots: weights, what the optimiser keeps, the gradient, step size, number of the step. Weights and what is kept
    /// are updated in place.
    outer: P,
}

/// What leaves a group's gradient.
enum Gradient<P> {
    /// Slots: weights, the episode. Outputs: losses, the gradient in the weights.
    OneTape(P),
    Recomputed(Chain<P>),
}

/// The inner loop, forwards and backwards. A state is what crosses between inner steps: see [`State`].
struct Chain<P> {
    /// Slots: state, support, number of the step. The state moves on in place.
    forward: P,
    /// Slots: state, the episode. Outputs: losses, their derivative in the state.
    query: P,
    /// Slots: state, derivative in the state after it, support, number of the step. The derivative goes back in place.
    backward: P,
}

/// A tape and what is wanted of it, before it is compiled.
pub(super) struct Piece {
    tape: Tape,
    outputs: Vec<usize>,
    state: Vec<(usize, usize)>,
}

/// The programs of a step, before they are compiled.
pub struct Pieces {
    programs: Programs<Piece>,
    sizes: Sizes,
}

/// Numbers of elements.
#[derive(Clone, Debug)]
struct Sizes {
    tasks: usize,
    group: usize,
    inner_steps: usize,
    weights: Vec<usize>,
    /// Slots of weights and of what the outer optimiser keeps of them.
    own: usize,
    /// Of what crosses between inner steps, for one task.
    state: Vec<usize>,
    /// Of the parts of an episode, for one task.
    parts: [usize; 4],
}

impl Piece {
    /// `write` returns the outputs, and the slots that take the first of them after each run.
    pub(super) fn new(write: impl FnOnce(&Tape) -> (Vec<Var>, Vec<usize>)) -> Self {
        let tape = Tape::new();
        let (outputs, state) = write(&tape);
        let outputs = outputs.iter().map(|output| output.id).collect();
        Self { tape, outputs, state: state.into_iter().enumerate().collect() }
    }

    fn vars(&self) -> Vec<Var<'_>> {
        self.outputs.iter().map(|&id| Var { tape: &self.tape, id }).collect()
    }

    pub(super) fn cost(&self, options: &Options) -> Result<Cost> {
        exec::cost(&self.tape, &self.vars(), &self.state, options)
    }

    pub(super) fn compile(&self, options: &Options) -> Result<Box<dyn Program>> {
        exec::compile(&self.tape, &self.vars(), &self.state, options)
    }
}

impl<P> Programs<P> {
    /// Each program with the number of times that a step of so many groups runs it.
    fn with_runs(&self, groups: usize, inner_steps: usize) -> Vec<(&P, usize)> {
        let mut all = match &self.gradient {
            Gradient::OneTape(program) => vec![(program, groups)],
            Gradient::Recomputed(chain) => vec![
                (&chain.forward, groups * inner_steps),
                (&chain.query, groups),
                (&chain.backward, groups * inner_steps),
            ],
        };
        all.push((&self.outer, 1));
        all
    }

    fn map<Q>(&self, each: impl Fn(&P) -> Result<Q>) -> Result<Programs<Q>> {
        let gradient = match &self.gradient {
            Gradient::OneTape(program) => Gradient::OneTape(each(program)?),
            Gradient::Recomputed(chain) => Gradient::Recomputed(Chain {
                forward: each(&chain.forward)?,
                query: each(&chain.query)?,
                backward: each(&chain.backward)?,
            }),
        };
        Ok(Programs { gradient, outer: each(&self.outer)? })
    }
}

impl Pieces {
    /// Writes the programs of a step on batches of `shapes`. Panics where an inner loop is to be recomputed that
    /// `objective` does not have.
    #[track_caller]
    pub fn write(
        experiment: &Experiment,
        objective: Objective,
        shapes: [Shape; 4],
        choice: &Choice,
    ) -> Self {
        let Experiment { net, outer, .. } = experiment;
        let (spec, tasks) = (net.spec(), shapes[0].tasks());
        let mut sizes = Sizes {
            tasks,
            group: choice.group,
            inner_steps: 0,
            weights: spec.iter().map(|s| s.shape.len()).collect(),
            own: spec.len() * (1 + outer.optimizer.keeps().len()),
            state: vec![],
            parts: shapes.map(|shape| shape.len() / tasks),
        };
        let of_group = shapes.map(|shape| shape.with(0, choice.group));
        let gradient = match (choice.recompute, objective) {
            (false, _) => Gradient::OneTape(Piece::new(|tape| {
                let theta = Params::inputs(tape, &spec);
                let episode = Episode::inputs(tape, of_group);
                let losses = losses(experiment, objective, &theta, &episode);
                let gradient = grad(share(losses, tasks), theta.vars());
                ([vec![losses], gradient].concat(), vec![])
            })),
            (true, Objective::Meta(maml)) => {
                sizes.inner_steps = maml.inner_steps;
                sizes.state = state_sizes(experiment, &maml);
                Gradient::Recomputed(chain(experiment, &maml, of_group, tasks))
            }
            (true, Objective::Joint) => panic!("pretraining has no inner steps to recompute"),
        };
        let outer = Piece::new(|tape| {
            let theta = Params::inputs(tape, &spec);
            let kept = outer.optimizer.inputs(tape, theta.vars());
            let gradient: Vec<Var> = spec.iter().map(|s| tape.input(s.shape)).collect();
            let pace = Pace::new(tape.input([1]), tape.input([1]));
            let updated = update(outer, theta.vars(), &gradient, &kept, pace);
            let slots = (0..updated.len()).collect();
            (updated, slots)
        });
        Self { programs: Programs { gradient, outer }, sizes }
    }

    /// What a step costs, with what the host keeps between its programs.
    pub fn cost(&self, options: &Options) -> Result<Cost> {
        self.sizes.total(&self.programs.map(|piece| piece.cost(options))?)
    }
}

/// A group's share of the mean over all tasks, whose gradients add up to the whole.
fn share(losses: Var, tasks: usize) -> Var {
    losses * (1.0 / tasks as f64)
}

fn state_sizes(experiment: &Experiment, maml: &Maml) -> Vec<usize> {
    let tape = Tape::new();
    let state = State::inputs(&tape, maml, &experiment.net.spec(), 1);
    state.vars().iter().map(|var| var.shape().len()).collect()
}

fn chain(experiment: &Experiment, maml: &Maml, shapes: [Shape; 4], tasks: usize) -> Chain<Piece> {
    let spec = experiment.net.spec();
    let group = shapes[0].tasks();
    let forward = Piece::new(|tape| {
        let state = State::inputs(tape, maml, &spec, group);
        let (support, turn) = support_inputs(tape, shapes);
        let next = maml.forward(&state, support.support_part(turn), turn, judge(experiment)).vars();
        let slots = (0..next.len()).collect();
        (next, slots)
    });
    let query = Piece::new(|tape| {
        let state = State::inputs(tape, maml, &spec, group);
        let episode = Episode::inputs(tape, shapes);
        let losses = judge(experiment)(&state.weights, episode.query_part(maml.inner_steps)).loss;
        let derivative = grad(share(losses, tasks), &state.vars());
        ([vec![losses], derivative].concat(), vec![])
    });
    let backward = Piece::new(|tape| {
        let state = State::inputs(tape, maml, &spec, group);
        let later = State::inputs(tape, maml, &spec, group).vars();
        let (support, turn) = support_inputs(tape, shapes);
        let part = support.support_part(turn);
        let earlier = maml.backward(&state, &later, part, turn, judge(experiment));
        let slots = (later.len()..2 * later.len()).collect();
        (earlier, slots)
    });
    Chain { forward, query, backward }
}

/// Slots of the support set alone, and of the number of the inner step.
fn support_inputs(tape: &Tape, [x, y, ..]: [Shape; 4]) -> (Episode<'_>, Var<'_>) {
    let support = (tape.input(x), tape.input(y));
    (Episode { support, query: support }, tape.input([1]))
}

impl Sizes {
    fn groups(&self) -> usize {
        self.tasks / self.group
    }

    /// Floats that the host keeps: weights and gradient, the batch, two tallies, and the inner loop's path.
    fn host(&self) -> usize {
        let path = match self.state.iter().sum::<usize>() {
            0 => 0,
            state => (self.inner_steps + 1) * self.group * state,
        };
        let batch = self.tasks * (self.parts.iter().sum::<usize>() + 2);
        2 * self.weights.iter().sum::<usize>() + batch + path
    }

    fn total(&self, costs: &Programs<Cost>) -> Result<Cost> {
        let mut all = Cost { peak_bytes: 4 * self.host() as u64, ..Cost::default() };
        for (cost, runs) in costs.with_runs(self.groups(), self.inner_steps) {
            all.flops += cost.flops * runs as u64;
            all.kernels += cost.kernels * runs;
            all.peak_bytes += cost.peak_bytes;
            all.worker_bytes += cost.worker_bytes;
        }
        Ok(all)
    }
}

/// The programs of a step and what the host keeps between them. Slots and outputs are those of `write`.
pub struct InPieces {
    programs: Programs<Box<dyn Program>>,
    sizes: Sizes,
    cost: Cost,
    weights: Vec<Vec<f32>>,
    gradient: Vec<Vec<f32>>,
    /// Sum of losses, first bad step: one number a task.
    tally: [Vec<f32>; 2],
    /// The batch: support x and y, query x and y.
    parts: [Vec<f32>; 4],
    /// The state of a group before each inner step and after the last; the last place then takes the derivatives.
    path: Vec<Vec<Vec<f32>>>,
    step: f32,
}

impl InPieces {
    /// Errors: as [`exec::compile`].
    pub fn new(pieces: Pieces, options: &Options) -> Result<Self> {
        let programs = pieces.programs.map(|piece| piece.compile(options))?;
        let sizes = pieces.sizes;
        let cost = sizes.total(&programs.map(|program| Ok(program.cost()))?)?;
        let zeros = |lens: &[usize], times: usize| -> Vec<Vec<f32>> {
            lens.iter().map(|len| vec![0.0; len * times]).collect()
        };
        let places = if sizes.state.is_empty() { 0 } else { sizes.inner_steps + 1 };
        Ok(Self {
            weights: zeros(&sizes.weights, 1),
            gradient: zeros(&sizes.weights, 1),
            tally: [(); 2].map(|()| vec![0.0; sizes.tasks]),
            parts: sizes.parts.map(|len| vec![0.0; len * sizes.tasks]),
            path: vec![zeros(&sizes.state, sizes.group); places],
            step: 0.0,
            programs,
            sizes,
            cost,
        })
    }

    /// Adds a group's gradient, and its losses to the tallies.
    fn group(&mut self, group: usize) -> Result<()> {
        let Sizes { group: count, parts: lens, .. } = self.sizes;
        let tasks = group * count..(group + 1) * count;
        let mut parts = [&[][..]; 4];
        for ((to, part), len) in parts.iter_mut().zip(&self.parts).zip(lens) {
            *to = &part[tasks.start * len..tasks.end * len];
        }
        let mut losses = vec![0.0; count];
        match &mut self.programs.gradient {
            Gradient::OneTape(program) => {
                let all = self.weights.iter().map(Vec::as_slice).chain(parts);
                all.enumerate().for_each(|(slot, values)| program.write(slot, values));
                program.run()?;
                program.read(0, &mut losses)?;
                for (i, sum) in self.gradient.iter_mut().enumerate() {
                    let mut one = vec![0.0; sum.len()];
                    program.read(1 + i, &mut one)?;
                    add(sum, &one);
                }
            }
            Gradient::Recomputed(chain) => {
                spread(&self.weights, &mut self.path[0]);
                chain.run(&mut self.path, parts, &mut losses)?;
                // The derivative of a copy for each task is the sum over the copies.
                let derivative = self.path.last().expect("a state after the last step");
                for (sum, copies) in self.gradient.iter_mut().zip(derivative) {
                    copies.chunks_exact(sum.len()).for_each(|one| add(sum, one));
                }
            }
        }
        let [sums, bad] = &mut self.tally;
        for (task, loss) in tasks.zip(losses) {
            sums[task] += loss;
            // NaN is below nothing.
            let fine = (loss as f64) < HUGE;
            if bad[task] == 0.0 && !fine {
                bad[task] = self.step;
            }
        }
        Ok(())
    }

    /// Where a slot's numbers stand, if the host keeps them.
    fn kept(&mut self, slot: usize) -> Option<&mut Vec<f32>> {
        match slot.checked_sub(self.sizes.own)? {
            i @ 0..2 => Some(&mut self.tally[i]),
            i @ 2..6 => Some(&mut self.parts[i - 2]),
            _ => None,
        }
    }

    /// The slot of the outer program that stands for one of the whole.
    fn outer_slot(&self, slot: usize) -> usize {
        match slot.checked_sub(self.sizes.own + 6) {
            // Step size and number of the step come after the gradient.
            Some(i) => self.sizes.own + self.sizes.weights.len() + i,
            None => slot,
        }
    }
}

impl Chain<Box<dyn Program>> {
    /// From the state in `path[0]` to the derivative in it, which stands in the last place of `path` afterwards.
    fn run(
        &mut self,
        path: &mut [Vec<Vec<f32>>],
        parts: [&[f32]; 4],
        losses: &mut [f32],
    ) -> Result<()> {
        let (count, steps) = (path[0].len(), path.len() - 1);
        write_all(&mut self.forward, 0, &path[0]);
        write_all(&mut self.forward, count, &parts[..2]);
        for k in 0..steps {
            self.forward.write(count + 2, &[k as f32]);
            self.forward.run()?;
            for (slot, values) in path[k + 1].iter_mut().enumerate() {
                self.forward.read_slot(slot, values)?;
            }
        }
        write_all(&mut self.query, 0, &path[steps]);
        write_all(&mut self.query, count, &parts);
        self.query.run()?;
        self.query.read(0, losses)?;
        for (i, values) in path[steps].iter_mut().enumerate() {
            self.query.read(1 + i, values)?;
        }
        write_all(&mut self.backward, count, &path[steps]);
        write_all(&mut self.backward, 2 * count, &parts[..2]);
        for k in (0..steps).rev() {
            write_all(&mut self.backward, 0, &path[k]);
            self.backward.write(2 * count + 2, &[k as f32]);
            self.backward.run()?;
        }
        for (i, values) in path[steps].iter_mut().enumerate() {
            self.backward.read_slot(count + i, values)?;
        }
        Ok(())
    }
}

impl Program for InPieces {
    fn write(&mut self, slot: usize, values: &[f32]) {
        if let Some(kept) = self.kept(slot) {
            return kept.copy_from_slice(values);
        }
        if slot == self.sizes.own + 7 {
            self.step = values[0];
        }
        let slot = self.outer_slot(slot);
        self.programs.outer.write(slot, values);
    }

    fn run(&mut self) -> Result<()> {
        for (slot, values) in self.weights.iter_mut().enumerate() {
            self.programs.outer.read_slot(slot, values)?;
        }
        self.gradient.iter_mut().for_each(|sum| sum.fill(0.0));
        for group in 0..self.sizes.groups() {
            self.group(group)?;
        }
        write_all(&mut self.programs.outer, self.sizes.own, &self.gradient);
        self.programs.outer.run()
    }

    /// Each output is the next value of the slot of its number.
    fn read(&mut self, output: usize, into: &mut [f32]) -> Result<()> {
        self.read_slot(output, into)
    }

    fn read_slot(&mut self, slot: usize, into: &mut [f32]) -> Result<()> {
        if let Some(kept) = self.kept(slot) {
            into.copy_from_slice(kept);
            return Ok(());
        }
        let slot = self.outer_slot(slot);
        self.programs.outer.read_slot(slot, into)
    }

    fn cost(&self) -> Cost {
        self.cost.clone()
    }

    fn device(&self) -> String {
        self.programs.outer.device()
    }
}

fn write_all(program: &mut Box<dyn Program>, first: usize, values: &[impl AsRef<[f32]>]) {
    for (i, values) in values.iter().enumerate() {
        program.write(first + i, values.as_ref());
    }
}

/// The weights once for each task; what an inner optimiser keeps begins at 0.
fn spread(weights: &[Vec<f32>], state: &mut [Vec<f32>]) {
    let (fast, kept) = state.split_at_mut(weights.len());
    for (copies, one) in fast.iter_mut().zip(weights) {
        copies.chunks_exact_mut(one.len()).for_each(|copy| copy.copy_from_slice(one));
    }
    kept.iter_mut().for_each(|values| values.fill(0.0));
}

fn add(sum: &mut [f32], term: &[f32]) {
    sum.iter_mut().zip(term).for_each(|(sum, term)| *sum += term);
}
