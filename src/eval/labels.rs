//! Yes or no, for several labels at once: is a label found where it is, and only there?
//!
//! Where a label is rare, always "no" is nearly always right, so what counts is the ranking (average precision, no
//! threshold) and, at even odds, how much is found (recall) and how much of it is true (in F1).

use super::ranked_precision;

/// Of each label; none where the figure cannot be said.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelScores {
    /// Average precision of all answers ranked; none where the label is nowhere.
    pub precision: Vec<Option<f64>>,
    /// At probability ½: the share of what is there that was found.
    pub recall: Vec<Option<f64>>,
    /// At probability ½: 2·right / (there + answered); none where the label is neither there nor answered.
    pub f1: Vec<Option<f64>>,
}

impl LabelScores {
    /// Logits `[..., labels]` against truths of the same shape: 1, 0, or −1 for what is not counted.
    #[track_caller]
    pub fn of(logits: &[f32], truths: &[f32], labels: usize) -> Self {
        assert_eq!(logits.len(), truths.len(), "logits and truths");
        let (mut precision, mut recall, mut f1) = (vec![], vec![], vec![]);
        for label in 0..labels {
            let pairs = logits.iter().zip(truths).skip(label).step_by(labels);
            let ranked: Vec<(f32, bool)> =
                pairs.filter(|(_, t)| **t >= 0.0).map(|(&z, &t)| (z, t > 0.5)).collect();
            let count = |of: &dyn Fn(f32, bool) -> bool| {
                ranked.iter().filter(|&&(z, there)| of(z, there)).count()
            };
            let there = count(&|_, there| there);
            // NaN answers nothing.
            let answered = count(&|z, _| z > 0.0);
            let right = count(&|z, there| z > 0.0 && there);
            precision.push(ranked_precision(&ranked, there));
            recall.push((there > 0).then(|| right as f64 / there as f64));
            f1.push((there + answered > 0).then(|| 2.0 * right as f64 / (there + answered) as f64));
        }
        Self { precision, recall, f1 }
    }

    /// The mean of one of the figures over the labels that have it; NaN where none has.
    pub fn mean(of: &[Option<f64>]) -> f64 {
        let known: Vec<f64> = of.iter().copied().flatten().collect();
        known.iter().sum::<f64>() / known.len() as f64
    }
}
