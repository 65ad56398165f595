mod fuzz;

use std::time::{Duration, Instant};

use super::*;
use crate::print;
use crate::split::{self, LineIndex};

const OPERATORS: &str = include_str!("../../tests/data/parse/operators.tsv");
const STATEMENTS: &str = include_str!("../../tests/data/parse/statements.tsv");
const STATEMENTS_SQL: &str = include_str!("../../tests/data/parse/statements.sql");

/// The lines of a recorded table, its escapes undone.
fn rows(table: &str) -> impl Iterator<Item = Vec<String>> {
    let unescape = |cell: &str| {
        let mut text = String::new();
        let mut chars = cell.chars();
        while let Some(char) = chars.next() {
            text.push(match char {
                '\\' => match chars.next() {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    other => other.unwrap_or('\\'),
                },
                other => other,
            });
        }
        text
    };
    table.lines().filter(|line| !line.starts_with('#')).map(move |line| line.split('\t').map(unescape).collect())
}

/// libpg_query found the recorded text to have the same tree, so equal text means PostgreSQL's precedence.
#[test]
fn operators_bind_as_in_postgresql() {
    let mut count = 0;
    for row in rows(OPERATORS) {
        let [text, wanted] = row.as_slice() else { panic!("{row:?}") };
        count += 1;
        match expr(text) {
            Err(error) => assert_eq!(wanted, "error", "{text}: {error}"),
            Ok(tree) => {
                let printed = print::expr(&tree);
                assert_eq!(&printed, wanted, "{text}");
                assert_eq!(expr(&printed), Ok(tree), "{text}");
            }
        }
    }
    assert!(count > 7_000);
}

#[test]
fn statements_print_as_recorded() {
    for row in rows(STATEMENTS) {
        let [kind, text, wanted] = row.as_slice() else { panic!("{row:?}") };
        let tree = statement(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let printed = print::statement(&tree);
        match kind.as_str() {
            "named" => assert_eq!(tree, Statement::Other { construct: wanted.clone() }),
            "partly" => assert_eq!(printed, None, "{text}"),
            _ => {
                assert_eq!(printed.as_ref(), Some(wanted));
                assert_eq!(statement(wanted).as_ref(), Ok(&tree), "{text}");
            }
        }
    }
}

#[test]
fn statements_have_their_places() {
    let text = "-- first\nselect 'a;b'; /* ; /* ; */ */ select $x$;$x$ ;\n;create function f() returns int begin atomic select 1; end; é";
    let pieces = split::statements(text).unwrap();
    let found: Vec<_> = pieces.iter().map(|p| &text[p.range.clone()]).collect();
    assert_eq!(found, ["select 'a;b'", "select $x$;$x$", "create function f() returns int begin atomic select 1; end", "é"]);
    let index = LineIndex::new(text);
    assert_eq!(index.locate(text, pieces[0].pos), (2, 1));
    assert_eq!(index.locate(text, pieces[1].pos), (2, 31));
    let error = file(text).unwrap_err();
    assert_eq!((error.message.as_str(), error.pos.0 as usize), ("syntax error at or near \"é\"", text.len() - 2));
}

#[test]
fn positions_count_in_the_file() {
    let text = "select 1;\n  update t set a = b + 1;\ncreate function f() returns void language sql as $q$select 2$q$";
    let statements = file(text).unwrap();
    let Statement::Update(update) = &statements[1].statement else { panic!() };
    assert_eq!(&text[update.set[0].value.pos.0 as usize..][..5], "b + 1");
    assert_eq!(statements[1].end.0 as usize, text.find(";\ncreate").unwrap());
    let Statement::CreateFunction(function) = &statements[2].statement else { panic!() };
    let body = function.options.iter().find_map(|o| match o {
        crate::tree::FunctionOption::Body(_, pos) => Some(pos.0 as usize),
        _ => None,
    });
    assert_eq!(&text[body.unwrap()..][..8], "select 2");
}

#[test]
fn errors_read_as_postgresql_writes_them() {
    let table = [
        ("", "syntax error at end of input", 0),
        ("select", "", 0),
        ("selekt 1", "syntax error at or near \"selekt\"", 0),
        ("select 1 +", "syntax error at end of input", 10),
        ("select a < b < c", "syntax error at or near \"<\"", 13),
        ("select 'abc", "unterminated quoted string at or near \"'abc\"", 7),
        ("select \"abc", "unterminated quoted identifier at or near \"\"abc\"", 7),
        ("select /* abc", "unterminated /* comment at or near \"/* abc\"", 7),
        ("select $a$ b", "unterminated dollar-quoted string at or near \"$a$ b\"", 7),
        ("select 12ab", "trailing junk after numeric literal at or near \"12ab\"", 7),
        ("select \"\"", "zero-length delimited identifier at or near \"\"\"\"", 7),
        ("select (1", "syntax error at end of input", 9),
        ("create policy if not exists p on t", "syntax error at or near \"not\"", 17),
        ("select 1; select 2", "syntax error at or near \";\"", 8),
        ("create role r; drop table t", "syntax error at or near \";\"", 13),
        ("select a.b.c.d from x.y.z", "cross-database references are not implemented: x.y.z", 20),
        ("create table t (a int,)", "syntax error at or near \")\"", 22),
        ("vacuum from", "syntax error at or near \"from\"", 7),
    ];
    for (text, message, pos) in table {
        match statement(text) {
            Ok(_) => assert_eq!(message, "", "{text}"),
            Err(error) => assert_eq!((error.message.as_str(), error.pos.0), (message, pos), "{text}"),
        }
    }
}

#[test]
fn a_bad_statement_hides_no_other() {
    let results = file_tolerant("select 1; selec 2; select 3; select 'x");
    let good: Vec<_> = results.iter().map(Result::is_ok).collect();
    assert_eq!(good, [true, false, true, false]);
}

#[test]
fn unsupported_expressions_are_refused_by_name() {
    assert_eq!(expr("a IS JSON").unwrap_err().code.as_str(), "0A000");
    assert_eq!(statement("update t set a[1] = 2"), Ok(Statement::Other { construct: "assignment to a part of a column".into() }));
    assert!(expr("a, b").is_err() && expr("1; select 2").is_err() && query("update t set a = 1").is_err());
    assert_eq!(print::type_name(&type_name("TIMESTAMP(3) WITH TIME ZONE[]").unwrap()), "timestamp(3) with time zone[]");
}

/// Nesting and chains beyond the limits end in an error before the stack does; long lists are fine.
#[test]
fn hostile_depth_is_refused() {
    let wrap = |open: &str, inner: &str, close: &str, n: usize| format!("select {}{inner}{}", open.repeat(n), close.repeat(n));
    let hostile = [
        wrap("(", "1", ")", 10_000),
        wrap("(", "1", "", 10_000),
        wrap("case when ", "a", " then 1 end", 10_000),
        wrap("not ", "a", "", 50_000),
        wrap("- ", "1", "", 50_000),
        wrap("@ ", "1", "", 50_000),
        wrap("(select ", "1", ")", 10_000),
        wrap("f(", "1", ")", 10_000),
        wrap("array[", "1", "]", 10_000),
        wrap("array", &"[".repeat(10_000), "", 1),
        format!("select 1{}", " + 1".repeat(100_000)),
        format!("select 1{}", " || a || b".repeat(50_000)),
        format!("select a{}", "::int".repeat(50_000)),
        format!("select a{}", "[1]".repeat(50_000)),
        format!("select a{}", " is null".repeat(50_000)),
        format!("select 1{}", " union select 1".repeat(20_000)),
        format!("select 1 from a{}", " cross join b".repeat(20_000)),
        format!("select 1 from a{}", " join b".repeat(20_000)),
        format!("explain select 1{}", " + 1".repeat(100_000)),
        format!("explain select {}1", "- ".repeat(100_000)),
        format!("explain select {}", "case when a then ".repeat(20_000)),
        format!("explain select {}1", "(".repeat(20_000)),
    ];
    for text in hostile {
        let shown = text.get(..60).unwrap_or("").to_owned();
        let begun = Instant::now();
        let error = statement(&text).expect_err(&shown);
        assert!(matches!(error.code.as_str(), "54001" | "42601"), "{shown}: {error:?}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{shown}");
    }
    assert!(statement(&format!("select 1 where {}", ["a = 1"; 20_000].join(" or "))).is_ok());
    assert!(statement(&format!("insert into t values {}", ["(1, 2)"; 20_000].join(", "))).is_ok());
    assert!(statement(&wrap("(select ", "1", ")", 15)).is_ok());
    assert!(statement(&format!("explain {}", wrap("(", "1", ")", 140))).is_ok());
    assert!(statement(&format!("explain select 1{}", " + 1".repeat(400))).is_ok());
    assert!(statement(&format!("select 1{}", " + 1".repeat(400))).is_ok());
    assert_eq!(statement(&" ".repeat(MAX_STATEMENT_BYTES + 1)).unwrap_err().code.as_str(), "54000");
}

/// The deepest that is accepted fits into half the stack that threads have, even without optimisation: parsing, comparing, printing, dropping.
#[test]
fn the_limits_fit_the_stack() {
    let run = || {
        let nests = [
            ("(", "1", ")"),
            ("((1), ", "1", ")"),
            ("f(", "1", ")"),
            ("array[", "1", "]"),
            ("(select ", "1", ")"),
            ("exists (select 1 from t where ", "a", ")"),
            ("(select * from (select ", "1", ") x)"),
            ("case when a then ", "1", " end"),
            ("not ", "a", ""),
            ("- ", "1", ""),
            ("a between 1 and ", "1", ""),
            ("a in (1, ", "1", ")"),
            ("x[", "1", "]"),
            ("sum(a) filter (where ", "a", ")"),
        ];
        for (open, inner, close) in nests {
            for n in [20, 40, 60, 74, 75, 100, 140, 148, 149, 150, 151] {
                let nested = format!("{}{inner}{}", open.repeat(n), close.repeat(n));
                for text in
                    [format!("select {nested}"), format!("explain select {nested}"), format!("select 1 from ({nested}) x")]
                {
                    if let Ok(tree) = statement(&text) {
                        let printed = print::statement(&tree);
                        // The print may need more stack, as ROW(1, 2) does for (1, 2).
                        let again = printed.map_or(Ok(tree), |p| statement(&p));
                        assert!(again.is_ok() || n > 20, "{text}");
                    }
                }
            }
        }
        for link in [" + 1", " || a", "::text", "[1]", " union select 1", " collate c"] {
            let text = format!("select a{}", link.repeat(499));
            let tree = statement(&text).expect(link);
            assert_eq!(statement(&print::statement(&tree).expect(link)), Ok(tree));
            let _ = statement(&format!("explain select a{}", link.repeat(1_900)));
        }
        assert!(statement(&format!("select 1 from a{}", " join b on true".repeat(499))).is_ok());
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap().join().unwrap();
}
