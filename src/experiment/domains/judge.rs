//! What are networks worth on the targets? Their answers to the test pictures, scored, under a row of the table.

use super::methods::Row;
use super::score::{Scored, commonest, fuse, truths};
use super::session::Nets;
use super::study::Study;
use super::table::Table;
use crate::error::Result;
use crate::nn::{MultiTask, Weights};

impl Study<'_> {
    /// Scores networks for all tasks, `[seed][domain]`, under `row`.
    pub fn judge_joint(
        &mut self,
        table: &mut Table,
        row: Row,
        net: &MultiTask,
        nets: &Nets,
    ) -> Result<Vec<Scored>> {
        let count = self.domains.len();
        let mut all = vec![Scored::default(); nets.len()];
        for (d, domain) in self.domains.clone().into_iter().enumerate() {
            let of: Vec<&Weights> = (0..self.seeds()).map(|s| &nets[s * count + d]).collect();
            let at = self.test(domain);
            for (seed, answers) in self.answers(net, &of, &at, None)?.iter().enumerate() {
                let scored = self.score(domain, answers, None);
                for task in 0..self.tasks.len() {
                    table.add(row, task, seed, &scored);
                }
                all[seed * count + d] = scored;
            }
        }
        Ok(all)
    }

    /// Scores single-task networks, `[task][seed][domain]`, under `row`; and the average of each with the next seed's
    /// under `pair`.
    pub fn judge_single(
        &mut self,
        table: &mut Table,
        row: Row,
        pair: Option<Row>,
        nets: &Nets,
    ) -> Result<()> {
        let (count, seeds, k) = (self.domains.len(), self.seeds(), self.tasks.len());
        for (d, domain) in self.domains.clone().into_iter().enumerate() {
            let (net, at) = (self.target.clone(), self.test(domain));
            let of: Vec<&Weights> = (0..k * seeds).map(|i| &nets[i * count + d]).collect();
            let answers = self.answers(&net, &of, &at, None)?;
            for task in 0..k {
                for seed in 0..seeds {
                    let own = &answers[task * seeds + seed];
                    table.add(row, task, seed, &self.score(domain, own, Some(task)));
                    if let Some(pair) = pair.filter(|_| seeds > 1) {
                        let other = &answers[task * seeds + (seed + 1) % seeds];
                        let fused = fuse(&net, &[own, other]);
                        table.add(pair, task, seed, &self.score(domain, &fused, Some(task)));
                    }
                }
            }
        }
        Ok(())
    }

    /// Where a task's commonest answer gets on a domain: the commonest among the domain's own labels.
    pub fn judge_majority(&mut self, table: &mut Table) {
        for domain in self.domains.clone() {
            let count = self.test(domain).len();
            for (t, task) in self.tasks.clone().iter().enumerate() {
                for seed in 0..self.seeds() {
                    let known = self.pool(domain, seed).known(t, self.set.labels);
                    let seen = truths(&*self.pictures, &self.target, &known);
                    let mut answers = vec![vec![]; self.target.heads.len()];
                    for &h in &task.heads {
                        answers[h] = commonest(&self.target, h, &seen[h], count);
                    }
                    table.add(Row::Majority, t, seed, &self.score(domain, &answers, Some(t)));
                }
            }
        }
    }
}
