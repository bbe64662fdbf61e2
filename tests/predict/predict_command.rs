//! `metatape predict`: every head answers for any picture, and what cannot work is said in one line.

use std::fs;
use std::path::Path;

use metatape::data::picture;
use serde_json::{Value, json};

use super::{complaint, drawn, metatape, saved, works, write};

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
