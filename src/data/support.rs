//! A support set from a person: a folder a class, or a table of labels. Which pictures there are, and which class each
//! shows; the pictures themselves are read when they are needed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{picture, support_table};
use crate::error::{Error, Result};

/// Classes of the largest set.
pub const MOST_CLASSES: usize = 500;
/// Pictures of the largest set: "a few", and far more.
pub const MOST_PICTURES: usize = 2000;

/// Pictures with one class each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Support {
    /// Names in order: a class's number is its place.
    pub classes: Vec<String>,
    pub examples: Vec<Example>,
    /// Files that were passed over, because their names are not those of pictures or they have no label.
    pub skipped: Vec<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    pub path: PathBuf,
    pub class: usize,
}

impl Support {
    /// Pictures of each class.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        self.examples.iter().for_each(|example| counts[example.class] += 1);
        counts
    }

    /// The share of the largest class: what always naming it would score.
    pub fn majority(&self) -> f64 {
        let largest = self.counts().into_iter().max().unwrap_or(0);
        largest as f64 / self.examples.len().max(1) as f64
    }

    /// The same pictures, their classes numbered as in `classes`. Fails on a class that is not among them.
    pub fn renumbered(mut self, classes: &[String]) -> Result<Self> {
        for example in &mut self.examples {
            let name = &self.classes[example.class];
            match classes.iter().position(|class| class == name) {
                Some(number) => example.class = number,
                None => {
                    return Err(Error::input(format!(
                        "{}: of class {name:?}, expected one of {}",
                        example.path.display(),
                        listed(classes)
                    )));
                }
            }
        }
        self.classes = classes.to_vec();
        Ok(self)
    }
}

/// A few names for a message, at most five.
pub fn listed(names: &[String]) -> String {
    let shown = names.iter().take(5).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => "none".into(),
        1..=5 => shown,
        n => format!("{shown} and {} more", n - 5),
    }
}

/// What lies at `path`: a CSV file, a folder with one CSV file, or a folder with a folder for each class.
/// `column` picks the labels of a table that has several.
fn read_labelled(path: &Path, column: Option<&str>) -> Result<Support> {
    let fail = |why: &str| Error::input(format!("{}: {why}", path.display()));
    let support = if path.is_dir() {
        let Inside { folders, pictures, tables, others } = look(path)?;
        match &tables[..] {
            [table] => from_table(table, column)?,
            [] if folders.is_empty() && pictures.is_empty() => {
                return Err(fail("an empty folder, expected a folder of pictures for each class"));
            }
            [] if folders.is_empty() => {
                return Err(fail(
                    "pictures without labels; put them into a folder for each class, or add labels.csv with lines of file,label",
                ));
            }
            [] => from_folders(folders, [pictures, others].concat())?,
            [_, another, ..] => {
                let name = another.file_name().unwrap_or_default().to_string_lossy();
                return Err(fail(&format!(
                    "several tables ({name} among them); name one of them instead"
                )));
            }
        }
    } else if path.is_file() && has_ending(path, "csv") {
        from_table(path, column)?
    } else if path.exists() {
        return Err(fail("expected a folder with a folder for each class, or a table named *.csv"));
    } else {
        return Err(fail(
            "no such folder; it holds a folder of pictures for each class, or a table labels.csv",
        ));
    };
    if support.examples.len() > MOST_PICTURES {
        return Err(too_many(path));
    }
    Ok(support)
}

/// Reads a CSV file, a folder with one CSV file, or a folder with a folder for each class, for learning: at least two
/// classes. `column` picks the labels of a table that has several.
pub fn read(path: &Path, column: Option<&str>) -> Result<Support> {
    let fail = |why: &str| Error::input(format!("{}: {why}", path.display()));
    let support = read_labelled(path, column)?;
    match &support.classes[..] {
        [] => Err(fail("no picture has a label; nothing can be learned from it")),
        [only] => Err(fail(&format!(
            "all pictures are of one class, {only:?}; at least two are needed to tell apart"
        ))),
        all if all.len() > MOST_CLASSES => {
            Err(fail(&format!("{} classes, expected at most {MOST_CLASSES}", all.len())))
        }
        _ => Ok(support),
    }
}

/// As [`read`], for judging: of the classes `known`, in their order. One class alone is fine.
pub fn read_query(path: &Path, column: Option<&str>, known: &[String]) -> Result<Support> {
    let support = read_labelled(path, column)?;
    match support.examples.is_empty() {
        true => Err(Error::input(format!(
            "{}: no picture has a label; nothing can be judged",
            path.display()
        ))),
        false => support.renumbered(known),
    }
}

fn too_many(path: &Path) -> Error {
    Error::input(format!(
        "{}: more than {MOST_PICTURES} files, the most of a support set; is it the right folder?",
        path.display()
    ))
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending))
}

/// The pictures of a folder in order of name, not those of folders in it. Fails where there are none.
pub fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let pictures = look(folder)?.pictures;
    match pictures.is_empty() {
        true => Err(Error::input(format!("{}: no PNG or JPEG in it", folder.display()))),
        false => Ok(pictures),
    }
}

/// What lies in a folder, each in order of name; hidden files are nobody's.
#[derive(Default)]
struct Inside {
    folders: Vec<PathBuf>,
    pictures: Vec<PathBuf>,
    tables: Vec<PathBuf>,
    others: Vec<PathBuf>,
}

fn look(folder: &Path) -> Result<Inside> {
    let fail = |e| Error::input(format!("{}: cannot be read ({e})", folder.display()));
    let mut paths = vec![];
    for entry in fs::read_dir(folder).map_err(fail)? {
        paths.push(entry.map_err(fail)?.path());
        if paths.len() > MOST_PICTURES {
            return Err(too_many(folder));
        }
    }
    paths.sort();
    let mut inside = Inside::default();
    for path in paths {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        match () {
            () if hidden => {}
            () if path.is_dir() => inside.folders.push(path),
            () if picture::is_named_picture(&path) => inside.pictures.push(path),
            () if has_ending(&path, "csv") => inside.tables.push(path),
            () => inside.others.push(path),
        }
    }
    Ok(inside)
}

fn from_folders(folders: Vec<PathBuf>, mut skipped: Vec<PathBuf>) -> Result<Support> {
    let (mut classes, mut examples) = (vec![], vec![]);
    for folder in folders {
        let inside = look(&folder)?;
        if inside.pictures.is_empty() {
            return Err(Error::input(format!(
                "{}: no PNG or JPEG in it; put pictures of this class there, or remove the folder",
                folder.display()
            )));
        }
        let class = classes.len();
        examples.extend(inside.pictures.into_iter().map(|path| Example { path, class }));
        if examples.len() > MOST_PICTURES {
            return Err(too_many(&folder));
        }
        let name = folder.file_name().unwrap_or_default();
        classes.push(name.to_string_lossy().into_owned());
        skipped.extend([inside.folders, inside.tables, inside.others].concat());
    }
    Ok(Support { classes, examples, skipped })
}

fn from_table(path: &Path, column: Option<&str>) -> Result<Support> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let table = support_table::read(path, |file| folder.join(file).is_file())?;
    let fail = |why: String| Error::input(format!("{}: {why}", path.display()));
    let at = match (column, &table.columns[..]) {
        (Some(name), columns) if columns.iter().any(|c| c == name) => {
            columns.iter().position(|c| c == name).unwrap_or(0)
        }
        (_, [_]) => 0,
        (Some(name), columns) => {
            return Err(fail(format!("no column {name:?}; there are {}", listed(columns))));
        }
        (None, columns) => {
            return Err(fail(format!(
                "several columns of labels ({}); pick one with --head",
                listed(columns)
            )));
        }
    };
    let labels: BTreeSet<&String> =
        table.rows.iter().map(|row| &row.labels[at]).filter(|label| !label.is_empty()).collect();
    let classes: Vec<String> = labels.into_iter().cloned().collect();
    let (mut examples, mut skipped) = (vec![], vec![]);
    for row in &table.rows {
        let path_of = folder.join(&row.file);
        if !path_of.is_file() {
            return Err(fail(format!(
                "line {}: no file {:?} beside the table",
                row.line, row.file
            )));
        }
        match classes.binary_search(&row.labels[at]) {
            Ok(class) => examples.push(Example { path: path_of, class }),
            Err(_) => skipped.push(path_of), // no label: another column may have one
        }
    }
    Ok(Support { classes, examples, skipped })
}
