//! A recipe as text: every key that has a meaning in it, with value and meaning; and its hash.

use std::fmt::Write;

use toml::{Table, Value};

use super::key::Key;
use super::table::KEYS;
use super::{Recipe, lookup, usable};

/// Keys that say how and when something is computed, never what: they may differ between a run and
/// its resumption.
const NOT_IN_HASH: [&str; 7] =
    ["title", "device", "threads", "plan", "memory", "checkpoint_seconds", "checkpoint_steps"];

impl Recipe {
    /// TOML with every key in use and its meaning beside it; reads back to the same recipe.
    pub fn to_toml(&self) -> String {
        let rows = self.rows();
        let section = |key: &Key| key.path.split_once('.').map_or("", |(section, _)| section);
        let line = |key: &Key, value: &Value| {
            let name = key.path.strip_prefix(section(key)).unwrap_or(key.path);
            let value = match value {
                // 1e-8 rather than 0.00000001.
                Value::Float(x) if *x != 0.0 && x.abs() < 1e-4 => format!("{x:e}"),
                value => value.to_string(),
            };
            format!("{} = {value}", name.trim_start_matches('.'))
        };
        let width = rows.iter().map(|(key, value)| line(key, value).len()).filter(|&n| n < 40);
        let width = width.max().unwrap_or(0);
        let mut text = format!("# metatape run {}\n", self.name);
        let mut current = "";
        for (key, value) in &rows {
            if section(key) != current {
                current = section(key);
                let _ = write!(text, "\n[{current}]\n");
            }
            let unit = if key.unit.is_empty() { String::new() } else { format!(" [{}]", key.unit) };
            let _ = writeln!(text, "{:width$}  # {}{unit}", line(key, value), key.meaning);
        }
        text
    }

    /// 16 hexadecimal digits that are equal exactly if the experiment is: name, data, model, method, lengths, seeds.
    pub fn hash(&self) -> String {
        let rows = self.rows();
        let counted = rows.iter().filter(|(key, _)| !NOT_IN_HASH.contains(&key.path));
        let mut text = String::new();
        for (key, value) in counted {
            let _ = writeln!(text, "{} = {value}", key.path);
        }
        format!("{:016x}", fnv1a([text.as_bytes()]))
    }

    /// The keys that have a meaning in this recipe, with their values, in the table's order.
    fn rows(&self) -> Vec<(&'static Key, Value)> {
        let root = Table::try_from(self).expect("a recipe is made of TOML types only");
        let value = |path: &str| lookup(&root, path).cloned();
        let used = KEYS.iter().filter(|key| usable(key, &value));
        used.filter_map(|key| Some((key, value(key.path)?))).collect()
    }
}

/// FNV-1a, 64 bits, of parts read as one text: a fingerprint against accidents, not against attackers.
pub(crate) fn fnv1a<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    let bytes = parts.into_iter().flatten();
    bytes
        .fold(0xcbf2_9ce4_8422_2325, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3))
}
