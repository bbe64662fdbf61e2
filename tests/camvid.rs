//! CamVid as it is read: right pictures beside right masks, sides that never mix, and labels derived from masks whose
//! shares are those that were measured when the set was made. The set is not part of the program: what needs it says
//! so and passes where METATAPE_DATA is not set.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use metatape::data::camvid::{CLASSES, CamVid, Frame, OBSTACLES, POSTS, STORED, Use, VOID};

/// The folder of data sets with CamVid in it, where there is one.
fn data() -> Option<PathBuf> {
    let data = std::env::var_os("METATAPE_DATA").map(PathBuf::from);
    let found = data.filter(|data| data.join("camvid/camvid_240x180.zip").is_file());
    if found.is_none() {
        // Past the test harness, which would keep it to itself.
        let _ = writeln!(std::io::stderr(), "skipped: METATAPE_DATA names no folder with camvid/");
    }
    found
}

/// Positive cells of so many frames, as a share, for each class of `classes`.
fn positive(frames: &[&Frame], classes: &[u8]) -> Vec<f64> {
    let mut sums = vec![0.0; classes.len()];
    for frame in frames {
        for (i, &on) in frame.grid([15, 20], classes, 10).iter().enumerate() {
            sums[i % classes.len()] += f64::from(u8::from(on));
        }
    }
    sums.iter().map(|sum| sum / (300.0 * frames.len() as f64)).collect()
}

#[test]
fn the_set_has_its_frames_its_sides_and_its_shares() {
    let Some(data) = data() else { return };
    let set = CamVid::load(Some(&data), [60, 80]).unwrap();
    let part = |usage| set.part(usage);
    let all = |usage| -> Vec<&Frame> { set.frames.iter().filter(|f| f.usage == usage).collect() };
    // 406 source frames to learn from, of which 101 are dense: every 15th of those, 7, is kept.
    assert_eq!(all(Use::Train).len(), 406);
    let counts = [Use::Train, Use::HeldOut, Use::Adapt, Use::Test].map(|usage| part(usage).len());
    assert_eq!(counts, [406 - 101 + 7, 171, 62, 62]);
    let dense: Vec<u32> = part(Use::Train).iter().filter(|f| f.dense).map(|f| f.number).collect();
    assert_eq!(dense, [7959, 7989, 8019, 8049, 8079, 8109, 8139], "one a second, as the others");

    // No drive on both sides.
    let drives = |uses: [Use; 2]| -> HashSet<String> {
        set.frames.iter().filter(|f| uses.contains(&f.usage)).map(|f| f.drive.clone()).collect()
    };
    let (source, target) = (drives([Use::Train, Use::HeldOut]), drives([Use::Adapt, Use::Test]));
    assert!(source.is_disjoint(&target));
    assert!(
        all(Use::Adapt).iter().all(|f| f.number < all(Use::Test)[0].number),
        "halves of one drive"
    );

    // The list of uses beside the archive says the same of every frame.
    let list = fs::read_to_string(data.join("camvid/splits.csv")).unwrap();
    let mut lines = 0;
    for line in list.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let frame = set.frames.iter().find(|f| f.name == fields[0]).unwrap();
        let usage = match (fields[4], fields[5]) {
            ("source", "train") => Use::Train,
            ("source", "heldout") => Use::HeldOut,
            ("target", "adapt") => Use::Adapt,
            ("target", "test") => Use::Test,
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(
            (&frame.drive[..], frame.number, frame.usage),
            (fields[1], fields[2].parse().unwrap(), usage)
        );
        lines += 1;
    }
    assert_eq!(lines, 701);

    // Shares of pixels in percent, as the set's README prints them: a picture beside another's mask would not show here,
    // but a class numbered wrongly or a mask shifted out of its picture would.
    let share = |frames: &[&Frame], class: u8| {
        let pixels: usize =
            frames.iter().map(|f| f.classes.iter().filter(|&&c| c == class).count()).sum();
        100.0 * pixels as f64 / (frames.len() * STORED[0] * STORED[1]) as f64
    };
    let source = [all(Use::Train), all(Use::HeldOut)].concat();
    let target = [all(Use::Adapt), all(Use::Test)].concat();
    let expected = [
        (14.8, 20.0),
        (24.6, 21.8),
        (1.03, 0.80),
        (32.0, 17.4),
        (7.1, 4.7),
        (10.1, 16.0),
        (1.13, 0.82),
        (1.6, 0.6),
        (3.5, 9.9),
        (0.59, 0.88),
        (0.54, 0.51),
        (2.9, 6.7),
    ];
    for (class, (of_source, of_target)) in expected.into_iter().enumerate() {
        let (s, t) = (share(&source, class as u8), share(&target, class as u8));
        // Printed with one or two digits behind the point.
        assert!(
            (s - of_source).abs() < 0.06 && (t - of_target).abs() < 0.06,
            "{}: {s} {t}",
            CLASSES[class]
        );
    }

    // Positive cells in percent, likewise.
    let near = |found: Vec<f64>, expected: &[f64]| {
        assert!(
            found.iter().zip(expected).all(|(f, e)| (100.0 * f - e).abs() < 0.06),
            "{found:?} {expected:?}"
        );
    };
    near(positive(&source, &OBSTACLES), &[5.5, 1.6, 1.1]);
    near(positive(&target, &OBSTACLES), &[13.5, 2.4, 1.1]);
    near(positive(&source, &POSTS), &[3.0, 3.8]);
    near(positive(&target, &POSTS), &[2.2, 2.7]);

    // Pictures belong to their masks: sky is brighter than road in every drive, by day clearly.
    let brightness = |frame: &Frame, class: u8| {
        let mask = frame.mask(set.size);
        let pixels = frame.picture.chunks_exact(3).zip(&mask).filter(|(_, c)| **c == class);
        let values: Vec<f32> = pixels.map(|(p, _)| p.iter().sum::<f32>() / 3.0).collect();
        (values.len() > 100).then(|| values.iter().sum::<f32>() / values.len() as f32)
    };
    let differences =
        set.frames.iter().filter_map(|f| Some((brightness(f, 0)? > brightness(f, 3)?) as usize));
    let differences: Vec<usize> = differences.collect();
    let brighter = differences.iter().sum::<usize>() as f64 / differences.len() as f64;
    assert!(
        brighter > 0.98,
        "sky is brighter than road in {brighter} of {} frames",
        differences.len()
    );
    assert!(set.frames.iter().all(|f| f.picture.len() == 60 * 80 * 3));
}

/// A frame whose left third is car, with void below.
fn drawn() -> Frame {
    let class = |i: usize| match (i / STORED[1], i % STORED[1]) {
        (y, _) if y >= 150 => VOID,
        (_, x) if x < 80 => OBSTACLES[0],
        _ => 3,
    };
    Frame {
        name: "0001TP_008550".into(),
        drive: "0001TP".into(),
        number: 8550,
        usage: Use::Test,
        dense: false,
        picture: vec![],
        classes: (0..STORED[0] * STORED[1]).map(class).collect(),
    }
}

#[test]
fn a_mask_at_another_size_keeps_whole_classes_and_their_places() {
    let frame = drawn();
    assert_eq!(frame.mask(STORED), frame.classes);
    for [h, w] in [[60, 80], [72, 96], [15, 20], [7, 11], [360, 480]] {
        for (i, class) in frame.mask([h, w]).into_iter().enumerate() {
            // The stored pixel under the middle, in the plane.
            let at = |p: usize, to: usize, from: usize| {
                ((p as f64 + 0.5) * from as f64 / to as f64) as usize
            };
            let stored = at(i / w, h, STORED[0]) * STORED[1] + at(i % w, w, STORED[1]);
            assert_eq!(class, frame.classes[stored]);
        }
    }
}

#[test]
fn a_cell_is_positive_from_its_share_on_for_any_grid() {
    let frame = drawn();
    let [car, others] = [OBSTACLES[0], OBSTACLES[1]];
    // 12 × 12 pixels: columns 0 to 5 are whole cars, column 6 (pixels 72 to 83) two thirds; rows 13 and 14 are void,
    // row 12 (pixels 144 to 155) is a half.
    let grid = frame.grid([15, 20], &[car, others], 10);
    for (i, on) in grid.chunks_exact(2).enumerate() {
        let (row, column) = (i / 20, i % 20);
        assert_eq!(on, [row <= 12 && column <= 6, false], "{row} {column}");
    }
    // The share decides: a cell of row 12, column 6 has 8 · 6 of 144 pixels, a third.
    for (percent, expected) in [(33, true), (34, false)] {
        assert_eq!(frame.grid([15, 20], &[car], percent)[12 * 20 + 6], expected, "{percent} %");
    }
    // Every pixel is in one cell, also where cells do not divide the picture.
    for [rows, columns] in [[7, 9], [6, 8], [180, 240]] {
        let on = frame.grid([rows, columns], &[car], 50).iter().filter(|&&on| on).count() as f64;
        let share = on / (rows * columns) as f64;
        // Five sixths of the rows and a third of the columns, up to half a cell along each border.
        let slack = 0.5 / rows as f64 + 0.5 / columns as f64;
        assert!((share - 5.0 / 18.0).abs() <= slack, "{rows} x {columns}: {share}");
    }
}

#[track_caller]
fn refusal(data: Option<&Path>, expected: &str) {
    let why = CamVid::load(data, [60, 80]).unwrap_err();
    let text = why.to_string();
    assert_eq!((why.exit_code(), text.lines().count()), (2, 1), "{text}");
    assert!(text.contains(expected), "{text:?}, expected {expected:?}");
}

fn grey_png(size: [u32; 2], value: u8) -> Vec<u8> {
    let mut file = vec![];
    let mut encoder = png::Encoder::new(&mut file, size[0], size[1]);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&vec![value; (size[0] * size[1]) as usize]).unwrap();
    drop(writer);
    file
}

fn jpeg(size: [u32; 2]) -> Vec<u8> {
    let mut file = vec![];
    let encoder = image::codecs::jpeg::JpegEncoder::new(&mut file);
    let pixels = vec![90; (size[0] * size[1]) as usize];
    image::ImageEncoder::write_image(
        encoder,
        &pixels,
        size[0],
        size[1],
        image::ExtendedColorType::L8,
    )
    .unwrap();
    file
}

#[test]
fn what_is_not_the_set_gets_one_line() {
    refusal(None, "--data DIR");
    refusal(Some(Path::new("/nowhere/at/all")), "no such folder");
    let dir = tempfile::tempdir().unwrap();
    refusal(Some(dir.path()), "neither camvid/camvid_240x180.zip nor");
    fs::create_dir(dir.path().join("camvid")).unwrap();
    let archive = dir.path().join("camvid/camvid_240x180.zip");
    fs::write(&archive, b"PK nonsense").unwrap();
    refusal(Some(dir.path()), "a damaged zip archive");
    let write = |entries: &[(&str, Vec<u8>)]| {
        let mut zip = zip::ZipWriter::new(fs::File::create(&archive).unwrap());
        for (name, bytes) in entries {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
    };
    let (picture, label) = (jpeg([240, 180]), grey_png([240, 180], 3));
    write(&[("images/0001TP_006690.jpg", picture.clone())]);
    refusal(Some(dir.path()), "labels/0001TP_006690.png");
    write(&[
        ("images/0001TP_006690.jpg", picture.clone()),
        ("labels/0001TP_006690.png", label.clone()),
    ]);
    refusal(Some(dir.path()), "1 frames of CamVid, expected 701");
    write(&[
        ("images/0001TP_006690.jpg", jpeg([240, 200])),
        ("labels/0001TP_006690.png", label.clone()),
    ]);
    refusal(Some(dir.path()), "expected at most");
    write(&[
        ("images/0001TP_006690.jpg", picture.clone()),
        ("labels/0001TP_006690.png", grey_png([240, 180], 12)),
    ]);
    refusal(Some(dir.path()), "a pixel of class 12, expected 0 to 11");
    write(&[("images/elsewhere_1.jpg", picture.clone()), ("labels/elsewhere_1.png", label)]);
    refusal(Some(dir.path()), "not a frame of CamVid");
    write(&[("images/0001TP_006690.jpg", picture), ("labels/0001TP_006690.png", vec![0; 3 << 20])]);
    refusal(Some(dir.path()), "over 1048576 bytes");
}

#[test]
fn segnets_folders_are_shrunk_as_the_archive_was() {
    // Two of SegNet's pictures are enough to see the layout and the shrinking; the count is what refuses them.
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("CamVid");
    for part in ["train", "val", "test"] {
        fs::create_dir_all(folder.join(part)).unwrap();
        fs::create_dir_all(folder.join(format!("{part}annot"))).unwrap();
    }
    let write = |part: &str, name: &str, value: u8| {
        fs::write(folder.join(part).join(name), grey_png([480, 360], value)).unwrap();
        fs::write(
            folder.join(format!("{part}annot")).join(name),
            grey_png([480, 360], value.min(11)),
        )
        .unwrap();
    };
    write("train", "0001TP_006690.png", 3);
    write("test", "Seq05VD_f00000.png", 9);
    refusal(Some(dir.path()), "2 frames of CamVid, expected 701");
    write("val", "0016E5_07959.png", 200);
    fs::write(folder.join("valannot/0016E5_07959.png"), grey_png([480, 360], 12)).unwrap();
    refusal(Some(dir.path()), "a pixel of class 12");
    fs::remove_file(folder.join("valannot/0016E5_07959.png")).unwrap();
    refusal(Some(dir.path()), "valannot/0016E5_07959.png");
    // All 701 under their names: the same names, uses and pictures of a flat grey.
    fs::remove_file(folder.join("val/0016E5_07959.png")).unwrap();
    let mut label = vec![0u8; 480 * 360];
    label.iter_mut().enumerate().for_each(|(i, v)| {
        let (y, x) = (i / 480, i % 480);
        *v = if y % 2 == 1 && x % 2 == 1 { ((y / 2 + x / 2) % 12) as u8 } else { 5 };
    });
    let mut png = vec![];
    let mut encoder = png::Encoder::new(&mut png, 480, 360);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().unwrap().write_image_data(&label).unwrap();
    for i in 0..699 {
        let name = format!("0006R0_f{i:05}.png");
        let picture = grey_png([480, 360], 51);
        fs::write(folder.join("train").join(&name), &picture).unwrap();
        fs::write(folder.join("trainannot").join(&name), &png).unwrap();
    }
    let set = CamVid::load(Some(dir.path()), [60, 80]).unwrap();
    let frame = set.frames.iter().find(|f| f.name == "0006R0_f00003").unwrap();
    assert_eq!((&frame.drive[..], frame.number, frame.usage), ("0006R0", 3, Use::Train));
    let diagonal = |i: usize| ((i / STORED[1] + i % STORED[1]) % 12) as u8;
    assert!(frame.classes.iter().enumerate().all(|(i, &c)| c == diagonal(i)));
    // 51 of 255; areas add up to 1 within f32.
    assert!(frame.picture.iter().all(|v| (v - 0.2).abs() < 1e-6));
}
