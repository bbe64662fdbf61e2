//! A run that was killed goes on as if nothing had been; a damaged checkpoint is refused in one line.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use metatape::error::{Error, Result};
use metatape::recipe::{self, Recipe};
use metatape::run::{
    Checkpoint, Figure, Line, Policy, Run, State, Summary, files, folder, metrics,
};
use proptest::prelude::*;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;

const HASH: &str = "0123456789abcdef";

fn sample() -> Checkpoint {
    let odd = vec![f32::NAN, f32::NEG_INFINITY, -0.0, f32::MIN_POSITIVE / 2.0, 1.0 / 3.0, 1e30];
    Checkpoint {
        step: 12,
        recipe_hash: HASH.into(),
        metrics_bytes: 345,
        tensors: vec![
            ("head.w".into(), vec![1, 2, 3], odd),
            ("trunk.b".into(), vec![1, 1], vec![2.5]),
        ],
        extra: json!({ "adam_t": 12, "beta1_power": 0.1 + 0.2, "tiny": 5e-324, "π": ["\u{0}\"", null] }),
    }
}

fn bits(tensors: &[(String, Vec<usize>, Vec<f32>)]) -> Vec<(String, Vec<usize>, Vec<u32>)> {
    let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect();
    tensors
        .iter()
        .map(|(name, shape, values)| (name.clone(), shape.clone(), bits(values)))
        .collect()
}

#[track_caller]
fn same(a: &Checkpoint, b: &Checkpoint) {
    assert_eq!(bits(&a.tensors), bits(&b.tensors));
    assert_eq!(
        (a.step, &a.recipe_hash, a.metrics_bytes),
        (b.step, &b.recipe_hash, b.metrics_bytes)
    );
    assert_eq!(a.extra, b.extra);
}

/// Bad input, said in one line that names the file.
#[track_caller]
fn refused(path: &Path) -> String {
    match Checkpoint::load(path, HASH) {
        Err(e @ Error::Input(_)) => {
            let text = metatape::cli::output::one_line(&e.to_string());
            assert!(text.contains(path.to_str().unwrap()), "{text}");
            text
        }
        other => panic!("expected bad input, found {other:?}"),
    }
}

#[test]
fn a_checkpoint_comes_back_bit_for_bit_and_is_always_the_same_file() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    sample().save(&a).unwrap();
    let loaded = Checkpoint::load(&a, HASH).unwrap();
    same(&loaded, &sample());
    loaded.save(&b).unwrap();
    assert_eq!(fs::read(&a).unwrap(), fs::read(&b).unwrap());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "a temporary file stayed");
}

#[test]
fn a_checkpoint_cut_short_anywhere_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    sample().save(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(refused(&path).contains("damaged or cut short"));
    }
    fs::write(&path, [&whole[..], &[0]].concat()).unwrap();
    refused(&path);
}

#[test]
fn no_flipped_bit_goes_unnoticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    sample().save(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &flipped).unwrap();
        // A flip that changes nothing (an escape written another way) may pass, one that changes anything not.
        if let Ok(loaded) = Checkpoint::load(&path, HASH) {
            same(&loaded, &sample());
        }
    }
}

/// A safetensors file with this header and data, however wrong.
fn forge(path: &Path, header: &str, data: &[u8]) {
    let length = (header.len() as u64).to_le_bytes();
    fs::write(path, [&length, header.as_bytes(), data].concat()).unwrap();
}

#[test]
fn lies_in_the_header_are_refused_without_believing_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    for (header, data) in [
        (r#"{"w":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}"#, 4),
        (r#"{"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}"#, 4),
        (r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4),
        (r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4),
        (r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 4),
        (
            r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"v":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
            4,
        ),
        (r#"{"__metadata__":{"metatape":"{}"}}"#, 0),
        (r#"{"__metadata__":{"metatape":"[[["}}"#, 0),
        (r#"{"__metadata__":{"metatape":7}}"#, 0),
        (r#"{}"#, 0),
        ("[", 0),
        ("", 0),
    ] {
        forge(&path, header, &vec![0; data]);
        refused(&path);
    }
    // A header that claims to be larger than any memory.
    for length in [u64::MAX, u64::MAX - 7, 1 << 40, 100_000_001] {
        fs::write(&path, [&length.to_le_bytes()[..], b"{}"].concat()).unwrap();
        refused(&path);
    }
    let deep = format!("{{\"__metadata__\":{}", "{\"a\":".repeat(200_000));
    forge(&path, &deep, &[]);
    refused(&path);
}

#[test]
fn files_of_others_are_told_from_damaged_ones() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    assert!(refused(&path).contains("does not exist"));

    let numbers = [0u8; 8];
    let view = |dtype, shape| TensorView::new(dtype, shape, &numbers).unwrap();
    let foreign = safetensors::serialize([("w", view(Dtype::F32, vec![2]))], None).unwrap();
    fs::write(&path, foreign).unwrap();
    assert!(refused(&path).contains("without the entry \"metatape\""));

    let entry = |format: u32| {
        let checksum = "0";
        let text = json!({ "format": format, "step": 1, "recipe_hash": HASH, "metrics_bytes": 0, "extra": null,
                           "checksum": checksum });
        Some(HashMap::from([("metatape".to_string(), text.to_string())]))
    };
    fs::write(&path, safetensors::serialize([("w", view(Dtype::F64, vec![1]))], entry(1)).unwrap())
        .unwrap();
    assert!(refused(&path).contains("holds F64, not F32"));
    fs::write(&path, safetensors::serialize([("w", view(Dtype::F32, vec![2]))], entry(9)).unwrap())
        .unwrap();
    assert!(refused(&path).contains("has format 9; this program reads format 1"));

    sample().save(&path).unwrap();
    let why = Checkpoint::load(&path, "fedcba9876543210").unwrap_err();
    assert_eq!(why.exit_code(), 2);
    assert!(why.to_string().contains("hash 0123456789abcdef, expected fedcba9876543210"), "{why}");
}

#[test]
fn a_checkpoint_of_another_model_names_the_first_difference() {
    let shapes = |list: &[(&str, &[usize])]| -> Vec<(String, Vec<usize>)> {
        list.iter().map(|(name, shape)| (name.to_string(), shape.to_vec())).collect()
    };
    let ours = sample();
    let values = ours.matching(&shapes(&[("trunk.b", &[1, 1]), ("head.w", &[1, 2, 3])])).unwrap();
    assert_eq!((values[0].len(), values[1].len()), (1, 6), "in the order that was asked for");
    for (expected, said) in [
        (shapes(&[("head.w", &[1, 2, 3])]), "it has trunk.b [1, 1], which this one has not"),
        (
            shapes(&[("head.w", &[1, 3, 2]), ("trunk.b", &[1, 1])]),
            "head.w has the shape [1, 2, 3], expected [1, 3, 2]",
        ),
        (shapes(&[("head.w", &[1, 2, 3]), ("trunk.c", &[1, 1])]), "it has no trunk.c [1, 1]"),
    ] {
        let why = ours.matching(&expected).unwrap_err();
        assert_eq!(why.exit_code(), 2);
        assert!(why.to_string().contains(said), "{why}");
    }
}

proptest! {
    #[test]
    fn random_bytes_are_never_a_checkpoint(header in ".{0,200}", data in prop::collection::vec(any::<u8>(), 0..64)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c");
        forge(&path, &header, &data);
        prop_assert!(Checkpoint::load(&path, HASH).is_err());
        fs::write(&path, &data).unwrap();
        prop_assert!(Checkpoint::load(&path, HASH).is_err());
    }
}

/// A stand-in for training: chaotic enough that a step done twice or left out shows in every later bit.
fn train(run: &mut Run, die_after: Option<u64>) -> Result<()> {
    let (mut step, mut x) = match run.resumed.take() {
        None => (0, vec![0.3f32, 0.7]),
        Some(c) => (c.step, c.matching(&[("x".into(), vec![2])])?[0].to_vec()),
    };
    let state = |x: &[f32]| {
        Ok(State { tensors: vec![("x".into(), vec![2], x.to_vec())], extra: json!({ "t": 1 }) })
    };
    while step < run.recipe.train.steps {
        for v in &mut x {
            *v = 3.9 * *v * (1.0 - *v);
        }
        step += 1;
        run.line(&Line::train(run.recipe.seed, step, &[("loss", x[0] as f64)]))?;
        if die_after == Some(step) {
            return Err(Error::Machine("killed".into())); // after the line, before a checkpoint that may be due
        }
        if step.is_multiple_of(4) {
            run.line(&Line::evaluate(1, step, "x", x[1] as f64, f64::NAN, 2))?;
        }
        run.after_step(step, || state(&x))?;
    }
    run.save(step, state(&x)?)?;
    let figure = Figure::new("x/mse@1", "x", "maml", "mse").with(x[0] as f64, 0.5, 10);
    let summary = Summary {
        recipe: run.recipe.name.clone(),
        version: "0".into(),
        device: "none".into(),
        threads: 1,
        seeds: vec![1],
        steps: step,
        seconds: 0.0,
        peak_bytes: 0,
        parameters: 2,
        results: vec![figure],
        events: vec![],
    };
    run.finish(&summary, "<!doctype html>", &state(&x)?.tensors, None)
}

fn recipe() -> Recipe {
    let set = ["steps=23", "checkpoint_steps=5", "checkpoint_seconds=0"];
    let set: Vec<_> = set.iter().map(|text| recipe::Override::parse(text).unwrap()).collect();
    recipe::load("sinusoid", &set).unwrap()
}

#[test]
fn a_run_killed_at_any_step_ends_with_the_files_of_an_undisturbed_one() {
    let dir = tempfile::tempdir().unwrap();
    let undisturbed = dir.path().join("whole");
    train(&mut Run::start(recipe(), Some(&undisturbed)).unwrap(), None).unwrap();
    let names = [
        "recipe.toml",
        "metrics.jsonl",
        "checkpoint.safetensors",
        "model.safetensors",
        "summary.json",
    ];

    for kill in 1..=23 {
        let killed = dir.path().join(kill.to_string());
        train(&mut Run::start(recipe(), Some(&killed)).unwrap(), Some(kill)).unwrap_err();
        // What a kill in the middle of writing leaves: half a line, and temporary files.
        let mut half = fs::read(killed.join("metrics.jsonl")).unwrap();
        half.extend(b"{\"kind\":\"tra");
        fs::write(killed.join("metrics.jsonl"), half).unwrap();
        fs::write(killed.join(".checkpoint.safetensors.metatape-tmp"), "half").unwrap();

        // Killed again on the way, then undisturbed.
        if kill < 20 {
            train(&mut Run::resume(&killed, &[]).unwrap(), Some(kill + 3)).unwrap_err();
        }
        train(&mut Run::resume(&killed, &[]).unwrap(), None).unwrap();
        for name in names {
            let (found, expected) = (fs::read(killed.join(name)), fs::read(undisturbed.join(name)));
            assert!(found.unwrap() == expected.unwrap(), "{name} after a kill at step {kill}");
        }
        assert_eq!(
            fs::read_dir(&killed).unwrap().count(),
            names.len() + 1,
            "something else stayed"
        );
    }
}

#[test]
fn a_finished_run_resumed_changes_nothing_and_metrics_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r");
    train(&mut Run::start(recipe(), Some(&path)).unwrap(), None).unwrap();
    let before = fs::read(path.join("metrics.jsonl")).unwrap();
    train(&mut Run::resume(&path, &[]).unwrap(), None).unwrap();
    assert_eq!(before, fs::read(path.join("metrics.jsonl")).unwrap());
    let lines = metrics::read(&path.join("metrics.jsonl")).unwrap();
    assert_eq!(lines.len(), 23 + 5);
    assert!(matches!(&lines[4], Line::Evaluate { step: 4, ci95: None, .. }), "{:?}", lines[4]);
    assert_eq!(Summary::load(&path).unwrap().results[0].n, 10);
}

#[test]
fn what_does_not_belong_together_is_not_resumed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r");
    train(&mut Run::start(recipe(), Some(&path)).unwrap(), Some(12)).unwrap_err();
    let change = [recipe::Override::parse("inner_lr=0.5").unwrap()];
    let why = Run::resume(&path, &change).unwrap_err();
    assert!(matches!(&why, Error::Input(text) if text.contains("another recipe")), "{why}");
    // Where it runs may change.
    drop(Run::resume(&path, &[recipe::Override::parse("threads=1").unwrap()]).unwrap());

    let run = Run::resume(&path, &[]).unwrap();
    let why = Run::resume(&path, &[]).unwrap_err();
    assert!(why.to_string().contains("another process is writing"), "{why}");
    drop(run);

    let program = std::process::Command::new(env!("CARGO_BIN_EXE_metatape"))
        .args(["run", "omniglot-5w1s", "--resume", path.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(program.status.code(), Some(2));
    let said = String::from_utf8(program.stderr).unwrap();
    assert!(said.contains("holds a run of sinusoid, not of omniglot-5w1s"), "{said}");

    fs::write(path.join("metrics.jsonl"), "").unwrap();
    let why = Run::resume(&path, &[]).unwrap_err();
    assert!(
        matches!(&why, Error::Input(text) if text.contains("the checkpoint beside it knows of")),
        "{why}"
    );
}

#[test]
fn a_diverged_run_says_step_and_task_and_keeps_its_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r");
    let mut run = Run::start(recipe(), Some(&path)).unwrap();
    train(&mut run, Some(12)).unwrap_err();
    let kept = fs::read(path.join("checkpoint.safetensors")).unwrap();
    let why = run.diverged(1, 12, 3, "the query loss");
    assert_eq!(why.exit_code(), 1);
    assert!(why.to_string().contains("the query loss is not finite at step 12, task 3"), "{why}");
    assert_eq!(kept, fs::read(path.join("checkpoint.safetensors")).unwrap());
    assert!(matches!(run.lines().unwrap().last(), Some(Line::Event { step: 12, .. })));
}

#[test]
fn a_write_that_fails_leaves_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let why = files::write_atomic(&dir.path().join("missing/file"), b"x").unwrap_err();
    assert_eq!(why.exit_code(), 2, "{why}");
    let folder = dir.path().join("folder");
    fs::create_dir(&folder).unwrap();
    files::write_atomic(&folder, b"x").unwrap_err();
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["folder"], "a temporary file stayed");

    let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    assert_eq!(files::io_error("write", &folder, &full).exit_code(), 3);
}

#[test]
fn processes_that_start_at_once_get_different_folders() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("7")).unwrap();
    fs::create_dir(dir.path().join("notes")).unwrap();
    let mut made: Vec<_> = std::thread::scope(|scope| {
        let each: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    (0..20).map(|_| folder::next_free(dir.path()).unwrap()).collect::<Vec<_>>()
                })
            })
            .collect();
        each.into_iter().flat_map(|t| t.join().unwrap()).collect()
    });
    made.sort();
    made.dedup();
    assert_eq!(made.len(), 160);
    assert!(made.contains(&dir.path().join("8")) && made.contains(&dir.path().join("167")));
}

#[test]
fn a_checkpoint_is_due_by_time_by_steps_or_both() {
    let s = Duration::from_secs;
    let mut never = Policy::new(0.0, 0);
    assert!(!never.due(1000, s(100_000)));
    let mut by_steps = Policy::new(0.0, 50);
    assert!(by_steps.due(50, s(0)) && !by_steps.due(51, s(999)) && by_steps.due(100, s(0)));
    let mut by_time = Policy::new(60.0, 0);
    assert!(
        !by_time.due(1, s(59))
            && by_time.due(2, s(60))
            && !by_time.due(3, s(119))
            && by_time.due(4, s(121))
    );
}
