//! Networks of several heads: derivatives, executors, what is masked, and that they learn.

use metatape::check::program_of::{Derivatives, draw};
use metatape::check::rows::{Operand, Row, row};
use metatape::exec::reference::evaluate;
use metatape::exec::{Device, Options, Program, compile};
use metatape::nn::*;
use metatape::optim::{Adam, Optimizer, Pace};
use metatape::random::Stream;
use metatape::shape::Shape;
use metatape::tape::{Tape, grad};

const OUTPUT: Operand = Operand::Free(-2.0, 2.0);
const TEACHER: Operand = Operand::Held(-2.0, 2.0);

/// f64 differences as in `gradcheck`: h⁴ and rounding over h, a hundred times what was seen.
const DIFFERENCE: f64 = 1e-7;
/// f32 against f64 over three derivatives, relative to the largest of an order: as in `gradcheck`.
const F32: f64 = 1e-4;

fn cpu() -> Options {
    Options { device: Device::Cpu, ..Options::default() }
}

/// Orders 1 to 3 on the reference against differences.
fn differences(row: &Row, shapes: &[Shape], seed: u32) -> Vec<f64> {
    let tape = Tape::new();
    let derivatives = Derivatives::new(&tape, row, shapes, 3, seed);
    derivatives.against_differences(&draw(&row.operands, shapes, seed)).unwrap()
}

/// A kink that a difference crosses spoils it, and a network has hundreds of ReLUs. So a case may draw again: a
/// wrong rule is wrong at every draw.
#[track_caller]
fn some_draw_matches(row: &Row, shapes: &[Shape], seed: u32, draws: u32) {
    let mut seen = vec![];
    for seed in seed..seed + draws {
        let errors = differences(row, shapes, seed);
        if within(&errors, DIFFERENCE) {
            return;
        }
        seen.push(errors);
    }
    panic!("{} {shapes:?}: {seen:?}", row.name);
}

/// Value and orders 1 to 3 on an executor against the reference.
fn agrees(row: &Row, shapes: &[Shape], seed: u32, options: &Options) {
    let tape = Tape::new();
    let derivatives = Derivatives::new(&tape, row, shapes, 3, seed);
    let values = draw(&row.operands, shapes, seed);
    let errors = derivatives.against_reference(&values, options).unwrap();
    assert!(within(&errors, F32), "{} {shapes:?}: {errors:?}", row.name);
}

fn within(errors: &[f64], limit: f64) -> bool {
    errors.iter().all(|&error| error <= limit) // not `>`: NaN fails too
}

/// A network on small pictures with odd sides; every kind of head.
fn network(trunk: Trunk, embedding: Option<Embedding>) -> MultiTask {
    let head = |name: &str, reads: &str, kind| Head::new(name, reads, kind);
    let layers = trunk.layers([17, 12, 3]);
    let name = |i: usize| layers[i].name.clone();
    let mask = Mask { width: 2, ..Mask::new(3, &name(0)) };
    let heads = vec![
        head("kind", &name(3), HeadKind::Classes(Classes::new(4, Pool::Mean))),
        head("light", &name(2), HeadKind::Classes(Classes::new(3, Pool::LogSumExp))),
        head("signs", &name(3), HeadKind::Labels(Labels::new(2))),
        head("places", &name(1), HeadKind::Labels(Labels { cells: true, ..Labels::new(2) })),
        head("obstacles", &name(1), HeadKind::Boxes(Boxes { width: 4, ..Boxes::new(2) })),
        head("road", &name(3), HeadKind::Mask(mask)),
        head("path", &name(3), HeadKind::Values(Values { count: 2 })),
    ];
    MultiTask { image: [17, 12, 3], trunk, embedding, heads }
}

fn trunks() -> [Trunk; 2] {
    [
        Trunk::Small(Small { channels: 4, stem: 2, groups: 2 }),
        Trunk::Residual(Residual { channels: 2, groups: 1 }),
    ]
}

const EMBEDDING: Option<Embedding> = Some(Embedding { domains: 3, width: 2 });

/// Random targets of a kind that are possible, of the shape the network asks for.
fn targets(kind: &HeadKind, shape: Shape, seed: u32) -> Vec<f64> {
    let mut random = Stream::new(seed, 16, 0, 0);
    let width = shape.last();
    let mut one = |i: usize| match kind {
        HeadKind::Classes(kind) => random.below(kind.classes) as f64,
        HeadKind::Mask(kind) => random.below(kind.classes + 1) as f64 - 1.0,
        HeadKind::Labels(_) => random.below(3) as f64 - 1.0,
        HeadKind::Boxes(kind) => match i % width {
            at if at < kind.classes => random.below(3) as f64 - 1.0,
            at if at == width - 1 => random.below(2) as f64,
            _ => random.normal(),
        },
        HeadKind::Values(_) => random.normal(),
    };
    (0..shape.len()).map(&mut one).collect()
}

/// The loss and the distillation loss of every kind, on outputs of its own and shared.
#[test]
fn losses_match_their_differences_to_third_order() {
    let net = network(trunks()[0].clone(), None);
    for (k, head) in net.heads.iter().enumerate() {
        for (tasks, outputs, teachers) in [(1, 1, 1), (3, 3, 3), (3, 3, 1), (3, 1, 3)] {
            let target_shape = net.target_shape(k, tasks, 4);
            let target = targets(&head.kind, target_shape, 3);
            let known: Vec<f64> = (0..tasks * 4).map(|i| (i % 3 > 0) as u8 as f64).collect();
            let owned = head.clone();
            let row = row(&head.name, &[OUTPUT, TEACHER], &[], move |x| {
                let tape = x[0].tape;
                let known = tape.data([tasks, 4], &known);
                let loss = owned.loss(x[0], tape.data(target_shape, &target), known);
                loss + owned.distill(x[0], x[1], known, 2.5)
            });
            let shapes = [net.output_shape(k, outputs, 4), net.output_shape(k, teachers, 4)];
            // Only GIoU has kinks, where an edge of a box passes another's.
            let draws = if matches!(head.kind, HeadKind::Boxes(_)) { 12 } else { 1 };
            some_draw_matches(&row, &shapes, k as u32 + 1, draws);
            agrees(&row, &shapes, k as u32 + 1, &cpu());
        }
    }
}

/// A number made of every head's output, as a function of the pictures and all weights. `tasks` of pictures, and
/// of weights at an even and at an odd place of the list.
fn network_row(net: &MultiTask, tasks: [usize; 3], pictures: usize) -> (Row, Vec<Shape>) {
    let spec = net.spec();
    let [h, w, c] = net.image;
    let mut shapes = vec![Shape::from([tasks[0], pictures, h, w, c])];
    shapes.extend(spec.iter().enumerate().map(|(i, s)| s.shape.with(0, tasks[1 + i % 2])));
    let names: Vec<String> = spec.iter().map(|s| s.name.clone()).collect();
    let net = net.clone();
    let operands = vec![Operand::Free(-1.0, 1.0); shapes.len()];
    let row = row("network", &operands, &[], move |x| {
        let names: Vec<&str> = names.iter().map(|name| &name[..]).collect();
        let weights = Params::new(&names, x[1..].to_vec());
        let domain = x[0].tape.data([1, 2, 3], &[0.5, 0.25, 0.25, 1.0, 0.0, 0.0]);
        let domain = domain.narrow(1, 0, pictures);
        let answers = net.answer(&weights, x[0], net.embedding.map(|_| domain));
        let tasks = answers.heads.iter().map(|head| head.shape().tasks()).max().unwrap();
        let sums = answers.heads.into_iter().enumerate().map(|(k, head)| {
            let axes: Vec<usize> = (1..head.shape().rank()).collect();
            let bent = (head * (1.0 + 0.1 * k as f64)).tanh();
            bent.mean(&axes).squeeze(&axes).per_task(tasks)
        });
        sums.reduce(|a, b| a + b).unwrap()
    });
    (row, shapes)
}

/// Weights all shared, all per task, and mixed; pictures shared or not.
const TASKS: [[usize; 3]; 6] = [[1, 1, 1], [2, 2, 2], [2, 1, 1], [1, 2, 2], [2, 1, 2], [1, 2, 1]];

#[test]
fn networks_match_their_differences_to_third_order() {
    for trunk in trunks() {
        let net = MultiTask { image: [16, 12, 1], ..network(trunk, EMBEDDING) };
        for tasks in TASKS {
            let (row, shapes) = network_row(&net, tasks, 1);
            some_draw_matches(&row, &shapes, 1, 12);
        }
    }
}

#[test]
fn networks_agree_with_the_reference_to_third_order() {
    for trunk in trunks() {
        let net = network(trunk, EMBEDDING);
        for tasks in TASKS {
            let (row, shapes) = network_row(&net, tasks, 2);
            agrees(&row, &shapes, 5, &cpu());
        }
    }
}

/// One trunk and one sharing: every further program is a minute of shaders for a software adapter.
#[test]
fn a_network_agrees_with_the_reference_on_the_gpu_to_third_order() {
    if std::env::var_os("METATAPE_NO_GPU").is_some() {
        return eprintln!("skipped: no GPU (METATAPE_NO_GPU is set)");
    }
    let net = network(trunks()[0].clone(), EMBEDDING);
    let (row, shapes) = network_row(&net, [2, 1, 2], 2);
    let gpu = Options { device: Device::Gpu(None), ..Options::default() };
    agrees(&row, &shapes, 5, &gpu);
}

#[test]
fn outputs_have_the_shapes_that_the_network_says() {
    for (trunk, embedding) in trunks().into_iter().zip([EMBEDDING, None]) {
        let net = network(trunk, embedding);
        net.check().unwrap();
        let tape = Tape::new();
        let weights = Params::constants(&tape, &Weights::init(&net.spec(), 1));
        let answers = net.answer(&weights, tape.filled(0.5, [2, 3, 17, 12, 3]), None);
        for (k, output) in answers.heads.iter().enumerate() {
            assert_eq!(output.shape(), net.output_shape(k, 2, 3));
        }
        for (layer, (name, value)) in net.layers().iter().zip(&answers.layers) {
            let wanted = [2, 3, layer.size[0], layer.size[1], layer.channels];
            assert_eq!((&layer.name, value.shape().dims()), (name, &wanted[..]));
        }
    }
}

fn values(len: usize, seed: u32) -> Vec<f32> {
    let mut random = Stream::new(seed, 16, 0, 0);
    (0..len).map(|_| random.normal() as f32).collect()
}

#[test]
fn a_batch_without_a_known_label_has_no_loss_and_no_gradient() {
    let net = network(trunks()[0].clone(), None);
    for (k, head) in net.heads.iter().enumerate() {
        let tape = Tape::new();
        let output = tape.input(net.output_shape(k, 2, 3));
        let target = tape.filled(0.0, net.target_shape(k, 2, 3));
        // The first task knows its second picture, the other nothing.
        let known = tape.data([2, 3], &[0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        let teacher = output.like(0.5);
        let loss = head.loss(output, target, known);
        let taught = head.distill(output, teacher, known, 2.0);
        let slope = grad(loss + taught, &[output])[0];
        let given: Vec<f64> = values(output.shape().len(), 7).into_iter().map(f64::from).collect();
        let alone = head.losses(output, target).narrow(1, 1, 1).reshape([2]);
        let found = evaluate(&tape, &[given], &[loss, slope, taught, alone]);
        assert_eq!(found[0], [found[3][0], 0.0], "{}", head.name);
        assert_eq!(found[2][1], 0.0);
        let (pictures, each) = (found[1].chunks(found[1].len() / 6), 6);
        for (i, picture) in pictures.enumerate().take(each) {
            assert_eq!(picture.iter().any(|&v| v != 0.0), i == 1, "{} {i}", head.name);
        }
    }
}

/// A training step of a network: weights and Adam in place, then pictures, domains, and target and `known` of each head.
struct Trainer {
    program: Box<dyn Program>,
    spec: Vec<Spec>,
    first: usize,
}

impl Trainer {
    fn new(net: &MultiTask, tasks: usize, pictures: usize, lr: f64, options: &Options) -> Self {
        let tape = Tape::new();
        let mut spec = net.spec();
        for s in &mut spec {
            s.shape = s.shape.with(0, tasks);
        }
        let weights = Params::inputs(&tape, &spec);
        let adam = Optimizer::Adam(Adam::default());
        let kept = adam.inputs(&tape, weights.vars());
        let first = tape.input_shapes().len();
        let [h, w, c] = net.image;
        let x = tape.input([tasks, pictures, h, w, c]);
        let domains = net.embedding.map_or(1, |e| e.domains);
        let domain = tape.input([tasks, pictures, domains]);
        let answers = net.answer(&weights, x, net.embedding.map(|_| domain));
        let losses = net.heads.iter().enumerate().map(|(k, head)| {
            let target = tape.input(net.target_shape(k, tasks, pictures));
            head.loss(answers.heads[k], target, tape.input([tasks, pictures]))
        });
        let loss = losses.reduce(|a, b| a + b).unwrap();
        let gradient = grad(loss, weights.vars());
        let step = tape.input([1]);
        let pace = Pace::new(lr, step);
        let (moved, kept) = adam.update(weights.vars(), &gradient, &kept, pace);
        let mut outputs = [moved, kept.concat()].concat();
        let state: Vec<_> = (0..outputs.len()).map(|i| (i, i)).collect();
        outputs.push(loss);
        outputs.extend(answers.heads);
        let program = compile(&tape, &outputs, &state, options).unwrap();
        Self { program, spec, first }
    }

    fn start(&mut self, weights: &Weights) {
        for slot in 0..self.first {
            let shape = self.spec[slot % self.spec.len()].shape;
            let zeros = vec![0.0; shape.len()];
            match weights.0.get(slot) {
                Some(w) => self.program.write(slot, &w.values.repeat(shape.tasks())),
                None => self.program.write(slot, &zeros),
            }
        }
    }

    fn step(&mut self, number: usize, inputs: &[Vec<f32>]) {
        for (i, values) in inputs.iter().enumerate() {
            self.program.write(self.first + i, values);
        }
        self.program.write(self.first + inputs.len(), &[number as f32]);
        self.program.run().unwrap();
    }

    fn loss(&mut self, tasks: usize) -> Vec<f32> {
        let mut loss = vec![0.0; tasks];
        self.program.read(self.first, &mut loss).unwrap();
        loss
    }

    fn output(&mut self, net: &MultiTask, head: usize, tasks: usize, pictures: usize) -> Vec<f32> {
        let mut values = vec![0.0; net.output_shape(head, tasks, pictures).len()];
        self.program.read(self.first + 1 + head, &mut values).unwrap();
        values
    }
}

/// Eight pictures of noise with a class, two boxes and a mask each; every third label is missing.
#[test]
fn three_heads_learn_eight_pictures_by_heart() {
    let heads = vec![
        Head::new("kind", "block4", HeadKind::Classes(Classes::new(4, Pool::Mean))),
        Head::new("boxes", "block4", HeadKind::Boxes(Boxes::new(2))),
        Head::new("road", "block4", HeadKind::Mask(Mask::new(3, "block1"))),
    ];
    let (image, n) = ([32, 32, 3], 8);
    let embedding = Some(Embedding { domains: 2, width: 4 });
    let net = MultiTask { image, trunk: Trunk::Small(Small::default()), embedding, heads };
    let mut random = Stream::new(4, 16, 0, 0);
    let pictures = values(n * 32 * 32 * 3, 1);
    let domain: Vec<f32> = (0..n).flat_map(|i| [(i % 2) as f32, (1 - i % 2) as f32]).collect();
    let classes: Vec<f32> = (0..n).map(|_| random.below(4) as f32).collect();
    let grid = net.grid(1).unwrap();
    let objects: Vec<Vec<Labelled>> = (0..n)
        .map(|i| {
            let (left, top) = (random.below(12) as f32, random.below(12) as f32);
            let one = Labelled { class: i % 2, bounds: [left, top, left + 6.0, top + 9.0] };
            let far = [left + 13.0, top + 8.0, left + 19.0, top + 12.0];
            vec![one, Labelled { class: 1 - i % 2, bounds: far }]
        })
        .collect();
    let boxes: Vec<f32> = objects.iter().flat_map(|o| grid.encode(o)).collect();
    // Left of a column, between, right of another.
    let mask = |i: usize| (0..32 * 32).map(move |p| [0.0, -1.0, 2.0][(p % 32 + i) / 14 % 3]);
    let masks: Vec<f32> = (0..n).flat_map(mask).collect();
    let known = |head: usize| {
        (0..n).map(|i| (!(i + head).is_multiple_of(3)) as u8 as f32).collect::<Vec<_>>()
    };
    let inputs =
        [pictures, domain, classes.clone(), known(0), boxes, known(1), masks.clone(), known(2)];

    let mut trainer = Trainer::new(&net, 1, n, 3e-3, &cpu());
    trainer.start(&Weights::init(&net.spec(), 2));
    trainer.step(1, &inputs);
    let begin = trainer.loss(1)[0];
    for step in 2..=250 {
        trainer.step(step, &inputs);
    }
    let end = trainer.loss(1)[0];
    assert!(end < 0.05 * begin, "the loss went from {begin} to {end}");
    let [kinds, found, road] = [0, 1, 2].map(|head| trainer.output(&net, head, 1, n));
    for i in 0..n {
        let row = &kinds[i * 4..][..4];
        let best = (0..4).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        assert!(i % 3 == 0 || best == classes[i] as usize, "picture {i}: {row:?}");
        let cells = found.len() / n;
        let found = grid.decode(&found[i * cells..][..cells], 0.5, 0.5);
        for object in objects[i].iter().filter(|_| (i + 1) % 3 > 0) {
            let hit =
                |d: &Detection| d.class == object.class && overlap(d.bounds, object.bounds) > 0.7;
            assert!(found.iter().any(hit), "picture {i}: {found:?} for {object:?}");
        }
        let right = (0..32 * 32).filter(|p| {
            let at = i * 1024 + p;
            let row = &road[at * 3..][..3];
            let label = masks[at];
            label < 0.0 || (0..3).all(|k| k == label as usize || row[label as usize] > row[k])
        });
        let right = right.count();
        assert!((i + 2) % 3 == 0 || right > 1000, "picture {i}: {right} of 1024 pixels");
    }
}

#[test]
fn boxes_come_back_from_a_grid_as_they_went_in() {
    let grid = Grid { image: [32, 48], cells: [4, 8], classes: 3 };
    let object = |class, bounds| Labelled { class, bounds };
    let objects = [object(2, [3.0, 4.0, 20.0, 9.0]), object(0, [30.0, 20.0, 47.0, 31.0])];
    // As an answer: certain where the target is 1, impossible elsewhere.
    let answer = |objects: &[Labelled]| -> Vec<f32> {
        let cell = |t: &[f32]| {
            let classes = t[..3].iter().map(|&y| if y > 0.5 { 9.0 } else { -9.0 });
            classes.chain(t[3..7].iter().copied()).collect::<Vec<f32>>()
        };
        grid.encode(objects).chunks(8).flat_map(cell).collect()
    };
    let mut found = grid.decode(&answer(&objects), 0.5, 0.5);
    found.sort_by_key(|d| 2 - d.class);
    assert_eq!(found.len(), 2);
    for (d, o) in found.iter().zip(&objects) {
        assert_eq!(d.class, o.class);
        // Pixels by f32 logarithms and back.
        assert!(d.bounds.iter().zip(o.bounds).all(|(a, b)| (a - b).abs() < 1e-4), "{d:?}, {o:?}");
    }
    // One cell, two objects: the larger stays, the other's class is not counted there.
    let shared = grid.encode(&[object(1, [1.0, 1.0, 5.0, 5.0]), object(0, [0.0, 0.0, 6.0, 7.0])]);
    assert_eq!(shared[..3], [1.0, -1.0, 0.0]);
    assert_eq!(shared[7], 1.0);
    assert!(shared[8..].iter().all(|&v| v == 0.0));
    // Without an area, inside out, or with its centre outside: nothing.
    let none = [[5.0, 5.0, 5.0, 9.0], [9.0, 5.0, 5.0, 9.0], [40.0, 0.0, 60.0, 9.0]];
    let none: Vec<Labelled> = none.into_iter().map(|bounds| object(0, bounds)).collect();
    assert!(grid.encode(&none).iter().all(|&v| v == 0.0));
}

#[test]
fn whatever_a_network_answers_boxes_lie_in_the_picture() {
    let grid = Grid { image: [16, 16], cells: [1, 2], classes: 1 };
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    for broken in [[nan, 0.0, 0.0, 0.0, 0.0], [9.0, nan, 0.0, 0.0, 0.0], [9.0, 0.0, 0.0, nan, 0.0]]
    {
        let answer = [broken, [-9.0, 0.0, 0.0, 0.0, 0.0]].concat();
        assert_eq!(grid.decode(&answer, 0.5, 0.5), []);
    }
    let answer = [[9.0, 0.0, 0.0, inf, 500.0], [9.0, 900.0, -900.0, 1.0, 1.0]].concat();
    for d in grid.decode(&answer, 0.5, 0.5) {
        assert!(d.bounds.iter().all(|v| (0.0..=16.0).contains(v)), "{d:?}");
    }
}

#[test]
fn suppression_keeps_the_surest_of_a_class() {
    let found = |class, left: f32, score| Detection {
        class,
        score,
        bounds: [left, 0.0, left + 10.0, 10.0],
    };
    let all = vec![found(0, 2.0, 0.6), found(0, 0.0, 0.9), found(1, 0.0, 0.5), found(0, 4.0, 0.7)];
    // 2 of 10 pixels off: 8/12; 4 off: 6/14, below one half; so 0.9 removes 0.6 and leaves 0.7.
    let kept: Vec<f32> = suppress(all, 0.5).iter().map(|d| d.score).collect();
    assert_eq!(kept, [0.9, 0.7, 0.5]);
    assert_eq!(overlap([0.0, 0.0, 2.0, 2.0], [1.0, 1.0, 3.0, 3.0]), 1.0 / 7.0);
    assert_eq!(overlap([0.0; 4], [0.0; 4]), 0.0);
}

/// What a new domain starts from is what the mixture of all known ones says, and the table of the new one is a
/// parameter like any other.
#[test]
fn a_new_domain_begins_at_the_mixture_of_the_known_ones() {
    for trunk in trunks() {
        let net = network(trunk, EMBEDDING);
        let mut weights = Weights::init(&net.spec(), 3);
        for w in weights.0.iter_mut().filter(|w| w.name.ends_with("film/weight")) {
            w.values = values(w.values.len(), 5); // a new network's are 0
        }
        let (new, fresh) = (net.for_new_domain(), weights.for_new_domain());
        assert_eq!(fresh.get("embedding/table").unwrap().shape.dims(), [1, 1, 2]);
        let tape = Tape::new();
        let pictures: Vec<f64> = values(2 * 17 * 12 * 3, 6).into_iter().map(f64::from).collect();
        let x = tape.data([1, 2, 17, 12, 3], &pictures);
        let (old, new_weights) =
            (Params::constants(&tape, &weights), Params::constants(&tape, &fresh));
        let third = tape.filled(1.0 / 3.0, [1, 2, 3]);
        let answers = [
            net.answer(&old, x, Some(third)),
            net.answer(&old, x, None),
            new.answer(&new_weights, x, Some(tape.filled(1.0, [1, 2, 1]))),
            net.answer(&old, x, Some(tape.data([1, 1, 3], &[1.0, 0.0, 0.0]).expand([1, 2, 3]))),
        ];
        let found = evaluate(&tape, &[], &answers.map(|a| a.heads[0]));
        for (k, other) in found[1..].iter().enumerate() {
            let off = found[0].iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            // The mean row in f32 against the sum of thirds in f64; another domain is another answer.
            assert!(if k < 2 { off < 1e-5 } else { off > 1e-2 }, "{k}: {off}");
        }
    }
}

#[test]
fn losses_are_their_definitions_and_a_perfect_student_has_no_distance() {
    use metatape::loss::*;
    let tape = Tape::new();
    let z = tape.data([1, 1, 4], &[0.3, -0.7, 2e4, 1.5]);
    let y = tape.data([1, 1, 4], &[1.0, 0.0, 1.0, -1.0]);
    let teacher = tape.data([1, 1, 4], &[1.0, 0.2, -0.4, 2.0]);
    let labels = tape.data([1, 1], &[3.0]);
    let found = evaluate(
        &tape,
        &[],
        &[
            binary_cross_entropy(z, y, 3.0),
            focal(z, y),
            binary_kl(z, teacher, 2.0),
            cross_entropy_each(teacher, labels, Some(&[1.0, 1.0, 1.0, 0.5])),
            pseudo_huber(z),
            kl_each(z, z, 3.0),
            binary_kl(z, z, 3.0),
        ],
    );
    let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
    let near =
        |a: f64, b: f64| assert!((a - b).abs() < 1e-9 * b.abs().max(1.0), "{a}, expected {b}");
    let [p, q] = [sigmoid(0.3), sigmoid(-0.7)];
    for (k, wanted) in [-3.0 * p.ln(), -(1.0 - q).ln(), 0.0, 0.0].into_iter().enumerate() {
        near(found[0][k], wanted); // the third is surely right, the fourth not counted
    }
    near(found[1][0], -(1.0 - p).powi(2) * p.ln());
    near(found[1][1], -q.powi(2) * (1.0 - q).ln());
    let [p, q] = [sigmoid(0.5), sigmoid(0.15)];
    near(found[2][0], 4.0 * (p * (p / q).ln() + (1.0 - p) * ((1.0 - p) / (1.0 - q)).ln()));
    assert!(found[2].iter().all(|v| v.is_finite() && *v > 0.0), "{:?}", found[2]);
    let sum: f64 = [1.0f64, 0.2, -0.4, 2.0].iter().map(|v| v.exp()).sum();
    near(found[3][0], 0.5 * (sum.ln() - 2.0));
    near(found[4][0], 1.09f64.sqrt() - 1.0);
    assert!(found[5..].concat().iter().all(|&v| v == 0.0));
    // Boxes (y, x, ln h, ln w): the same; a quarter of it, inside; one beside it with a gap as wide as both: of a
    // hull of 3, 1 is empty; and far away and huge, in a cell that holds nothing.
    let unit = [0.0, 0.0, 0.0, 0.0];
    let boxes = [
        unit,
        [0.25, 0.25, 0.5f64.ln(), 0.5f64.ln()],
        [2.0, 0.0, 0.0, 0.0],
        [9e3, 0.0, 900.0, 900.0],
    ];
    let output = tape.data([1, 4, 4], &boxes.concat());
    let loss = giou_loss(output, tape.data([1, 1, 4], &unit));
    let found = evaluate(&tape, &[], &[loss, grad(loss, &[output])[0]]);
    for (k, wanted) in [0.0, 0.75, 1.0 + 1.0 / 3.0].into_iter().enumerate() {
        near(found[0][k], wanted);
    }
    assert!(found.concat().iter().all(|v| v.is_finite()), "{found:?}");
}

/// As a model file carries it; and what cannot be built says why.
#[test]
fn a_network_goes_through_json_and_a_wrong_one_says_what_is_wrong() {
    let good = network(trunks()[1].clone(), EMBEDDING);
    let text = serde_json::to_string(&good).unwrap();
    assert_eq!(serde_json::from_str::<MultiTask>(&text).unwrap(), good);
    let small = r#"{"image": [48, 48, 3], "trunk": {"kind": "small", "channels": 32, "groups": 8},
        "heads": [{"name": "light", "reads": "block3", "kind": {"kind": "classes", "classes": 4}}]}"#;
    serde_json::from_str::<MultiTask>(small).unwrap().check().unwrap();
    for (from, to, why) in [
        ("17,12,3", "17,0,3", "pictures of 17x0x3"),
        ("17,12,3", "17,99999999,3", "pictures of 17x99999999x3"),
        ("\"channels\":2", "\"channels\":0", "a trunk of 0 channels in 1 groups"),
        ("\"domains\":3", "\"domains\":0", "an embedding of 0 domains in 2 numbers"),
        ("\"classes\":4", "\"classes\":0", "head kind: 0 classes"),
        ("\"name\":\"light\"", "\"name\":\"kind\"", "head's name \"kind\""),
        ("\"reads\":\"block3\"", "\"reads\":\"x\"", "the layer \"x\"; the trunk has stem, block1"),
        ("\"skip\":\"stem\"", "\"skip\":\"x\"", "head road: it reads the layer \"x\""),
    ] {
        let broken = text.replacen(from, to, 1);
        assert_ne!(broken, text, "{from} does not stand in {text}");
        let error = serde_json::from_str::<MultiTask>(&broken).unwrap().check().unwrap_err();
        assert!(error.to_string().contains(why), "{error}, expected {why}");
        assert_eq!(error.exit_code(), 2);
    }
}
