//! `metatape predict`: what a model says of one's own pictures.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use super::executor::Executor;
use super::output;
use crate::data::{picture, support};
use crate::error::{Error, Result};
use crate::predict::{Latency, Model, Page, Predictor, overlay};
use crate::report::overlay::png;
use crate::run::files::{io_error, write_atomic};

/// Say what a model sees in pictures: classes, boxes, masks, values of every head
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A model.safetensors, or the folder of the run that left it
    pub model: PathBuf,
    /// Pictures (PNG or JPEG, of any size), or folders of them
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Ask this head only; may be given several times
    #[arg(long, value_name = "NAME")]
    pub head: Vec<String>,
    /// Write each picture with what was found drawn on it, and a page of all, into this folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Show boxes from this probability on
    #[arg(long, value_name = "P", default_value_t = 0.3)]
    pub score: f32,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub executor: Executor,
}

pub fn main(args: &Args) -> Result<()> {
    if !(0.0..=1.0).contains(&args.score) {
        return Err(Error::input(format!(
            "--score {}: expected a probability from 0 to 1",
            args.score
        )));
    }
    let model = Model::load(&args.model)?;
    let heads = match &args.head[..] {
        [] => (0..model.card.network.heads.len()).collect(),
        names => names.iter().map(|name| model.head(name)).collect::<Result<Vec<_>>>()?,
    };
    let paths = pictures(&args.paths)?;
    let mut predictor = Predictor::new(&model, &heads, &args.executor.options())?;
    if let Some(out) = &args.out {
        std::fs::create_dir_all(out).map_err(|e| io_error("make the folder", out, &e))?;
    }

    let (mut shown, mut failed, mut latency) = (vec![], vec![], Latency::default());
    let mut page = Page::new(&model.card.title, &[("model", args.model.display().to_string())]);
    page.legend(&model.card);
    let mut names = HashSet::new();
    for path in &paths {
        let picture = match picture::read(path) {
            Ok(picture) => picture,
            // The others are asked all the same.
            Err(why) => {
                failed.push((path, why.to_string()));
                continue;
            }
        };
        if latency.count() == 0 {
            predictor.predict(&picture, args.score)?; // the first run of a program is no measure of the others
        }
        let begun = Instant::now();
        let prediction = predictor.predict(&picture, args.score)?;
        latency.add(begun.elapsed());
        let placement = &prediction.placement;
        let texts: Vec<(String, String)> = prediction
            .answers
            .iter()
            .map(|(head, answer)| (head.clone(), answer.text(model.card.names(head), placement)))
            .collect();
        let mut drawn = None;
        if let Some(out) = &args.out {
            let name = drawn_name(path, &mut names);
            write_atomic(&out.join(&name), &png(&overlay(&picture, &prediction, &model.card)))?;
            page.add(&path.display().to_string(), &name, &texts);
            drawn = Some(out.join(name));
        }
        if args.json {
            let heads = prediction.answers.iter().map(|(head, answer)| {
                (head.clone(), answer.json(model.card.names(head), placement))
            });
            let heads: serde_json::Map<String, Value> = heads.collect();
            shown.push(json!({ "path": path, "width": picture.width, "height": picture.height, "drawn": drawn, "heads": heads }));
        } else {
            let width = texts.iter().map(|(head, _)| head.chars().count()).max().unwrap_or(0);
            let mut text = format!("{}  {} x {}\n", path.display(), picture.width, picture.height);
            for (head, answer) in &texts {
                text.push_str(&format!("  {head:width$}  {answer}\n"));
            }
            output::print(&text)?;
        }
    }
    if let Some(out) = args.out.as_ref().filter(|_| latency.count() > 0) {
        write_atomic(&out.join("index.html"), page.html().as_bytes())?;
    }
    let [p50, p99] = [0.5, 0.99].map(|share| latency.quantile(share));
    if args.json {
        let failed: Vec<Value> =
            failed.iter().map(|(path, why)| json!({ "path": path, "why": why })).collect();
        let all = json!({
            "model": args.model, "title": model.card.title, "device": predictor.device(),
            "latency_ms": { "p50": p50, "p99": p99, "n": latency.count() },
            "pictures": shown, "failed": failed,
        });
        output::print(&format!("{all}\n"))?;
    }
    if let (Some(p50), Some(p99)) = (p50, p99) {
        let n = latency.count();
        eprintln!(
            "one picture: {p50:.1} ms (median of {n}), {p99:.1} ms (99 % within), on {}",
            predictor.device()
        );
    }
    if let Some(out) = args.out.as_ref().filter(|_| latency.count() > 0) {
        eprintln!("drawn: {}", out.join("index.html").display());
    }
    match &failed[..] {
        [] => Ok(()),
        [(_, why)] if paths.len() == 1 => Err(Error::Input(why.clone())),
        [(_, first), ..] => Err(Error::input(format!(
            "{} of {} pictures could not be read, the first: {first}",
            failed.len(),
            paths.len()
        ))),
    }
}

/// Folders become the pictures in them.
fn pictures(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut all = vec![];
    for path in paths {
        match path.is_dir() {
            true => all.extend(support::pictures_in(path)?),
            false => all.push(path.clone()),
        }
    }
    Ok(all)
}

/// A file name for the drawn picture that no other one has, of plain letters: it stands in a page as an address.
fn drawn_name(path: &Path, taken: &mut HashSet<String>) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let stem: String = stem.chars().take(80).map(plain).collect();
    let mut names =
        (1..).map(|n| if n == 1 { format!("{stem}.png") } else { format!("{stem}-{n}.png") });
    let free = names.find(|name| taken.insert(name.to_ascii_lowercase()));
    free.expect("there is always a next number")
}
