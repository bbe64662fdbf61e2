//! `metatape compare`: the results of runs side by side, each beside its difference to the first run.

use std::path::PathBuf;

use serde_json::json;

use super::output;
use crate::error::Result;
use crate::run::{Figure, Summary};

/// Compare the results of finished runs; differences are to the first
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folders of runs, or their summary.json
    #[arg(required = true, num_args = 2.., value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// One JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

pub fn main(args: &Args) -> Result<()> {
    let runs = args.runs.iter().map(|path| Summary::load(path)).collect::<Result<Vec<_>>>()?;
    let rows = rows(&runs);
    if args.json {
        let rows = rows.iter().map(|row| {
            let cells = row.cells.iter().map(|cell| {
                cell.as_ref().map(|c| {
                    json!({ "value": c.value, "ci95": c.ci95, "n": c.n, "delta": c.delta, "delta_ci95": c.delta_ci95 })
                })
            });
            json!({ "name": row.name, "seed": row.seed, "runs": cells.collect::<Vec<_>>() })
        });
        let about = args.runs.iter().zip(&runs).map(|(path, run)| {
            json!({ "path": path, "recipe": run.recipe, "device": run.device, "seeds": run.seeds, "steps": run.steps,
                    "seconds": run.seconds, "peak_bytes": run.peak_bytes })
        });
        let all = json!({ "runs": about.collect::<Vec<_>>(), "results": rows.collect::<Vec<_>>() });
        return output::print(&format!("{all}\n"));
    }
    output::print(&text(&args.runs, &runs, &rows))
}

/// One result of all runs.
struct Row {
    name: String,
    seed: Option<u64>,
    /// In the order of the runs; `None` where a run has no such result.
    cells: Vec<Option<Cell>>,
}

struct Cell {
    value: Option<f64>,
    ci95: Option<f64>,
    n: u64,
    /// This run minus the first.
    delta: Option<f64>,
    /// Half-width, as of independent samples: for runs on the same test tasks it is on the safe side.
    delta_ci95: Option<f64>,
}

fn rows(runs: &[Summary]) -> Vec<Row> {
    let mut keys: Vec<(&str, Option<u64>)> = Vec::new();
    for figure in runs.iter().flat_map(|run| &run.results) {
        let key = (figure.name.as_str(), figure.seed);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let row = |(name, seed): (&str, Option<u64>)| {
        let find =
            |run: &Summary| run.results.iter().find(|f| f.name == name && f.seed == seed).cloned();
        let found: Vec<Option<Figure>> = runs.iter().map(find).collect();
        let first = found[0].clone();
        let cells = found.into_iter().map(|figure| {
            let f = figure?;
            let both = |get: fn(&Figure) -> Option<f64>| Some((get(&f)?, get(first.as_ref()?)?));
            Some(Cell {
                delta: both(|f| f.value).map(|(this, first)| this - first),
                delta_ci95: both(|f| f.ci95).map(|(this, first)| this.hypot(first)),
                value: f.value,
                ci95: f.ci95,
                n: f.n,
            })
        });
        Row { name: name.into(), seed, cells: cells.collect() }
    };
    keys.into_iter().map(row).collect()
}

fn text(paths: &[PathBuf], runs: &[Summary], rows: &[Row]) -> String {
    let mut text = String::new();
    for (i, (path, run)) in paths.iter().zip(runs).enumerate() {
        let seeds: Vec<String> = run.seeds.iter().map(u64::to_string).collect();
        text.push_str(&format!(
            "[{}] {}: {}, {} steps, seed {}, {} on {} ({} threads)\n",
            i + 1,
            path.display(),
            run.recipe,
            run.steps,
            seeds.join(" "),
            crate::run::progress::duration(std::time::Duration::from_secs_f64(
                run.seconds.clamp(0.0, 1e9)
            )),
            run.device,
            run.threads
        ));
    }
    let mut header = vec!["result".to_string(), "[1]".to_string()];
    for i in 2..=runs.len() {
        header.extend([format!("[{i}]"), format!("[{i}] - [1]")]);
    }
    let body = rows.iter().map(|row| {
        let seed = row.seed.map_or(String::new(), |seed| format!(" (seed {seed})"));
        let mut cells = vec![format!("{}{seed}", row.name)];
        for (i, cell) in row.cells.iter().enumerate() {
            let shown = cell.as_ref().map(|c| output::with_interval(c.value, c.ci95));
            cells.push(shown.unwrap_or_else(|| "absent".into()));
            if i > 0 {
                let delta = cell.as_ref().and_then(|c| c.delta.map(|d| (d, c.delta_ci95)));
                cells.push(match delta {
                    Some((d, ci)) if ci.is_some_and(|ci| d.abs() > ci) => {
                        format!("{} *", output::with_interval(Some(d), ci))
                    }
                    Some((d, ci)) => format!("{}  ", output::with_interval(Some(d), ci)),
                    None => "-  ".into(),
                });
            }
        }
        cells
    });
    text.push('\n');
    text.push_str(&output::table(&header, &body.collect::<Vec<_>>()));
    text.push_str("\n± is half of a 95 % interval, of differences as if the test tasks were independent; * marks a difference beyond it.\n");
    text
}
