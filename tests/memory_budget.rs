//! A memory budget changes how a meta-step is computed, never what it computes.

use metatape::data::omniglot::{Omniglot, Part};
use metatape::exec::reference::evaluate;
use metatape::exec::{Device, Options};
use metatape::experiment;
use metatape::experiment::fewshot::{
    Choice, Experiment, Objective, Source, Training, choose, from_recipe,
};
use metatape::loss::cross_entropy;
use metatape::meta::{Episode, Maml, State, judge};
use metatape::nn::{Activation, Conv4, Downsample, Given, Model, Norm, Params, Spec, Weights};
use metatape::optim::{Adam, Optimizer, Sgd};
use metatape::random::Stream;
use metatape::recipe::{self, Override};
use metatape::run::Run;
use metatape::shape::Shape;
use metatape::tape::{Tape, Var, grad};

const WAYS: usize = 3;

/// A small network whose first block may stand still in the inner loop.
struct Net {
    conv4: Conv4,
    still: bool,
}

impl Model for Net {
    fn spec(&self) -> Vec<Spec> {
        let adapts =
            |spec: Spec| Spec { adapts: !self.still || !spec.name.starts_with("block1"), ..spec };
        self.conv4.spec().into_iter().map(adapts).collect()
    }

    fn output<'t>(&self, weights: &Params<'t>, given: Given<'t>) -> Var<'t> {
        self.conv4.output(weights, given)
    }
}

fn net(norm: Norm, still: bool) -> Net {
    let (downsample, activation) = (Downsample::Stride, Activation::Tanh);
    let (image, filters) = ([16, 16, 1], 3);
    Net {
        conv4: Conv4 { image, filters, downsample, norm, activation, ..Conv4::omniglot(WAYS) },
        still,
    }
}

/// Pictures and labels of `tasks` tasks: support, then query.
fn episode(tasks: usize) -> ([Shape; 4], [Vec<f64>; 4]) {
    let side = |n: usize| [Shape::from([tasks, n, 16, 16, 1]), Shape::from([tasks, n])];
    let ([sx, sy], [qx, qy]) = (side(WAYS), side(2 * WAYS));
    let mut random = Stream::new(7, 0x7100, 0, 0);
    let mut pictures = |shape: Shape| (0..shape.len()).map(|_| random.normal()).collect();
    let labels = |shape: Shape| (0..shape.len()).map(|i| (i % WAYS) as f64).collect();
    ([sx, sy, qx, qy], [pictures(sx), labels(sy), pictures(qx), labels(qy)])
}

/// The start, with every parameter a number of its own.
fn start(net: &Net) -> Vec<Vec<f64>> {
    let mut random = Stream::new(8, 0x7101, 0, 0);
    let weights = Weights::init(&net.spec(), 3);
    let moved = |w: &metatape::nn::Weight| {
        w.values.iter().map(|&v| v as f64 + 0.1 * random.normal()).collect()
    };
    weights.iter().map(moved).collect()
}

/// The meta-gradient of one tape, in f64.
fn on_one_tape(net: &Net, maml: &Maml, tasks: usize) -> Vec<Vec<f64>> {
    let (shapes, parts) = episode(tasks);
    let tape = Tape::new();
    let theta = Params::inputs(&tape, &net.spec());
    let episode = Episode::inputs(&tape, shapes);
    let loss = maml.run(&theta, &episode, judge(net, cross_entropy)).meta_loss;
    let inputs = [start(net), parts.to_vec()].concat();
    evaluate(&tape, &inputs, &grad(loss, theta.vars()))
}

fn support(tape: &Tape, shapes: [Shape; 4]) -> Episode<'_> {
    let support = (tape.input(shapes[0]), tape.input(shapes[1]));
    Episode { support, query: support }
}

/// The same by [`Maml::forward`] and [`Maml::backward`], each step from numbers alone.
fn in_pieces(net: &Net, maml: &Maml, tasks: usize) -> Vec<Vec<f64>> {
    let (shapes, [sx, sy, qx, qy]) = episode(tasks);
    let spec = net.spec();
    let piece = |write: &dyn for<'t> Fn(&'t Tape, &State<'t>) -> Vec<Var<'t>>,
                 inputs: Vec<Vec<f64>>| {
        let tape = Tape::new();
        let state = State::inputs(&tape, maml, &spec, tasks);
        let outputs = write(&tape, &state);
        evaluate(&tape, &inputs, &outputs)
    };
    let weights = start(net);
    let mut x: Vec<Vec<f64>> = weights.iter().map(|w| w.repeat(tasks)).collect();
    for _ in maml.inner.keeps() {
        x.extend(weights.iter().map(|w| vec![0.0; w.len() * tasks]));
    }
    let mut path = vec![];
    for k in 0..maml.inner_steps {
        let inputs = [&x[..], &[sx.clone(), sy.clone(), vec![k as f64]]].concat();
        let next = piece(
            &|tape, state| {
                let (support, turn) = (support(tape, shapes), tape.input([1]));
                maml.forward(state, support.support_part(turn), turn, judge(net, cross_entropy))
                    .vars()
            },
            inputs,
        );
        path.push(std::mem::replace(&mut x, next));
    }
    let inputs = [&x[..], &[sx.clone(), sy.clone(), qx, qy]].concat();
    let mut later = piece(
        &|tape, state| {
            let part = Episode::inputs(tape, shapes).query_part(maml.inner_steps);
            let loss = judge(net, cross_entropy)(&state.weights, part).loss.mean(&[0]);
            grad(loss, &state.vars())
        },
        inputs,
    );
    for (k, x) in path.into_iter().enumerate().rev() {
        let inputs = [&x[..], &later, &[sx.clone(), sy.clone(), vec![k as f64]]].concat();
        later = piece(
            &|tape, state| {
                let later = State::inputs(tape, maml, &spec, tasks).vars();
                let (support, turn) = (support(tape, shapes), tape.input([1]));
                let part = support.support_part(turn);
                maml.backward(state, &later, part, turn, judge(net, cross_entropy))
            },
            inputs,
        );
    }
    let over_tasks = |(copies, w): (&Vec<f64>, &Vec<f64>)| {
        (0..w.len()).map(|i| copies.iter().skip(i).step_by(w.len()).sum()).collect()
    };
    later.iter().zip(&weights).map(over_tasks).collect()
}

/// |a − b| / |b| over lists of tensors.
fn error(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    let (a, b) = (a.concat(), b.concat());
    assert_eq!(a.len(), b.len());
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
    let size = norm(&mut b.iter().copied());
    assert!(size > 1e-3, "a gradient that could be compared with: {size}");
    norm(&mut a.iter().zip(&b).map(|(a, b)| a - b)) / size
}

#[test]
fn an_inner_loop_in_pieces_has_the_gradient_of_one_tape() {
    let plain = Optimizer::GRADIENT_DESCENT;
    let momentum = Optimizer::Sgd(Sgd { momentum: 0.9, weight_decay: 0.1 });
    // Without an ε_root the root of a zero has no derivative.
    let adam = Optimizer::Adam(Adam { eps_root: 1e-6, ..Adam::default() });
    for (inner, inner_steps, tasks, norm, first_order, still) in [
        (plain, 1, 1, Norm::Batch, false, false),
        (plain, 2, 3, Norm::Batch, false, false),
        (plain, 5, 3, Norm::Single, false, false),
        (plain, 3, 2, Norm::PerStep { steps: 2 }, false, false),
        (momentum, 3, 2, Norm::Batch, false, false),
        (adam, 2, 2, Norm::Batch, false, false),
        (plain, 2, 3, Norm::Batch, true, false),
        (momentum, 2, 1, Norm::Batch, true, false),
        (plain, 2, 2, Norm::Batch, false, true),
    ] {
        let inner_lr = if inner == adam { 0.01 } else { 0.2 };
        let (net, maml) = (net(norm, still), Maml { inner, inner_lr, inner_steps, first_order });
        let whole = on_one_tape(&net, &maml, tasks);
        // Rounding of f64 over some thousand terms.
        let found = error(&in_pieces(&net, &maml, tasks), &whole);
        assert!(found < 1e-12, "{maml:?}, {tasks} tasks, {norm:?}, still {still}: {found:e}");
    }
}

fn omniglot(set: &[&str]) -> (Experiment, Source) {
    let small = [
        "filters=8",
        "tasks_per_step=4",
        "method.inner_steps=5",
        "optimizer.kind=sgd",
        "device=cpu",
    ];
    let keys = small.iter().chain(set).map(|key| Override::parse(key));
    let keys: Vec<_> = keys.collect::<Result<_, _>>().expect("keys");
    let e = from_recipe(&recipe::load("omniglot-5w1s", &keys).expect("a recipe"))
        .expect("an experiment");
    let set = Some(Omniglot::load(None).expect("drawings").into());
    let source = Source::new(e.tasks, set.as_ref(), Part::Train, 1, 2).expect("a source");
    (e, source)
}

/// Makes steps `from..to` (from 0).
fn train(training: &mut Training, source: &Source, steps: std::ops::Range<u32>) {
    let mut batch = source.room();
    for step in steps {
        source.fill(step, 0, &mut batch);
        training.step(step as u64 + 1, 0.1, batch.parts()).expect("steps");
    }
}

fn moved(
    e: &Experiment,
    source: &Source,
    objective: Objective,
    device: Device,
    choice: Choice,
) -> (Vec<Vec<f64>>, f64) {
    let options = Options { device, threads: Some(2), ..Default::default() };
    let mut training = Training::by(e, objective, source, &options, choice).expect("compiles");
    let start = Weights::init(&e.net.spec(), 1);
    training.start(&start);
    train(&mut training, source, 0..2);
    let now = training.weights().expect("reads");
    let moved = now.iter().zip(start.iter()).map(|(now, was)| {
        now.values.iter().zip(&was.values).map(|(now, was)| (now - was) as f64).collect()
    });
    (moved.collect(), training.tally().expect("reads").loss)
}

#[test]
fn a_training_step_in_pieces_or_groups_moves_the_weights_as_one_tape_does() {
    for (set, first_order) in
        [("model.norm=batch", false), ("model.norm=per_step", false), ("model.norm=batch", true)]
    {
        // Smooth throughout: a pool or a ReLU that stands near its kink turns a last bit of the first step into a percent
        // of the second, by any way of computing it (about one start in four).
        let (e, source) = omniglot(&[set, "model.downsample=stride", "model.activation=tanh"]);
        let objective = Objective::Meta(Maml { first_order, ..e.maml });
        let one = Choice::one_tape(4);
        let (whole, loss) = moved(&e, &source, objective, Device::Cpu, one.clone());
        for (recompute, group) in [(true, 4), (true, 1), (false, 2), (false, 1)] {
            let choice = Choice { recompute, group, ..one.clone() };
            let (found, again) = moved(&e, &source, objective, Device::Cpu, choice);
            let error = error(&found, &whole);
            // Differences of f32 weights near 0.1, two steps of size 0.1: their last bits are 1e-5 of what moved.
            assert!(error < 5e-5, "{set}, recomputed {recompute}, groups of {group}: {error:e}");
            assert!((again - loss).abs() < 1e-5 * loss, "{again} {loss}");
        }
    }
}

/// Fails where there is no adapter, software included, and says so: it is never skipped.
#[cfg(feature = "gpu")]
#[test]
fn a_gpu_takes_tasks_in_groups_and_inner_steps_again_as_well() {
    let (e, source) = omniglot(&["method.inner_steps=2", "filters=4", "tasks_per_step=2"]);
    let (objective, device) = (Objective::Meta(e.maml), Device::Gpu(None));
    let one = Choice::one_tape(2);
    let (whole, _) = moved(&e, &source, objective, device, one.clone());
    let (found, _) =
        moved(&e, &source, objective, device, Choice { recompute: true, group: 1, ..one.clone() });
    // As above.
    assert!(error(&found, &whole) < 5e-5, "{:e}", error(&found, &whole));
    // There memory grows with the tasks, so a smaller budget means smaller groups, even of one tape.
    let options = |memory| Options { device, memory, ..Default::default() };
    let pairs =
        one.cost(&e, objective, source.shapes(), &options(None)).expect("a plan").peak_bytes;
    let alone = choose(&e, objective, source.shapes(), &options(Some(pairs - 1))).expect("fits");
    assert!(alone.group == 1 || alone.recompute, "{alone}");
    let training =
        Training::new(&e, objective, &source, &options(Some(pairs - 1))).expect("compiles");
    assert!(training.cost().peak_bytes < pairs, "{} of {pairs}", training.cost().peak_bytes);
}

#[test]
fn tasks_learned_together_without_adaptation_go_in_groups_too() {
    let keys = ["tasks_per_step=6", "optimizer.kind=sgd", "device=cpu"]
        .map(|key| Override::parse(key).expect("a key"));
    let e =
        from_recipe(&recipe::load("sinusoid", &keys).expect("a recipe")).expect("an experiment");
    let source = Source::new(e.tasks, None, Part::Train, 1, 2).expect("a source");
    let one = Choice::one_tape(6);
    let (whole, loss) = moved(&e, &source, Objective::Joint, Device::Cpu, one.clone());
    let (found, again) =
        moved(&e, &source, Objective::Joint, Device::Cpu, Choice { group: 2, ..one });
    // As above: the last bits of f32 weights.
    assert!(error(&found, &whole) < 5e-5, "{:e}", error(&found, &whole));
    assert!((again - loss).abs() < 1e-5 * loss, "{again} {loss}");
}

#[test]
fn a_budget_takes_the_fastest_way_that_fits_and_an_error_names_one_that_does() {
    let (e, source) = omniglot(&["tasks.queries=1", "method.inner_steps=10"]);
    let (objective, shapes) = (Objective::Meta(e.maml), source.shapes());
    let options = |threads, memory| Options {
        threads: Some(threads),
        memory,
        device: Device::Cpu,
        plain: false,
    };
    let chosen = |threads, memory| choose(&e, objective, shapes, &options(threads, Some(memory)));
    let bytes = |choice: &Choice, threads| {
        choice.cost(&e, objective, shapes, &options(threads, None)).expect("a plan").peak_bytes
    };
    let one = Choice::one_tape(4);
    let without = choose(&e, objective, shapes, &options(2, None)).expect("no budget");
    assert!(without.is_one_tape() && without.threads.is_none());

    // What fits exactly is taken, and a byte less is not enough.
    let whole = bytes(&one, 2);
    assert!(chosen(2, whole).expect("fits").is_one_tape());
    let next = chosen(2, whole - 1).expect("fits");
    assert!(!next.is_one_tape() || next.threads == Some(1), "{next}");

    // Computing inner steps again is less work than leaving a worker idle.
    let again = Choice { recompute: true, ..one.clone() };
    let found = chosen(2, bytes(&again, 2)).expect("fits");
    assert!(found.recompute && found.group == 4 && found.threads.is_none(), "{found}");
    // Groups of two keep half the path.
    let pairs = Choice { group: 2, ..again.clone() };
    let found = chosen(2, bytes(&pairs, 2)).expect("fits");
    assert!(found.recompute && found.group == 2 && found.threads.is_none(), "{found}");

    let why = chosen(2, 1000).expect_err("nothing fits 1000 bytes").to_string();
    assert!(!why.contains('\n') && why.contains("memory = 0.0 MiB is too little"), "{why}");
    let named = why.split("set memory=").nth(1).and_then(|rest| rest.split("MiB").next());
    let named: u64 =
        named.and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("no figure: {why}"));
    let found = chosen(2, named << 20).expect("what the message names fits");
    assert!(
        bytes(&Choice { threads: None, ..found.clone() }, found.threads.unwrap_or(2))
            <= named << 20
    );
    assert!(chosen(2, (named - 1) << 20).is_err(), "{named} MiB is not the smallest");
    // What was planned is what the program says it holds.
    let training =
        Training::new(&e, objective, &source, &options(2, Some(named << 20))).expect("compiles");
    assert_eq!(
        training.cost().peak_bytes,
        found.cost(&e, objective, shapes, &options(2, None)).expect("a plan").peak_bytes
    );
}

#[test]
fn a_training_in_pieces_goes_on_with_the_same_bits() {
    let (e, source) = omniglot(&["optimizer.kind=adam"]);
    let options = Options { device: Device::Cpu, threads: Some(2), ..Default::default() };
    let choice = Choice { recompute: true, group: 2, ..Choice::one_tape(4) };
    let new = || {
        Training::by(&e, Objective::Meta(e.maml), &source, &options, choice.clone())
            .expect("compiles")
    };
    let mut alone = new();
    alone.start(&Weights::init(&e.net.spec(), 1));
    train(&mut alone, &source, 0..2);
    let saved = alone.state().expect("reads");
    train(&mut alone, &source, 2..4);
    let mut again = new();
    again.restore(&saved.iter().map(Vec::as_slice).collect::<Vec<_>>());
    train(&mut again, &source, 2..4);
    assert_eq!(alone.state().expect("reads"), again.state().expect("reads"));
    assert_ne!(alone.state().expect("reads"), saved);
}

#[test]
fn a_run_within_a_budget_says_what_it_chose_and_a_first_bad_step_is_named() {
    let run = |set: &[&str]| {
        let folder = tempfile::tempdir().expect("a folder");
        let small =
            ["train.steps=20", "evaluate.tasks=20", "evaluate.every=10", "threads=1", "device=cpu"];
        let keys: Vec<_> =
            small.iter().chain(set).map(|key| Override::parse(key).expect("a key")).collect();
        let recipe = recipe::load("sinusoid", &keys).expect("a recipe");
        let prepared = experiment::prepare(&recipe, None)?;
        let mut run = Run::start(recipe, Some(folder.path())).expect("a folder");
        let summary = experiment::run(prepared, &mut run, true);
        let metrics =
            std::fs::read_to_string(folder.path().join("metrics.jsonl")).expect("metrics");
        summary.map(|summary| (summary, metrics))
    };
    let (whole, metrics) = run(&[]).expect("runs");
    assert!(!metrics.contains("\"memory\""), "{metrics}");
    let budget = format!("memory={}KiB", whole.peak_bytes / 1024 * 2 / 3);
    let (within, metrics) = run(&[&budget]).expect("runs");
    assert!(
        metrics.contains("\"event\":\"memory\"") && metrics.contains("tasks at a time"),
        "{metrics}"
    );
    assert!(within.peak_bytes <= whole.peak_bytes / 1024 * 2 / 3 * 1024);
    for (a, b) in whole.results.iter().zip(&within.results) {
        assert_eq!(a.name, b.name);
        let (Some(a), Some(b)) = (a.value, b.value) else { continue };
        // Twenty steps of f32 sums in another order.
        assert!((a - b).abs() < 1e-3 * a.abs().max(1.0), "{a} {b}");
    }
    let why = run(&["memory=1KiB"]).expect_err("nothing fits a KiB").to_string();
    assert!(why.contains("set memory="), "{why}");
    let wild = ["inner_lr=1000", "optimizer.lr=1000", "memory=300KiB"];
    let why = run(&wild).expect_err("it diverges").to_string();
    assert!(why.contains("is not finite at step"), "{why}");
}
