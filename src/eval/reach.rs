//! How soon, and with how few labels, is a score reached?

/// The first step of a curve (step, score), in the order of steps, whose score is at least `wanted`.
pub fn first_reach(curve: &[(f64, f64)], wanted: f64) -> Option<f64> {
    curve.iter().find(|(_, score)| *score >= wanted).map(|(step, _)| *step)
}

/// How many labels a score needs, from a curve (labels, score) at growing numbers of labels above 0: between two
/// of them, straight on the logarithm of the number, as such curves are drawn. None: not reached by the most. A
/// score that the fewest already reach gives the fewest: fewer were not tried.
pub fn labels_to_reach(curve: &[(f64, f64)], wanted: f64) -> Option<f64> {
    let at = curve.iter().position(|(_, score)| *score >= wanted)?;
    let (labels, score) = curve[at];
    if at == 0 {
        return Some(labels);
    }
    let (fewer, lower) = curve[at - 1];
    let part = (wanted - lower) / (score - lower);
    Some((fewer.ln() + part * (labels.ln() - fewer.ln())).exp())
}
