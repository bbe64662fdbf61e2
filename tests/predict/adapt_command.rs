//! `metatape adapt`: an adapted model knows its classes and forgets nothing, and what cannot work is said in one line.

use std::fs;

use metatape::predict::{Model, Predictor};
use serde_json::{Value, json};

use super::{COLOURS, complaint, cpu, drawn, saved, works, write, write_set};

#[test]
fn an_adapted_model_knows_its_classes_and_forgets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    saved(dir.path());
    write_set(&dir.path().join("mine"), &COLOURS, 4, 10);
    write_set(&dir.path().join("query"), &COLOURS, 3, 5000);
    fs::write(dir.path().join("mine/red/notes.txt"), "x").unwrap();
    let (stdout, stderr) = works(
        dir.path(),
        &[
            "adapt",
            ".",
            "--support",
            "mine",
            "--query",
            "query",
            "--head",
            "colour",
            "--out",
            "m.safetensors",
            "--device",
            "cpu",
        ],
    );
    for text in [
        "new head colour: 3 classes, 12 pictures (4 to 4 a class)",
        "left out, one at a time",
        "33 %",
        "12 of 12",
        "query, 9 pictures",
        "9 of 9 right",
        "model: m.safetensors",
    ] {
        assert!(stdout.contains(text), "{text:?} is not in\n{stdout}");
    }
    assert!(stderr.contains("passed over 1 files") && stderr.contains("seconds"), "{stderr}");
    let (stdout, _) = works(
        dir.path(),
        &[
            "predict",
            "m.safetensors",
            "query/red/00.png",
            "query/blue/01.png",
            "--head",
            "colour",
            "--json",
            "--device",
            "cpu",
        ],
    );
    let all: Value = serde_json::from_str(&stdout).unwrap();
    let class = |i: usize| all["pictures"][i]["heads"]["colour"]["class"].clone();
    assert_eq!((class(0), class(1)), (json!("red"), json!("blue")));

    // The old heads say what they said, to the last bit: the new one brought an embedding of its own.
    let (old, new) =
        (Model::load(dir.path()).unwrap(), Model::load(&dir.path().join("m.safetensors")).unwrap());
    assert_eq!(new.card.network.embedding.unwrap().domains, 4);
    let row = &new.weights.get("embedding/table").unwrap().values[12..];
    let mean: Vec<f32> = (0..4)
        .map(|j| {
            old.weights
                .get("embedding/table")
                .unwrap()
                .values
                .iter()
                .skip(j)
                .step_by(4)
                .sum::<f32>()
                / 3.0
        })
        .collect();
    assert!(row.iter().zip(&mean).any(|(a, b)| (a - b).abs() > 1e-3), "the embedding was learned");
    let picture = drawn([50, 70], [120, 130, 90], 77);
    let answers = [(&old, 7), (&new, 7)].map(|(model, heads)| {
        let mut predictor = Predictor::new(model, &(0..heads).collect::<Vec<_>>(), &cpu()).unwrap();
        predictor.predict(&picture, 0.3).unwrap().answers
    });
    // The mixture is a product with a table one row longer; its last share is 0.
    for ((name, a), (_, b)) in answers[0].iter().zip(&answers[1]) {
        assert_eq!(a, b, "{name}");
    }
}

#[test]
fn adaptation_gives_the_same_bytes_again_for_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    saved(dir.path());
    write_set(&dir.path().join("mine"), &COLOURS, 3, 10);
    let bytes = ["1", "2", "2"].map(|threads| {
        works(
            dir.path(),
            &[
                "adapt",
                ".",
                "--support",
                "mine",
                "--out",
                "x.safetensors",
                "--device",
                "cpu",
                "--threads",
                threads,
                "--json",
            ],
        );
        fs::read(dir.path().join("x.safetensors")).unwrap()
    });
    assert!(bytes[0] == bytes[1] && bytes[1] == bytes[2]);
}

#[test]
fn a_support_set_of_any_shape_works_or_gets_one_line() {
    let dir = tempfile::tempdir().unwrap();
    saved(dir.path());
    let at = |name: &str| dir.path().join(name);
    let args = |set: &'static str, more: &[&'static str]| {
        [&["adapt", ".", "--support", set, "--device", "cpu", "--out", "x.safetensors"][..], more]
            .concat()
    };
    // One picture a class: prototypes, and a person is told so.
    write_set(&at("single"), &COLOURS, 1, 10);
    let (stdout, _) = works(dir.path(), &args("single", &[]));
    assert!(stdout.contains("one picture a class: prototypes"), "{stdout}");
    let (stdout, _) = works(
        dir.path(),
        &["predict", "x.safetensors", "single/green/00.png", "--head", "own", "--device", "cpu"],
    );
    assert!(stdout.contains("own  green"), "{stdout}");
    // One class of one picture beside larger ones: it is learned, and not asked.
    write_set(&at("mixed"), &COLOURS[..2], 3, 10);
    write_set(&at("mixed"), &[("odd", [250, 250, 10])], 1, 10);
    let (stdout, _) = works(dir.path(), &args("mixed", &["--json"]));
    let all: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (&all["pictures"], &all["left_out"]["asked"], &all["left_out"]["folds"]),
        (&json!(7), &json!(6), &json!(7))
    );
    // A hundred classes.
    for class in 0..100u32 {
        let colour =
            [(class * 37 % 256) as u8, (class * 101 % 256) as u8, (class * 59 % 256) as u8];
        for n in 0..2 {
            write(
                &at(&format!("hundred/c{class:02}/{n}.png")),
                &drawn([24, 36], colour, class * 2 + n),
            );
        }
    }
    let (stdout, _) = works(dir.path(), &args("hundred", &["--json"]));
    let all: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (&all["classes"], &all["left_out"]["asked"], &all["embedding"]),
        (&json!(100), &json!(200), &json!(false))
    );
    // By chance 2 of 200 are right.
    assert!(
        all["left_out"]["right_before"].as_u64().unwrap() > 20,
        "ten times as often as by chance: {all}"
    );
    // A table.
    fs::write(at("single/labels.csv"), "red/00.png,warm\ngreen/00.png,cold\nblue/00.png,cold\n")
        .unwrap();
    let (stdout, _) = works(dir.path(), &args("single", &[]));
    assert!(stdout.contains("2 classes, 3 pictures (1 to 2 a class)"), "{stdout}");
    // A head that the model has goes on with its classes.
    write_set(&at("known"), &[("street", [190, 70, 60]), ("lane", [60, 90, 190])], 4, 10);
    let (stdout, _) = works(dir.path(), &args("known", &["--head", "kind"]));
    assert!(
        stdout.contains("known head kind: 2 classes, 8 pictures") && stdout.contains("as it was"),
        "{stdout}"
    );
    assert_eq!(Model::load(&at("x.safetensors")).unwrap().card.network.heads.len(), 7);

    write_set(&at("one"), &COLOURS[..1], 3, 10);
    fs::create_dir_all(at("empty/cat")).unwrap();
    write_set(&at("empty"), &COLOURS, 1, 10);
    write_set(&at("bad"), &COLOURS, 2, 10);
    fs::write(at("bad/red/00.png"), "no picture").unwrap();
    fs::remove_file(at("x.safetensors")).unwrap();
    for (line, expected) in [
        (args("nowhere", &[]), "nowhere: no such folder"),
        (args("one", &[]), "all pictures are of one class, \"blue\""),
        (args("empty", &[]), "cat: no PNG or JPEG in it"),
        (args("bad", &[]), "00.png: not a picture"),
        (
            args("mixed", &["--head", "kind"]),
            "of class \"blue\", expected one of \"street\", \"highway\", \"lane\"",
        ),
        (args("mixed", &["--head", "road"]), "head \"road\" does not tell classes"),
        (args("mixed", &["--head", "a/b"]), "a head's name is not empty and has no /"),
        (args("mixed", &["--query", "known"]), "of class \"lane\", expected one of \"blue\""),
        (args("mixed", &["--query", "nowhere"]), "nowhere: no such folder"),
        (
            vec!["adapt", ".", "--support", "mixed", "--out", "model.safetensors"],
            "is the model itself",
        ),
        (vec!["adapt", "."], "required arguments"),
        (vec!["adapt", "nowhere", "--support", "mixed"], "nowhere: no such file"),
    ] {
        let said = complaint(dir.path(), &line);
        assert!(said.contains(expected), "{line:?} said {said:?}, not {expected:?}");
    }
    assert!(!at("x.safetensors").exists(), "a refused command left something");
}
