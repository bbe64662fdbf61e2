//! A run that is killed at any moment and resumed ends with the same bits as one left alone.

use metatape::random::Stream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const STEPS: &str = "train.steps=1500";

fn command(out: &Path, resume: bool) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_metatape"));
    command.args(["run"]);
    if resume {
        command.arg("--resume").arg(out);
    } else {
        command.args(["sinusoid", "--out"]).arg(out);
        for key in [STEPS, "checkpoint_steps=50", "evaluate.tasks=20", "evaluate.every=100"] {
            command.args(["--set", key]);
        }
        command.args(["--set", "evaluate.controls=[\"first_order\"]", "--device", "cpu"]);
    }
    command.arg("--quiet").stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn finish(out: &Path, resume: bool) {
    let done = command(out, resume).output().unwrap();
    let why = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "resume {resume}: {why}");
}

/// What must not depend on interruptions: weights, every metric, every result.
fn results(out: &Path) -> (Vec<u8>, String, serde_json::Value) {
    let read = |name: &str| std::fs::read(out.join(name)).unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&read("summary.json")).unwrap();
    let metrics = String::from_utf8(read("metrics.jsonl")).unwrap();
    (read("model.safetensors"), metrics, summary["results"].clone())
}

#[test]
fn killed_at_twenty_random_moments_a_run_ends_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let (alone, killed) = (folder.path().join("alone"), folder.path().join("killed"));
    let begun = std::time::Instant::now();
    finish(&alone, false);
    let whole = begun.elapsed();

    let mut random = Stream::new(20, 0x7000, 0, 0);
    let mut kills = 0;
    for _ in 0..20 {
        // Some moments are before the first checkpoint, some within an evaluation.
        let resume = killed.join("recipe.toml").exists();
        if !resume {
            let _ = std::fs::remove_dir_all(&killed);
        }
        let mut child = command(&killed, resume).spawn().unwrap();
        let moment = whole.as_secs_f64() * random.between(0.02, 0.4);
        std::thread::sleep(Duration::from_secs_f64(moment));
        if child.try_wait().unwrap().is_none() {
            kills += 1;
        }
        let _ = child.kill(); // SIGKILL: nothing is cleaned up
        child.wait().unwrap();
        if killed.join("summary.json").exists() {
            // It came to its end between two kills: begin again, so that twenty kills really happen.
            std::fs::remove_dir_all(&killed).unwrap();
        }
    }
    assert!(kills >= 15, "only {kills} of 20 kills met a running process");
    finish(&killed, killed.join("recipe.toml").exists());
    let ((weights, metrics, figures), (other, lines, again)) = (results(&alone), results(&killed));
    assert!(weights == other, "the weights differ");
    assert_eq!(metrics, lines);
    assert_eq!(figures, again);
}
