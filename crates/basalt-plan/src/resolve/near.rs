//! Names that were perhaps meant: candidates that share two or three letters in a row, rated by edit distance.

use basalt_catalog::edit_distance;

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
    let longer = a.chars().count().max(b.chars().count()).min(64);
    if longer == 0 {
        return 1.0;
    }
    let distance = edit_distance(a, b);
    #[allow(clippy::cast_precision_loss)] // at most 64
    let ratio = distance as f64 / longer as f64;
    1.0 - ratio
}
