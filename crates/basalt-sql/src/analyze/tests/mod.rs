//! Golden cases: `tests/data/analyze/*.txt`, each a text and what analysis makes of it. `UPDATE_CASES=1 cargo test` rewrites the
//! expectations; result types and errors were compared with PostgreSQL 17 (`\gdesc` over `fixture.sql` beside them).

mod fixture;
mod show;

use std::fmt::Write as _;
use std::path::Path;

use basalt_types::pg;

use super::*;
use crate::typed::Statement;

/// What one case gives: result columns and tree, or the error.
fn outcome(catalog: &Catalog, text: &str) -> String {
    let first = text.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    let result = if matches!(first.as_str(), "select" | "with" | "values" | "insert" | "update" | "delete")
        || (first == "(select" && text.contains(" union "))
    {
        let mut ctx = Context { params: Vec::new(), infer_params: true, ..Context::default() };
        ctx.search_path.push("auth_test".to_owned());
        statement_text(text, catalog, &ctx).map(|s| {
            let columns = match &s {
                Statement::Query(q) => q.columns(),
                Statement::Insert(i) => returned(&i.returning),
                Statement::Update(u) => returned(&u.returning),
                Statement::Delete(d) => returned(&d.returning),
            };
            let columns: Vec<String> = columns.iter().map(|(n, ty)| format!("{n} {}", type_name(catalog, *ty))).collect();
            format!(": {}\n{}", columns.join(", "), show::statement(catalog, &s))
        })
    } else {
        let (kind, text) = match text.split_once(": ") {
            Some((kind, rest)) if matches!(kind, "check" | "default" | "generated" | "index" | "when") => (kind, rest),
            _ => ("policy", text),
        };
        let relation = catalog.relation("public", "posts").expect("the fixture has posts");
        let range = RangeId(0);
        let bool_type = TypeRef::of(pg::oid::BOOL);
        let kind = match kind {
            "check" => ExprUse::Check,
            "default" => ExprUse::Default(TypeRef::of(pg::oid::TIMESTAMPTZ)),
            "generated" => ExprUse::Generated(TypeRef::of(pg::oid::TEXT)),
            "index" => ExprUse::Index,
            "when" => ExprUse::TriggerWhen { old: Some(RangeId(1)), new: Some(RangeId(2)) },
            _ => ExprUse::Policy,
        };
        expr_text_on_relation(text, relation, range, catalog, &Context::default(), kind)
            .map_err(|e| e.for_column("created_at"))
            .map(|e| {
                let ty = if e.ty == bool_type { String::new() } else { format!(": {}\n", type_name(catalog, e.ty)) };
                format!("{ty}{}", show::expr(catalog, &e))
            })
    };
    match result {
        Ok(text) => text,
        Err(e) => {
            let mut out = format!("! {} {}", e.error.state.as_str(), e.error.message);
            for (label, text) in [("detail", &e.error.detail), ("hint", &e.error.hint)] {
                if let Some(text) = text {
                    let _ = write!(out, "\n{label}: {text}");
                }
            }
            out
        }
    }
}

fn returned(targets: &[crate::typed::Target]) -> Vec<(String, TypeRef)> {
    targets.iter().map(|t| (t.name.clone(), t.expr.ty)).collect()
}

fn type_name(catalog: &Catalog, ty: TypeRef) -> String {
    types::format_type(catalog, &Context::default().search_path, ty)
}

/// Runs one file: cases are separated by blank lines, lines of text begin with `> `, comments with `#`.
fn check(file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/analyze").join(file);
    let source = std::fs::read_to_string(&path).expect("the case file is readable");
    let catalog = fixture::catalog();
    let mut actual = String::new();
    for block in source.split("\n\n") {
        let mut text = String::new();
        let mut head = String::new();
        for line in block.lines() {
            if let Some(part) = line.strip_prefix("> ") {
                text.push_str(part);
                text.push('\n');
                let _ = writeln!(head, "{line}");
            } else if line.starts_with('#') {
                let _ = writeln!(head, "{line}");
            }
        }
        if !actual.is_empty() {
            actual.push('\n');
        }
        actual.push_str(&head);
        if !text.is_empty() {
            let _ = writeln!(actual, "{}", outcome(&catalog, text.trim_end()));
        }
    }
    if std::env::var_os("UPDATE_CASES").is_some() {
        std::fs::write(&path, &actual).expect("the case file is writable");
        return;
    }
    for (wanted, got) in source.split("\n\n").zip(actual.split("\n\n")) {
        assert_eq!(wanted.trim_end(), got.trim_end(), "in {file}");
    }
    assert_eq!(source.trim_end(), actual.trim_end(), "in {file}");
}

#[test]
fn policies() {
    check("policies.txt");
}

#[test]
fn expressions() {
    check("expressions.txt");
}

#[test]
fn queries() {
    check("queries.txt");
}

#[test]
fn writes() {
    check("writes.txt");
}

#[test]
fn errors() {
    check("errors.txt");
}

#[test]
fn rows_and_variables_of_functions() {
    let catalog = fixture::catalog();
    let users = catalog.relation("auth", "users").expect("the fixture has users");
    let mut ctx = Context { rows: vec![NamedRow::of_relation("new", RangeId(7), users)], first_range: 8, ..Context::default() };
    ctx.variables.push(Variable {
        name: "title".to_owned(),
        qualifier: Some("f".to_owned()),
        ty: TypeRef::of(pg::oid::TEXT),
        param: Param::Numbered(1),
    });
    let insert = "insert into profiles (id, name) values (new.id, coalesce(new.raw_user_meta_data->>'full_name', f.title))";
    let typed = statement_text(insert, &catalog, &ctx).expect("it is valid");
    assert_eq!(
        show::statement(&catalog, &typed),
        "insert r8 public.profiles (1, 2) values (r7.1, coalesce((r7.3 ->>:jsonb_object_field_text 'full_name'::text), $1))"
    );
    let value = row_expr_text("title || '!'", &catalog, &ctx, Some(TypeRef::of(pg::oid::TEXT))).expect("it is valid");
    assert_eq!(show::expr(&catalog, &value), "($1 ||:textcat '!'::text)");

    // A name that is both a variable and a column is an error in PL/pgSQL; in SQL functions the column wins.
    let ambiguous = "select id from posts where title = 'x'";
    assert!(statement_text(ambiguous, &catalog, &ctx).is_ok());
    ctx.variables_conflict = true;
    let refused = statement_text(ambiguous, &catalog, &ctx).expect_err("it is ambiguous");
    assert_eq!(refused.error.state, SqlState::AMBIGUOUS_COLUMN);
}

#[test]
fn errors_know_their_place() {
    let catalog = fixture::catalog();
    let text = "select id from posts where nope = 1";
    let refused = query_text(text, &catalog, &Context::default()).expect_err("no such column");
    assert_eq!(refused.pos.map(|p| p.0), Some(27));
}

#[test]
fn parameters_take_their_types_from_where_they_stand() {
    let catalog = fixture::catalog();
    let query = crate::parse::query("select $1, id from posts where author = $2 and id in ($3, 4)").expect("it parses");
    let ctx = Context { infer_params: true, ..Context::default() };
    let (_, types) = query_with_params(&query, &catalog, &ctx).expect("it is valid");
    let names: Vec<String> = types.iter().map(|ty| type_name(&catalog, *ty)).collect();
    assert_eq!(names, ["text", "uuid", "bigint"]);
}

#[test]
fn deep_nesting_is_refused() {
    let mut expr = tree::Expr { kind: tree::ExprKind::Bool(true), pos: tree::Pos(0) };
    for _ in 0..5_000 {
        expr = tree::Expr { kind: tree::ExprKind::Not(Box::new(expr)), pos: tree::Pos(0) };
    }
    let refused = row_expr(&expr, &Catalog::new(), &Context::default(), None).expect_err("too deep");
    assert_eq!(refused.error.state, SqlState::TOO_COMPLEX);
}

#[test]
fn nested_subqueries_end_in_an_answer_or_an_error() {
    let catalog = fixture::catalog();
    let forms = [
        ("(select ", "1", ")"),
        ("(select * from ", "posts", ") x"),
        ("coalesce(", "1", ")"),
        ("lower(", "'x'", ")"),
        ("concat(", "1", ")"),
        ("sum(", "1", ")"),
        ("case when true then ", "1", " end"),
        ("array[", "1", "]"),
        ("row(", "1", ")"),
        ("not ", "true", ""),
        ("- ", "n", ""),
        ("", "1", "::int"),
        ("1 + (", "1", ")"),
        ("true = (1 in (", "1", ", 2))"),
        ("exists (select ", "1", ")"),
        ("exists (select 1 where ", "true", ")"),
        ("array(select ", "1", ")"),
        ("1 = any (select ", "1", ")"),
        ("select 1 union (", "select 1", ")"),
    ];
    for (open, middle, close) in forms {
        for depth in [10usize, 40, 100, 190, 400] {
            let nested = format!("{}{middle}{}", open.repeat(depth), close.repeat(depth));
            let text = match open {
                "(select * from " => format!("select * from {nested}"),
                "select 1 union (" => nested,
                _ => format!("select {nested} from posts"),
            };
            // Parsed where there is stack enough (its limits are the parser's matter); analysed on a thread as servers have them.
            let parsed = std::thread::Builder::new().stack_size(64 << 20).spawn(move || crate::parse::statement(&text));
            let Ok(Ok(tree)) = parsed.map(|thread| thread.join().expect("the parser does not panic")) else { continue };
            let analysed = std::thread::scope(|scope| {
                let work = || statement(&tree, &catalog, &Context::default()).map(drop);
                std::thread::Builder::new().stack_size(2 << 20).spawn_scoped(scope, work).map(|t| t.join().expect("no panic"))
            });
            // Refusals are fine, also those of types and grouping; what counts is that there is an end.
            let refused = analysed.expect("a thread starts").err().map(|e| e.error.state);
            assert!(refused != Some(SqlState::INTERNAL), "{open} × {depth}");
        }
    }
}

/// Cases cut up and put together at random: whatever parses is analysed or refused, and no refusal is an internal error.
#[test]
fn scrambled_statements_never_panic() {
    let catalog = fixture::catalog();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/analyze");
    let mut texts: Vec<String> = Vec::new();
    for file in ["policies.txt", "expressions.txt", "queries.txt", "writes.txt", "errors.txt"] {
        let source = std::fs::read_to_string(folder.join(file)).expect("the case file is readable");
        texts.extend(source.lines().filter_map(|line| line.strip_prefix("> ")).map(str::to_owned));
    }
    let words: Vec<&str> = texts.iter().flat_map(|t| t.split(' ')).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits fit") % below
    };
    let rounds = std::env::var("BASALT_FUZZ_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000);
    let mut analysed = 0;
    for _ in 0..rounds {
        let mut parts: Vec<&str> = texts[random(texts.len())].split(' ').collect();
        for _ in 0..=random(3) {
            let at = random(parts.len());
            match random(3) {
                0 if parts.len() > 1 => drop(parts.remove(at)),
                1 => parts[at] = words[random(words.len())],
                _ => parts.insert(at, words[random(words.len())]),
            }
        }
        let text = parts.join(" ");
        let shown = outcome(&catalog, &text);
        assert!(!shown.starts_with("! XX000"), "{text}: {shown}");
        analysed += usize::from(!shown.starts_with("! 42601"));
    }
    assert!(analysed * 10 > rounds, "only {analysed} of {rounds} scrambled texts parse");
}
