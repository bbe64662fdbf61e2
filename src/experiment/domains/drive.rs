//! A study from its first picture to its table: the seven steps, in order.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::apply::Adapted;
use super::methods::{Pipeline, Row};
use super::score::{Scored, commonest, fuse, truths};
use super::session::Nets;
use super::study::Study;
use super::table::Table;
use crate::error::Result;
use crate::nn::{MultiTask, Weights};

/// What a study found.
pub struct Found {
    pub table: Table,
    /// The networks of the last pipeline of the ladder, `[seed][domain]`.
    pub whole: Nets,
    /// Their shape; and the first seed's before any target was seen, for pictures of one's own.
    pub net: MultiTask,
    pub general: Weights,
    /// What the whole method's networks are worth, with confusions, `[seed][domain]`.
    pub scored: Vec<Scored>,
}

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
}

impl Study<'_> {
    /// A sentence for one of the seven steps.
    pub fn say_step(&self, number: usize, text: &str) {
        self.session.say(&format!("{number}/7 {text}"));
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

    /// A pipeline's network on the source domains.
    fn shape(&self, p: &Pipeline) -> MultiTask {
        let embedding = self.net.embedding.filter(|_| p.embedding);
        MultiTask { embedding, ..self.net.clone() }
    }

    /// Scores at other numbers of labels than the recipe's, with these rows.
    pub fn budgets(&mut self, rows: &[Pipeline]) -> Result<Vec<(usize, Table)>> {
        let (own, adjust) = (self.set.labels, std::mem::take(&mut self.set.adjust));
        let mut all = vec![];
        for labels in self.set.budgets.clone() {
            self.set.labels = labels;
            let key = format!("labels={labels}");
            let table = match self.session.table(&key) {
                Some(table) => table,
                None => self.run(rows)?.table,
            };
            self.session.keep_table(&key, &table);
            all.push((labels, table));
        }
        (self.set.labels, self.set.adjust) = (own, adjust);
        Ok(all)
    }

    /// A stage on the targets: its networks depend on the number of labels.
    fn stage(&self, name: &str) -> String {
        format!("{name}-{}", self.set.labels)
    }

    /// The whole study. `rows`: the pipelines of the table, the last of them the whole method.
    pub fn run(&mut self, rows: &[Pipeline]) -> Result<Found> {
        let mut table = Table::default();
        let (k, s) = (self.tasks.len(), self.seeds());
        let names: Vec<&str> = self.tasks.iter().map(|t| &t.name[..]).collect();
        self.say_step(
            1,
            &format!(
                "tasks: {}; {} source domains, {} target domains with {} labels a task",
                names.join(", "),
                self.pictures.sources().len(),
                self.domains.len(),
                self.set.labels
            ),
        );
        let numbers: usize = self.target.spec().iter().map(|s| s.shape.len()).sum();
        self.say_step(
            2,
            &format!("base model: one trunk, {} heads, {numbers} numbers", self.net.heads.len()),
        );

        self.say_step(
            3,
            "source domains: a network a task (controls), then networks for all tasks",
        );
        let singles = self.learn_singles()?;
        let weights = self.set.weights.clone();
        let mut sources: BTreeMap<String, Nets> = BTreeMap::new();
        let mut branches: BTreeMap<String, Nets> = BTreeMap::new();
        let sums = self.learn_watched("source-sums", &[vec![1.0; k], weights.clone()])?;
        let branch = self.session.branch("source-sums").expect("source training branches");
        for (places, name) in [(0..s, "source-joint"), (s..2 * s, "source-tuned")] {
            sources.insert(name.into(), sums[places.clone()].to_vec());
            branches.insert(name.into(), branch[places].to_vec());
        }
        sources.insert("source-averaged".into(), self.average_singles(&singles));
        for p in rows {
            if let Entry::Vacant(place) = sources.entry(p.source()) {
                let net = self.shape(p);
                place.insert(self.learn_aggregated(&p.source(), &net, &weights)?);
                let branch = self.session.branch(&p.source()).expect("source training branches");
                branches.insert(p.source(), branch);
            }
        }
        for p in rows.iter().filter(|p| p.student) {
            if let Entry::Vacant(place) = sources.entry(p.learnt()) {
                let (net, from) = (self.shape(p), &branches[&p.source()]);
                place.insert(self.learn_student(&p.learnt(), &net, from, &weights, &singles)?);
            }
        }
        let fresh = |nets: &Nets| nets.iter().map(Weights::for_new_domain).collect::<Nets>();
        let mut starts: BTreeMap<String, Nets> =
            sources.iter().map(|(name, nets)| (name.clone(), fresh(nets))).collect();

        self.say_step(
            4,
            "knowledge of the sources: parameters, and answers on unlabelled target pictures",
        );
        let singles = fresh(&singles);
        let spread = |nets: &Nets, count: usize| -> Nets {
            nets.iter().flat_map(|n| std::iter::repeat_n(n.clone(), count)).collect()
        };
        let count = self.domains.len();
        self.judge_majority(&mut table);
        self.judge_single(&mut table, Row::UnlabelledSingle, None, &spread(&singles, count))?;
        let untouched = spread(&starts["source-tuned"], count);
        self.judge_joint(&mut table, Row::UnlabelledJoint, &self.target.clone(), &untouched)?;

        self.say_step(5, "target domains: every control and method on the same few labels");
        let (target, adapt) = (self.target.clone(), (self.set.adapt.steps, self.set.adapt.lr));
        let scratch: Nets = (0..k * s).map(|i| self.start(&target, i % s)).collect();
        let entries = self.single_entries(&scratch, &[], false);
        let alone =
            self.adapt(&self.stage("target-single"), &target, &entries, self.set.scratch)?;
        self.judge_single(&mut table, Row::Single, None, &alone.average)?;
        let entries = self.single_entries(&singles, &[], true);
        let pretrained =
            self.adapt(&self.stage("target-pretrained"), &target, &entries, adapt)?.average;
        self.judge_single(&mut table, Row::Pretrained, Some(Row::PretrainedPair), &pretrained)?;
        let taught = self.teach_singles(&pretrained)?;
        let entries = self.single_entries(&singles, &taught, true);
        let nets =
            self.adapt(&self.stage("target-pretrained-taught"), &target, &entries, adapt)?.average;
        self.judge_single(&mut table, Row::PretrainedTaught, None, &nets)?;

        let mut adapted: BTreeMap<String, Adapted> = BTreeMap::new();
        let mut scored = vec![];
        let mut whole = vec![];
        let mut told = false;
        for p in rows {
            if p.meta && !told {
                self.say_step(
                    6,
                    "meta-optimisation over the source domains, then the targets once more",
                );
                told = true;
            }
            if p.meta && !starts.contains_key(&p.meta()) {
                let net = self.shape(p).for_new_domain();
                let nets =
                    self.learn_meta(&p.meta(), &net, &starts[&p.learnt()].clone(), &weights)?;
                starts.insert(p.meta(), nets);
            }
            if !adapted.contains_key(&p.adapted()) {
                let net = self.shape(p).for_new_domain();
                let taught = match p.distilled {
                    true => {
                        let base = Pipeline { distilled: false, ..*p }.adapted();
                        if !adapted.contains_key(&base) {
                            let entries = self.joint_entries(p, &starts[&p.start()], &[]);
                            let nets = self.adapt(&self.stage(&base), &net, &entries, adapt)?;
                            adapted.insert(base.clone(), nets);
                        }
                        self.teach_joint(&net, &adapted[&base].average, &pretrained)?
                    }
                    false => vec![],
                };
                let entries = self.joint_entries(p, &starts[&p.start()], &taught);
                let nets = self.adapt(&self.stage(&p.adapted()), &net, &entries, adapt)?;
                adapted.insert(p.adapted(), nets);
            }
            let nets = &adapted[&p.adapted()];
            whole = if p.averaged { nets.average.clone() } else { nets.last.clone() };
            let net = self.shape(p).for_new_domain();
            scored = self.judge_joint(&mut table, Row::Joint(*p), &net, &whole)?;
        }
        if self.set.adjust {
            self.adjust(&mut table)?;
        }
        self.session.finish()?;
        let last = rows.last().expect("a table has rows");
        let net = self.shape(last).for_new_domain();
        let general = starts[&last.start()][0].clone();
        Ok(Found { table, whole, net, general, scored })
    }
}
