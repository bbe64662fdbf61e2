//! `metatape run`: a recipe from beginning to end, or on from where it stopped.

use std::path::{Path, PathBuf};

use super::output;
use crate::error::{Error, Result};
use crate::experiment::{self, Estimate};
use crate::recipe::{self, Override, Recipe, builtin};
use crate::run::{Folder, Run, Summary, interrupt};

/// Run a recipe: train, evaluate, write a report into runs/RECIPE/N/
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A built-in recipe (`metatape recipes`) or a TOML file
    pub recipe: Option<String>,
    #[command(flatten)]
    pub flags: Flags,
}

/// Each flag that names a key is an override of it.
#[derive(Debug, clap::Args)]
pub struct Flags {
    /// Change a key of the recipe; the last part of its name suffices where it is unique
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// auto, cpu, gpu, gpu:N or reference
    #[arg(long)]
    pub device: Option<String>,
    /// Threads of `cpu`; 0 takes all cores
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub threads: Option<String>,
    /// Seed of the start and of every random number of training
    #[arg(long, value_name = "N", conflicts_with = "seeds", allow_negative_numbers = true)]
    pub seed: Option<String>,
    /// Run all these seeds, both ends included
    #[arg(long, value_name = "A..B")]
    pub seeds: Option<String>,
    /// Where data sets lie that are not part of the program
    #[arg(long, value_name = "DIR", env = "METATAPE_DATA")]
    pub data: Option<PathBuf>,
    /// The run's folder, new or empty, instead of runs/RECIPE/N
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub out: Option<PathBuf>,
    /// Go on with the run in this folder
    #[arg(long, value_name = "DIR")]
    pub resume: Option<PathBuf>,
    /// Print the resolved recipe and what it will cost, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
    /// No talk and no progress
    #[arg(long, short)]
    pub quiet: bool,
}

impl Flags {
    /// What the flags change; `--set` comes last and so wins.
    pub fn overrides(&self) -> Result<Vec<Override>> {
        let one = |key: &str, flag: &str, value: &str| Override {
            key: key.into(),
            value: value.into(),
            origin: format!("--{flag} {value}"),
        };
        let mut all = Vec::new();
        for (key, value) in
            [("device", &self.device), ("threads", &self.threads), ("seed", &self.seed)]
        {
            all.extend(value.as_ref().map(|value| one(key, key, value)));
        }
        if let Some(text) = &self.seeds {
            let ends = text.split_once("..").and_then(|(a, b)| {
                Some((a.parse::<u64>().ok()?, b.trim_start_matches('=').parse::<u64>().ok()?))
            });
            let (first, last) = ends.filter(|(a, b)| a <= b).ok_or_else(|| {
                Error::input(format!(
                    "--seeds {text}: expected A..B with A at most B, such as 1..5"
                ))
            })?;
            all.push(Override {
                origin: format!("--seeds {text}"),
                ..one("seed", "", &first.to_string())
            });
            let count = (last - first).saturating_add(1).to_string();
            all.push(Override { origin: format!("--seeds {text}"), ..one("seeds", "", &count) });
        }
        for text in &self.set {
            all.push(Override::parse(text)?);
        }
        Ok(all)
    }
}

pub fn main(args: &Args) -> Result<()> {
    let flags = &args.flags;
    let overrides = flags.overrides()?;
    let recipe = match &flags.resume {
        Some(dir) => resumed_recipe(dir, args.recipe.as_deref(), &overrides)?,
        None => recipe::load(args.recipe.as_deref().unwrap_or(builtin::DEFAULT), &overrides)?,
    };
    // All that bad input can spoil comes first: a refused run leaves no folder.
    let mut prepared = experiment::prepare(&recipe, flags.data.as_deref())?;
    if flags.dry_run {
        return dry_run(&recipe, &experiment::estimate(&mut prepared)?, flags.json);
    }
    let mut run = match &flags.resume {
        Some(dir) => Run::resume(dir, &overrides)?,
        None => Run::start(recipe, flags.out.as_deref())?,
    };
    interrupt::listen()?;
    if !flags.quiet {
        eprintln!("{}: {} -> {}", run.recipe.name, run.recipe.title, run.folder.path().display());
        if let Some(checkpoint) = &run.resumed {
            eprintln!("going on after step {}", checkpoint.step);
        }
    }
    let summary = experiment::run(prepared, &mut run, flags.quiet)?;
    if flags.json {
        let text = serde_json::to_string_pretty(&summary).expect("a summary is plain data");
        return output::print(&(text + "\n"));
    }
    let report = run.folder.report();
    output::print(&format!("{}\nreport: {}\n", results(&summary), report.display()))
}

/// The recipe of the run in `dir`. Naming it again beside `--resume` is fine, naming another is a mistake.
fn resumed_recipe(dir: &Path, named: Option<&str>, overrides: &[Override]) -> Result<Recipe> {
    let (_, recipe) = Folder::open(dir, overrides)?;
    match named.map(|which| recipe::load(which, &[])).transpose()? {
        Some(other) if other.name != recipe.name => Err(Error::input(format!(
            "{} holds a run of {}, not of {}; leave the recipe out to go on with it",
            dir.display(),
            recipe.name,
            other.name
        ))),
        _ => Ok(recipe),
    }
}

/// The results as a table for people.
fn results(summary: &Summary) -> String {
    let header = ["result", "value ± 95 %", "n", "seed"].map(str::to_string);
    let rows = summary.results.iter().filter(|f| !f.is_part()).map(|f| {
        let seed = f.seed.map_or("all".to_string(), |seed| seed.to_string());
        vec![f.name.clone(), output::with_interval(f.value, f.ci95), f.n.to_string(), seed]
    });
    output::table(&header, &rows.collect::<Vec<_>>())
}

fn dry_run(recipe: &Recipe, cost: &Estimate, json: bool) -> Result<()> {
    if json {
        let recipe = serde_json::to_value(recipe).expect("a recipe is plain data");
        let both = serde_json::json!({ "recipe": recipe, "estimate": cost });
        return output::print(&format!("{both}\n"));
    }
    let time = crate::run::progress::duration(std::time::Duration::from_secs_f64(
        cost.seconds.clamp(0.0, 1e9),
    ));
    let within = cost.within_memory.as_ref();
    let within = within.map_or(String::new(), |way| format!("# within memory   {way}\n"));
    output::print(&format!(
        "{}\n# parameters      {}\n# steps           {}\n# flops a step    {:.3e}\n# peak bytes      {} ({:.1} MiB)\n{within}\
         # training time   {time} a seed, without controls and evaluation, on {}\n",
        recipe.to_toml(),
        cost.parameters,
        cost.steps,
        cost.flops_per_step,
        cost.peak_bytes,
        cost.peak_bytes as f64 / 1024f64.powi(2),
        cost.device,
    ))
}
