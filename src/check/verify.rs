//! `verify`: runs case files on an executor and compares with their answers.
//!
//! Everything given is run before the verdict: one damaged file hides no wrong answer in another.

use super::build::build;
use super::case_file::{Case, Refusal, Tolerance, Values, load};
use super::guard::quietly;
use crate::error::{Error, Result};
use crate::exec::{Device, Options, compile};
use crate::tape::Tape;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What one case came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Passed,
    Failed(String),
    Refused(Refusal),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub passed: usize,
    pub failed: usize,
    pub unsupported: usize,
    pub damaged: usize,
}

/// Runs the case files of `paths`; a folder means all `*.safetensors` below it. Prints a line for
/// each case that does not pass, then the counts.
///
/// Errors: `Input` for a file that can not be read or contradicts itself, else `Answer` for a wrong
/// or an unsupported case; a device that is not there at once.
pub fn verify(paths: &[PathBuf], options: &Options, out: &mut dyn Write) -> Result<()> {
    let device = device(options)?;
    let (mut files, mut counts) = (vec![], Counts::default());
    for path in paths {
        let before = files.len();
        let found = list(path, &mut files);
        files[before..].sort();
        if let Err(why) = found {
            counts.damaged += 1;
            say(out, format_args!("unreadable {}: {why}", path.display()))?;
        } else if files.len() == before {
            counts.damaged += 1;
            say(out, format_args!("unreadable {}: no *.safetensors below it", path.display()))?;
        }
    }
    for file in &files {
        let (name, verdict) = match load(file) {
            Ok(case) => (case.name.clone(), judge(&case, options)?),
            Err(why) => (file.display().to_string(), Verdict::Refused(why)),
        };
        match verdict {
            Verdict::Passed => counts.passed += 1,
            Verdict::Failed(why) => {
                counts.failed += 1;
                say(out, format_args!("FAILED {name}: {why}"))?;
            }
            Verdict::Refused(Refusal::Unsupported(why)) => {
                counts.unsupported += 1;
                say(out, format_args!("unsupported {name}: {why}"))?;
            }
            Verdict::Refused(Refusal::Damaged(why)) => {
                counts.damaged += 1;
                say(out, format_args!("unreadable {}: {why}", file.display()))?;
            }
        }
    }
    let Counts { passed, failed, unsupported, damaged } = counts;
    let mut line = format!("{device}: {passed} passed, {failed} failed, {unsupported} unsupported");
    if damaged > 0 {
        line += &format!(", {damaged} unreadable");
    }
    say(out, format_args!("{line}"))?;
    match counts {
        Counts { damaged: 1.., .. } => {
            Err(Error::Input(format!("{damaged} not readable as cases")))
        }
        Counts { failed: 0, unsupported: 0, .. } => Ok(()),
        _ => Err(Error::Answer(format!("{failed} cases failed, {unsupported} unsupported"))),
    }
}

fn say(out: &mut dyn Write, line: std::fmt::Arguments) -> Result<()> {
    // A name from a file may hold control characters: they must not reach a terminal.
    let line: String =
        line.to_string().chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    writeln!(out, "{line}").map_err(|why| Error::Machine(format!("cannot write: {why}")))
}

/// All case files at or below `path`. Links to folders are not followed, so the walk ends.
fn list(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !std::fs::metadata(path)?.is_dir() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let below = entry.path();
        if entry.file_type()?.is_dir() {
            list(&below, files)?;
        } else if below.extension().is_some_and(|end| end == "safetensors") {
            files.push(below);
        }
    }
    Ok(())
}

/// The executor's own name; an error if the device is not there.
pub(super) fn device(options: &Options) -> Result<String> {
    let tape = Tape::new();
    let one = tape.filled(1.0, [1]) + tape.input([1]);
    Ok(compile(&tape, &[one], &[], options)?.device())
}

/// Builds, runs and compares one case. Errors only if the machine fails or the user stops it.
pub fn judge(case: &Case, options: &Options) -> Result<Verdict> {
    let tape = Tape::new();
    let outputs = match build(&tape, case) {
        Ok(outputs) => outputs,
        Err(why) => return Ok(Verdict::Refused(why)),
    };
    for (output, wanted) in outputs.iter().zip(&case.wanted) {
        if output.shape() != wanted.shape {
            let (got, want) = (output.shape(), wanted.shape);
            let why = format!("output {:?} has shape {got}, expected {want}", wanted.name);
            return Ok(Verdict::Failed(why));
        }
    }
    let f64s = options.device == Device::Reference;
    let tolerance = if f64s { case.tolerance64 } else { case.tolerance };
    // A panic of an executor is a failure of this case, not the end of the others.
    let ran = quietly(|| -> Result<Vec<Vec<f64>>> {
        let mut program = compile(&tape, &outputs, &[], options)?;
        for (slot, input) in case.inputs.iter().enumerate() {
            program.write_f64(slot, &input.numbers);
        }
        program.run()?;
        let read = |(k, wanted): (usize, &Values)| program.read_f64(k, wanted.shape.len());
        case.wanted.iter().enumerate().map(read).collect()
    });
    match ran {
        Ok(Ok(results)) => Ok(compare(&results, &case.wanted, tolerance)),
        Ok(Err(why @ (Error::Machine(_) | Error::Interrupted(_)))) => Err(why),
        Ok(Err(why)) => Ok(Verdict::Failed(why.to_string())),
        Err(panic) => Ok(Verdict::Failed(format!("the executor panicked: {panic}"))),
    }
}

/// The worst error of all outputs as a multiple of its limit; above 1 is wrong.
fn compare(results: &[Vec<f64>], wanted: &[Values], tolerance: Tolerance) -> Verdict {
    let mut worst = (0.0, String::new());
    for (got, want) in results.iter().zip(wanted) {
        let scale = want.numbers.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
        let limit = tolerance.absolute + tolerance.relative * scale;
        for (i, (&g, &w)) in got.iter().zip(&want.numbers).enumerate() {
            // With a limit of 0 a wrong value is infinitely many limits away, a right one none.
            let error = if g == w { 0.0 } else { (g - w).abs() / limit };
            let error = if error.is_nan() { f64::INFINITY } else { error };
            if error > worst.0 {
                worst = (
                    error,
                    format!("output {:?} is {g:e} at element {i}, expected {w:e}", want.name),
                );
            }
        }
    }
    match worst {
        (error, why) if error > 1.0 => {
            Verdict::Failed(format!("{why}: {error:.3} times the limit"))
        }
        _ => Verdict::Passed,
    }
}
