//! How well a score puts the true ones first: the area under precision over recall.

/// Average precision with all points interpolated: at each recall the best precision from there on (Everingham
/// et al., PASCAL VOC from 2010 on). `ranked`: score and whether it is true, in any order; `positives`: how
/// many true ones there are, found or not. Equal scores enter together, so that their order in the list does
/// not count; a score that is NaN comes last. None where there is nothing to find.
pub fn ranked_precision(ranked: &[(f32, bool)], positives: usize) -> Option<f64> {
    if positives == 0 {
        return None;
    }
    let mut sorted: Vec<(f32, bool)> = ranked
        .iter()
        .map(|&(score, right)| (if score.is_nan() { f32::NEG_INFINITY } else { score }, right))
        .collect();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    // (found, precision) at the end of each run of equal scores.
    let (mut points, mut found) = (vec![], 0usize);
    for (i, &(score, right)) in sorted.iter().enumerate() {
        found += usize::from(right);
        if sorted.get(i + 1).is_none_or(|next| next.0 != score) {
            points.push((found, found as f64 / (i + 1) as f64));
        }
    }
    let (mut area, mut best) = (0.0, 0.0f64);
    for (i, &(found, precision)) in points.iter().enumerate().rev() {
        best = best.max(precision);
        let before = if i == 0 { 0 } else { points[i - 1].0 };
        area += best * (found - before) as f64;
    }
    Some(area / positives as f64)
}
