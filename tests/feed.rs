//! Batches of a study: a student reads the pixels that its teacher answered to, and a label reaches its own task alone.

use std::sync::Arc;

use metatape::exec::{Device, Options};
use metatape::experiment::domains::{
    Feed, Group, Layout, Learner, Pictures, Plan, Rates, Scenes, Stack, Step, Taught, VIEWS,
};
use metatape::nn::{Small, Trunk, Weights};

fn world() -> Arc<Scenes> {
    let plan = Plan {
        world: 1,
        sources: 2,
        heldout: 1,
        targets: 1,
        source_labels: vec![3, 3, 3],
        labels: 3,
        unlabelled: 2,
        test: 4,
        trunk: Trunk::Small(Small { channels: 8, stem: 0, groups: 8 }),
        embedding: 2,
    };
    Arc::new(Scenes::new(plan, &[1]))
}

#[test]
fn a_student_reads_the_pixels_that_its_teacher_answered_to() {
    let world = world();
    let net = world.network(2);
    let list = world.pool(0, 1).known(1, usize::MAX);
    let (seed, task) = (77, 1);
    // The teacher's answer to a view names it: the first number of every head is place · VIEWS + view.
    let count = list.len() * VIEWS as usize;
    let answers: Vec<Vec<f32>> = (0..net.heads.len())
        .map(|h| {
            let len = net.output_shape(h, 1, 1).len();
            (0..count)
                .flat_map(|i| (0..len).map(move |k| if k == 0 { i as f32 } else { 0.5 }))
                .collect()
        })
        .collect();
    let taught = Arc::new(Taught::new(seed, &net, &answers));
    let layout = Layout { teacher: true, ..Layout::new(&net, 1, 5) };
    let own = Group::labelled(5, list.clone(), task, 3);
    let group = Group { taught: Some(taught), ..own };
    let mut feed = Feed::new(world.clone(), &layout, vec![vec![group]]);
    let options = Options { device: Device::Cpu, threads: Some(1), ..Options::default() };
    let mut batch = Stack::new(layout, 2.0, &options).expect("a stack").room();
    let pixels = net.image.iter().product::<usize>();
    let mut seen = vec![];
    for step in 0..30 {
        feed.fill(step, &mut batch);
        for example in 0..5 {
            let named =
                |h: usize| batch.soft[h][example * net.output_shape(h, 1, 1).len()] as usize;
            let (place, view) = (named(0) / VIEWS as usize, (named(0) % VIEWS as usize) as u32);
            assert!((1..4).all(|h| named(h) == named(0)), "one view for all heads");
            let mut x = vec![0.0; pixels];
            let mut targets: Vec<Vec<f32>> =
                (0..4).map(|h| vec![0.0; net.target_shape(h, 1, 1).len()]).collect();
            let mut rooms: Vec<&mut [f32]> = targets.iter_mut().map(|t| &mut t[..]).collect();
            world.draw(list[place], Some(Taught::change(seed, place, view)), &mut x, &mut rooms);
            assert!(
                batch.x[example * pixels..][..pixels] == x,
                "step {step}: the teacher's pixels"
            );
            let boxes = targets[2].len();
            assert_eq!(
                batch.targets[2][example * boxes..][..boxes],
                targets[2],
                "labels move along"
            );
            let known: Vec<f32> = batch.known.iter().map(|known| known[example]).collect();
            assert_eq!(known, [0.0, 0.0, 1.0, 0.0], "the label of its task alone");
            assert_eq!(batch.taught[example], 1.0);
            seen.push((place, view));
        }
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), count, "every view of every picture in 150 draws");
}

/// A network's pictures in one row, in two, in three (each task's known pictures fall into rows unevenly, and some rows
/// know nothing of a task): the same losses and the same gradient, which Adam's first moment holds after one step.
#[test]
fn rows_of_a_network_teach_what_all_its_pictures_together_do() {
    let world = world();
    let net = world.network(2);
    let lists: Vec<_> = (0..3).map(|task| world.pool(1, 1).known(task, usize::MAX)).collect();
    let answers: Vec<Vec<f32>> = (0..net.heads.len())
        .map(|h| {
            let len = lists[0].len() * VIEWS as usize * net.output_shape(h, 1, 1).len();
            (0..len).map(|i| (i as f32 * 0.37).sin()).collect()
        })
        .collect();
    let taught = Arc::new(Taught::new(5, &net, &answers));
    let groups = |seed: u32| {
        let own = |count, task: usize| Group::labelled(count, lists[task].clone(), task, seed);
        vec![Group { taught: Some(taught.clone()), ..own(3, 0) }, own(1, 1), own(2, 2)]
    };
    let moments = |parts: usize, device: Device| {
        let layout = Layout { parts, teacher: true, anchor: true, ..Layout::new(&net, 2, 6) };
        let mut feed = Feed::new(world.clone(), &layout, vec![groups(3), groups(4)]);
        let options = Options { device, ..Options::default() };
        let mut stack = Stack::new(layout, 2.0, &options).expect("a stack");
        let rates = |anchor| Rates {
            hard: vec![0.5, 0.5, 2.0, 1.0],
            soft: vec![1.0; 4],
            groups: [1.0; 3],
            anchor,
        };
        let starts = [7, 8].map(|seed| Weights::init(&net.spec(), seed));
        stack.start(&starts.each_ref(), &[rates(0.1), rates(0.0)]);
        let mut batch = stack.room();
        feed.fill(0, &mut batch);
        stack.step(Step { number: 1, lr: 1e-3, keep: 0.0 }, &batch).expect("a step");
        let count = net.spec().len();
        let state = stack.state().expect("its state");
        let losses = stack.tally(1).expect("losses").losses;
        let moments = state[count..2 * count].iter().map(|(_, _, m)| m.clone()).collect();
        (losses, moments)
    };
    for device in [Device::Reference, Device::Cpu] {
        let (losses, whole): (Vec<Vec<f64>>, Vec<Vec<f32>>) = moments(1, device);
        assert!(losses.iter().flatten().all(|&loss| loss > 0.0), "every head learns: {losses:?}");
        for parts in [2, 3] {
            let (found, rows) = moments(parts, device);
            // Other orders of the same sums: rounding of f32, of a few hundred additions.
            for (a, b) in losses.iter().flatten().zip(found.iter().flatten()) {
                assert!((a - b).abs() < 1e-5 * a, "{parts} rows: loss {b}, in one row {a}");
            }
            for (a, b) in whole.iter().zip(&rows) {
                let largest = a.iter().fold(0f32, |m, v| m.max(v.abs()));
                let off = a.iter().zip(b).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
                assert!(off <= 2e-5 * largest, "{parts} rows: {off} of {largest}");
            }
        }
    }
}
