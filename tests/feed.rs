//! Batches of a study: a student reads the pixels that its teacher answered to, and a label reaches its own task alone.

use std::sync::Arc;

use metatape::exec::{Device, Options};
use metatape::experiment::domains::{
    Feed, Group, Layout, Learner, Pictures, Plan, Scenes, Stack, Taught, VIEWS,
};
use metatape::nn::{Small, Trunk};

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
        trunk: Trunk::Small(Small { channels: 8, groups: 8 }),
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
    let layout = Layout { net: net.clone(), nets: 1, pictures: 5, teacher: true, anchor: false };
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
