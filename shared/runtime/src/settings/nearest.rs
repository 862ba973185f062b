//! Finds the name that a misspelt one was meant to be.

/// A known name, and how far another one is from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nearest {
    pub(super) name: &'static str,
    /// The edit distance, in characters.
    pub(super) distance: usize,
}

/// The name that is closest to this one, the first of several. `None` if there are no names.
pub(super) fn nearest(
    name: &str,
    known: impl IntoIterator<Item = &'static str>,
) -> Option<Nearest> {
    let all =
        known.into_iter().map(|known| Nearest { name: known, distance: distance(name, known) });
    all.min_by_key(|nearest| nearest.distance)
}

/// How many characters must be put in, left out or exchanged to make one of the other
/// (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (line, left) in one.chars().enumerate() {
        let mut above = line;
        let mut last = line.saturating_add(1);
        if let Some(first) = row.first_mut() {
            *first = last;
        }
        for (cell, right) in row.iter_mut().skip(1).zip(other.chars()) {
            let exchanged = above.saturating_add(usize::from(left != right));
            above = *cell;
            last = exchanged.min(above.saturating_add(1)).min(last.saturating_add(1));
            *cell = last;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_counts_characters() {
        for (one, other, expected) in
            [("", "abc", 3), ("abc", "", 3), ("abc", "abc", 0), ("abc", "axc", 1), ("ab", "ba", 2)]
        {
            assert_eq!(distance(one, other), expected, "{one} {other}");
        }
    }
}
