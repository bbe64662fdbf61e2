//! The batches of a stack: for each network a few groups of pictures, drawn in shuffled rounds.
//!
//! What stands in a batch is a pure function of the group's seed and the step, so training resumes anywhere
//! and a control sees the same labels in the same order as the method it is compared with.

use std::sync::Arc;

use super::learner::{Batch, Layout};
use super::pictures::{At, Change, Pictures, Task};
use super::taught::{Taught, VIEWS};
use crate::random::{Stream, stream};

/// So many pictures of each batch come from one list.
#[derive(Clone, Debug)]
pub struct Group {
    pub count: usize,
    /// Lists to draw from. Where there are several, each step takes one of them: groups with the same `choice`
    /// take the same (an episode's domain).
    pub from: Vec<Arc<[At]>>,
    pub choice: u32,
    /// The task whose labels are shown; none: unlabelled pictures.
    pub task: Option<usize>,
    /// A teacher's answers to each of the first list; none: it does not teach here.
    pub taught: Option<Arc<Taught>>,
    /// Of the order and of the changes.
    pub seed: u32,
}

impl Group {
    /// Pictures with labels of one task.
    pub fn labelled(count: usize, from: Arc<[At]>, task: usize, seed: u32) -> Self {
        Self { count, from: vec![from], choice: 0, task: Some(task), taught: None, seed }
    }
}

/// Fills batches. Keeps the current round's order of each group, nothing else.
pub struct Feed {
    pictures: Arc<dyn Pictures>,
    layout: Layout,
    tasks: Vec<Task>,
    /// For each network its groups; their counts add up to the layout's pictures.
    nets: Vec<Vec<Group>>,
    orders: Vec<Vec<Order>>,
}

/// Where a group's draws stand.
#[derive(Clone, Debug, Default)]
struct Order {
    round: Option<u64>,
    places: Vec<usize>,
}

impl Order {
    /// The list and the places in it that a group takes at a step.
    fn at(&mut self, group: &Group, step: u32) -> (usize, Vec<usize>) {
        if group.from.len() > 1 {
            let list = Stream::new(group.choice, stream::TRAIN, step, 0).below(group.from.len());
            let mut places = vec![0; group.count];
            let mut random = Stream::new(group.seed, stream::TRAIN, step, 1);
            random.distinct(group.from[list].len(), &mut places);
            return (list, places);
        }
        let first = u64::from(step) * group.count as u64;
        let places = (first..first + group.count as u64).map(|p| self.in_rounds(p, group));
        (0, places.collect())
    }

    /// The place of the `position`-th draw of all: each round through the list is a permutation of its own.
    fn in_rounds(&mut self, position: u64, group: &Group) -> usize {
        let len = group.from[0].len();
        let round = position / len as u64;
        if self.round != Some(round) {
            self.places = (0..len).collect();
            let mut random = Stream::new(group.seed, stream::TRAIN, round as u32, len as u32);
            random.shuffle(&mut self.places);
            self.round = Some(round);
        }
        self.places[(position % len as u64) as usize]
    }
}

impl Feed {
    /// Domains with rows of their own in the network's embedding are those below its number of rows; a network of
    /// one row has it for whatever domain its pictures are of.
    #[track_caller]
    pub fn new(pictures: Arc<dyn Pictures>, layout: &Layout, nets: Vec<Vec<Group>>) -> Self {
        assert_eq!(nets.len(), layout.nets, "groups for each network");
        for groups in &nets {
            let count: usize = groups.iter().map(|g| g.count).sum();
            assert_eq!(count, layout.pictures, "pictures of a network in a step");
            let full = |g: &Group| g.from.iter().all(|list| !list.is_empty());
            assert!(groups.iter().all(full), "a group without pictures");
        }
        let orders = nets.iter().map(|groups| vec![Order::default(); groups.len()]).collect();
        let tasks = pictures.tasks();
        Self { pictures, layout: layout.clone(), tasks, nets, orders }
    }

    /// Fills the batch of a step, from 0.
    pub fn fill(&mut self, step: u32, batch: &mut Batch) {
        let Layout { net, pictures: per_net, .. } = &self.layout;
        let heads = net.heads.len();
        let pixels = net.image.iter().product::<usize>();
        let domains = net.embedding.map_or(0, |e| e.domains);
        let target_len: Vec<usize> = (0..heads).map(|h| net.target_shape(h, 1, 1).len()).collect();
        let answer_len: Vec<usize> = (0..heads).map(|h| net.output_shape(h, 1, 1).len()).collect();
        let mut example = 0;
        for (groups, orders) in self.nets.iter().zip(&mut self.orders) {
            for (group, order) in groups.iter().zip(orders) {
                let (list, places) = order.at(group, step);
                for (i, place) in places.into_iter().enumerate() {
                    let at = group.from[list][place];
                    let view = group.taught.as_ref().map(|taught| {
                        let mut random = Stream::new(group.seed, stream::AUGMENT, step, i as u32);
                        taught.view(place, random.below(VIEWS as usize) as u32)
                    });
                    let own = Change { seed: group.seed, step, element: i as u32 };
                    let change = Some(view.as_ref().map_or(own, |(change, _)| *change));
                    let mut targets: Vec<&mut [f32]> = batch
                        .targets
                        .iter_mut()
                        .zip(&target_len)
                        .map(|(all, &len)| &mut all[example * len..][..len])
                        .collect();
                    let x = &mut batch.x[example * pixels..][..pixels];
                    self.pictures.draw(at, change, x, &mut targets);
                    let row = &mut batch.domain[example * domains..][..domains];
                    row.fill(0.0);
                    let column = if domains == 1 { 0 } else { at.domain };
                    if let Some(share) = row.get_mut(column) {
                        *share = 1.0;
                    }
                    for known in &mut batch.known {
                        known[example] = 0.0;
                    }
                    for &h in group.task.iter().flat_map(|&task| &self.tasks[task].heads) {
                        batch.known[h][example] = 1.0;
                    }
                    if let Some(taught) = batch.taught.get_mut(example) {
                        *taught = f32::from(view.is_some());
                        for (h, &len) in answer_len.iter().enumerate() {
                            let room = &mut batch.soft[h][example * len..][..len];
                            match &view {
                                Some((_, answers)) => room.copy_from_slice(&answers[h]),
                                None => room.fill(0.0),
                            }
                        }
                    }
                    example += 1;
                }
            }
        }
        debug_assert_eq!(example, self.layout.nets * per_net, "a full batch");
    }
}
