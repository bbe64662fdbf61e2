//! From a recipe's keys to an [`Experiment`]: what a single key's check cannot see is refused here.

use super::{Control, Experiment, Judging, Net, Outer, Row, Tasks};
use crate::data::{episodes::EpisodeSpec, sine::SineSpec};
use crate::error::{Error, Result};
use crate::experiment::options;
use crate::meta::Maml;
use crate::nn::{self, Conv4, Mlp};
use crate::optim::{Adam, Optimizer, Schedule, ScheduleKind, Sgd};
use crate::recipe::{self, Recipe};

/// Fails with one line where keys contradict each other, or name what there is not.
pub fn from_recipe(r: &Recipe) -> Result<Experiment> {
    let (tasks, net) = tasks_and_net(r)?;
    let evaluate = &r.evaluate;
    let rows = match (tasks, &net) {
        (Tasks::Sine(_), _) => evaluate.support.iter().map(|&n| Row::Support(n)).collect(),
        (Tasks::Omniglot { .. }, Net::Conv4(_)) => {
            evaluate.norm.iter().map(|&mode| Row::Norm(norm(mode, r))).collect()
        }
        (Tasks::Omniglot { .. }, Net::Mlp(_)) => vec![Row::Test],
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
        Tasks::Omniglot { .. } => evaluate.queries,
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
            held: evaluate.held,
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
        recipe::Init::Orthogonal => nn::Init::Orthogonal,
        recipe::Init::Glorot => nn::Init::Glorot,
        recipe::Init::Normal => nn::Init::Normal(m.init_std),
        recipe::Init::TruncatedNormal => nn::Init::TruncatedNormal(m.init_std),
    };
    let activation = match m.activation {
        recipe::Activation::Relu => nn::Activation::Relu,
        recipe::Activation::Tanh => nn::Activation::Tanh,
        recipe::Activation::Softplus => nn::Activation::Softplus,
    };
    let tasks = match t.kind {
        TaskKind::Sine => Tasks::Sine(SineSpec {
            tasks: r.train.tasks_per_step,
            support: t.support,
            query: t.query,
            amplitude: t.amplitude.into(),
            phase: t.phase.into(),
            x: t.x.into(),
        }),
        TaskKind::Omniglot => {
            let (tasks, ways) = (r.train.tasks_per_step, t.ways);
            let spec = EpisodeSpec { tasks, ways, shots: t.shots, queries: t.queries };
            Tasks::Omniglot { spec, rotations: t.rotations }
        }
        other => return Err(not_few_shot(other.word())),
    };
    let net = match m.kind {
        ModelKind::Mlp => Net::Mlp(Mlp { sizes: m.layers.clone(), activation, init }),
        ModelKind::Conv4 => Net::Conv4(Conv4 {
            image: [28, 28, 1],
            filters: m.filters,
            classes: t.ways,
            downsample: match m.downsample {
                recipe::Downsample::Stride => nn::Downsample::Stride,
                recipe::Downsample::Pool => nn::Downsample::Pool,
            },
            norm: norm(m.norm, r),
            activation,
            init,
            head_std: m.head_std,
        }),
        ModelKind::MultiTask | ModelKind::Point => return Err(not_few_shot(m.kind.word())),
    };
    Ok((tasks, net))
}

fn not_few_shot(what: &str) -> Error {
    Error::input(format!(
        "{what:?} is not learned from few-shot episodes; expected \"sine\" or \"omniglot\""
    ))
}

fn norm(mode: recipe::Norm, r: &Recipe) -> nn::Norm {
    match mode {
        recipe::Norm::Batch => nn::Norm::Batch,
        recipe::Norm::Single => nn::Norm::Single,
        recipe::Norm::PerStep => nn::Norm::PerStep { steps: r.method.inner_steps },
        recipe::Norm::Group => nn::Norm::Group { groups: r.model.groups },
    }
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
