//! A study on several domains behind the experiments' door: it is prepared, run, and tells what it found.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::camvid::Drives;
use super::doctoring;
use super::drive::Found;
use super::figures;
use super::methods::{ABLATIONS, LADDER, ONE_OF_THREE, Pipeline, Row, WHOLE};
use super::page::{Findings, page};
use super::pictures::Pictures;
use super::scenes::Scenes;
use super::settings::{self, Settings};
use super::study::Study;
use super::table::Table;
use super::why::why;
use crate::data::camvid::CamVid;
use crate::doctor::advise;
use crate::error::{Error, Result};
use crate::nn::{Weight, Weights};
use crate::recipe::{Recipe, Study as Kind, TaskKind};
use crate::report::{self, Block, Report, Section};
use crate::run::{Figure, Line, Named, Run, Summary};

/// Everything a study needs that bad input could spoil.
pub struct Prepared {
    pub settings: Settings,
    pub pictures: Arc<dyn Pictures>,
}

/// Draws the world's pictures, or reads the real ones from `data`. Fails where keys contradict each other, or where there
/// are none.
pub fn prepare(recipe: &Recipe, data: Option<&Path>) -> Result<Prepared> {
    let seeds = settings::seeds(recipe);
    let pictures: Arc<dyn Pictures> = match recipe.tasks.kind {
        TaskKind::CamVid => {
            let plan = settings::drives(recipe);
            let set = CamVid::load(data, plan.size)?;
            Arc::new(Drives::new(plan, set))
        }
        _ => Arc::new(Scenes::new(settings::scenes(recipe)?, &seeds)),
    };
    let settings = Settings::of(recipe, pictures.tasks().len())?;
    let most = settings.budgets.iter().fold(settings.labels, |most, &n| most.max(n));
    for domain in pictures.heldout().chain(pictures.targets()) {
        let pool = pictures.pool(domain, recipe.seed);
        let there = pool.labelled.iter().map(Vec::len).min().unwrap_or(0);
        if there < most {
            return Err(Error::input(format!(
                "tasks.labels or tasks.budgets asks for {most} labelled pictures; {} has {there} to adapt on",
                pictures.domain(domain)
            )));
        }
    }
    Ok(Prepared { settings, pictures })
}

/// Pictures of all trainings of these rows, and of `few` at each further budget: what the time left is counted in.
fn total(
    set: &Settings,
    pictures: &dyn Pictures,
    domains: usize,
    rows: &[Pipeline],
    few: &[Pipeline],
) -> u64 {
    let (k, s) = (pictures.tasks().len() as u64, set.seeds.len() as u64);
    let (batch, targets) = (set.batch as u64, s * domains as u64);
    let stages = |rows: &[Pipeline],
                  wanted: &dyn Fn(&Pipeline) -> bool,
                  name: &dyn Fn(&Pipeline) -> String| {
        let names = rows.iter().filter(|p| wanted(p)).map(name);
        names.collect::<BTreeSet<String>>().len() as u64
    };
    let aggregated = stages(rows, &|p| p.aggregated, &Pipeline::source);
    let students = stages(rows, &|p| p.student, &Pipeline::learnt);
    let sources = k
        * s
        * batch
        * (set.single_steps + (2 + aggregated) * set.steps + students * (set.steps - set.branch()));
    let meta = set.meta.as_ref().map_or(0, |m| {
        let each = m.steps * m.domains as u64 * k * 2 * (batch / 4).max(1) * s;
        each * stages(rows, &|p| p.meta, &Pipeline::meta)
    });
    let adapt_batch = set.adapt.batch as u64;
    let alone = k * targets * adapt_batch * (set.scratch.0 + 3 * set.adapt.steps);
    let adapted = |rows: &[Pipeline]| {
        let taught = stages(rows, &|p| p.distilled, &Pipeline::adapted);
        let plain = stages(rows, &|_| true, &Pipeline::start);
        targets * adapt_batch * set.adapt.steps * (k * plain + (k + 1) * taught)
    };
    let budgets = set.budgets.len() as u64;
    sources + meta + (1 + budgets) * alone + adapted(rows) + budgets * adapted(few)
}

pub fn run(prepared: Prepared, run: &mut Run, quiet: bool) -> Result<Summary> {
    let Prepared { settings, pictures } = prepared;
    let domains: Vec<usize> = match settings.study {
        Kind::Tune | Kind::Difficulty => pictures.heldout().collect(),
        _ => pictures.targets().collect(),
    };
    let recipe = run.recipe.clone();
    let rows = match settings.study {
        Kind::Full => [&ABLATIONS[..], &ONE_OF_THREE, &LADDER].concat(),
        _ => LADDER.to_vec(),
    };
    // Where labels come together there are few targets, and every rung is cheap.
    let few: &[Pipeline] = match recipe.tasks.kind {
        TaskKind::CamVid => &LADDER,
        _ => &[WHOLE],
    };
    let pictures_in_all = total(&settings, &*pictures, domains.len(), &rows, few);
    let mut study = Study::new(settings, pictures, domains, run, pictures_in_all, quiet)?;
    match study.set.study {
        Kind::Tune | Kind::Difficulty => {
            let figures = study.tune(study.set.study == Kind::Tune)?;
            finish_tuning(&mut study, figures)
        }
        _ => {
            let budgets = study.budgets(few)?;
            let found = study.run(&rows)?;
            finish(&mut study, &recipe, &found, &budgets)
        }
    }
}

/// Figures, verdict, report, model and knowledge.
fn finish(
    study: &mut Study,
    recipe: &Recipe,
    found: &Found,
    budgets: &[(usize, Table)],
) -> Result<Summary> {
    study.say_step(7, "evaluation: what it is worth, and what the doctor says");
    let (whole, tasks) = (Row::Joint(WHOLE), study.tasks.clone());
    let set = study.set.clone();
    let mut results = figures::figures(&set.name, &tasks, &found.table, whole, "");
    for (labels, table) in budgets {
        let suffix = format!("@labels={labels}");
        results.extend(figures::figures(&set.name, &tasks, table, whole, &suffix));
    }
    for f in &results {
        let value = |v: Option<f64>| v.unwrap_or(f64::NAN);
        let line =
            Line::evaluate(set.seeds[0], set.steps, &f.name, value(f.value), value(f.ci95), f.n);
        study.session.run.line(&line)?;
    }
    // What scores are made of is for the summary and the report: many figures, none to follow while it runs.
    results.extend(figures::parts(&set.name, &tasks, &found.table, ""));
    for (labels, table) in budgets {
        results.extend(figures::parts(&set.name, &tasks, table, &format!("@labels={labels}")));
    }
    let lines = study.session.run.lines()?;
    let measured = doctoring::measured(&set.name, &lines, &tasks, &set.seeds);
    let advice = advise(&measured).to_string();
    let behind = figures::not_ahead(&found.table, tasks.len(), whole);
    let whys = behind.iter().filter_map(|&t| why(&measured, &lines, &set.name, t, &set.seeds));
    let whys: Vec<String> = whys.collect();
    let doctor = doctoring::section(&measured, &advice, &whys);
    let mut verdict = figures::verdict(&found.table, &tasks, WHOLE);
    verdict.push(format!("The doctor: {}", advice.lines().collect::<Vec<_>>().join(" ")));
    verdict.extend(whys);
    let costs = costs(study, found)?;

    let general = &found.general;
    let summary = summary(study, results, &lines, general.count());
    let findings = Findings {
        recipe,
        summary: &summary,
        lines: &lines,
        found,
        whole: WHOLE,
        verdict: &verdict,
        costs: &costs,
        doctor: Some(&doctor),
        budgets,
    };
    let report = page(&findings, study)?.html();
    super::extract::knowledge(study, found)?
        .save(&study.session.run.folder.path().join("knowledge.safetensors"))?;
    let card = super::extract::card(study, &found.net)?;
    study.session.run.finish(&summary, &report, &named(general), Some(card))?;
    for (labels, table) in budgets {
        study.session.say(&format!("with {labels} labels a task:"));
        figures::table(table, &tasks, whole).iter().for_each(|line| study.session.say(line));
    }
    if !budgets.is_empty() {
        study.session.say(&format!("with {} labels a task:", set.labels));
    }
    for line in figures::table(&found.table, &tasks, whole).into_iter().chain(verdict) {
        study.session.say(&line);
    }
    Ok(summary)
}

fn summary(study: &Study, results: Vec<Figure>, lines: &[Line], parameters: usize) -> Summary {
    let (set, session) = (&study.set, &study.session);
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    Summary {
        recipe: set.name.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        device: session.device.clone(),
        threads: set.options.threads.unwrap_or(cores),
        seeds: set.seeds.clone(),
        steps: set.steps,
        seconds: session.run.seconds(),
        peak_bytes: session.peak_bytes,
        parameters: parameters as u64,
        results,
        events: lines.iter().filter(|l| matches!(l, Line::Event { .. })).cloned().collect(),
    }
}

/// A tuning leaves its table, no model and a report of a few lines.
fn finish_tuning(study: &mut Study, figures: Vec<Figure>) -> Result<Summary> {
    study.session.finish()?;
    let lines = study.session.run.lines()?;
    let summary =
        summary(study, figures, &lines, study.target.spec().iter().map(|s| s.shape.len()).sum());
    let rows = summary.results.iter().map(|f| {
        let percent = f.value.map_or("–".into(), |v| format!("{:.1}", 100.0 * v));
        vec![f.name.clone(), percent]
    });
    let header = vec!["candidate".to_string(), "score, %".to_string()];
    let note = "Means over seeds and held-out source domains; target domains are not looked at.";
    let table = report::Table { header, rows: rows.collect(), note: note.into() };
    let blocks = vec![Block::Table(table)];
    let sections = vec![Section { title: "Candidates".into(), blocks }];
    let title = format!("{}: settings", study.set.name);
    let report = Report { title, sections, ..Report::default() };
    study.session.run.finish(&summary, &report.html(), &[], None)?;
    Ok(summary)
}

fn named(weights: &Weights) -> Vec<Named> {
    let tensor = |w: &Weight| (w.name.clone(), w.shape.dims().to_vec(), w.values.clone());
    weights.iter().map(tensor).collect()
}

/// Pictures timed one at a time.
const TIMED: usize = 200;

/// What one picture and one network cost here, against a network a task.
fn costs(study: &mut Study, found: &Found) -> Result<Vec<(String, String)>> {
    let at = study.test(study.domains[0]);
    let k = study.tasks.len();
    let mut all = vec![];
    for (name, nets) in [("one network, all tasks", 1), ("a network a task", k)] {
        let mut program = super::Answering::new(&found.net, nets, 1, &study.set.options)?;
        program.take(&vec![&found.general; nets]);
        let mut times = vec![];
        for i in 0..TIMED {
            let x = super::score::drawn(&*study.pictures, &found.net, &at[i % at.len()..][..1]);
            let begun = Instant::now();
            program.answer(&x, None)?;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        let (p50, p99) = (times[TIMED / 2], times[TIMED * 99 / 100]);
        all.push((format!("one picture, {name}"), format!("p50 {p50:.2} ms, p99 {p99:.2} ms")));
    }
    let seconds = study.adapt_seconds;
    if seconds > 0.0 {
        let each = format!(
            "{seconds:.2} s for one domain, of {} trained together",
            study.seeds() * study.domains.len()
        );
        all.push((format!("one adaptation, {} steps, all tasks", study.set.adapt.steps), each));
    }
    let numbers = found.general.count();
    all.push(("parameters".into(), format!("{numbers}; a network a task: {}", numbers * k)));
    Ok(all)
}
