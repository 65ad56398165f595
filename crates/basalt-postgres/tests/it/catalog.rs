//! What is read of a database's functions and types.

use basalt_catalog::{ArgMode, Catalog, Function, TypeKind, Volatility};
use basalt_engine::Engine;
use basalt_types::Oid;

use crate::support::Served;

const SCHEMA: &str = r#"
    create table public.films (id int primary key, title text, at point);
    create domain public.title as text check (value <> '');
    create type public.pair as (a int, b text);
    create function public.add(a int, b int default 2, variadic rest text[] default '{}') returns int
        language sql immutable as 'select a + b';
    create function public.parts(inout x int, out y public.title, m public.pair) language sql stable as 'select x, ''y''::public.title';
    create function public.rows() returns table (id int, "Title" text) language sql as 'select 1, ''x''';
    create function public.one(public.films) returns setof public.films rows 1 language sql stable
        set statement_timeout = '3s' as 'select $1.*';
    create procedure public.act() language sql as '';
    create aggregate public.last(anyelement) (sfunc = public.later, stype = anyelement);
    create function public.shown(public.title) returns json language sql immutable as 'select to_json($1::text)';
    create cast (public.title as json) with function public.shown(public.title) as implicit;
    create function public.at(point, money[]) returns bit language sql as 'select b''1''';
    revoke execute on function public.add from public;
    comment on function public.rows is 'Rows.';
"#;

fn function<'c>(catalog: &'c Catalog, name: &str) -> &'c Function {
    catalog.functions_named("public", name).into_iter().next().unwrap_or_else(|| panic!("no function {name}"))
}

/// The name, mode, type and whether there is a default, of each parameter.
fn args(catalog: &Catalog, function: &Function) -> Vec<String> {
    let shown = |arg: &basalt_catalog::FunctionArg| {
        let ty = catalog.format_type(basalt_types::TypeRef::of(Oid(arg.ty)));
        format!("{:?} {} {ty} {:?}", arg.mode, arg.name, arg.default.as_deref())
    };
    function.args.iter().map(shown).collect()
}

#[test]
fn functions_are_read_with_all_that_a_call_needs() {
    let later = "create function public.later(anyelement, anyelement) returns anyelement language sql as 'select $2';";
    let served = Served::new(&format!("{later}{SCHEMA}"));
    let catalog = served.engine.catalog();
    let add = function(&catalog, "add");
    let expected = ["In a integer None", "In b integer Some(\"2\")", "Variadic rest text[] Some(\"'{}'::text[]\")"];
    assert_eq!(args(&catalog, add), expected);
    assert_eq!((add.volatility, add.setof, add.aggregate), (Volatility::Immutable, false, false));
    assert!(add.acl.is_some(), "EXECUTE was revoked from all");
    let parts = function(&catalog, "parts");
    assert_eq!(args(&catalog, parts), ["InOut x integer None", "Out y title None", "In m pair None"]);
    assert_eq!(parts.inputs().map(|a| a.name.as_str()).collect::<Vec<_>>(), ["x", "m"]);
    assert_eq!(parts.outputs().map(|a| a.name.as_str()).collect::<Vec<_>>(), ["x", "y"]);
    let rows = function(&catalog, "rows");
    assert!(rows.setof && rows.outputs().all(|a| a.mode == ArgMode::Table) && rows.comment.as_deref() == Some("Rows."));
    let one = function(&catalog, "one");
    assert!(one.setof && one.one_row && one.returns == one.args[0].ty);
    assert_eq!(one.config, [("statement_timeout".to_owned(), vec!["3s".to_owned()])]);
    let row = catalog.type_by_oid(Oid(one.returns)).expect("the type of a row");
    let films = catalog.relation("public", "films").expect("the table");
    assert_eq!(row.kind, TypeKind::Row { relation: films.oid });
    assert!(function(&catalog, "act").procedure && function(&catalog, "last").aggregate);
    assert_eq!(args(&catalog, function(&catalog, "at")), ["In  point None", "In  money[] None"]);
}

#[test]
fn implicit_casts_are_read() {
    let later = "create function public.later(anyelement, anyelement) returns anyelement language sql as 'select $2';";
    let served = Served::new(&format!("{later}{SCHEMA}"));
    let catalog = served.engine.catalog();
    let title = Oid(catalog.type_named("public", "title").expect("the domain").oid);
    let shown = Oid(function(&catalog, "shown").oid);
    assert_eq!(catalog.implicit_cast(title, basalt_types::pg::oid::JSON), Some(shown));
    assert_eq!(catalog.implicit_cast(basalt_types::pg::oid::JSON, title), None);
}
