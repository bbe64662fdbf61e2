//! The scores of a study by row, task, seed and domain, with what each is made of; and as JSON for a checkpoint.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::methods::Row;
use super::score::Scored;

/// `[seed][domain]`; NaN for a figure that cannot be said.
pub type Values = Vec<Vec<f64>>;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub rows: BTreeMap<Row, Vec<Lines>>,
}

/// One task's scores in a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lines {
    pub score: Values,
    /// What the score is made of, by name, in the order in which scoring names them.
    pub parts: Vec<(String, Values)>,
}

impl Table {
    /// Adds a task's score and its parts; they come seed by seed, domain by domain.
    pub fn add(&mut self, row: Row, task: usize, seed: usize, scored: &Scored) {
        let tasks = self.rows.entry(row).or_default();
        if tasks.len() <= task {
            tasks.resize(task + 1, Lines::default());
        }
        let lines = &mut tasks[task];
        push(&mut lines.score, seed, scored.tasks[task]);
        for (name, value) in &scored.parts[task] {
            let at = lines.parts.iter().position(|(known, _)| known == name);
            let at = at.unwrap_or_else(|| {
                lines.parts.push((name.clone(), vec![]));
                lines.parts.len() - 1
            });
            push(&mut lines.parts[at].1, seed, *value);
        }
    }

    /// The rows that are there, in the order in which the table shows them.
    pub fn order(&self) -> Vec<Row> {
        Row::all().filter(|row| self.rows.contains_key(row)).collect()
    }

    /// Means over domains, one a seed.
    pub fn seeds(&self, row: Row, task: usize) -> Vec<f64> {
        means(&self.rows[&row][task].score)
    }

    /// The same of what a task's score is made of: by name.
    pub fn parts(&self, row: Row, task: usize) -> Vec<(String, Vec<f64>)> {
        let parts = self.rows[&row][task].parts.iter();
        parts.map(|(name, values)| (name.clone(), means(values))).collect()
    }

    /// As JSON, for a checkpoint.
    pub fn to_json(&self) -> serde_json::Value {
        let rows = self.rows.iter().map(|(row, tasks)| {
            let tasks: Vec<Stored> = tasks.iter().map(Stored::of).collect();
            (row.word(), tasks)
        });
        serde_json::to_value(rows.collect::<BTreeMap<_, _>>()).expect("scores are plain data")
    }

    /// What [`Table::to_json`] gave.
    pub fn from_json(value: &serde_json::Value) -> Option<Self> {
        let named: BTreeMap<String, Vec<Stored>> = serde_json::from_value(value.clone()).ok()?;
        let row = |(word, tasks): (String, Vec<Stored>)| {
            Some((Row::named(&word)?, tasks.into_iter().map(Stored::lines).collect()))
        };
        Some(Self { rows: named.into_iter().map(row).collect::<Option<_>>()? })
    }
}

/// JSON has no NaN: null stands for it.
#[derive(Serialize, Deserialize)]
struct Stored {
    score: Vec<Vec<Option<f64>>>,
    parts: Vec<(String, Vec<Vec<Option<f64>>>)>,
}

impl Stored {
    fn of(lines: &Lines) -> Self {
        let known = |values: &Values| {
            let of = |v: &Vec<f64>| v.iter().map(|v| Some(*v).filter(|v| v.is_finite())).collect();
            values.iter().map(of).collect()
        };
        let parts = lines.parts.iter().map(|(name, values)| (name.clone(), known(values)));
        Self { score: known(&lines.score), parts: parts.collect() }
    }

    fn lines(self) -> Lines {
        let values = |stored: Vec<Vec<Option<f64>>>| {
            let of = |v: Vec<Option<f64>>| v.into_iter().map(|v| v.unwrap_or(f64::NAN)).collect();
            stored.into_iter().map(of).collect()
        };
        let parts = self.parts.into_iter().map(|(name, stored)| (name, values(stored)));
        Lines { score: values(self.score), parts: parts.collect() }
    }
}

fn push(values: &mut Values, seed: usize, value: f64) {
    if values.len() <= seed {
        values.resize(seed + 1, vec![]);
    }
    values[seed].push(value);
}

fn means(values: &Values) -> Vec<f64> {
    values.iter().map(|of| of.iter().sum::<f64>() / of.len() as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_comes_back_from_a_checkpoint_with_what_cannot_be_said() {
        let mut table = Table::default();
        for seed in 0..2 {
            let parts = vec![vec![("iou-sky".to_string(), 0.5), ("iou-car".into(), f64::NAN)]];
            let scored = Scored { tasks: vec![0.25], parts, confusions: vec![] };
            table.add(Row::Single, 0, seed, &scored);
        }
        let back = Table::from_json(&table.to_json()).expect("our own JSON");
        assert_eq!(back.seeds(Row::Single, 0), [0.25, 0.25]);
        let parts = back.parts(Row::Single, 0);
        assert_eq!(parts[0], ("iou-sky".to_string(), vec![0.5, 0.5]));
        assert!(parts[1].0 == "iou-car" && parts[1].1.iter().all(|v| v.is_nan()));
        assert_eq!(Table::from_json(&serde_json::json!({"nobody": []})), None);
    }
}
