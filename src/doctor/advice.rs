//! From measurements to plain language: train these together, this one apart, give that one this weight.
//!
//! Joint training of all tasks with equal weights is what the reader does anyway, so only a reason to do otherwise is
//! advice; and a reason is an interval that lies wholly beyond a margin, never one that holds 0.

use super::{Interval, Measurements};
use std::fmt;

/// Harm is worth a change from here on: a step of one task takes back this share of what the other's own gains.
const HARM: f64 = 0.1;
/// Help is a twin's from here on, both ways: a step is worth half of the other's own.
const TWIN: f64 = 0.5;
/// A gradient is loud from here on: three times as long as the others'.
const LOUD: f64 = 3.0;

/// Something that the measurements show, by number of task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Finding {
    /// Steps of `from` hurt `to`: their worth ([`Measurements::worth`]).
    Hurts { from: usize, to: usize, worth: Interval },
    /// Each helps the other nearly as well as itself.
    Twins { a: usize, b: usize, worth: [Interval; 2] },
    /// The gradient is `log` (natural) longer than the others'.
    Loud { task: usize, log: Interval },
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
pub fn advise(measured: &Measurements) -> Advice {
    let n = measured.tasks();
    let mut findings = vec![];
    let mut harm = vec![0.0; n * n];
    for from in 0..n {
        for to in (0..n).filter(|&to| to != from) {
            let worth = measured.worth(from, to);
            if worth.high() < -HARM {
                harm[from * n + to] = -worth.mean;
                findings.push(Finding::Hurts { from, to, worth });
            }
        }
    }
    let mut twins = vec![];
    for a in 0..n {
        for b in a + 1..n {
            let worth = [measured.worth(a, b), measured.worth(b, a)];
            if worth.iter().all(|w| w.low() > TWIN) {
                twins.push((a, b));
                findings.push(Finding::Twins { a, b, worth });
            }
        }
    }
    let groups = group(n, &harm, &twins);
    let mut weights = vec![1.0; n];
    for (task, weight) in weights.iter_mut().enumerate().filter(|_| n > 1) {
        let log = measured.log_loudness(task);
        if log.low() > LOUD.ln() {
            *weight = (-log.mean).exp();
            // A task that trains alone has nobody to drown out.
            if groups.iter().any(|group| group.len() > 1 && group.contains(&task)) {
                findings.push(Finding::Loud { task, log });
            }
        }
    }
    for group in groups.iter().filter(|group| group.len() == 1) {
        weights[group[0]] = 1.0;
    }
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
        let is_twin = |other: usize| twins.contains(&(task.min(other), task.max(other)));
        let fits = |group: &&mut Vec<usize>| {
            group.iter().any(|&t| is_twin(t)) && group.iter().all(|&t| between(task, t) == 0.0)
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
            let n = self.names.len();
            return write!(
                f,
                "The {n} tasks neither help nor hurt each other beyond what chance explains: no advice."
            );
        }
        for finding in &self.findings {
            match finding {
                Finding::Hurts { from, to, worth } => writeln!(
                    f,
                    "{} hurts {}: a step on it takes back {:.2} ± {:.2} of what a step of {}'s own gains.",
                    name(*from),
                    name(*to),
                    -worth.mean,
                    worth.half,
                    name(*to)
                )?,
                Finding::Twins { a, b, worth: [to_b, to_a] } => writeln!(
                    f,
                    "{} and {} are twins: a step on one is worth {to_b} and {to_a} of the other's own.",
                    name(*a),
                    name(*b)
                )?,
                Finding::Loud { task, log } => writeln!(
                    f,
                    "{} is loud: its gradient is {:.1} times as long as the others' ({:.1} to {:.1}).",
                    name(*task),
                    log.mean.exp(),
                    log.low().exp(),
                    log.high().exp()
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
