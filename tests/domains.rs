//! A study on several domains, tiny: it runs to its end, says what it found, and goes on where it was stopped.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use metatape::run::Summary;
use metatape::transfer::Knowledge;

const BINARY: &str = env!("CARGO_BIN_EXE_metatape");

/// A world of two sources and one target, networks of eight channels, a few steps each.
const TINY: [&str; 18] = [
    "tasks.sources=2",
    "tasks.heldout=1",
    "tasks.targets=1",
    "tasks.source_labels=[6, 6, 6]",
    "tasks.labels=4",
    "tasks.unlabelled=6",
    "model.filters=8",
    "model.embedding=2",
    "method.meta_steps=3",
    "method.meta_tasks=2",
    "train.steps=20",
    "train.single_steps=20",
    "train.batch=4",
    "train.adapt_steps=4",
    "train.scratch_steps=4",
    "evaluate.pictures=12",
    "seeds=2",
    "checkpoint_steps=3",
];

fn command(out: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(["run", "driving", "--quiet", "--device", "cpu", "--out"]).arg(out);
    for set in TINY.iter().chain(more) {
        command.args(["--set", set]);
    }
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn run(out: &Path, more: &[&str]) -> Summary {
    let done = command(out, more).output().expect("the program starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Summary::load(out).expect("a summary")
}

#[test]
fn a_study_leaves_its_table_its_report_a_model_and_knowledge_without_pictures() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let summary = run(&out, &[]);
    for task in ["road", "obstacles", "signal"] {
        for name in ["delta", "delta-pretrained", "delta-tuned", "single", "pretrained", "whole"] {
            let name = format!("driving/{task}/{name}");
            let figure = summary.results.iter().find(|f| f.name == name);
            let figure = figure.unwrap_or_else(|| panic!("no figure {name}"));
            assert_eq!(figure.n, 2, "{name}: two seeds");
            assert!(figure.value.is_some_and(|v| (-1.0..=1.0).contains(&v)), "{name}");
        }
    }
    let find = |name: &str| {
        let figure = summary.results.iter().find(|f| f.name == name).expect("a figure");
        figure.value.expect("a number")
    };
    // A difference is the difference of its rows: paired means are the mean of pairs.
    let off = find("driving/road/whole") - find("driving/road/single") - find("driving/road/delta");
    assert!(off.abs() < 1e-12, "{off}");

    let page = std::fs::read_to_string(out.join("report.html")).expect("a report");
    for part in ["Verdict", "The world", "The doctor", "Worst first", "What it costs"] {
        assert!(page.contains(part), "the report lacks {part:?}");
    }
    assert!(!page.contains("http://") && !page.contains("https://"), "a report needs no network");

    let knowledge = Knowledge::load(&out.join("knowledge.safetensors")).expect("knowledge");
    assert!(knowledge.get("input").is_none(), "no raw example");
    let pixels = 48 * 48 * 3;
    for (name, shape, _) in knowledge.tensors() {
        let width: usize = shape.iter().skip(1).product();
        assert!(
            width < pixels || name.starts_with("weight/"),
            "{name} {shape:?} could be pictures"
        );
    }
}

#[test]
fn a_study_that_is_killed_goes_on_to_the_same_bits() {
    let folder = tempfile::tempdir().expect("a folder");
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    let expected = run(&whole, &[]);
    let mut kills = 0;
    // Killed twice: early, in the sources' training, and later, among the targets.
    for wait in [0.5, 2.0] {
        let mut first = match broken.join("recipe.toml").exists() {
            false => command(&broken, &[]),
            true => resumed(&broken),
        };
        let mut child = first.spawn().expect("the program starts");
        let begun = Instant::now();
        let checkpoint = broken.join("checkpoint.safetensors");
        while child.try_wait().expect("a child").is_none() {
            if checkpoint.exists() && begun.elapsed().as_secs_f64() > wait {
                child.kill().expect("a kill");
                child.wait().expect("its end");
                kills += 1;
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    assert!(kills > 0, "the study was over before it could be killed");
    let done = resumed(&broken).output().expect("the program starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let found = Summary::load(&broken).expect("a summary");
    assert_eq!(found.results, expected.results);
}

fn resumed(folder: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.args(["run", "--quiet", "--resume"]).arg(folder);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

#[test]
fn settings_that_cannot_work_are_refused_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    for (set, said) in [
        ("method.weights=[1, 1]", "3 tasks"),
        ("tasks.source_labels=[6, 6]", "road, obstacles, signal"),
        ("tasks.source_labels=[6, 1, 6]", "expected at least 2"),
        ("method.aggregator=cagard", "did you mean \"cagrad\""),
        ("model.filters=12", "multiple of 8"),
    ] {
        let done = command(&folder.path().join("x"), &[set]).output().expect("the program starts");
        let text = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{set}: {text}");
        assert!(text.contains(said) && text.trim().lines().count() == 1, "{set}: {text}");
        assert!(!folder.path().join("x").exists(), "a refused run leaves no folder");
    }
}
