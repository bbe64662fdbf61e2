//! From answers to scores: each head by the measure that fits it, a task by the mean of its heads.

use super::answer::Answers;
use super::pictures::{At, Change, Pictures};
use crate::eval::{Confusion, LabelScores, average_precision};
use crate::nn::{Classes, Detection, HeadKind, Labelled, Mask, MultiTask};

/// Boxes below this probability are not looked at: they cannot change a precision that matters.
const LEAST: f32 = 0.02;
/// Boxes of one class that overlap more are one object.
const MOST_OVERLAP: f32 = 0.45;
/// A box is right from this intersection over union on.
pub const RIGHT: f32 = 0.5;

/// What one network's answers on one domain's test pictures are worth.
#[derive(Clone, Debug, Default)]
pub struct Scored {
    /// From 0 to 1, one a task; NaN for a task that was not asked for.
    pub tasks: Vec<f64>,
    /// What each task's score is made of, by name, where it is of several parts (classes, thresholds).
    pub parts: Vec<Vec<(String, f64)>>,
    /// Of each head that tells classes apart.
    pub confusions: Vec<Option<Confusion>>,
}

/// Scores the answers to the pictures `at`: of all tasks, or of one.
pub fn score(
    pictures: &dyn Pictures,
    net: &MultiTask,
    at: &[At],
    answers: &Answers,
    only: Option<usize>,
) -> Scored {
    let (tasks, truths) = (pictures.tasks(), truths(pictures, net, at));
    let mut scored = Scored {
        tasks: vec![f64::NAN; tasks.len()],
        parts: vec![vec![]; tasks.len()],
        confusions: vec![None; net.heads.len()],
    };
    let asked = |t: &usize| only.is_none_or(|only| only == *t);
    for t in (0..tasks.len()).filter(asked) {
        let mut scores = vec![];
        for &h in &tasks[t].heads {
            let judged = judge(pictures, net, h, at, &answers[h], &truths[h]);
            scores.push(judged.score);
            scored.parts[t].extend(judged.parts);
            scored.confusions[h] = judged.confusion;
        }
        scored.tasks[t] = scores.iter().sum::<f64>() / scores.len() as f64;
    }
    scored
}

/// One head's answers.
struct Judged {
    score: f64,
    parts: Vec<(String, f64)>,
    confusion: Option<Confusion>,
}

/// `answers` to all pictures one after the other, `truths` picture by picture.
fn judge(
    pictures: &dyn Pictures,
    net: &MultiTask,
    head: usize,
    at: &[At],
    answers: &[f32],
    truths: &[Vec<f32>],
) -> Judged {
    let names = || pictures.classes(head);
    let (mut parts, mut confusion) = (vec![], None);
    let score = match &net.heads[head].kind {
        HeadKind::Classes(kind) => {
            let mut all = Confusion::new(kind.classes);
            all.add(answers, &truths.concat());
            confusion.insert(all).accuracy()
        }
        HeadKind::Boxes(kind) => {
            let len = net.output_shape(head, 1, 1).len();
            let found: Vec<Vec<Detection>> =
                answers.chunks(len).map(|a| boxes(net, head, a)).collect();
            let there: Vec<Vec<Labelled>> = at.iter().map(|&at| pictures.boxes(at)).collect();
            let both = found.iter().zip(&there).map(|(f, t)| (&f[..], &t[..]));
            let both: Vec<(&[Detection], &[Labelled])> = both.collect();
            average_precision(&both, kind.classes, RIGHT).mean
        }
        HeadKind::Mask(kind) => {
            let mut all = Confusion::new(kind.classes);
            all.add(answers, &truths.concat());
            parts.push(("accuracy".to_string(), all.accuracy()));
            for (class, name) in names().iter().enumerate() {
                parts.push((format!("iou-{name}"), all.iou(class).unwrap_or(f64::NAN)));
            }
            confusion.insert(all).mean_iou()
        }
        HeadKind::Labels(kind) => {
            let all = LabelScores::of(answers, &truths.concat(), kind.labels);
            parts.push(("recall".to_string(), LabelScores::mean(&all.recall)));
            parts.push(("f1".to_string(), LabelScores::mean(&all.f1)));
            for (label, name) in names().iter().enumerate() {
                let value = |of: &[Option<f64>]| of[label].unwrap_or(f64::NAN);
                parts.push((format!("precision-{name}"), value(&all.precision)));
                parts.push((format!("f1-{name}"), value(&all.f1)));
            }
            LabelScores::mean(&all.precision)
        }
        // Nothing is measured of numbers yet: no experiment asks for any.
        HeadKind::Values(_) => f64::NAN,
    };
    Judged { score, parts, confusion }
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
    let plain: Vec<(At, Option<Change>)> = at.iter().map(|&at| (at, None)).collect();
    changed(pictures, net, &plain)
}

/// The same, each changed or as it is.
pub fn changed(pictures: &dyn Pictures, net: &MultiTask, at: &[(At, Option<Change>)]) -> Vec<f32> {
    let pixels = net.image.iter().product::<usize>();
    let mut x = vec![0.0; at.len() * pixels];
    let mut targets: Vec<Vec<f32>> =
        (0..net.heads.len()).map(|h| vec![0.0; net.target_shape(h, 1, 1).len()]).collect();
    for (x, &(at, change)) in x.chunks_mut(pixels).zip(at) {
        let mut views: Vec<&mut [f32]> = targets.iter_mut().map(|t| &mut t[..]).collect();
        pictures.draw(at, change, x, &mut views);
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

/// What always answering the commonest of `seen` would say, `count` times: at each place of an answer the commonest class
/// there, of a label the share of the pictures that have it. Nothing, from a head that finds objects or numbers.
pub fn commonest(net: &MultiTask, head: usize, seen: &[Vec<f32>], count: usize) -> Vec<f32> {
    let len = net.output_shape(head, 1, 1).len();
    // Every logit far below 0: nothing is there.
    let mut answer = vec![-20.0; len];
    match &net.heads[head].kind {
        HeadKind::Classes(Classes { classes, .. }) | HeadKind::Mask(Mask { classes, .. }) => {
            let here = |place: usize| {
                let mut counts = vec![0usize; *classes];
                let known = seen.iter().map(|t| t[place]).filter(|t| *t >= 0.0);
                known.for_each(|t| counts[t as usize] += 1);
                counts
            };
            let first_most =
                |counts: &[usize]| (0..counts.len()).rev().max_by_key(|&c| counts[c]).unwrap_or(0);
            let places: Vec<Vec<usize>> = (0..len / classes).map(here).collect();
            let all = (0..*classes).map(|c| places.iter().map(|counts| counts[c]).sum());
            let anywhere = first_most(&all.collect::<Vec<usize>>());
            for (cell, counts) in answer.chunks_mut(*classes).zip(&places) {
                let nothing = counts.iter().all(|&n| n == 0);
                cell[if nothing { anywhere } else { first_most(counts) }] = 20.0;
            }
        }
        HeadKind::Labels(_) => {
            for (i, logit) in answer.iter_mut().enumerate() {
                let known = seen.iter().map(|t| t[i]).filter(|t| *t >= 0.0);
                let (there, of) = known.fold((0.0, 0.0), |(n, of), t| (n + t, of + 1.0));
                // One picture more that is half: a share of nothing is even odds, none is certain.
                let share: f32 = (there + 0.5) / (of + 1.0);
                *logit = (share / (1.0 - share)).ln();
            }
        }
        HeadKind::Boxes(_) | HeadKind::Values(_) => {}
    }
    answer.repeat(count)
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
