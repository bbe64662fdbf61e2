//! From TOML text and overrides to a flat list of (path, value, place), each key known to the table.
//!
//! Sections are only a way of writing: `[train] optimizer = { lr = 0.1 }` is `train.optimizer.lr`.

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::key::{Key, Kind};
use super::suggest::distance;
use super::table::KEYS;
use crate::error::{Error, Result};

/// A value that somebody wrote, and where.
#[derive(Clone, Debug)]
pub struct Given {
    pub key: &'static Key,
    pub value: Value,
    /// `recipes/shapes.toml, line 14` or `--set steps=5`.
    pub place: String,
}

/// A key set on the command line. `origin` is what was typed.
#[derive(Clone, Debug)]
pub struct Override {
    pub key: String,
    pub value: String,
    pub origin: String,
}

impl Override {
    /// `KEY=VALUE` of `--set`.
    pub fn parse(text: &str) -> Result<Self> {
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => Ok(Override {
                key: key.trim().into(),
                value: value.trim().into(),
                origin: format!("--set {text}"),
            }),
            _ => Err(Error::input(format!("--set {text}: expected KEY=VALUE, such as steps=100"))),
        }
    }
}

/// The keys of a recipe file. `file` names it in messages.
pub fn file(text: &str, file: &str) -> Result<Vec<Given>> {
    let values: Table = text.parse().map_err(|e: toml::de::Error| {
        let line = e.span().map_or(1, |span| line_of(text, span.start));
        let why = e.message().lines().collect::<Vec<_>>().join(", ");
        Error::input(format!("{file}, line {line}: not TOML: {why}"))
    })?;
    // Read a second time for the lines: values alone do not know where they stood.
    let lines = DeTable::parse(text).map_err(|e| Error::input(format!("{file}: {e}")))?;
    let mut found = Vec::new();
    flatten(&values, lines.get_ref(), "", &mut |path, value, at| {
        let place = format!("{file}, line {}", line_of(text, at));
        let key = KEYS.iter().find(|key| key.path == path);
        let key = key.ok_or_else(|| Error::input(format!("{place}: {}", unknown(path))))?;
        found.push(Given { key, value: value.clone(), place });
        Ok(())
    })?;
    Ok(found)
}

/// Calls `each` with path, value and position of every leaf. Depth is bounded by the TOML parser.
fn flatten(
    values: &Table,
    spans: &DeTable,
    prefix: &str,
    each: &mut dyn FnMut(&str, &Value, usize) -> Result<()>,
) -> Result<()> {
    for (name, span) in spans {
        let (path, value) =
            (format!("{prefix}{}", name.get_ref()), &values[name.get_ref().as_ref()]);
        match (value, span.get_ref()) {
            (Value::Table(inner), DeValue::Table(spans)) if !inner.is_empty() => {
                flatten(inner, spans, &format!("{path}."), each)?;
            }
            // An empty section of the table's own is no mistake.
            (Value::Table(_), _) if is_section(&path) => {}
            _ => each(&path, value, name.span().start)?,
        }
    }
    Ok(())
}

/// The keys of an override; several where its value is a table. `usable` says which keys have a
/// meaning in this recipe: they are preferred where a short name fits several.
pub fn set(change: &Override, usable: impl Fn(&Key) -> bool) -> Result<Vec<Given>> {
    let place = || change.origin.clone();
    if change.value.starts_with('{') {
        let why = |_| Error::input(format!("{}: not a TOML table", change.origin));
        let table: Table = format!("value = {}", change.value).parse().map_err(why)?;
        let Some(Value::Table(inner)) = table.get("value").filter(|_| table.len() == 1) else {
            return Err(Error::input(format!("{}: not a TOML table", change.origin)));
        };
        let each = inner.iter().map(|(name, value)| {
            let key = find(&format!("{}.{name}", change.key), &change.origin, &usable)?;
            Ok(Given { key, value: value.clone(), place: place() })
        });
        return each.collect();
    }
    let key = find(&change.key, &change.origin, &usable)?;
    Ok(vec![Given { key, value: typed(&change.value, &key.kind), place: place() }])
}

/// The key that a full path, or a last part of one, names.
fn find(name: &str, origin: &str, usable: impl Fn(&Key) -> bool) -> Result<&'static Key> {
    if let Some(key) = KEYS.iter().find(|key| key.path == name) {
        return Ok(key);
    }
    let ends = |key: &&Key| key.path.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
    let all: Vec<&Key> = KEYS.iter().filter(ends).collect();
    let here: Vec<&Key> = all.iter().copied().filter(|key| usable(key)).collect();
    match (&all[..], &here[..]) {
        ([key], _) | (_, [key]) => Ok(key),
        ([], _) => Err(Error::input(format!("{origin}: {}", unknown(name)))),
        (several, here) => {
            let listed = if here.is_empty() { several } else { here };
            let paths: Vec<_> = listed.iter().map(|key| key.path).collect();
            let paths = paths.join(" or ");
            Err(Error::input(format!("{origin}: {name:?} could be {paths}; write one of them out")))
        }
    }
}

/// What a shell gives for a value: TOML where it is TOML, else a word without its quotes; a list may
/// leave its brackets out.
fn typed(text: &str, kind: &Kind) -> Value {
    let parse = |text: &str| -> Option<Value> {
        let mut table: Table = format!("value = {text}").parse().ok()?;
        if table.len() == 1 { table.remove("value") } else { None }
    };
    let word = |text: &str| Value::String(text.trim().trim_matches(['"', '\'']).to_string());
    match kind {
        Kind::Pair(..) | Kind::Wholes { .. } if !text.starts_with('[') => {
            parse(&format!("[{text}]")).unwrap_or_else(|| word(text))
        }
        Kind::Words(_) => {
            let inner = text.trim_start_matches('[').trim_end_matches(']');
            let words = inner.split(',').filter(|w| !w.trim().is_empty()).map(word);
            Value::Array(words.collect())
        }
        Kind::Word(_) | Kind::Text | Kind::Name | Kind::Device => word(text),
        _ => parse(text).unwrap_or_else(|| word(text)),
    }
}

fn is_section(path: &str) -> bool {
    KEYS.iter().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// Why a path is no key, with the nearest that is.
fn unknown(path: &str) -> String {
    if is_section(path) {
        let inside = |key: &Key| key.path.strip_prefix(path)?.strip_prefix('.');
        let names: Vec<_> = KEYS.iter().filter_map(inside).collect();
        return format!("{path:?} is a section, not a key; it has {}", names.join(", "));
    }
    let last = path.rsplit('.').next().unwrap_or(path);
    // The right name in the wrong section is nearer than a wrong name in the right one.
    let far = |key: &Key| distance(path, key.path).min(distance(last, key.last_part()) + 1);
    let nearest = KEYS.iter().min_by_key(|key| far(key)).map_or("", |key| key.path);
    format!("unknown key {path:?}; did you mean {nearest:?}?")
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes()[..at.min(text.len())].iter().filter(|&&b| b == b'\n').count()
}
