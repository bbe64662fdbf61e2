//! From the lines of `metrics.jsonl` to the series of a chart.

use super::chart::Series;
use crate::run::Line;

/// A value of the training lines (`loss`, `accuracy`, ...) over the steps, one series a seed.
pub fn training(lines: &[Line], value: &str) -> Vec<Series> {
    let points = lines.iter().filter_map(|line| match line {
        Line::Train { seed, step, values } => {
            Some((*seed, *step, (*values.get(value)?).unwrap_or(f64::NAN), f64::NAN))
        }
        _ => None,
    });
    by_seed(points, value)
}

/// A figure on test tasks over the steps, with its interval, one series a seed.
pub fn evaluation(lines: &[Line], name: &str) -> Vec<Series> {
    let points = lines.iter().filter_map(|line| match line {
        Line::Evaluate { seed, step, name: found, value, ci95, .. } if found == name => {
            Some((*seed, *step, value.unwrap_or(f64::NAN), ci95.unwrap_or(f64::NAN)))
        }
        _ => None,
    });
    by_seed(points, name)
}

/// Seed, step, value, half-width of the interval.
fn by_seed(points: impl Iterator<Item = (u64, u64, f64, f64)>, name: &str) -> Vec<Series> {
    let mut all: Vec<(u64, Series)> = Vec::new();
    for (seed, step, value, ci) in points {
        let at = match all.iter().position(|(known, _)| *known == seed) {
            Some(at) => at,
            None => {
                all.push((seed, Series::line(&format!("{name}, seed {seed}"), vec![])));
                all.len() - 1
            }
        };
        all[at].1.points.push((step as f64, value));
        all[at].1.ci.push(ci);
    }
    let alone = all.len() == 1;
    let finish = |(_, mut series): (u64, Series)| {
        if alone {
            series.name = name.to_string();
        }
        if series.ci.iter().all(|ci| !ci.is_finite()) {
            series.ci.clear();
        }
        series
    };
    all.into_iter().map(finish).collect()
}
