//! What does each part of the whole method add? The whole method minus itself without the part, paired over seeds.

use super::figures::{points, said};
use super::methods::{ABLATIONS, Row};
use super::pictures::Task;
use super::table::Table;
use crate::eval::Interval;
use crate::report::{Block, Section, Table as Shown};

/// A part that was left out once.
#[derive(Clone, Debug)]
pub struct Part {
    pub name: &'static str,
    /// What it adds, one a task.
    pub adds: Vec<Interval>,
}

/// The parts whose ablations the table has.
pub fn parts(table: &Table, tasks: usize, whole: Row) -> Vec<Part> {
    let there = ABLATIONS.iter().filter(|p| table.rows.contains_key(&Row::Joint(**p)));
    let part = |p: &super::methods::Pipeline| {
        let without = Row::Joint(*p);
        let of = |t: usize| Interval::paired(&table.seeds(whole, t), &table.seeds(without, t));
        let name = p.name.strip_prefix("whole-without-").unwrap_or(p.name);
        Part { name, adds: (0..tasks).map(of).collect() }
    };
    there.map(part).collect()
}

impl Part {
    /// A sentence: what it adds, and whether that is more than chance.
    pub fn sentence(&self, tasks: &[Task]) -> String {
        let named = |wanted: fn(&Interval) -> bool| {
            let found = tasks.iter().zip(&self.adds).filter(|(_, i)| wanted(i));
            found.map(|(task, _)| &task.name[..]).collect::<Vec<_>>().join(", ")
        };
        let (helps, harms) = (named(Interval::above_zero), named(Interval::below_zero));
        let verdict = match (helps.is_empty(), harms.is_empty()) {
            (true, true) => "adds nothing that chance would not explain".into(),
            (false, true) => format!("helps {helps}"),
            (true, false) => format!("harms {harms}"),
            (false, false) => format!("helps {helps}, harms {harms}"),
        };
        format!("{}: {verdict} ({}).", self.name, said(tasks, &self.adds))
    }
}

/// The parts as a section of the report.
pub fn section(parts: &[Part], tasks: &[Task]) -> Section {
    let mut header = vec!["what it adds, points".to_string()];
    header.extend(tasks.iter().map(|t| t.name.clone()));
    let row = |part: &Part| {
        std::iter::once(part.name.to_string()).chain(part.adds.iter().map(points)).collect()
    };
    let note = "The whole method minus itself without the part; ± is Student's 95 % interval over the seeds.";
    let table = Shown { header, rows: parts.iter().map(row).collect(), note: note.into() };
    let text: Vec<String> = parts.iter().map(|part| part.sentence(tasks)).collect();
    let blocks = vec![Block::Table(table), Block::Text(text.join(" "))];
    Section { title: "What each part adds".into(), blocks }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_adds_nothing_is_said_to_add_nothing() {
        let task = |name: &str| Task { name: name.into(), heads: vec![] };
        let tasks = [task("road"), task("signal")];
        let (better, same) = ([0.10, 0.11, 0.12], [-0.05, 0.06, 0.01]);
        let of = |values: [&[f64]; 2]| Part {
            name: "embedding",
            adds: values.map(Interval::of).to_vec(),
        };
        let nothing = of([&same, &same]).sentence(&tasks);
        assert!(nothing.starts_with("embedding: adds nothing that chance"), "{nothing}");
        let helps = of([&same, &better]).sentence(&tasks);
        assert!(helps.starts_with("embedding: helps signal (road +0.7 ±"), "{helps}");
    }
}
