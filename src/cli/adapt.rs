//! `metatape adapt`: new classes for a model from a few pictures, and what it gained.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use super::executor::Executor;
use super::output;
use crate::data::picture;
use crate::data::support::{self, Support};
use crate::error::{Error, Result};
use crate::predict::{Adapted, Answer, Model, Predictor, adapt};

/// Teach a model new classes from a few pictures
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A model.safetensors, or the folder of the run that left it
    pub model: PathBuf,
    /// A folder with a folder of pictures for each class, or a table of labels (CSV: file,label)
    #[arg(long, value_name = "DIR")]
    pub support: PathBuf,
    /// Pictures to try the adapted model on, laid out alike
    #[arg(long, value_name = "DIR")]
    pub query: Option<PathBuf>,
    /// The new head's name; one that the model has goes on learning, with the classes it has
    #[arg(long, value_name = "NAME")]
    pub head: Option<String>,
    /// The adapted model, instead of adapted-HEAD.safetensors here
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub executor: Executor,
}

/// The head's name where none is given.
const HEAD: &str = "own";

pub fn main(args: &Args) -> Result<()> {
    let begun = Instant::now();
    let options = args.executor.options();
    let model = Model::load(&args.model)?;
    let head = args.head.as_deref().unwrap_or(HEAD);
    let out =
        args.out.clone().unwrap_or_else(|| PathBuf::from(format!("adapted-{head}.safetensors")));
    refuse_same_file(&args.model, &out)?;
    let set = support::read(&args.support, args.head.as_deref())?;
    let query = args
        .query
        .as_ref()
        .map(|path| support::read_query(path, args.head.as_deref(), &set.classes));
    let query = query.transpose()?;
    if !set.skipped.is_empty() {
        let first = set.skipped[0].display();
        eprintln!(
            "passed over {} files without a label or a picture's name, the first: {first}",
            set.skipped.len()
        );
    }
    let counts = set.counts();
    let (classes, pictures) = (set.classes.len(), set.examples.len());
    let adapted = adapt(&model, head, set, &options)?;
    let score =
        |which: &Model| query.as_ref().map(|q| accuracy(which, head, q, &options)).transpose();
    let on_query = match score(&adapted.start)? {
        Some(before) => Some((before, score(adapted.model())?.expect("there is a query set"))),
        None => None,
    };
    adapted.model().save(&out)?;
    let seconds = begun.elapsed().as_secs_f64();
    if args.json {
        return output::print(&format!(
            "{}\n",
            as_json(&adapted, classes, pictures, query.as_ref(), on_query, &out, seconds)
        ));
    }
    output::print(&text(&adapted, &counts, query.as_ref(), on_query, &out))?;
    eprintln!("{seconds:.1} seconds");
    Ok(())
}

fn refuse_same_file(model: &Path, out: &Path) -> Result<()> {
    let inside = if model.is_dir() { model.join("model.safetensors") } else { model.to_path_buf() };
    match (inside.canonicalize(), out.canonicalize()) {
        (Ok(a), Ok(b)) if a == b => Err(Error::input(format!(
            "--out {} is the model itself; give another name",
            out.display()
        ))),
        _ => Ok(()),
    }
}

/// Pictures of a labelled set that head `head` tells right.
fn accuracy(
    model: &Model,
    head: &str,
    set: &Support,
    options: &crate::exec::Options,
) -> Result<usize> {
    let mut predictor = Predictor::new(model, &[model.head(head)?], options)?;
    let names = model.card.names(head);
    let mut right = 0;
    for example in &set.examples {
        let prediction = predictor.predict(&picture::read(&example.path)?, 0.5)?;
        let Answer::Classes(p) = &prediction.answers[0].1 else { continue };
        let best = (0..p.len()).fold(0, |best, i| if p[i] > p[best] { i } else { best });
        right += usize::from(names[best] == set.classes[example.class]);
    }
    Ok(right)
}

fn text(
    adapted: &Adapted,
    counts: &[usize],
    query: Option<&Support>,
    on_query: Option<(usize, usize)>,
    out: &Path,
) -> String {
    let pictures: usize = counts.iter().sum();
    let (fewest, most) =
        (counts.iter().filter(|&&n| n > 0).min().unwrap_or(&0), counts.iter().max().unwrap_or(&0));
    let kind = if adapted.known { "known head" } else { "new head" };
    let mut text = format!(
        "{kind} {}: {} classes, {pictures} pictures ({fewest} to {most} a class)\n",
        adapted.head,
        counts.len()
    );
    let start = if adapted.known { "as it was" } else { "prototypes" };
    let share = |right: usize, of: usize| {
        format!("{right} of {of} right ({:.0} %)", 100.0 * right as f64 / of.max(1) as f64)
    };
    match &adapted.left_out {
        Some(l) => {
            let how = if l.folds == pictures {
                "one at a time".to_string()
            } else {
                format!("in {} groups", l.folds)
            };
            text += &format!("left out, {how}:\n");
            text += &format!("  always the largest class   {:.0} %\n", 100.0 * l.majority);
            text += &format!("  {start:<26} {}\n", share(l.before, l.asked));
            let what =
                if adapted.embedding { "head and embedding learned" } else { "head learned" };
            text += &format!("  {what:<26} {}\n", share(l.after, l.asked));
            text += &match (adapted.kept(), l.after as i64 - l.before as i64) {
                (false, lost) => {
                    format!("learning lost {} of them, so the model keeps the start\n", -lost)
                }
                (true, 0) => "learning changed nothing in these\n".to_string(),
                (true, gained) => format!("learning gained {gained} of them\n"),
            };
        }
        None => {
            text += "one picture a class: prototypes, with nothing to leave out; --query can tell how good they are\n"
        }
    }
    if let (Some(query), Some((before, after))) = (query, on_query) {
        let n = query.examples.len();
        text += &format!(
            "query, {n} pictures:\n  always the largest class   {:.0} %\n",
            100.0 * query.majority()
        );
        text += &format!("  {start:<26} {}\n", share(before, n));
        text += &format!("  {:<26} {}\n", "the adapted model", share(after, n));
    }
    text + &format!("model: {}\n", out.display())
}

fn as_json(
    adapted: &Adapted,
    classes: usize,
    pictures: usize,
    query: Option<&Support>,
    on_query: Option<(usize, usize)>,
    out: &Path,
    seconds: f64,
) -> Value {
    let left_out = adapted.left_out.map(|l| {
        json!({ "folds": l.folds, "asked": l.asked, "right_before": l.before, "right_after": l.after, "majority": l.majority })
    });
    let query = query.zip(on_query).map(|(q, (before, after))| {
        json!({ "asked": q.examples.len(), "right_before": before, "right_after": after, "majority": q.majority() })
    });
    json!({
        "model": out, "head": adapted.head, "known": adapted.known, "classes": classes, "pictures": pictures,
        "embedding": adapted.embedding, "kept": adapted.kept(),
        "left_out": left_out, "query": query, "seconds": seconds,
    })
}
