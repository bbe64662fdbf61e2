//! CamVid's drives as an experiment's pictures: what every pixel is, which cells hold obstacles, which signs and poles.
//!
//! A domain is a drive. Two by day are sources, a third by day is held out (settings are chosen there alone), the one at
//! dusk is the target: its first half adapts, its second half tests. The last eighth of a source drive is kept from
//! training, to see how well the sources are learnt.
//!
//! CamVid's labels come together: a labelled frame carries all tasks' labels, for the networks of one task as for those
//! of all. A budget is so many frames; which ones depends on the seed, and a smaller budget's are among a larger one's.
//! Frames past the budget are unlabelled, so with all 62 labelled nothing is left for a teacher to answer.

use std::ops::Range;

use super::pictures::{At, Change, Notes, Pictures, Pool, Task};
use crate::data::augment::Normal;
use crate::data::camvid::{CLASSES, COLOURS, CamVid, Frame, OBSTACLES, POSTS, Use, VOID};
use crate::data::camvid_view::View;
use crate::nn::{Embedding, Head, HeadKind, Labelled, Labels, Mask, MultiTask, Trunk};
use crate::random::{Stream, fold, stream};

/// Heads, each a task of its own.
const TASKS: [&str; 3] = ["segmentation", "obstacles", "posts"];
pub const TASK_COUNT: usize = TASKS.len();

/// A cell is positive for a class from this share of its pixels on, in percent.
const PERCENT: u32 = 10;
/// What a positive cell counts: about the root of how many times rarer they are (3 to 4 of 100), as for the classes of
/// the mask.
const POSITIVE: f64 = 5.0;
/// One frame in so many of a source drive, the last ones, is kept from training.
const KEPT: usize = 8;

/// What a recipe says of the network and the frames.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Height and width of the pictures.
    pub size: [usize; 2],
    pub trunk: Trunk,
    /// Numbers of a domain's embedding; 0: none.
    pub embedding: usize,
    /// Test frames of a domain, at most.
    pub test: usize,
}

/// One drive: positions of frames, in the order in which they were driven.
#[derive(Clone, Debug)]
struct Drive {
    name: String,
    /// To learn from or adapt to.
    learnt: Vec<usize>,
    tested: Vec<usize>,
}

pub struct Drives {
    plan: Plan,
    set: CamVid,
    /// Sources, held out, target.
    drives: Vec<Drive>,
    /// Of the frames that the sources are learnt from.
    normal: Normal,
    /// What a pixel of each class counts.
    weights: Vec<f64>,
    /// Rows and columns of the grids: those of the layer that their heads read.
    cells: [usize; 2],
}

const SOURCES: Range<usize> = 0..2;
const HELDOUT: Range<usize> = 2..3;
const TARGETS: Range<usize> = 3..4;

impl Drives {
    /// `set` has pictures of the plan's size.
    #[track_caller]
    pub fn new(plan: Plan, set: CamVid) -> Self {
        assert_eq!(set.size, plan.size, "size of the pictures");
        let [train, heldout, adapt, test] =
            [Use::Train, Use::HeldOut, Use::Adapt, Use::Test].map(|usage| set.places(usage));
        let drive = |learnt: &[usize], tested: &[usize]| Drive {
            name: set.frames[learnt[0]].drive.clone(),
            learnt: learnt.to_vec(),
            tested: tested[..plan.test.min(tested.len())].to_vec(),
        };
        let mut drives = vec![];
        for of in train.chunk_by(|&a, &b| set.frames[a].drive == set.frames[b].drive) {
            let (learnt, kept) = of.split_at(of.len() - of.len() / KEPT);
            drives.push(drive(learnt, kept));
        }
        let (first, second) = heldout.split_at(heldout.len() / 2);
        drives.push(drive(first, second));
        drives.push(drive(&adapt, &test));
        assert_eq!(drives.len(), TARGETS.end, "two source drives, one held out, one target");
        let learnt = drives[SOURCES].iter().flat_map(|d| &d.learnt).map(|&at| &set.frames[at]);
        let learnt: Vec<&Frame> = learnt.collect();
        let (normal, weights) = (normal(&learnt), weights(&learnt));
        let [height, width] = plan.size;
        let cells = plan.trunk.layers([height, width, 3]).last().map_or([1, 1], |last| last.size);
        Self { plan, set, drives, normal, weights, cells }
    }

    /// The frame that a picture shows.
    pub fn frame(&self, at: At) -> &Frame {
        &self.set.frames[at.index]
    }
}

/// Mean and deviation of each channel.
fn normal(frames: &[&Frame]) -> Normal {
    let (mut count, mut sum, mut squares) = (0.0f64, [0.0f64; 3], [0.0f64; 3]);
    for pixel in frames.iter().flat_map(|frame| frame.picture.as_chunks::<3>().0) {
        count += 1.0;
        for c in 0..3 {
            let v = f64::from(pixel[c]);
            (sum[c], squares[c]) = (sum[c] + v, squares[c] + v * v);
        }
    }
    let mean = sum.map(|s| s / count);
    // A set of one colour is left as it is, near enough.
    let deviation = [0, 1, 2]
        .map(|c| (squares[c] / count - mean[c] * mean[c]).max(1.0 / 255.0f64.powi(2)).sqrt());
    Normal { mean: mean.map(|v| v as f32), deviation: deviation.map(|v| v as f32) }
}

/// Pixels of rare classes count more, by the root of their rarity; 1 on average over all pixels. The inverse share
/// itself (median frequency balancing, Eigen and Fergus 2015, as SegNet has it) trades most of the pixels for the rarest
/// classes: a pole's would count 30 times a road's.
fn weights(frames: &[&Frame]) -> Vec<f64> {
    let mut counts = [0u64; CLASSES.len()];
    for frame in frames {
        frame.classes.iter().for_each(|&class| counts[usize::from(class)] += 1);
    }
    let counts = &counts[..usize::from(VOID)];
    let total = counts.iter().sum::<u64>().max(1) as f64;
    // A class of which there is nothing counts as one of a thousandth.
    let shares: Vec<f64> = counts.iter().map(|&n| (n as f64 / total).max(1e-3)).collect();
    let all: f64 = shares.iter().map(|share| share.sqrt()).sum();
    shares.iter().map(|share| 1.0 / (share.sqrt() * all)).collect()
}

/// From pixels of each class in each cell, for each class of `classes`: 1, 0, or −1 where most of the cell is void and so
/// nobody knows.
fn cells(counts: &[[u32; CLASSES.len()]], classes: &[u8], out: &mut [f32]) {
    for (counts, out) in counts.iter().zip(out.chunks_exact_mut(classes.len())) {
        let all = counts.iter().sum::<u32>();
        let unknown = 2 * counts[usize::from(VOID)] > all;
        for (&class, out) in classes.iter().zip(out) {
            let n = counts[usize::from(class)];
            let there = n > 0 && 100 * n >= PERCENT * all;
            *out = if unknown { -1.0 } else { f32::from(there) };
        }
    }
}

impl Pictures for Drives {
    fn network(&self, domains: usize) -> MultiTask {
        let [height, width] = self.plan.size;
        let (image, trunk) = ([height, width, 3], self.plan.trunk.clone());
        let layers = trunk.layers(image);
        let (first, last) = (&layers[0].name[..], &layers[layers.len() - 1].name[..]);
        let mask = Mask::new(usize::from(VOID), first);
        let mask = Mask { weights: Some(self.weights.clone()), ..mask };
        let grid = |classes: &[u8]| {
            let labels = Labels::new(classes.len());
            HeadKind::Labels(Labels { cells: true, positive: POSITIVE, ..labels })
        };
        let heads = vec![
            Head::new(TASKS[0], last, HeadKind::Mask(mask)),
            Head::new(TASKS[1], last, grid(&OBSTACLES)),
            Head::new(TASKS[2], last, grid(&POSTS)),
        ];
        let width = self.plan.embedding;
        MultiTask {
            image,
            trunk,
            embedding: (width > 0).then_some(Embedding { domains, width }),
            heads,
        }
    }

    fn tasks(&self) -> Vec<Task> {
        let task = |(head, &name): (usize, &&str)| Task { name: name.into(), heads: vec![head] };
        TASKS.iter().enumerate().map(task).collect()
    }

    fn draw(&self, at: At, change: Option<Change>, x: &mut [f32], targets: &mut [&mut [f32]]) {
        let frame = self.frame(at);
        let seen = change.map(|c| {
            View::random(self.plan.size[0], c.seed, c.step, c.element).of(frame, self.plan.size)
        });
        let frame = seen.as_ref().unwrap_or(frame);
        let Normal { mean, deviation } = self.normal;
        for (x, pixel) in x.chunks_exact_mut(3).zip(frame.picture.chunks_exact(3)) {
            (0..3).for_each(|c| x[c] = (pixel[c] - mean[c]) / deviation[c]);
        }
        for (out, class) in targets[0].iter_mut().zip(frame.mask(self.plan.size)) {
            *out = if class == VOID { -1.0 } else { f32::from(class) };
        }
        let counts = frame.counts(self.cells);
        cells(&counts, &OBSTACLES, targets[1]);
        cells(&counts, &POSTS, targets[2]);
    }

    fn shown(&self, at: At) -> (usize, usize, Vec<u8>) {
        let bytes = self.frame(at).picture.iter().map(|v| (v * 255.0).round() as u8).collect();
        (self.plan.size[0], self.plan.size[1], bytes)
    }

    fn boxes(&self, _: At) -> Vec<Labelled> {
        vec![]
    }

    fn colour(&self, head: usize, class: usize) -> [u8; 3] {
        let of = [&CLASS_IDS[..], &OBSTACLES, &POSTS][head];
        COLOURS[usize::from(of[class])]
    }

    fn notes(&self) -> Notes {
        Notes {
            labels: "a labelled frame carries all three tasks' labels",
            pictures: "a few test frames of each drive, with what each pixel is; what nobody labelled is left as it is",
            scores: "Segmentation: mean intersection over union of 11 classes (mIoU), over all test pixels that are not void, at \
                     the size that the network sees; obstacles (car, pedestrian, bicyclist) and posts (sign, pole): mean over \
                     the classes of the average precision of cells.",
        }
    }

    fn classes(&self, head: usize) -> Vec<String> {
        let of = [&CLASS_IDS[..], &OBSTACLES, &POSTS][head];
        of.iter().map(|&class| CLASSES[usize::from(class)].to_string()).collect()
    }

    fn domain(&self, domain: usize) -> String {
        self.drives[domain].name.clone()
    }

    fn normal(&self) -> Normal {
        self.normal
    }

    fn sources(&self) -> Range<usize> {
        SOURCES
    }

    fn heldout(&self) -> Range<usize> {
        HELDOUT
    }

    fn targets(&self) -> Range<usize> {
        TARGETS
    }

    fn pool(&self, domain: usize, seed: u64) -> Pool {
        let Drive { learnt, tested, .. } = &self.drives[domain];
        let mut order = learnt.clone();
        Stream::new(fold(seed), stream::DOMAINS, domain as u32, 0).shuffle(&mut order);
        Pool {
            domain,
            labelled: vec![order; TASK_COUNT],
            unlabelled: vec![],
            together: !SOURCES.contains(&domain),
            test: tested.clone(),
        }
    }
}

/// The classes of the mask: all but void.
const CLASS_IDS: [u8; VOID as usize] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
