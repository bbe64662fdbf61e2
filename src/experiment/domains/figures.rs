//! From scores to figures, differences with intervals, and a verdict in words.
//!
//! A figure is the mean over seeds of means over domains; its interval is Student's over the seeds, so it speaks of
//! other seeds of the same world. A difference is paired: the same seeds, domains, labels and test pictures.

use super::ablation;
use super::methods::{JOINT, Pipeline, Row, TUNED};
use super::pictures::Task;
use super::table::Table;
use crate::eval::{Interval, Measured, delta_m, delta_p};
use crate::run::Figure;

/// The whole method against a control.
#[derive(Clone, Debug)]
pub struct Delta {
    pub name: &'static str,
    pub control: Row,
    /// One a task.
    pub tasks: Vec<Interval>,
}

/// The controls that the whole method is held against, with the names of their differences.
const CONTROLS: [(&str, Row); 5] = [
    ("delta", Row::Single),
    ("delta-pretrained", Row::Pretrained),
    ("delta-tuned", Row::Joint(TUNED)),
    ("delta-pair", Row::PretrainedPair),
    ("delta-taught", Row::PretrainedTaught),
];

/// `whole` minus each control that the table has.
pub fn deltas(table: &Table, tasks: usize, whole: Row) -> Vec<Delta> {
    let there = CONTROLS.iter().filter(|(_, row)| table.rows.contains_key(row));
    let delta = |&(name, control): &(&'static str, Row)| {
        let of = |t: usize| Interval::paired(&table.seeds(whole, t), &table.seeds(control, t));
        Delta { name, control, tasks: (0..tasks).map(of).collect() }
    };
    there.map(delta).collect()
}

/// The tasks on which `whole` is not above (b) with its whole interval.
pub fn not_ahead(table: &Table, tasks: usize, whole: Row) -> Vec<usize> {
    let all = deltas(table, tasks, whole);
    let b = all.iter().find(|delta| delta.control == Row::Pretrained);
    (0..tasks).filter(|&t| b.is_some_and(|b| !b.tasks[t].above_zero())).collect()
}

/// What following the doctor's advice changed, where it was followed: one a task.
fn adjusted(table: &Table, tasks: usize) -> Option<Vec<Interval>> {
    let there = [Row::Adjusted, Row::Joint(JOINT)].iter().all(|r| table.rows.contains_key(r));
    let of =
        |t| Interval::paired(&table.seeds(Row::Adjusted, t), &table.seeds(Row::Joint(JOINT), t));
    there.then(|| (0..tasks).map(of).collect())
}

/// Every row's score on every task, and the differences. `suffix` stands behind the names (a label budget).
pub fn figures(name: &str, tasks: &[Task], table: &Table, whole: Row, suffix: &str) -> Vec<Figure> {
    let mut all = vec![];
    for (t, task) in tasks.iter().enumerate() {
        for row in &table.order() {
            let seeds = table.seeds(*row, t);
            let Interval { mean, ci95, .. } = Interval::of(&seeds);
            let path = format!("{name}/{}/{}{suffix}", task.name, row.word());
            let figure = Figure::new(&path, &task.name, row.word(), "score");
            all.push(figure.with(mean, ci95, seeds.len() as u64));
        }
    }
    for delta in deltas(table, tasks.len(), whole) {
        for (task, &Interval { mean, ci95, .. }) in tasks.iter().zip(&delta.tasks) {
            let path = format!("{name}/{}/{}{suffix}", task.name, delta.name);
            let n = table.seeds(whole, 0).len() as u64;
            all.push(Figure::new(&path, &task.name, whole.word(), delta.name).with(mean, ci95, n));
        }
    }
    for part in ablation::parts(table, tasks.len(), whole) {
        for (task, i) in tasks.iter().zip(&part.adds) {
            let metric = format!("adds-{}", part.name);
            let path = format!("{name}/{}/{metric}{suffix}", task.name);
            let n = table.seeds(whole, 0).len() as u64;
            let figure = Figure::new(&path, &task.name, whole.word(), &metric);
            all.push(figure.with(i.mean, i.ci95, n));
        }
    }
    for (task, i) in tasks.iter().zip(adjusted(table, tasks.len()).unwrap_or_default()) {
        let path = format!("{name}/{}/delta-adjusted{suffix}", task.name);
        let n = table.seeds(Row::Adjusted, 0).len() as u64;
        let figure = Figure::new(&path, &task.name, "adjusted", "delta-adjusted");
        all.push(figure.with(i.mean, i.ci95, n));
    }
    let measured: Vec<Measured> = (0..tasks.len())
        .map(|t| {
            let mean = |row| Interval::of(&table.seeds(row, t)).mean;
            Measured { value: mean(whole), base: mean(Row::Pretrained), higher_is_better: true }
        })
        .collect();
    let each: Vec<&[Measured]> = measured.chunks(1).collect();
    for (metric, value) in [("delta-m", delta_m(&measured)), ("delta-p", delta_p(&each))] {
        let path = format!("{name}/all/{metric}{suffix}");
        all.push(Figure::new(&path, "all", whole.word(), metric).with(
            value,
            f64::NAN,
            tasks.len() as u64,
        ));
    }
    all
}

/// What every row's scores are made of: `NAME/TASK/ROW/PART`.
pub fn parts(name: &str, tasks: &[Task], table: &Table, suffix: &str) -> Vec<Figure> {
    let mut all = vec![];
    for (t, task) in tasks.iter().enumerate() {
        for row in &table.order() {
            for (part, seeds) in table.parts(*row, t) {
                let Interval { mean, ci95, .. } = Interval::of(&seeds);
                let path = format!("{name}/{}/{}/{part}{suffix}", task.name, row.word());
                let figure = Figure::new(&path, &task.name, row.word(), &part);
                all.push(figure.with(mean, ci95, seeds.len() as u64));
            }
        }
    }
    all
}

/// What the differences mean, in sentences.
pub fn verdict(table: &Table, tasks: &[Task], whole: Pipeline) -> Vec<String> {
    let all = deltas(table, tasks.len(), Row::Joint(whole));
    let find = |name: &str| all.iter().find(|d| d.name == name);
    let mut text = vec![];
    if let Some(alone) = find("delta") {
        text.push(format!(
            "Against a network a task that sees the target's few labels alone: {}. Nearly all of this is what any \
             pretraining on the source domains gives.",
            said(tasks, &alone.tasks)
        ));
    }
    let better = |d: &Delta| d.tasks.iter().filter(|i| i.above_zero()).count();
    let worse = |d: &Delta| d.tasks.iter().filter(|i| i.below_zero()).count();
    if let Some(b) = find("delta-pretrained") {
        let n = tasks.len();
        let verdict = match (better(b), worse(b)) {
            (k, 0) if k == n => "One network for all tasks beats pretrained single-task networks on every task.".into(),
            (0, 0) => "One network for all tasks and pretrained single-task networks cannot be told apart with so few seeds.".into(),
            (k, 0) => format!("One network for all tasks is ahead of pretrained single-task networks on {k} of {n} tasks, and behind on none that chance would not explain."),
            (0, w) => format!("One network for all tasks is behind pretrained single-task networks on {w} of {n} tasks."),
            (k, w) => format!("One network for all tasks is ahead of pretrained single-task networks on {k} of {n} tasks and behind on {w}."),
        };
        text.push(format!("Verdict: {verdict} Against (b): {}.", said(tasks, &b.tasks)));
    }
    if let Some(c) = find("delta-tuned") {
        text.push(format!(
            "Against joint training with tuned constant weights (c): {}.",
            said(tasks, &c.tasks)
        ));
    }
    if let Some(pair) = find("delta-pair") {
        text.push(format!(
            "The method learns from two networks a task; two (b) networks averaged are the control for that: {}.",
            said(tasks, &pair.tasks)
        ));
    }
    let parts = ablation::parts(table, tasks.len(), Row::Joint(whole));
    if !parts.is_empty() {
        let all: Vec<String> = parts.iter().map(|part| part.sentence(tasks)).collect();
        text.push(format!("What each part adds to the whole method: {}", all.join(" ")));
    }
    if let Some(adjusted) = adjusted(table, tasks.len()) {
        text.push(format!(
            "Following the doctor changed joint training with equal weights by: {}.",
            said(tasks, &adjusted)
        ));
    }
    text
}

/// `road +3.1 ± 2.0, ...` in points.
pub fn said(tasks: &[Task], intervals: &[Interval]) -> String {
    let one = |(task, i): (&Task, &Interval)| format!("{} {}", task.name, points(i));
    tasks.iter().zip(intervals).map(one).collect::<Vec<_>>().join(", ")
}

/// `+3.1 ± 2.0`: points, with the interval where there is one.
pub fn points(i: &Interval) -> String {
    let mean = format!("{:+.1}", 100.0 * i.mean);
    match i.ci95.is_finite() {
        true => format!("{mean} ± {:.1}", 100.0 * i.ci95),
        false => mean,
    }
}

/// The table for people who read a terminal.
pub fn table(table: &Table, tasks: &[Task], whole: Row) -> Vec<String> {
    let line = |label: &str, cells: Vec<String>| {
        let cells: Vec<String> = cells.iter().map(|c| format!("{c:>15}")).collect();
        format!("{label:46}{}", cells.concat())
    };
    let mut lines = vec![line("", tasks.iter().map(|t| t.name.clone()).collect())];
    for row in &table.order() {
        let cell = |t: usize| {
            let i = Interval::of(&table.seeds(*row, t));
            let mean = format!("{:.1}", 100.0 * i.mean);
            if i.ci95.is_finite() { format!("{mean} ± {:.1}", 100.0 * i.ci95) } else { mean }
        };
        lines.push(line(&row.label(), (0..tasks.len()).map(cell).collect()));
    }
    for delta in deltas(table, tasks.len(), whole) {
        let label = format!("whole minus {}", delta.control.label());
        lines.push(line(&label, delta.tasks.iter().map(points).collect()));
    }
    lines
}
