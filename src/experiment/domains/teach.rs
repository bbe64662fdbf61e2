//! Who teaches whom: networks answer, their answers are fused head by head, and a student learns from them.

use std::sync::Arc;

use super::answer::{Answering, Answers};
use super::pictures::At;
use super::score::{changed, drawn, fuse};
use super::session::Nets;
use super::study::Study;
use super::taught::{Taught, VIEWS};
use crate::error::Result;
use crate::nn::{MultiTask, Weights};

/// Pictures that answer at once.
const AT_ONCE: usize = 25;

impl Study<'_> {
    /// The answers of networks of one shape to the same pictures, as one program. `domain` as in [`Answering::answer`].
    pub fn answers(
        &mut self,
        net: &MultiTask,
        nets: &[&Weights],
        at: &[At],
        domain: Option<usize>,
    ) -> Result<Vec<Answers>> {
        let x = drawn(&*self.pictures, net, at);
        self.answers_to(net, nets, &x, domain)
    }

    fn answers_to(
        &mut self,
        net: &MultiTask,
        nets: &[&Weights],
        x: &[f32],
        domain: Option<usize>,
    ) -> Result<Vec<Answers>> {
        let rows = net.embedding.map_or(0, |e| e.domains);
        let key = (nets.len(), rows);
        let mut program = match self.programs.remove(&key) {
            Some(program) => program,
            None => Answering::new(net, nets.len(), AT_ONCE, &self.set.options)?,
        };
        program.take(nets);
        let answers = program.answer(x, domain);
        self.programs.insert(key, program);
        answers
    }

    /// What networks of one shape answer to the views of a list's pictures, picture by picture. Pictures of one domain
    /// stand together; a network with a row for each domain in its embedding is told which.
    fn views(
        &mut self,
        net: &MultiTask,
        nets: &[&Weights],
        list: &[At],
        seed: u32,
    ) -> Result<Vec<Answers>> {
        let many = net.embedding.is_some_and(|e| e.domains > 1);
        let mut all = vec![vec![vec![]; net.heads.len()]; nets.len()];
        let mut place = 0;
        for part in list.chunk_by(|a, b| a.domain == b.domain) {
            let mut seen = vec![];
            for &at in part {
                seen.extend((0..VIEWS).map(|v| (at, Some(Taught::change(seed, place, v)))));
                place += 1;
            }
            let x = changed(&*self.pictures, net, &seen);
            let domain = many.then_some(part[0].domain);
            for (all, new) in all.iter_mut().zip(self.answers_to(net, nets, &x, domain)?) {
                for (head, new) in all.iter_mut().zip(new) {
                    head.extend(new);
                }
            }
        }
        Ok(all)
    }

    /// From the answers of a network a task, `[task]`: each task's heads from its own.
    pub fn specialists(&self, answers: &[Answers]) -> Answers {
        let mut heads = vec![vec![]; self.target.heads.len()];
        for (task, answers) in self.tasks.iter().zip(answers) {
            for &h in &task.heads {
                heads[h] = answers[h].clone();
            }
        }
        heads
    }

    /// Whether no picture of the targets is left without a label: then nobody teaches there, and a method with
    /// distillation is the one without.
    fn all_labelled(&self) -> bool {
        self.domains.iter().all(|&domain| self.pool(domain, 0).unlabelled.is_empty())
    }

    /// What the single-task networks of one seed (`singles`: `[task][seed]`) answer to a list of source pictures.
    pub fn teach_source(
        &mut self,
        seed: usize,
        list: &[At],
        singles: &Nets,
    ) -> Result<Arc<Taught>> {
        let (key, net) = (self.key(seed, 34), self.net.clone());
        let of = |task: usize| &singles[task * self.seeds() + seed];
        let nets: Vec<&Weights> = (0..self.tasks.len()).map(of).collect();
        let answers = self.views(&net, &nets, list, key)?;
        Ok(Arc::new(Taught::new(key, &net, &self.specialists(&answers))))
    }

    /// For each adapted single-task network, `[task][seed][domain]`: the answers of itself and the next seed's to its
    /// domain's unlabelled pictures, fused.
    pub fn teach_singles(&mut self, nets: &Nets) -> Result<Vec<Arc<Taught>>> {
        if self.all_labelled() {
            return Ok(vec![]);
        }
        let (count, seeds) = (self.domains.len(), self.seeds());
        let net = self.target.clone();
        let mut all = vec![];
        for task in 0..self.tasks.len() {
            for seed in 0..seeds {
                for d in 0..count {
                    let at = |seed: usize| &nets[(task * seeds + seed) * count + d];
                    let pair = [at(seed), at((seed + 1) % seeds)];
                    let list = self.pool(self.domains[d], seed).unknown();
                    let key = self.key(seed, 33);
                    let answers = self.views(&net, &pair, &list, key)?;
                    let fused = fuse(&net, &answers.iter().collect::<Vec<_>>());
                    all.push(Arc::new(Taught::new(key, &net, &fused)));
                }
            }
        }
        Ok(all)
    }

    /// For each adapted network for all tasks, `[seed][domain]`: on each head its own answers and those of the adapted
    /// single-task network of that head (`[task][seed][domain]`), fused.
    pub fn teach_joint(
        &mut self,
        net: &MultiTask,
        own: &Nets,
        singles: &Nets,
    ) -> Result<Vec<Arc<Taught>>> {
        if self.all_labelled() {
            return Ok(vec![]);
        }
        let (count, seeds) = (self.domains.len(), self.seeds());
        let target = self.target.clone();
        let mut all = vec![];
        for seed in 0..seeds {
            for d in 0..count {
                let list = self.pool(self.domains[d], seed).unknown();
                let key = self.key(seed, 33);
                let mine = self.views(net, &[&own[seed * count + d]], &list, key)?;
                let single = |task: usize| &singles[(task * seeds + seed) * count + d];
                let nets: Vec<&Weights> = (0..self.tasks.len()).map(single).collect();
                let theirs = self.views(&target, &nets, &list, key)?;
                let fused = fuse(&target, &[&mine[0], &self.specialists(&theirs)]);
                all.push(Arc::new(Taught::new(key, &target, &fused)));
            }
        }
        Ok(all)
    }
}
