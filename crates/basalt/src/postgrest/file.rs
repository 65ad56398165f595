//! PostgREST's configuration file: `name = value` lines, where a value is a quoted text, a number or a truth value. In quoted texts
//! `$(NAME)` is a variable of the environment and `$$` a dollar sign.
//!
//! Source: PostgREST 16, reference "Configuration"; its parser's format (configurator), less groups, lists and imports.

use crate::config::{ConfigError, Environment};

/// One line's name and value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub value: String,
    /// Counted from 1.
    pub line: usize,
}

/// Reads a file's text; a name that comes twice counts as it stands last. Messages never repeat a line, which may hold a secret.
///
/// # Errors
/// The first line that is none.
pub fn parse(text: &str, label: &str, env: &Environment) -> Result<Vec<Entry>, ConfigError> {
    let mut entries: Vec<Entry> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        let wrong = |what: &str| ConfigError(format!("{label}:{number}: {what}"));
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').ok_or_else(|| wrong("a line must be name = value"))?;
        let name = name.trim();
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !is_name {
            return Err(wrong("a name has letters, digits, dashes, underscores and points"));
        }
        let value = value_of(value.trim(), env).map_err(|what| wrong(&format!("{name}: {what}")))?;
        entries.retain(|e| e.name != name);
        entries.push(Entry { name: name.to_owned(), value, line: number });
    }
    Ok(entries)
}

fn value_of(text: &str, env: &Environment) -> Result<String, &'static str> {
    let Some(quoted) = text.strip_prefix('"') else {
        let bare = text.split('#').next().unwrap_or_default().trim();
        return match bare {
            "true" | "on" => Ok("true".to_owned()),
            "false" | "off" => Ok("false".to_owned()),
            number if number.parse::<f64>().is_ok() => Ok(number.to_owned()),
            _ => Err("a text must stand in double quotes"),
        };
    };
    let mut out = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next().ok_or("a quoted text does not end")? {
            '"' => break,
            '\\' => out.push(escape(&mut chars)?),
            '$' => match chars.next() {
                Some('$') => out.push('$'),
                Some('(') => {
                    let name: String = chars.by_ref().take_while(|c| *c != ')').collect();
                    out.push_str(env.get(&name).ok_or("a variable of the environment that it names is not set")?);
                }
                _ => return Err("a dollar sign must be doubled"),
            },
            c => out.push(c),
        }
    }
    let rest = chars.as_str().trim();
    if rest.is_empty() || rest.starts_with('#') { Ok(out) } else { Err("there is more behind a quoted text") }
}

fn escape(chars: &mut std::str::Chars<'_>) -> Result<char, &'static str> {
    let wrong = "there is no such escape";
    match chars.next().ok_or(wrong)? {
        'n' => Ok('\n'),
        'r' => Ok('\r'),
        't' => Ok('\t'),
        c @ ('"' | '\\') => Ok(c),
        'u' => {
            let digits: String = chars.by_ref().take(4).collect();
            u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32).ok_or(wrong)
        }
        _ => Err(wrong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_file() {
        let env = Environment::of(&[("MINE", "from outside")]);
        let text = "# a comment\n\ndb-uri = \"postgres://a@b/c\"\nserver-port = 3001 # here\ndb-plan-enabled=true\n\
                    jwt-role-claim-key = \"$$.a['b']\"\napp.settings.x = \"<$(MINE)> \\\"q\\\"\\u00e9\"\nserver-port = \"4\"\n";
        let found = parse(text, "x.conf", &env).expect("reads");
        let found: Vec<(&str, &str, usize)> = found.iter().map(|e| (e.name.as_str(), e.value.as_str(), e.line)).collect();
        let expected = [
            ("db-uri", "postgres://a@b/c", 3),
            ("db-plan-enabled", "true", 5),
            ("jwt-role-claim-key", "$.a['b']", 6),
            ("app.settings.x", "<from outside> \"q\"é", 7),
            ("server-port", "4", 8),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn wrong_lines_are_told_without_their_text() {
        for (line, what) in [
            ("jwt-secret", "name = value"),
            ("jwt-secret = hunter2", "double quotes"),
            ("jwt-secret = \"hunter2", "does not end"),
            ("jwt-secret = \"hunter2\" more", "more behind"),
            ("jwt-secret = \"hunter2$x\"", "doubled"),
            ("jwt-secret = \"hunter2$(NOBODY)\"", "not set"),
            ("jwt-secret = \"hunter2\\q\"", "escape"),
            ("a b = \"hunter2\"", "a name has"),
        ] {
            let ConfigError(text) = parse(line, "x.conf", &Environment::of(&[])).expect_err(line);
            assert!(text.starts_with("x.conf:1: ") && text.contains(what) && !text.contains("hunter2"), "{text}");
        }
    }
}
