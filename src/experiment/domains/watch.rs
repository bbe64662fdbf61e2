//! Does a source network still get better? Its score on source pictures that no batch holds, now and then.
//!
//! A control that was stopped while it was still rising would flatter whatever it is compared with, so the curve is
//! printed and drawn, and the study says whether it had become flat before the step size fell.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::answer::Answering;
use super::pictures::{At, Pictures};
use super::score::score;
use super::session::Nets;
use crate::error::Result;
use crate::exec::Options;
use crate::nn::{MultiTask, Weights};
use crate::run::Line;

/// Looks in a training.
pub const LOOKS: u64 = 10;
/// Pictures of each source domain that are looked at: the last of its test pictures.
const PICTURES: usize = 15;
/// A score that grew by less than this from the middle of training to the fall of the step size is flat.
const FLAT: f64 = 0.02;

/// The methods of these curves: a network a task, and the joint ones with equal weights.
pub const ALONE: &str = "source-single";
pub const TOGETHER: &str = "source-joint";

/// A curve's name among the metrics' lines.
pub fn curve_name(study: &str, task: &str, method: &str) -> String {
    format!("{study}/{task}/{method}")
}

pub struct SourceCurve {
    pictures: Arc<dyn Pictures>,
    net: MultiTask,
    program: Answering,
    /// For each source domain its pictures, as they are and as the network reads them.
    domains: Vec<(Vec<At>, Vec<f32>)>,
    /// Of each network: its seed, and the tasks it is judged on.
    nets: Vec<(u64, Vec<usize>)>,
    study: String,
    method: &'static str,
}

impl SourceCurve {
    /// `study` and `method` as in [`curve_name`].
    pub fn new(
        pictures: &Arc<dyn Pictures>,
        net: &MultiTask,
        nets: Vec<(u64, Vec<usize>)>,
        (study, method): (&str, &'static str),
        options: &Options,
    ) -> Result<Self> {
        let program = Answering::new(net, nets.len(), PICTURES, options)?;
        let domains = pictures.sources().map(|domain| {
            let test = pictures.pool(domain, 0).test;
            let last = &test[test.len().saturating_sub(PICTURES)..];
            let at: Vec<At> = last.iter().map(|&index| At { domain, index }).collect();
            let x = super::score::drawn(&**pictures, net, &at);
            (at, x)
        });
        let domains = domains.collect();
        let (pictures, net, study) = (pictures.clone(), net.clone(), study.to_string());
        Ok(Self { pictures, net, program, domains, nets, study, method })
    }

    /// A line for each network and task: its mean score over the source domains.
    pub fn look(&mut self, step: u64, weights: &Nets) -> Result<Vec<Line>> {
        self.program.take(&weights.iter().collect::<Vec<&Weights>>());
        let mut sums = vec![vec![]; self.nets.len()];
        for (domain, (at, x)) in self.domains.iter().enumerate() {
            let answers = self.program.answer(x, Some(domain))?;
            for (n, answers) in answers.iter().enumerate() {
                let only = Some(self.nets[n].1[0]).filter(|_| self.nets[n].1.len() == 1);
                sums[n].push(score(&*self.pictures, &self.net, at, answers, only).tasks);
            }
        }
        let tasks = self.pictures.tasks();
        let mut lines = vec![];
        for ((seed, judged), scores) in self.nets.iter().zip(&sums) {
            for &t in judged {
                // A domain whose few pictures hold no object has no precision: left out.
                let of: Vec<f64> = scores.iter().map(|s| s[t]).filter(|v| v.is_finite()).collect();
                let mean = of.iter().sum::<f64>() / of.len() as f64;
                let name = curve_name(&self.study, &tasks[t].name, self.method);
                lines.push(Line::evaluate(*seed, step, &name, mean, f64::NAN, of.len() as u64));
            }
        }
        Ok(lines)
    }
}

/// The looks of the curve `name` with one seed among the metrics' lines, in the order of training: step and score.
pub fn looks(lines: &[Line], name: &str, of: u64) -> Vec<(u64, f64)> {
    let look = |line: &Line| match line {
        Line::Evaluate { seed, step, name: n, value: Some(value), .. }
            if n == name && *seed == of =>
        {
            Some((*step, *value))
        }
        _ => None,
    };
    let mut all: Vec<(u64, f64)> = lines.iter().filter_map(look).collect();
    all.sort_by_key(|(step, _)| *step);
    all
}

/// The curve `name` among the metrics' lines: the seeds' mean at each look.
pub fn mean_curve(lines: &[Line], name: &str) -> Vec<(u64, f64)> {
    let mut looks: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for line in lines {
        if let Line::Evaluate { step, name: n, value: Some(v), .. } = line
            && n == name
        {
            looks.entry(*step).or_default().push(*v);
        }
    }
    let mean = |of: Vec<f64>| of.iter().sum::<f64>() / of.len() as f64;
    looks.into_iter().map(|(step, of)| (step, mean(of))).collect()
}

/// The first look at which that curve is at `score` or above. None where it never is.
pub fn steps_to(lines: &[Line], name: &str, score: f64) -> Option<u64> {
    mean_curve(lines, name).into_iter().find(|(_, mean)| *mean >= score).map(|(step, _)| step)
}

/// How a curve rose, over the seeds' mean: its score half way, where the step size began to fall, and at the end.
pub struct Rise {
    pub half: f64,
    pub falling: f64,
    pub end: f64,
}

impl Rise {
    /// From the metrics' lines of the curve `name`. None where there are no such lines.
    pub fn of(lines: &[Line], name: &str, steps: u64, falling: f64) -> Option<Self> {
        let curve = mean_curve(lines, name);
        let at = |share: f64| {
            let near = |step: u64| (step as f64 - share * steps as f64).abs();
            let nearest = curve.iter().min_by(|a, b| near(a.0).total_cmp(&near(b.0)))?;
            Some(nearest.1)
        };
        Some(Self { half: at(0.5)?, falling: at(falling)?, end: at(1.0)? })
    }

    pub fn flat(&self) -> bool {
        self.falling - self.half < FLAT
    }
}
