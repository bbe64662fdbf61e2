//! A table of labels: text with commas (RFC 4180), one picture a line, the file first.
//!
//! `file,label` or `file,NAME,NAME,...` with a line of column names, or without one where the first line names a file
//! already. Fields may stand in double quotes. Tables that a spreadsheet writes with semicolons or tabs are read too:
//! the first line decides.

use std::path::Path;

use super::read_bounded;
use crate::error::{Error, Result};

/// Bytes of the largest table that is read.
pub const MOST_BYTES: u64 = 16 << 20;
/// Columns of the widest table.
pub const MOST_COLUMNS: usize = 256;

/// Lines of a table, each as long as the names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns behind the first; `label` where the table has no line of names and one label.
    pub columns: Vec<String>,
    pub rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its line in the file, from 1.
    pub line: usize,
    pub file: String,
    /// One a column; empty where there is none.
    pub labels: Vec<String>,
}

/// Reads a table; `is_file` says whether a first field names a picture, so that a line of names is told apart.
pub fn read(path: &Path, is_file: impl Fn(&str) -> bool) -> Result<Table> {
    let bytes = read_bounded(path, MOST_BYTES)?;
    let fail = |why: String| Error::input(format!("{}{why}", path.display()));
    let text = String::from_utf8(bytes)
        .map_err(|_| fail(": not text in UTF-8, expected lines of file,label".into()))?;
    parse(&text, is_file).map_err(fail)
}

/// As [`read`]; an error begins with `, line N: ` or `: `.
pub fn parse(text: &str, is_file: impl Fn(&str) -> bool) -> std::result::Result<Table, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = records(text)?.into_iter();
    let Some((line, first)) = lines.next() else {
        return Err(": an empty table, expected lines of file,label".into());
    };
    let count = first.len();
    if count < 2 {
        return Err(format!(", line {line}: one field, expected file,label"));
    }
    let mut rows = vec![];
    let columns = if is_file(&first[0]) {
        let names =
            (1..count).map(|i| if count == 2 { "label".into() } else { format!("label{i}") });
        let names = names.collect();
        rows.push(row(line, first));
        names
    } else {
        let names: Vec<String> = first[1..].to_vec();
        if let Some(i) = (1..names.len()).find(|&i| names[..i].contains(&names[i])) {
            return Err(format!(", line {line}: two columns are named {:?}", names[i]));
        }
        names
    };
    for (line, fields) in lines {
        if fields.len() != count {
            let found = fields.len();
            return Err(format!(
                ", line {line}: {found} fields, expected {count} as in the first line"
            ));
        }
        rows.push(row(line, fields));
    }
    match rows.is_empty() {
        true => {
            Err(": names of columns and nothing below them, expected lines of file,label".into())
        }
        false => Ok(Table { columns, rows }),
    }
}

fn row(line: usize, mut fields: Vec<String>) -> Row {
    let labels = fields.split_off(1);
    Row { line, file: fields.remove(0), labels }
}

/// Fields of each line with its number; empty lines are left out. Spaces around a field do not count.
fn records(text: &str) -> std::result::Result<Vec<(usize, Vec<String>)>, String> {
    let head = text.lines().next().unwrap_or_default();
    let separator = [',', ';', '\t'].into_iter().find(|&c| head.contains(c)).unwrap_or(',');
    let (mut all, mut fields) = (vec![], vec![]);
    let (mut line, mut begun, mut field) = (1, 1, String::new());
    let mut chars = text.chars().peekable();
    // Whether the field stands in quotes, and whether those are open.
    let (mut quoted, mut open) = (false, false);
    loop {
        let next = chars.next();
        match next {
            Some('"') if open && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            Some('"') if open => open = false,
            Some(c) if open => {
                line += usize::from(c == '\n');
                field.push(c);
            }
            Some('"') if !quoted && field.trim().is_empty() => {
                field.clear();
                (quoted, open) = (true, true);
            }
            None if open => return Err(format!(", line {begun}: a quote that is never closed")),
            None | Some('\n') => {
                let value = if quoted { field.clone() } else { field.trim().into() };
                if quoted || !fields.is_empty() || !value.is_empty() {
                    fields.push(value);
                    all.push((begun, std::mem::take(&mut fields)));
                }
                if next.is_none() {
                    return Ok(all);
                }
                field.clear();
                quoted = false;
                line += 1;
                begun = line;
            }
            Some(c) if c == separator => {
                fields.push(if quoted { field.clone() } else { field.trim().into() });
                if fields.len() >= MOST_COLUMNS {
                    return Err(format!(", line {begun}: more than {MOST_COLUMNS} fields"));
                }
                field.clear();
                quoted = false;
            }
            // Behind a closing quote only spaces may stand.
            Some(c) if quoted && c.is_whitespace() => {}
            Some(_) if quoted => {
                return Err(format!(", line {begun}: text behind a closing quote"));
            }
            Some(c) => field.push(c),
        }
    }
}
