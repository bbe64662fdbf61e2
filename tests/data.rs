//! Is what the learner is shown what it should be? Splits without leaks, episodes that give nothing
//! away and depend on nothing but their numbers, sheets that are whole, and one random source everywhere.

use metatape::data::check::{State, check, sha256};
use metatape::data::episodes::{EpisodeBatch, EpisodeSpec, Episodes, Picture};
use metatape::data::omniglot::{
    CHARACTERS, DRAWERS, Omniglot, Part, SIDE, TILE, alphabets, name, split,
};
use metatape::data::prefetch::Prefetch;
use metatape::data::sine::{SineBatch, SineSpec, Sines};
use metatape::data::{embedded, import, sheet};
use metatape::random::{Stream, stream};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, LazyLock};

static SET: LazyLock<Arc<Omniglot>> = LazyLock::new(|| Arc::new(Omniglot::built_in().unwrap()));

const FIVE_WAY: EpisodeSpec = EpisodeSpec { tasks: 32, ways: 5, shots: 2, queries: 3 };

fn episodes(part: Part, spec: EpisodeSpec, stream: u32) -> Episodes {
    Episodes::new(SET.clone(), part, spec, 1, stream).unwrap()
}

// The split.

#[test]
fn the_split_has_1200_and_423_characters_and_none_in_two_parts() {
    let [train, validation, test] = [Part::Train, Part::Validation, Part::Test].map(split);
    assert_eq!((train.len(), validation.len(), test.len()), (1028, 172, 423));
    assert_eq!(split(Part::TrainAndValidation).len(), 1200);
    let all: HashSet<_> = train.iter().chain(&validation).chain(&test).collect();
    assert_eq!(all.len(), CHARACTERS);
    // Vinyals' lists share one alphabet between train and test, with different characters.
    let names = |part: &[usize]| -> HashSet<String> {
        part.iter().map(|&c| name(c).split('/').next().unwrap().to_string()).collect()
    };
    let shared: Vec<_> = names(&train).intersection(&names(&test)).cloned().collect();
    assert_eq!(shared, ["Gurmukhi"]);
    assert!(test.iter().all(|&c| name(c) != "Gurmukhi/character41"));
    assert!(test.iter().any(|&c| name(c) == "Gurmukhi/character42"));
}

/// With few ways and many tasks every character of the part comes up, so a leak would be seen.
#[test]
fn no_test_character_is_ever_in_training_in_any_turn() {
    let spec = EpisodeSpec { tasks: 200, ways: 20, shots: 1, queries: 1 };
    let seen = |part, stream| {
        let mut seen = HashSet::new();
        for step in 0..5 {
            let batch = episodes(part, spec, stream).batch(step);
            seen.extend(batch.support.iter().chain(&batch.query).map(|p| p.character as usize));
        }
        seen
    };
    let train = seen(Part::TrainAndValidation, stream::TRAIN);
    let test = seen(Part::Test, stream::TEST);
    assert_eq!((train.len(), test.len()), (1200, 423), "20,000 draws meet every character");
    assert!(train.is_disjoint(&test));
}

// Episodes.

#[test]
fn a_task_has_different_classes_balanced_and_no_drawing_in_both_support_and_query() {
    let batch = episodes(Part::Test, FIVE_WAY, stream::TEST).batch(3);
    for task in 0..FIVE_WAY.tasks {
        let (support, query) = (&batch.support[task * 10..][..10], &batch.query[task * 15..][..15]);
        let mut class: HashMap<u16, (u16, u8)> = HashMap::new();
        for picture in support.iter().chain(query) {
            let first = *class.entry(picture.label).or_insert((picture.character, picture.turns));
            assert_eq!(
                first,
                (picture.character, picture.turns),
                "one character, one turn a class"
            );
        }
        assert_eq!(class.values().map(|c| c.0).collect::<HashSet<_>>().len(), 5);
        let drawings: HashSet<_> =
            support.iter().chain(query).map(|p| (p.character, p.drawing)).collect();
        assert_eq!(drawings.len(), 25, "all drawings of a task differ");
        for label in 0..5 {
            let count = |rows: &[Picture]| rows.iter().filter(|p| p.label == label).count();
            assert_eq!((count(support), count(query)), (2, 3));
        }
    }
}

#[test]
fn labels_and_the_order_of_rows_are_shuffled_per_task() {
    let batch = episodes(Part::Train, FIVE_WAY, stream::TRAIN).batch(0);
    let mut orders = HashSet::new();
    let mut first_is_the_lower_character = 0;
    for task in 0..32 {
        let query = &batch.query_y[task * 15..][..15];
        orders.insert(query.iter().map(|&y| y as u8).collect::<Vec<_>>());
        let character = |label| {
            batch.support[task * 10..][..10].iter().find(|p| p.label == label).unwrap().character
        };
        first_is_the_lower_character += usize::from(character(0) < character(1));
    }
    assert_eq!(orders.len(), 32, "15!/(3!)^5 orders: no two of 32 tasks alike");
    // A fair coin thrown 32 times: outside 4 to 28 once in 100,000.
    assert!((4..=28).contains(&first_is_the_lower_character), "{first_is_the_lower_character}");
    let turns: HashSet<_> = batch.support.iter().map(|p| p.turns).collect();
    assert_eq!(turns.len(), 4);
}

#[test]
fn rows_hold_the_turned_drawings_they_name() {
    let batch = episodes(Part::Train, FIVE_WAY, stream::TRAIN).batch(9);
    for (row, picture) in batch.query.iter().enumerate() {
        let ink = SET.ink(picture.character as usize, picture.drawing as usize);
        // A quarter turn counter-clockwise brings (y, x) from (x, last - y); `turns` of them.
        let from = |mut y: usize, mut x: usize| {
            for _ in 0..picture.turns {
                (y, x) = (x, SIDE - 1 - y);
            }
            ink[y * SIDE + x] as f32 / 255.0
        };
        let x = &batch.query_x[row * TILE..][..TILE];
        assert!((0..TILE).all(|at| x[at] == from(at / SIDE, at % SIDE)), "row {row}: {picture:?}");
        assert_eq!(batch.query_y[row], picture.label as f32);
    }
}

#[test]
fn a_batch_is_the_same_in_any_order_on_any_thread_and_in_used_buffers() {
    let source = episodes(Part::Train, FIVE_WAY, stream::TRAIN);
    let forward: Vec<_> = (0..6).map(|step| source.batch(step)).collect();
    let mut used = EpisodeBatch::new(FIVE_WAY);
    for step in [5, 0, 3] {
        source.fill(step, &mut used);
        assert_eq!(used, forward[step as usize]);
    }
    let elsewhere = source.clone();
    let threads: Vec<_> =
        std::thread::spawn(move || (0..6).rev().map(|step| elsewhere.batch(step)).collect())
            .join()
            .unwrap();
    assert!(threads.iter().rev().eq(&forward));
    assert_ne!(forward[0].support, forward[1].support);
    assert_ne!(forward[0].support, episodes(Part::Train, FIVE_WAY, stream::TEST).batch(0).support);
}

#[test]
fn a_list_of_test_tasks_does_not_depend_on_the_size_of_a_batch() {
    let small = EpisodeSpec { tasks: 4, ..FIVE_WAY };
    let whole = episodes(Part::Test, FIVE_WAY, stream::TEST).batch(0);
    let mut part = EpisodeBatch::new(small);
    for first in (0..32).step_by(4) {
        episodes(Part::Test, small, stream::TEST).fill_from(0, first as u32, &mut part);
        assert_eq!(part.query_x, whole.query_x[first * 15 * TILE..][..4 * 15 * TILE]);
    }
}

#[test]
fn impossible_episodes_are_one_line() {
    for (ways, shots, queries) in
        [(424, 1, 1), (1, 1, 1), (5, 10, 11), (5, 0, 1), (5, usize::MAX, 1)]
    {
        let spec = EpisodeSpec { tasks: 1, ways, shots, queries };
        let why = Episodes::new(SET.clone(), Part::Test, spec, 1, stream::TEST).err().unwrap();
        assert_eq!((why.exit_code(), why.to_string().lines().count()), (2, 1));
    }
}

// Built ahead.

#[test]
fn batches_built_ahead_are_the_direct_ones() {
    let source = episodes(Part::Train, FIVE_WAY, stream::TRAIN);
    let direct = source.clone();
    let buffers = vec![EpisodeBatch::new(FIVE_WAY); 3];
    let mut ahead = Prefetch::new(10..30, buffers, move |step, batch| source.fill(step, batch));
    for step in 10..30 {
        let (built, batch) = ahead.next().unwrap();
        assert_eq!((built, batch), (step, &direct.batch(step)));
    }
    assert!(ahead.next().is_none());
    assert!(ahead.next().is_none());
}

#[test]
fn dropping_a_prefetch_ends_its_thread_and_a_panic_in_it_is_heard() {
    let alive = Arc::new(());
    let held = alive.clone();
    let mut ahead = Prefetch::new(0..u32::MAX, vec![0, 0, 0], move |step, out| {
        *out = step;
        let _ = &held;
    });
    assert_eq!(ahead.next(), Some((0, &0)));
    drop(ahead);
    assert_eq!(Arc::strong_count(&alive), 1, "the thread and what it held are gone");

    let mut ahead = Prefetch::new(0..9, vec![0, 0], |step, _| assert!(step < 2, "planted"));
    let heard =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| while ahead.next().is_some() {}));
    assert!(heard.is_err());
}

// Sinusoids.

#[test]
fn sinusoids_lie_on_their_curves_inside_the_published_ranges() {
    let batch = Sines::new(SineSpec::new(500, 10, 10), 1, stream::TRAIN).unwrap().batch(7);
    for (at, (&x, &y)) in batch.support_x.iter().zip(&batch.support_y).enumerate() {
        let (a, p) = (batch.amplitude[at / 10], batch.phase[at / 10]);
        assert!((0.1..5.0).contains(&a) && (0.0..std::f64::consts::PI).contains(&p));
        assert!((-5.0..=5.0).contains(&x)); // rounding to f32 may reach 5
        // Half a unit in the last place of a value up to 5.
        assert!((a * (x as f64 - p).sin() - y as f64).abs() <= 5.0 * f32::EPSILON as f64);
    }
    let mean = batch.amplitude.iter().sum::<f64>() / 500.0;
    assert!((mean - 2.55).abs() < 6.0 * 4.9 / 12f64.sqrt() / 500f64.sqrt(), "six standard errors");
}

#[test]
fn fewer_support_points_meet_the_same_curves_and_queries() {
    let sines = |k| Sines::new(SineSpec::new(8, k, 10), 1, stream::TEST).unwrap();
    let (five, ten) = (sines(5).batch(0), sines(10).batch(0));
    assert_eq!((&five.query_x, &five.amplitude), (&ten.query_x, &ten.amplitude));
    assert_eq!(five.support_x[5..10], ten.support_x[10..15]);
    assert!(ten.query_x.iter().all(|x| !ten.support_x.contains(x)), "80 and 80 of 2^24 points");
    let mut second = SineBatch::new(SineSpec::new(4, 5, 10));
    Sines::new(SineSpec::new(4, 5, 10), 1, stream::TEST).unwrap().fill_from(0, 4, &mut second);
    assert_eq!(second.query_y, five.query_y[40..]);
}

// Sheets, import and check.

#[test]
fn the_built_in_sheets_are_the_committed_ones_in_the_order_of_the_split() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/omniglot");
    let names: Vec<_> = embedded::SHEETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, alphabets().iter().map(|a| a.name).collect::<Vec<_>>());
    assert_eq!(embedded::SUMS.lines().count(), 53, "50 sheets and three texts");
    for line in embedded::SUMS.lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        assert_eq!(sha256(&std::fs::read(folder.join(name)).unwrap()), sum, "{name}");
    }
    assert!(
        check(None, true).rows.iter().any(|row| row.set == "omniglot" && row.state == State::Good)
    );
    // 8.05 % of the original's pixels are ink. Averaging keeps that; rounding to 16 levels is unbiased
    // within half a level on the pixels a stroke's edge crosses, far below the .1 % asked for.
    let drawings = (0..CHARACTERS).flat_map(|c| (0..DRAWERS).map(move |d| SET.ink(c, d)));
    let ink: u64 = drawings.flatten().map(|&v| v as u64).sum();
    let share = ink as f64 / 255.0 / (CHARACTERS * DRAWERS * TILE) as f64;
    assert!((share - 0.0805).abs() < 0.001, "{share}");
}

#[test]
fn sheets_written_again_have_the_same_bytes() {
    for ((name, bytes), alphabet) in embedded::SHEETS.iter().zip(alphabets()).take(3) {
        let ink = sheet::read(bytes, alphabet.parts.len()).unwrap();
        assert_eq!(sha256(&sheet::write(&ink)), sha256(bytes), "{name}");
    }
}

#[test]
fn all_sixteen_levels_survive_a_sheet() {
    let ink: Vec<u8> = (0..DRAWERS * TILE).map(|at| (at % 16 * 17) as u8).collect();
    assert!(sheet::read(&sheet::write(&ink), 1).unwrap() == ink);
}

#[test]
fn shrinking_is_the_average_over_areas() {
    let mut random = Stream::new(1, stream::FREE, 0, 0);
    let grey: Vec<u8> =
        (0..105 * 105).map(|_| if random.below(4) == 0 { 0 } else { 255 }).collect();
    let mut ink = vec![0; TILE];
    import::shrink(&grey, &mut ink);
    for (at, &got) in ink.iter().enumerate() {
        // The same integral by 60 × 60 sample points; 60 / 3.75 = 16 a pixel: they fall evenly, so it is exact.
        let sample = |i: usize, k: usize| ((i as f64 + (k as f64 + 0.5) / 60.0) * 3.75) as usize;
        let mut sum = 0.0;
        for (ky, kx) in (0..3600).map(|k| (k / 60, k % 60)) {
            sum += 255.0 - grey[sample(at / SIDE, ky) * 105 + sample(at % SIDE, kx)] as f64;
        }
        assert_eq!(got, 17 * (sum / 3600.0 / 17.0).round() as u8, "pixel {at}");
    }
    import::shrink(&[0; 105 * 105], &mut ink);
    assert!(ink.iter().all(|&v| v == 255));
}

/// The whole way, on made-up drawings: one half as a deflated archive, the other unpacked.
#[test]
fn an_import_makes_a_folder_that_is_loaded_and_checked() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let drawing = |place: usize| {
        let mut png = Vec::new();
        let mut encoder = png::Encoder::new(&mut png, 105, 105);
        encoder.set_depth(png::BitDepth::One);
        let mut bits = vec![0xffu8; 105 * 14];
        bits[place % 1400] = 0;
        bits[place / 1400 * 14] &= 0x0f;
        encoder.write_header().unwrap().write_image_data(&bits).unwrap();
        png
    };
    let archive = std::fs::File::create(from.path().join("images_background.zip")).unwrap();
    let mut archive = zip::ZipWriter::new(std::io::BufWriter::new(archive));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .compression_level(Some(1));
    archive.start_file("images_background/.DS_Store", options).unwrap();
    for alphabet in alphabets() {
        for number in 0..alphabet.parts.len() {
            let character = alphabet.first + number;
            let inner = format!("images_{}/{}", alphabet.set, name(character));
            if alphabet.set == "evaluation" {
                std::fs::create_dir_all(from.path().join(&inner)).unwrap();
            }
            for drawer in 0..DRAWERS {
                let file = format!("{inner}/{:04}_{:02}.png", character + 1, drawer + 1);
                let png = drawing(character * DRAWERS + drawer);
                if alphabet.set == "background" {
                    archive.start_file(file, options).unwrap();
                    std::io::Write::write_all(&mut archive, &png).unwrap();
                } else {
                    std::fs::write(from.path().join(file), png).unwrap();
                }
            }
        }
    }
    archive.finish().unwrap();

    let out = to.path().join("omniglot");
    let mut last = (0, 0);
    let made = import::import(from.path(), &out, |done, all| last = (done, all)).unwrap();
    assert_eq!(
        (made.alphabets, made.characters, made.drawings, last),
        (50, 1623, 32460, (32460, 32460))
    );
    let loaded = Omniglot::load(Some(to.path())).unwrap();
    let place = 1000 * DRAWERS + 7;
    let picture = sheet::read_grey(&drawing(place), [105, 105], [105, 105]).unwrap();
    let mut ink = vec![0; TILE];
    import::shrink(&picture.pixels, &mut ink);
    assert_eq!(loaded.ink(1000, 7), ink);
    assert!(check(Some(to.path()), true).good());
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 54, "nothing half-written is left");

    // The same folder read without importing.
    let direct = tempfile::tempdir().unwrap();
    std::fs::rename(from.path(), direct.path().join("omniglot")).unwrap();
    assert_eq!(Omniglot::load(Some(direct.path())).unwrap().ink(1000, 7), ink);

    // One drawing less: nothing is written.
    std::fs::remove_file(
        direct.path().join("omniglot/images_evaluation/ULOG/character26/1623_20.png"),
    )
    .unwrap();
    let again = to.path().join("again");
    let why = import::import(&direct.path().join("omniglot"), &again, |_, _| {}).unwrap_err();
    assert!(why.to_string().contains("drawing 20 of ULOG/character26"), "{why}");
    assert!(!again.exists());
}

/// A copy of the sheets with `change` applied to one of them; what loading and checking say.
fn with_changed_sheet(name: &str, change: impl FnOnce(&Path)) -> (metatape::error::Error, String) {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("omniglot");
    std::fs::create_dir(&folder).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/omniglot");
    for entry in std::fs::read_dir(source).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    assert!(Omniglot::load(Some(data.path())).is_ok() && check(Some(data.path()), true).good());
    change(&folder.join(name));
    let report = check(Some(data.path()), true);
    assert!(!report.good());
    (Omniglot::load(Some(data.path())).err().unwrap(), report.to_string())
}

#[test]
fn a_missing_damaged_or_misshapen_sheet_is_named_in_one_line() {
    let short = |path: &Path| std::fs::write(path, &std::fs::read(path).unwrap()[..9000]).unwrap();
    let other = |path: &Path| {
        std::fs::copy(path.with_file_name("Latin.png"), path).unwrap();
    };
    let flipped = |path: &Path| {
        let mut bytes = std::fs::read(path).unwrap();
        bytes[5000] ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    let missing = |path: &Path| std::fs::remove_file(path).unwrap();
    let changes: [&dyn Fn(&Path); 4] = [&short, &other, &flipped, &missing];
    for change in changes {
        let (why, report) = with_changed_sheet("Greek.png", change);
        let line = why.to_string();
        assert_eq!((why.exit_code(), line.lines().count()), (2, 1), "{line}");
        assert!(line.contains("Greek.png") && line.contains("data import omniglot"), "{line}");
        assert!(report.contains("BAD") && report.contains("Greek.png"), "{report}");
    }
}

#[test]
fn a_data_folder_without_omniglot_uses_the_built_in_sheets() {
    let data = tempfile::tempdir().unwrap();
    assert_eq!(Omniglot::load(Some(data.path())).unwrap().ink(5, 5), SET.ink(5, 5));
    let mistyped = Omniglot::load(Some(&data.path().join("mistyped"))).err().unwrap();
    assert!(mistyped.to_string().contains("mistyped: no such folder"), "{mistyped}");
    // A folder of that name that holds nothing is a mistake, not a wish for the built-in ones.
    std::fs::create_dir(data.path().join("omniglot")).unwrap();
    assert_eq!(Omniglot::load(Some(data.path())).err().unwrap().exit_code(), 2);
    assert!(!check(Some(data.path()), false).good());
}
