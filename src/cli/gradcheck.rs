//! `metatape gradcheck`: derivatives against differences, executors against the reference.

use crate::check::gradcheck::gradcheck;
use crate::error::Result;
use crate::experiment::fewshot;
use crate::recipe::{self, Device, Override};

/// Check every derivative against finite differences, and executors against the reference
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Check a whole recipe instead; prints the cosine between exact and first-order meta-gradient
    pub recipe: Option<String>,
    /// Highest order of derivative
    #[arg(long, value_name = "1..3", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=3))]
    pub order: u8,
    /// auto, cpu, gpu, gpu:N or reference
    #[arg(long, default_value = "auto")]
    pub device: Device,
    /// Only this operation
    #[arg(long, value_name = "NAME", conflicts_with = "recipe")]
    pub op: Option<String>,
    /// Change a key of the recipe, as in `run`
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "recipe")]
    pub set: Vec<String>,
}

pub fn main(args: &Args) -> Result<()> {
    let options = crate::exec::Options { device: args.device.into(), ..Default::default() };
    let Some(which) = &args.recipe else {
        let mut out = std::io::stdout();
        return gradcheck(args.order as usize, &options, args.op.as_deref(), &mut out);
    };
    let overrides =
        args.set.iter().map(|text| Override::parse(text)).collect::<Result<Vec<_>>>()?;
    let experiment = fewshot::from_recipe(&recipe::load(which, &overrides)?)?;
    fewshot::inspect::gradcheck(&experiment, None, &mut std::io::stdout())
}
