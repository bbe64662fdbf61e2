//! Three heads on one trunk learn by heart: classes, boxes and masks through one optimiser.

use metatape::exec::{Options, Program, compile};
use metatape::nn::*;
use metatape::optim::{Adam, Optimizer, Pace};
use metatape::random::Stream;
use metatape::tape::{Tape, grad};

use super::{cpu, values};

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
