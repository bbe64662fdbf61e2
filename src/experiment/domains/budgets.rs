//! The report's tables and curves at several numbers of labels: how many are enough, and what the scores are made of.

use super::methods::Row;
use super::pictures::Task;
use super::table::Table as Scores;
use crate::eval::Interval;
use crate::report::{Axis, Block, Chart, LineChart, Section, Series, Table};

/// How each row's scores grow with the labels, and how many are enough: where a study has several budgets.
pub fn by_labels(
    budgets: &[(usize, &Scores)],
    tasks: &[Task],
    rows: &[Row],
    (own, main): (usize, &Scores),
) -> Section {
    let charts = tasks.iter().enumerate().map(|(t, task)| {
        let series = rows.iter().map(|row| {
            let of =
                budgets.iter().map(|(n, scores)| (*n as f64, Interval::of(&scores.seeds(*row, t))));
            let (points, ci): (Vec<(f64, f64)>, Vec<f64>) =
                of.map(|(n, i)| ((n, 100.0 * i.mean), 100.0 * i.ci95)).unzip();
            Series::line(&row.label(), points).with_ci(ci)
        });
        Chart::Lines(LineChart {
            title: format!("{}: score by labels", task.name),
            note: "Mean over domains; bands: 95 % over seeds.".into(),
            x: Axis::log("labels of the task in a target domain"),
            y: Axis::linear("score, %"),
            series: series.collect(),
        })
    });
    // The fewest labels with which a row is as good as (b) is with the main table's.
    let mut header = vec![format!("labels to reach (b)'s score at {own}")];
    header.extend(tasks.iter().map(|t| t.name.clone()));
    let fewest = |row: Row, t: usize| {
        let goal = Interval::of(&main.seeds(Row::Pretrained, t)).mean;
        let enough = |scores: &Scores| Interval::of(&scores.seeds(row, t)).mean >= goal;
        match budgets.iter().find(|(_, scores)| enough(scores)) {
            Some((labels, _)) => labels.to_string(),
            None => format!("over {}", budgets.last().map_or(own, |(labels, _)| *labels)),
        }
    };
    let line = |&row: &Row| {
        std::iter::once(row.label()).chain((0..tasks.len()).map(|t| fewest(row, t))).collect()
    };
    let note = "By the mean over seeds and domains, among the budgets that were tried.";
    let reach = Table { header, rows: rows.iter().map(line).collect(), note: note.into() };
    let mut blocks = vec![Block::Charts(charts.collect()), Block::Table(reach)];
    for (labels, scores) in budgets {
        let mut header = vec![format!("{labels} labels")];
        header.extend(tasks.iter().map(|t| t.name.clone()));
        let line = |row: Row| {
            let cells = (0..tasks.len()).map(|t| percent(&scores.seeds(row, t)));
            std::iter::once(row.label()).chain(cells).collect()
        };
        let rows = scores.order().into_iter().map(line).collect();
        blocks.push(Block::Table(Table { header, rows, note: String::new() }));
    }
    Section { title: "How many labels are enough".into(), blocks }
}

/// What each task's score is made of, at each number of labels. None: every score is a single figure.
pub fn parts(budgets: &[(usize, &Scores)], tasks: &[Task]) -> Option<Section> {
    let mut blocks = vec![];
    for (t, task) in tasks.iter().enumerate() {
        for (labels, scores) in budgets {
            let mut header = vec![format!("{}, {labels} labels", task.name)];
            let (mut rows, mut named) = (vec![], false);
            for row in scores.order() {
                let parts = scores.parts(row, t);
                if !named {
                    header.extend(parts.iter().map(|(name, _)| name.replace('-', " ")));
                    named = true;
                }
                // Without intervals: a dozen columns of them would not fit a window.
                let cells = parts.iter().map(|(_, seeds)| percent(&[Interval::of(seeds).mean]));
                rows.push(std::iter::once(row.label()).chain(cells).collect());
            }
            if header.len() > 1 {
                blocks.push(Block::Table(Table { header, rows, note: String::new() }));
            }
        }
    }
    let text = "Percent, means over the seeds; the intervals stand in summary.json. A class without a figure (–) is nowhere in \
                the test pictures and was never answered. Recall and F1 are at probability one half.";
    (!blocks.is_empty()).then(|| {
        blocks.insert(0, Block::Text(text.into()));
        Section { title: "What the scores are made of".into(), blocks }
    })
}

/// `41.2 ± 3.0`
fn percent(seeds: &[f64]) -> String {
    let Interval { mean, ci95, .. } = Interval::of(seeds);
    match (mean.is_finite(), ci95.is_finite()) {
        (false, _) => "–".into(),
        (_, false) => format!("{:.1}", 100.0 * mean),
        _ => format!("{:.1} ± {:.1}", 100.0 * mean, 100.0 * ci95),
    }
}
