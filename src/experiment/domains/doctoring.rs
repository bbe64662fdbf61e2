//! The transfer doctor on a study: which task's steps help or hurt which, looked at along joint training.
//!
//! A reading is a batch with every task's labelled pictures beside one of source pictures that training does not see
//! ([`crate::doctor`]); it stands in the metrics, so that a resumed run has those of its first part too.

use std::sync::Arc;

use super::feed::{Feed, Group};
use super::learner::{Batch, Layout};
use super::pictures::{Pictures, Task};
use super::watch::{ALONE, TOGETHER, curve_name, looks};
use crate::doctor::{Measurements, Reading, look_ahead};
use crate::error::Result;
use crate::exec::{Options, Program, compile};
use crate::nn::{MultiTask, Params, Weights};
use crate::report::{Block, Section, Table};
use crate::run::Line;
use crate::tape::{Tape, Var};

/// Step size of the look-ahead: small against training's, so that a step is what its gradient says.
const LOOK_AHEAD: f64 = 1e-3;
/// Batches a look: their mean counts as one reading.
const BATCHES: u32 = 2;

/// One program that reads any network of the shape.
pub struct Doctor {
    program: Box<dyn Program>,
    batch: Batch,
    /// Of each seed: pictures that are learnt from, and fresh ones.
    feeds: Vec<[Feed; 2]>,
    seeds: Vec<u64>,
    tasks: usize,
    parameters: usize,
    names: Vec<String>,
}

impl Doctor {
    /// `groups`: of each seed, the groups of a batch that is learnt from and of a fresh one; one a task, all of one size.
    pub fn new(
        pictures: &Arc<dyn Pictures>,
        net: &MultiTask,
        groups: Vec<[Vec<Group>; 2]>,
        seeds: &[u64],
        options: &Options,
    ) -> Result<Self> {
        let tasks = pictures.tasks();
        let count = groups[0][0].iter().map(|g| g.count).sum();
        let layout = Layout::new(net, 1, count);
        let tape = Tape::new();
        let outputs = write(&tape, &layout, &tasks);
        let program = compile(&tape, &outputs, &[], options)?;
        let feed = |groups| Feed::new(pictures.clone(), &layout, vec![groups]);
        let feeds = groups.into_iter().map(|sides| sides.map(feed));
        Ok(Self {
            program,
            batch: layout.room(),
            feeds: feeds.collect(),
            seeds: seeds.to_vec(),
            names: tasks.iter().map(|t| t.name.clone()).collect(),
            tasks: tasks.len(),
            parameters: net.spec().len(),
        })
    }

    /// A line a network, `[seed]`: its readings at this step.
    pub fn look(&mut self, step: u64, nets: &[Weights]) -> Result<Vec<Line>> {
        let mut lines = vec![];
        for (seed, weights) in nets.iter().enumerate() {
            for (slot, w) in weights.iter().enumerate() {
                self.program.write(slot, &w.values);
            }
            for number in 0..BATCHES {
                let mut slot = self.parameters;
                for feed in &mut self.feeds[seed] {
                    feed.fill(step as u32 * BATCHES + number, &mut self.batch);
                    let domain = Some(&self.batch.domain).filter(|domain| !domain.is_empty());
                    for part in [&self.batch.x].into_iter().chain(domain).chain(&self.batch.targets)
                    {
                        self.program.write(slot, part);
                        slot += 1;
                    }
                }
                self.program.run()?;
                let reading = Reading::read(&mut *self.program, 0, self.tasks)?;
                lines.push(self.line(self.seeds[seed], step, number, &reading));
            }
        }
        Ok(lines)
    }

    fn line(&self, seed: u64, step: u64, number: u32, reading: &Reading) -> Line {
        let mut values = vec![("doctor/batch".to_string(), f64::from(number))];
        for (i, from) in self.names.iter().enumerate() {
            values.push((format!("doctor/loss/{from}"), reading.before[i]));
            for (j, to) in self.names.iter().enumerate() {
                let at = i * self.tasks + j;
                values.push((format!("doctor/affinity/{from}/{to}"), reading.affinity[at]));
                values.push((format!("doctor/effect/{from}/{to}"), reading.effect[at]));
                values.push((format!("doctor/gram/{from}/{to}"), reading.gram[at]));
            }
        }
        let values: Vec<(&str, f64)> = values.iter().map(|(n, v)| (&n[..], *v)).collect();
        Line::train(seed, step, &values)
    }
}

/// The tape of a reading. Slots: weights; pictures, domains, targets of what is learnt from; the same of what is fresh.
fn write<'t>(tape: &'t Tape, layout: &Layout, tasks: &[Task]) -> Vec<Var<'t>> {
    let Layout { net, pictures, .. } = layout;
    let (k, each) = (tasks.len(), pictures / tasks.len());
    let spec = net.spec();
    let all = Params::inputs(tape, &spec);
    let shared: Vec<usize> =
        (0..spec.len()).filter(|&i| !spec[i].name.starts_with("head/")).collect();
    let names: Vec<&str> = shared.iter().map(|&i| &spec[i].name[..]).collect();
    let theta = Params::new(&names, shared.iter().map(|&i| all.vars()[i]).collect());
    let [h, w, c] = net.image;
    let side = || {
        let x = tape.input([1, *pictures, h, w, c]);
        let domain = net.embedding.map(|e| tape.input([1, *pictures, e.domains]));
        let targets = (0..net.heads.len()).map(|h| tape.input(net.target_shape(h, 1, *pictures)));
        (x, domain, targets.collect::<Vec<Var>>())
    };
    let (learnt, fresh) = (side(), side());
    let losses =
        |theta: &Params<'t>, (x, domain, targets): &(Var<'t>, Option<Var<'t>>, Vec<Var<'t>>)| {
            let mut vars = all.vars().to_vec();
            for (&i, &w) in shared.iter().zip(theta.vars()) {
                vars[i] = w;
            }
            let answers = net.answer(&all.with(vars), *x, *domain);
            let of_task = |(t, task): (usize, &Task)| {
                let of_head = |&h: &usize| {
                    let part = |of: Var<'t>| of.narrow(1, t * each, each);
                    let networks = answers.heads[h].shape().tasks();
                    let target = part(targets[h]).per_task(networks);
                    net.heads[h].losses(part(answers.heads[h]), target).mean(&[1])
                };
                let sum = task.heads.iter().map(of_head).reduce(|a, b| a + b).expect("heads");
                sum * (1.0 / task.heads.len() as f64)
            };
            let columns: Vec<Var> = tasks.iter().enumerate().map(of_task).collect();
            tape.concat(&columns, 1)
        };
    let both = (|w: &Params<'t>| losses(w, &learnt), |w: &Params<'t>| losses(w, &fresh));
    look_ahead(&theta, k, LOOK_AHEAD, both.0, both.1).outputs().to_vec()
}

/// The readings among a run's metrics, a repeat a seed; and where the curves of study `study` say that each task ends
/// together and alone. Both have cooled by then, as have the networks that are adapted; a training alone may be longer
/// ([`super::why`] says how they stand after as many steps).
pub fn measured(study: &str, lines: &[Line], tasks: &[Task], seeds: &[u64]) -> Measurements {
    let names: Vec<&str> = tasks.iter().map(|t| &t.name[..]).collect();
    let mut all = Measurements::new(&names);
    for line in lines {
        let Line::Train { seed, values, .. } = line else { continue };
        let Some(repeat) = seeds.iter().position(|s| s == seed) else { continue };
        let get = |what: String| values.get(&what).copied().flatten();
        let square = |what: &str| -> Option<Vec<f64>> {
            let pair = |i: &&str, j: &&str| get(format!("doctor/{what}/{i}/{j}"));
            names
                .iter()
                .flat_map(|i| names.iter().map(move |j| (i, j)))
                .map(|(i, j)| pair(i, j))
                .collect()
        };
        let before: Option<Vec<f64>> =
            names.iter().map(|n| get(format!("doctor/loss/{n}"))).collect();
        let parts = (before, square("affinity"), square("effect"), square("gram"));
        if let (Some(before), Some(affinity), Some(effect), Some(gram)) = parts {
            all.add(repeat, &Reading { before, affinity, effect, gram });
        }
    }
    for (t, task) in names.iter().enumerate() {
        for &seed in seeds {
            let end = |method: &str| {
                let curve = looks(lines, &curve_name(study, task, method), seed);
                curve.last().map(|&(_, score)| score)
            };
            if let (Some(together), Some(alone)) = (end(TOGETHER), end(ALONE)) {
                all.compare(t, together, alone);
            }
        }
    }
    all
}

/// The doctor's matrices, its advice, and why tasks are not ahead of their controls, for the report.
pub fn section(measured: &Measurements, advice: &str, why: &[String]) -> Section {
    let n = measured.tasks();
    let table = |title: &str, note: &str, cell: &dyn Fn(usize, usize) -> String| {
        let mut header = vec![title.to_string()];
        header.extend(measured.names.iter().cloned());
        let row = |i: usize| {
            let mut line = vec![measured.names[i].clone()];
            line.extend((0..n).map(|j| cell(i, j)));
            line
        };
        Block::Table(Table { header, rows: (0..n).map(row).collect(), note: note.into() })
    };
    let show = |i: crate::doctor::Interval| match (i.mean.is_finite(), i.half.is_finite()) {
        (false, _) => "–".into(),
        (_, true) => format!("{:+.3} ± {:.3}", i.mean, i.half),
        (_, false) => format!("{:+.3}", i.mean),
    };
    Section {
        title: "The doctor: who helps or hurts whom".into(),
        blocks: vec![
            Block::Text([&[advice.lines().collect::<Vec<_>>().join(" ")], why].concat().join(" ")),
            table(
                "gradient cosine",
                "Between two tasks' gradients in the shared trunk, over joint training with equal weights. Below 0: conflict.",
                &|i, j| show(measured.cosine(i, j)),
            ),
            table(
                "a step on (row) for (column)",
                "Worth of a step on one task for another, in steps of the other's own (TAG's look-ahead, Fifty et al. 2021): 1 is as \
                 good as its own, 0 is nothing, below 0 is harm. Intervals over seeds, widened for the number of pairs; –: the other's own \
                 steps do not help it on fresh pictures with some seed.",
                &|i, j| show(measured.worth(i, j)),
            ),
        ],
    }
}
