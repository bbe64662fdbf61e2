//! A study from its first picture to its table: the seven steps, in order. What the seventh says of the table is told by
//! [`entry`](super::entry).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::apply::Adapted;
use super::methods::{Pipeline, Row};
use super::score::Scored;
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

/// What the source domains taught, as it ends there.
struct Sources {
    /// A network a task, `[task][seed]`.
    singles: Nets,
    /// Networks for all tasks, `[seed]`, by the stage that left them.
    joint: BTreeMap<String, Nets>,
}

/// What is carried from step to step on the targets. Networks for all tasks stand under the stage that left them.
#[derive(Default)]
struct Course {
    table: Table,
    /// What a new domain begins with: a network a task, `[task][seed]`, and networks for all tasks, `[seed]`.
    singles: Nets,
    starts: BTreeMap<String, Nets>,
    /// Control (b) on the targets, `[task][seed][domain]`.
    pretrained: Nets,
    /// Networks for all tasks on the targets, `[seed][domain]`.
    adapted: BTreeMap<String, Adapted>,
    /// Whether meta-learning has been spoken of.
    told: bool,
}

impl Study<'_> {
    /// The whole study. `rows`: the pipelines of the table, the last of them the whole method.
    pub fn run(&mut self, rows: &[Pipeline]) -> Result<Found> {
        self.say_tasks();
        self.say_model();
        let sources = self.learn_sources(rows)?;
        let mut course = self.take_knowledge(&sources)?;
        self.adapt_controls(&mut course)?;
        let (mut whole, mut scored) = (vec![], vec![]);
        for p in rows {
            self.learn_to_learn(&mut course, p)?;
            self.adapt_row(&mut course, p)?;
            let nets = &course.adapted[&p.adapted()];
            whole = if p.averaged { nets.average.clone() } else { nets.last.clone() };
            let net = self.shape(p).for_new_domain();
            scored = self.judge_joint(&mut course.table, Row::Joint(*p), &net, &whole)?;
        }
        if self.set.adjust {
            self.adjust(&mut course.table)?;
        }
        self.session.finish()?;
        let last = rows.last().expect("a table has rows");
        let net = self.shape(last).for_new_domain();
        let general = course.starts[&last.start()][0].clone();
        Ok(Found { table: course.table, whole, net, general, scored })
    }

    /// Step 1.
    fn say_tasks(&self) {
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
    }

    /// Step 2.
    fn say_model(&self) {
        let numbers: usize = self.target.spec().iter().map(|s| s.shape.len()).sum();
        self.say_step(
            2,
            &format!("base model: one trunk, {} heads, {numbers} numbers", self.net.heads.len()),
        );
    }

    /// Step 3: a network a task, and every network for all tasks that a row wants.
    fn learn_sources(&mut self, rows: &[Pipeline]) -> Result<Sources> {
        self.say_step(
            3,
            "source domains: a network a task (controls), then networks for all tasks",
        );
        let (k, s) = (self.tasks.len(), self.seeds());
        let singles = self.learn_singles()?;
        let weights = self.set.weights.clone();
        let (mut joint, mut branches) = (BTreeMap::new(), BTreeMap::new());
        let sums = self.learn_watched("source-sums", &[vec![1.0; k], weights.clone()])?;
        let branch = self.session.branch("source-sums").expect("source training branches");
        for (places, name) in [(0..s, "source-joint"), (s..2 * s, "source-tuned")] {
            joint.insert(name.into(), sums[places.clone()].to_vec());
            branches.insert(name.into(), branch[places].to_vec());
        }
        joint.insert("source-averaged".into(), self.average_singles(&singles));
        for p in rows {
            if let Entry::Vacant(place) = joint.entry(p.source()) {
                let net = self.shape(p);
                place.insert(self.learn_aggregated(&p.source(), &net, &weights)?);
                let branch = self.session.branch(&p.source()).expect("source training branches");
                branches.insert(p.source(), branch);
            }
        }
        for p in rows.iter().filter(|p| p.student) {
            if let Entry::Vacant(place) = joint.entry(p.learnt()) {
                let (net, from) = (self.shape(p), &branches[&p.source()]);
                place.insert(self.learn_student(&p.learnt(), &net, from, &weights, &singles)?);
            }
        }
        Ok(Sources { singles, joint })
    }

    /// Step 4: what the sources' networks are worth on a target before one of its labels is seen.
    fn take_knowledge(&mut self, sources: &Sources) -> Result<Course> {
        self.say_step(
            4,
            "knowledge of the sources: parameters, and answers on unlabelled target pictures",
        );
        let fresh = |nets: &Nets| nets.iter().map(Weights::for_new_domain).collect::<Nets>();
        let mut course = Course { singles: fresh(&sources.singles), ..Course::default() };
        course.starts = sources.joint.iter().map(|(stage, n)| (stage.clone(), fresh(n))).collect();
        let count = self.domains.len();
        let spread = |nets: &Nets| -> Nets {
            nets.iter().flat_map(|n| std::iter::repeat_n(n.clone(), count)).collect()
        };
        self.judge_majority(&mut course.table);
        let untouched = spread(&course.singles);
        self.judge_single(&mut course.table, Row::UnlabelledSingle, None, &untouched)?;
        let untouched = spread(&course.starts["source-tuned"]);
        let target = self.target.clone();
        self.judge_joint(&mut course.table, Row::UnlabelledJoint, &target, &untouched)?;
        Ok(course)
    }

    /// Step 5, the controls: a network a task from the target's labels alone, pretrained, and taught by such a pair.
    fn adapt_controls(&mut self, course: &mut Course) -> Result<()> {
        self.say_step(5, "target domains: every control and method on the same few labels");
        let (k, s) = (self.tasks.len(), self.seeds());
        let (target, pace) = (self.target.clone(), self.pace());
        let scratch: Nets = (0..k * s).map(|i| self.start(&target, i % s)).collect();
        let entries = self.single_entries(&scratch, &[], false);
        let name = self.stage("target-single");
        let nets = self.adapt(&name, &target, &entries, self.set.scratch)?.average;
        self.judge_single(&mut course.table, Row::Single, None, &nets)?;

        let entries = self.single_entries(&course.singles, &[], true);
        let name = self.stage("target-pretrained");
        course.pretrained = self.adapt(&name, &target, &entries, pace)?.average;
        let pair = Some(Row::PretrainedPair);
        self.judge_single(&mut course.table, Row::Pretrained, pair, &course.pretrained)?;

        let taught = self.teach_singles(&course.pretrained)?;
        let entries = self.single_entries(&course.singles, &taught, true);
        let name = self.stage("target-pretrained-taught");
        let nets = self.adapt(&name, &target, &entries, pace)?.average;
        self.judge_single(&mut course.table, Row::PretrainedTaught, None, &nets)
    }

    /// Step 6, for a row that wants it: meta-learning on the sources, where no row before it had the same.
    fn learn_to_learn(&mut self, course: &mut Course, p: &Pipeline) -> Result<()> {
        if !p.meta {
            return Ok(());
        }
        if !std::mem::replace(&mut course.told, true) {
            self.say_step(
                6,
                "meta-optimisation over the source domains, then the targets once more",
            );
        }
        if !course.starts.contains_key(&p.meta()) {
            let net = self.shape(p).for_new_domain();
            let weights = self.set.weights.clone();
            let nets = self.learn_meta(&p.meta(), &net, &course.starts[&p.learnt()], &weights)?;
            course.starts.insert(p.meta(), nets);
        }
        Ok(())
    }

    /// Step 5, and again after step 6: a row's networks on the targets, where no row before it had the same.
    fn adapt_row(&mut self, course: &mut Course, p: &Pipeline) -> Result<()> {
        if course.adapted.contains_key(&p.adapted()) {
            return Ok(());
        }
        let (net, pace) = (self.shape(p).for_new_domain(), self.pace());
        let mut taught = vec![];
        if p.distilled {
            // Taught by the same networks without a teacher, together with control (b).
            let untaught = Pipeline { distilled: false, ..*p };
            self.adapt_row(course, &untaught)?;
            let nets = &course.adapted[&untaught.adapted()].average;
            taught = self.teach_joint(&net, nets, &course.pretrained)?;
        }
        let entries = self.joint_entries(p, &course.starts[&p.start()], &taught);
        let nets = self.adapt(&self.stage(&p.adapted()), &net, &entries, pace)?;
        course.adapted.insert(p.adapted(), nets);
        Ok(())
    }

    /// A sentence for one of the seven steps.
    pub fn say_step(&self, number: usize, text: &str) {
        self.session.say(&format!("{number}/7 {text}"));
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

    /// Steps and step size of an adaptation from pretrained weights.
    fn pace(&self) -> (u64, f64) {
        (self.set.adapt.steps, self.set.adapt.lr)
    }
}
