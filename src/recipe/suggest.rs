//! "Did you mean ...?": the known word nearest to what was typed, by edit distance.

/// Insertions, deletions, replacements and swaps of neighbours that lead from `a` to `b`
/// (optimal string alignment). Cost: product of the lengths; input beyond 64 characters is cut off.
pub fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(64).collect();
    let b: Vec<char> = b.chars().take(64).collect();
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = match (i, j) {
                (0, _) => j,
                (_, 0) => i,
                _ => {
                    let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let mut best = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                    if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        best = best.min(rows[i - 2][j - 2] + 1);
                    }
                    best
                }
            };
        }
    }
    rows[a.len()][b.len()]
}

/// The known word nearest to `typed`; the first of equals. `None` only if nothing is known.
pub fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known.min_by_key(|word| distance(&typed.to_lowercase(), &word.to_lowercase()))
}

/// `did you mean "pcgrad"?`, or the list of what there is where nothing is near.
pub fn did_you_mean<'a>(typed: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(typed, known.clone()) {
        // Half of it may be wrong, a typing error or two always.
        Some(word) if distance(typed, word) <= (word.len() / 2).max(2) => {
            format!("did you mean \"{word}\"?")
        }
        _ => format!("there is {}", known.collect::<Vec<_>>().join(", ")),
    }
}
