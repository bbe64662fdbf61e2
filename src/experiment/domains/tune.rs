//! Which settings? Every candidate judged on held-out source domains, the same grid for control and method.
//!
//! `--set study=tune`; `--set study=difficulty` for the controls alone. Target domains are not looked at, so nothing here can
//! flatter what is reported of them. The committed recipe has the settings that these tables showed best; difficulty was set
//! by the rows of the controls alone.

use super::methods::{Row, STUDENT, TUNED};
use super::session::Nets;
use super::study::Study;
use super::table::Table;
use crate::error::Result;
use crate::nn::Weights;
use crate::run::Figure;

/// Steps and step sizes of adaptation from pretrained weights, and from random ones.
const ADAPT: [(u64, f64); 4] = [(25, 3e-4), (100, 3e-4), (50, 1e-3), (100, 1e-3)];
const SCRATCH: [(u64, f64); 3] = [(200, 3e-3), (400, 3e-3), (200, 1e-2)];
/// Constant weights of the tasks' losses: equal, and each task up and down.
const WEIGHTS: [[f64; 3]; 6] = [
    [1.0, 1.0, 1.0],
    [0.5, 1.0, 1.0],
    [1.0, 2.0, 1.0],
    [0.5, 2.0, 2.0],
    [1.0, 4.0, 1.0],
    [1.0, 4.0, 2.0],
];

impl Study<'_> {
    /// Controls on held-out domains and, where the `method` is asked for, weights for it; a figure for each candidate
    /// and task.
    pub fn tune(&mut self, method: bool) -> Result<Vec<Figure>> {
        let mut all = vec![];
        self.say_step(3, "controls: a network a task on the sources");
        let singles = self.learn_singles()?;
        let (s, k, count) = (self.seeds(), self.tasks.len(), self.domains.len());
        let fresh = |nets: &[Weights]| nets.iter().map(Weights::for_new_domain).collect::<Nets>();
        let teachers = singles.clone();
        let singles = fresh(&singles);
        let target = self.target.clone();

        let mut table = Table::default();
        self.judge_majority(&mut table);
        let untouched =
            singles.iter().flat_map(|n| std::iter::repeat_n(n.clone(), count)).collect();
        self.judge_single(&mut table, Row::UnlabelledSingle, None, &untouched)?;
        self.report(&mut all, &table, "");
        for (steps, lr) in SCRATCH {
            let scratch: Nets = (0..k * s).map(|i| self.start(&target, i % s)).collect();
            let entries = self.single_entries(&scratch, &[], false);
            let name = format!("tune-single-{steps}-{lr}");
            let nets = self.adapt(&name, &target, &entries, (steps, lr))?;
            let mut table = Table::default();
            self.judge_single(&mut table, Row::Single, None, &nets.average)?;
            self.report(&mut all, &table, &format!(", {steps} steps of {lr}"));
        }
        for (steps, lr) in ADAPT {
            let entries = self.single_entries(&singles, &[], true);
            let name = format!("tune-pretrained-{steps}-{lr}");
            let nets = self.adapt(&name, &target, &entries, (steps, lr))?;
            for (nets, what) in [(&nets.average, "average"), (&nets.last, "last")] {
                let mut table = Table::default();
                self.judge_single(&mut table, Row::Pretrained, None, nets)?;
                self.report(&mut all, &table, &format!(", {steps} steps of {lr}, {what}"));
            }
        }
        if !method || k != WEIGHTS[0].len() {
            return Ok(all);
        }

        self.say_step(3, "constant weights: networks for all tasks on the sources, and students");
        let weights: Vec<Vec<f64>> = WEIGHTS.iter().map(|w| w.to_vec()).collect();
        let sums = self.learn_sums("tune-sums", &weights)?;
        let branches = self.session.branch("tune-sums").expect("source training branches");
        for (i, weights) in weights.iter().enumerate() {
            let (net, from) = (self.net.clone(), branches[i * s..][..s].to_vec());
            let name = format!("tune-student-{i}");
            let students = self.learn_student(&name, &net, &from, weights, &teachers)?;
            self.set.weights = weights.clone();
            for (nets, p) in [(&sums[i * s..][..s], TUNED), (&students, STUDENT)] {
                let starts = fresh(nets);
                for (steps, lr) in ADAPT {
                    let entries = self.joint_entries(&p, &starts, &[]);
                    let name = format!("tune-{}-{i}-{steps}-{lr}", p.name);
                    let nets = self.adapt(&name, &target, &entries, (steps, lr))?;
                    let mut table = Table::default();
                    self.judge_joint(&mut table, Row::Joint(p), &target, &nets.average)?;
                    self.report(&mut all, &table, &format!(" {weights:?}, {steps} steps of {lr}"));
                }
            }
        }
        Ok(all)
    }

    /// Says a table's rows, one line each, and keeps them as figures.
    fn report(&self, all: &mut Vec<Figure>, table: &Table, what: &str) {
        for row in &table.order() {
            let mut line = format!("{:66}", format!("{}{what}", row.label()));
            for (t, task) in self.tasks.iter().enumerate() {
                let i = crate::eval::Interval::of(&table.seeds(*row, t));
                line += &format!(" {} {:5.1}", task.name, 100.0 * i.mean);
                let name = format!("{}/{}/{}{what}", self.set.name, task.name, row.word());
                let figure = Figure::new(&name, &task.name, row.word(), "score");
                all.push(figure.with(i.mean, i.ci95, self.seeds() as u64));
            }
            self.session.say(&line);
        }
    }
}
