//! `metatape predict` and `metatape adapt`, as a person types them: every head answers for any picture, an adapted
//! model knows its classes and forgets nothing, leave-one-out leaves out, and what cannot work is said in one line.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use metatape::data::picture::{self, Rgb};
use metatape::data::support;
use metatape::exec::{Device, Options};
use metatape::nn::{
    Boxes, Classes, Embedding, Head, HeadKind, Labels, Mask, MultiTask, Params, Pool, Small, Trunk,
    Values, Weights,
};
use metatape::predict::{Answer, Card, Model, Predictor, adapt, input};
use metatape::random::{Stream, stream};
use metatape::report::Picture;
use metatape::report::overlay::png;
use metatape::tape::Tape;
use serde_json::{Value, json};

/// A network with every kind of head and random weights: what it says means nothing, but is a function of the picture.
fn model() -> Model {
    let head = |name: &str, reads: &str, kind| Head::new(name, reads, kind);
    let network = MultiTask {
        image: [32, 48, 3],
        trunk: Trunk::Small(Small { channels: 8, stem: 0, groups: 2 }),
        embedding: Some(Embedding { domains: 3, width: 4 }),
        heads: vec![
            head("kind", "block4", HeadKind::Classes(Classes::new(3, Pool::Mean))),
            head("signal", "block4", HeadKind::Classes(Classes::new(2, Pool::LogSumExp))),
            head("weather", "block4", HeadKind::Labels(Labels::new(2))),
            head("posts", "block3", HeadKind::Labels(Labels { cells: true, ..Labels::new(1) })),
            head("obstacles", "block3", HeadKind::Boxes(Boxes::new(2))),
            head("road", "block4", HeadKind::Mask(Mask::new(3, "block1"))),
            head("path", "block4", HeadKind::Values(Values { count: 2 })),
        ],
    };
    let names = |list: &[&str]| list.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    let classes = BTreeMap::from([
        ("kind".into(), names(&["street", "highway", "lane"])),
        ("signal".into(), names(&["red", "green"])),
        ("weather".into(), names(&["rain", "fog"])),
        ("posts".into(), names(&["pole"])),
        ("obstacles".into(), names(&["car", "pedestrian"])),
        ("road".into(), names(&["road", "pavement", "other"])),
        ("path".into(), names(&["curvature", "offset"])),
    ]);
    let mut weights = Weights::init(&network.spec(), 4);
    for w in &mut weights.0 {
        // Zeros would hide a scale and shift that is not read, and boxes begin at a probability of 2 %.
        let mut random = Stream::new(9, stream::FREE, w.values.len() as u32, 0);
        if w.name.contains("film") {
            w.values.iter_mut().for_each(|v| *v = random.uniform() - 0.5);
        }
        if w.name.contains("obstacles/class/bias") {
            w.values.fill(-0.5);
        }
    }
    let card = Card {
        title: "every kind of head".into(),
        network,
        classes,
        mean: [0.4, 0.5, 0.6],
        std: [0.2, 0.25, 0.3],
        domains: BTreeMap::new(),
    };
    Model { card, weights, recipe: Some("name = \"none\"\n".into()) }
}

fn saved(dir: &Path) -> PathBuf {
    let path = dir.join("model.safetensors");
    model().save(&path).unwrap();
    path
}

fn metatape(dir: &Path, args: &[&str]) -> Output {
    let mut command = assert_cmd::Command::cargo_bin("metatape").unwrap();
    command.current_dir(dir).args(args).env_remove("METATAPE_DATA").output().unwrap()
}

#[track_caller]
fn works(dir: &Path, args: &[&str]) -> (String, String) {
    let out = metatape(dir, args);
    let (stdout, stderr) =
        (String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap());
    assert!(out.status.success(), "{args:?}: {stderr}");
    (stdout, stderr)
}

#[track_caller]
fn complaint(dir: &Path, args: &[&str]) -> String {
    let out = metatape(dir, args);
    let stderr = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(2), "{args:?}: {stderr}");
    assert_eq!(
        stderr.matches('\n').count(),
        1,
        "{args:?} said more or less than one line: {stderr}"
    );
    assert!(out.stdout.is_empty(), "{args:?} wrote a result");
    stderr
}

/// A picture of `width` × `height`: one colour with noise, different for each `seed`.
fn drawn([height, width]: [usize; 2], colour: [u8; 3], seed: u32) -> Rgb {
    let mut random = Stream::new(seed, stream::FREE, 0, 0);
    let pixel = |c: u8, random: &mut Stream| {
        (i32::from(c) + random.below(61) as i32 - 30).clamp(0, 255) as u8
    };
    let pixels = (0..height * width).flat_map(|_| colour.map(|c| pixel(c, &mut random))).collect();
    Rgb { height, width, pixels }
}

fn write(path: &Path, picture: &Rgb) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let (width, height) = (picture.width as u32, picture.height as u32);
    fs::write(path, png(&Picture { width, height, channels: 3, pixels: picture.pixels.clone() }))
        .unwrap();
}

const COLOURS: [(&str, [u8; 3]); 3] =
    [("blue", [60, 90, 190]), ("green", [70, 170, 80]), ("red", [190, 70, 60])];

/// `count` pictures a class; sizes differ.
fn write_set(folder: &Path, classes: &[(&str, [u8; 3])], count: u32, seed: u32) {
    for (i, (name, colour)) in classes.iter().enumerate() {
        for n in 0..count {
            let size = [40 + 7 * n as usize, 60 + 5 * i];
            let picture = drawn(size, *colour, seed + 100 * i as u32 + n);
            write(&folder.join(name).join(format!("{n:02}.png")), &picture);
        }
    }
}

fn cpu() -> Options {
    Options { device: Device::Cpu, threads: Some(2), ..Options::default() }
}

// Prediction.

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

#[test]
fn a_person_sees_every_head_as_text_as_json_and_drawn() {
    let dir = tempfile::tempdir().unwrap();
    saved(dir.path());
    let files = ["a.png", "b/a.png", "b/c <x>.png"];
    for (i, file) in files.iter().enumerate() {
        write(&dir.path().join(file), &drawn([30 + 40 * i, 100], [120, 130, 90], i as u32));
    }
    // A folder of a run will do, and folders of pictures.
    let (stdout, stderr) = works(dir.path(), &["predict", ".", "a.png", "b", "--device", "cpu"]);
    for text in [
        "a.png  100 x 30\n",
        "c <x>.png  100 x 110\n",
        "  kind       ",
        "street",
        "weather",
        "curvature",
        "obstacles  ",
    ] {
        assert!(stdout.contains(text), "{text:?} is not in\n{stdout}");
    }
    assert!(stderr.contains("one picture: ") && stderr.contains("(median of 3)"), "{stderr}");

    let (stdout, stderr) = works(
        dir.path(),
        &[
            "predict",
            "model.safetensors",
            "a.png",
            "b",
            "--out",
            "drawn",
            "--json",
            "--device",
            "cpu",
            "--score",
            "0.2",
        ],
    );
    let all: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(all["title"], "every kind of head");
    assert_eq!((&all["latency_ms"]["n"], &all["failed"]), (&json!(3), &json!([])));
    assert!(all["latency_ms"]["p50"].as_f64().unwrap() > 0.0);
    assert!(stderr.contains("drawn: "), "{stderr}");
    for (picture, file) in all["pictures"].as_array().unwrap().iter().zip(files) {
        assert_eq!(Path::new(picture["path"].as_str().unwrap()), Path::new(file));
        let heads = &picture["heads"];
        for (head, kind) in [
            ("kind", "classes"),
            ("signal", "classes"),
            ("weather", "labels"),
            ("posts", "cells"),
            ("obstacles", "boxes"),
            ("road", "mask"),
            ("path", "values"),
        ] {
            assert_eq!(heads[head]["kind"], kind);
        }
        let shares: f64 = heads["road"]["shares"]
            .as_object()
            .unwrap()
            .values()
            .map(|v| v.as_f64().unwrap())
            .sum();
        assert!((shares - 1.0).abs() < 1e-5, "shares of a mask add up to 1");
        // What is drawn has the picture's proportions and is no longer the picture.
        let drawn = dir.path().join(picture["drawn"].as_str().unwrap());
        let overlay = picture::read(&drawn).unwrap();
        let (width, height) = (
            picture["width"].as_u64().unwrap() as usize,
            picture["height"].as_u64().unwrap() as usize,
        );
        assert_eq!(
            (overlay.width, overlay.height),
            (width * (640 / width.max(height)), height * (640 / width.max(height)))
        );
    }
    let page = fs::read_to_string(dir.path().join("drawn/index.html")).unwrap();
    assert!(
        page.contains("c &lt;x&gt;.png")
            && page.contains("src=\"c__x_.png\"")
            && page.contains("src=\"a-2.png\"")
    );
    assert!(!page.contains("http"), "a page asks for nothing elsewhere");

    let (stdout, _) = works(
        dir.path(),
        &["predict", ".", "a.png", "--head", "path", "--head", "kind", "--device", "cpu"],
    );
    assert_eq!(stdout.lines().count(), 3, "{stdout}");
}

/// The seven ways in which a picture is not what a network expects, all of which work.
#[test]
fn the_same_scene_in_any_file_gets_the_same_answer() {
    let dir = tempfile::tempdir().unwrap();
    saved(dir.path());
    let scene = drawn([64, 96], [120, 130, 90], 5);
    let grey: Vec<u8> = scene.pixels.chunks_exact(3).map(|p| p[1]).collect();
    let encode = |name: &str, colour, depth, raw: &[u8], size: [u32; 2], exif: Option<u8>| {
        let mut file = vec![];
        let mut encoder = png::Encoder::new(&mut file, size[1], size[0]);
        encoder.set_color(colour);
        encoder.set_depth(depth);
        let mut writer = encoder.write_header().unwrap();
        if let Some(turn) = exif {
            let block = [&b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"[..], &[turn], &[0; 6]]
                .concat();
            writer.write_chunk(png::chunk::eXIf, &block).unwrap();
        }
        writer.write_image_data(raw).unwrap();
        drop(writer);
        fs::write(dir.path().join(name), file).unwrap();
    };
    use png::{BitDepth::*, ColorType::*};
    let wide: Vec<u8> = scene.pixels.iter().flat_map(|&v| [v, 77]).collect();
    let alpha: Vec<u8> =
        scene.pixels.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect();
    let greys: Vec<u8> = grey.iter().flat_map(|&v| [v; 3]).collect();
    // Turned by 90 degrees to the left, with a note to turn it back.
    let turned: Vec<u8> = (0..96 * 64)
        .flat_map(|i| {
            let (y, x) = (i / 64, i % 64);
            let at = (x * 96 + 95 - y) * 3;
            scene.pixels[at..at + 3].to_vec()
        })
        .collect();
    encode("plain.png", Rgb, Eight, &scene.pixels, [64, 96], None);
    encode("wide.png", Rgb, Sixteen, &wide, [64, 96], None);
    encode("alpha.png", Rgba, Eight, &alpha, [64, 96], None);
    encode("turned.png", Rgb, Eight, &turned, [96, 64], Some(6));
    encode("grey.png", Grayscale, Eight, &grey, [64, 96], None);
    encode("greys.png", Rgb, Eight, &greys, [64, 96], None);
    // Every pixel as a square of four: areas average back to the same.
    let large: Vec<u8> = (0..128 * 192)
        .flat_map(|i| {
            let at = (i / 192 / 2 * 96 + i % 192 / 2) * 3;
            scene.pixels[at..at + 3].to_vec()
        })
        .collect();
    encode("large.png", Rgb, Eight, &large, [128, 192], None);
    let ask = |file: &str| {
        let (stdout, _) = works(
            dir.path(),
            &[
                "predict", ".", file, "--head", "kind", "--head", "path", "--json", "--device",
                "cpu",
            ],
        );
        serde_json::from_str::<Value>(&stdout).unwrap()["pictures"][0]["heads"].clone()
    };
    let plain = ask("plain.png");
    for same in ["wide.png", "alpha.png", "turned.png"] {
        assert_eq!(ask(same), plain, "{same}");
    }
    assert_eq!(ask("grey.png"), ask("greys.png"));
    assert_ne!(ask("grey.png"), plain);
    let (a, b) = (
        ask("large.png")["path"]["values"]["offset"].as_f64(),
        plain["path"]["values"]["offset"].as_f64(),
    );
    // Sums of four equal numbers instead of one, in f32.
    assert!((a.unwrap() - b.unwrap()).abs() < 1e-5, "{a:?} {b:?}");
}

#[test]
fn what_is_asked_wrongly_gets_one_line_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    saved(dir.path());
    let at = |name: &str| dir.path().join(name);
    write(&at("a.png"), &drawn([9, 9], [1, 2, 3], 1));
    fs::write(at("no.png"), "no picture").unwrap();
    fs::write(at("empty.png"), "").unwrap();
    fs::create_dir(at("folder")).unwrap();
    let mut huge = vec![];
    let mut encoder = png::Encoder::new(&mut huge, 20_000, 20_000);
    encoder.set_color(png::ColorType::Rgb);
    encoder
        .write_header()
        .unwrap()
        .write_chunk(png::chunk::IDAT, &[0x78, 0x9c, 3, 0, 0, 0, 0, 1])
        .unwrap();
    fs::write(at("huge.png"), huge).unwrap();
    let whole = fs::read(at("a.png")).unwrap();
    fs::write(at("cut.png"), &whole[..whole.len() / 2]).unwrap();
    let before = fs::read_dir(dir.path()).unwrap().count();
    for (args, expected) in [
        (&["nowhere", "a.png"][..], "nowhere: no such file"),
        (&["a.png", "a.png"], "a.png: not a model"),
        (&["folder", "a.png"], "model.safetensors: no such file"),
        (&[".", "nowhere.png"], "nowhere.png: cannot be read"),
        (&[".", "no.png"], "no.png: not a picture, expected a PNG or JPEG picture"),
        (&[".", "empty.png"], "an empty file"),
        (&[".", "cut.png"], "cut short"),
        (&[".", "huge.png"], "20000 x 20000 pixels, expected at most"),
        (&[".", "folder"], "folder: no PNG or JPEG in it"),
        (
            &[".", "a.png", "--head", "sign"],
            "the model has no head \"sign\"; it has \"kind\", \"signal\"",
        ),
        (&[".", "a.png", "--score", "7"], "expected a probability"),
        (&[".", "a.png", "--device", "tpu"], "expected auto, cpu"),
        (&["."], "required arguments"),
    ] {
        let line = complaint(dir.path(), &[&["predict"][..], args].concat());
        assert!(line.contains(expected), "{args:?} said {line:?}, not {expected:?}");
    }
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        before,
        "a refused command left something"
    );
    // One bad picture among good ones: those are answered, and the end says what was not.
    let out =
        metatape(dir.path(), &["predict", ".", "a.png", "no.png", "cut.png", "--device", "cpu"]);
    let (stdout, stderr) =
        (String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap());
    assert_eq!(out.status.code(), Some(2));
    assert!(
        stdout.starts_with("a.png")
            && stderr.contains("2 of 3 pictures could not be read, the first: no.png"),
        "{stderr}"
    );
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
