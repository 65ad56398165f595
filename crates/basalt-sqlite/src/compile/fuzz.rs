//! Whatever a script says: it is parsed, changes the catalog or is refused, its statements are analysed, guarded and become SQLite's
//! SQL, and what it made of the tables' policies, checks and defaults is compiled with the next request.

use std::path::Path;

use basalt_catalog::Catalog;
use basalt_plan::expressions::ExprCache;
use basalt_sql::ddl::{self, DdlContext};
use basalt_sql::tree::Statement;
use basalt_sql::{bootstrap, parse, split};
use basalt_testkit::fuzz::{Fuzz, seen};
use basalt_types::{SqlError, SqlState};

const TABLES: &str = "
    create type mood as enum ('sad', 'ok', 'happy');
    create domain short as text check (length(value) < 20);
    create table authors (id bigint generated always as identity primary key, name short not null, mood mood default 'ok', tags text[]);
    create table posts (id int primary key default 1, author bigint references authors (id) on delete cascade, title text unique,
        body jsonb, price numeric(10, 2) check (price >= 0), at timestamptz default now(), twice int generated always as (id * 2) stored);
    create index on posts (author);
    create view titles with (security_invoker = true) as select p.id, p.title, a.name from posts p join authors a on a.id = p.author;
    alter table posts enable row level security;
    create policy own on posts for all to anon, authenticated using (author in (select id from authors)) with check (price < 100);
    grant all on authors, posts, titles to anon, authenticated;";

/// Compiled after every script that changed the catalog.
const REQUESTS: &[&str] = &[
    "select * from posts where id = 1",
    "select * from titles",
    "insert into posts (id, title) values (1, 'x') returning id",
    "update posts set title = 'y', price = price + 1 where author = 1",
    "delete from posts where id = 2",
    "insert into authors (name) values ('x') on conflict (id) do update set name = excluded.name",
];

const NESTING: &[(&str, &str)] = &[
    ("(select ", ")"),
    ("case when true then ", " end"),
    ("not ", ""),
    ("- ", ""),
    ("array[", "]"),
    ("coalesce(", ")"),
    ("1 + ", ""),
    ("true and ", ""),
    ("select 1 union (", ")"),
    ("with a as (", ") select * from a"),
    ("select * from (", ") x"),
    ("exists (select 1 where ", ")"),
    ("id in (select ", ")"),
    ("", "::text"),
    ("'a' || ", ""),
];

/// Statements of the case files, and requests.
fn inputs() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let cases = std::fs::read_dir(folder.join("tests/cases/sql")).expect("the case files are there");
    let mut files: Vec<_> = cases.map(|file| file.expect("a file").path()).collect();
    files.sort();
    let mut texts = vec![TABLES.to_owned()];
    for file in files {
        let text = std::fs::read_to_string(file).expect("a case file is readable");
        // The scripts and statements stand between a verb and a line of dashes.
        texts.extend(text.split("\n\n").filter_map(|step| {
            let sql = step.split("\n----").next()?;
            let (_, sql) = sql.split_once("apply\n").or_else(|| sql.split_once("query\n"))?;
            Some(sql.to_owned())
        }));
    }
    let analysed = folder.join("crates/basalt-sql/tests/data/analyze");
    for file in ["policies.txt", "expressions.txt", "queries.txt", "writes.txt", "errors.txt"] {
        let source = std::fs::read_to_string(analysed.join(file)).expect("the case file is readable");
        texts.extend(source.lines().filter_map(|line| line.strip_prefix("> ")).map(str::to_owned));
    }
    let split: Vec<String> = texts
        .iter()
        .flat_map(|text| {
            split::statements(text).unwrap_or_default().into_iter().filter_map(|piece| text.get(piece.range).map(str::to_owned))
        })
        .collect();
    texts.extend(split);
    texts.extend(REQUESTS.iter().map(|text| (*text).to_owned()));
    texts
}

/// What became of a statement: fine, or the error's code. An internal error is a finding.
fn outcome<T>(result: Result<T, SqlError>, text: &str) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => {
            assert!(error.state != SqlState::INTERNAL, "{error} for {text}");
            let message: String = error.message.split('"').step_by(2).collect();
            format!("{} {message}", error.state.as_str())
        }
    }
}

fn compiled(tree: &Statement, catalog: &Catalog, role: &str, cache: &ExprCache) -> Result<(), SqlError> {
    super::statement(tree, catalog, role, &["public".to_owned(), "extensions".to_owned()], cache).map(drop)
}

#[test]
fn fuzz_compiler() {
    let (mut base, _) = bootstrap::catalog(true).expect("the built-in catalog");
    let mut context = DdlContext::default();
    for located in parse::file(TABLES).expect("the tables parse") {
        ddl::apply(&mut base, &located.statement, &mut context).expect("the tables apply");
    }
    let requests: Vec<Statement> = REQUESTS.iter().map(|text| parse::statement(text).expect("a request parses")).collect();
    Fuzz::new("compiler").stack(8 << 20).inputs(inputs()).nests(NESTING).run(2_000, |text| {
        let mut catalog = base.clone();
        let mut context = DdlContext::default();
        let cache = super::expressions();
        let mut outcomes = Vec::new();
        let mut is_changed = false;
        for located in parse::file_tolerant(text).into_iter().take(40) {
            let Ok(located) = located else { continue };
            let statement = &located.statement;
            outcomes.push(ddl::construct(statement));
            match statement {
                Statement::Select(_) | Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) => {
                    outcomes.push(outcome(compiled(statement, &catalog, "anon", &cache), text));
                }
                _ => {
                    let applied = ddl::apply(&mut catalog, statement, &mut context);
                    catalog.set_version(catalog.version() + 1);
                    is_changed |= applied.is_ok();
                    outcomes.push(outcome(applied.map_err(|refusal| refusal.error), text));
                }
            }
        }
        if is_changed {
            for request in &requests {
                outcomes.push(outcome(compiled(request, &catalog, "authenticated", &cache), text));
            }
        }
        outcomes.dedup();
        seen(outcomes)
    });
}
