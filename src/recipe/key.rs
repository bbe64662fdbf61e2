//! What a recipe's key is: its path, meaning, unit, default, and which values it takes.
//!
//! [`Kind::check`] is the only judge of a value, wherever it comes from (a file, `--set`, a flag).

use toml::Value;

use super::suggest::did_you_mean;

/// One key of a recipe. The rows stand in [`super::table`].
#[derive(Debug)]
pub struct Key {
    /// `train.optimizer.lr`
    pub path: &'static str,
    pub meaning: &'static str,
    /// Unit or form of the value, as a person reads it; may be empty.
    pub unit: &'static str,
    /// TOML text; [`REQUIRED`] where a recipe has to say it.
    pub default: &'static str,
    pub kind: Kind,
    /// The key has a meaning only where another key is one of these words.
    pub when: Option<(&'static str, &'static [&'static str])>,
}

/// Marks a key without a default.
pub const REQUIRED: &str = "";

/// Which values a key takes. Bounds are inclusive.
#[derive(Debug)]
pub enum Kind {
    Whole(i64, i64),
    Number(f64, f64),
    /// `[low, high]`, low at most high.
    Pair(f64, f64),
    /// A list of whole numbers, of at least so many.
    Wholes {
        least: usize,
        from: i64,
        to: i64,
    },
    /// A list of numbers, of at least so many.
    Numbers {
        least: usize,
        from: f64,
        to: f64,
    },
    Word(&'static [&'static str]),
    /// A list of different words, possibly empty.
    Words(&'static [&'static str]),
    Flag,
    /// One line of text.
    Text,
    /// Text that can name a folder.
    Name,
    /// Bytes as a whole number or with a unit ("2GiB").
    Bytes,
    Device,
}

/// Lists in a recipe are short; a longer one is a mistake (or an attack on our memory).
const LONGEST_LIST: usize = 64;

impl Key {
    pub fn last_part(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }
}

impl Kind {
    /// The value in its one stored form (a whole number where a [`Kind::Number`] stands becomes a float,
    /// "2GiB" its bytes), or what was expected instead: the end of a sentence that begins `key = value`.
    pub fn check(&self, value: &Value) -> Result<Value, String> {
        match self {
            Kind::Whole(from, to) => whole(value, *from, *to).map(Value::Integer),
            Kind::Number(from, to) => number(value, *from, *to).map(Value::Float),
            Kind::Pair(from, to) => {
                let ends = list(value)?.iter().map(|v| number(v, *from, *to));
                match ends.collect::<Result<Vec<f64>, String>>()?[..] {
                    [low, high] if low <= high => {
                        Ok(Value::Array(vec![Value::Float(low), Value::Float(high)]))
                    }
                    [_, _] => Err("is the wrong way round; expected [low, high]".into()),
                    _ => Err("is not a pair; expected [low, high]".into()),
                }
            }
            Kind::Wholes { least, from, to } => {
                let all = list(value)?;
                if all.len() < *least {
                    return Err(format!("has {} entries; expected at least {least}", all.len()));
                }
                let all = all.iter().map(|v| whole(v, *from, *to).map(Value::Integer));
                Ok(Value::Array(all.collect::<Result<_, String>>()?))
            }
            Kind::Numbers { least, from, to } => {
                let all = list(value)?;
                if all.len() < *least {
                    return Err(format!("has {} entries; expected at least {least}", all.len()));
                }
                let all = all.iter().map(|v| number(v, *from, *to).map(Value::Float));
                Ok(Value::Array(all.collect::<Result<_, String>>()?))
            }
            Kind::Word(words) => word(value, words).map(Value::String),
            Kind::Words(words) => {
                let mut seen = Vec::new();
                for entry in list(value)? {
                    let entry = Value::String(word(entry, words)?);
                    if seen.contains(&entry) {
                        return Err(format!("names {entry} twice"));
                    }
                    seen.push(entry);
                }
                Ok(Value::Array(seen))
            }
            Kind::Flag => {
                value.as_bool().map(Value::Boolean).ok_or("; expected true or false".into())
            }
            Kind::Text => match value.as_str() {
                Some(s) if !s.contains(char::is_control) && s.len() <= 200 => Ok(value.clone()),
                _ => Err("; expected one line of text, at most 200 bytes".into()),
            },
            Kind::Name => match value.as_str() {
                Some(s) if is_name(s) => Ok(value.clone()),
                _ => Err("cannot name a folder; expected letters, digits, - and _ only".into()),
            },
            Kind::Bytes => match value {
                Value::String(text) => bytes(text).map(Value::Integer),
                other => whole(other, 0, i64::MAX).map(Value::Integer),
            },
            Kind::Device => match value.as_str().map(str::parse::<super::Device>) {
                Some(Ok(device)) => Ok(Value::String(device.to_string())),
                Some(Err(why)) => Err(why),
                None => Err("; expected a device in quotes, such as \"cpu\"".into()),
            },
        }
    }
}

/// Letters, digits, `-`, `_`, and dots inside: what may become a folder under `runs/`.
pub fn is_name(s: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !s.is_empty() && s.len() <= 64 && s.chars().all(legal) && !s.starts_with('.')
}

fn whole(value: &Value, from: i64, to: i64) -> Result<i64, String> {
    let range = match to {
        i64::MAX => format!("a whole number, {from} or more"),
        _ => format!("a whole number from {from} to {to}"),
    };
    match value.as_integer() {
        Some(n) if (from..=to).contains(&n) => Ok(n),
        Some(_) => Err(format!("is out of range; expected {range}")),
        None => Err(format!("; expected {range}")),
    }
}

fn number(value: &Value, from: f64, to: f64) -> Result<f64, String> {
    let range = match (from, to) {
        (f, t) if f == f64::MIN && t == f64::MAX => "a number".to_string(),
        (f, t) if f == f64::MIN_POSITIVE && t == f64::MAX => "a number above 0".to_string(),
        (_, t) if t == f64::MAX => format!("a number, {from} or more"),
        (f, _) if f == f64::MIN_POSITIVE => format!("a number above 0, at most {to}"),
        _ => format!("a number from {from} to {to}"),
    };
    match value.as_float().or(value.as_integer().map(|n| n as f64)) {
        Some(x) if (from..=to).contains(&x) => Ok(x),
        Some(_) => Err(format!("is out of range; expected {range}")),
        None => Err(format!("; expected {range}")),
    }
}

fn word(value: &Value, words: &[&str]) -> Result<String, String> {
    match value.as_str() {
        Some(s) if words.contains(&s) => Ok(s.to_string()),
        Some(s) => Err(format!("is unknown; {}", did_you_mean(s, words.iter().copied()))),
        None => Err(format!("; expected one of {}", words.join(", "))),
    }
}

fn list(value: &Value) -> Result<&Vec<Value>, String> {
    match value.as_array() {
        Some(all) if all.len() > LONGEST_LIST => {
            Err(format!("has {} entries; at most {LONGEST_LIST} are possible", all.len()))
        }
        Some(all) => Ok(all),
        None => Err("; expected a list in [ ]".into()),
    }
}

/// "2GiB", "512 MiB", "1000" (bytes); "none" is 0.
fn bytes(text: &str) -> Result<i64, String> {
    let why = || "; expected bytes with a unit, such as \"512MiB\" or \"2GiB\"".to_string();
    if text == "none" {
        return Ok(0);
    }
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (count, unit) = text.split_at(digits);
    let scale = match unit.trim() {
        "" | "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1024f64.powi(2),
        "GiB" => 1024f64.powi(3),
        "TiB" => 1024f64.powi(4),
        "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        _ => return Err(why()),
    };
    let count: f64 = count.parse().map_err(|_| why())?;
    match count * scale {
        bytes if bytes < 1e18 => Ok(bytes as i64),
        _ => Err("is more memory than there is; expected less than 1e18 bytes".into()),
    }
}
