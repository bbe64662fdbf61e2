//! Which of several classes: cross-entropy on the tape, accuracy on the host.

use crate::tape::Var;

/// Cross-entropy of each task: logits `[tasks, examples, classes]`, labels `[tasks, examples]` (whole
/// numbers from 0) -> `[tasks]`, in nats, mean over the examples. Stable for any logits: the row maximum is
/// subtracted first. A label outside the classes adds 0; check labels where they enter.
#[track_caller]
pub fn cross_entropy<'t>(logits: Var<'t>, labels: Var<'t>) -> Var<'t> {
    let classes = logits.shape().last();
    let picked = logits.log_softmax(2) * labels.one_hot(classes);
    -picked.sum(&[1, 2]).squeeze(&[1, 2]) * (1.0 / logits.shape()[1] as f64)
}

/// The share of rows whose largest logit stands at the label. A row with NaN, or with a tie at the top, is
/// wrong: a network that answers nothing has not answered.
#[track_caller]
pub fn accuracy(logits: &[f32], labels: &[f32], classes: usize) -> f64 {
    assert_eq!(logits.len(), labels.len() * classes, "logits for {} labels", labels.len());
    let right = |(row, &label): (&[f32], &f32)| {
        let label = label as usize;
        (0..classes).all(|k| k == label || row[label] > row[k])
    };
    let rows = logits.chunks_exact(classes).zip(labels);
    rows.filter(|&row| right(row)).count() as f64 / labels.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_and_nan_are_wrong_answers() {
        let nan = f32::NAN;
        let logits = [1.0, 2.0, 2.0, 1.0, 1.0, 1.0, nan, 3.0, 3.0, nan];
        assert_eq!(accuracy(&logits, &[1.0, 0.0, 0.0, 1.0, 0.0], 2), 0.4);
    }
}
