//! Golden tables: schema lines, then statements with the role that runs them, then the SQL or the error.
//!
//! Blocks in `golden/*.txt` are separated by a line `====`. Within a block: schema lines (see [`crate::fixture`]), then cases, each
//! `ROLE> statement` followed by the expected lines, indented by two spaces. `UPDATE_GOLDEN=1` rewrites them; read the difference.

use std::fmt::Write as _;

use basalt_sql::analyze;

use crate::dialect::sqlite::{self, Context};
use crate::expressions::ExprCache;
use crate::fixture;
use crate::guard::Caller;
use crate::program::{Bind, Checks, Command, Compiled, Program, Returned, Source};

/// Held for writing while a test puts faults into the guard.
static FAULTS: std::sync::RwLock<()> = std::sync::RwLock::new(());

fn run(name: &str, answer: fn(&basalt_catalog::Catalog, &str, &str) -> String) {
    let _sound = FAULTS.read().expect("no test panicked with a fault in");
    let path = format!("{}/src/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("the golden file");
    let mut out = String::new();
    let mut cases = 0;
    for (i, block) in text.split("\n====\n").enumerate() {
        if i > 0 {
            out.push_str("\n====\n");
        }
        let is_case = |line: &str| line.split_once("> ").is_some_and(|(role, _)| !role.contains(' ') && !role.is_empty());
        let schema: Vec<&str> = block.lines().take_while(|l| !is_case(l)).collect();
        let catalog = fixture::catalog(&schema.join("\n"));
        out.push_str(&schema.join("\n"));
        for line in block.lines().filter(|l| is_case(l)) {
            let (role, statement) = line.split_once("> ").expect("a case");
            cases += 1;
            let _ = write!(out, "\n{line}");
            for shown in answer(&catalog, role, statement).lines() {
                let _ = write!(out, "\n  {shown}");
            }
        }
    }
    out.push('\n');
    assert!(cases > 0, "no cases in {path}");
    let (expected, found) = (text.trim_end(), out.trim_end());
    if expected != found {
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            assert!(std::env::var_os("CI").is_none(), "golden files are not rewritten in CI");
            std::fs::write(&path, format!("{found}\n")).expect("the golden file is writable");
            return;
        }
        for (old, new) in expected.lines().zip(found.lines()) {
            assert_eq!(old, new, "in {path}");
        }
        panic!("{path} differs in length");
    }
}

fn shown_bind(bind: &Bind) -> String {
    match bind {
        Bind::Const(value) => format!("{value:?}"),
        Bind::Literal { index, ty } => format!("literal {index} as {}", ty.base.oid.0),
        Bind::LiteralList { index, element } => format!("list {index} of {}", element.base.oid.0),
        Bind::Numbered { number, .. } => format!("${number}"),
        Bind::Session(fact) => format!("{fact:?}"),
        Bind::New(a) => format!("new.{a}"),
        Bind::Old(a) => format!("old.{a}"),
        Bind::Excluded(a) => format!("excluded.{a}"),
        other => format!("{other:?}"),
    }
}

fn shown(label: &str, compiled: &Compiled, out: &mut String) {
    let binds: Vec<String> = compiled.binds.iter().enumerate().map(|(i, b)| format!("?{} {}", i + 1, shown_bind(b))).collect();
    let _ = writeln!(
        out,
        "{label}{}{}",
        compiled.sql,
        if binds.is_empty() { String::new() } else { format!("  [{}]", binds.join(", ")) }
    );
}

fn shown_checks(label: &str, checks: Option<&Checks>, out: &mut String) {
    if let Some(checks) = checks {
        shown(label, &checks.test, out);
        for error in checks.errors.iter() {
            let _ = writeln!(out, "  {error}");
        }
    }
}

/// The whole program of a statement.
fn program(catalog: &basalt_catalog::Catalog, role: &str, statement: &str) -> String {
    let cache = ExprCache::default();
    let typed = match analyze::statement_text(statement, catalog, &analyze::Context { infer_params: true, ..Default::default() })
    {
        Ok(typed) => typed,
        Err(error) => return format!("analysis: {error}"),
    };
    let context = Context { catalog, caller: Caller { role }, cache: &cache };
    let mut out = String::new();
    match sqlite::compile_statement(&typed, &context) {
        Err(error) => return error.to_string(),
        Ok(Program::Read(read)) => shown("", &read.rows, &mut out),
        Ok(Program::Write(write)) => {
            if let Some(targets) = &write.targets {
                shown("targets: ", targets, &mut out);
            }
            if let Command::Insert { source, on_conflict, .. } = &write.command {
                match source {
                    Source::Query { query, .. } => shown("source: ", query, &mut out),
                    Source::Values(rows) => {
                        for row in rows {
                            let _ = writeln!(out, "values: {:?}", row.values);
                            if let Some(compute) = &row.compute {
                                shown("compute: ", compute, &mut out);
                            }
                        }
                    }
                    Source::Payload { .. } => {}
                }
                if let Some(update) = on_conflict.as_ref().and_then(|c| c.update.as_ref()) {
                    shown("conflict: ", &update.compute, &mut out);
                    shown_checks("conflict using: ", update.using.as_ref(), &mut out);
                    shown_checks("conflict check: ", update.checks.as_ref(), &mut out);
                    shown("conflict store: ", &update.store, &mut out);
                }
            }
            shown_checks("policy: ", write.policy_checks.as_ref(), &mut out);
            shown_checks("check: ", write.constraint_checks.as_ref(), &mut out);
            shown("store: ", &write.store, &mut out);
            for returned in &write.returning {
                match returned {
                    Returned::Column(attnum) => {
                        let _ = writeln!(out, "returned: column {attnum}");
                    }
                    Returned::Expr(compiled) => shown("returned: ", compiled, &mut out),
                }
            }
        }
    }
    out.trim_end().to_owned()
}

/// The plan of a case as PostgreSQL's statement.
fn postgres(catalog: &basalt_catalog::Catalog, _: &str, statement: &str) -> String {
    match plan(catalog, statement) {
        Err(error) => error,
        Ok(plan) => match crate::dialect::postgres::compile(&plan, catalog) {
            Err(error) => error.to_string(),
            Ok(done) => format!("{}\n{:?}", done.sql, done.binds),
        },
    }
}

/// The plan of a case as SQLite's program with its shapes.
fn rest(catalog: &basalt_catalog::Catalog, role: &str, statement: &str) -> String {
    let cache = ExprCache::default();
    let plan = match plan(catalog, statement) {
        Err(error) => return error,
        Ok(plan) => plan,
    };
    let context = Context { catalog, caller: Caller { role }, cache: &cache };
    let mut out = String::new();
    let mut read = |read: &crate::program::ReadProgram| {
        shown("", &read.rows, &mut out);
        for (i, shape) in read.shapes.iter().enumerate() {
            let _ = writeln!(out, "shape {i} {:?}: {}", shape.style, fields(&shape.fields));
        }
        if let Some(count) = &read.count {
            shown("count: ", count, &mut out);
        }
        let _ = writeln!(out, "one {} short {} reads {}", read.at_most_one, read.short, read.touched.read.len());
    };
    match sqlite::compile(&plan, &context) {
        Err(error) => return error.to_string(),
        Ok(Program::Read(program)) => read(&program),
        Ok(Program::Write(write)) => match &write.representation {
            crate::program::Representation::Query { read: program, .. } => read(program),
            crate::program::Representation::Rows(shapes) => {
                let all: Vec<String> = shapes.iter().map(|s| fields(&s.fields)).collect();
                out.push_str(&all.join(" | "));
            }
            crate::program::Representation::None => out.push_str("no body"),
        },
    }
    out.trim_end().to_owned()
}

fn fields(list: &[crate::program::Field]) -> String {
    use crate::program::FieldValue;
    let one = |f: &crate::program::Field| match &f.value {
        FieldValue::Column { at, ty } => format!("{} {at}:{}", f.name, ty.oid.0),
        FieldValue::Json { at } => format!("{} {at}:json", f.name),
        FieldValue::Object { present, fields: inner } => format!("{} {present}?{{{}}}", f.name, fields(inner)),
    };
    list.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A plan of a statement. `one:` and `many:` parts after `++` are embeds: `one: name = select …` adds an object, `many:` an array;
/// in an embed's text, `outer.column` names the first table of the query around it.
fn plan(catalog: &basalt_catalog::Catalog, text: &str) -> Result<crate::plan::Plan, String> {
    use crate::plan::{Action, Count, Output, Plan};
    use basalt_sql::typed::{Body, Expr, ExprKind, From, JsonShape, RangeId, Statement, Target};
    let mut parts = text.split(" ++ ");
    let first = parts.next().unwrap_or_default();
    let context = analyze::Context { infer_params: true, ..Default::default() };
    let mut statement = analyze::statement_text(first, catalog, &context).map_err(|e| e.to_string())?;
    for (i, part) in parts.enumerate() {
        let Statement::Query(query) = &mut statement else { return Err("embeds need a query".into()) };
        let Body::Select(select) = &mut query.body else { return Err("embeds need a SELECT".into()) };
        let Some(From::Table { range, relation, .. }) = select.from.first() else { return Err("embeds need a table".into()) };
        let table = catalog.relation_by_oid(*relation).ok_or("a table")?;
        let (kind, rest) = part.split_once(": ").ok_or("kind: name = query")?;
        let (name, inner) = rest.split_once(" = ").ok_or("kind: name = query")?;
        let context = analyze::Context {
            first_range: 100 * (u32::try_from(i).map_err(|e| e.to_string())? + 1),
            rows: vec![analyze::NamedRow::of_relation("outer_row", RangeId(range.0), table)],
            ..Default::default()
        };
        let inner = analyze::query_text(&inner.replace("outer.", "outer_row."), catalog, &context).map_err(|e| e.to_string())?;
        let (shape, ty) = (if kind == "one" { JsonShape::Object } else { JsonShape::Array }, basalt_types::pg::oid::JSON);
        let kind = ExprKind::JsonRows { query: Box::new(inner), shape };
        let expr = Expr::new(kind, basalt_types::TypeRef::of(ty));
        select.targets.push(Target { expr, name: name.to_owned() });
    }
    let action = match statement {
        Statement::Query(query) => Action::Read { query, for_count: None },
        other => Action::Write { statement: Box::new(other), representation: None, location: Vec::new(), is_put: false },
    };
    let output = Output::Array { strip_nulls: false };
    Ok(Plan {
        id: 1,
        catalog_version: catalog.version(),
        action,
        output,
        names: Vec::new(),
        count: Count::None,
        max_rows: None,
        max_affected: None,
    })
}

/// A write whose answer is a query over the returned rows, from a payload.
#[test]
fn representation_reads_the_returned_rows() {
    use crate::plan::{Action, Plan, WRITTEN};
    use basalt_sql::typed::{Body, Expr, From, InsertSource, Query, RangeId, Select, Statement, Target};
    let catalog = fixture::catalog(
        "table t(id int8 pk, raw bytea, title text default 'x')\nrls t\ngrant all on t to anon\npolicy p on t using (id > 0)",
    );
    let mut plan = plan(&catalog, "insert into t (id, raw) values (1, null) returning id, raw").expect("a plan");
    let Action::Write { statement, representation, .. } = &mut plan.action else { panic!("a write") };
    let Statement::Insert(insert) = statement.as_mut() else { panic!("an insert") };
    insert.source = InsertSource::Payload { missing_default: true };
    let types: Vec<_> = insert.returning.iter().map(|t| t.expr.ty).collect();
    let range = RangeId(50);
    let target = |i: i16, name: &str| Target { expr: Expr::column(range, i, types[usize::from(i == 2)]), name: name.into() };
    let select = Select {
        distinct: None,
        targets: vec![target(2, "raw"), target(1, "id")],
        from: vec![From::Cte { range, cte: WRITTEN, alias: "written".into() }],
        filter: None,
        policy: None,
        group_by: Vec::new(),
        having: None,
    };
    let body = Body::Select(Box::new(select));
    *representation = Some(Box::new(Query { ctes: Vec::new(), body, order_by: Vec::new(), limit: None, offset: None }));
    let plan = Plan { id: 2, ..plan };
    let cache = ExprCache::default();
    let context = Context { catalog: &catalog, caller: Caller { role: "anon" }, cache: &cache };
    let Ok(Program::Write(program)) = sqlite::compile(&plan, &context) else { panic!("a program") };
    let crate::program::Representation::Query { read, .. } = &program.representation else { panic!("a query") };
    assert_eq!(
        &*read.rows.sql,
        "SELECT r50.c2, r50.c1 FROM (SELECT json_extract(value, '$[0]') AS c1, unhex(json_extract(value, '$[1]')) AS c2 FROM json_each(?1)) AS r50"
    );
    let Command::Insert { source: Source::Payload { columns, missing_default }, .. } = &program.command else {
        panic!("a payload")
    };
    assert_eq!((columns.as_slice(), *missing_default), ([1, 2].as_slice(), true));
    assert_eq!(program.failing_row, crate::program::FailingRow::Hidden);
    assert!(program.unique_keys[0].detail_hidden);
    assert_eq!(&*program.unique_keys[0].probe.sql, "SELECT r0.rowid FROM \"public.t\" AS r0 WHERE (r0.\"id\" = ?1)");
    let sql = crate::dialect::postgres::compile(&plan, &catalog).expect("PostgreSQL's statement").sql;
    assert!(sql.contains("LATERAL (SELECT jsonb_agg(jsonb_build_object('id'") || sql.contains("json_to_recordset"), "{sql}");
}

#[test]
fn postgres_statements() {
    run("postgres", postgres);
}

#[test]
fn rest_programs() {
    run("rest", rest);
}

/// Every function the list promises is callable, and no implementation is both native and refused.
#[test]
fn hosted_functions_are_known_to_analysis() {
    use basalt_sql::analyze::builtins;
    let known = builtins::all();
    for imp in sqlite::host::HOSTED {
        assert!(known.iter().any(|k| k.0 == *imp), "{imp} is in the list but no function has it");
    }
    let names = sqlite::host::functions();
    for imp in sqlite::host::HOSTED {
        let is_aggregate = builtins::all_functions().iter().any(|f| f.imp.0 == *imp && f.kind == builtins::Kind::Aggregate);
        assert!(is_aggregate || names.iter().any(|f| f.name == format!("pg_{imp}")), "pg_{imp} is not registered");
    }
}

#[test]
fn guard_rules() {
    run("guard", program);
}

#[test]
fn sqlite_expressions() {
    run("sqlite", program);
}

/// What analysis knows and SQLite refuses, by name: a list that may only shrink.
#[test]
fn refused_functions() {
    let refused: Vec<&str> =
        basalt_sql::analyze::builtins::all().into_iter().map(|imp| imp.0).filter(|imp| !sqlite::supported(imp)).collect();
    let expected = "array_agg_array array_dims array_fill array_sample array_shuffle broadcast current_database \
        get_byte has_schema_privilege has_table_privilege inet_client_addr json_object \
        json_to_record json_to_recordset jsonb_object jsonb_set_lax jsonb_to_record jsonb_to_recordset \
        netmask network overlaps pg_backend_pid pg_column_size pg_has_role pg_input_is_valid pg_sleep \
        pg_trigger_depth pg_typeof row_to_json_pretty set_byte setseed string_agg_bytea timeofday \
        timetz_mi_interval timetz_pl_interval to_number txid_current uuid_generate_v1mc uuid_ns_dns \
        uuid_ns_oid uuid_ns_url uuid_ns_x500 version";
    assert_eq!(refused.join(" "), expected);
}

/// Every fault that the guard or the dialect can have shows in some program.
#[cfg(feature = "faults")]
#[test]
fn every_fault_changes_a_program() {
    use crate::guard::faults::{self, Fault};
    let _alone = FAULTS.write().expect("no test panicked");
    let dir = format!("{}/src/golden", env!("CARGO_MANIFEST_DIR"));
    let all = || {
        let mut out = String::new();
        for (name, answer) in [("guard", program as fn(&_, &_, &_) -> _), ("rest", rest)] {
            let text = std::fs::read_to_string(format!("{dir}/{name}.txt")).expect("the golden file");
            for block in text.split("\n====\n") {
                let is_case = |l: &&str| l.split_once("> ").is_some_and(|(role, _)| !role.contains(' ') && !role.is_empty());
                let schema: Vec<&str> = block.lines().take_while(|l| !is_case(l)).collect();
                let catalog = fixture::catalog(&schema.join("\n"));
                for line in block.lines().filter(is_case) {
                    let (role, statement) = line.split_once("> ").expect("a case");
                    out.push_str(&answer(&catalog, role, statement));
                }
            }
        }
        out
    };
    let sound = all();
    let unseen: Vec<u8> = (1..=faults::COUNT)
        .filter(|n| {
            faults::set_number(*n);
            all() == sound
        })
        .collect();
    faults::set(None);
    // Claims are the engine's; a count needs a plan that asks for one.
    assert_eq!(unseen, [Fault::CountUnfiltered as u8, Fault::PreviousClaims as u8]);
}
