//! Average precision of boxes: which found objects are true, and were the true ones found first?

use super::ranked_precision;
use crate::nn::{Detection, Labelled, overlap};

/// What a set of pictures says of a detector.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectionScores {
    /// Average precision of each class; none where the class does not occur.
    pub classes: Vec<Option<f64>>,
    /// Over the classes that occur; NaN where none does.
    pub mean: f64,
}

/// Average precision over pictures (what was found, what is there), of each of `classes` classes, at an
/// intersection over union of at least `least` (VOC: 0.5).
///
/// Surest first over all pictures, a detection is right where the true object of its class that it overlaps most
/// is overlapped enough and was not found before: a second box on one object is wrong (Everingham et al. 2010).
#[track_caller]
pub fn average_precision(
    pictures: &[(&[Detection], &[Labelled])],
    classes: usize,
    least: f32,
) -> DetectionScores {
    let each = |class| of_class(pictures, class, least);
    let classes: Vec<Option<f64>> = (0..classes).map(each).collect();
    let known: Vec<f64> = classes.iter().copied().flatten().collect();
    DetectionScores { mean: known.iter().sum::<f64>() / known.len() as f64, classes }
}

fn of_class(pictures: &[(&[Detection], &[Labelled])], class: usize, least: f32) -> Option<f64> {
    let (mut ranked, mut positives) = (vec![], 0);
    for (found, truth) in pictures {
        let truth: Vec<&Labelled> = truth.iter().filter(|t| t.class == class).collect();
        positives += truth.len();
        let mut taken = vec![false; truth.len()];
        let mut found: Vec<&Detection> = found.iter().filter(|d| d.class == class).collect();
        // Objects are taken within one picture, so sorting there is enough.
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        for d in found {
            let overlaps = truth.iter().map(|t| overlap(d.bounds, t.bounds)).enumerate();
            let best = overlaps.max_by(|a, b| a.1.total_cmp(&b.1));
            let hit = best.filter(|&(i, size)| size >= least && !taken[i]);
            if let Some((i, _)) = hit {
                taken[i] = true;
            }
            ranked.push((d.score, hit.is_some()));
        }
    }
    ranked_precision(&ranked, positives)
}
