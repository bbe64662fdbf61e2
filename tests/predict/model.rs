//! A model from within a program: it answers as the reference does, its file is read back or refused, and leave-one-out
//! leaves out.

use std::fs;

use metatape::data::{picture, support};
use metatape::nn::Params;
use metatape::predict::{Answer, Model, Predictor, adapt, input};
use metatape::random::{Stream, stream};
use metatape::tape::Tape;
use serde_json::{Value, json};

use super::{cpu, drawn, model, saved, write_set};

#[test]
fn every_head_answers_as_the_reference_does() {
    let model = model();
    let picture = drawn([100, 90], [120, 130, 90], 1);
    let heads: Vec<usize> = (0..model.card.network.heads.len()).collect();
    let mut on_cpu = Predictor::new(&model, &heads, &cpu()).unwrap();
    let prediction = on_cpu.predict(&picture, 0.3).unwrap();

    // The same network written by hand, in f64, without an embedding's mixture: the mean of its rows.
    let tape = Tape::new();
    let weights = Params::constants(&tape, &model.weights);
    let (values, placement) = input(&model.card, &picture);
    let x = tape.data([1, 1, 32, 48, 3], &values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>());
    let outputs = model.card.network.answer(&weights, x, None).heads;
    let expected = metatape::exec::reference::evaluate(&tape, &[], &outputs);
    for (i, (name, answer)) in prediction.answers.iter().enumerate() {
        let output: Vec<f32> = expected[i].iter().map(|&v| v as f32).collect();
        let expected = Answer::read(&model.card.network, i, &output, &placement, 0.3);
        // f32 sums of a few hundred numbers near 1, six layers deep.
        let near = |a: &[f32], b: &[f32]| {
            assert_eq!(a.len(), b.len(), "{name}");
            assert!(
                a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4 * (1.0 + b.abs())),
                "{name}: {a:?} {b:?}"
            );
        };
        match (answer, &expected) {
            (Answer::Classes(a), Answer::Classes(b)) => {
                near(a, b);
                assert!((a.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            }
            (Answer::Labels(a), Answer::Labels(b)) | (Answer::Values(a), Answer::Values(b)) => {
                near(a, b)
            }
            (Answer::Cells { values: a, size, labels }, Answer::Cells { values: b, .. }) => {
                assert_eq!((size, *labels), (&[4, 6], 1));
                near(a, b);
            }
            (Answer::Boxes(a), Answer::Boxes(b)) => {
                assert!(!a.is_empty(), "the picture is chosen so that something is found");
                assert_eq!(a.len(), b.len());
                for (a, b) in a.iter().zip(b) {
                    assert_eq!(a.class, b.class);
                    near(&[a.score], &[b.score]);
                    // Pixels of a picture three times as large as what the network sees.
                    assert!(
                        a.bounds.iter().zip(b.bounds).all(|(a, b)| (a - b).abs() < 0.05),
                        "{a:?} {b:?}"
                    );
                    assert!(
                        a.bounds[2] <= 90.0
                            && a.bounds[3] <= 100.0
                            && a.bounds[0] >= 0.0
                            && a.bounds[1] >= 0.0
                    );
                }
            }
            (Answer::Mask { classes: a, size }, Answer::Mask { classes: b, .. }) => {
                assert_eq!(*size, [32, 48]);
                let other = a.iter().zip(b).filter(|(a, b)| a != b).count();
                assert!(other <= 3, "{other} of 1536 pixels; ties of two classes may turn");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

// Model files.

#[test]
fn a_model_file_is_read_back_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = saved(dir.path());
    assert_eq!(Model::load(&path).unwrap(), model());
    let first = fs::read(&path).unwrap();
    saved(dir.path());
    assert_eq!(fs::read(&path).unwrap(), first, "the same model is the same bytes");
}

#[test]
fn a_model_that_is_not_what_it_says_gets_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.safetensors");
    let tensors: Vec<_> = model()
        .weights
        .iter()
        .map(|w| (w.name.clone(), w.shape.dims().to_vec(), w.values.clone()))
        .collect();
    let good = model().metadata();
    let mut cases: Vec<(Value, &str)> = vec![
        (
            json!({ "version": "0.1.0", "recipe": "" }),
            "a model without a card, as few-shot recipes leave it",
        ),
        (json!({ "card": 5 }), "its card is not understood"),
        (json!({ "card": {} }), "its card is not understood (missing field"),
    ];
    let mut with = |change: &dyn Fn(&mut Value), expected| {
        let mut entry = good.clone();
        change(&mut entry["card"]);
        cases.push((entry, expected));
    };
    with(&|card| card["std"] = json!([0.0, 1.0, 1.0]), "its card is wrong: mean");
    with(&|card| card["mean"] = json!([0.0]), "its card is not understood");
    with(
        &|card| card["network"]["image"] = json!([4096, 4096, 3]),
        "it wants pictures of 4096x4096x3",
    );
    with(&|card| card["network"]["image"] = json!([32, 48, 1]), "it wants pictures of 32x48x1");
    with(&|card| card["network"]["image"] = json!([0, 48, 3]), "the network cannot be built");
    with(&|card| card["network"]["trunk"]["channels"] = json!(16), "expected [1, 5, 5, 3, 16]");
    with(
        &|card| card["network"]["trunk"]["channels"] = json!(u32::MAX),
        "the network cannot be built",
    );
    with(&|card| card["network"]["heads"][0]["reads"] = json!("block9"), "the trunk has block1");
    with(
        &|card| card["network"]["heads"][0]["name"] = json!("kinds"),
        "head kinds gives 3 answers and has 0 names",
    );
    with(
        &|card| card["classes"]["kind"] = json!(["a"]),
        "head kind gives 3 answers and has 1 names",
    );
    with(&|card| card["domains"] = json!({ "kind": [1.0] }), "head kind mixes 1 domains of 3");
    with(&|card| card["surprise"] = json!(1), "its card is not understood (unknown field");
    for (entry, expected) in cases {
        metatape::run::save_model(&path, &tensors, &entry).unwrap();
        let why = Model::load(&path).unwrap_err();
        let text = why.to_string();
        assert_eq!((why.exit_code(), text.lines().count()), (2, 1), "{text}");
        assert!(text.contains(expected), "{text:?}, expected {expected:?}");
    }
    let mut broken = tensors.clone();
    broken[0].2[5] = f32::NAN;
    metatape::run::save_model(&path, &broken, &good).unwrap();
    assert!(Model::load(&path).unwrap_err().to_string().contains("not finite"));
    metatape::run::save_model(&path, &tensors[1..], &good).unwrap();
    assert!(Model::load(&path).unwrap_err().to_string().contains("which the file does not hold"));
    // A file of another program.
    let foreign =
        safetensors::serialize(Vec::<(&str, safetensors::tensor::TensorView)>::new(), None)
            .unwrap();
    fs::write(&path, foreign).unwrap();
    assert!(Model::load(&path).unwrap_err().to_string().contains("of another program"));
}

#[test]
fn a_damaged_model_file_gives_a_model_or_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let whole = fs::read(saved(dir.path())).unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let path = dir.path().join("damaged.safetensors");
    let mut refused = 0;
    for round in 0..600 {
        let mut random = Stream::new(4, stream::FREE, 0, round);
        let mut bytes = whole.clone();
        match round % 3 {
            0 => bytes.truncate(random.below(whole.len())),
            // The header holds the card.
            _ => (0..1 + round % 4).for_each(|_| bytes[random.below(header)] = random.word() as u8),
        }
        fs::write(&path, bytes).unwrap();
        if let Err(why) = Model::load(&path) {
            assert_eq!(why.exit_code(), 2);
            refused += 1;
        }
    }
    assert!(refused > 500, "{refused} of 600");
}

// Adaptation.

/// A picture that is left out leaves no trace: its verdict is that of a model which never saw it.
#[test]
fn leave_one_out_is_what_learning_without_the_picture_gives() {
    let dir = tempfile::tempdir().unwrap();
    let model = model();
    // Two colours so near each other that some pictures are told wrong.
    let near = [("a", [120, 120, 120]), ("b", [123, 120, 119])];
    write_set(dir.path(), &near, 4, 40);
    let set = support::read(dir.path(), None).unwrap();
    let all = adapt(&model, "own", set.clone(), &cpu()).unwrap();
    let left_out = all.left_out.unwrap();
    assert_eq!((left_out.folds, left_out.asked, left_out.majority), (8, 8, 0.5));
    let mut right = [0, 0];
    for i in 0..set.examples.len() {
        let mut rest = set.clone();
        let example = rest.examples.remove(i);
        let without = adapt(&model, "own", rest, &cpu()).unwrap();
        let picture = picture::read(&example.path).unwrap();
        let told = |model: &Model| {
            let mut predictor = Predictor::new(model, &[7], &cpu()).unwrap();
            match &predictor.predict(&picture, 0.5).unwrap().answers[0].1 {
                Answer::Classes(p) => usize::from((p[1] > p[0]) == (example.class == 1)),
                other => panic!("{other:?}"),
            }
        };
        right[0] += told(&without.start);
        right[1] += told(&without.learned.unwrap());
    }
    assert_eq!(right, [left_out.before, left_out.after]);
    assert!(
        right[0] < 10 && right[1] < 10,
        "some are told wrong, or the test shows nothing: {right:?}"
    );
}

#[test]
fn labels_without_meaning_gain_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let same = [("a", [120, 120, 120]), ("b", [120, 120, 120])];
    write_set(dir.path(), &same, 8, 60);
    let set = support::read(dir.path(), None).unwrap();
    let left_out = adapt(&model(), "own", set, &cpu()).unwrap().left_out.unwrap();
    // Sizes differ with the number within a class alone. Sixteen coins: 13 or more come up in 11 of 1000 throws.
    assert!(left_out.before < 13 && left_out.after < 13, "{left_out:?}");
}
