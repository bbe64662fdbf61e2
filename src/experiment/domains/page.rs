//! The report of a study: what was asked, what came out, and pictures to see it by.

use super::ablation;
use super::budgets;
use super::drawing::{Drawn, answer, how_to_read, legend, truth};
use super::drive::Found;
use super::figures::{self, points};
use super::learn::FALL;
use super::methods::{Pipeline, Row};
use super::settings::Settings;
use super::study::Study;
use super::table::Table as Scores;
use super::watch::{ALONE, Rise, TOGETHER, curve_name, mean_curve, steps_to};
use crate::error::Result;
use crate::eval::{Confusion, Interval};
use crate::recipe::Recipe;
use crate::report::{
    Axis, BarChart, Block, Chart, LineChart, Report, Section, Series, Table, Tile, curves,
};
use crate::run::{Line, Summary};

/// Pictures of predictions, worst first.
const SHOWN: usize = 24;

/// Share of a task's last score alone that counts as reached.
const REACHED: f64 = 0.9;

/// All that a report is made of.
pub struct Findings<'a> {
    pub recipe: &'a Recipe,
    pub summary: &'a Summary,
    pub lines: &'a [Line],
    pub found: &'a Found,
    pub whole: Pipeline,
    pub verdict: &'a [String],
    /// Name and value of what a picture and an adaptation cost.
    pub costs: &'a [(String, String)],
    pub doctor: Option<&'a Section>,
    /// Scores at other numbers of labels.
    pub budgets: &'a [(usize, Scores)],
}

pub fn page(f: &Findings, study: &mut Study) -> Result<Report> {
    let (set, s) = (study.set.clone(), f.summary);
    let whole = Row::Joint(f.whole);
    let deltas = figures::deltas(&f.found.table, study.tasks.len(), whole);
    let mut tiles = vec![];
    for (delta, against) in
        deltas.iter().zip(["the target's labels alone (a)", "pretrained single task (b)"])
    {
        for (task, interval) in study.tasks.iter().zip(&delta.tasks) {
            tiles.push(Tile {
                value: points(interval),
                label: format!("{}, points over {against}", task.name),
            });
        }
    }
    let fact = |name: &str, value: String| (name.to_string(), value);
    let mut sections = vec![world(study), results(&f.found.table, study, whole)];
    let mut all: Vec<(usize, &Scores)> = f.budgets.iter().map(|(n, s)| (*n, s)).collect();
    all.push((set.labels, &f.found.table));
    all.sort_by_key(|(n, _)| *n);
    if all.len() > 1 {
        let rows = [Row::Single, Row::Pretrained, whole];
        let own = &f.found.table;
        sections.push(budgets::by_labels(&all, &study.tasks, &rows, (set.labels, own)));
    }
    sections.extend(budgets::parts(&all, &study.tasks));
    let parts = ablation::parts(&f.found.table, study.tasks.len(), whole);
    if !parts.is_empty() {
        sections.push(ablation::section(&parts, &study.tasks));
    }
    sections.push(learning(f, study));
    sections.push(confusions(f.found, study));
    sections.push(predictions(f, study)?);
    sections.extend(f.doctor.cloned());
    sections.push(costs(f.costs));
    sections.push(Section {
        title: "Recipe".into(),
        blocks: vec![Block::Folded { title: "recipe.toml".into(), text: f.recipe.to_toml() }],
    });
    Ok(Report {
        title: if set.title.is_empty() { set.name.clone() } else { set.title.clone() },
        lead: f.verdict.to_vec(),
        facts: vec![
            fact("device", s.device.clone()),
            fact("seeds", format!("{:?}", s.seeds)),
            fact("labels a task in a target domain", set.labels.to_string()),
            fact("parameters", s.parameters.to_string()),
            fact("time", format!("{:.1} s", s.seconds)),
            fact("memory", format!("{:.1} MiB", s.peak_bytes as f64 / 1024f64.powi(2))),
        ],
        tiles,
        steps: steps(&set, study),
        sections,
    })
}

fn steps(set: &Settings, study: &Study) -> [Option<String>; 7] {
    let names: Vec<&str> = study.tasks.iter().map(|t| &t.name[..]).collect();
    let (sources, targets) = (study.pictures.sources().len(), study.domains.len());
    let meta = set.meta.as_ref().map(|m| {
        format!(
            "{} steps of MAML over {} domains a step, {} inner steps of {}; gradients aggregated by {}",
            m.steps, m.domains, m.maml.inner_steps, m.maml.inner_lr, set.aggregator.word()
        )
    });
    [
        Some(format!("{}; {}", names.join(", "), study.pictures.notes().labels)),
        Some(format!("one trunk, {} heads, a learned embedding of the domain", study.net.heads.len())),
        Some(format!("{sources} source domains, {} steps, beside a network a task for the controls", set.steps)),
        Some("parameters, prototypes, feature statistics and answers at a temperature: knowledge.safetensors".into()),
        Some(format!("{targets} target domains, {} labels a task, fine-tuning and distillation", set.labels)),
        meta,
        Some(format!("{} seeds, three controls, paired intervals, a doctor", set.seeds.len())),
    ]
}

/// Scenes of every domain.
fn world(study: &Study) -> Section {
    let pictures = &*study.pictures;
    let mut blocks = vec![Block::Text(format!(
        "Where knowledge comes from, and where it has to go: {}.",
        pictures.notes().pictures
    ))];
    blocks.extend(legend(pictures, &study.target));
    for (title, domains) in [
        ("Source domains", pictures.sources().take(6).collect::<Vec<_>>()),
        ("Target domains", study.domains.clone()),
    ] {
        let mut shown = vec![];
        for &domain in &domains {
            for at in study.test(domain).into_iter().take(2) {
                shown.push(truth(pictures, &study.target, at));
            }
        }
        blocks.push(Block::Gallery { title: title.into(), pictures: shown });
    }
    Section { title: "The world".into(), blocks }
}

fn results(scores: &Scores, study: &Study, whole: Row) -> Section {
    let tasks = &study.tasks;
    let mut header = vec!["method".to_string()];
    header.extend(tasks.iter().map(|t| t.name.clone()));
    let (mut rows, mut series) = (vec![], vec![]);
    for row in &scores.order() {
        let mut line = vec![row.label()];
        let mut bars = vec![];
        for t in 0..tasks.len() {
            let Interval { mean, ci95, .. } = Interval::of(&scores.seeds(*row, t));
            let half =
                if ci95.is_finite() { format!(" ± {:.1}", 100.0 * ci95) } else { String::new() };
            line.push(format!("{:.1}{half}", 100.0 * mean));
            bars.push(Some((100.0 * mean, if ci95.is_finite() { 100.0 * ci95 } else { 0.0 })));
        }
        rows.push(line);
        let plain = [Row::Single, Row::Pretrained, Row::PretrainedPair, whole];
        if plain.contains(row) || row.word() == "tuned" {
            series.push((row.label(), bars));
        }
    }
    let note = format!(
        "Means over seeds of means over target domains, in percent; ± is the half-width of Student's 95 % interval over the \
         seeds. {}",
        study.pictures.notes().scores
    );
    let mut differences = vec![];
    for delta in figures::deltas(scores, tasks.len(), whole) {
        let mut line = vec![format!("minus {}", delta.control.label())];
        line.extend(delta.tasks.iter().map(points));
        differences.push(line);
    }
    let chart = BarChart {
        title: "The whole method beside its controls".into(),
        note: "Whiskers: 95 % over seeds.".into(),
        y: Axis::linear("score, %"),
        groups: tasks.iter().map(|t| t.name.clone()).collect(),
        series,
    };
    let minus = "The whole method minus a control, in points: paired over the same seeds, domains, labels and test pictures.";
    Section {
        title: "Results".into(),
        blocks: vec![
            Block::Table(Table { header: header.clone(), rows, note }),
            Block::Table(Table { header, rows: differences, note: minus.into() }),
            Block::Charts(vec![Chart::Bars(chart)]),
        ],
    }
}

fn learning(f: &Findings, study: &Study) -> Section {
    let set = &study.set;
    let mut charts = vec![];
    let names: Vec<String> = study.net.heads.iter().map(|h| h.name.clone()).collect();
    for head in &names {
        let mut series = vec![];
        for stage in ["source-single", "source-sums", "source-tuned-aggregated"] {
            series.extend(curves::training(f.lines, &format!("{stage}/{head}")));
        }
        charts.push(Chart::Lines(LineChart {
            title: format!("Training loss on the sources: {head}"),
            note: "Mean over the networks of the stage.".into(),
            x: Axis::linear("steps"),
            y: Axis::log("loss"),
            series,
        }));
    }
    let mut flat = vec![];
    let mut reached = vec![];
    let mut on_sources = vec![];
    for task in &study.tasks {
        let [alone, together] =
            [ALONE, TOGETHER].map(|method| curve_name(&set.name, &task.name, method));
        for (name, word) in [(&alone, "alone"), (&together, "together")] {
            let curve = mean_curve(f.lines, name).into_iter();
            let points: Vec<(f64, f64)> = curve.map(|(x, y)| (x as f64, 100.0 * y)).collect();
            if !points.is_empty() {
                on_sources.push(Series::line(&format!("{}, {word}", task.name), points));
            }
        }
        if let Some(rise) = Rise::of(f.lines, &alone, set.single_steps, 1.0 - FALL) {
            let goal = REACHED * rise.end;
            let steps = |name: &str| match steps_to(f.lines, name, goal) {
                Some(steps) => steps.to_string(),
                None => "not reached".into(),
            };
            reached.push(vec![
                task.name.clone(),
                format!("{:.1}", 100.0 * goal),
                steps(&alone),
                steps(&together),
            ]);
            let word = if rise.flat() { "flat before the step size fell" } else { "still rising" };
            flat.push(format!(
                "{}: {:.1} half way, {:.1} where the step size begins to fall, {:.1} at the end: {word}.",
                task.name, 100.0 * rise.half, 100.0 * rise.falling, 100.0 * rise.end
            ));
        }
    }
    charts.push(Chart::Lines(LineChart {
        title: "Alone and together on source pictures that no batch holds".into(),
        note: "Means over seeds. A control that was stopped while rising would flatter the method; together: equal weights."
            .into(),
        x: Axis::linear("steps"),
        y: Axis::linear("score, %"),
        series: on_sources,
    }));
    let text = format!("Were the controls trained long enough? {}", flat.join(" "));
    let header = ["task", "score, %", "steps alone", "steps together"].map(String::from).to_vec();
    let note = format!(
        "Steps until the mean over seeds first reaches {:.0} % of what the task ends with alone, seen every tenth of a training; \
         together: equal weights.",
        100.0 * REACHED
    );
    let table = Block::Table(Table { header, rows: reached, note });
    Section {
        title: "Learning the sources".into(),
        blocks: vec![Block::Text(text), table, Block::Charts(charts)],
    }
}

/// What was taken for what, over all seeds and domains.
fn confusions(found: &Found, study: &Study) -> Section {
    let mut blocks = vec![];
    for (h, head) in study.target.heads.iter().enumerate() {
        let all: Vec<&Confusion> =
            found.scored.iter().filter_map(|s| s.confusions[h].as_ref()).collect();
        let Some(first) = all.first() else { continue };
        let names = study.pictures.classes(h);
        let n = first.classes();
        let mut header = vec![format!("{}: true class", head.name)];
        header.extend(names.iter().cloned());
        header.push("recall".into());
        let rows = (0..n).map(|truth| {
            let counts: Vec<u64> =
                (0..n).map(|a| all.iter().map(|c| c.at(truth, a)).sum()).collect();
            let total: u64 = counts.iter().sum();
            let mut line = vec![names[truth].clone()];
            line.extend(counts.iter().map(u64::to_string));
            line.push(match total {
                0 => "–".into(),
                _ => format!("{:.1} %", 100.0 * counts[truth] as f64 / total as f64),
            });
            line
        });
        let mean = |of: &dyn Fn(&Confusion) -> f64| {
            all.iter().map(|c| of(c)).sum::<f64>() / all.len() as f64
        };
        let note = format!(
            "Rows: what it was; columns: what the whole method said, all seeds and domains. Mean recall of classes {:.1} %, F1 {:.1} %; always \
             answering the commonest class would be right in {:.1} %.",
            100.0 * mean(&Confusion::macro_recall),
            100.0 * mean(&Confusion::macro_f1),
            100.0 * mean(&Confusion::majority_rate)
        );
        blocks.push(Block::Table(Table { header, rows: rows.collect(), note }));
    }
    Section { title: "What is taken for what".into(), blocks }
}

/// The whole method's answers on the first target domain, worst first.
fn predictions(f: &Findings, study: &mut Study) -> Result<Section> {
    let domain = study.domains[0];
    let at = study.test(domain);
    let net = f.found.net.clone();
    let answers = study.answers(&net, &[&f.found.whole[0]], &at, None)?.swap_remove(0);
    let pictures = study.pictures.clone();
    let mut all: Vec<Drawn> =
        (0..at.len()).map(|i| answer(&*pictures, &net, at[i], i, &answers)).collect();
    all.sort_by(|a, b| b.wrong.total_cmp(&a.wrong));
    let text = format!(
        "The whole method, first seed, on {}: the {} test pictures of {} with most mistakes. {}",
        pictures.domain(domain),
        SHOWN.min(all.len()),
        all.len(),
        how_to_read(&net)
    );
    let mut blocks = vec![Block::Text(text)];
    blocks.extend(legend(&*pictures, &net));
    let shown = all.into_iter().take(SHOWN).map(|drawn| drawn.shown).collect();
    blocks.push(Block::Gallery { title: "Worst first".into(), pictures: shown });
    Ok(Section { title: "Predictions".into(), blocks })
}

fn costs(costs: &[(String, String)]) -> Section {
    let rows = costs.iter().map(|(name, value)| vec![name.clone(), value.clone()]).collect();
    let header = vec!["on this device".to_string(), String::new()];
    let table = Table { header, rows, note: "Measured at the end of this run.".into() };
    Section { title: "What it costs".into(), blocks: vec![Block::Table(table)] }
}
