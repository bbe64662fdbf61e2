//! From answers to scores: each head by the measure that fits it, a task by the mean of its heads.

use super::answer::Answers;
use super::pictures::{At, Pictures, Task};
use crate::eval::{Confusion, average_precision};
use crate::nn::{Detection, HeadKind, Labelled, MultiTask};

/// Boxes below this probability are not looked at: they cannot change a precision that matters.
const LEAST: f32 = 0.02;
/// Boxes of one class that overlap more are one object.
const MOST_OVERLAP: f32 = 0.45;
/// A box is right from this intersection over union on.
pub const RIGHT: f32 = 0.5;

/// What one network's answers on one domain's test pictures are worth.
#[derive(Clone, Debug, Default)]
pub struct Scored {
    /// From 0 to 1, one a task.
    pub tasks: Vec<f64>,
    /// Of each head that tells classes apart.
    pub confusions: Vec<Option<Confusion>>,
}

/// Scores the answers to the pictures `at`.
pub fn score(pictures: &dyn Pictures, net: &MultiTask, at: &[At], answers: &Answers) -> Scored {
    let heads = net.heads.len();
    let mut scores = vec![0.0; heads];
    let mut confusions = vec![None; heads];
    let truths = truths(pictures, net, at);
    for h in 0..heads {
        let len = net.output_shape(h, 1, 1).len();
        match &net.heads[h].kind {
            HeadKind::Classes(kind) => {
                let mut confusion = Confusion::new(kind.classes);
                confusion.add(&answers[h], &truths[h].concat());
                scores[h] = confusion.accuracy();
                confusions[h] = Some(confusion);
            }
            HeadKind::Boxes(kind) => {
                let found: Vec<Vec<Detection>> =
                    answers[h].chunks(len).map(|a| boxes(net, h, a)).collect();
                let there: Vec<Vec<Labelled>> = at.iter().map(|&at| pictures.boxes(at)).collect();
                let both = found.iter().zip(&there).map(|(f, t)| (&f[..], &t[..]));
                let both: Vec<(&[Detection], &[Labelled])> = both.collect();
                scores[h] = average_precision(&both, kind.classes, RIGHT).mean;
            }
            HeadKind::Mask(kind) => {
                let mut confusion = Confusion::new(kind.classes);
                for (answer, truth) in answers[h].chunks(len).zip(&truths[h]) {
                    confusion.add(answer, truth);
                }
                scores[h] = confusion.mean_iou();
                confusions[h] = Some(confusion);
            }
            HeadKind::Labels(_) | HeadKind::Values(_) => {}
        }
    }
    let mean =
        |task: &Task| task.heads.iter().map(|&h| scores[h]).sum::<f64>() / task.heads.len() as f64;
    Scored { tasks: pictures.tasks().iter().map(mean).collect(), confusions }
}

/// The objects in a head's answer to one picture.
pub fn boxes(net: &MultiTask, head: usize, answer: &[f32]) -> Vec<Detection> {
    net.grid(head).expect("a head with boxes").decode(answer, LEAST, MOST_OVERLAP)
}

/// The largest of a picture's logits.
pub fn top(logits: &[f32]) -> usize {
    (0..logits.len()).fold(0, |top, k| if logits[k] > logits[top] { k } else { top })
}

/// Pictures as a network reads them, one after the other.
pub fn drawn(pictures: &dyn Pictures, net: &MultiTask, at: &[At]) -> Vec<f32> {
    let pixels = net.image.iter().product::<usize>();
    let mut x = vec![0.0; at.len() * pixels];
    let mut targets: Vec<Vec<f32>> =
        (0..net.heads.len()).map(|h| vec![0.0; net.target_shape(h, 1, 1).len()]).collect();
    for (x, &at) in x.chunks_mut(pixels).zip(at) {
        let mut views: Vec<&mut [f32]> = targets.iter_mut().map(|t| &mut t[..]).collect();
        pictures.draw(at, None, x, &mut views);
    }
    x
}

/// Every head's targets of every picture, `[heads][pictures]`.
pub fn truths(pictures: &dyn Pictures, net: &MultiTask, at: &[At]) -> Vec<Vec<Vec<f32>>> {
    let heads = net.heads.len();
    let lens: Vec<usize> = (0..heads).map(|h| net.target_shape(h, 1, 1).len()).collect();
    let mut all = vec![vec![]; heads];
    let mut x = vec![0.0; net.image.iter().product()];
    for &at in at {
        let mut targets: Vec<Vec<f32>> = lens.iter().map(|&len| vec![0.0; len]).collect();
        let mut views: Vec<&mut [f32]> = targets.iter_mut().map(|t| &mut t[..]).collect();
        pictures.draw(at, None, &mut x, &mut views);
        for (all, target) in all.iter_mut().zip(targets) {
            all.push(target);
        }
    }
    all
}

/// What always answering the commonest class of `seen` scores on `truth` (one head's targets a picture); 0 for a head
/// that finds objects or numbers.
pub fn majority(kind: &HeadKind, classes: usize, seen: &[Vec<f32>], truth: &[Vec<f32>]) -> f64 {
    let HeadKind::Classes(_) = kind else { return 0.0 };
    let count = |class: usize| seen.iter().filter(|t| t[0] as usize == class).count();
    let commonest = (0..classes).rev().max_by_key(|&class| count(class)).unwrap_or(0);
    let right = truth.iter().filter(|t| t[0] as usize == commonest).count();
    right as f64 / truth.len() as f64
}

/// Several networks' answers as one: the mean probability of classes, boxes weighted by how sure each is of them.
/// In the form of an answer (logits), so that it can be scored, decoded and taught.
pub fn fuse(net: &MultiTask, answers: &[&Answers]) -> Answers {
    let count = answers.len() as f32;
    let logit = |p: f32| (p.clamp(1e-6, 1.0 - 1e-6) / (1.0 - p.clamp(1e-6, 1.0 - 1e-6))).ln();
    let sigmoid = |z: f32| 1.0 / (1.0 + (-z).exp());
    (0..net.heads.len())
        .map(|h| {
            let of: Vec<&[f32]> = answers.iter().map(|a| &a[h][..]).collect();
            match &net.heads[h].kind {
                HeadKind::Classes(kind) => {
                    let mean = crate::transfer::mean_probabilities(&of, kind.classes);
                    mean.into_iter().map(|p| p.max(1e-9).ln()).collect()
                }
                HeadKind::Mask(kind) => {
                    let mean = crate::transfer::mean_probabilities(&of, kind.classes);
                    mean.into_iter().map(|p| p.max(1e-9).ln()).collect()
                }
                HeadKind::Boxes(kind) => {
                    let width = kind.classes + 4;
                    let mut fused = vec![0.0; of[0].len()];
                    for (i, cell) in fused.chunks_mut(width).enumerate() {
                        let cells: Vec<&[f32]> =
                            of.iter().map(|a| &a[i * width..][..width]).collect();
                        let (classes, place) = cell.split_at_mut(kind.classes);
                        let mut sure = vec![0.0f32; cells.len()];
                        for (c, fused) in classes.iter_mut().enumerate() {
                            let each = cells.iter().map(|cell| sigmoid(cell[c]));
                            *fused = logit(each.clone().sum::<f32>() / count);
                            sure.iter_mut().zip(each).for_each(|(s, p)| *s = s.max(p));
                        }
                        let total: f32 = sure.iter().sum::<f32>().max(1e-9);
                        for (k, fused) in place.iter_mut().enumerate() {
                            let at = kind.classes + k;
                            let weighted = cells.iter().zip(&sure).map(|(cell, s)| cell[at] * s);
                            *fused = weighted.sum::<f32>() / total;
                        }
                    }
                    fused
                }
                HeadKind::Labels(_) => {
                    let mean = |i| of.iter().map(|a| sigmoid(a[i])).sum::<f32>() / count;
                    (0..of[0].len()).map(|i| logit(mean(i))).collect()
                }
                HeadKind::Values(_) => {
                    (0..of[0].len()).map(|i| of.iter().map(|a| a[i]).sum::<f32>() / count).collect()
                }
            }
        })
        .collect()
}
