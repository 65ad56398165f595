//! The documented errors of PostgREST's grammars (its own comments on them).

use super::{Grammar, explain};

#[test]
fn errors_are_those_that_the_original_documents() {
    let rows = [
        (
            Grammar::Select,
            "id,clients(name[])",
            16,
            r#"unexpected '[' expecting letter, digit, "-", "->>", "->", "::", ".", ")", "," or end of input"#,
        ),
        (Grammar::Select, "data->>-78xy", 11, r#"unexpected 'x' expecting digit, "->", "::", ".", "," or end of input"#),
        (Grammar::Select, "data->>--34", 9, r#"unexpected "-" expecting digit"#),
        (Grammar::Select, "name::", 7, "unexpected end of input expecting letter or digit"),
        (Grammar::Filter, "fts().value", 5, r#"unexpected ")" expecting operator (eq, gt, ...)"#),
        (Grammar::Filter, "eq().value", 4, r#"unexpected ")" expecting operator (eq, gt, ...)"#),
        (Grammar::Filter, "is().value", 3, r#"unexpected "(" expecting operator (eq, gt, ...)"#),
        (Grammar::Filter, "val", 1, r#"unexpected "v" expecting "not" or operator (eq, gt, ...)"#),
        (Grammar::Filter, "noop.0", 1, r#"unexpected "o" expecting "not" or operator (eq, gt, ...)"#),
        (
            Grammar::Order,
            "clients(name,id)",
            8,
            r#"unexpected '(' expecting letter, digit, "-", "->>", "->", delimiter (.), "," or end of input"#,
        ),
        (Grammar::Order, "id.ac", 4, r#"unexpected "c" expecting "asc", "desc", "nullsfirst" or "nullslast""#),
        (Grammar::Order, "id.descc", 8, r#"unexpected 'c' expecting delimiter (.), "," or end of input"#),
        (Grammar::Order, "id.nulsfist", 4, r#"unexpected "n" expecting "asc", "desc", "nullsfirst" or "nullslast""#),
        (Grammar::Order, "id.nullslasttt", 13, r#"unexpected 't' expecting "," or end of input"#),
        (Grammar::Order, "id.asc.nlsfst", 8, r#"unexpected "l" expecting "nullsfirst" or "nullslast""#),
        (
            Grammar::Logic,
            "or()",
            4,
            "unexpected \")\" expecting field name (* or [a..z0..9_$]), negation operator (not) or logic operator (and, or)",
        ),
        (Grammar::Logic, "or(id.in.1,2,id.eq.3)", 10, r#"unexpected "1" expecting "(""#),
        (Grammar::Logic, "or)(", 3, r#"unexpected ")" expecting "(""#),
        (Grammar::Logic, "and(ord(id.eq.1,id.eq.1),id.eq.2)", 7, r#"unexpected "d" expecting "(""#),
        (Grammar::Logic, "or(id.eq.1,not.xor(id.eq.2,id.eq.3))", 16, r#"unexpected "x" expecting logic operator (and, or)"#),
    ];
    for (grammar, text, column, details) in rows {
        let error = explain(grammar, "it", "", text).unwrap_or_else(|| panic!("{text} is read"));
        assert_eq!(error.details, details, "{text}");
        assert_eq!(error.message, format!("\"failed to parse it ({text})\" (line 1, column {column})"));
    }
}

#[test]
fn what_is_read_has_no_error() {
    let rows = [
        (Grammar::Select, "id,x:meta->a->>0::int,...r!h!inner(a.sum()::text,*),count()"),
        (Grammar::Select, "id)rest"),
        (Grammar::Order, "name,clients(name).desc.nullslast,id->>a"),
        (Grammar::Filter, "not.in.(a,\"b,c\",)"),
        (Grammar::Filter, "eq(any).{a}"),
        (Grammar::Logic, "or(a.eq.1,not.and(b.in.(1,2),c.is.null))"),
        (Grammar::Names, "a,\"b.c\""),
        (Grammar::Path, "a.b.c->d"),
    ];
    for (grammar, text) in rows {
        assert_eq!(explain(grammar, "it", "", text), None, "{text}");
    }
}

#[test]
fn deep_texts_have_no_explanation() {
    let deep = "a(".repeat(5000);
    assert_eq!(explain(Grammar::Select, "it", "", &deep), None);
    let deep = "and(".repeat(5000);
    assert_eq!(explain(Grammar::Logic, "it", "", &deep), None);
}
