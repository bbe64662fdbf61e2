//! A recipe's training step looked at rather than run: its tape and plan, and its meta-gradient held
//! against a finite difference.

use super::{Experiment, Objective, Source, Tasks, write};
use crate::check::compare::{MetaGradient, meta_gradient};
use crate::data::omniglot::Omniglot;
use crate::error::Result;
use crate::exec::Device;
use crate::exec::reference::evaluate;
use crate::meta::Maml;
use crate::nn::{Model, Weights};
use crate::plan::{Memory, Passes, Plan, explain};
use crate::random::{Stream, stream};
use crate::tape::{Tape, listing};
use std::io::Write;
use std::path::Path;

/// A training step as text: what the tape holds, then the plan.
pub struct Explained {
    pub text: String,
    /// The plan as a picture.
    pub svg: String,
    /// Every node of the tape, a line each.
    pub tape: String,
}

/// Writes and plans the training step of a recipe; `device` decides how memory is laid out.
pub fn explain(e: &Experiment, data: Option<&Path>, device: Device) -> Result<Explained> {
    let source = source(e, data)?;
    let tape = Tape::new();
    let written = write(&tape, e, Objective::Meta(e.maml), source.shapes());
    let memory = match device {
        Device::Gpu(_) => Memory::AllTasks,
        _ => Memory::PerWorker,
    };
    let passes = if e.options.plain { Passes::PLAIN } else { Passes::FAST };
    let plan = Plan::with(&tape, &written.outputs, &written.state, memory, passes);
    let weights: usize = e.net.spec().iter().map(|s| s.shape.len()).sum();
    let text = format!(
        "{}: {weights} parameters, {} tasks a step; the tape of a step has {} nodes\n{}",
        e.name,
        source.tasks(),
        tape.len(),
        explain::text(&plan)
    );
    Ok(Explained { text, svg: explain::svg(&plan), tape: listing(&tape) })
}

fn source(e: &Experiment, data: Option<&Path>) -> Result<Source> {
    let set = match e.tasks {
        Tasks::Omniglot { .. } => Some(Omniglot::load(data)?.into()),
        Tasks::Sine(_) => None,
    };
    Source::new(e.tasks, set.as_ref(), e.judged.learned_from(), 1, stream::TRAIN)
}

/// Tasks that the check uses: enough to see tasks and shared weights meet, few enough for f64 loops.
const TASKS: usize = 2;

/// The recipe's meta-gradient in f64: exact beside first order, and exact beside a finite difference.
///
/// Limit 1e-4: the step of the difference crosses some of the network's kinks (ReLU, max-pool), each worth
/// about its step size.
pub fn gradcheck(e: &Experiment, data: Option<&Path>, out: &mut dyn Write) -> Result<()> {
    let mut e = e.clone();
    match &mut e.tasks {
        Tasks::Sine(spec) => spec.tasks = TASKS,
        Tasks::Omniglot { spec, .. } => spec.tasks = TASKS,
    }
    let source = source(&e, data)?;
    let mut batch = source.room();
    source.fill(0, 0, &mut batch);
    let weights = Weights::init(&e.net.spec(), 1);
    let count = weights.count();

    // Loss and gradient at the start weights plus `h` along `direction`.
    let mut random = Stream::new(1, stream::FREE, 0, 0);
    let direction: Vec<f64> = (0..count).map(|_| random.normal()).collect();
    let length = direction.iter().map(|v| v * v).sum::<f64>().sqrt();
    let direction: Vec<f64> = direction.iter().map(|v| v / length).collect();
    let at = |maml: Maml, h: f64, with_gradient: bool| -> (f64, Vec<f64>) {
        let tape = Tape::new();
        let written = write(&tape, &e, Objective::Meta(maml), source.shapes());
        let mut inputs: Vec<Vec<f64>> =
            tape.input_shapes().iter().map(|shape| vec![0.0; shape.len()]).collect();
        let mut moved = weights.iter().flat_map(|w| w.values.iter()).zip(&direction);
        for slot in inputs.iter_mut().take(written.theta.vars().len()) {
            for (value, (&w, v)) in slot.iter_mut().zip(&mut moved) {
                *value = w as f64 + h * v;
            }
        }
        let (support, query) = (written.episode.support, written.episode.query);
        let sides = [support.0, support.1, query.0, query.1];
        for (var, part) in sides.into_iter().zip(batch.parts()) {
            let slot = var.slot().expect("an episode is input");
            inputs[slot] = part.iter().map(|&v| v as f64).collect();
        }
        let mut wanted = vec![written.loss];
        if with_gradient {
            wanted.extend(&written.gradient);
        }
        let results = evaluate(&tape, &inputs, &wanted);
        (results[0][0], results[1..].concat())
    };
    let exact = Maml { first_order: false, ..e.maml };
    let (_, exact_gradient) = at(exact, 0.0, true);
    let (_, first_order) = at(Maml { first_order: true, ..exact }, 0.0, true);
    let gradients = MetaGradient {
        name: &e.name,
        exact: &exact_gradient,
        first_order: &first_order,
        trains_first_order: e.maml.first_order,
    };
    meta_gradient(&gradients, &direction, |h| Ok(at(exact, h, false).0), 1e-4, out)
}
