//! The toy problem of gradient aggregation: who gets out of the valleys, and where on the front does he end?
//!
//! Two losses of two numbers (`problem`), every method from the same starts (`descent`), the trajectories drawn
//! (`page`). Two published settings: CAGrad's at scale 1 from three starts, and that of nash-mtl and FAMO at scale .1 from
//! five, with half as many steps. Nothing is random and nothing needs a device: a few seconds of f64.

mod descent;
mod page;
mod problem;

pub use descent::{Method, Path};
pub use problem::{Problem, front, on_front};

use std::time::Instant;

use super::Estimate;
use crate::error::Result;
use crate::mtl::aggregate::{Aggregator, CaGrad};
use crate::mtl::balance::{Balancer, Famo};
use crate::recipe::{Recipe, ToyMethod};
use crate::run::{Figure, Line, Named, Progress, Run, Summary};

/// A scale with its starts and what its authors chose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    /// In the names of figures.
    pub word: &'static str,
    pub scale: f64,
    pub starts: &'static [[f64; 2]],
    /// Of the recipe's steps.
    pub share: f64,
    /// CAGrad's.
    pub c: f64,
}

pub const SETTINGS: [Setting; 2] = [
    // Liu et al. 2021, toy.py.
    Setting {
        word: "s1",
        scale: 1.0,
        starts: &[[-8.5, 7.5], [-8.5, -5.0], [9.0, 9.0]],
        share: 1.0,
        c: 0.5,
    },
    // nash-mtl and FAMO, experiments/toy.
    Setting {
        word: "s0.1",
        scale: 0.1,
        starts: &[[-8.5, 7.5], [0.0, 0.0], [9.0, 9.0], [-7.5, -0.5], [9.0, -1.0]],
        share: 0.5,
        c: 0.4,
    },
];

/// Places kept of a path, for the report.
const PLACES: u64 = 400;

impl Setting {
    /// A method as this setting has it.
    pub fn method(&self, which: ToyMethod) -> Method {
        if which == ToyMethod::Famo {
            let lower = vec![-21.0 * self.scale, -21.0]; // below both losses' minima, −20 times their scale
            return Method::Losses(Balancer::Famo(Famo { lower, decay: 0.0, ..Famo::default() }));
        }
        Method::Gradients(match Aggregator::named(which.word()) {
            Some(Aggregator::CaGrad(method)) => Aggregator::CaGrad(CaGrad { c: self.c, ..method }),
            Some(method) => method,
            None => unreachable!("every other word names an aggregator"),
        })
    }

    pub fn steps(&self, recipe: u64) -> u64 {
        (recipe as f64 * self.share).round() as u64
    }
}

/// All that a run needs: the recipe's choices.
pub struct Prepared {
    methods: Vec<ToyMethod>,
    steps: u64,
    lr: f64,
}

/// One method in one setting, from each start.
pub struct Descents {
    pub setting: Setting,
    pub method: ToyMethod,
    pub paths: Vec<Path>,
}

pub fn prepare(recipe: &Recipe) -> Result<Prepared> {
    let methods = recipe.method.methods.clone();
    Ok(Prepared { methods, steps: recipe.train.steps, lr: recipe.train.optimizer.lr })
}

impl Prepared {
    fn descents(&self) -> u64 {
        let starts: usize = SETTINGS.iter().map(|s| s.starts.len()).sum();
        (starts * self.methods.len()) as u64
    }
}

pub fn estimate(prepared: &mut Prepared) -> Result<Estimate> {
    // A thousand steps of each, and all of them in proportion.
    let (begun, few) = (Instant::now(), 1000);
    let mut rest = 0.0;
    for setting in SETTINGS {
        for &method in &prepared.methods {
            let (problem, start) = (Problem { scale: setting.scale }, setting.starts[0]);
            let from = begun.elapsed().as_secs_f64();
            setting.method(method).descend(problem, start, few, prepared.lr, few)?;
            let took = begun.elapsed().as_secs_f64() - from;
            let steps = setting.steps(prepared.steps) * setting.starts.len() as u64;
            rest += took * steps as f64 / few as f64;
        }
    }
    Ok(Estimate {
        parameters: 2,
        steps: prepared.steps,
        flops_per_step: 100.0, // two losses with their gradients, counted by hand
        peak_bytes: prepared.descents() * PLACES * 16,
        seconds: rest,
        device: DEVICE.into(),
        within_memory: None,
    })
}

const DEVICE: &str = "host, f64";

/// Every method from every start, figures, report.
pub fn run(prepared: Prepared, run: &mut Run, quiet: bool) -> Result<Summary> {
    let mut progress = Progress::new("descents", 0, prepared.descents(), quiet);
    let (mut all, mut done) = (vec![], 0);
    for setting in SETTINGS {
        for &method in &prepared.methods {
            let mut paths = vec![];
            for &start in setting.starts {
                run.check_interrupt()?;
                let steps = setting.steps(prepared.steps);
                let every = (steps / PLACES).max(1);
                let problem = Problem { scale: setting.scale };
                let path =
                    setting.method(method).descend(problem, start, steps, prepared.lr, every)?;
                if let Some(first) = path.first_unsolved {
                    let text = format!(
                        "{}, {} from {}: no solution in {} of {steps} steps; their last attempts were taken",
                        method.word(),
                        setting.word,
                        place(start),
                        path.unsolved
                    );
                    run.line(&Line::event(run.recipe.seed, first, "not_converged", text))?;
                }
                paths.push(path);
                done += 1;
                progress.at(done, || format!("{} {}", setting.word, method.word()));
            }
            all.push(Descents { setting, method, paths });
        }
    }
    finish(&prepared, &all, run)
}

fn finish(prepared: &Prepared, all: &[Descents], run: &mut Run) -> Result<Summary> {
    let results: Vec<Figure> = all.iter().flat_map(|d| d.figures(&run.recipe.name)).collect();
    let seed = run.recipe.seed;
    for f in &results {
        let value = f.value.unwrap_or(f64::NAN);
        run.line(&Line::evaluate(seed, prepared.steps, &f.name, value, f64::NAN, f.n))?;
    }
    let lines = run.lines()?;
    let summary = Summary {
        recipe: run.recipe.name.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        device: DEVICE.into(),
        threads: 1,
        seeds: vec![seed],
        steps: prepared.steps,
        seconds: run.seconds(),
        peak_bytes: prepared.descents() * PLACES * 16,
        parameters: 2,
        results,
        events: lines.into_iter().filter(|l| matches!(l, Line::Event { .. })).collect(),
    };
    let report = page::page(&run.recipe, &summary, all).html();
    let ends: Vec<Named> = all.iter().map(Descents::ends).collect();
    run.finish(&summary, &report, &ends, None)?;
    Ok(summary)
}

/// `-8.5,7.5`: a start in the names of figures.
pub fn place([x1, x2]: [f64; 2]) -> String {
    format!("{x1},{x2}")
}

impl Descents {
    /// `toy/METHOD/SETTING/START/METRIC`, and the share of starts that reach the front.
    fn figures(&self, recipe: &str) -> Vec<Figure> {
        let Setting { word, starts, .. } = self.setting;
        let method = self.method.word();
        let mut all = vec![];
        let mut add = |at: &str, metric: &str, value: f64, n: u64| {
            let name = format!("{recipe}/{method}/{word}{at}/{metric}");
            let figure = Figure::new(&name, &format!("{word}{at}"), method, metric);
            all.push(figure.with(value, f64::NAN, n));
        };
        let reached = self.paths.iter().filter(|path| on_front(path.end())).count();
        add("", "front", reached as f64 / starts.len() as f64, starts.len() as u64);
        for (&start, path) in starts.iter().zip(&self.paths) {
            let end = path.end();
            // Unscaled losses, so that both settings can be compared.
            let [l1, l2] = Problem { scale: 1.0 }.at(end).0;
            let metrics = [("l1", l1), ("l2", l2), ("x1", end[0]), ("x2", end[1])];
            for (metric, value) in metrics {
                add(&format!("/{}", place(start)), metric, value, 1);
            }
        }
        all
    }

    fn ends(&self) -> Named {
        let name = format!("{}/{}", self.method.word(), self.setting.word);
        let values = self.paths.iter().flat_map(|path| path.end()).map(|x| x as f32);
        (name, vec![self.paths.len(), 2], values.collect())
    }
}
