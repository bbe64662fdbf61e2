//! One program that adapts shared weights to test tasks and judges them after several numbers of steps, in each way that
//! the tasks are to be judged in.

use super::pieces::Piece;
use super::{Experiment, Net, Row, Scores, Source, Tasks};
use crate::data::omniglot::Omniglot;
use crate::error::{Error, Result};
use crate::exec::{Cost, Options, Program};
use crate::loss::accuracy;
use crate::meta::{Episode, judge};
use crate::nn::{Model, Params, Weights};
use std::sync::Arc;

use super::source::Batch;

/// Tasks a program takes at once: enough for all workers, few enough for little memory.
const SINES: usize = 50;
const EPISODES: usize = 20;

pub struct Evaluation {
    program: Box<dyn Program>,
    source: Source,
    batch: Batch,
    rows: usize,
    steps: Vec<usize>,
    classes: Option<usize>,
    weights: usize,
    /// Numbers that the network answers for one task.
    answers: usize,
}

/// What the network answers on the queries of one batch, in its first row, `[steps][tasks · queries · outputs]`.
#[derive(Clone, Debug)]
pub struct Answers {
    pub batch: Batch,
    pub steps: Vec<usize>,
    pub values: Vec<Vec<f32>>,
}

/// The tape of an evaluation, before it is compiled.
struct Draft {
    piece: Piece,
    source: Source,
    rows: usize,
    steps: Vec<usize>,
    classes: Option<usize>,
    weights: usize,
    answers: usize,
}

impl Draft {
    /// For `count` tasks at a time.
    fn write(
        experiment: &Experiment,
        rows: &[Row],
        steps: &[usize],
        set: Option<&Arc<Omniglot>>,
        stream: u32,
        count: usize,
    ) -> Result<Self> {
        let mut tasks = experiment.tasks;
        let queries = experiment.judged.queries;
        match &mut tasks {
            Tasks::Sine(spec) => (spec.tasks, spec.query) = (count, queries),
            Tasks::Omniglot { spec, .. } => (spec.tasks, spec.queries) = (count, queries),
        }
        assert!(rows.windows(2).all(|pair| pair[0].of_same_tasks(&pair[1])), "{rows:?}");
        let mut nets = vec![];
        for &row in rows {
            let mut net = experiment.net.clone();
            match (row, &mut tasks, &mut net) {
                (Row::Support(points), Tasks::Sine(spec), _) => spec.support = points,
                (Row::Norm(norm), _, Net::Conv4(conv4)) => conv4.norm = norm,
                (Row::Test, Tasks::Omniglot { .. }, _) => {}
                _ => panic!("{row:?} is no row of {}", experiment.name),
            }
            nets.push(net);
        }
        let source =
            Source::new(tasks, set, experiment.judged.judged_on(), experiment.judged.seed, stream)?;
        let (spec, mut answers) = (experiment.net.spec(), 0);
        let piece = Piece::new(|tape| {
            let theta = Params::inputs(tape, &spec);
            let episode = Episode::inputs(tape, source.shapes());
            let mut outputs = vec![];
            for net in &nets {
                // What rows have in common, the adaptation in the first place, stands on the tape once.
                let judge = judge(net, |output, y| tasks.loss(output, y));
                let judged = experiment.maml.evaluate(&theta, &episode, judge, steps);
                answers = judged[0].output.shape().len() / count;
                outputs.extend(judged.iter().flat_map(|j| [j.loss, j.output]));
            }
            (outputs, vec![])
        });
        let (rows, steps) = (rows.len(), steps.to_vec());
        let (classes, weights) = (tasks.classes(), spec.len());
        Ok(Self { piece, source, rows, steps, classes, weights, answers })
    }

    fn compile(self, options: &Options) -> Result<Evaluation> {
        Ok(Evaluation {
            program: self.piece.compile(options)?,
            batch: self.source.room(),
            source: self.source,
            rows: self.rows,
            steps: self.steps,
            classes: self.classes,
            weights: self.weights,
            answers: self.answers,
        })
    }
}

impl Evaluation {
    /// Judges rows of the same tasks after `steps` inner steps each, on tasks of `stream`; under a memory budget with
    /// fewer tasks at a time or fewer workers. Errors: nothing fits.
    pub fn new(
        experiment: &Experiment,
        rows: &[Row],
        steps: &[usize],
        set: Option<&Arc<Omniglot>>,
        stream: u32,
    ) -> Result<Self> {
        let most = match experiment.tasks {
            Tasks::Sine(_) => SINES,
            Tasks::Omniglot { .. } => EPISODES,
        };
        let draft = |tasks| Draft::write(experiment, rows, steps, set, stream, tasks);
        let Some(budget) = experiment.options.memory else {
            return draft(most)?.compile(&experiment.options);
        };
        // Fewer tasks at a time cost nothing, fewer workers their share.
        let (mut least, workers) = (u64::MAX, experiment.options.workers());
        for threads in (1..=workers).rev() {
            let options = Options { threads: Some(threads), ..experiment.options };
            for tasks in std::iter::successors(Some(most), |&n| (n > 1).then_some(n / 2)) {
                let draft = draft(tasks)?;
                let bytes = draft.piece.cost(&options)?.peak_bytes;
                if bytes <= budget {
                    return draft.compile(&options);
                }
                least = least.min(bytes);
            }
        }
        let least_mib = least.div_ceil(1 << 20);
        Err(Error::input(format!(
            "memory = {:.1} MiB is too little to evaluate {} on one task at a time, which takes {least_mib} MiB; \
             set memory={least_mib}MiB or more, or have fewer queries",
            budget as f64 / 1024f64.powi(2),
            experiment.name,
        )))
    }

    fn load(&mut self, weights: &Weights) {
        for (slot, weight) in weights.iter().enumerate() {
            self.program.write(slot, &weight.values);
        }
    }

    fn run_batch(&mut self) -> Result<()> {
        for (i, part) in self.batch.parts().into_iter().enumerate() {
            self.program.write(self.weights + i, part);
        }
        self.program.run()
    }

    /// The accuracy (or the loss, where there are no classes) of each of the first `tasks` tasks, row after row.
    /// `between` is asked before each batch whether to go on.
    pub fn run(
        &mut self,
        weights: &Weights,
        tasks: usize,
        mut between: impl FnMut(usize) -> Result<()>,
    ) -> Result<Vec<Scores>> {
        self.load(weights);
        let count = self.source.tasks();
        let mut values = vec![Vec::with_capacity(tasks); self.rows * self.steps.len()];
        let (mut losses, mut answers) = (vec![0.0; count], vec![0.0; count * self.answers]);
        for first in (0..tasks).step_by(count) {
            between(first)?;
            self.source.fill(0, first as u32, &mut self.batch);
            self.run_batch()?;
            // The last batch may hold more tasks than were asked for.
            let wanted = count.min(tasks - first);
            for (i, into) in values.iter_mut().enumerate() {
                let Some(classes) = self.classes else {
                    self.program.read(2 * i, &mut losses)?;
                    into.extend(losses[..wanted].iter().map(|&v| v as f64));
                    continue;
                };
                self.program.read(2 * i + 1, &mut answers)?;
                let labels = self.batch.parts()[3].chunks_exact(self.answers / classes);
                let rows = answers.chunks_exact(self.answers).zip(labels).take(wanted);
                into.extend(rows.map(|(logits, labels)| accuracy(logits, labels, classes)));
            }
        }
        let of_row =
            |values: &[Vec<f64>]| Scores { steps: self.steps.clone(), values: values.to_vec() };
        Ok(values.chunks(self.steps.len()).map(of_row).collect())
    }

    /// The first row's answers on the batch that begins with task `first`; `change` may replace what is asked.
    pub fn answers(
        &mut self,
        weights: &Weights,
        first: usize,
        change: impl Fn(&mut Batch),
    ) -> Result<Answers> {
        self.load(weights);
        self.source.fill(0, first as u32, &mut self.batch);
        change(&mut self.batch);
        self.run_batch()?;
        let mut values = vec![];
        for i in 0..self.steps.len() {
            let mut answers = vec![0.0; self.source.tasks() * self.answers];
            self.program.read(2 * i + 1, &mut answers)?;
            values.push(answers);
        }
        Ok(Answers { batch: self.batch.clone(), steps: self.steps.clone(), values })
    }

    pub fn cost(&self) -> Cost {
        self.program.cost()
    }
}
