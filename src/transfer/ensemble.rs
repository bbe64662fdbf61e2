//! Fusion of outputs: several networks answer, one answer is given. Host code, on what they answered.
//!
//! Classes: the mean of the probabilities. Boxes: those of one class that overlap are one box, weighted by
//! their scores (Solovyev, Wang, Gabruseva 2021, "Weighted boxes fusion"). One student distilled from an ensemble: [`super::soft`].

use crate::nn::{Detection, overlap};

/// The mean over networks of softmax(logits), `[rows, classes]`; each network's logits lie row by row.
/// Panics if there is no network, or they differ in length.
#[track_caller]
pub fn mean_probabilities(networks: &[&[f32]], classes: usize) -> Vec<f32> {
    let first = networks.first().expect("an ensemble of no networks");
    let mut sum = vec![0.0f64; first.len()];
    for logits in networks {
        assert_eq!(logits.len(), sum.len(), "logits of an ensemble");
        for (row, out) in logits.chunks_exact(classes).zip(sum.chunks_exact_mut(classes)) {
            let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let powers: Vec<f64> = row.iter().map(|&z| f64::from(z - top).exp()).collect();
            let total: f64 = powers.iter().sum();
            out.iter_mut().zip(powers).for_each(|(o, p)| *o += p / total);
        }
    }
    sum.iter().map(|&p| (p / networks.len() as f64) as f32).collect()
}

/// One list of boxes from those of several networks, best first. Boxes of a class whose overlap with a fused one is above
/// `least` (.55 in the paper) join it: corners are the mean weighted by score, the score is the mean
/// times (boxes joined)/(networks), at most 1: what one network alone has seen counts less.
pub fn join_boxes(networks: &[&[Detection]], least: f32) -> Vec<Detection> {
    let mut all: Vec<Detection> = networks.iter().flat_map(|found| found.iter().copied()).collect();
    all.retain(|found| found.score.is_finite() && found.bounds.iter().all(|c| c.is_finite()));
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut groups: Vec<(Detection, Vec<Detection>)> = vec![];
    for found in all {
        let fits = |(fused, _): &&mut (Detection, Vec<Detection>)| {
            fused.class == found.class && overlap(fused.bounds, found.bounds) > least
        };
        match groups.iter_mut().find(fits) {
            Some((fused, members)) => {
                members.push(found);
                fused.bounds = mean_bounds(members);
            }
            None => groups.push((found, vec![found])),
        }
    }
    let score = |members: &[Detection]| {
        let mean = members.iter().map(|m| m.score).sum::<f32>() / members.len() as f32;
        mean * (members.len() as f32 / networks.len() as f32).min(1.0)
    };
    let mut fused: Vec<Detection> = groups
        .iter()
        .map(|(fused, members)| Detection { score: score(members), ..*fused })
        .collect();
    fused.sort_by(|a, b| b.score.total_cmp(&a.score));
    fused
}

fn mean_bounds(members: &[Detection]) -> [f32; 4] {
    let total: f32 = members.iter().map(|m| m.score).sum();
    // Scores of 0 weigh nothing: then every member counts alike.
    let weight =
        |m: &Detection| if total > 0.0 { m.score / total } else { 1.0 / members.len() as f32 };
    [0, 1, 2, 3].map(|side| members.iter().map(|m| m.bounds[side] * weight(m)).sum())
}
