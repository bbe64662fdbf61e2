//! From measurements to plain language: train these together, this one apart, give that one this weight.
//!
//! Joint training of all tasks with equal weights is what the reader does anyway, so only a reason to do otherwise is
//! advice; and a reason is an interval that lies wholly beyond a margin, never one that holds 0.

use super::{Interval, Measurements};
use std::fmt;

/// Harm by a task that learns is worth a change from here on: a step on it takes back this share of what a step
/// on the other gains. Less is what any two tasks do to each other near the end of a training, also where both gain
/// by it. From a task that does not even help itself, any harm is too much.
const HARM: f64 = 0.5;
/// Help is a twin's from here on, both ways: a step is worth half of the other's own.
const TWIN: f64 = 0.5;
/// A gradient is loud from here on: three times as long as the others'.
const LOUD: f64 = 3.0;
/// A score this far below what the task reaches alone is worth a change: five points.
const LAG: f64 = 0.05;

/// Something that the measurements show, by number of task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Finding {
    /// Steps on `task` hurt the others together ([`Measurements::worth_to_others`]), and nobody gains: they do not help
    /// the task itself on fresh examples ([`Measurements::own_effect`]).
    Enemy { task: usize, worth: Interval },
    /// Steps of `from` hurt `to`: [`Measurements::worth`].
    Hurts { from: usize, to: usize, worth: Interval },
    /// Each wants what the other wants: [`Measurements::kinship`] of a to b, and back.
    Twins { a: usize, b: usize, kinship: [Interval; 2] },
    /// The gradient is `log` (natural) longer than the others'.
    Loud { task: usize, log: Interval },
    /// `task` ends lower with the others than alone: [`Measurements::lead`].
    Lags { task: usize, lead: Interval },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    pub names: Vec<String>,
    pub findings: Vec<Finding>,
    /// Which tasks to train together; one group of all where nothing speaks against it.
    pub groups: Vec<Vec<usize>>,
    /// What to multiply each task's loss by.
    pub weights: Vec<f64>,
}

/// What follows from the measurements. Needs two repeats at least; says nothing with fewer.
///
/// A loud task is only given a weight: whether it also hurts the others shows when it no longer drowns them out. A task
/// that lags behind itself alone is trained apart, whoever it is that it yields to.
pub fn advise(measured: &Measurements) -> Advice {
    let n = measured.tasks();
    let (mut findings, mut weights) = (vec![], vec![1.0; n]);
    for (task, weight) in weights.iter_mut().enumerate().filter(|_| n > 1) {
        let log = measured.log_loudness(task);
        if log.low() > LOUD.ln() {
            *weight = (-log.mean).exp();
            findings.push(Finding::Loud { task, log });
        }
    }
    let mut harm = vec![0.0; n * n];
    for from in (0..n).filter(|&task| weights[task] == 1.0) {
        let worth = measured.worth_to_others(from);
        let others = (0..n).filter(|&to| to != from);
        if worth.high() < 0.0 && measured.own_effect(from).low() <= 0.0 {
            findings.push(Finding::Enemy { task: from, worth });
            others.clone().for_each(|to| harm[from * n + to] = -worth.mean);
        }
        for to in others {
            let worth = measured.worth(from, to);
            if worth.high() < -HARM {
                harm[from * n + to] = -worth.mean;
                findings.push(Finding::Hurts { from, to, worth });
            }
        }
    }
    for task in 0..n {
        let lead = measured.lead(task);
        if lead.high() < 0.0 && lead.mean < -LAG {
            (0..n).filter(|&from| from != task).for_each(|from| harm[from * n + task] -= lead.mean);
            findings.push(Finding::Lags { task, lead });
        }
    }
    let mut twins = vec![];
    for (a, b) in (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b))) {
        let kinship = [measured.kinship(a, b), measured.kinship(b, a)];
        if kinship.iter().all(|k| k.low() > TWIN) {
            twins.push((a, b));
            findings.push(Finding::Twins { a, b, kinship });
        }
    }
    let groups = group(n, &harm, &twins);
    Advice { names: measured.names.clone(), findings, groups, weights }
}

/// Groups without harm inside: the task with the most harm around it (done and suffered) leaves, until none is left;
/// those that left join the first group of leavers that holds a twin and nobody they harm.
fn group(n: usize, harm: &[f64], twins: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let between = |a: usize, b: usize| harm[a * n + b] + harm[b * n + a];
    let mut rest: Vec<usize> = (0..n).collect();
    let mut left = vec![];
    loop {
        let around = |a: usize| rest.iter().map(|&b| between(a, b)).sum::<f64>();
        let worst = rest.iter().copied().max_by(|&a, &b| around(a).total_cmp(&around(b)));
        match worst {
            Some(task) if around(task) > 0.0 => {
                rest.retain(|&t| t != task);
                left.push(task);
            }
            _ => break,
        }
    }
    let mut groups = vec![rest];
    for task in left {
        let twin = |other: usize| twins.contains(&(task.min(other), task.max(other)));
        let fits = |group: &&mut Vec<usize>| {
            group.iter().any(|&t| twin(t)) && group.iter().all(|&t| between(task, t) == 0.0)
        };
        match groups.iter_mut().skip(1).find(fits) {
            Some(group) => group.push(task),
            None => groups.push(vec![task]),
        }
    }
    groups
}

impl Advice {
    /// Whether there is nothing to change or to know.
    pub fn is_nothing(&self) -> bool {
        self.findings.is_empty()
    }
}

impl fmt::Display for Advice {
    /// A line a finding, then what to do.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let name = |task: usize| &self.names[task];
        if self.is_nothing() {
            return f.write_str(
                "No task helps or hurts another beyond what chance explains: train them together.",
            );
        }
        for finding in &self.findings {
            match *finding {
                Finding::Enemy { task, worth } => writeln!(
                    f,
                    "{} hurts the others and helps not even itself: a step on it takes back {:.2} ± {:.2} of what a step on them gains.",
                    name(task),
                    -worth.mean,
                    worth.half
                )?,
                Finding::Hurts { from, to, worth } => writeln!(
                    f,
                    "{} hurts {}: a step on it takes back {:.2} ± {:.2} of what a step on {} gains.",
                    name(from),
                    name(to),
                    -worth.mean,
                    worth.half,
                    name(to)
                )?,
                Finding::Twins { a, b, kinship: [to_b, to_a] } => writeln!(
                    f,
                    "{} and {} are twins: a step on one is worth {to_b} and {to_a} of the other's own.",
                    name(a),
                    name(b)
                )?,
                Finding::Loud { task, log } => writeln!(
                    f,
                    "{} is loud: its gradient begins {:.1} times as long as the others' ({:.1} to {:.1}).",
                    name(task),
                    log.mean.exp(),
                    log.low().exp(),
                    log.high().exp()
                )?,
                Finding::Lags { task, lead } => writeln!(
                    f,
                    "{} ends {:.1} ± {:.1} points lower with the others than alone.",
                    name(task),
                    -100.0 * lead.mean,
                    100.0 * lead.half
                )?,
            }
        }
        for group in &self.groups {
            let names: Vec<&str> = group.iter().map(|&task| &name(task)[..]).collect();
            match &names[..] {
                [] => {}
                [one] => writeln!(f, "Train {one} apart.")?,
                [some @ .., last] => writeln!(f, "Train {} and {last} together.", some.join(", "))?,
            }
        }
        for (task, weight) in self.weights.iter().enumerate().filter(|(_, w)| **w != 1.0) {
            writeln!(f, "Multiply the loss of {} by {weight:.3}.", name(task))?;
        }
        Ok(())
    }
}
