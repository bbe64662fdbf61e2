//! `metatape devices`: what there is to compute on.

use super::output;
use crate::error::Result;
use crate::exec::cpu::isa::Isa;
use serde_json::{Value, json};

/// List the adapters with limits and self-test, and which executor `auto` takes and why
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

pub fn main(args: &Args) -> Result<()> {
    let found = adapters();
    let isa = Isa::choose()?;
    let threads = crate::bench::available_threads();
    let auto = match found.iter().find(|adapter| adapter["hardware"] == true) {
        Some(adapter) => format!("gpu:{}, a hardware adapter", adapter["number"]),
        None => "cpu, because no hardware GPU was found (software adapters are never taken)".into(),
    };
    let all = json!({
        "auto": auto,
        "cpu": { "threads": threads, "simd": isa.name(), "supported": simd() },
        "gpu": found,
    });
    if args.json {
        return output::print(&format!("{all}\n"));
    }
    let mut text = format!(
        "auto       {auto}\ncpu        {threads} threads, {} (here: {})\n",
        isa.name(),
        simd().join(", ")
    );
    for adapter in &found {
        let kind = if adapter["hardware"] == true { "hardware" } else { "software" };
        text += &format!(
            "gpu:{}      {} ({}, {}), {kind}, up to {} MiB a program; self-test: {}\n",
            adapter["number"],
            adapter["name"].as_str().unwrap_or_default(),
            adapter["backend"].as_str().unwrap_or_default(),
            adapter["driver"].as_str().unwrap_or_default(),
            adapter["most_bytes"].as_u64().unwrap_or(0) >> 20,
            adapter["self_test"].as_str().unwrap_or_default(),
        );
    }
    if found.is_empty() {
        text += "gpu        none (asked for Vulkan, Metal, DX12)\n";
    }
    text += "reference  always: f64, slow, what everything is compared with\n";
    output::print(&text)
}

fn simd() -> Vec<&'static str> {
    Isa::supported().iter().map(|isa| isa.name()).collect()
}

/// Each adapter with the outcome of its self-test: every shader proved on a small shape.
#[cfg(feature = "gpu")]
fn adapters() -> Vec<Value> {
    use crate::exec::gpu;
    let outcome = |number: usize| match gpu::open(number).and_then(|gpu| gpu::selftest::all(&gpu)) {
        Ok(shaders) => format!("{shaders} shaders passed"),
        Err(why) => format!("FAILED: {why}"),
    };
    let one = |a: gpu::Adapter| {
        json!({
            "number": a.number,
            "name": a.name,
            "backend": a.backend,
            "driver": a.driver,
            "hardware": a.hardware,
            "most_bytes": a.most_bytes,
            "self_test": outcome(a.number),
        })
    };
    gpu::adapters().into_iter().map(one).collect()
}

#[cfg(not(feature = "gpu"))]
fn adapters() -> Vec<Value> {
    vec![]
}
