//! What was taken for what: a table of counts, and the figures that are read from it.
//!
//! It serves classes of pictures and of pixels alike. A class of which a figure cannot be said (0/0) has none, and
//! means are over the classes that have one; each mean says which these are.

/// Counts `[truth][answer]`; the last answer is "none": NaN, or a tie at the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    counts: Vec<u64>,
}

impl Confusion {
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * (classes + 1)] }
    }

    /// Counts rows of logits (or probabilities) `[..., classes]` with truths `[...]`, whole numbers; a negative
    /// truth is void and is passed over. A row without one largest number has not answered: that is wrong.
    #[track_caller]
    pub fn add(&mut self, logits: &[f32], truths: &[f32]) {
        assert_eq!(logits.len(), truths.len() * self.classes, "logits for {} truths", truths.len());
        for (row, &truth) in logits.chunks_exact(self.classes).zip(truths) {
            if truth >= 0.0 {
                let best = |k: usize| (0..self.classes).all(|i| i == k || row[k] > row[i]);
                let answer = (0..self.classes).find(|&k| best(k) && !row[k].is_nan());
                self.count(truth as usize, answer);
            }
        }
    }

    /// Counts one answer; none: it was not given.
    #[track_caller]
    pub fn count(&mut self, truth: usize, answer: Option<usize>) {
        let answer = answer.unwrap_or(self.classes);
        assert!(truth < self.classes, "class {truth} of {}", self.classes);
        assert!(answer <= self.classes, "answer {answer} of {} classes", self.classes);
        self.counts[truth * (self.classes + 1) + answer] += 1;
    }

    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How often `truth` was taken for `answer`; `answer` = classes: for nothing.
    pub fn at(&self, truth: usize, answer: usize) -> u64 {
        self.counts[truth * (self.classes + 1) + answer]
    }

    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    fn right(&self, class: usize) -> u64 {
        self.at(class, class)
    }

    fn occurs(&self, class: usize) -> u64 {
        (0..=self.classes).map(|answer| self.at(class, answer)).sum()
    }

    fn answered(&self, class: usize) -> u64 {
        (0..self.classes).map(|truth| self.at(truth, class)).sum()
    }

    /// The share of right answers; of pixels: pixel accuracy. NaN of nothing.
    pub fn accuracy(&self) -> f64 {
        (0..self.classes).map(|k| self.right(k)).sum::<u64>() as f64 / self.total() as f64
    }

    /// The accuracy of always answering the most frequent class. NaN of nothing.
    pub fn majority_rate(&self) -> f64 {
        let most = (0..self.classes).map(|k| self.occurs(k)).max().unwrap_or(0);
        most as f64 / self.total() as f64
    }

    /// Of a class's truths, the share that was found.
    pub fn recall(&self, class: usize) -> Option<f64> {
        ratio(self.right(class), self.occurs(class))
    }

    /// Of the answers of a class, the share that is true.
    pub fn precision(&self, class: usize) -> Option<f64> {
        ratio(self.right(class), self.answered(class))
    }

    /// 2·precision·recall / (precision + recall), as 2·right / (truths + answers).
    pub fn f1(&self, class: usize) -> Option<f64> {
        ratio(2 * self.right(class), self.occurs(class) + self.answered(class))
    }

    /// Intersection over union, right / (truths + answers − right).
    pub fn iou(&self, class: usize) -> Option<f64> {
        let right = self.right(class);
        ratio(right, self.occurs(class) + self.answered(class) - right)
    }

    /// Over the classes that occur. 1/classes for any answer that does not look.
    pub fn macro_recall(&self) -> f64 {
        self.mean(Self::recall)
    }

    /// Over the classes that occur or were answered.
    pub fn macro_f1(&self) -> f64 {
        self.mean(Self::f1)
    }

    /// mIoU, over the classes that occur or were answered.
    pub fn mean_iou(&self) -> f64 {
        self.mean(Self::iou)
    }

    fn mean(&self, figure: impl Fn(&Self, usize) -> Option<f64>) -> f64 {
        let all: Vec<f64> = (0..self.classes).filter_map(|k| figure(self, k)).collect();
        all.iter().sum::<f64>() / all.len() as f64
    }
}

fn ratio(a: u64, b: u64) -> Option<f64> {
    (b > 0).then(|| a as f64 / b as f64)
}
