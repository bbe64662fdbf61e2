//! The doctor: its measurement is TAG's formula, and on planted tasks it finds the enemy, the twin and the loud one, says
//! nothing of fine ones, and following what it says helps on held-out data.
//!
//! A world is a few functions of the same hidden features; a task is one of them, with few examples. Networks of
//! several seeds train at once on the task axis, `[seeds, tasks, examples, ...]`.

use metatape::doctor::{Advice, Finding, Interval, Measurements, Reading, advise, look_ahead};
use metatape::exec::{Device, Options, compile};
use metatape::loss::cross_entropy;
use metatape::nn::Params;
use metatape::optim::{Adam, Optimizer, Pace};
use metatape::random::Stream;
use metatape::tape::{Tape, Var, grad};

const INPUTS: usize = 10;
const LATENT: usize = 5;
const CLASSES: usize = 3;
const HIDDEN: usize = 12;
/// Labels of a task to learn from, to measure on, and to judge the result by.
const LEARNT: usize = 80;
const FRESH: usize = 500;
const TEST: usize = 2000;
const STEPS: usize = 300;
const MEASURED_EVERY: usize = 20;
/// Size of the look-ahead steps.
const LOOK: f64 = 0.1;
/// Trainings that are measured, and those that advice is tried on, each with its own examples and start.
const REPEATS: u32 = 16;
const TRIED: [u32; 5] = [100, 101, 102, 103, 104];

/// What a task is made of.
#[derive(Clone, Copy)]
struct Task {
    name: &'static str,
    /// Which function of the hidden features its labels are.
    function: u32,
    /// Whether its labels are shuffled among its examples.
    shuffled: bool,
    /// What its loss is multiplied by, as by another unit.
    loud: f64,
    /// Whose examples it has.
    examples: u32,
}

const fn task(name: &'static str, function: u32) -> Task {
    Task { name, function, shuffled: false, loud: 1.0, examples: function }
}

/// `n` examples for each seed and task: x `[seeds, tasks, n, inputs]`, y `[seeds, tasks, n]`.
fn draw(tasks: &[Task], seeds: &[u32], n: usize, training: bool) -> (Vec<f32>, Vec<f32>) {
    let numbers = |n: usize, of: u32| -> Vec<f64> {
        let mut random = Stream::new(9, 16, 0, of);
        (0..n).map(|_| random.normal()).collect()
    };
    let features = numbers(INPUTS * LATENT, 0);
    let (mut x, mut y) = (vec![], vec![]);
    for &seed in seeds {
        for task in tasks {
            let function = numbers(LATENT * CLASSES, 1 + task.function);
            let mut random = Stream::new(seed, 17, u32::from(training), task.examples);
            let first = y.len();
            for _ in 0..n {
                let input: Vec<f64> = (0..INPUTS).map(|_| random.normal()).collect();
                let z: Vec<f64> = (0..LATENT)
                    .map(|l| (0..INPUTS).map(|i| input[i] * features[i * LATENT + l]).sum::<f64>())
                    .map(f64::tanh)
                    .collect();
                let score =
                    |c: usize| (0..LATENT).map(|l| z[l] * function[l * CLASSES + c]).sum::<f64>();
                let label = (0..CLASSES).max_by(|&a, &b| score(a).total_cmp(&score(b))).unwrap();
                x.extend(input.iter().map(|&v| v as f32));
                y.push(label as f32);
            }
            if task.shuffled {
                random.shuffle(&mut y[first..]);
            }
        }
    }
    (x, y)
}

/// The shared trunk, `[networks, ...]`, and all heads, `[networks, tasks, ...]`.
const TRUNK: [&str; 4] = ["trunk/1/w", "trunk/1/b", "trunk/2/w", "trunk/2/b"];

fn shapes(nets: usize, tasks: usize) -> ([Vec<usize>; 4], [Vec<usize>; 2]) {
    let h = HIDDEN;
    let trunk = [vec![nets, INPUTS, h], vec![nets, 1, h], vec![nets, h, h], vec![nets, 1, h]];
    (trunk, [vec![nets, tasks, h, CLASSES], vec![nets, tasks, 1, CLASSES]])
}

/// Logits `[networks, tasks, n, classes]`: every network on every task's examples through that task's head.
fn logits<'t>(trunk: &Params<'t>, heads: &[Var<'t>; 2], x: Var<'t>) -> Var<'t> {
    let every = |name| {
        let w = trunk.get(name);
        let s = w.shape();
        w.reshape([s[0], 1, s[1], s[2]])
    };
    let h = (x.matmul(every("trunk/1/w")) + every("trunk/1/b")).tanh();
    let h = (h.matmul(every("trunk/2/w")) + every("trunk/2/b")).tanh();
    h.matmul(heads[0]) + heads[1]
}

/// Cross-entropy of every network on every task, `[networks, tasks]`, times each task's loudness.
fn losses<'t>(tasks: &[Task], logits: Var<'t>, y: Var<'t>) -> Var<'t> {
    let s = logits.shape();
    let y = y.per_task(s[0]).reshape([s[0] * s[1], s[2]]);
    let all = cross_entropy(logits.reshape([s[0] * s[1], s[2], s[3]]), y).reshape([s[0], s[1]]);
    let loud: Vec<f64> = tasks.iter().map(|task| task.loud).collect();
    all * all.tape.data([1, s[1]], &loud)
}

fn options() -> Options {
    Options { device: Device::Cpu, threads: Some(1), ..Default::default() }
}

/// Trains one network a seed on all tasks with these weights, and gives held-out accuracy in points `[seeds][tasks]`. `watch`
/// is given the number of steps done and the weights, slot by slot, now and then.
fn train(
    tasks: &[Task],
    seeds: &[u32],
    weights: &[f64],
    mut watch: impl FnMut(usize, &[Vec<f32>]),
) -> Vec<Vec<f64>> {
    let (k, nets) = (tasks.len(), seeds.len());
    let (trunk_shapes, head_shapes) = shapes(nets, k);
    let tape = Tape::new();
    let slots: Vec<Var> =
        trunk_shapes.iter().chain(&head_shapes).map(|shape| tape.input(&shape[..])).collect();
    let adam = Optimizer::Adam(Adam::default());
    let state = adam.inputs(&tape, &slots);
    let (number, w) = (tape.input([1]), tape.input([1, k]));
    let (x, y) = (tape.input([nets, k, LEARNT, INPUTS]), tape.input([nets, k, LEARNT]));
    let test = tape.input([nets, k, TEST, INPUTS]);
    let trunk = Params::new(&TRUNK, slots[..4].to_vec());
    let heads = [slots[4], slots[5]];
    let loss = losses(tasks, logits(&trunk, &heads, x), y) * w;
    let gradient = grad(loss, &slots);
    let (next, kept) = adam.update(&slots, &gradient, &state, Pace::new(0.01, number));
    let outputs = [next, kept.concat()].concat();
    let pairs: Vec<_> = (0..outputs.len()).map(|i| (i, i)).collect();
    let mut program = compile(&tape, &outputs, &pairs, &options()).expect("compiles");
    for (slot, output) in outputs.iter().enumerate() {
        program.write(slot, &vec![0.0; output.shape().len()]);
    }
    let start: Vec<Vec<f32>> = slots
        .iter()
        .enumerate()
        .map(|(slot, var)| {
            let s = var.shape();
            let fan_in = s[s.rank() - 2] as f64;
            let one =
                |&seed: &u32| {
                    let mut random = Stream::new(seed, 18, 0, slot as u32);
                    (0..s.len() / nets)
                        .map(|_| {
                            if fan_in > 1.0 {
                                (random.normal() / fan_in.sqrt()) as f32
                            } else {
                                0.0
                            }
                        })
                        .collect::<Vec<_>>()
                };
            seeds.iter().flat_map(one).collect()
        })
        .collect();
    start.iter().enumerate().for_each(|(slot, values)| program.write(slot, values));
    let (tx, ty) = draw(tasks, seeds, LEARNT, true);
    let (ex, ey) = draw(tasks, seeds, TEST, false);
    let first = outputs.len();
    program.write(first + 1, &weights.iter().map(|&w| w as f32).collect::<Vec<_>>());
    program.write(first + 2, &tx);
    program.write(first + 3, &ty);
    program.write(first + 4, &ex);
    let mut now = start;
    for step in 0..STEPS {
        if step % MEASURED_EVERY == 0 {
            for (slot, values) in now.iter_mut().enumerate() {
                program.read_slot(slot, values).expect("reads");
            }
            watch(step, &now);
        }
        program.write(first, &[(step + 1) as f32]);
        program.run().expect("runs");
    }
    for (slot, values) in now.iter_mut().enumerate() {
        program.read_slot(slot, values).expect("reads");
    }
    let judge = Tape::new();
    let slots: Vec<Var> =
        trunk_shapes.iter().chain(&head_shapes).map(|shape| judge.input(&shape[..])).collect();
    let test = judge.input(test.shape());
    let answer = logits(&Params::new(&TRUNK, slots[..4].to_vec()), &[slots[4], slots[5]], test);
    let mut program = compile(&judge, &[answer], &[], &options()).expect("compiles");
    now.iter().chain([&ex]).enumerate().for_each(|(slot, values)| program.write(slot, values));
    program.run().expect("runs");
    let mut answers = vec![0.0; answer.shape().len()];
    program.read(0, &mut answers).expect("reads");
    let right = |(rows, y): (&[f32], &[f32])| 100.0 * metatape::loss::accuracy(rows, y, CLASSES);
    let all: Vec<f64> =
        answers.chunks_exact(TEST * CLASSES).zip(ey.chunks_exact(TEST)).map(right).collect();
    all.chunks_exact(k).map(<[f64]>::to_vec).collect()
}

/// Joint training of a network for each repeat, measured every so many steps.
fn measure(tasks: &[Task], repeats: u32) -> Measurements {
    let k = tasks.len();
    let seeds: Vec<u32> = (0..repeats).collect();
    let (trunk_shapes, head_shapes) = shapes(1, k);
    let tape = Tape::new();
    let theta = trunk_shapes.iter().map(|shape| tape.input(&shape[..])).collect();
    let theta = Params::new(&TRUNK, theta);
    let heads = head_shapes.map(|shape| tape.input(&shape[..]));
    let (x, y) = (tape.input([1, k, LEARNT, INPUTS]), tape.input([1, k, LEARNT]));
    let (vx, vy) = (tape.input([1, k, FRESH, INPUTS]), tape.input([1, k, FRESH]));
    fn on<'t>(
        tasks: &[Task],
        heads: [Var<'t>; 2],
        x: Var<'t>,
        y: Var<'t>,
    ) -> impl Fn(&Params<'t>) -> Var<'t> {
        move |trunk| losses(tasks, logits(trunk, &heads, x), y)
    }
    let (learnt, fresh) = (on(tasks, heads, x, y), on(tasks, heads, vx, vy));
    let measured = look_ahead(&theta, k, LOOK, learnt, fresh);
    let mut program = compile(&tape, &measured.outputs(), &[], &options()).expect("compiles");
    let data: Vec<_> = seeds.iter().map(|&seed| draw(tasks, &[seed], LEARNT, true)).collect();
    let held: Vec<_> =
        seeds.iter().map(|&seed| draw(tasks, &[seed + 1000], FRESH, false)).collect();
    let names: Vec<&str> = tasks.iter().map(|task| task.name).collect();
    let mut all = Measurements::new(&names);
    train(tasks, &seeds, &vec![1.0; k], |_, weights| {
        for (repeat, (x, y)) in data.iter().enumerate() {
            for (slot, values) in weights.iter().enumerate() {
                let each = values.len() / seeds.len();
                program.write(slot, &values[repeat * each..][..each]);
            }
            program.write(6, x);
            program.write(7, y);
            program.write(8, &held[repeat].0);
            program.write(9, &held[repeat].1);
            program.run().expect("runs");
            all.add(repeat, &Reading::read(&mut *program, 0, k).expect("reads"));
        }
    });
    all
}

/// What following the advice gains for the tasks in its first group, the mean over them, in points on held-out data: joint
/// training with the advised weights and without the others, beside joint training of all with equal weights.
fn gain(tasks: &[Task], advice: &Advice) -> Interval {
    let group = &advice.groups[0];
    let inside = |t: usize| if group.contains(&t) { advice.weights[t] } else { 0.0 };
    let weights: Vec<f64> = (0..tasks.len()).map(inside).collect();
    let advised = train(tasks, &TRIED, &weights, |_, _| {});
    let joint = train(tasks, &TRIED, &vec![1.0; tasks.len()], |_, _| {});
    let mean = |of: &[f64]| group.iter().map(|&t| of[t]).sum::<f64>() / group.len() as f64;
    let pairs = advised.iter().zip(&joint);
    println!("with advice {advised:.1?}\nwithout {joint:.1?}");
    Interval::of(&pairs.map(|(a, b)| mean(a) - mean(b)).collect::<Vec<_>>(), 0.05)
}

const FINE: [Task; 3] = [task("kind", 0), task("surface", 1), task("signal", 2)];

#[test]
fn of_fine_tasks_the_doctor_says_nothing() {
    let advice = advise(&measure(&FINE, REPEATS));
    assert!(advice.is_nothing(), "{advice}");
    assert_eq!((&advice.groups[..], &advice.weights[..]), (&[vec![0, 1, 2]][..], &[1.0; 3][..]));
    assert!(advice.to_string().starts_with("No task helps or hurts another"), "{advice}");
}

#[test]
fn a_planted_enemy_and_a_planted_twin_are_named_and_the_advice_helps() {
    let twin = Task { name: "twin", ..FINE[0] };
    let enemy = Task { shuffled: true, ..task("enemy", 3) };
    let tasks = [FINE[0], enemy, FINE[1], twin];
    let advice = advise(&measure(&tasks, REPEATS));
    let text = advice.to_string();
    println!("{text}");
    for said in [
        "enemy hurts the others and helps not even itself",
        "kind and twin are twins",
        "Train kind, surface and twin together.\nTrain enemy apart.",
    ] {
        assert!(text.contains(said), "{text}");
    }
    assert_eq!(advice.groups, [vec![0, 2, 3], vec![1]]);
    let others = advice.findings.iter().filter(|finding| match finding {
        Finding::Enemy { task, .. } => *task != 1,
        Finding::Hurts { from, .. } => *from != 1,
        Finding::Twins { a, b, .. } => (*a, *b) != (0, 3),
        Finding::Loud { .. } | Finding::Lags { .. } => true,
    });
    assert_eq!(others.count(), 0, "somebody else is accused: {text}");
    let gain = gain(&tasks, &advice);
    println!("gain {gain}");
    assert!(gain.low() > 0.0, "following it gains {gain} points");
}

#[test]
fn a_task_in_another_unit_is_loud_and_its_weight_helps() {
    let tasks = [FINE[0], FINE[1], Task { loud: 30.0, ..FINE[2] }];
    let advice = advise(&measure(&tasks, REPEATS));
    println!("{advice}");
    assert!(matches!(advice.findings[..], [Finding::Loud { task: 2, .. }]), "{advice}");
    assert_eq!(advice.groups, [vec![0, 1, 2]]);
    // 30 times the loss; the gradients of the tasks differ by less than twice without it.
    assert!((1.0 / 60.0..1.0 / 15.0).contains(&advice.weights[2]), "{advice}");
    let gain = gain(&tasks, &advice);
    println!("gain {gain}");
    assert!(gain.low() > 0.0, "following it gains {gain} points");
}

#[test]
fn a_task_that_ends_lower_together_than_alone_is_trained_apart_and_chance_is_not_blamed() {
    let lagging = |together: [f64; 3]| {
        let mut measured = Measurements::new(&["road", "signal"]);
        for together in together {
            measured.compare(0, 0.8, 0.8);
            measured.compare(1, together, 0.8);
        }
        advise(&measured)
    };
    let advice = lagging([0.60, 0.62, 0.58]);
    assert!(matches!(advice.findings[..], [Finding::Lags { task: 1, .. }]), "{advice}");
    assert_eq!(advice.groups, [vec![0], vec![1]]);
    assert!(advice.to_string().starts_with("signal ends 20.0 ±"), "{advice}");
    // Three points are not worth a change; thirty points once in three trainings may be chance.
    assert!(lagging([0.77, 0.771, 0.769]).is_nothing());
    assert!(lagging([0.80, 0.50, 0.80]).is_nothing());
}

/// Two tasks on one number θ: L_j = ½(θ − c_j)² + 1, with goals of their own for fresh and for learnt examples.
fn two_goals(theta: f64, lr: f64, device: Device) -> Reading {
    let tape = Tape::new();
    let w = tape.input([1, 1]);
    fn loss<'t>(w: Var<'t>, goals: Var<'t>) -> Var<'t> {
        (w - goals).square() * 0.5 + 1.0
    }
    let (learnt, fresh) = (tape.data([1, 2], &LEARNT_GOALS), tape.data([1, 2], &FRESH_GOALS));
    let shared = Params::new(&["w"], vec![w]);
    let found =
        look_ahead(&shared, 2, lr, |p| loss(p.get("w"), learnt), |p| loss(p.get("w"), fresh));
    let options = Options { device, ..Default::default() };
    let mut program = compile(&tape, &found.outputs(), &[], &options).expect("compiles");
    program.write_f64(0, &[theta]);
    program.run().expect("runs");
    Reading::read(&mut *program, 0, 2).expect("reads")
}

const LEARNT_GOALS: [f64; 2] = [1.5, -1.0];
const FRESH_GOALS: [f64; 2] = [1.0, -2.0];

#[test]
fn the_measurement_is_tags_formula() {
    let (theta, lr) = (0.5, 0.1);
    let found = two_goals(theta, lr, Device::Reference);
    let loss = |j: usize, w: f64| (w - FRESH_GOALS[j]).powi(2) / 2.0 + 1.0;
    for (i, j) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let z = |goals: [f64; 2]| 1.0 - loss(j, theta - lr * (theta - goals[i])) / loss(j, theta);
        let m = (theta - FRESH_GOALS[i]) * (theta - FRESH_GOALS[j]);
        let expected = [z(FRESH_GOALS), z(LEARNT_GOALS), m];
        let at = 2 * i + j;
        for (f, e) in [found.affinity[at], found.effect[at], found.gram[at]].iter().zip(expected) {
            assert!((f - e).abs() < 1e-14, "{i} {j}: {f}, expected {e}"); // a few roundings
        }
        assert!((found.before[j] - loss(j, theta)).abs() < 1e-14);
    }
    assert_eq!(found.cosines(), [1.0, -1.0, -1.0, 1.0]);
    assert_eq!(found.lengths(), [0.5, 2.5]);
    assert_ne!(found.affinity[1], found.affinity[2], "who steps matters");
    assert!((found.clone().per_lr(lr).affinity[0] - found.affinity[0] / lr).abs() < 1e-14);
    // f32: differences of numbers near 1.
    let cpu = two_goals(theta, lr, Device::Cpu);
    for (a, b) in
        cpu.affinity.iter().chain(&cpu.effect).zip(found.affinity.iter().chain(&found.effect))
    {
        assert!((a - b).abs() < 1e-6, "{a} on cpu, {b}");
    }
}

/// A reading of `n` tasks with this effect on each other, own effect .1.
fn reading(effect: impl Fn(usize, usize) -> f64, n: usize) -> Reading {
    let square = |f: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        (0..n * n).map(|at| f(at / n, at % n)).collect()
    };
    let identity = |i: usize, j: usize| f64::from(i == j);
    let effect = square(&|i, j| if i == j { 0.1 } else { effect(i, j) });
    Reading { before: vec![1.0; n], affinity: square(&identity), effect, gram: square(&identity) }
}

#[test]
fn nothing_is_advised_where_the_interval_holds_zero_or_nothing_was_repeated() {
    let names = ["a", "b", "c"];
    // Task 0 takes back nine tenths from the others, each time anew or on the average only.
    let often = |harm: [f64; 4]| {
        let mut all = Measurements::new(&names);
        for (repeat, harm) in harm.into_iter().enumerate() {
            all.add(repeat, &reading(|i, _| if i == 0 { -harm } else { 0.0 }, 3));
        }
        advise(&all)
    };
    let sure = often([0.09, 0.092, 0.088, 0.09]);
    assert_eq!(sure.groups, [vec![1, 2], vec![0]], "{sure}");
    assert!(sure.to_string().contains("a hurts b"), "{sure}");
    let unsure = often([0.5, -0.2, 0.3, -0.24]);
    assert!(unsure.is_nothing(), "{unsure}");
    let mut once = Measurements::new(&names);
    for _ in 0..50 {
        once.add(0, &reading(|i, _| if i == 0 { -0.09 } else { 0.0 }, 3));
    }
    assert!(advise(&once).is_nothing(), "fifty readings of one training are one repeat");
}

#[test]
fn those_who_hurt_each_other_part_and_nobody_else() {
    let mut all = Measurements::new(&["a", "b", "c"]);
    for repeat in 0..4 {
        let tilt = 0.001 * repeat as f64;
        all.add(repeat, &reading(|i, j| if i + j == 1 { -0.09 + tilt } else { 0.02 + tilt }, 3));
    }
    let advice = advise(&all);
    let mut groups = advice.groups.clone();
    groups.sort();
    // a and b are at odds; one of them leaves, c stays with the other.
    assert_eq!(groups.len(), 2, "{advice}");
    assert!(!groups.iter().any(|g| g.contains(&0) && g.contains(&1)), "{advice}");
}
