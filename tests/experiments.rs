//! Whole experiments, small: a run learns, and says where it diverged. (`kill.rs`: it can be stopped anywhere.)

use std::path::Path;
use std::sync::Arc;

use metatape::data::omniglot::{Omniglot, Part};
use metatape::error::{Error, Result};
use metatape::exec::{Device, Options};
use metatape::experiment;
use metatape::experiment::fewshot::{Evaluation, Objective, Row, Source, Training, from_recipe};
use metatape::nn::{Model, Weights};
use metatape::random::stream;
use metatape::recipe::{self, Override, Recipe};
use metatape::run::{Run, Summary};

fn load(name: &str, set: &[&str]) -> Result<Recipe> {
    let set: Result<Vec<_>> = set.iter().map(|text| Override::parse(text)).collect();
    recipe::load(name, &set?)
}

/// Runs a recipe in `out` as the program does.
fn run(recipe: Recipe, out: &Path) -> Result<Summary> {
    let prepared = experiment::prepare(&recipe, None)?;
    experiment::run(prepared, &mut Run::start(recipe, Some(out))?, true)
}

fn value(summary: &Summary, name: &str) -> f64 {
    let found = summary.results.iter().find(|figure| figure.name == name);
    let figure = found.unwrap_or_else(|| panic!("no figure {name}"));
    figure.value.expect("a finite figure")
}

const SMALL_SINE: [&str; 4] =
    ["train.steps=600", "evaluate.tasks=200", "evaluate.every=200", "threads=1"];

#[test]
fn a_short_sinusoid_run_learns_to_learn() {
    let folder = tempfile::tempdir().expect("a folder");
    let summary = run(load("sinusoid", &SMALL_SINE).expect("recipe"), folder.path()).expect("runs");
    let mse = |name: &str| value(&summary, &format!("sinusoid/K10/{name}"));
    // Answering 0 errs by E[A²]/2 = 4.3, and so does the start. 600 steps lower it by a fifth; the interval of
    // the difference is about .3.
    assert!(mse("random-minus-maml/mse@1") > 0.4, "{} of {}", mse("mse@1"), mse("random/mse@1"));
    // Differences are those of the means: the same tasks.
    let difference = mse("pretrained/mse@1") - mse("mse@1");
    assert!((mse("pretrained-minus-maml/mse@1") - difference).abs() < 1e-9);
    assert!(summary.results.iter().any(|figure| figure.name == "sinusoid/K5/diverged@10"));
    for file in ["recipe.toml", "metrics.jsonl", "summary.json", "report.html", "model.safetensors"]
    {
        assert!(folder.path().join(file).is_file(), "{file}");
    }
    let metrics = std::fs::read_to_string(folder.path().join("metrics.jsonl")).expect("metrics");
    assert!(metrics.contains(r#""step":200,"name":"sinusoid/K10/first_order/mse@1""#));
}

#[test]
fn a_few_omniglot_steps_are_better_than_chance() {
    let folder = tempfile::tempdir().expect("a folder");
    let small =
        ["filters=16", "train.steps=60", "tasks_per_step=8", "evaluate.tasks=60", "every=0"];
    let summary = run(load("omniglot-5w1s", &small).expect("recipe"), folder.path()).expect("runs");
    for place in ["test-batch", "test-single"] {
        let accuracy = value(&summary, &format!("omniglot-5w1s/{place}/accuracy@3"));
        // Chance is .2; 300 answers at .2 have a standard deviation of .023.
        assert!(accuracy > 0.3, "{place}: {accuracy}");
    }
    let report = std::fs::read_to_string(folder.path().join("report.html")).expect("a report");
    assert!(report.contains("data:image/png;base64,"));
}

/// The two rows of Omniglot differ in how queries are judged, not in what tasks adapt on.
#[test]
fn rows_of_the_same_tasks_adapt_once() {
    let small = ["filters=16", "evaluate.queries=1", "threads=1"];
    let e = from_recipe(&load("omniglot-5w1s", &small).expect("recipe")).expect("an experiment");
    let set = Arc::new(Omniglot::load(None).expect("the built-in characters"));
    let weights = Weights::init(&e.net.spec(), 1);
    let judged = |rows: &[Row]| {
        let evaluation = Evaluation::new(&e, rows, &[0, 1, 3], Some(&set), stream::TEST);
        let mut evaluation = evaluation.expect("compiles");
        let scores = evaluation.run(&weights, 20, |_| Ok(())).expect("runs");
        (scores, evaluation.cost().flops)
    };
    let [batch, single] = e.judged.rows[..] else { panic!("{:?}", e.judged.rows) };
    assert!(batch.of_same_tasks(&single) && !Row::Support(5).of_same_tasks(&Row::Support(10)));
    let (together, flops) = judged(&[batch, single]);
    let ((of_batch, adapting), (of_single, judging)) = (judged(&[batch]), judged(&[single]));
    assert_eq!(together, [of_batch, of_single].concat());
    // Three inner steps on 5 pictures, forwards and backwards, are 45 passes of one; the queries of `batch` are judged in
    // 15: three quarters of its work fall away.
    let saved = (adapting + judging - flops) as f64 / adapting as f64;
    assert!((0.6..0.9).contains(&saved), "{saved} of {adapting}");
}

/// Settings are chosen by characters that neither training nor the test has.
#[test]
fn held_characters_are_not_learned_from() {
    for (set, learned, judged, name) in [
        ("evaluate.held=test", Part::TrainAndValidation, Part::Test, "test-batch"),
        ("evaluate.held=validation", Part::Train, Part::Validation, "validation-batch"),
    ] {
        let e = from_recipe(&load("omniglot-20w1s", &[set]).expect("recipe")).expect("fits");
        assert_eq!((e.judged.learned_from(), e.judged.judged_on()), (learned, judged));
        assert_eq!(e.judged.rows[0].place(e.judged.held), name);
    }
}

#[test]
fn a_diverging_run_says_step_and_task() {
    let folder = tempfile::tempdir().expect("a folder");
    let wild =
        [&SMALL_SINE[..], &["inner_lr=1000", "checkpoint_steps=1", "optimizer.lr=1000"]].concat();
    let found = run(load("sinusoid", &wild).expect("recipe"), folder.path());
    let Err(why @ Error::Answer(_)) = found else { panic!("{found:?}") };
    assert!(why.to_string().contains("at step ") && why.to_string().contains(", task "), "{why}");
    let metrics = std::fs::read_to_string(folder.path().join("metrics.jsonl")).expect("metrics");
    assert!(metrics.contains(r#""event":"diverged""#), "{metrics}");
    let summary = folder.path().join("summary.json");
    assert!(!summary.exists(), "a run without a result has no summary");
}

/// Task 3 gets a value that is not a number in step 2 and infinity in step 3: the first is named.
#[test]
fn the_first_step_that_is_not_finite_is_remembered_with_its_task() {
    let e =
        from_recipe(&load("sinusoid", &["device=reference", "tasks_per_step=5"]).expect("recipe"));
    let e = e.expect("an experiment");
    let source = Source::new(e.tasks, None, Part::Train, 1, 2).expect("a source");
    let options = Options { device: Device::Reference, ..Default::default() };
    let mut training =
        Training::new(&e, Objective::Meta(e.maml), &source, &options).expect("compiles");
    training.start(&Weights::init(&e.net.spec(), 1));
    let mut batch = source.room();
    for step in 0..3 {
        source.fill(step, 0, &mut batch);
        let [sx, sy, qx, qy] = batch.parts();
        let mut qy = qy.to_vec();
        match step {
            1 => qy[3 * 10 + 4] = f32::NAN,
            2 => qy[0] = f32::INFINITY,
            _ => {}
        }
        // A step size of 0 keeps the weights.
        training.step(step as u64 + 1, 0.0, [sx, sy, qx, &qy]).expect("steps");
        let tally = training.tally().expect("reads");
        assert_eq!(tally.bad, (step > 0).then_some((2, 3)));
        assert_eq!(tally.loss.is_finite(), step == 0);
    }
}

#[test]
fn recipes_that_contradict_themselves_are_refused_in_one_line() {
    for (name, set, part) in [
        ("omniglot-5w1s", "evaluate.norm=[]", "nothing to judge"),
        ("omniglot-5w1s", "evaluate.controls=['pretrained']", "no meaning"),
    ] {
        let refused = load(name, &[set]).and_then(|r| from_recipe(&r)).err();
        let why = refused.unwrap_or_else(|| panic!("{set} was taken")).to_string();
        assert!(why.contains(part) && !why.contains('\n'), "{why}");
    }
}
