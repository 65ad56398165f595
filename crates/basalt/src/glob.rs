//! File patterns as `[db.seed] sql_paths` has them: `*` and `?` within a name, `**` for any folders.

use std::io;
use std::path::{Path, PathBuf};

/// Deepest folder that `**` looks into.
const DEEPEST: usize = 16;

/// The files below `root` that a pattern names, by name. A plain path that does not exist names nothing.
pub fn files(root: &Path, pattern: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let parts: Vec<&str> = pattern.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
    let start = if pattern.starts_with('/') { PathBuf::from("/") } else { root.to_owned() };
    walk(&start, &parts, 0, &mut found)?;
    found.sort();
    found.dedup();
    Ok(found)
}

fn walk(dir: &Path, parts: &[&str], depth: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let [part, rest @ ..] = parts else { return Ok(()) };
    if *part == ".." || !part.contains(['*', '?']) {
        let next = dir.join(part);
        if rest.is_empty() {
            if next.is_file() {
                found.push(next);
            }
            return Ok(());
        }
        return walk(&next, rest, depth, found);
    }
    if *part == "**" {
        walk(dir, rest, depth, found)?;
    }
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
        if *part == "**" {
            if path.is_dir() && depth < DEEPEST {
                walk(&path, parts, depth + 1, found)?;
            }
        } else if matches(part.as_bytes(), name.as_bytes()) {
            if rest.is_empty() && path.is_file() {
                found.push(path);
            } else if path.is_dir() {
                walk(&path, rest, depth, found)?;
            }
        }
    }
    Ok(())
}

/// Whether a name fits a pattern of `*`, `?` and plain characters.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where the last star stood and how much it has taken.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, n));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == b'?' || pattern[p] == name[n]) {
            p += 1;
            n += 1;
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            p = at + 1;
            n = taken + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn names_and_patterns() {
        for (pattern, name, fits) in [
            ("*.sql", "a.sql", true),
            ("*.sql", "a.sqlx", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("?.sql", "ab.sql", false),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), fits, "{pattern} {name}");
        }
    }
}
