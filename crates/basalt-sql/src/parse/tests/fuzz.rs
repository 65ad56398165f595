//! Whatever the text, parsing ends soon and without a panic, and what is printed parses to the same tree.

use std::path::Path;

use basalt_testkit::fuzz::{Fuzz, seen};

use super::STATEMENTS_SQL;
use crate::parse::{expr, file_tolerant, query, statement, type_name};
use crate::{print, split};

const BODY: &str = "declare x int := 1; y public.t.a%type; c cursor for select 1; begin if a then b := 1; elsif c then return next; else perform f(); \
                    end if; for i in reverse 10..1 by 2 loop exit when x; end loop; <<l>> while a loop null; end loop; foreach v slice 1 in \
                    array b loop continue l; end loop; select 1 into strict a from b; execute 'x' into y using z; raise exception 'a %', b \
                    using errcode = '1'; get diagnostics a = row_count; case x when 1 then null; else return; end case; exception when others \
                    or sqlstate '22012' then return query select 1; end";

/// What nests in SQL.
const NESTING: &[(&str, &str)] = &[
    ("(select ", ")"),
    ("case when true then ", " end"),
    ("not ", ""),
    ("- ", ""),
    ("array[", "]"),
    ("coalesce(", ")"),
    ("begin ", "; end;"),
    ("if a then ", "; end if;"),
    ("loop ", "; end loop;"),
    ("a.", ""),
    ("1 + ", ""),
    ("a and ", ""),
    ("select 1 union (", ")"),
    ("with a as (", ") select 1"),
    ("select * from (", ") x"),
    ("x join (", ") on true"),
    ("/*", "*/"),
    ("", "::int"),
    ("", "[1]"),
    ("a || ", ""),
];

/// The statements of the case files and fixtures too.
fn inputs() -> Vec<String> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases/sql");
    let mut texts = vec![STATEMENTS_SQL.to_owned()];
    let files = std::fs::read_dir(&cases).expect("the case files are there");
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    texts.extend(files.into_iter().map(|file| std::fs::read_to_string(file).expect("a case file is readable")));
    let mut inputs: Vec<String> = texts
        .iter()
        .flat_map(|text| split::pieces(text).0.into_iter().filter_map(|piece| text.get(piece.range).map(str::to_owned)))
        .collect();
    inputs.push(BODY.to_owned());
    inputs
}

#[test]
fn fuzz_parser() {
    // As the writer's thread has it.
    Fuzz::new("parser").stack(8 << 20).inputs(inputs()).nests(NESTING).run(3_000, |text| {
        let mut outcome = Vec::new();
        for located in file_tolerant(text) {
            match located {
                Ok(located) => {
                    outcome.push(seen(std::mem::discriminant(&located.statement)));
                    if let Some(printed) = print::statement(&located.statement) {
                        assert_eq!(statement(&printed).as_ref(), Ok(&located.statement), "printed {printed:?}");
                    }
                }
                Err(error) => outcome.push(seen((error.code.as_str(), without_names(&error.message)))),
            }
        }
        outcome.dedup();
        outcome.truncate(3);
        if let Ok(tree) = expr(text) {
            let printed = print::expr(&tree);
            assert_eq!(expr(&printed), Ok(tree), "printed {printed:?}");
        }
        let _ = (query(text), type_name(text), crate::plpgsql::parse(&format!("begin {text}; end")));
        match crate::plpgsql::parse(text) {
            Ok(block) => outcome.push(seen(block.body.len())),
            Err(error) => outcome.push(seen(without_names(&error.message))),
        }
        seen(outcome)
    });
}

/// A message without what it quotes.
fn without_names(message: &str) -> String {
    message.split('"').step_by(2).collect()
}
