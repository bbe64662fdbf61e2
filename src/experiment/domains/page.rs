//! The report of a study: what was asked, what came out, and pictures to see it by.

use super::drive::{Found, Table as Scores};
use super::figures::{self, points};
use super::methods::{Pipeline, Row};
use super::pictures::{At, Pictures, Task};
use super::score::{self, boxes, top};
use super::settings::Settings;
use super::study::{FALL, Study};
use super::watch::Rise;
use crate::error::Result;
use crate::eval::{Confusion, Interval};
use crate::nn::{HeadKind, MultiTask};
use crate::recipe::Recipe;
use crate::report::overlay::{Overlay, colour};
use crate::report::{
    Axis, BarChart, Block, Captioned, Chart, LineChart, Report, Section, Series, Table, Tile,
    curves,
};
use crate::run::{Line, Summary};

/// Sides of drawn pictures.
const SIDE: usize = 192;
/// Pictures of predictions, worst first.
const SHOWN: usize = 24;
/// Boxes that a network is this sure of are drawn.
const SURE: f32 = 0.4;

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
    let mut sections = vec![world(study), results(&f.found.table, &study.tasks, whole)];
    if !f.budgets.is_empty() {
        let mut all: Vec<(usize, &Scores)> = f.budgets.iter().map(|(n, s)| (*n, s)).collect();
        all.push((set.labels, &f.found.table));
        all.sort_by_key(|(n, _)| *n);
        sections.push(by_labels(&all, &study.tasks, &[Row::Single, Row::Pretrained, whole]));
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
        Some(format!("{}; a labelled picture carries one task's labels, most carry none", names.join(", "))),
        Some(format!("one trunk, {} heads, a learned embedding of the domain", study.net.heads.len())),
        Some(format!("{sources} source domains, {} steps, beside a network a task for the controls", set.steps)),
        Some("parameters, prototypes, feature statistics and answers at a temperature: knowledge.safetensors".into()),
        Some(format!("{targets} target domains, {} labels a task, fine-tuning and distillation", set.labels)),
        meta,
        Some(format!("{} seeds, three controls, paired intervals, a doctor", set.seeds.len())),
    ]
}

/// A picture with its true objects.
fn truth(pictures: &dyn Pictures, net: &MultiTask, at: At) -> (Overlay, String) {
    let (height, width, pixels) = pictures.shown(at);
    let mut overlay = enlarged(&pixels, [height, width]);
    for object in pictures.boxes(at) {
        overlay.frame(object.bounds, [255; 3], "");
    }
    let truths = score::truths(pictures, net, &[at]);
    let said = (0..net.heads.len()).filter_map(|h| match net.heads[h].kind {
        HeadKind::Classes(_) => Some(pictures.classes(h)[truths[h][0][0] as usize].clone()),
        _ => None,
    });
    (overlay, said.collect::<Vec<_>>().join(", "))
}

/// The picture, each pixel a square.
fn enlarged(pixels: &[u8], size: [usize; 2]) -> Overlay {
    let drawn = Overlay::size(size, SIDE);
    let factor = [drawn[0] as f32 / size[0] as f32, drawn[1] as f32 / size[1] as f32];
    let mut values = Vec::with_capacity(drawn[0] * drawn[1] * 3);
    for y in 0..drawn[0] {
        for x in 0..drawn[1] {
            let row = ((y as f32 / factor[0]) as usize).min(size[0] - 1);
            let column = ((x as f32 / factor[1]) as usize).min(size[1] - 1);
            let at = 3 * (row * size[1] + column);
            values.extend(pixels[at..at + 3].iter().map(|&p| f32::from(p) / 255.0));
        }
    }
    Overlay::new(&values, drawn, size)
}

/// Scenes of every domain.
fn world(study: &Study) -> Section {
    let pictures = &*study.pictures;
    let mut blocks = vec![Block::Text(
        "Where knowledge comes from, and where it has to go: a few test pictures of each domain, with the boxes that \
         an obstacle head should find."
            .into(),
    )];
    for (title, domains) in [
        ("Source domains", pictures.sources().take(6).collect::<Vec<_>>()),
        ("Target domains", study.domains.clone()),
    ] {
        let mut shown = vec![];
        for &domain in &domains {
            for at in study.test(domain).into_iter().take(2) {
                let (overlay, said) = truth(pictures, &study.target, at);
                let caption = format!("{}: {said}", pictures.domain(domain));
                shown.push(Captioned { picture: overlay.picture(), caption, wrong: false });
            }
        }
        blocks.push(Block::Gallery { title: title.into(), pictures: shown });
    }
    Section { title: "The world".into(), blocks }
}

fn results(scores: &Scores, tasks: &[Task], whole: Row) -> Section {
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
    let note = "Means over seeds of means over target domains, in percent; ± is the half-width of Student's 95 % interval \
                over the seeds. Road: mean accuracy of kind and surface; obstacles: average precision at IoU .5; signal: \
                accuracy of its state.";
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
            Block::Table(Table { header: header.clone(), rows, note: note.into() }),
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
    let mut on_sources = vec![];
    for task in &study.tasks {
        let name = format!("{}/{}/source-single", set.name, task.name);
        for mut series in curves::evaluation(f.lines, &name) {
            series.name = task.name.clone();
            on_sources.push(series);
        }
        if let Some(rise) = Rise::of(f.lines, &name, set.single_steps, 1.0 - FALL) {
            let word = if rise.flat() { "flat before the step size fell" } else { "still rising" };
            flat.push(format!(
                "{}: {:.1} half way, {:.1} where the step size begins to fall, {:.1} at the end: {word}.",
                task.name, 100.0 * rise.half, 100.0 * rise.falling, 100.0 * rise.end
            ));
        }
    }
    charts.push(Chart::Lines(LineChart {
        title: "Single-task controls on source pictures that no batch holds".into(),
        note: "A control that was stopped while rising would flatter the method.".into(),
        x: Axis::linear("steps"),
        y: Axis::linear("score"),
        series: on_sources,
    }));
    let text = format!("Were the controls trained long enough? {}", flat.join(" "));
    Section {
        title: "Learning the sources".into(),
        blocks: vec![Block::Text(text), Block::Charts(charts)],
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
    let truths = score::truths(&*pictures, &net, &at);
    let mut all = vec![];
    for (i, &at) in at.iter().enumerate() {
        let (height, width, pixels) = pictures.shown(at);
        let mut overlay = enlarged(&pixels, [height, width]);
        let (mut wrong, mut said) = (0.0, vec![]);
        for (h, head) in net.heads.iter().enumerate() {
            let len = net.output_shape(h, 1, 1).len();
            let answer = &answers[h][i * len..][..len];
            match head.kind {
                HeadKind::Classes(_) => {
                    let (answer, truth) = (top(answer), truths[h][i][0] as usize);
                    let names = pictures.classes(h);
                    wrong += f64::from(u8::from(answer != truth));
                    said.push(match answer == truth {
                        true => names[answer].clone(),
                        false => format!("{} (is {})", names[answer], names[truth]),
                    });
                }
                HeadKind::Boxes(_) => {
                    let there = pictures.boxes(at);
                    let found: Vec<_> =
                        boxes(&net, h, answer).into_iter().filter(|d| d.score >= SURE).collect();
                    for object in &there {
                        let hit = found.iter().any(|d| {
                            d.class == object.class
                                && crate::nn::overlap(d.bounds, object.bounds) >= score::RIGHT
                        });
                        wrong += if hit { 0.0 } else { 0.5 };
                        overlay.frame(object.bounds, [255; 3], "");
                    }
                    for d in &found {
                        let text =
                            format!("{} {:.0}", pictures.classes(h)[d.class], 100.0 * d.score);
                        overlay.frame(d.bounds, colour(d.class), &text);
                    }
                    wrong += 0.25 * found.len().saturating_sub(there.len()) as f64;
                }
                HeadKind::Mask(_) => {
                    let HeadKind::Mask(kind) = &head.kind else { continue };
                    let [rows, columns] = [height, width];
                    let wide = kind.classes;
                    let class = |place: [f32; 2]| {
                        let [y, x] = [
                            (place[0] as usize).min(rows - 1),
                            (place[1] as usize).min(columns - 1),
                        ];
                        top(&answer[(y * columns + x) * wide..][..wide])
                    };
                    overlay.tint(0.45, |place| Some(colour(class(place))));
                    let off = answer
                        .chunks(wide)
                        .zip(&truths[h][i])
                        .filter(|(a, t)| **t >= 0.0 && top(a) != **t as usize);
                    let share = off.count() as f64 / (rows * columns) as f64;
                    wrong += 4.0 * share;
                    said.push(format!("{:.0} % of pixels right", 100.0 * (1.0 - share)));
                }
                HeadKind::Labels(_) | HeadKind::Values(_) => {}
            }
        }
        all.push((
            wrong,
            Captioned { picture: overlay.picture(), caption: said.join(", "), wrong: wrong >= 1.0 },
        ));
    }
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let text = format!(
        "The whole method, first seed, on {}: the {SHOWN} test pictures of {} with most mistakes. White frames are true objects, \
         coloured ones what was found, with its probability.",
        pictures.domain(domain),
        all.len()
    );
    let shown = all.into_iter().take(SHOWN).map(|(_, shown)| shown).collect();
    let gallery = Block::Gallery { title: "Worst first".into(), pictures: shown };
    Ok(Section { title: "Predictions".into(), blocks: vec![Block::Text(text), gallery] })
}

fn costs(costs: &[(String, String)]) -> Section {
    let rows = costs.iter().map(|(name, value)| vec![name.clone(), value.clone()]).collect();
    let header = vec!["on this device".to_string(), String::new()];
    let table = Table { header, rows, note: "Measured at the end of this run.".into() };
    Section { title: "What it costs".into(), blocks: vec![Block::Table(table)] }
}

/// Series of a chart of label counts, used where a study has several budgets.
fn by_labels(budgets: &[(usize, &Scores)], tasks: &[Task], rows: &[Row]) -> Section {
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
    Section {
        title: "How many labels are enough".into(),
        blocks: vec![Block::Charts(charts.collect())],
    }
}
