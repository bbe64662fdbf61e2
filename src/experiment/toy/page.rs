//! The toy's report: end points as a table, every trajectory over the plane, and all ends before the front.

use super::{Descents, Problem, SETTINGS, Setting, front, on_front, place};
use crate::recipe::Recipe;
use crate::report::chart::{LineChart, Mark, Series};
use crate::report::{Axis, Block, Chart, Report, Section, Table, Tile};
use crate::run::{Line, Summary};

pub fn page(recipe: &Recipe, summary: &Summary, all: &[Descents]) -> Report {
    let mut sections: Vec<Section> =
        SETTINGS.iter().map(|setting| of_setting(*setting, summary, all)).collect();
    sections.push(Section {
        title: "Recipe".into(),
        blocks: vec![Block::Folded { title: "recipe.toml".into(), text: recipe.to_toml() }],
    });
    let fact = |name: &str, value: String| (name.to_string(), value);
    Report {
        title: if recipe.title.is_empty() { recipe.name.clone() } else { recipe.title.clone() },
        lead: vec![
            "Two losses of two numbers. From the upper half both fall into narrow logarithmic valleys, where a \
             sum of gradients that differ in size oscillates; below lies a Pareto front of compromises."
                .into(),
            "A method is judged by two questions: does it reach the front, and where on the front does it stop?"
                .into(),
        ],
        facts: vec![
            fact("device", summary.device.clone()),
            fact("steps at scale 1", summary.steps.to_string()),
            fact("Adam", recipe.train.optimizer.lr.to_string()),
            fact("time", format!("{:.1} s", summary.seconds)),
        ],
        tiles: tiles(all),
        steps: [
            Some("two losses, as published".into()),
            None,
            None,
            None,
            None,
            Some("each method weighs the two gradients (or losses) in every step".into()),
            Some("where every start ends, beside the front".into()),
        ],
        sections,
    }
}

/// Who reaches the front from everywhere.
fn tiles(all: &[Descents]) -> Vec<Tile> {
    let of = |setting: &Setting| {
        let here: Vec<&Descents> = all.iter().filter(|d| d.setting == *setting).collect();
        let reached = here.iter().filter(|d| d.paths.iter().all(|path| on_front(path.end())));
        Tile {
            value: format!("{} of {}", reached.count(), here.len()),
            label: format!(
                "methods reach the front from all {} starts at scale {}",
                setting.starts.len(),
                setting.scale
            ),
        }
    };
    SETTINGS.iter().map(of).collect()
}

fn of_setting(setting: Setting, summary: &Summary, all: &[Descents]) -> Section {
    let here: Vec<&Descents> = all.iter().filter(|d| d.setting == setting).collect();
    let mut header = vec!["method".to_string()];
    header.extend(setting.starts.iter().map(|&start| format!("from ({})", place(start))));
    let cell = |end: [f64; 2]| {
        let [l1, l2] = losses(end);
        let stuck = if on_front(end) { "" } else { "stuck " };
        format!("{stuck}({l1:.2}, {l2:.2})")
    };
    let row = |d: &&Descents| {
        let ends = d.paths.iter().map(|path| cell(path.end()));
        [d.method.word().to_string()].into_iter().chain(ends).collect()
    };
    let note = format!(
        "(L1, L2) after {} steps, both at scale 1. Stuck: away from the front. Near the valleys a trajectory is \
         chaotic: compare the shape, not the digits.",
        setting.steps(summary.steps)
    );
    let table = Table { header, rows: here.iter().map(row).collect(), note };

    let mut blocks = vec![Block::Table(table), Block::Charts(vec![Chart::Lines(ends(&here))])];
    blocks.push(Block::Charts(here.iter().map(|d| Chart::Lines(trajectories(d))).collect()));
    for line in &summary.events {
        if let Line::Event { text, .. } = line
            && text.contains(&format!(", {} from", setting.word))
        {
            blocks.push(Block::Text(text.clone()));
        }
    }
    Section { title: format!("Scale {} of the first loss", setting.scale), blocks }
}

/// Where each method ends, loss against loss.
fn ends(here: &[&Descents]) -> LineChart {
    let curve = front_places().map(losses).map(|[a, b]| (a, b));
    let mut series = vec![Series::line("front", curve.collect()).drawn_as(Mark::Dashed)];
    for d in here {
        let points = d.paths.iter().map(|path| losses(path.end())).map(|[a, b]| (a, b));
        series.push(Series::line(d.method.word(), points.collect()).drawn_as(Mark::Dots));
    }
    LineChart {
        title: "Ends, loss against loss".into(),
        note: "The dashed curve is the Pareto front; what lies above it is stuck.".into(),
        x: Axis::linear("L1"),
        y: Axis::linear("L2"),
        series,
    }
}

/// One method's trajectories over the plane.
fn trajectories(d: &Descents) -> LineChart {
    let points = front_places().map(|[x1, x2]| (x1, x2)).collect();
    let mut series = vec![Series::line("front", points).drawn_as(Mark::Dashed)];
    for (path, &start) in d.paths.iter().zip(d.setting.starts) {
        let points = path.places.iter().map(|&[x1, x2]| (x1, x2)).collect();
        series.push(Series::line(&format!("({})", place(start)), points));
    }
    let ends = d.paths.iter().map(|path| path.end()).map(|[x1, x2]| (x1, x2)).collect();
    series.push(Series::line("end", ends).drawn_as(Mark::Dots));
    LineChart {
        title: d.method.word().into(),
        note: String::new(),
        x: Axis::linear("x1").with_ticks(&[-10.0, -5.0, 0.0, 5.0, 10.0]),
        y: Axis::linear("x2").with_ticks(&[-10.0, -5.0, 0.0, 5.0, 10.0]),
        series,
    }
}

fn front_places() -> impl Iterator<Item = [f64; 2]> {
    (-70..=70).map(|i| front(i as f64 / 10.0))
}

/// At scale 1.
fn losses(x: [f64; 2]) -> [f64; 2] {
    Problem { scale: 1.0 }.at(x).0
}
