//! A study: its settings, pictures and networks' shapes, and what its parts share.
//!
//! [`learn`](super::learn) trains on the sources, [`teach`](super::teach) lets networks answer, [`apply`](super::apply)
//! adapts to the targets, [`judge`](super::judge) scores there, [`drive`](super::drive) puts them in order. Orders used
//! throughout: single-task networks `[task][seed]` on the sources and `[task][seed][domain]` on the targets, networks for
//! all tasks `[seed]` and `[seed][domain]`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::answer::{Answering, Answers};
use super::feed::Group;
use super::pictures::{At, Pictures, Pool, Task};
use super::score::{Scored, score};
use super::session::Session;
use super::settings::{EMBEDDING_PACE, Settings};
use super::stack::Rates;
use crate::error::Result;
use crate::nn::{MultiTask, Weights};
use crate::random::fold;
use crate::run::Run;

pub struct Study<'r> {
    pub set: Settings,
    pub pictures: Arc<dyn Pictures>,
    pub tasks: Vec<Task>,
    pub session: Session<'r>,
    /// Domains that are adapted to.
    pub domains: Vec<usize>,
    /// For networks of the source domains, and of one new domain.
    pub net: MultiTask,
    pub target: MultiTask,
    pub heads: Vec<String>,
    /// Programs that answer, by networks and rows of their embeddings.
    pub programs: BTreeMap<(usize, usize), Answering>,
    /// Seconds of one domain's adaptation of all tasks, of those made by this process.
    pub adapt_seconds: f64,
}

impl<'r> Study<'r> {
    pub fn new(
        set: Settings,
        pictures: Arc<dyn Pictures>,
        domains: Vec<usize>,
        run: &'r mut Run,
        total: u64,
        quiet: bool,
    ) -> Result<Self> {
        let net = pictures.network(pictures.sources().len());
        let heads = net.heads.iter().map(|h| h.name.clone()).collect();
        Ok(Self {
            tasks: pictures.tasks(),
            target: net.for_new_domain(),
            session: Session::new(run, total, quiet)?,
            programs: BTreeMap::new(),
            adapt_seconds: 0.0,
            set,
            pictures,
            domains,
            net,
            heads,
        })
    }

    pub fn seeds(&self) -> usize {
        self.set.seeds.len()
    }

    /// What is known of a domain, with as many labels as this part of the study sees.
    pub fn pool(&self, domain: usize, seed: usize) -> Pool {
        self.pictures.pool(domain, self.set.seeds[seed]).within(self.set.labels)
    }

    /// Weight of each head's loss: its task's, shared among the task's heads.
    pub fn per_head(&self, weights: &[f64]) -> Vec<f64> {
        let mut all = vec![0.0; self.net.heads.len()];
        for (task, weight) in self.tasks.iter().zip(weights) {
            for &h in &task.heads {
                all[h] = weight / task.heads.len() as f64;
            }
        }
        all
    }

    pub fn only(&self, task: usize) -> Vec<f64> {
        (0..self.tasks.len()).map(|t| f64::from(u8::from(t == task))).collect()
    }

    /// Of the order of a task's labels: the same for every network of a seed.
    pub fn key(&self, seed: usize, task: usize) -> u32 {
        fold(self.set.seeds[seed]).wrapping_mul(64).wrapping_add(task as u32 + 1)
    }

    /// Labelled groups of one network, in the order of the tasks, of `count` pictures each.
    pub fn groups(
        &self,
        seed: usize,
        tasks: &[usize],
        count: usize,
        from: impl Fn(usize) -> Arc<[At]>,
    ) -> Vec<Group> {
        let group = |&t: &usize| Group::labelled(count, from(t), t, self.key(seed, t));
        tasks.iter().map(group).collect()
    }

    pub fn rates(&self, weights: &[f64], slow: f64, anchor: f64) -> Rates {
        let hard = self.per_head(weights);
        let soft = hard.iter().map(|w| w * self.set.distill).collect();
        Rates { hard, soft, groups: [slow, EMBEDDING_PACE, 1.0], anchor }
    }

    pub fn seed_names(&self, seeds: &[usize]) -> Vec<String> {
        seeds.iter().map(|&s| format!("seed {}", self.set.seeds[s])).collect()
    }

    pub fn start(&self, net: &MultiTask, seed: usize) -> Weights {
        Weights::init(&net.spec(), self.set.seeds[seed])
    }

    /// The test pictures of a domain.
    pub fn test(&self, domain: usize) -> Vec<At> {
        let pool = self.pool(domain, 0);
        pool.test.iter().map(|&index| At { domain, index }).collect()
    }

    /// Of all tasks, or of one.
    pub fn score(&self, domain: usize, answers: &Answers, only: Option<usize>) -> Scored {
        score(&*self.pictures, &self.target, &self.test(domain), answers, only)
    }
}
