//! The report of a run: figures, curves, and adapted tasks as pictures.

use std::sync::Arc;

use super::{Batch, Evaluation, Experiment, Row, Scores, Tasks, figures};
use crate::data::episodes::{EpisodeBatch, Picture as Drawn};
use crate::data::omniglot::Omniglot;
use crate::error::Result;
use crate::nn::Weights;
use crate::random::stream;
use crate::recipe::Recipe;
use crate::report::chart::{LineChart, Mark, Series};
use crate::report::{
    Answer, Axis, Block, Chart, Episode, Picture, Report, Section, Shown, Table, Tile, curves,
};
use crate::run::{Figure, Line, Summary};

/// All that a report is made of.
pub struct Findings<'a> {
    pub e: &'a Experiment,
    pub recipe: &'a Recipe,
    pub summary: &'a Summary,
    pub lines: &'a [Line],
    /// The method's own scores on each row, of the first seed.
    pub scores: &'a [(Row, Scores)],
    /// Its weights.
    pub weights: &'a Weights,
    pub set: Option<&'a Arc<Omniglot>>,
}

/// Episodes shown, worst first.
const EPISODES: usize = 6;

pub fn page(f: &Findings) -> Result<Report> {
    let (e, s) = (f.e, f.summary);
    let mut tiles = vec![];
    for &row in &e.judged.rows {
        let name = figures::name(e, row, None, e.tasks.metric(), e.judged.headline);
        if let Some(figure) = s.results.iter().find(|r| r.name == name) {
            let label = format!(
                "{} after {}, {}",
                e.tasks.metric(),
                count(e.judged.headline),
                row.place(e.judged.held)
            );
            tiles.push(Tile { value: shown(e, figure), label });
        }
    }
    let mut sections = vec![results(f), training(f)];
    sections.push(match e.tasks {
        Tasks::Sine(_) => waves(f)?,
        Tasks::Omniglot { .. } => episodes(f)?,
    });
    sections.push(Section {
        title: "Recipe".into(),
        blocks: vec![Block::Folded { title: "recipe.toml".into(), text: f.recipe.to_toml() }],
    });
    let fact = |name: &str, value: String| (name.to_string(), value);
    Ok(Report {
        title: if e.title.is_empty() { e.name.clone() } else { e.title.clone() },
        lead: vec![lead(f)],
        facts: vec![
            fact("device", s.device.clone()),
            fact("meta-steps", s.steps.to_string()),
            fact("tasks a step", f.recipe.train.tasks_per_step.to_string()),
            fact("seeds", format!("{:?}", s.seeds)),
            fact("parameters", s.parameters.to_string()),
            fact("time", format!("{:.1} s", s.seconds)),
            fact("memory", format!("{:.1} MiB", s.peak_bytes as f64 / 1024f64.powi(2))),
        ],
        tiles,
        steps: steps(f),
        sections,
    })
}

fn lead(f: &Findings) -> String {
    let (e, s) = (f.e, f.summary);
    let order = if e.maml.first_order { "first order" } else { "exact" };
    format!(
        "{} meta-steps of MAML ({order}, {} of {} on each task), judged on {} {} tasks that training never saw.",
        s.steps,
        count(e.maml.inner_steps),
        e.maml.inner_lr,
        e.judged.tasks,
        e.judged.held.word()
    )
}

fn steps(f: &Findings) -> [Option<String>; 7] {
    let e = f.e;
    let tasks = match e.tasks {
        Tasks::Sine(_) => "a task is a sine wave, known by a few of its points".to_string(),
        Tasks::Omniglot { spec, .. } => {
            let drawings = counted(spec.shots, "drawing");
            format!("a task is {} characters, {drawings} of each to adapt on", spec.ways)
        }
    };
    let inner = format!(
        "{} of gradient descent of size {} on each task",
        count(e.maml.inner_steps),
        e.maml.inner_lr
    );
    let after: Vec<String> = e.judged.steps.iter().map(usize::to_string).collect();
    let judged = format!("{} unseen tasks, after {} steps", e.judged.tasks, after.join(", "));
    let start = f.recipe.model.init.word();
    [
        Some(tasks),
        Some(format!("{} numbers, start: {start}", f.summary.parameters)),
        Some(inner),
        Some("what the tasks share is the start itself, kept in model.safetensors".into()),
        Some("a new task descends from that start on its own few examples".into()),
        Some(format!("{} updates of the shared start", e.steps)),
        Some(judged),
    ]
}

/// `1 step`, `5 steps`.
fn count(steps: usize) -> String {
    counted(steps, "step")
}

fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// `97.8 % ± 0.4` or `0.61 ± 0.03`.
fn shown(e: &Experiment, figure: &Figure) -> String {
    let fraction = e.tasks.classes().is_some() || figure.metric == "diverged";
    let number = |v: Option<f64>| match v {
        None => "–".to_string(),
        Some(v) if fraction => format!("{:.1}", 100.0 * v),
        // A diverged task's error may have thirty digits.
        Some(v) if v.abs() >= 1e4 => format!("{v:.1e}"),
        Some(v) => format!("{v:.3}"),
    };
    let unit = if fraction { " %" } else { "" };
    match figure.ci95 {
        None => format!("{}{unit}", number(figure.value)),
        ci95 => format!("{}{unit} ± {}", number(figure.value), number(ci95)),
    }
}

/// One table a row: methods and metrics down, inner steps across; and the same as a chart.
fn results(f: &Findings) -> Section {
    let e = f.e;
    let mut blocks = vec![];
    let alone = f.summary.seeds.len() == 1;
    for &row in &e.judged.rows {
        let place = row.place(e.judged.held);
        let of_row: Vec<&Figure> = f
            .summary
            .results
            .iter()
            .filter(|r| r.task == place && (alone || r.seed.is_none()))
            .collect();
        let mut kinds: Vec<(&str, &str)> = vec![];
        for r in &of_row {
            if !kinds.contains(&(&r.method, &r.metric)) {
                kinds.push((&r.method, &r.metric));
            }
        }
        let (mut rows, mut series) = (vec![], vec![]);
        for (method, metric) in kinds {
            let each: Vec<&&Figure> =
                of_row.iter().filter(|r| r.method == method && r.metric == metric).collect();
            let mut line = vec![format!("{method}, {metric}")];
            line.extend(each.iter().map(|r| shown(e, r)));
            rows.push(line);
            if metric == e.tasks.metric() && !method.contains("-minus-") {
                let x = e.judged.steps.iter().map(|&s| s as f64);
                let y = each.iter().map(|r| r.value.unwrap_or(f64::NAN));
                let ci = each.iter().map(|r| r.ci95.unwrap_or(f64::NAN)).collect();
                let line = Series::line(method, x.zip(y).collect()).with_ci(ci);
                series.push(line.drawn_as(Mark::Whiskers));
            }
        }
        let mut header = vec![place.clone()];
        header.extend(e.judged.steps.iter().map(|&s| count(s)));
        let note = format!(
            "± is the half-width of a 95 % interval over {} test tasks, the same for every row.",
            e.judged.tasks
        );
        blocks.push(Block::Table(Table { header, rows, note: note.clone() }));
        let classes = e.tasks.classes().is_some();
        let y = if classes { Axis::linear("accuracy") } else { Axis::log("mean squared error") };
        let ticks: Vec<f64> = e.judged.steps.iter().map(|&s| s as f64).collect();
        let x = Axis::linear("gradient steps on the test task").with_ticks(&ticks);
        let title = format!("Adaptation, {place}");
        blocks.push(Block::Charts(vec![Chart::Lines(LineChart { title, note, x, y, series })]));
    }
    Section { title: "Results".into(), blocks }
}

fn training(f: &Findings) -> Section {
    let e = f.e;
    let mut losses = curves::training(f.lines, "loss");
    for control in &e.judged.controls {
        losses.extend(curves::training(f.lines, &format!("loss_{}", control.word())));
    }
    let steps = || Axis::linear("meta-steps");
    let mut charts = vec![Chart::Lines(LineChart {
        title: "Training loss".into(),
        note: "Mean over the tasks and steps since the point before.".into(),
        x: steps(),
        y: Axis::log("loss"),
        series: losses,
    })];
    let mut on_test = vec![];
    for &row in &e.judged.rows {
        let methods = e.judged.controls.iter().map(|c| Some(c.word()));
        for method in std::iter::once(None).chain(methods) {
            let name = figures::name(e, row, method, e.tasks.metric(), e.judged.headline);
            let series = curves::evaluation(f.lines, &name);
            on_test.extend(series.into_iter().filter(|s| s.points.len() > 1));
        }
    }
    if !on_test.is_empty() {
        let label = e.tasks.metric();
        charts.push(Chart::Lines(LineChart {
            title: format!("Unseen tasks, after {}", count(e.judged.headline)),
            note: format!("{} tasks a point, the last {}.", e.judged.curve_tasks, e.judged.tasks),
            x: steps(),
            y: if e.tasks.classes().is_some() { Axis::linear(label) } else { Axis::log(label) },
            series: on_test,
        }));
    }
    Section { title: "Training".into(), blocks: vec![Block::Charts(charts)] }
}

/// Three waves before and after adaptation: points, curve, answers.
fn waves(f: &Findings) -> Result<Section> {
    let e = f.e;
    let Tasks::Sine(spec) = e.tasks else { unreachable!("waves of a sinusoid") };
    let row = *e.judged.rows.last().expect("rows");
    let mut steps = vec![0, e.judged.headline];
    steps.extend(e.judged.steps.iter().max().copied().filter(|s| !steps.contains(s)));
    steps.dedup();
    let mut evaluation = Evaluation::new(e, &[row], &steps, f.set, stream::TEST)?;
    let grid: Vec<f32> = (0..e.judged.queries)
        .map(|i| spec.x.0 + (spec.x.1 - spec.x.0) * (i as f64 + 0.5) / e.judged.queries as f64)
        .map(|x| x as f32)
        .collect();
    let answers = evaluation.answers(f.weights, 0, |batch| {
        let Batch::Sine(batch) = batch else { unreachable!("waves of a sinusoid") };
        batch.query_x.chunks_exact_mut(grid.len()).for_each(|xs| xs.copy_from_slice(&grid));
    })?;
    let Batch::Sine(batch) = &answers.batch else { unreachable!("waves of a sinusoid") };
    let points = batch.spec.support;
    let chart = |task: usize| {
        let (a, phase) = (batch.amplitude[task], batch.phase[task]);
        let truth = grid.iter().map(|&x| (x as f64, a * (x as f64 - phase).sin())).collect();
        let mut series = vec![Series::line("the wave", truth).drawn_as(Mark::Dashed)];
        for (steps, values) in answers.steps.iter().zip(&answers.values) {
            let y = &values[task * grid.len()..][..grid.len()];
            let line = grid.iter().zip(y).map(|(&x, &y)| (x as f64, y as f64)).collect();
            series.push(Series::line(&format!("after {}", count(*steps)), line));
        }
        let at = task * points..(task + 1) * points;
        let known = batch.support_x[at.clone()].iter().zip(&batch.support_y[at]);
        let known = known.map(|(&x, &y)| (x as f64, y as f64)).collect();
        series.push(Series::line("points to adapt on", known).drawn_as(Mark::Dots));
        let title = format!("Task {task}: amplitude {a:.2}, phase {phase:.2}");
        let (x, y, note) = (Axis::linear("x"), Axis::linear("y"), String::new());
        Chart::Lines(LineChart { title, note, x, y, series })
    };
    let blocks = vec![Block::Charts((0..3).map(chart).collect())];
    Ok(Section {
        title: format!("Before and after adaptation, {}", row.place(e.judged.held)),
        blocks,
    })
}

/// Adapted episodes as pictures, worst first.
fn episodes(f: &Findings) -> Result<Section> {
    let e = f.e;
    let (row, scores) = &f.scores[0];
    let headline = e.judged.headline;
    let values = scores.after(headline);
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]).then(a.cmp(&b)));
    let mut steps = vec![0, headline];
    steps.dedup();
    let mut evaluation = Evaluation::new(e, &[*row], &steps, f.set, stream::TEST)?;
    let mut all = vec![];
    for &task in order.iter().take(EPISODES) {
        let answers = evaluation.answers(f.weights, task, |_| {})?;
        let Batch::Omniglot(batch) = &answers.batch else { unreachable!("episodes of characters") };
        let (before, after) = (&answers.values[0], &answers.values[steps.len() - 1]);
        all.push(episode(task, batch, before, after));
    }
    let text = format!(
        "The {EPISODES} test tasks with the fewest right answers after {}, of {}. \
         Letters stand for the classes of a task.",
        count(headline),
        values.len()
    );
    Ok(Section {
        title: format!("Adapted episodes, {}", row.place(e.judged.held)),
        blocks: vec![Block::Text(text), Block::Episodes(all)],
    })
}

/// The first task of a batch.
fn episode(task: usize, batch: &EpisodeBatch, before: &[f32], after: &[f32]) -> Episode {
    let ways = batch.spec.ways;
    let (support, query) = (ways * batch.spec.shots, ways * batch.spec.queries);
    // A, B, ... Z, then numbers: four hundred classes are possible.
    let letter = |class: usize| match class {
        0..26 => char::from(b'A' + class as u8).to_string(),
        _ => (class + 1).to_string(),
    };
    let picture = |x: &[f32], i: usize| {
        // Ink is dark, as on paper.
        let paper: Vec<f32> = x[i * 784..][..784].iter().map(|v| 1.0 - v).collect();
        Picture::from_unit(28, 28, 1, &paper)
    };
    let answer = |logits: &[f32], i: usize, truth: usize| {
        let row = &logits[i * ways..][..ways];
        let top = (0..ways).fold(0, |top, k| if row[k] > row[top] { k } else { top });
        let sum: f64 = row.iter().map(|&v| ((v - row[top]) as f64).exp()).sum();
        Answer { label: letter(top), confidence: 1.0 / sum, right: top == truth }
    };
    let class = |drawn: &Drawn| drawn.label as usize;
    let shown_support = (0..support).map(|i| Shown {
        picture: picture(&batch.support_x, i),
        truth: letter(class(&batch.support[i])),
        before: None,
        after: None,
    });
    let shown_query: Vec<Shown> = (0..query)
        .map(|i| {
            let truth = class(&batch.query[i]);
            Shown {
                picture: picture(&batch.query_x, i),
                truth: letter(truth),
                before: Some(answer(before, i, truth)),
                after: Some(answer(after, i, truth)),
            }
        })
        .collect();
    let right = |of: fn(&Shown) -> &Option<Answer>| {
        shown_query.iter().filter(|s| of(s).as_ref().is_some_and(|a| a.right)).count()
    };
    let note = format!("{} of {query} right, before {}", right(|s| &s.after), right(|s| &s.before));
    Episode {
        title: format!("Task {task}"),
        note,
        support: shown_support.collect(),
        query: shown_query,
    }
}
