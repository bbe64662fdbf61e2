//! Gradient aggregation against answers from elsewhere (`tests/fixtures/combos.safetensors`, NumPy: conflicting, aligned,
//! badly scaled, zero, duplicated, dependent gradients), against what its authors promise, and against itself.

use metatape::mtl::Gram;
use metatape::mtl::aggregate::{
    Aggregator, CaGrad, Effort, Mgda, Nash, Normalize, Order, PcGrad, Rescale, UpGrad, Weighing,
};
use safetensors::SafeTensors;

/// Each case's gradients, and the file to look answers up in.
fn cases() -> Vec<(String, Vec<Vec<f64>>)> {
    let bytes = std::fs::read("tests/fixtures/combos.safetensors").unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut names: Vec<String> =
        file.names().iter().filter_map(|n| n.strip_suffix(".J")).map(str::to_string).collect();
    names.sort();
    assert_eq!(names.len(), 22);
    let rows = |name: &str| {
        let n = file.tensor(&format!("{name}.J")).unwrap().shape()[1];
        stored(&file, &format!("{name}.J")).unwrap().chunks(n).map(<[f64]>::to_vec).collect()
    };
    names.into_iter().map(|name| (name.clone(), rows(&name))).collect()
}

fn stored(file: &SafeTensors, name: &str) -> Option<Vec<f64>> {
    let tensor = file.tensor(name).ok()?;
    let numbers = tensor.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap()));
    Some(numbers.collect())
}

fn answer(case: &str, method: &str) -> Option<Vec<f64>> {
    let bytes = std::fs::read("tests/fixtures/combos.safetensors").unwrap();
    stored(&SafeTensors::deserialize(&bytes).unwrap(), &format!("{case}.{method}"))
}

fn weigh(method: Aggregator, gradients: &[Vec<f64>]) -> Weighing {
    let gram = Gram::of_gradients(gradients).unwrap();
    method.weigh(&gram, &vec![1.0; gradients.len()], 0)
}

/// Σ w_i g_i.
fn direction(weights: &[f64], gradients: &[Vec<f64>]) -> Vec<f64> {
    let mut d = vec![0.0; gradients[0].len()];
    for (w, g) in weights.iter().zip(gradients) {
        d.iter_mut().zip(g).for_each(|(d, g)| *d += w * g);
    }
    d
}

fn length(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}

fn apart(a: &[f64], b: &[f64]) -> f64 {
    length(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>())
}

/// Each method under its name in the fixtures.
fn methods() -> Vec<(&'static str, Aggregator)> {
    let cagrad = |c| Aggregator::CaGrad(CaGrad { c, ..CaGrad::default() });
    vec![
        ("mean", Aggregator::Sum),
        ("pcgrad", Aggregator::named("pcgrad").unwrap()),
        ("mgda", Aggregator::named("mgda").unwrap()),
        ("cagrad_0.4", cagrad(0.4)),
        ("cagrad_0.5", cagrad(0.5)),
        ("imtl_g", Aggregator::named("imtl_g").unwrap()),
        ("nash", Aggregator::named("nash").unwrap()),
        ("aligned_mtl", Aggregator::named("aligned").unwrap()),
        ("upgrad", Aggregator::named("upgrad").unwrap()),
    ]
}

/// Directions, since weights are not unique where gradients depend on each other.
#[test]
fn every_method_gives_the_fixtures_directions() {
    let mut compared = 0;
    for (case, gradients) in cases() {
        let longest = gradients.iter().map(|g| length(g)).fold(0.0, f64::max);
        for (name, method) in methods() {
            let Some(expected) = answer(&case, name) else { continue };
            let found = weigh(method, &gradients);
            let d = direction(&found.weights, &gradients);
            // The file's own answers are solved to about 1e-8 of their length where gradients differ by 1e4 in
            // length, because a direction is the root of what was solved.
            let off = apart(&d, &expected) / length(&expected).max(1e-9 * longest).max(1e-300);
            assert!(off < 1e-7, "{case}, {name}: off by {off:e}; {found:?}");
            assert!(found.converged, "{case}, {name}: {found:?}");
            compared += 1;
        }
    }
    assert_eq!(compared, 184); // every answer in the file: nothing was skipped
}

#[test]
fn weights_are_the_fixtures_where_they_are_unique() {
    for (case, gradients) in cases() {
        let independent = case.starts_with("random") || case.starts_with("aligned");
        for (name, method) in methods().into_iter().filter(|_| independent) {
            let Some(expected) = answer(&case, &format!("{name}_w")) else { continue };
            let mut found = weigh(method, &gradients).weights;
            if let Aggregator::CaGrad(CaGrad { c, .. }) = method {
                // The file has the dual point w; d = g0 + c|g0|·g_w/|g_w|.
                let (mean, k) = (answer(&case, "mean").unwrap(), gradients.len() as f64);
                let step = c * length(&mean) / length(&direction(&expected, &gradients));
                found.iter_mut().for_each(|w| *w = (*w - 1.0 / k) / step);
            }
            // As above; weights of nearly parallel gradients lose another digit.
            let off = apart(&found, &expected) / length(&expected);
            assert!(off < 1e-6, "{case}, {name}: {found:?}, expected {expected:?}");
        }
    }
}

/// What the fixtures leave out is undefined there; an answer that claims to have converged keeps its promise.
#[test]
fn where_a_method_has_no_answer_it_says_so() {
    for (case, gradients) in cases() {
        let (k, nash, imtl) = (gradients.len(), answer(&case, "nash"), answer(&case, "imtl_g"));
        let found = weigh(Aggregator::named("nash").unwrap(), &gradients);
        assert_eq!(found.converged, nash.is_some(), "{case}: {found:?}");
        assert!(found.weights.iter().all(|w| w.is_finite()), "{case}: {found:?}");

        // Dependent gradients may still have equal projections; then the residual proves it.
        let found = weigh(Aggregator::named("imtl_g").unwrap(), &gradients);
        let d = direction(&found.weights, &gradients);
        let dot = |g: &[f64]| g.iter().zip(&d).map(|(g, d)| g * d).sum::<f64>();
        let along: Vec<f64> =
            gradients.iter().filter(|g| length(g) > 0.0).map(|g| dot(g) / length(g)).collect();
        let high = along.iter().copied().fold(0.0, f64::max);
        let size: f64 =
            found.weights.iter().zip(&gradients).map(|(w, g)| w.abs() * length(g)).sum();
        let equal = along.iter().all(|a| (a - high).abs() <= 1e-8 * size);
        assert_eq!(found.converged, equal, "{case}: projections {along:?}, {found:?}");
        assert!(imtl.is_none() || equal, "{case}, {k} tasks");
    }
    // Opposite gradients: no bargain, and the directions of MGDA and IMTL-G are 0.
    let opposite = [vec![1.0, 2.0], vec![-0.5, -1.0]];
    assert!(!weigh(Aggregator::named("nash").unwrap(), &opposite).converged);
    for method in ["mgda", "imtl_g"] {
        let found = weigh(Aggregator::named(method).unwrap(), &opposite);
        assert!(found.converged && length(&direction(&found.weights, &opposite)) < 1e-15);
    }
}

/// The projections equal, and all uphill: the closed form of the paper has no guard against it.
#[test]
fn an_ascent_by_imtl_g_is_called_not_converged() {
    // cos(g1, g2) = .9 and a ratio of 1:9 make Σ M⁻¹√diag(M) positive; a third one turns it.
    let gradients = [vec![0.1, 0.0, 0.02], vec![10.0, 9.0, 0.0], vec![5.0, -9.5, 0.0]];
    let found = weigh(Aggregator::named("imtl_g").unwrap(), &gradients);
    let d = direction(&found.weights, &gradients);
    let uphill = gradients.iter().all(|g| g.iter().zip(&d).map(|(g, d)| g * d).sum::<f64>() < 0.0);
    assert_eq!(uphill, !found.converged, "{found:?}");
    assert!(uphill, "{found:?}");
}

/// Every method that iterates, with none or one of its iterations.
#[test]
fn a_starved_solver_says_that_it_has_not_converged() {
    let (_, gradients) = cases().into_iter().find(|(name, _)| name == "conflict5").unwrap();
    for starved in [0, 1] {
        let effort = Effort { iterations: starved, ..Effort::default() };
        for method in [
            Aggregator::Mgda(Mgda { effort, ..Mgda::default() }),
            Aggregator::CaGrad(CaGrad { effort, ..CaGrad::default() }),
            Aggregator::Nash(Nash { effort, ..Nash::default() }),
            Aggregator::Aligned(metatape::mtl::aggregate::Aligned { effort }),
            Aggregator::UpGrad(UpGrad { effort }),
        ] {
            let found = weigh(method, &gradients);
            assert!(!found.converged && found.residual > 1e-6, "{}: {found:?}", method.word());
            let full = weigh(Aggregator::named(method.word()).unwrap(), &gradients);
            assert!(full.converged && full.residual < 1e-12, "{}: {full:?}", method.word());
            assert_ne!(found.weights, full.weights, "{}", method.word());
        }
    }
}

/// All but PCGrad in index order, whose authors draw the order because it matters.
#[test]
fn the_order_of_tasks_does_not_matter_where_the_authors_say_so() {
    let mut pcgrad_moved = false;
    for (case, gradients) in cases() {
        let turned: Vec<Vec<f64>> = gradients.iter().rev().cloned().collect();
        let longest = gradients.iter().map(|g| length(g)).fold(0.0, f64::max);
        for (name, method) in methods() {
            if answer(&case, name).is_none() {
                continue;
            }
            let [a, b] = [&gradients, &turned].map(|g| direction(&weigh(method, g).weights, g));
            let off = apart(&a, &b) / length(&a).max(1e-9 * longest).max(1e-300);
            match method {
                Aggregator::PcGrad(_) => pcgrad_moved |= off > 1e-3,
                _ => assert!(off < 1e-7, "{case}, {name}: {off:e}"),
            }
        }
    }
    assert!(pcgrad_moved);
}

#[test]
fn every_method_differs_from_every_other_on_some_gradients() {
    let all = Aggregator::all();
    let cases = cases();
    for (i, a) in all.iter().enumerate() {
        for b in &all[..i] {
            let differ = cases.iter().any(|(_, gradients)| {
                let [x, y] = [*a, *b].map(|m| {
                    let d = direction(&weigh(m, gradients).weights, gradients);
                    let long = length(&d).max(1e-300);
                    d.into_iter().map(|v| v / long).collect::<Vec<_>>()
                });
                apart(&x, &y) > 0.01 // 1 % of a unit direction: no rounding
            });
            assert!(differ, "{} and {}", a.word(), b.word());
        }
    }
    let words: Vec<&str> = all.iter().map(Aggregator::word).collect();
    let expected = ["sum", "pcgrad", "mgda", "cagrad", "imtl_g", "nash", "aligned", "upgrad"];
    assert_eq!(words, expected);
    assert_eq!(Aggregator::named("pcgrd"), None);
}

/// No task is harmed to first order by MGDA, Nash-MTL, UPGrad; CAGrad stays in its ball and beats the mean on the worst.
#[test]
fn directions_keep_their_authors_promises() {
    for (case, gradients) in cases() {
        let gram = Gram::of_gradients(&gradients).unwrap();
        let worst = |w: &[f64]| {
            let along = (0..gram.tasks()).map(|i| gram.along(i, w));
            along.fold(f64::INFINITY, f64::min)
        };
        let rounding = 1e-9 * gram.largest(); // the solvers' own tolerance
        for (name, method) in methods() {
            let found = weigh(method, &gradients);
            if !found.converged {
                continue;
            }
            let harmless = matches!(name, "mgda" | "nash" | "upgrad" | "imtl_g");
            assert!(!harmless || worst(&found.weights) >= -rounding, "{case}, {name}: {found:?}");
            if let Aggregator::CaGrad(CaGrad { c, .. }) = method {
                let mean = answer(&case, "mean").unwrap();
                let d = direction(&found.weights, &gradients);
                assert!(apart(&d, &mean) <= c * length(&mean) * (1.0 + 1e-9), "{case}, {name}");
                let plain = weigh(Aggregator::Sum, &gradients).weights;
                assert!(worst(&found.weights) >= worst(&plain) - rounding, "{case}, {name}");
            }
        }
    }
}

#[test]
fn the_papers_other_conventions_are_options() {
    let (_, gradients) = cases().into_iter().find(|(name, _)| name == "random3").unwrap();
    let gram = Gram::of_gradients(&gradients).unwrap();
    let weights = |method: Aggregator| method.weigh(&gram, &[0.5, 2.0, 3.0], 0).weights;
    let times = |w: &[f64], f: f64| w.iter().map(|w| w * f).collect::<Vec<_>>();
    let near = |a: &[f64], b: &[f64]| assert!(apart(a, b) < 1e-12 * length(b), "{a:?}, {b:?}");

    let cagrad =
        |rescale| weights(Aggregator::CaGrad(CaGrad { c: 0.5, rescale, ..CaGrad::default() }));
    near(&cagrad(Rescale::OnePlusSquare), &times(&cagrad(Rescale::None), 1.0 / 1.25));
    near(&cagrad(Rescale::OnePlus), &times(&cagrad(Rescale::None), 1.0 / 1.5));
    // c = 0 is the mean.
    near(&weights(Aggregator::CaGrad(CaGrad { c: 0.0, ..CaGrad::default() })), &[1.0 / 3.0; 3]);

    // (M/|M|) w = 1/w has the solution √|M| times that of M w = 1/w.
    let size = (0..3).flat_map(|i| gram.row(i)).map(|m| m * m).sum::<f64>().sqrt().sqrt();
    let nash = |normalize| weights(Aggregator::Nash(Nash { normalize, ..Nash::default() }));
    near(&nash(true), &times(&nash(false), size));

    // MGDA of unit gradients has the same direction whatever their lengths.
    let by_length = Aggregator::Mgda(Mgda { normalize: Normalize::Length, ..Mgda::default() });
    let longer: Vec<Vec<f64>> =
        gradients.iter().zip([1.0, 7.0, 0.1]).map(|(g, s)| times(g, s)).collect();
    let [a, b] = [&gradients, &longer].map(|g| direction(&weigh(by_length, g).weights, g));
    near(&a, &b);
    let by_loss = Aggregator::Mgda(Mgda { normalize: Normalize::Loss, ..Mgda::default() });
    assert!(apart(&weights(by_loss), &weights(by_length)) > 0.01);

    // A drawn order is a function of seed and step, and both orders of three tasks come up.
    let drawn = |step| {
        let order = Order::Random { seed: 7 };
        Aggregator::PcGrad(PcGrad { order }).weigh(&gram, &[1.0; 3], step).weights
    };
    assert_eq!(drawn(3), drawn(3));
    assert!((0..20).any(|step| drawn(step) != drawn(0)));
    // The authors' sum is K times the mean.
    let mean = Aggregator::Sum.weigh(&gram, &[1.0; 3], 0);
    assert_eq!(mean.times(3.0).weights, [1.0; 3]);
}

#[test]
fn products_that_are_not_finite_are_refused() {
    for bad in [f64::NAN, f64::INFINITY] {
        let why = Gram::new(2, &[1.0, 0.0, bad, 1.0], Gram::F64).unwrap_err().to_string();
        assert!(why.contains("tasks 1 and 0"), "{why}");
    }
    let models = Gram::of_models(2, &[1.0, 0.5, 0.5, 2.0, 4.0, 0.0, 0.0, 5.0]).unwrap();
    assert_eq!((models.len(), models[0].get(1, 1), models[1].get(0, 0)), (2, 2.0, 4.0));
}

/// Forty tasks, the most that a published benchmark has: exact, and not slow.
#[test]
fn forty_tasks_are_no_trouble() {
    let mut random = metatape::random::Stream::new(1, 99, 0, 0);
    let gradients: Vec<Vec<f64>> =
        (0..40).map(|_| (0..60).map(|_| random.normal() + 0.1).collect()).collect();
    for method in Aggregator::all() {
        let found = weigh(method, &gradients);
        assert!(found.converged, "{}: {found:?}", method.word());
    }
}

/// A trunk of two layers and a head for each task, all tanh: losses of `tasks` tasks for weights with any task axis.
mod net {
    use metatape::nn::Params;
    use metatape::tape::{Tape, Var};

    pub const SHAPES: [[usize; 3]; 2] = [[1, 4, 6], [1, 6, 5]];

    pub fn theta<'t>(tape: &'t Tape, models: usize) -> Params<'t> {
        let shape = |s: [usize; 3]| [models, s[1], s[2]];
        Params::new(&["a", "b"], SHAPES.map(|s| tape.input(shape(s))).to_vec())
    }

    /// x `[.., batch, 4]`, y `[.., batch, 2]`, heads `[.., 5, 2]` -> a loss a task.
    pub fn losses<'t>(w: &Params<'t>, head: Var<'t>, x: Var<'t>, y: Var<'t>) -> Var<'t> {
        let z = x.matmul(w.get("a")).tanh().matmul(w.get("b")).tanh();
        let off = z.per_task(head.shape().tasks().max(z.shape().tasks())).matmul(head) - y;
        let axes = [1, 2];
        off.square().mean(&axes).squeeze(&axes)
    }
}

/// Numbers for slots, each a function of its place.
fn fill(slot: usize, len: usize) -> Vec<f64> {
    let mut random = metatape::random::Stream::new(5, 99, slot as u32, 0);
    (0..len).map(|_| random.normal() * 0.7).collect()
}

/// Row k of the gradient is what `grad` of loss k alone gives, with shared and with own inputs, for two models.
#[test]
fn per_task_gradients_are_those_of_each_loss_alone() {
    use metatape::exec::reference::evaluate;
    use metatape::mtl::{PerTask, repeat};
    use metatape::tape::{Tape, grad};
    const K: usize = 3;
    for models in [1, 2] {
        for shared in [true, false] {
            let tape = Tape::new();
            let theta = net::theta(&tape, models);
            let head = tape.input([models * K, 5, 2]);
            let x = tape.input([if shared { models } else { models * K }, 7, 4]);
            let y = tape.input([models * K, 7, 2]);
            let each = if shared { repeat(x, K) } else { x };
            let pass = PerTask::write(&theta, K, &[head], |w| net::losses(w, head, each, y));
            // The same losses of weights that were not copied: one `grad` a task.
            let plain = net::losses(
                &theta.with(theta.vars().iter().map(|&w| repeat(w, K)).collect()),
                head,
                each,
                y,
            );
            let mut outputs = vec![pass.losses, pass.gradients.gram(), pass.own[0]];
            outputs.extend(pass.gradients.vars());
            for task in 0..models * K {
                outputs.extend(grad(plain.narrow(0, task, 1), theta.vars()));
            }
            let weights = tape.data([models, K], &fill(90, models * K));
            outputs.extend(pass.gradients.combine(weights));
            let shapes = tape.input_shapes();
            let slots: Vec<Vec<f64>> =
                shapes.iter().enumerate().map(|(i, s)| fill(i, s.len())).collect();
            let found = evaluate(&tape, &slots, &outputs);

            let alone = |task: usize, w: usize| {
                // Of all models the loss touches its own alone.
                let (whole, n) = (&found[5 + 2 * task + w], net::SHAPES[w][1] * net::SHAPES[w][2]);
                whole[task / K * n..][..n].to_vec()
            };
            for task in 0..models * K {
                for w in 0..2 {
                    let n = net::SHAPES[w][1] * net::SHAPES[w][2];
                    let row = &found[3 + w][task * n..][..n];
                    // f64, sums in another order.
                    assert!(apart(row, &alone(task, w)) < 1e-13, "{models}, {shared}, task {task}");
                }
            }
            for model in 0..models {
                let gradients: Vec<Vec<f64>> = (0..K)
                    .map(|k| [alone(model * K + k, 0), alone(model * K + k, 1)].concat())
                    .collect();
                let gram = Gram::of_gradients(&gradients).unwrap();
                for (i, j) in (0..K).flat_map(|i| (0..K).map(move |j| (i, j))) {
                    let entry = found[1][(model * K + i) * K + j];
                    assert!((entry - gram.get(i, j)).abs() < 1e-13, "model {model}, {i}, {j}");
                }
                let d = direction(&fill(90, models * K)[model * K..][..K], &gradients);
                let combined: Vec<f64> = (0..2)
                    .flat_map(|w| {
                        let n = net::SHAPES[w][1] * net::SHAPES[w][2];
                        found[5 + 2 * models * K + w][model * n..][..n].to_vec()
                    })
                    .collect();
                assert!(apart(&d, &combined) < 1e-13, "model {model}");
            }
        }
    }
}

/// Four runs of one program with a solver in between, beside the same descent written out with a gradient a task.
#[test]
fn a_step_descends_the_gradients_that_the_last_one_left() {
    use metatape::exec::{Device, Options, compile};
    use metatape::mtl::step;
    use metatape::optim::{Optimizer, Pace};
    use metatape::tape::{Tape, grad};
    const K: usize = 3;
    let options = Options { device: Device::Reference, ..Options::default() };
    let lr = 0.3;
    let data = |tape: &Tape| {
        (tape.data([1, 7, 4], &fill(7, 28)).id, tape.data([K, 7, 2], &fill(8, 42)).id)
    };

    // One program.
    let tape = Tape::new();
    let (theta, head) = (net::theta(&tape, 1), tape.input([K, 5, 2]));
    let var = |id| metatape::tape::Var { tape: &tape, id };
    let (x, y) = data(&tape);
    let outer = (Optimizer::GRADIENT_DESCENT, Pace::new(lr, 1.0));
    let made =
        step(&tape, &theta, &[head], K, outer, |w, own| net::losses(w, own[0], var(x), var(y)));
    let mut program = compile(&tape, &made.outputs, &made.state, &options).unwrap();
    let start = [fill(0, 24), fill(1, 30), fill(2, 30)];
    for (slot, values) in start.iter().enumerate() {
        program.write_f64(slot, values);
    }
    let weights = made.weights.slot().unwrap();

    // Written out: gradients of each loss, weights, update on the host.
    let plain = Tape::new();
    let (theta, head) = (net::theta(&plain, 1), plain.input([K, 5, 2]));
    let var = |id| metatape::tape::Var { tape: &plain, id };
    let (x, y) = data(&plain);
    let losses = net::losses(&theta, head, var(x), var(y));
    let mut outputs = vec![losses, grad(losses, &[head])[0]];
    (0..K).for_each(|k| outputs.extend(grad(losses.narrow(0, k, 1), theta.vars())));
    let mut slow = compile(&plain, &outputs, &[], &options).unwrap();
    let mut at = start;
    for _ in 0..4 {
        program.run().unwrap();
        let found = program.read_f64(0, K).unwrap();
        at.iter().enumerate().for_each(|(slot, values)| slow.write_f64(slot, values));
        slow.run().unwrap();
        assert!(apart(&found, &slow.read_f64(0, K).unwrap()) < 1e-12, "losses"); // f64, other order

        let gram = Gram::new(K, &program.read_f64(1, K * K).unwrap(), Gram::F64).unwrap();
        let w = Aggregator::named("mgda").unwrap().weigh(&gram, &found, 0).weights;
        program.write_f64(weights, &w);
        let gradients: Vec<Vec<f64>> = (0..K)
            .map(|k| {
                [slow.read_f64(2 + 2 * k, 24).unwrap(), slow.read_f64(3 + 2 * k, 30).unwrap()]
                    .concat()
            })
            .collect();
        let d = direction(&w, &gradients);
        at[0].iter_mut().zip(&d[..24]).for_each(|(x, d)| *x -= lr * d);
        at[1].iter_mut().zip(&d[24..]).for_each(|(x, d)| *x -= lr * d);
        let own = slow.read_f64(1, 30).unwrap();
        at[2].iter_mut().zip(own).for_each(|(x, d)| *x -= lr * d);
    }
}

/// The forward pass of what tasks share is planned once: three gradients cost less than three passes.
#[test]
fn three_gradients_of_shared_inputs_share_the_forward_pass() {
    use metatape::exec::{Device, Options, compile};
    use metatape::mtl::PerTask;
    use metatape::tape::{Tape, grad};
    let options = Options { device: Device::Cpu, ..Options::default() };
    let flops = |tasks: usize, per_task: bool| {
        let tape = Tape::new();
        let (theta, head) = (net::theta(&tape, 1), tape.input([tasks, 5, 2]));
        let (x, y) = (tape.input([1, 512, 4]), tape.input([tasks, 512, 2]));
        let outputs = if per_task {
            let pass = PerTask::write(&theta, tasks, &[], |w| net::losses(w, head, x, y));
            pass.gradients.vars().to_vec()
        } else {
            grad(net::losses(&theta, head, x, y), theta.vars())
        };
        compile(&tape, &outputs, &[], &options).unwrap().cost().flops as f64
    };
    let (alone, shared) = (flops(1, false), flops(3, true));
    assert!(shared > 1.5 * alone && shared < 2.8 * alone, "{shared} beside {alone}");
}
