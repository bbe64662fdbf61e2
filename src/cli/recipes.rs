//! `metatape recipes`: what there is to run, and what every key of it means.

use super::output;
use crate::error::Result;
use crate::recipe::{self, Override, builtin};

/// List the recipes, or print one with every key and its meaning
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A built-in recipe or a TOML file
    pub recipe: Option<String>,
    /// Change a key, as in `run`
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "recipe")]
    pub set: Vec<String>,
}

pub fn main(args: &Args) -> Result<()> {
    let overrides =
        args.set.iter().map(|text| Override::parse(text)).collect::<Result<Vec<_>>>()?;
    if let Some(which) = &args.recipe {
        return output::print(&recipe::load(which, &overrides)?.to_toml());
    }
    let mut text = String::new();
    for name in builtin::names() {
        let mark = if name == builtin::DEFAULT { " (runs when none is named)" } else { "" };
        text.push_str(&format!("{name:16} {}{mark}\n", recipe::load(name, &[])?.title));
    }
    output::print(&text)
}
