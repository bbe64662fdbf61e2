//! From a recipe's keys to an [`Experiment`]: what a single key's check cannot see is refused here.

use super::{Control, Experiment, Judging, Net, Outer, Row, Tasks};
use crate::data::{episodes::EpisodeSpec, sine::SineSpec};
use crate::error::{Error, Result};
use crate::exec;
use crate::meta::Maml;
use crate::nn::{self, Conv4, Mlp};
use crate::optim::{Adam, Optimizer, Schedule, ScheduleKind, Sgd};
use crate::recipe::{self, Recipe};

/// Fails with one line where keys contradict each other, or name what there is not.
pub fn from_recipe(r: &Recipe) -> Result<Experiment> {
    let (tasks, net) = tasks_and_net(r)?;
    let evaluate = &r.evaluate;
    if !evaluate.inner_steps.contains(&evaluate.headline) {
        return Err(Error::input(format!(
            "evaluate.headline = {} is not among evaluate.inner_steps = {:?}; expected one of them",
            evaluate.headline, evaluate.inner_steps
        )));
    }
    let rows = match tasks {
        Tasks::Sine(_) => evaluate.support.iter().map(|&points| Row::Support(points)).collect(),
        Tasks::Omniglot(_) => {
            let rows = evaluate.norm.iter().map(|&mode| norm(mode, r).map(Row::Norm));
            rows.collect::<Result<Vec<_>>>()?
        }
    };
    if rows.is_empty() {
        return Err(Error::input(
            "evaluate.norm = [] leaves nothing to judge; expected one or more",
        ));
    }
    let joint = evaluate.controls.contains(&recipe::Control::Pretrained);
    if joint && tasks.classes().is_some() {
        return Err(Error::input(
            "evaluate.controls: \"pretrained\" has no meaning where labels mean something else in every task; \
             expected \"first_order\" or \"random\"",
        ));
    }
    let queries = match tasks {
        Tasks::Sine(_) => evaluate.query,
        Tasks::Omniglot(_) => evaluate.queries,
    };
    Ok(Experiment {
        name: r.name.clone(),
        title: r.title.clone(),
        tasks,
        net,
        maml: Maml {
            inner: Optimizer::GRADIENT_DESCENT,
            inner_lr: r.method.inner_lr,
            inner_steps: r.method.inner_steps,
            first_order: r.method.order == recipe::Order::First,
        },
        outer: outer(r),
        steps: r.train.steps,
        judged: Judging {
            tasks: evaluate.tasks,
            seed: evaluate.seed,
            queries,
            steps: evaluate.inner_steps.clone(),
            headline: evaluate.headline,
            rows,
            controls: evaluate.controls.iter().map(|&c| control(c)).collect(),
            every: evaluate.every,
            curve_tasks: evaluate.curve_tasks,
        },
        options: options(r),
    })
}

fn tasks_and_net(r: &Recipe) -> Result<(Tasks, Net)> {
    use recipe::{ModelKind, TaskKind};
    let (t, m) = (&r.tasks, &r.model);
    let init = match m.init {
        recipe::Init::He => nn::Init::He,
        recipe::Init::Glorot => nn::Init::Glorot,
        recipe::Init::Normal => nn::Init::Normal(m.init_std),
        recipe::Init::TruncatedNormal => nn::Init::TruncatedNormal(m.init_std),
    };
    let activation = match m.activation {
        recipe::Activation::Relu => nn::Activation::Relu,
        recipe::Activation::Tanh => nn::Activation::Tanh,
        recipe::Activation::Softplus => nn::Activation::Softplus,
    };
    match (t.kind, m.kind) {
        (TaskKind::Sine, ModelKind::Mlp) => {
            if (m.layers.first(), m.layers.last()) != (Some(&1), Some(&1)) {
                return Err(Error::input(format!(
                    "model.layers = {:?} does not fit a sine wave; expected 1 unit at both ends",
                    m.layers
                )));
            }
            let pair = |[from, to]: [f64; 2]| (from, to);
            let spec = SineSpec {
                tasks: r.train.tasks_per_step,
                support: t.support,
                query: t.query,
                amplitude: pair(t.amplitude),
                phase: pair(t.phase),
                x: pair(t.x),
            };
            Ok((Tasks::Sine(spec), Net::Mlp(Mlp { sizes: m.layers.clone(), activation, init })))
        }
        (TaskKind::Omniglot, ModelKind::Conv4) => {
            let spec = EpisodeSpec {
                tasks: r.train.tasks_per_step,
                ways: t.ways,
                shots: t.shots,
                queries: t.queries,
            };
            if !t.rotations {
                return Err(Error::input(
                    "tasks.rotations = false: episodes without rotations are not built yet; expected true",
                ));
            }
            let conv4 = Conv4 {
                image: [28, 28, 1],
                filters: m.filters,
                classes: t.ways,
                downsample: match m.downsample {
                    recipe::Downsample::Stride => nn::Downsample::Stride,
                    recipe::Downsample::Pool => nn::Downsample::Pool,
                },
                norm: norm(m.norm, r)?,
                activation,
                init,
                head_std: m.head_std,
            };
            Ok((Tasks::Omniglot(spec), Net::Conv4(conv4)))
        }
        (tasks, model) => Err(Error::input(format!(
            "model.kind = \"{}\" does not fit tasks.kind = \"{}\"; expected mlp for sine, conv4 for omniglot",
            model.word(),
            tasks.word()
        ))),
    }
}

fn norm(mode: recipe::Norm, r: &Recipe) -> Result<nn::Norm> {
    Ok(match mode {
        recipe::Norm::Batch => nn::Norm::Batch,
        recipe::Norm::Single => nn::Norm::Single,
        recipe::Norm::PerStep => nn::Norm::PerStep { steps: r.method.inner_steps },
        // Eight channels a group where that is possible: an eighth of the groups that 64 channels have alone.
        recipe::Norm::Group => {
            let filters = r.model.filters;
            nn::Norm::Group { groups: if filters.is_multiple_of(8) { filters / 8 } else { 1 } }
        }
    })
}

fn outer(r: &Recipe) -> Outer {
    let (o, s) = (&r.train.optimizer, &r.train.schedule);
    let adam = |weight_decay| {
        let (beta1, beta2, eps) = (o.beta1, o.beta2, o.eps);
        Optimizer::Adam(Adam { beta1, beta2, eps, eps_root: 0.0, weight_decay })
    };
    Outer {
        optimizer: match o.kind {
            recipe::OptimizerKind::Sgd => {
                Optimizer::Sgd(Sgd { momentum: o.momentum, weight_decay: 0.0 })
            }
            recipe::OptimizerKind::Adam => adam(0.0),
            recipe::OptimizerKind::AdamW => adam(o.weight_decay),
        },
        lr: o.lr,
        schedule: Schedule {
            warmup: s.warmup,
            kind: match s.kind {
                recipe::ScheduleKind::Constant => ScheduleKind::Constant,
                recipe::ScheduleKind::Cosine => ScheduleKind::Cosine { floor: s.floor },
                recipe::ScheduleKind::Step => {
                    ScheduleKind::Step { period: s.period, factor: s.factor }
                }
            },
        },
        clip: (r.train.clip > 0.0).then_some(r.train.clip),
    }
}

fn control(control: recipe::Control) -> Control {
    match control {
        recipe::Control::FirstOrder => Control::FirstOrder,
        recipe::Control::Pretrained => Control::Pretrained,
        recipe::Control::Random => Control::Random,
    }
}

/// How programs are made for this recipe.
fn options(r: &Recipe) -> exec::Options {
    exec::Options {
        device: match r.device {
            recipe::Device::Auto => exec::Device::Auto,
            recipe::Device::Cpu => exec::Device::Cpu,
            recipe::Device::Gpu(n) => exec::Device::Gpu(n),
            recipe::Device::Reference => exec::Device::Reference,
        },
        plain: r.plan == recipe::PlanKind::Plain,
        threads: (r.threads > 0).then_some(r.threads),
        memory: (r.memory > 0).then_some(r.memory),
    }
}
