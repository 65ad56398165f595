//! Two texts, line by line.

/// Lines around the first and last difference that are shown.
const CONTEXT: usize = 2;

/// Both texts with `-` before expected and `+` before actual lines, each line indented by four blanks. Equal lines at either end
/// are cut to two, since answers differ mostly in one place.
pub(super) fn diff(expected: &str, actual: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (expected.split('\n').collect(), actual.split('\n').collect());
    let same_start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let same_end = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let same_end = same_end.min(old.len() - same_start).min(new.len() - same_start);
    let mut out = String::new();
    let mut line = |mark: &str, text: &str| {
        out.push_str("    ");
        out.push_str(mark);
        out.push_str(text);
        out.push('\n');
    };
    if same_start > CONTEXT {
        line("  ", "…");
    }
    for text in old.iter().take(same_start).skip(same_start.saturating_sub(CONTEXT)) {
        line("  ", text);
    }
    for text in old.iter().take(old.len() - same_end).skip(same_start) {
        line("- ", text);
    }
    for text in new.iter().take(new.len() - same_end).skip(same_start) {
        line("+ ", text);
    }
    for text in old.iter().skip(old.len() - same_end).take(CONTEXT) {
        line("  ", text);
    }
    if same_end > CONTEXT {
        line("  ", "…");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::diff;

    #[test]
    fn only_the_difference_and_its_surroundings_are_shown() {
        let shown = diff("1\n2\n3\nold\n4\n5\n6", "1\n2\n3\nnew\nmore\n4\n5\n6");
        let expected = "      …\n      2\n      3\n    - old\n    + new\n    + more\n      4\n      5\n      …\n";
        assert_eq!(shown, expected);
    }

    #[test]
    fn an_added_repeated_line_is_shown_once() {
        assert_eq!(diff("a", "a\na"), "      a\n    + a\n");
    }
}
