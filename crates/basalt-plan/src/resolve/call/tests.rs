use super::*;
use crate::ask::{Ask, Field, ReadAsk};
use crate::dialect::sqlite::{Context, compile};
use crate::expressions::ExprCache;
use crate::guard::Caller;
use crate::plan::Output;
use crate::program::Program;
use crate::resolve::{Settings, resolve};

/// `name(a int4, b text = x, variadic c _text)` and the like as a function of the schema public that returns int4, or as said.
fn add(catalog: &mut Catalog, name: &str, inputs: &[(&str, Oid, ArgMode, bool)], returns: Oid) -> u32 {
    let oid = catalog.allocate_oid().0;
    let schema = catalog.schema("public").expect("the schema").oid;
    let arg = |(name, ty, mode, has_default): &(&str, Oid, ArgMode, bool)| FunctionArg {
        name: (*name).to_owned(),
        mode: *mode,
        ty: ty.0,
        default: has_default.then(|| "1".to_owned()),
    };
    catalog.put_function(Function {
        oid,
        schema,
        name: name.to_owned(),
        owner: "postgres".to_owned(),
        procedure: false,
        args: inputs.iter().map(arg).collect(),
        returns: returns.0,
        setof: false,
        language: "sql".to_owned(),
        body: "select 1".to_owned(),
        volatility: Volatility::Stable,
        strict: false,
        aggregate: false,
        one_row: false,
        security_definer: false,
        config: vec![("statement_timeout".to_owned(), vec!["2s".to_owned()])],
        acl: None,
        comment: None,
    });
    oid
}

fn tables() -> Catalog {
    let mut catalog = crate::fixture::catalog("table t(id int8 pk)\ngrant select on t to anon");
    let (table, schema) = {
        let table = catalog.relation("public", "t").expect("the table");
        (table.oid, table.schema)
    };
    let row = catalog.allocate_oid();
    catalog.put_type(basalt_catalog::TypeDef {
        oid: row.0,
        array_oid: 0,
        schema,
        name: "t".to_owned(),
        owner: "postgres".to_owned(),
        acl: None,
        comment: None,
        kind: TypeKind::Row { relation: table },
    });
    add(&mut catalog, "computed", &[("", row, ArgMode::In, false)], oid::INT4);
    add(&mut catalog, "sum", &[("a", oid::INT4, ArgMode::In, false), ("b", oid::INT4, ArgMode::In, true)], oid::INT4);
    add(&mut catalog, "sum", &[("text", oid::TEXT, ArgMode::In, false)], oid::INT4);
    add(&mut catalog, "sum", &[("", oid::JSON, ArgMode::In, false)], oid::INT4);
    add(&mut catalog, "twice", &[("a", oid::INT4, ArgMode::In, true)], oid::INT4);
    add(&mut catalog, "twice", &[("a", oid::INT4, ArgMode::In, true), ("b", oid::INT4, ArgMode::In, true)], oid::INT4);
    add(&mut catalog, "fired", &[], oid::TRIGGER);
    add(&mut catalog, "nothing", &[("x", oid::INT4, ArgMode::Out, false)], oid::INT4);
    catalog
}

fn chosen(catalog: &Catalog, name: &str, given: &[&str], body: CallBody) -> String {
    let arguments: BTreeSet<String> = given.iter().map(|n| (*n).to_owned()).collect();
    match function(catalog, &Wanted { schema: "public", name, arguments: &arguments, body }) {
        Ok(found) => found.inputs().map(|a| a.name.as_str()).collect::<Vec<_>>().join(","),
        Err(ResolveError::AmbiguousFunction(all)) => format!("{} fit", all.len()),
        Err(ResolveError::UnknownFunction { near, .. }) => near.map_or("none".to_owned(), |near| format!("none, near {near}")),
        Err(other) => format!("{other:?}"),
    }
}

#[test]
fn the_arguments_choose_the_function() {
    let catalog = tables();
    let chosen = |name, given: &[&str], body| chosen(&catalog, name, given, body);
    assert_eq!(chosen("sum", &["a"], CallBody::None), "a,b");
    assert_eq!(chosen("sum", &["b", "a"], CallBody::Json), "a,b");
    assert_eq!(chosen("sum", &["text"], CallBody::Other), "text");
    // By no name, the body; but only a body of its type.
    assert_eq!(chosen("sum", &["z"], CallBody::Json), "");
    assert_eq!(chosen("sum", &[], CallBody::Text), "none");
    assert_eq!(chosen("sum", &["a", "bb"], CallBody::None), "none, near sum(a, b)");
    assert_eq!(chosen("twice", &["a"], CallBody::None), "2 fit");
    assert_eq!(chosen("twice", &["a", "b"], CallBody::None), "a,b");
    assert_eq!(chosen("tiwce", &[], CallBody::None), "none");
    assert_eq!(chosen("twices", &[], CallBody::None), "none, near twice");
    // What a client cannot call is as if it were not there; what is an output is not given.
    assert_eq!(chosen("fired", &[], CallBody::None), "none");
    assert_eq!(chosen("nothing", &["x"], CallBody::None), "none");
    assert_eq!(chosen("nothing", &[], CallBody::Bytes), "none");
    assert_eq!(chosen("nothing", &[], CallBody::None), "");
}

#[test]
fn sqlite_calls_functions_of_users_as_far_as_their_caller_may() {
    let catalog = tables();
    let mut catalog = catalog;
    let sum = catalog.functions_named("public", "twice")[0].oid;
    let call = Ask::Call(CallAsk {
        schema: "public".to_owned(),
        function: sum,
        arguments: Arguments::Literals(Vec::new()),
        is_safe: true,
        node: Node { select: vec![Item::Star], ..Node::default() },
        count: Count::None,
        output: Output::Array { strip_nulls: false },
        max_affected: None,
    });
    let field = Field { name: "computed".to_owned(), path: Vec::new() };
    let item = Item::Field { field: field.clone(), alias: None, cast: None, aggregate: None, aggregate_cast: None };
    let read = |node| {
        let (schema, relation) = ("public".to_owned(), "t".to_owned());
        Ask::Read(ReadAsk { schema, relation, node, count: Count::None, output: Output::Array { strip_nulls: false } })
    };
    let order = crate::ask::OrderTerm { relation: None, field, descending: false, nulls_first: None };
    let asks = [
        call,
        read(Node { select: vec![item], ..Node::default() }),
        read(Node { select: vec![Item::Star], order: vec![order], ..Node::default() }),
    ];
    let compiled = |catalog: &Catalog, ask: &Ask, role: &str| {
        let cache = ExprCache::default();
        let plan = resolve(ask, catalog, Settings::default()).expect("a plan");
        compile(&plan, &Context { catalog, caller: Caller { role }, cache: &cache })
    };
    for ask in &asks {
        for role in ["anon", "postgres"] {
            let Ok(Program::Read(program)) = compiled(&catalog, ask, role) else { panic!("{role} {ask:?}") };
            assert!(!program.short, "a function may take long");
            assert_eq!(program.touched.functions.len(), 1, "{role} {ask:?}");
        }
    }
    for name in ["twice", "computed"] {
        for mut function in catalog.functions_named("public", name).into_iter().map(|f| (**f).clone()).collect::<Vec<_>>() {
            function.acl = Some(basalt_catalog::Acl::default());
            catalog.put_function(function);
        }
    }
    for ask in &asks {
        let denied = compiled(&catalog, ask, "anon").expect_err("nobody may call it");
        assert_eq!(denied.state, SqlState::INSUFFICIENT_PRIVILEGE, "{ask:?}");
    }
}

#[test]
fn what_a_function_sets_for_itself_is_its_requests() {
    assert_eq!(duration("250"), Some(Duration::from_millis(250)));
    assert_eq!(duration("2s"), Some(Duration::from_secs(2)));
    assert_eq!(duration("1min"), Some(Duration::from_secs(60)));
    assert_eq!(duration("0"), Some(Duration::ZERO));
    assert_eq!((duration(""), duration("-1"), duration("1 year"), duration("99999999999999999999")), (None, None, None, None));
    assert_eq!(isolation("Serializable"), Some(Isolation::Serializable));
    assert_eq!(isolation("read committed"), None);
}
