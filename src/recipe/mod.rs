//! Recipes: one TOML file describes one experiment.
//!
//! [`table`] has every key with its meaning; [`read`] finds out who set which; here they are merged
//! (defaults, then the file, then the command line), checked, and made the typed [`Recipe`] that the rest
//! of the program uses. [`builtin`] holds the recipes of published experiments.

pub mod builtin;
mod device;
pub mod key;
pub mod read;
pub(crate) use show::fnv1a;

mod show;
pub mod suggest;
pub mod table;

use std::path::Path;

use toml::{Table, Value};

pub use device::Device;
pub use read::Override;
pub use table::*;

use crate::error::{Error, Result};
use key::{Key, REQUIRED, is_name};
use read::Given;

/// No recipe is longer; a larger file is something else.
const LARGEST_FILE: u64 = 1 << 20;

/// A built-in recipe by name, or a TOML file by path, with the command line's overrides.
///
/// Fails with one line that says where (file and line, or the flag), what was found and what was expected.
pub fn load(which: &str, overrides: &[Override]) -> Result<Recipe> {
    if let Some(text) = builtin::text(which) {
        return resolve(text, &format!("recipes/{which}.toml"), which, overrides);
    }
    let path = Path::new(which);
    if !path.is_file() && !which.ends_with(".toml") && !which.contains('/') {
        let hint = suggest::did_you_mean(which, builtin::names());
        return Err(Error::input(format!(
            "no recipe {which:?}; {hint} (or a path to a TOML file; `metatape recipes` lists all)"
        )));
    }
    let text = read_text(path)?;
    let stem = path.file_stem().and_then(|s| s.to_str()).filter(|s| is_name(s)).unwrap_or("recipe");
    resolve(&text, which, stem, overrides)
}

/// The text of a small file, bounded.
pub fn read_text(path: &Path) -> Result<String> {
    let shown = path.display();
    let why = |e: std::io::Error| Error::input(format!("cannot read {shown}: {e}"));
    let size = std::fs::metadata(path).map_err(why)?;
    if !size.is_file() || size.len() > LARGEST_FILE {
        return Err(Error::input(format!(
            "{shown} is no recipe; expected a TOML file of at most {LARGEST_FILE} bytes"
        )));
    }
    std::fs::read_to_string(path).map_err(why)
}

/// A recipe from its text. `file` names the text in messages, `name` is the recipe's unless it says so itself.
pub fn resolve(text: &str, file: &str, name: &str, overrides: &[Override]) -> Result<Recipe> {
    let mut given = read::file(text, file)?;
    let from_file = given.len();
    for change in overrides {
        let so_far = given.clone();
        given.extend(read::set(change, |key| usable(key, &|path| latest(&so_far, path)))?);
    }
    if !given.iter().any(|g| g.key.path == "name") {
        let key = &table::KEYS[0];
        given.insert(0, Given { key, value: Value::String(name.into()), place: file.into() });
    }

    let mut root = Table::new();
    for key in table::KEYS {
        let position = given.iter().rposition(|g| g.key.path == key.path);
        let value = match position.map(|i| &given[i]) {
            Some(g) => key.kind.check(&g.value).map_err(|why| {
                let space = if why.starts_with(';') { "" } else { " " };
                Error::input(format!("{}: {} = {}{space}{why}", g.place, key.path, short(&g.value)))
            })?,
            None if key.default == REQUIRED => {
                return Err(Error::input(format!(
                    "{file}: {} is missing ({})",
                    key.path,
                    key.meaning.to_lowercase()
                )));
            }
            None => default(key),
        };
        let applies = usable(key, &|path| lookup(&root, path).cloned());
        if let (Some(i), Some((other, words)), false) = (position, key.when, applies) {
            // The command line turned the file to another kind: the file's keys of the old kind are moot.
            let turned = given[from_file..].iter().any(|g| g.key.path == other);
            if i >= from_file || !turned {
                let found = lookup(&root, other).map_or_else(String::new, short);
                return Err(Error::input(format!(
                    "{}: {} has a meaning only where {other} is {}; here it is {found}",
                    given[i].place,
                    key.path,
                    words.join(" or ")
                )));
            }
        }
        insert(&mut root, key.path, if applies { value } else { default(key) });
    }

    let recipe: Recipe = Value::Table(root)
        .try_into()
        .map_err(|e: toml::de::Error| Error::input(format!("{file}: {}", e.message())))?;
    recipe.consistent().map_err(|why| {
        let changes: Vec<&str> = overrides.iter().map(|change| change.origin.as_str()).collect();
        let with = if changes.is_empty() { "" } else { " with " };
        Error::input(format!("{file}{with}{}: {why}", changes.join(" ")))
    })?;
    Ok(recipe)
}

impl Recipe {
    /// What no single key can tell.
    fn consistent(&self) -> std::result::Result<(), String> {
        let Recipe { tasks, model, method, evaluate, .. } = self;
        let few_shot = matches!(tasks.kind, TaskKind::Sine | TaskKind::Omniglot);
        let other = matches!(model.kind, ModelKind::MultiTask | ModelKind::Point);
        if few_shot && (other || method.kind != MethodKind::Maml) {
            return Err(format!(
                "tasks.kind = \"{}\" needs model.kind = \"mlp\" or \"conv4\" and method.kind = \"maml\"",
                tasks.kind.word()
            ));
        }
        if !evaluate.inner_steps.contains(&evaluate.headline) {
            return Err(format!(
                "evaluate.headline = {} is not among evaluate.inner_steps = {:?}",
                evaluate.headline, evaluate.inner_steps
            ));
        }
        let (inputs, outputs) = match tasks.kind {
            TaskKind::Sine if model.kind != ModelKind::Mlp => {
                return Err(
                    "tasks.kind = \"sine\" has no pictures; expected model.kind = \"mlp\"".into()
                );
            }
            TaskKind::Sine => (1, 1),
            TaskKind::Omniglot => (28 * 28, tasks.ways),
            TaskKind::Scenes | TaskKind::CamVid => return self.consistent_domains(),
            TaskKind::Toy => return self.consistent_toy(),
        };
        if tasks.kind == TaskKind::Omniglot {
            for (path, queries) in [("tasks", tasks.queries), ("evaluate", evaluate.queries)] {
                if tasks.shots + queries > 20 {
                    return Err(format!(
                        "tasks.shots = {} and {path}.queries = {queries} make {}; a character has 20 pictures",
                        tasks.shots,
                        tasks.shots + queries
                    ));
                }
            }
        }
        if model.norm == Norm::Group && !model.filters.is_multiple_of(model.groups) {
            return Err(format!(
                "model.filters = {} cannot be cut into model.groups = {} equal groups",
                model.filters, model.groups
            ));
        }
        let ends = (model.layers[0], model.layers[model.layers.len() - 1]);
        if model.kind == ModelKind::Mlp && ends != (inputs, outputs) {
            return Err(format!(
                "model.layers leads from {} to {}; tasks of this kind need {inputs} to {outputs}",
                ends.0, ends.1
            ));
        }
        Ok(())
    }

    /// Of experiments on several domains.
    fn consistent_domains(&self) -> std::result::Result<(), String> {
        let Recipe { model, method, .. } = self;
        if model.kind != ModelKind::MultiTask || method.kind != MethodKind::Transfer {
            return Err(format!(
                "tasks.kind = \"{}\" needs model.kind = \"multitask\" and method.kind = \"transfer\"",
                self.tasks.kind.word()
            ));
        }
        // An episode of meta-learning takes so many different pictures of one task and domain.
        let episode = 2 * (self.train.batch / 4).max(1);
        let scenes = self.tasks.kind == TaskKind::Scenes;
        if let Some(few) = self.tasks.source_labels.iter().find(|&&n| scenes && n < episode) {
            return Err(format!(
                "tasks.source_labels has {few}; expected at least {episode} for train.batch = {}",
                self.train.batch
            ));
        }
        for (key, channels) in [("filters", model.filters), ("stem", model.stem)] {
            if !channels.is_multiple_of(8) {
                return Err(format!(
                    "model.{key} = {channels}; expected a multiple of 8, the groups of the normalisation"
                ));
            }
        }
        if model.stem > 0 && model.trunk != TrunkKind::Small {
            return Err(format!(
                "model.stem = {}; only model.trunk = \"small\" has a first block of its own width",
                model.stem
            ));
        }
        if !scenes
            && !matches!(self.tasks.size[..], [height, width] if height <= 180 && width <= 240)
        {
            return Err(format!(
                "tasks.size = {:?}; expected [height, width] of at most [180, 240], the size of the stored frames",
                self.tasks.size
            ));
        }
        Ok(())
    }

    /// Two numbers, Adam, nothing random.
    fn consistent_toy(&self) -> std::result::Result<(), String> {
        let Recipe { model, method, train, .. } = self;
        if model.kind != ModelKind::Point || method.kind != MethodKind::Aggregate {
            return Err(
                "tasks.kind = \"toy\" needs model.kind = \"point\" and method.kind = \"aggregate\""
                    .into(),
            );
        }
        if method.methods.is_empty() {
            return Err("method.methods = [] leaves nothing to run; expected one or more".into());
        }
        if train.optimizer.kind != OptimizerKind::Adam {
            return Err(
                "tasks.kind = \"toy\" is defined with Adam; expected train.optimizer.kind = \"adam\"".into()
            );
        }
        if self.seeds != 1 {
            return Err(format!(
                "tasks.kind = \"toy\" has nothing random: {} seeds would end alike; expected seeds = 1",
                self.seeds
            ));
        }
        Ok(())
    }
}

/// Whether a key has a meaning here, where `value` tells other keys' values (default where it is silent).
fn usable(key: &Key, value: &dyn Fn(&str) -> Option<Value>) -> bool {
    let Some((other, words)) = key.when else { return true };
    let found = value(other).or_else(|| {
        let other = table::KEYS.iter().find(|key| key.path == other)?;
        (other.default != REQUIRED).then(|| default(other))
    });
    found.as_ref().and_then(Value::as_str).is_some_and(|word| words.contains(&word))
}

fn latest(given: &[Given], path: &str) -> Option<Value> {
    given.iter().rev().find(|g| g.key.path == path).map(|g| g.value.clone())
}

/// The default in its stored form. Keys that a recipe has to give apply everywhere, so none is asked for here.
fn default(key: &Key) -> Value {
    let text = format!("value = {}", key.default);
    let value = text.parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    match value.map(|v| key.kind.check(&v)) {
        Some(Ok(value)) => value,
        _ => panic!("the default of {} does not pass its own check", key.path),
    }
}

pub(crate) fn lookup<'a>(root: &'a Table, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        None => root.get(path),
        Some((section, rest)) => lookup(root.get(section)?.as_table()?, rest),
    }
}

fn insert(root: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => drop(root.insert(path.into(), value)),
        Some((section, rest)) => {
            let inner = root.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// A value as it was written, cut where it would fill the line.
fn short(value: &Value) -> String {
    let text = value.to_string().replace('\n', " ");
    match text.char_indices().nth(60) {
        Some((i, _)) => format!("{}...", &text[..i]),
        None => text,
    }
}
