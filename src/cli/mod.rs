//! The command line: one file a command, each a struct of typed arguments and a function that does it.
//!
//! Results go to standard output, talk to standard error. A failure is one line on standard error and its exit
//! code: 1 the answer is no, 2 wrong use or bad input, 3 the machine failed, 130 interrupted.

pub mod adapt;
pub mod bench;
pub mod compare;
pub mod data;
pub mod devices;
pub mod executor;
pub mod explain;
pub mod gradcheck;
pub mod output;
pub mod predict;
pub mod recipes;
pub mod run;
pub mod verify;

use std::process::ExitCode;

use clap::error::{ContextKind, ErrorKind};
use clap::{Parser, Subcommand};

use crate::error::{Error, Result};

/// Trains one model for many tasks and learns how to learn new ones: meta-gradients exact to any order, on any GPU
/// and on a plain CPU. Without a command: `run` with the first recipe of `metatape recipes`.
#[derive(Debug, Parser)]
#[command(name = "metatape", version, max_term_width = 100, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::Flags,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Recipes(recipes::Args),
    Explain(explain::Args),
    Devices(devices::Args),
    Gradcheck(gradcheck::Args),
    Verify(verify::Args),
    Data(data::Args),
    Predict(predict::Args),
    Adapt(adapt::Args),
    Bench(bench::Args),
    Compare(compare::Args),
}

/// The whole program.
pub fn main() -> ExitCode {
    let done = match Cli::try_parse() {
        Ok(cli) => dispatch(cli),
        Err(e) if matches!(e.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            output::print(&e.render().to_string())
        }
        Err(e) => Err(usage(&e)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("metatape: {}", output::one_line(&e.to_string()));
            ExitCode::from(e.exit_code())
        }
    }
}

fn dispatch(cli: Cli) -> Result<()> {
    match cli.command {
        None => run::main(&run::Args { recipe: None, flags: cli.run }),
        Some(Command::Run(args)) => run::main(&args),
        Some(Command::Recipes(args)) => recipes::main(&args),
        Some(Command::Explain(args)) => explain::main(&args),
        Some(Command::Devices(args)) => devices::main(&args),
        Some(Command::Gradcheck(args)) => gradcheck::main(&args),
        Some(Command::Verify(args)) => verify::main(&args),
        Some(Command::Data(args)) => data::main(&args),
        Some(Command::Predict(args)) => predict::main(&args),
        Some(Command::Adapt(args)) => adapt::main(&args),
        Some(Command::Bench(args)) => bench::main(&args),
        Some(Command::Compare(args)) => compare::main(&args),
    }
}

/// clap's message of several lines as one: what was wrong, what it takes to be meant, where help is.
fn usage(e: &clap::Error) -> Error {
    let text = e.render().to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut line = lines.next().unwrap_or("wrong use").trim_start_matches("error: ").to_string();
    let end = |line: &str| ["Usage:", "tip:", "For more"].iter().any(|word| line.starts_with(word));
    for more in lines.take_while(|line| !end(line)) {
        line.push_str(if line.ends_with(':') { " " } else { "; " });
        line.push_str(more);
    }
    let command = match e.get(ContextKind::Usage) {
        Some(clap::error::ContextValue::StyledStr(usage)) => usage.to_string(),
        _ => String::new(),
    };
    let words = command.trim_start_matches("Usage:").split_whitespace();
    let command: Vec<&str> = words.take_while(|w| w.starts_with(char::is_alphabetic)).collect();
    let command = if command.is_empty() { "metatape".to_string() } else { command.join(" ") };
    Error::input(format!("{line}; see `{command} --help`"))
}
