//! Golden files: `tests/data/ddl/NAME.sql` is applied statement by statement to the bootstrapped catalog; `NAME.txt` holds the steps,
//! notices and errors, then the printed catalog. `UPDATE_GOLDEN=1` rewrites the expectations.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use basalt_catalog::{Catalog, Relation};
use basalt_types::Oid;

use super::{DdlContext, Fill, Step, apply, report};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ddl")
}

fn base() -> Catalog {
    crate::bootstrap::catalog(false).expect("the bootstrap applies").0
}

fn named(catalog: &Catalog, oid: Oid) -> String {
    catalog.relation_by_oid(oid).map_or_else(|| "(gone)".to_owned(), |r| catalog.qualified_name(r))
}

fn column(catalog: &Catalog, table: Oid, attnum: i16) -> String {
    let name = catalog.relation_by_oid(table).and_then(|r| r.column_at(attnum)).map_or("?", |c| &c.name);
    format!("{}.{name}", named(catalog, table))
}

fn constraint(relation: Option<&Relation>, oid: Oid) -> String {
    relation.and_then(|r| r.constraints.iter().find(|c| c.oid == oid.0)).map_or("?".to_owned(), |c| c.name.clone())
}

/// A step without identities, so that expectations last.
fn shown(catalog: &Catalog, step: &Step) -> String {
    let table = |oid: &Oid| named(catalog, *oid);
    let on = |oid: &Oid, c: &Oid| constraint(catalog.relation_by_oid(*oid).map(|r| &**r), *c);
    match step {
        Step::CreateTable { table: t } => format!("create table {}", table(t)),
        Step::Refresh { view, with_data, .. } => {
            format!("refresh {} {}", table(view), if *with_data { "with data" } else { "with no data" })
        }
        Step::DropTable { schema, table } => format!("drop table {schema}.{}", table.name),
        Step::RenameTable { from, to, .. } => format!("rename table {}.{} to {}.{}", from.0, from.1, to.0, to.1),
        Step::AddColumn { table: t, attnum, fill, foreign_keys } => {
            let fill = match fill {
                Fill::Null => "null".to_owned(),
                Fill::Default => "default".to_owned(),
                Fill::Sequence(s) => format!("sequence {}", table(s)),
                Fill::Generated => "generated".to_owned(),
            };
            let keys: Vec<String> = foreign_keys.iter().map(|c| on(t, c)).collect();
            format!("add column {} fill {fill} {}", column(catalog, *t, *attnum), keys.join(" ")).trim_end().to_owned()
        }
        Step::DropColumn { table: t, name, .. } => format!("drop column {}.{name}", table(t)),
        Step::RenameColumn { table: t, from, to, .. } => format!("rename column {}.{from} to {to}", table(t)),
        Step::RebuildTable { table: t, convert, .. } => {
            let convert: Vec<String> = convert
                .iter()
                .map(|c| format!("{} using {}", column(catalog, *t, c.attnum), c.using.as_deref().unwrap_or("cast")))
                .collect();
            format!("rebuild {} {}", table(t), convert.join(", ")).trim_end().to_owned()
        }
        Step::CreateIndex { table: t, index } => {
            let name = catalog.index_by_oid(*index).map_or("?", |(_, i)| &i.name);
            format!("create index {name} on {}", table(t))
        }
        Step::DropIndex { schema, name } => format!("drop index {schema}.{name}"),
        Step::RenameIndex { index, from, .. } => {
            let name = catalog.index_by_oid(*index).map_or("?", |(_, i)| &i.name);
            format!("rename index {}.{} to {name}", from.0, from.1)
        }
        Step::ValidateCheck { table: t, constraint } => format!("validate check {} of {}", on(t, constraint), table(t)),
        Step::ValidateForeignKey { table: t, constraint } => {
            format!("validate foreign key {} of {}", on(t, constraint), table(t))
        }
        Step::ValidateNotNull { table: t, attnum } => format!("validate not null {}", column(catalog, *t, *attnum)),
        Step::ValidateDomain { .. } => "validate domain".to_owned(),
        Step::RenameEnumLabel { from, to, .. } => format!("rename label {from} to {to}"),
        Step::CreateSequence { sequence } => format!("create sequence {}", table(sequence)),
        Step::RestartSequence { sequence, value } => format!("restart sequence {} at {value}", table(sequence)),
        Step::AlterSequence { sequence } => format!("alter sequence {}", table(sequence)),
        Step::DropSequence { .. } => "drop sequence".to_owned(),
        Step::Truncate { tables, restart } => {
            let list = |oids: &[Oid]| oids.iter().map(table).collect::<Vec<_>>().join(", ");
            format!("truncate {} restart ({})", list(tables), list(restart))
        }
        Step::Block { body, role, search_path } => format!("block as {role} in {search_path:?}: {body}"),
        Step::Run { statement, role, search_path } => {
            let text = crate::print::statement(statement).unwrap_or_default();
            format!("run as {role} in ({}): {text}", search_path.join(", "))
        }
        Step::SetConstraints { constraints, deferred } => {
            let which = constraints.as_ref().map_or("all".to_owned(), |oids| oids.len().to_string());
            format!("set constraints {which} {}", if *deferred { "deferred" } else { "immediate" })
        }
        Step::Notice(text) => format!("NOTICE {text}"),
        Step::NoOp(text) => format!("no-op {text}"),
    }
}

fn transcript(sql: &str) -> String {
    let mut catalog = base();
    let before = basalt_catalog::print::print_roles(&catalog);
    let mut ctx = DdlContext::default();
    let mut out = String::new();
    for parsed in crate::parse::file_tolerant(sql) {
        let located = match parsed {
            Ok(located) => located,
            Err(e) => {
                let _ = writeln!(out, "! {} {}", e.code.as_str(), e.message);
                continue;
            }
        };
        let text = &sql[located.pos.0 as usize..located.end.0 as usize];
        let first = text.lines().next().unwrap_or_default();
        let _ = writeln!(out, "> {first}");
        match apply(&mut catalog, &located.statement, &mut ctx) {
            Ok(steps) => {
                for step in &steps {
                    let _ = writeln!(out, "  {}", shown(&catalog, step));
                }
            }
            Err(refusal) => {
                let e = &refusal.error;
                let _ = writeln!(out, "  ! {} {}", e.state.as_str(), e.message);
                for (word, text) in
                    [("detail", e.detail.as_deref()), ("hint", e.hint.as_deref()), ("advice", Some(refusal.advice.as_str()))]
                {
                    if let Some(text) = text.filter(|t| !t.is_empty()) {
                        let _ = writeln!(out, "    {word}: {text}");
                    }
                }
            }
        }
    }
    let own = ["auth", "extensions", "graphql_public", "realtime", "storage", "supabase_migrations"];
    let _ = write!(out, "\n{}", basalt_catalog::print::print(&catalog, |schema| !own.contains(&schema)));
    let roles = basalt_catalog::print::print_roles(&catalog);
    for line in roles.lines().filter(|line| !before.lines().any(|old| old == *line)) {
        let _ = writeln!(out, "{line}");
    }
    out
}

#[test]
fn golden_files_give_the_recorded_catalogs() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .expect("tests/data/ddl exists")
        .map(|entry| entry.expect("a readable entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "sql"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    for path in files {
        let sql = std::fs::read_to_string(&path).expect("a readable file");
        let got = transcript(&sql);
        let expectation = path.with_extension("txt");
        if update {
            std::fs::write(&expectation, &got).expect("a writable folder");
        } else if std::fs::read_to_string(&expectation).unwrap_or_default() != got {
            wrong.push(format!("{}:\n{got}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_refused_statement_changes_nothing() {
    let mut catalog = base();
    let before = catalog.clone();
    let mut ctx = DdlContext::default();
    let statement =
        crate::parse::statement("create table t (id serial primary key, a int references nowhere)").expect("it parses");
    let refusal = apply(&mut catalog, &statement, &mut ctx).expect_err("nowhere does not exist");
    assert_eq!(refusal.error.state.as_str(), "42P01");
    assert_eq!(refusal.construct, "CREATE TABLE");
    assert_eq!(catalog, before);
}

#[test]
fn reports_group_and_follow() {
    let first = "create table a (id int);\ncreate table m (id int) partition by range (id);\ncreate unique index on m (id);\n";
    let second = "grant select on m to anon;\ncreate table b (p point, \"q\" int);\nselect 1 from;\ninsert into a values (1);\n";
    let report = report::check_files([("1.sql", first), ("2.sql", second)], &base());
    assert_eq!((report.files, report.statements, report.applied), (2, 7, 2));
    let expected = "\
2 of 7 statements in 2 files apply (28.5 %).

partitioned tables: 1
  advice: use one table: SQLite needs no partitions at its size
  1.sql:2:14: not supported on SQLite: partitioned tables

type point: 1
  advice: geometric types need PostgreSQL; use two numeric columns
  2.sql:2:19: not supported on SQLite: type point

syntax error: 1
  2.sql:3:14: syntax error at end of input

follows from the above: 2
  1.sql:3:24: relation \"m\" does not exist (from 1.sql:2)
  2.sql:1:17: relation \"m\" does not exist (from 1.sql:2)
";
    assert_eq!(report.to_text(), expected);
    let json = report.to_json();
    assert!(json.starts_with(
        "{\"files\":2,\"statements\":7,\"applied\":2,\"share_percent\":28.5,\"refusals\":[{\"construct\":\"partitioned tables\""
    ));
    assert!(json.ends_with("}]}"));
}

#[test]
fn generated_names_are_cut_as_postgresql_cuts_them() {
    use super::name::make_object_name;
    let long = "a".repeat(70);
    assert_eq!(make_object_name("posts", "id", "seq"), "posts_id_seq");
    assert_eq!(make_object_name("posts", "", "pkey"), "posts_pkey");
    let cut = make_object_name(&long, "author_id", "fkey");
    assert_eq!(cut.len(), 63);
    assert!(cut.ends_with("_author_id_fkey"));
    // Whole characters only: ä takes two bytes.
    let wide = make_object_name(&"ä".repeat(40), &"b".repeat(40), "key");
    assert_eq!((wide.len() <= 63, wide.ends_with("_key")), (true, true));
}
