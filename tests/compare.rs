//! `metatape compare` puts the results of runs side by side, with differences and intervals.

use std::path::Path;
use std::process::{Command, Output};

use metatape::run::{Figure, Summary};

fn summary(dir: &Path, name: &str, results: Vec<Figure>) -> String {
    let summary = Summary {
        recipe: "sinusoid".into(),
        version: "0.1.0".into(),
        device: "cpu".into(),
        threads: 2,
        seeds: vec![1],
        steps: 70_000,
        seconds: 42.0,
        peak_bytes: 1 << 20,
        parameters: 1761,
        results,
        events: vec![],
    };
    let folder = dir.join(name);
    std::fs::create_dir(&folder).unwrap();
    summary.save(&folder.join("summary.json")).unwrap();
    assert_eq!(Summary::load(&folder).unwrap(), summary, "a summary reads back");
    folder.to_str().unwrap().to_string()
}

fn figure(name: &str, value: f64, ci95: f64) -> Figure {
    Figure::new(name, "sine", "maml", "mse").with(value, ci95, 2000)
}

fn compare(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_metatape")).arg("compare").args(args).output().unwrap()
}

#[test]
fn runs_are_compared_by_the_names_of_their_results() {
    let dir = tempfile::tempdir().unwrap();
    let a = summary(
        dir.path(),
        "a",
        vec![
            figure("x/mse@1", 0.60, 0.03),
            figure("x/mse@5", 0.2, 0.4),
            figure("x/only-a", 1.0, 0.1),
        ],
    );
    let b = summary(
        dir.path(),
        "b",
        vec![figure("x/mse@5", f64::NAN, f64::NAN), figure("x/mse@1", 0.70, 0.04)],
    );

    let out = compare(&[&a, &b]);
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success() && out.stderr.is_empty());
    let row = |name: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name} in {text}"));
        line.split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty())
            .map(str::to_string)
            .collect::<Vec<_>>()
    };
    // Independent intervals: the half-width of a difference is the root of the sum of squares, here .05.
    assert_eq!(
        row("x/mse@1"),
        ["x/mse@1", "0.6000 ± 0.0300", "0.7000 ± 0.0400", "0.1000 ± 0.0500 *"]
    );
    assert_eq!(row("x/mse@5"), ["x/mse@5", "0.2000 ± 0.4000", "-", "-"]);
    assert_eq!(row("x/only-a"), ["x/only-a", "1.0000 ± 0.1000", "absent", "-"]);

    let out = compare(&[&a, &b, "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let second = &json["results"][0]["runs"][1];
    assert!((second["delta"].as_f64().unwrap() - 0.1).abs() < 1e-12, "{second}");
    assert!((second["delta_ci95"].as_f64().unwrap() - 0.05).abs() < 1e-12, "{second}");
    assert_eq!(json["runs"][1]["steps"], 70_000);
}

#[test]
fn what_is_no_summary_is_refused_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let good = summary(dir.path(), "good", vec![figure("x/mse@1", 0.6, 0.03)]);
    let text = std::fs::read_to_string(Path::new(&good).join("summary.json")).unwrap();
    let broken = dir.path().join("summary.json");
    let long = format!("{{\"recipe\": {}", "[".repeat(100_000));
    for bad in [&text[..text.len() / 2], "", "[]", "{\"recipe\": 3}", &long, "\u{0}"] {
        std::fs::write(&broken, bad).unwrap();
        let out = compare(&[&good, broken.to_str().unwrap()]);
        let stderr = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(2), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains("is not the summary of a run"), "{stderr}");
    }
}
