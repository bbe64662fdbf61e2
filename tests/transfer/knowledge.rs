//! Knowledge files: they come back whole, hold no example unasked, and believe nothing that a file says.

use super::noise;
use metatape::error::Error;
use metatape::nn::{Init, Spec, Weights};
use metatape::random::Stream;
use metatape::transfer::Knowledge;
use metatape::transfer::knowledge::{MOST_BYTES, fingerprint, fingerprint_of};
use proptest::prelude::*;
use serde_json::json;
use std::fs;
use std::path::Path;

const EXAMPLES: usize = 6;
/// Height, width and channels of an example; as many numbers as a layer has, so that a leak would fit in.
const IMAGE: [usize; 3] = [4, 4, 1];

fn spec() -> Vec<Spec> {
    vec![
        Spec::new("trunk/conv/weight", [1, 3, 3, 1, 4], Init::He),
        Spec::new("head/signal/weight", [1, 16, 3], Init::He),
    ]
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&v| v as f32).collect()
}

fn inputs() -> Vec<f32> {
    narrow(&noise(EXAMPLES * 16, 1))
}

/// Something of everything, from a network of random numbers.
fn sample() -> Knowledge {
    let weights = Weights::init(&spec(), 3);
    let network = json!({ "kind": "conv", "image": IMAGE });
    let mut k = Knowledge::new(network, fingerprint(&weights, "trunk/"), &inputs(), EXAMPLES);
    k.temperature = 2.0;
    let (teacher, other) = (narrow(&noise(EXAMPLES * 3, 2)), narrow(&noise(EXAMPLES * 3, 3)));
    let classes = ["red", "amber", "green"];
    k.soft_targets("signal", &[&teacher, &other], &classes);
    let features = narrow(&noise(EXAMPLES * 16, 4));
    k.features("block1", &[EXAMPLES, 2, 2, 4], &features);
    k.attention("block1", &narrow(&noise(EXAMPLES * 4, 5)));
    k.parameters(&weights, |name| name.starts_with("trunk/"));
    k.prototypes("signal", &features, &[0.0, 2.0, 2.0, 0.0, 9.0, 2.0], &classes);
    k.statistics("block1", &features, 4);
    k
}

#[test]
fn knowledge_comes_back_bit_for_bit_and_is_always_the_same_file() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    sample().save(&a).unwrap();
    let loaded = Knowledge::load(&a).unwrap();
    loaded.save(&b).unwrap();
    assert_eq!(fs::read(&a).unwrap(), fs::read(&b).unwrap());
    assert_eq!(loaded.network["image"][1], 4);
    assert_eq!(loaded.classes["signal"][2], "green");
    for (name, shape, values) in sample().tensors() {
        assert_eq!(loaded.get(name), Some((&shape[..], &values[..])), "{name}");
    }
}

#[test]
fn what_is_extracted_is_what_its_name_says() {
    let k = sample();
    let features = narrow(&noise(EXAMPLES * 16, 4));
    let (shape, soft) = k.get("soft/signal").unwrap();
    assert_eq!(shape, [EXAMPLES, 3]);
    // The first probability of the first example: the mean over both teachers of softmax(z/2).
    let first = |seed| {
        let z = noise(EXAMPLES * 3, seed).into_iter().map(|z| f64::from(z as f32) / 2.0);
        let e: Vec<f64> = z.take(3).map(f64::exp).collect();
        e[0] / (e[0] + e[1] + e[2])
    };
    assert!((f64::from(soft[0]) - (first(2) + first(3)) / 2.0).abs() < 1e-6);
    let (_, count) = k.get("prototype/signal/count").unwrap();
    assert_eq!(count, [2.0, 0.0, 3.0]);
    let (_, mean) = k.get("prototype/signal/mean").unwrap();
    assert!((mean[5] - (features[5] + features[3 * 16 + 5]) / 2.0).abs() < 1e-6);
    assert_eq!(mean[16..32], [0.0; 16], "a class without examples");
    let channel: Vec<f64> = features.iter().skip(2).step_by(4).map(|&v| f64::from(v)).collect();
    let m = channel.iter().sum::<f64>() / channel.len() as f64;
    let v = channel.iter().map(|x| (x - m).powi(2)).sum::<f64>() / channel.len() as f64;
    assert!((f64::from(k.get("statistics/block1/mean").unwrap().1[2]) - m).abs() < 1e-6);
    assert!((f64::from(k.get("statistics/block1/variance").unwrap().1[2]) - v).abs() < 1e-6);
}

/// The first stretch of a file's numbers, at any byte, that follows an example: |correlation| above .98, so that
/// neither another scale nor another sign hides it. 16 independent numbers reach that by chance once in 1e10.
fn example_in(bytes: &[u8]) -> Option<(usize, usize)> {
    let x = inputs();
    let centred = |v: &[f64]| {
        let mean = v.iter().sum::<f64>() / v.len() as f64;
        let v: Vec<f64> = v.iter().map(|x| x - mean).collect();
        let size = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        v.iter().map(|x| x / size).collect::<Vec<_>>()
    };
    let wide = |v: &[f32]| v.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
    let examples: Vec<Vec<f64>> = x.chunks_exact(16).map(|e| centred(&wide(e))).collect();
    (0..bytes.len().saturating_sub(63)).find_map(|at| {
        let quads = bytes[at..at + 64].chunks_exact(4);
        let stretch: Vec<f32> =
            quads.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let stretch = centred(&wide(&stretch));
        let along = |e: &Vec<f64>| e.iter().zip(&stretch).map(|(a, b)| a * b).sum::<f64>().abs();
        examples.iter().position(|e| along(e) > 0.98).map(|example| (at, example))
    })
}

#[test]
fn no_example_is_in_the_file_unless_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("k");
    let bytes = |k: &Knowledge| {
        k.save(&path).unwrap();
        fs::read(&path).unwrap()
    };
    let quiet = bytes(&sample());
    assert_eq!(example_in(&quiet), None);
    let numbers: usize = sample().tensors().iter().map(|(.., values)| values.len()).sum();
    assert!(quiet.len() < 4 * numbers + 4096, "{} bytes for {numbers} numbers", quiet.len());
    // The search would find one: it does where it was asked for, also turned and scaled.
    let mut asked = sample();
    asked.examples_themselves(&[&[EXAMPLES], &IMAGE[..]].concat(), &inputs());
    assert!(example_in(&bytes(&asked)).is_some());
    let mut hidden = sample();
    let turned: Vec<f32> = inputs().iter().map(|v| 3.0 - 0.1 * v).collect();
    hidden.features("input", &[EXAMPLES, 16], &turned);
    assert!(example_in(&bytes(&hidden)).is_some());
}

#[test]
fn knowledge_of_another_trunk_or_of_other_examples_says_so_in_one_line() {
    let k = sample();
    let (ours, other) = (Weights::init(&spec(), 3), Weights::init(&spec(), 4));
    assert!(k.same_trunk(&fingerprint(&ours, "trunk/")).is_ok());
    let mut other_head = ours.clone();
    other_head.0[1] = other.0[1].clone();
    assert!(
        k.same_trunk(&fingerprint(&other_head, "trunk/")).is_ok(),
        "another head, the same trunk"
    );
    assert_eq!(k.soft_targets_for("signal", &inputs()).unwrap().len(), EXAMPLES * 3);
    let changed = inputs().iter().map(|v| v + 1e-3).collect::<Vec<f32>>();
    let wider = [Spec::new("trunk/conv/weight", [1, 3, 3, 1, 8], Init::He)];
    let foreign = [Spec::new("block9/weight", [1, 2], Init::He)];
    for (found, said) in [
        (k.same_trunk(&fingerprint(&other, "trunk/")).err(), "is of another trunk (fingerprint "),
        (k.soft_targets_for("signal", &changed).err(), "about other examples"),
        (
            k.soft_targets_for("road", &inputs()).err(),
            "no soft targets of \"road\"; it has soft/signal",
        ),
        (
            k.parameters_for(&wider).err(),
            "its trunk/conv/weight has the shape [1, 3, 3, 1, 4], expected [1, 3, 3, 1, 8]",
        ),
        (k.parameters_for(&foreign).err(), "no parameter of this network"),
    ] {
        let why = found.expect("refused");
        let text = why.to_string();
        assert!(text.contains(said) && !text.contains('\n') && why.exit_code() == 2, "{text}");
    }
    let taken = k.parameters_for(&spec()).unwrap();
    assert_eq!(taken.0[..], ours.0[..1], "the trunk alone: the head was not extracted");
    assert_ne!(fingerprint_of(&inputs()), fingerprint_of(&changed));
}

/// Bad input, said in one line that names the file.
#[track_caller]
fn refused(path: &Path) -> String {
    match Knowledge::load(path) {
        Err(e @ Error::Input(_)) => {
            let text = e.to_string();
            assert!(text.contains(path.to_str().unwrap()), "{text}");
            assert!(!metatape::cli::output::one_line(&text).contains('\n'));
            text
        }
        other => panic!("expected bad input, found {other:?}"),
    }
}

#[test]
fn a_file_cut_short_or_with_a_flipped_bit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("k");
    assert!(refused(&path).contains("cannot be read"));
    sample().save(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    let at = |length| (whole.len() * length) / 97;
    for cut in (0..97).map(at) {
        fs::write(&path, &whole[..cut]).unwrap();
        refused(&path);
    }
    let mut random = Stream::new(7, 16, 0, 0);
    for _ in 0..600 {
        let mut flipped = whole.clone();
        let bit = random.below(whole.len() * 8);
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &flipped).unwrap();
        // A flip that changes nothing (a letter of an escape) may pass, one that changes anything not.
        if let Ok(loaded) = Knowledge::load(&path) {
            assert_eq!(loaded.tensors().len(), sample().tensors().len());
        }
    }
}

#[test]
fn files_of_others_and_lies_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("k");
    let named = |name: &str, shape: &[usize], values: &[f32]| {
        vec![(name.to_string(), shape.to_vec(), values.to_vec())]
    };
    metatape::run::save_model(&path, &named("w", &[1, 1], &[0.5]), &json!({ "model": 1 })).unwrap();
    assert!(refused(&path).contains("a model or checkpoint, not knowledge"));
    let later = json!({ "format": "metatape-knowledge-2" });
    metatape::run::save_model(&path, &named("w", &[1, 1], &[0.5]), &later).unwrap();
    assert!(refused(&path).contains("its format is \"metatape-knowledge-2\""));
    let forge = |header: &str, data: &[u8]| {
        let length = (header.len() as u64).to_le_bytes();
        fs::write(&path, [&length, header.as_bytes(), data].concat()).unwrap();
    };
    forge(r#"{"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}"#, &[0; 4]);
    refused(&path);
    forge(r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, &[0; 4]);
    assert!(refused(&path).contains("no entry \"metatape\""));
    // A file that announces more than any memory: sparse, so that it costs nothing to make.
    fs::File::create(&path).unwrap().set_len(MOST_BYTES + 1).unwrap();
    assert!(refused(&path).contains("larger than"));
}

/// What a well-formed file may still say wrong. The same check stands before writing, so a mistake is seen early.
#[test]
fn numbers_and_shapes_that_mean_nothing_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("k");
    let mut k = sample();
    k.features("broken", &[EXAMPLES, 1], &[1.0, 2.0, f32::NAN, 0.0, 0.0, 0.0]);
    let why = k.save(&path).unwrap_err().to_string();
    assert!(why.contains("\"feature/broken\" [6, 1] holds a number that is not finite"), "{why}");
    let mut k = sample();
    k.features("short", &[EXAMPLES - 1, 1], &[0.0; EXAMPLES - 1]);
    assert!(k.save(&path).unwrap_err().to_string().contains("not one entry for each example"));
    let mut k = sample();
    k.temperature = 0.0;
    assert!(k.save(&path).unwrap_err().to_string().contains("a temperature of 0"));
    let mut k = sample();
    k.classes.get_mut("signal").unwrap().pop();
    assert!(k.save(&path).unwrap_err().to_string().contains("one probability a class"));
    assert!(!path.exists());
}

#[test]
#[should_panic(expected = "feature/block1 stands in the knowledge already")]
fn the_same_layer_twice_is_a_mistake() {
    sample().features("block1", &[EXAMPLES, 1], &[0.0; EXAMPLES]);
}

proptest! {
    #[test]
    fn random_bytes_are_no_knowledge(header in ".{0,200}", data in prop::collection::vec(any::<u8>(), 0..64)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        let length = (header.len() as u64).to_le_bytes();
        fs::write(&path, [&length[..], header.as_bytes(), &data].concat()).unwrap();
        prop_assert!(Knowledge::load(&path).is_err());
        fs::write(&path, &data).unwrap();
        prop_assert!(Knowledge::load(&path).is_err());
    }
}
