//! What the code of a database's users may leave on a connection, and what of a request it may read.
//!
//! Functions, policies, views, defaults, checks and rules are read as words. In doubt the answer is yes: it only costs time.

use basalt_types::SqlError;
use tokio_postgres::Client;

use crate::error;

/// Everything of users that runs as part of a statement, as text: sources, with the language of functions.
///
/// Functions of extensions are the extensions' own; those that are known to keep nothing for a session are left out.
const SOURCES: &str = "\
    SELECT l.lanname::text, p.prosrc || ' ' || coalesce(pg_get_function_sqlbody(p.oid), '') || ' ' || coalesce(p.proconfig::text, '') \
      FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang \
     WHERE p.oid >= 16384 AND NOT EXISTS ( \
       SELECT FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass \
        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e' \
          AND e.extname IN ('plpgsql', 'pgcrypto', 'uuid-ossp', 'citext', 'pg_trgm', 'unaccent', 'hstore', 'ltree', 'vector', \
            'postgis', 'btree_gin', 'btree_gist', 'intarray', 'fuzzystrmatch', 'cube', 'earthdistance', 'moddatetime', \
            'pg_stat_statements', 'tablefunc', 'isn', 'seg', 'tsm_system_rows', 'autoinc', 'insert_username', 'refint', 'lo')) \
    UNION ALL SELECT 'expression', coalesce(pg_get_expr(polqual, polrelid), '') || ' ' || coalesce(pg_get_expr(polwithcheck, polrelid), '') \
      FROM pg_policy \
    UNION ALL SELECT 'expression', coalesce(pg_get_expr(adbin, adrelid), '') FROM pg_attrdef \
    UNION ALL SELECT 'expression', coalesce(pg_get_constraintdef(oid), '') FROM pg_constraint WHERE contype = 'c' AND oid >= 16384 \
    UNION ALL SELECT 'expression', coalesce(pg_get_indexdef(indexrelid), '') FROM pg_index \
     WHERE indrelid >= 16384 AND (indexprs IS NOT NULL OR indpred IS NOT NULL) \
    UNION ALL SELECT 'expression', coalesce(pg_get_ruledef(oid), '') FROM pg_rewrite WHERE oid >= 16384 \
    UNION ALL SELECT 'expression', coalesce(pg_get_triggerdef(oid), '') FROM pg_trigger WHERE NOT tgisinternal";

/// What the code of a database may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Traces {
    /// Something may stay for the session: settings, an identity, locks, temporary tables, cursors, listeners, named connections.
    pub(crate) leaves: bool,
    /// The request's method, path, headers or cookies may be read.
    pub(crate) reads_request: bool,
}

/// Reads the code.
///
/// # Errors
/// What the connection reports.
pub(crate) async fn read(client: &Client) -> Result<Traces, SqlError> {
    let mut found = Traces { leaves: false, reads_request: false };
    for row in client.query_typed(SOURCES, &[]).await.map_err(|e| error::of(&e))? {
        let language: &str = row.try_get(0).map_err(|e| error::of(&e))?;
        let source: &str = row.try_get(1).map_err(|e| error::of(&e))?;
        let one = of_source(language, source);
        found.leaves |= one.leaves;
        found.reads_request |= one.reads_request;
    }
    Ok(found)
}

/// Words that leave something, or read what another request may have left (sequences' last values).
const LEAVING: &[&str] = &[
    "set_config",
    "setseed",
    "execute",
    "prepare",
    "deallocate",
    "discard",
    "reset",
    "listen",
    "unlisten",
    "temp",
    "temporary",
    "currval",
    "lastval",
    "hold",
    "load",
    "pg_temp",
];

fn of_source(language: &str, source: &str) -> Traces {
    if !matches!(language, "sql" | "plpgsql" | "expression") {
        return Traces { leaves: true, reads_request: true };
    }
    let mut found = Traces { leaves: false, reads_request: false };
    // Whether UPDATE was seen since the statement began: then SET is its own.
    let mut is_update = false;
    let mut words = Words { rest: source };
    while let Some(word) = words.next() {
        match word.to_ascii_lowercase().as_str() {
            ";" | "begin" | "then" | "else" | "loop" => is_update = false,
            "update" => is_update = true,
            "set" if !is_update => found.leaves = true,
            // A trigger's definition.
            "execute" if language == "expression" && matches!(words.clone().next(), Some("FUNCTION" | "PROCEDURE")) => {}
            "current_setting" => found.reads_request |= !words.reads_other_setting(),
            word if word.starts_with("pg_advisory") || word.starts_with("pg_try_advisory") || word.starts_with("dblink") => {
                found.leaves = true;
            }
            word if LEAVING.contains(&word) => found.leaves = true,
            _ => {}
        }
    }
    found
}

/// Words and semicolons of a text; comments are skipped, strings are read as code, since they may become some.
#[derive(Clone)]
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    /// Whether `current_setting` is followed by a constant name that is none of the request's facts (claims are always set).
    fn reads_other_setting(&self) -> bool {
        let Some(name) = self.rest.trim_start().strip_prefix('(').map(str::trim_start).and_then(|rest| rest.strip_prefix('\''))
        else {
            return false;
        };
        let Some((name, after)) = name.split_once('\'') else { return false };
        let name = name.to_ascii_lowercase();
        let is_whole = after.trim_start().starts_with([',', ')', ':']);
        is_whole && (!name.starts_with("request.") || name.starts_with("request.jwt."))
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            if let Some(comment) = self.rest.strip_prefix("--") {
                self.rest = comment.split_once('\n').map_or("", |(_, rest)| rest);
                continue;
            }
            if let Some(comment) = self.rest.strip_prefix("/*") {
                // Nested comments end later: what is left of them is read as code.
                self.rest = comment.split_once("*/").map_or("", |(_, rest)| rest);
                continue;
            }
            let first = self.rest.chars().next()?;
            let is_part = |c: char| c.is_alphanumeric() || c == '_';
            if is_part(first) {
                let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
                let (word, rest) = self.rest.split_at(end);
                self.rest = rest;
                return Some(word);
            }
            let (this, rest) = self.rest.split_at(first.len_utf8());
            self.rest = rest;
            if first == ';' {
                return Some(this);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_read_as_words() {
        for (source, leaves) in [
            ("select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''), 'x')::uuid", false),
            ("begin new.updated_at = now(); update t set a = 1 where id = new.id; return new; end", false),
            ("insert into t values (1) on conflict (id) do update set a = 2", false),
            ("begin if new.a = 'update' then set role postgres; end if; return new; end", true),
            ("begin /* update */ set search_path to x; return new; end", true),
            ("begin -- update\n set a.b = 1; end", true),
            ("select set_config('a.b', 'c', false)", true),
            ("select pg_try_advisory_lock(1)", true),
            ("begin execute format('set role %I', r); end", true),
            ("create temp table x ()", true),
            ("begin update t set a = 1; set role x; end", true),
            ("select dblink_connect('x')", true),
            ("select lastval()", true),
        ] {
            assert_eq!(of_source("plpgsql", source).leaves, leaves, "{source}");
        }
        let trigger = "CREATE TRIGGER a BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()";
        assert!(of_source("plpgsql", trigger).leaves && !of_source("expression", trigger).leaves);
        assert!(of_source("plpython3u", "").leaves && of_source("c", "").leaves);
    }

    #[test]
    fn what_may_read_the_request_is_known() {
        for (source, reads) in [
            ("current_setting('request.jwt.claims', true)", false),
            ("current_setting('app.tenant')", false),
            ("current_setting('request.headers', true)::json", true),
            ("current_setting( name )", true),
            ("current_setting('request.' || 'headers')", true),
            ("current_setting ('request.jwt.claims'::text, true)", false),
        ] {
            assert_eq!(of_source("sql", source).reads_request, reads, "{source}");
        }
    }
}
