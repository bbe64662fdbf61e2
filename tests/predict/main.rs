//! A finished model and one's own pictures: what it says of them, how it learns new classes from a few, and both as a
//! person types them.

mod adapt_command;
mod model;
mod predict_command;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use metatape::data::picture::Rgb;
use metatape::exec::{Device, Options};
use metatape::nn::{
    Boxes, Classes, Embedding, Head, HeadKind, Labels, Mask, MultiTask, Pool, Small, Trunk, Values,
    Weights,
};
use metatape::predict::{Card, Model};
use metatape::random::{Stream, stream};
use metatape::report::Picture;
use metatape::report::overlay::png;

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
