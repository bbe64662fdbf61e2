//! A run from its first step to its report: every seed and every trained control, then the evaluation.
//!
//! Each (seed, method) is a *leg*: the same number of steps on the same batches. Legs follow one another;
//! a checkpoint holds the current leg's state and the weights of those done, so that a run resumes anywhere
//! and ends with the same bits. Figures come last, from the weights alone.

use std::sync::Arc;

use super::page::{Findings, page};
use super::{
    Control, Evaluation, Experiment, Judging, Objective, Prepared, Row, Scores, Source, Tasks,
    Training, figures, mean_ci95,
};
use crate::data::omniglot::Omniglot;
use crate::data::prefetch::Prefetch;
use crate::error::{Error, Result};
use crate::meta::Maml;
use crate::nn::{Model, Weight, Weights};
use crate::random::stream;
use crate::run::{Checkpoint, Figure, Line, Named, Progress, Run, State, Summary};

/// Batches under way at once: one in use, the others being filled.
const BATCHES: usize = 3;

/// One training: a seed, and a control or (none) the method itself.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Leg {
    seed: u64,
    control: Option<Control>,
}

/// Trains, evaluates, writes everything that a run leaves, and returns its summary.
pub fn run(prepared: Prepared, run: &mut Run, quiet: bool) -> Result<Summary> {
    let Prepared { experiment: e, set, training } = prepared;
    let seeds: Vec<u64> = (run.recipe.seed..).take(run.recipe.seeds as usize).collect();
    let legs: Vec<Leg> = seeds.iter().flat_map(|&seed| legs_of(&e, seed)).collect();
    let (peak_bytes, device) = (training.cost().peak_bytes, training.device());
    let training = Some(training);
    let mut driver =
        Driver { e, set, legs, done: vec![], run, quiet, training, peak_bytes, device };
    driver.train()?;
    driver.judge(&seeds)
}

fn legs_of(e: &Experiment, seed: u64) -> Vec<Leg> {
    let trained = e.judged.controls.iter().copied().filter(|&c| c != Control::Random);
    let controls = trained.map(|control| Leg { seed, control: Some(control) });
    [Leg { seed, control: None }].into_iter().chain(controls).collect()
}

/// What a leg descends.
pub(super) fn objective(e: &Experiment, control: Option<Control>) -> Objective {
    match control {
        None => Objective::Meta(e.maml),
        Some(Control::FirstOrder) => Objective::Meta(Maml { first_order: true, ..e.maml }),
        Some(_) => Objective::Joint,
    }
}

struct Driver<'r> {
    e: Experiment,
    set: Option<Arc<Omniglot>>,
    legs: Vec<Leg>,
    /// The weights of the legs that are done.
    done: Vec<Weights>,
    run: &'r mut Run,
    quiet: bool,
    /// The method's own program, made before the run began; its next leg takes it.
    training: Option<Training>,
    peak_bytes: u64,
    device: String,
}

impl Driver<'_> {
    fn train(&mut self) -> Result<()> {
        let mut resumed = self.run.resumed.take();
        let first = match &resumed {
            Some(checkpoint) => self.take_done(checkpoint)?,
            None => 0,
        };
        // One program draws the curves of all legs: other tasks than the final ones, of the same unseen kind.
        // Nothing is chosen by them.
        let curve_rows = match self.e.tasks {
            Tasks::Sine(_) => &self.e.judged.rows[..],
            Tasks::Omniglot { .. } => &self.e.judged.rows[..1],
        };
        let mut curves = vec![];
        if self.e.judged.every > 0 {
            for &row in curve_rows {
                curves.push((
                    row,
                    self.evaluation(&[row], &[self.e.judged.headline], stream::VALIDATION)?,
                ));
            }
        }
        for index in first..self.legs.len() {
            let weights = self.leg(index, resumed.take(), &mut curves)?;
            self.done.push(weights);
        }
        Ok(())
    }

    /// The number of the leg a checkpoint stands in; the weights of those before it are kept.
    fn take_done(&mut self, checkpoint: &Checkpoint) -> Result<usize> {
        let leg = checkpoint.extra["leg"].as_u64().unwrap_or(u64::MAX) as usize;
        if leg >= self.legs.len() {
            return Err(Error::input(format!(
                "the checkpoint stands in training {leg} of {}; expected one of this recipe",
                self.legs.len()
            )));
        }
        let spec = self.e.net.spec();
        for index in 0..leg {
            let mut weights = Weights::init(&spec, 0);
            for w in &mut weights.0 {
                let name = format!("done{index}/{}", w.name);
                let found = checkpoint
                    .tensors
                    .iter()
                    .find(|(n, shape, _)| *n == name && *shape == w.shape.dims());
                let Some((_, _, values)) = found else {
                    return Err(Error::input(format!(
                        "the checkpoint is of another model: it has no {name} {}",
                        w.shape
                    )));
                };
                w.values.clone_from(values);
            }
            self.done.push(weights);
        }
        Ok(leg)
    }

    fn evaluation(&self, rows: &[Row], steps: &[usize], stream: u32) -> Result<Evaluation> {
        Evaluation::new(&self.e, rows, steps, self.set.as_ref(), stream)
    }

    /// Trains one leg to its end and returns its weights.
    fn leg(
        &mut self,
        index: usize,
        resumed: Option<Checkpoint>,
        curves: &mut [(Row, Evaluation)],
    ) -> Result<Weights> {
        let Leg { seed, control } = self.legs[index];
        let (e, steps) = (self.e.clone(), self.e.steps);
        let source =
            Source::new(e.tasks, self.set.as_ref(), e.judged.learned_from(), seed, stream::TRAIN)?;
        let mut training = match self.training.take_if(|_| control.is_none()) {
            Some(training) => training,
            None => Training::new(&e, objective(&e, control), &source, &e.options)?,
        };
        self.peak_bytes = self.peak_bytes.max(training.cost().peak_bytes);
        let before = index as u64 * steps;
        let from = match &resumed {
            None => {
                training.start(&Weights::init(&e.net.spec(), seed));
                0
            }
            Some(checkpoint) => {
                let at = restore(&mut training, checkpoint, &self.done)?;
                at.checked_sub(before).filter(|&at| at <= steps).ok_or_else(|| {
                    Error::input(format!(
                        "the checkpoint's step {at} is not one of training {index}, which begins at {before}"
                    ))
                })?
            }
        };

        let method = control.map_or("maml", Control::word);
        if e.options.memory.is_some() && from == 0 {
            let text = format!("{method}: {}", training.choice());
            if !self.quiet {
                eprintln!("within the memory allowed, {text}");
            }
            self.run.line(&Line::event(seed, 0, "memory", text))?;
        }
        let loss_name = control.map_or("loss".to_string(), |c| format!("loss_{}", c.word()));
        let mut progress =
            Progress::new(&format!("{} {method}, seed {seed}", e.name), from, steps, self.quiet);
        let every = (steps / 500).clamp(1, 100);
        let mut last_loss = None;
        let batches = vec![source.room(); BATCHES];
        let fill = move |step: u32, batch: &mut _| source.fill(step, 0, batch);
        let mut ahead = Prefetch::new(from as u32..steps as u32, batches, fill);
        while let Some((step, batch)) = ahead.next() {
            let done = step as u64 + 1;
            let lr = e.outer.lr * e.outer.schedule.at(step as u64, steps);
            training.step(done, lr, batch.parts())?;
            if done.is_multiple_of(every) || done == steps {
                let tally = training.tally()?;
                if let Some((step, task)) = tally.bad {
                    return Err(self.run.diverged(seed, step, task as u64, "the query loss"));
                }
                let count = match done % every {
                    0 => every,
                    rest => rest,
                };
                let loss = tally.loss / count as f64;
                last_loss = Some(loss);
                let line = Line::train(seed, done, &[(&loss_name, loss)]);
                self.run.line(&line)?;
            }
            if e.judged.every > 0 && done.is_multiple_of(e.judged.every) && done < steps {
                self.curve(seed, control, done, &training.weights()?, curves)?;
            }
            progress.at(done, || last_loss.map_or(String::new(), |loss| format!("loss {loss:.4}")));
            let state = || state(&mut training, index, &self.done);
            if let Err(why) = self.run.after_step(before + done, state) {
                // A state that must not be saved is a run that diverged.
                return Err(match training.bad()? {
                    Some((step, task)) => {
                        self.run.diverged(seed, step, task as u64, "the query loss")
                    }
                    None => why,
                });
            }
        }
        // The evaluation can be long, too.
        let last = state(&mut training, index, &self.done)?;
        self.run.save(before + steps, last)?;
        training.weights()
    }

    /// A point of the curves.
    fn curve(
        &mut self,
        seed: u64,
        control: Option<Control>,
        step: u64,
        weights: &Weights,
        curves: &mut [(Row, Evaluation)],
    ) -> Result<()> {
        let Judging { headline, curve_tasks, .. } = self.e.judged;
        for (row, evaluation) in curves {
            let scores = evaluation.run(weights, curve_tasks, |_| Ok(()))?;
            let (mean, ci95, n) = mean_ci95(&scores[0].values[0]);
            let control = control.map(Control::word);
            let name = figures::name(&self.e, *row, control, self.e.tasks.metric(), headline);
            self.run.line(&Line::evaluate(seed, step, &name, mean, ci95, n))?;
        }
        Ok(())
    }

    /// Figures, events, report, model: everything after the training.
    fn judge(&mut self, seeds: &[u64]) -> Result<Summary> {
        let e = self.e.clone();
        let spec = e.net.spec();
        let mut methods = vec![None];
        methods.extend(e.judged.controls.iter().copied().map(Some));
        let total = (e.judged.rows.len() * seeds.len() * methods.len() * e.judged.tasks) as u64;
        let mut progress = Progress::new("test tasks", 0, total, self.quiet);
        let mut by_seed: Vec<(u64, Vec<Figure>)> = seeds.iter().map(|&s| (s, vec![])).collect();
        let mut own_scores: Vec<(Row, Scores)> = vec![];
        let mut judged = 0;
        for rows in e.judged.rows.chunk_by(Row::of_same_tasks) {
            let mut evaluation = self.evaluation(rows, &e.judged.steps, stream::TEST)?;
            self.peak_bytes = self.peak_bytes.max(evaluation.cost().peak_bytes);
            for (at, &seed) in seeds.iter().enumerate() {
                // [methods][rows]
                let mut scores: Vec<Vec<Scores>> = vec![];
                for &control in &methods {
                    let start = Weights::init(&spec, seed);
                    let leg = self.legs.iter().position(|l| *l == Leg { seed, control });
                    let weights = leg.map_or(&start, |leg| &self.done[leg]);
                    scores.push(evaluation.run(weights, e.judged.tasks, |first| {
                        progress.at(judged + (first * rows.len()) as u64, String::new);
                        self.run.check_interrupt()
                    })?);
                    judged += (e.judged.tasks * rows.len()) as u64;
                }
                for (i, &row) in rows.iter().enumerate() {
                    let own = &scores[0][i];
                    if at == 0 {
                        own_scores.push((row, own.clone()));
                    }
                    for (control, scores) in methods.iter().zip(&scores) {
                        let word = control.map(Control::word);
                        self.note_not_finite(seed, row, word, &scores[i])?;
                        let figures = &mut by_seed[at].1;
                        figures.extend(figures::of_scores(&e, row, word, &scores[i]));
                        if let Some(word) = word {
                            let differences =
                                figures::of_difference(&e, row, word, &scores[i], own);
                            figures.extend(differences);
                        }
                    }
                }
            }
        }
        progress.at(total, String::new);
        for (seed, figures) in &by_seed {
            for f in figures {
                let value = |v: Option<f64>| v.unwrap_or(f64::NAN);
                let line =
                    Line::evaluate(*seed, e.steps, &f.name, value(f.value), value(f.ci95), f.n);
                self.run.line(&line)?;
            }
        }
        self.finish(seeds, figures::pooled(&by_seed), &own_scores)
    }

    fn note_not_finite(
        &mut self,
        seed: u64,
        row: Row,
        control: Option<&str>,
        s: &Scores,
    ) -> Result<()> {
        if s.not_finite() == 0 {
            return Ok(());
        }
        let text = format!(
            "{}, {}: {} of {} values are not finite and left out of the mean",
            row.place(self.e.judged.held),
            control.unwrap_or("maml"),
            s.not_finite(),
            s.values.iter().map(Vec::len).sum::<usize>()
        );
        self.run.line(&Line::event(seed, self.e.steps, "not_finite", text))
    }

    fn finish(
        &mut self,
        seeds: &[u64],
        results: Vec<Figure>,
        scores: &[(Row, Scores)],
    ) -> Result<Summary> {
        let weights = self.done[0].clone();
        let lines = self.run.lines()?;
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        let summary = Summary {
            recipe: self.e.name.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            device: self.device.clone(),
            threads: self.e.options.threads.unwrap_or(cores),
            seeds: seeds.to_vec(),
            steps: self.e.steps,
            seconds: self.run.seconds(),
            peak_bytes: self.peak_bytes,
            parameters: weights.count() as u64,
            results,
            events: lines.iter().filter(|l| matches!(l, Line::Event { .. })).cloned().collect(),
        };
        let findings = Findings {
            e: &self.e,
            recipe: &self.run.recipe,
            summary: &summary,
            lines: &lines,
            scores,
            weights: &weights,
            set: self.set.as_ref(),
        };
        let report = page(&findings)?.html();
        self.run.finish(&summary, &report, &named("", &weights), None)?;
        Ok(summary)
    }
}

fn named(prefix: &str, weights: &Weights) -> Vec<Named> {
    let tensor =
        |w: &Weight| (format!("{prefix}{}", w.name), w.shape.dims().to_vec(), w.values.clone());
    weights.iter().map(tensor).collect()
}

/// What a checkpoint keeps. Refuses numbers that are not finite: the last good checkpoint stays.
fn state(training: &mut Training, leg: usize, done: &[Weights]) -> Result<State> {
    let values = training.state()?;
    let mut tensors: Vec<Named> = vec![];
    for ((name, shape), values) in training.tensors().into_iter().zip(values) {
        if values.iter().any(|v| !v.is_finite()) {
            return Err(Error::Answer(format!("training diverged: {name} is not finite any more")));
        }
        tensors.push((name, shape, values));
    }
    for (index, weights) in done.iter().enumerate() {
        tensors.extend(named(&format!("done{index}/"), weights));
    }
    Ok(State { tensors, extra: serde_json::json!({ "leg": leg }) })
}

/// Puts a checkpoint into the program and returns its step.
fn restore(training: &mut Training, checkpoint: &Checkpoint, done: &[Weights]) -> Result<u64> {
    let mut expected = training.tensors();
    let own = expected.len();
    for (index, weights) in done.iter().enumerate() {
        let names = named(&format!("done{index}/"), weights);
        expected.extend(names.into_iter().map(|(name, shape, _)| (name, shape)));
    }
    let values = checkpoint.matching(&expected)?;
    training.restore(&values[..own]);
    Ok(checkpoint.step)
}
