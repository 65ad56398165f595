//! The database's address: what the connection string does not say is taken from libpq's environment variables.
//!
//! Source: PostgreSQL documentation, "Connection Strings" and "Environment Variables".

use std::path::Path;

use crate::config::Environment;

/// libpq's variables and the words of a connection string they stand for.
const VARIABLES: [(&str, &str); 12] = [
    ("PGHOST", "host"),
    ("PGHOSTADDR", "hostaddr"),
    ("PGPORT", "port"),
    ("PGUSER", "user"),
    ("PGPASSWORD", "password"),
    ("PGDATABASE", "dbname"),
    ("PGOPTIONS", "options"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGTARGETSESSIONATTRS", "target_session_attrs"),
    ("PGCHANNELBINDING", "channel_binding"),
];

/// Where servers of this machine listen, by distribution.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// The connection string with all that it leaves to the environment.
pub fn complete(text: &str, env: &Environment) -> String {
    let scheme = ["postgresql://", "postgres://"].into_iter().find(|scheme| text.starts_with(scheme));
    let (mut out, is_url) = match scheme {
        Some(_) => (text.to_owned(), true),
        None => (text.trim().to_owned(), false),
    };
    let given = match scheme {
        Some(scheme) => given_by_url(text.get(scheme.len()..).unwrap_or_default()),
        None => given_by_words(text),
    };
    let mut add = |word: &str, value: &str| {
        if is_url {
            let value = percent_encode(value);
            let sign = if out.contains('?') { '&' } else { '?' };
            // A URL needs its path before a query string only when it has an authority; the driver reads both forms.
            out.push(sign);
            out.push_str(&format!("{word}={value}"));
        } else {
            let value = value.replace('\\', "\\\\").replace('\'', "\\'");
            out.push_str(&format!(" {word}='{value}'"));
        }
    };
    let lacks = |word: &str| !given.iter().any(|g| g == word);
    for (variable, word) in VARIABLES {
        if let Some(value) = env.get(variable).filter(|_| lacks(word)) {
            add(word, value);
        }
    }
    if lacks("host") && lacks("hostaddr") && env.get("PGHOST").is_none() && env.get("PGHOSTADDR").is_none() {
        let port = env.get("PGPORT").unwrap_or("5432");
        let has_socket = |folder: &&&str| Path::new(folder).join(format!(".s.PGSQL.{port}")).exists();
        let folder = SOCKET_FOLDERS.iter().find(has_socket);
        add("host", folder.copied().unwrap_or("localhost"));
    }
    if lacks("user")
        && env.get("PGUSER").is_none()
        && let Some(user) = env.get("USER").or_else(|| env.get("LOGNAME"))
    {
        add("user", user);
    }
    out.trim_start().to_owned()
}

/// What a URL says, behind its scheme.
fn given_by_url(rest: &str) -> Vec<String> {
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    // A password may hold a question mark or a slash that is not escaped: what stands before the last @ is the login's.
    let (login, place) = match rest.rsplit_once('@') {
        Some((login, place)) => (Some(login), place.split_once('?').map_or(place, |(place, _)| place)),
        None => (None, before),
    };
    let mut given: Vec<String> = query.split('&').filter_map(|pair| Some(pair.split_once('=')?.0.to_owned())).collect();
    let mut say = |word: &str, is_said: bool| {
        if is_said {
            given.push(word.to_owned());
        }
    };
    if let Some(login) = login {
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        say("user", !user.is_empty());
        say("password", !password.is_empty());
    }
    let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
    say("dbname", !database.is_empty());
    let has_port = hosts.rsplit(']').next().is_some_and(|tail| tail.contains(':'));
    say("port", has_port);
    say("host", hosts.split(',').any(|host| !host.is_empty() && !host.starts_with(':')));
    given
}

/// What `word=value` pairs say.
fn given_by_words(text: &str) -> Vec<String> {
    let mut given = Vec::new();
    let mut chars = text.chars().peekable();
    while chars.peek().is_some() {
        let word: String = chars.by_ref().take_while(|c| *c != '=').collect();
        given.push(word.trim().to_owned());
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let is_quoted = chars.next_if_eq(&'\'').is_some();
        while let Some(c) = chars.next() {
            match c {
                '\\' => {
                    chars.next();
                }
                '\'' if is_quoted => break,
                c if !is_quoted && c.is_whitespace() => break,
                _ => {}
            }
        }
    }
    given
}

fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_comes_from_the_environment() {
        let env = Environment::of(&[
            ("PGHOST", "/a dir"),
            ("PGPORT", "5433"),
            ("PGUSER", "me"),
            ("PGPASSWORD", "p&w'"),
            ("PGDATABASE", "mine"),
        ]);
        for (text, expected) in [
            ("postgresql://", "postgresql://?host=%2Fa%20dir&port=5433&user=me&password=p%26w%27&dbname=mine"),
            ("postgres://u:p@h:1/d", "postgres://u:p@h:1/d"),
            ("postgres://u:p@h/d", "postgres://u:p@h/d?port=5433"),
            ("postgres://h/d?user=x&password=y", "postgres://h/d?user=x&password=y&port=5433"),
            ("postgres://u:p?x/y@h:1/d", "postgres://u:p?x/y@h:1/d"),
            ("postgres://u:p@[::1]/d", "postgres://u:p@[::1]/d?port=5433"),
            ("host=h port=1 user=u password='a b' dbname=d", "host=h port=1 user=u password='a b' dbname=d"),
            ("host=h user = u dbname=d", "host=h user = u dbname=d port='5433' password='p&w\\''"),
        ] {
            assert_eq!(complete(text, &env), expected, "{text}");
        }
        let bare = complete("", &Environment::of(&[("USER", "os")]));
        assert!(bare.contains("host='") && bare.ends_with("user='os'"), "{bare}");
    }
}
