//! Names that were perhaps meant: candidates that share two or three letters in a row, rated by edit distance.

/// The candidate most like `asked`, when it is at least `least` like it (1.0: the same but for case).
pub fn nearest<'n>(asked: &str, names: impl IntoIterator<Item = &'n str>, least: f64) -> Option<&'n str> {
    let lower = asked.to_lowercase();
    let names: Vec<&str> = names.into_iter().collect();
    for size in [3, 2] {
        let wanted = grams(&lower, size);
        let mut best: Option<(f64, &str)> = None;
        for name in &names {
            let candidate = name.to_lowercase();
            if !grams(&candidate, size).iter().any(|g| wanted.contains(g)) {
                continue;
            }
            let likeness = likeness(&lower, &candidate);
            if likeness >= least && best.is_none_or(|(b, n)| likeness > b || (likeness == b && *name < n)) {
                best = Some((likeness, name));
            }
        }
        if let Some((_, name)) = best {
            return Some(name);
        }
    }
    None
}

/// Runs of `size` letters of a name between dashes.
fn grams(name: &str, size: usize) -> Vec<Vec<char>> {
    let letters = name.chars().filter(|c| c.is_alphanumeric()).take(64);
    let padded: Vec<char> = std::iter::once('-').chain(letters).chain(std::iter::once('-')).collect();
    padded.windows(size).map(<[char]>::to_vec).collect()
}

/// One less the edit distance per letter of the longer name.
fn likeness(a: &str, b: &str) -> f64 {
    let a: Vec<char> = a.chars().take(64).collect();
    let b: Vec<char> = b.chars().take(64).collect();
    let longer = a.len().max(b.len());
    if longer == 0 {
        return 1.0;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, cb) in row.iter_mut().skip(1).zip(&b) {
            let above = *cell;
            left = (diagonal + usize::from(ca != cb)).min(above + 1).min(left + 1);
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    let distance = row.last().copied().unwrap_or(longer);
    #[allow(clippy::cast_precision_loss)] // at most 64
    let ratio = distance as f64 / longer as f64;
    1.0 - ratio
}
