//! Support sets: folders and tables of one's own pictures with their classes.

use std::fs;
use std::path::Path;

use metatape::data::{support, support_table};

use super::{damaged, rgb_png, small};

fn write_pictures(folder: &Path, names: &[&str]) {
    fs::create_dir_all(folder).unwrap();
    names.iter().for_each(|name| fs::write(folder.join(name), rgb_png(&small())).unwrap());
}

#[track_caller]
fn support_refusal(path: &Path, column: Option<&str>, expected: &str) {
    let why = support::read(path, column).unwrap_err();
    let text = why.to_string();
    assert_eq!((why.exit_code(), text.lines().count()), (2, 1), "{text}");
    assert!(text.contains(expected), "{text:?}, expected {expected:?}");
}

#[test]
fn a_folder_a_class_is_read_in_order_of_name_and_strays_are_told() {
    let dir = tempfile::tempdir().unwrap();
    write_pictures(&dir.path().join("dog"), &["b.png", "a.JPG"]);
    write_pictures(&dir.path().join("cat"), &["one.jpeg"]);
    fs::write(dir.path().join("dog/notes.txt"), "x").unwrap();
    fs::write(dir.path().join("cat/.hidden.png"), "x").unwrap();
    let set = support::read(dir.path(), None).unwrap();
    assert_eq!((set.classes.join(" "), set.counts()), ("cat dog".into(), vec![1, 2]));
    let names: Vec<_> =
        set.examples.iter().map(|e| e.path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["one.jpeg", "a.JPG", "b.png"]);
    assert_eq!(set.skipped, [dir.path().join("dog/notes.txt")]);
    assert!((set.majority() - 2.0 / 3.0).abs() < 1e-12);
    let other = set.clone().renumbered(&["dog".into(), "bird".into(), "cat".into()]).unwrap();
    assert_eq!(other.counts(), [2, 0, 1]);
    assert!(set.renumbered(&["dog".into()]).unwrap_err().to_string().contains("\"cat\""));
}

#[test]
fn a_hundred_classes_of_one_picture_are_a_support_set() {
    let dir = tempfile::tempdir().unwrap();
    for class in 0..100 {
        write_pictures(&dir.path().join(format!("c{class:02}")), &["x.png"]);
    }
    let set = support::read(dir.path(), None).unwrap();
    assert_eq!((set.classes.len(), set.examples.len(), set.examples[99].class), (100, 100, 99));
}

#[test]
fn a_support_set_that_cannot_teach_gets_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    support_refusal(&at("nowhere"), None, "no such folder");
    fs::create_dir(at("empty")).unwrap();
    support_refusal(&at("empty"), None, "an empty folder");
    write_pictures(&at("flat"), &["a.png", "b.png"]);
    support_refusal(&at("flat"), None, "pictures without labels");
    write_pictures(&at("one/cat"), &["a.png", "b.png"]);
    support_refusal(&at("one"), None, "all pictures are of one class, \"cat\"");
    fs::create_dir(at("one/dog")).unwrap();
    support_refusal(&at("one"), None, "dog: no PNG or JPEG in it");
    fs::write(at("one/dog/readme.txt"), "").unwrap();
    support_refusal(&at("one"), None, "dog: no PNG or JPEG in it");
    support_refusal(&at("flat/a.png"), None, "expected a folder");
    fs::create_dir(at("two")).unwrap();
    fs::write(at("two/a.csv"), "x").unwrap();
    fs::write(at("two/b.csv"), "x").unwrap();
    support_refusal(&at("two"), None, "several tables");
}

#[test]
fn a_table_gives_labels_and_says_which_line_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    write_pictures(&dir.path().join("p"), &["a.png", "b.png", "c d.png"]);
    let table = dir.path().join("labels.csv");
    let with = |text: &str| fs::write(&table, text).unwrap();
    with(
        "file,kind,colour\np/a.png,cat,red\np/b.png,dog,\n\"p/c d.png\", cat ,\"dark, \"\"red\"\"\"\n",
    );
    let set = support::read(dir.path(), Some("kind")).unwrap();
    assert_eq!((set.classes.join(" "), set.counts()), ("cat dog".into(), vec![2, 1]));
    let set = support::read(&table, Some("colour")).unwrap();
    assert_eq!((set.classes.join("|"), set.skipped.len()), ("dark, \"red\"|red".into(), 1));
    support_refusal(&table, None, "several columns of labels (\"kind\", \"colour\")");
    support_refusal(&table, Some("size"), "no column \"size\"");
    // Without names, with a mark of UTF-8, Windows line ends, semicolons.
    with("\u{feff}p/a.png;cat\r\np/b.png;dog\r\n\r\n");
    assert_eq!(support::read(dir.path(), None).unwrap().classes, ["cat", "dog"]);
    for (text, expected) in [
        ("", "an empty table"),
        ("\n\n", "an empty table"),
        ("file\n", "line 1: one field"),
        ("file,label\n", "nothing below them"),
        ("file,label\np/a.png,cat\np/x.png,dog\n", "line 3: no file \"p/x.png\""),
        ("file,label\np/a.png,cat,dog\n", "line 2: 3 fields, expected 2"),
        ("file,label\np/a.png,\"cat\n", "line 2: a quote that is never closed"),
        ("file,label\np/a.png,\"cat\"x\n", "line 2: text behind a closing quote"),
        ("file,a,a\np/a.png,1,2\n", "two columns are named \"a\""),
        ("file,label\np/a.png,\np/b.png,\n", "no picture has a label"),
        ("file,label\np/a.png,x\np/b.png,x\n", "all pictures are of one class"),
    ] {
        with(text);
        support_refusal(&table, None, expected);
    }
    fs::write(&table, [0xff, 0xfe, 0]).unwrap();
    support_refusal(&table, None, "not text in UTF-8");
    fs::write(&table, format!("file{}", ",x".repeat(1 << 20))).unwrap();
    support_refusal(&table, None, "more than 256 fields");
}

#[test]
fn a_damaged_table_gives_rows_or_one_line() {
    let text = "file,kind,colour\n\"a \"\"b\"\".png\",cat,red\nb.png,\"dog, big\",\r\n\"two\nlines.png\",x,y\n";
    let mut refused = 0;
    for round in 0..2000 {
        let text = String::from_utf8_lossy(&damaged(text.as_bytes(), round)).into_owned();
        match support_table::parse(&text, |name| name.ends_with(".png")) {
            Ok(table) => {
                assert!(table.rows.iter().all(|row| row.labels.len() == table.columns.len()))
            }
            Err(why) => {
                assert!(why.starts_with(':') || why.starts_with(", line "), "{why}");
                refused += 1;
            }
        }
    }
    assert!(refused > 200, "{refused} of 2000");
}
