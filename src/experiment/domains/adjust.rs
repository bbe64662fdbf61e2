//! Step 7, "adjust": what the doctor advises is done, and judged beside what it was advised against.
//!
//! The advice is of joint training with equal weights: which tasks to train together, and what to multiply their losses by.
//! Each group becomes a network of its own, trained on the sources and adapted to the targets as the joint one was; a task
//! is answered by its group's network.

use super::answer::Answers;
use super::apply::Entry;
use super::doctoring;
use super::methods::Row;
use super::study::Study;
use super::table::Table;
use crate::doctor::{Advice, advise};
use crate::error::Result;
use crate::nn::Weights;

impl Study<'_> {
    /// What the doctor makes of the readings so far.
    pub fn advice(&mut self) -> Result<Advice> {
        let lines = self.session.run.lines()?;
        let measured = doctoring::measured(&self.set.name, &lines, &self.tasks, &self.set.seeds);
        Ok(advise(&measured))
    }

    /// Follows the advice and scores it under [`Row::Adjusted`]; where there is none, says so and adds no row.
    pub fn adjust(&mut self, table: &mut Table) -> Result<()> {
        let advice = self.advice()?;
        if advice.is_nothing() {
            self.session.say("the doctor advises nothing: there is nothing to adjust");
            return Ok(());
        }
        for line in advice.to_string().lines() {
            self.session.say(&format!("the doctor: {line}"));
        }
        let weights = weights_of(&advice);
        let (k, nets) = (self.tasks.len() as u64, (weights.len() * self.seeds()) as u64);
        let (set, domains) = (&self.set, self.domains.len() as u64);
        let sources = set.batch as u64 * set.steps;
        let targets = domains * set.adapt.batch as u64 * set.adapt.steps;
        self.session.more(nets * k * (sources + targets));
        let learnt = self.learn_sums("source-adjusted", &weights)?;
        let starts: Vec<Weights> = learnt.iter().map(Weights::for_new_domain).collect();
        let (seeds, count) = (self.seeds(), self.domains.len());
        let mut entries = vec![];
        for (group, weights) in weights.iter().enumerate() {
            for seed in 0..seeds {
                entries.extend(self.domains.iter().map(|&domain| Entry {
                    start: starts[group * seeds + seed].clone(),
                    seed,
                    domain,
                    tasks: (0..self.tasks.len()).collect(),
                    weights: weights.clone(),
                    taught: None,
                    slow: self.set.adapt.slow,
                    anchor: self.set.adapt.anchor,
                }));
            }
        }
        let (target, pace) = (self.target.clone(), (self.set.adapt.steps, self.set.adapt.lr));
        let name = format!("target-adjusted-{}", self.set.labels);
        let nets = self.adapt(&name, &target, &entries, pace)?.average;
        for (d, domain) in self.domains.clone().into_iter().enumerate() {
            let at = self.test(domain);
            for seed in 0..seeds {
                let of = |group: usize| &nets[(group * seeds + seed) * count + d];
                let networks: Vec<&Weights> = (0..weights.len()).map(of).collect();
                let answers = self.answers(&target, &networks, &at, None)?;
                let by_task: Vec<Answers> = (0..self.tasks.len())
                    .map(|task| answers[group_of(&advice, task)].clone())
                    .collect();
                let scored = self.score(domain, &self.specialists(&by_task), None);
                for task in 0..self.tasks.len() {
                    table.add(Row::Adjusted, task, seed, &scored);
                }
            }
        }
        Ok(())
    }
}

/// For each group the weights of all tasks' losses: 0 outside it.
fn weights_of(advice: &Advice) -> Vec<Vec<f64>> {
    let of_group = |group: &Vec<usize>| {
        let weight = |t: usize| if group.contains(&t) { advice.weights[t] } else { 0.0 };
        (0..advice.names.len()).map(weight).collect()
    };
    advice.groups.iter().map(of_group).collect()
}

/// The group that a task is trained in.
fn group_of(advice: &Advice, task: usize) -> usize {
    let holds = |group: &Vec<usize>| group.contains(&task);
    advice.groups.iter().position(holds).expect("every task is in a group")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_trained_in_its_group_with_its_weight_and_in_no_other() {
        let advice = Advice {
            names: ["road", "obstacles", "signal"].map(String::from).to_vec(),
            findings: vec![],
            groups: vec![vec![0, 2], vec![1]],
            weights: vec![1.0, 1.0, 0.25],
        };
        assert_eq!(weights_of(&advice), [[1.0, 0.0, 0.25], [0.0, 1.0, 0.0]]);
        assert_eq!([0, 1, 2].map(|task| group_of(&advice, task)), [0, 1, 0]);
    }
}
