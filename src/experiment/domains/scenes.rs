//! The procedural driving world as an experiment's pictures: road, obstacles, signal.
//!
//! Domains are numbered sources first, then held-out sources, then targets. A picture's index says which seed's
//! it is: each seed of a study draws training pictures of its own, test pictures are the same for all.

use std::collections::HashMap;
use std::ops::Range;

use super::pictures::{At, Change, Notes, Pictures, Pool, Task};
use crate::data::augment::{Augment, Normal};
use crate::data::scenes::{Domain, KINDS, OBJECTS, SIGNALS, SURFACES, Scene, Truth, World};
use crate::nn::{
    Boxes, Classes, Embedding, Grid, Head, HeadKind, Labelled, MultiTask, Pool as Pooling, Trunk,
};

/// Indices of one seed's training pictures begin at its multiple of this; test pictures stand before all.
const SEED_STRIDE: usize = 1 << 20;
/// And those of one of its lists at multiples of this: more than any list is long.
const LIST_STRIDE: usize = 1 << 17;

/// How many domains and pictures of each kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub world: u64,
    pub sources: usize,
    pub heldout: usize,
    pub targets: usize,
    /// Labelled pictures of a source domain, for each task.
    pub source_labels: Vec<usize>,
    /// The same of a held-out or target domain: the largest budget.
    pub labels: usize,
    pub unlabelled: usize,
    pub test: usize,
    pub trunk: Trunk,
    /// Numbers of a domain's embedding; 0: none.
    pub embedding: usize,
}

/// The world with all pictures that the pools name, drawn once.
pub struct Scenes {
    plan: Plan,
    domains: Vec<Domain>,
    drawn: HashMap<(usize, usize), Scene>,
    /// Of the source domains' pictures.
    normal: Normal,
    grid: Grid,
}

/// Source pictures that the mean of colours is taken over, about.
const COUNTED: usize = 500;

/// Heads in the network's order, and the tasks they answer.
const HEADS: [&str; 4] = ["kind", "surface", "obstacles", "signal"];
const TASKS: [(&str, &[usize]); 3] = [("road", &[0, 1]), ("obstacles", &[2]), ("signal", &[3])];

pub const TASK_COUNT: usize = TASKS.len();

impl Plan {
    /// The domains by role, as numbers of [`At::domain`].
    pub fn source(&self) -> Range<usize> {
        0..self.sources
    }

    pub fn heldout(&self) -> Range<usize> {
        self.sources..self.sources + self.heldout
    }

    pub fn target(&self) -> Range<usize> {
        let first = self.sources + self.heldout;
        first..first + self.targets
    }

    /// What is known of a domain in the study of this seed.
    pub fn pool(&self, domain: usize, seed: u64) -> Pool {
        let source = self.source().contains(&domain);
        // A list of its own stretch each: a longer one does not move the next.
        let first = SEED_STRIDE * (1 + seed as usize % 2048);
        let list = |n: usize, count: usize| (first + n * LIST_STRIDE..).take(count).collect();
        let labels = |task: usize| if source { self.source_labels[task] } else { self.labels };
        Pool {
            domain,
            labelled: (0..TASKS.len()).map(|task| list(task, labels(task))).collect(),
            unlabelled: list(TASKS.len(), if source { 0 } else { self.unlabelled }),
            together: false,
            test: (0..self.test).collect(),
        }
    }
}

impl Scenes {
    /// Draws every picture that the studies of these seeds use, on all cores.
    pub fn new(plan: Plan, seeds: &[u64]) -> Self {
        let world = World::new(plan.world);
        let sources = (0..plan.sources).map(|n| world.source(n));
        let heldout = (0..plan.heldout).map(|n| world.heldout(n));
        let targets = (0..plan.targets).map(|n| world.target(n));
        let domains: Vec<Domain> = sources.chain(heldout).chain(targets).collect();
        let pools = seeds.iter().flat_map(|&s| (0..domains.len()).map(move |d| (d, s)));
        let mut places: Vec<(usize, usize)> = pools
            .map(|(domain, seed)| plan.pool(domain, seed))
            .flat_map(|p| {
                let all = p.labelled.iter().flatten().chain(&p.unlabelled).chain(&p.test);
                all.map(|&index| (p.domain, index)).collect::<Vec<_>>()
            })
            .collect();
        places.sort_unstable();
        places.dedup();
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        let part = places.len().div_ceil(threads).max(1);
        let drawn = std::thread::scope(|scope| {
            let draw = |part: &[(usize, usize)]| {
                let scene = |&(d, i): &(usize, usize)| ((d, i), domains[d].scene(i as u64));
                part.iter().map(scene).collect::<Vec<_>>()
            };
            let workers: Vec<_> =
                places.chunks(part).map(|part| scope.spawn(move || draw(part))).collect();
            workers.into_iter().flat_map(|w| w.join().expect("drawing does not fail")).collect()
        });
        let drawn: HashMap<(usize, usize), Scene> = drawn;
        // Pictures that every study has, so that a seed's study does not depend on the others.
        let common = plan.source().flat_map(|d| (0..plan.test).map(move |index| (d, index)));
        let step = (plan.sources * plan.test / COUNTED).max(1);
        let counted = common.step_by(step).map(|place| drawn[&place].clone());
        let normal = Normal::of(&counted.collect::<Vec<_>>());
        let net = network(&plan, domains[0].size, 1);
        let grid = net.grid(2).expect("obstacles have boxes");
        Self { plan, domains, drawn, normal, grid }
    }

    fn scene(&self, at: At) -> &Scene {
        &self.drawn[&(at.domain, at.index)]
    }
}

impl Pictures for Scenes {
    fn network(&self, domains: usize) -> MultiTask {
        network(&self.plan, self.domains[0].size, domains)
    }

    fn tasks(&self) -> Vec<Task> {
        let task =
            |&(name, heads): &(&str, &[usize])| Task { name: name.into(), heads: heads.into() };
        TASKS.iter().map(task).collect()
    }

    fn draw(&self, at: At, change: Option<Change>, x: &mut [f32], targets: &mut [&mut [f32]]) {
        let scene = self.scene(at);
        let changed =
            change.map(|c| Augment::default().apply(scene, u64::from(c.seed), c.step, c.element));
        let Scene { pixels, truth, .. } = changed.as_ref().unwrap_or(scene);
        self.normal.write(pixels, x);
        targets[0][0] = truth.kind as f32;
        targets[1][0] = truth.surface as f32;
        targets[2].copy_from_slice(&self.grid.encode(&labelled(truth)));
        targets[3][0] = truth.signal as f32;
    }

    fn shown(&self, at: At) -> (usize, usize, Vec<u8>) {
        let scene = self.scene(at);
        (scene.size, scene.size, scene.pixels.clone())
    }

    fn boxes(&self, at: At) -> Vec<Labelled> {
        labelled(&self.scene(at).truth)
    }

    fn notes(&self) -> Notes {
        Notes {
            labels: "a labelled picture carries one task's labels, most carry none",
            pictures: "a few test pictures of each domain, with the boxes that an obstacle head should find",
            scores: "Road: mean accuracy of kind and surface; obstacles: average precision at IoU .5; signal: accuracy of its \
                     state.",
        }
    }

    fn classes(&self, head: usize) -> Vec<String> {
        let names: &[&str] = [&KINDS[..], &SURFACES, &OBJECTS, &SIGNALS][head];
        names.iter().map(|name| name.to_string()).collect()
    }

    fn domain(&self, domain: usize) -> String {
        self.domains[domain].name.clone()
    }

    fn normal(&self) -> Normal {
        self.normal
    }

    fn sources(&self) -> Range<usize> {
        self.plan.source()
    }

    fn heldout(&self) -> Range<usize> {
        self.plan.heldout()
    }

    fn targets(&self) -> Range<usize> {
        self.plan.target()
    }

    fn pool(&self, domain: usize, seed: u64) -> Pool {
        self.plan.pool(domain, seed)
    }
}

fn labelled(truth: &Truth) -> Vec<Labelled> {
    truth.objects.iter().map(|o| Labelled { class: o.class, bounds: o.bounds }).collect()
}

fn network(plan: &Plan, size: usize, domains: usize) -> MultiTask {
    let classes = |count: usize, pool: Pooling| HeadKind::Classes(Classes::new(count, pool));
    MultiTask {
        image: [size, size, 3],
        trunk: plan.trunk.clone(),
        embedding: (plan.embedding > 0).then_some(Embedding { domains, width: plan.embedding }),
        heads: vec![
            Head::new(HEADS[0], "block4", classes(KINDS.len(), Pooling::Mean)),
            Head::new(HEADS[1], "block4", classes(SURFACES.len(), Pooling::Mean)),
            Head::new(HEADS[2], "block4", HeadKind::Boxes(Boxes::new(OBJECTS.len()))),
            // A lamp is small and anywhere: each cell answers, the surest counts.
            Head::new(HEADS[3], "block4", classes(SIGNALS.len(), Pooling::LogSumExp)),
        ],
    }
}
