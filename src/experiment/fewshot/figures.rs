//! From scores to the figures of `summary.json`. Names are `NAME/PLACE/METRIC@STEPS`, a control's
//! `NAME/PLACE/CONTROL/METRIC@STEPS`, a difference on the same tasks `NAME/PLACE/CONTROL-minus-METHOD/...`.

use super::{Experiment, Row, Scores, mean_ci95, median, share};
use crate::run::Figure;

/// A test task with a mean squared error above this has diverged: the largest amplitude is 5, so answering 0
/// everywhere errs by at most 25 and by 4.4 on average.
pub const DIVERGED: f64 = 20.0;

/// The name of a figure: `method` is left out for the experiment's own.
pub fn name(e: &Experiment, row: Row, method: Option<&str>, metric: &str, steps: usize) -> String {
    let method = method.map_or(String::new(), |m| format!("{m}/"));
    format!("{}/{}/{method}{metric}@{steps}", e.name, row.place(e.judged.held))
}

/// All figures of one row and one method (none: the experiment's own).
pub fn of_scores(e: &Experiment, row: Row, control: Option<&str>, scores: &Scores) -> Vec<Figure> {
    let method = control.unwrap_or("maml");
    let place = row.place(e.judged.held);
    let mut all = vec![];
    for (&steps, values) in scores.steps.iter().zip(&scores.values) {
        let (mean, ci95, n) = mean_ci95(values);
        let mut add = |metric: &str, value: f64, ci95: f64, n: u64| {
            let figure = Figure::new(&name(e, row, control, metric, steps), &place, method, metric);
            all.push(figure.with(value, ci95, n));
        };
        add(e.tasks.metric(), mean, ci95, n);
        if e.tasks.classes().is_none() {
            // No interval: the median's would need an assumption, the share's is in its n.
            add("median", median(values), f64::NAN, values.len() as u64);
            let part = share(values, DIVERGED);
            let ci95 = 1.96 * (part * (1.0 - part) / values.len() as f64).sqrt();
            add("diverged", part, ci95, values.len() as u64);
        }
    }
    all
}

/// A control minus the experiment's own method, task by task: its interval is that of the difference.
pub fn of_difference(
    e: &Experiment,
    row: Row,
    control: &str,
    scores: &Scores,
    own: &Scores,
) -> Vec<Figure> {
    let metric = e.tasks.metric();
    let method = format!("{control}-minus-maml");
    let rows = scores.steps.iter().zip(scores.values.iter().zip(&own.values));
    rows.map(|(&steps, (a, b))| {
        let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
        let (mean, ci95, n) = mean_ci95(&differences);
        let name = name(e, row, Some(&method), metric, steps);
        Figure::new(&name, &row.place(e.judged.held), &method, metric).with(mean, ci95, n)
    })
    .collect()
}

/// The figures of several seeds and, where there is more than one, their mean over seeds, whose interval is
/// over seeds.
pub fn pooled(by_seed: &[(u64, Vec<Figure>)]) -> Vec<Figure> {
    let each = |(seed, figures): &(u64, Vec<Figure>)| {
        figures.iter().map(|f| f.clone().of_seed(*seed)).collect::<Vec<_>>()
    };
    let mut all: Vec<Figure> = by_seed.iter().flat_map(each).collect();
    if by_seed.len() > 1 {
        for (i, first) in by_seed[0].1.iter().enumerate() {
            let values: Vec<f64> =
                by_seed.iter().map(|(_, f)| f[i].value.unwrap_or(f64::NAN)).collect();
            let (mean, ci95, n) = mean_ci95(&values);
            all.push(first.clone().with(mean, ci95, n));
        }
    }
    all
}
