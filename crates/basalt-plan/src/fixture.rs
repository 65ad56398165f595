//! Small catalogs for tests, from a few lines of text.
//!
//! ```text
//! table posts(id int8 pk, owner uuid, title text not null default 'x') owner postgres
//! rls posts            force posts
//! policy p on posts restrictive for select to anon,authenticated using (…) check (…)
//! grant select,insert on posts to anon        grant select(id) on posts to anon
//! index posts(title)   unique posts(title)    fk comments(post) posts(id)    check posts (id > 0)
//! view v invoker as select …      enum mood(a,b)      domain short text check (…)      role manager inherit authenticated
//! ```
//! Roles postgres (superuser), anon, authenticated, service_role (BYPASSRLS) and the schema public (USAGE for all) exist.

use basalt_catalog::{
    Acl, AclItem, Action, Catalog, Column, Constraint, ConstraintKind, Deferral, Index, IndexKey, IndexTerm, Policy,
    PolicyCommand, Privileges, Relation, RelationKind, Role, Schema, TypeDef, TypeKind, View,
};
use basalt_types::pg;

/// Builds a catalog; panics on a line it does not know.
pub(crate) fn catalog(text: &str) -> Catalog {
    let mut catalog = Catalog::new();
    for (name, superuser, bypass_rls) in [
        ("postgres", true, true),
        ("anon", false, false),
        ("authenticated", false, false),
        ("service_role", false, true),
        ("owner", false, false),
    ] {
        catalog.put_role(role(name, superuser, bypass_rls, &[]));
    }
    let oid = catalog.allocate_oid();
    catalog.put_schema(Schema {
        oid: oid.0,
        name: "public".into(),
        owner: "postgres".into(),
        acl: Some(Acl(vec![item("", Privileges::USAGE)])),
        comment: None,
    });
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        apply(&mut catalog, line);
    }
    catalog.set_version(1);
    catalog
}

fn role(name: &str, superuser: bool, bypass_rls: bool, member_of: &[&str]) -> Role {
    Role {
        name: name.into(),
        superuser,
        bypass_rls,
        inherit: true,
        login: false,
        member_of: member_of.iter().map(|s| (*s).to_owned()).collect(),
        config: Vec::new(),
    }
}

fn item(grantee: &str, privileges: Privileges) -> AclItem {
    AclItem { grantee: grantee.into(), grantor: "postgres".into(), privileges, grant_options: Privileges::NONE }
}

fn change(catalog: &mut Catalog, name: &str, work: impl FnOnce(&mut Relation)) {
    let mut relation = (**catalog.relation("public", name).expect("a known relation")).clone();
    work(&mut relation);
    catalog.put_relation(relation);
}

fn split(text: &str, open: char) -> (&str, &str) {
    let at = text.find(open).expect("an opening parenthesis");
    let end = text.rfind(')').expect("a closing parenthesis");
    (text[..at].trim(), &text[at + 1..end])
}

fn apply(catalog: &mut Catalog, line: &str) {
    let (word, rest) = line.split_once(' ').expect("a word and more");
    match word {
        "table" => table(catalog, rest),
        "rls" => change(catalog, rest, |r| r.row_security = true),
        "force" => change(catalog, rest, |r| r.force_row_security = true),
        "policy" => policy(catalog, rest),
        "grant" => grant(catalog, rest),
        "index" | "unique" => {
            let (name, columns) = split(rest, '(');
            add_index(catalog, name, columns, word == "unique", None);
        }
        "fk" => {
            let mut parts = rest.split_whitespace();
            let (table, own) = split(parts.next().expect("table(column)"), '(');
            let (target, theirs) = split(parts.next().expect("table(column)"), '(');
            let parent = catalog.relation("public", target).expect("the referenced table").clone();
            let oid = catalog.allocate_oid().0;
            change(catalog, table, |r| {
                let column = r.column(own).expect("the column").attnum;
                let kind = ConstraintKind::ForeignKey {
                    columns: vec![column],
                    target: parent.oid,
                    target_columns: vec![parent.column(theirs).expect("the column").attnum],
                    on_delete: Action::NoAction,
                    on_update: Action::NoAction,
                    match_full: false,
                    set_columns: Vec::new(),
                };
                r.constraints.push(constraint(oid, &format!("{}_{own}_fkey", r.name), kind));
            });
        }
        "check" => {
            let (name, expr) = split(rest, '(');
            let oid = catalog.allocate_oid().0;
            change(catalog, name, |r| {
                let kind = ConstraintKind::Check { expr: expr.into() };
                r.constraints.push(constraint(oid, &format!("{}_check", r.name), kind));
            });
        }
        "view" => view(catalog, rest),
        "enum" => {
            let (name, labels) = split(rest, '(');
            put_type(catalog, name, TypeKind::Enum { labels: labels.split(',').map(|l| l.trim().to_owned()).collect() });
        }
        "domain" => {
            let (head, check) = split(rest, '(');
            let mut words = head.split_whitespace();
            let (name, base) = (words.next().expect("a name"), words.next().expect("a type"));
            let base = pg::builtin_by_name(base).expect("a built-in type").oid.0;
            let checks = vec![(format!("{name}_check"), check.to_owned())];
            put_type(catalog, name, TypeKind::Domain { base, typmod: -1, not_null: false, default: None, checks });
        }
        "role" => {
            let mut words = rest.split_whitespace();
            let name = words.next().expect("a name");
            let parents: Vec<&str> = words.skip(1).collect();
            catalog.put_role(role(name, false, false, &parents));
        }
        other => panic!("unknown line: {other}"),
    }
}

fn put_type(catalog: &mut Catalog, name: &str, kind: TypeKind) {
    let (oid, array) = (catalog.allocate_oid(), catalog.allocate_oid());
    let schema = catalog.schema("public").expect("public").oid;
    catalog.put_type(TypeDef {
        oid: oid.0,
        array_oid: array.0,
        schema,
        name: name.into(),
        owner: "postgres".into(),
        acl: None,
        comment: None,
        kind,
    });
}

fn constraint(oid: u32, name: &str, kind: ConstraintKind) -> Constraint {
    Constraint { oid, name: name.into(), kind, deferral: Deferral::default(), validated: true, comment: None }
}

fn type_oid(catalog: &Catalog, name: &str) -> u32 {
    if let Some(element) = name.strip_suffix("[]") {
        return pg::builtin_by_name(element).expect("a built-in type").array.0;
    }
    match catalog.type_named("public", name) {
        Some(def) => def.oid,
        None => pg::builtin_by_name(name).expect("a type").oid.0,
    }
}

fn bare(catalog: &mut Catalog, name: &str, kind: RelationKind, owner: &str, columns: Vec<Column>) -> Relation {
    let oid = catalog.allocate_oid().0;
    Relation {
        oid,
        schema: catalog.schema("public").expect("public").oid,
        name: name.into(),
        kind,
        owner: owner.into(),
        next_attnum: i16::try_from(columns.len()).expect("few columns") + 1,
        columns,
        constraints: Vec::new(),
        indexes: Vec::new(),
        policies: Vec::new(),
        triggers: Vec::new(),
        row_security: false,
        force_row_security: false,
        acl: None,
        comment: None,
        view: None,
        sequence: None,
        replica_identity: "default".into(),
        partition: false,
        writes: None,
    }
}

fn column(attnum: usize, name: &str, ty: u32, not_null: bool, default: Option<String>) -> Column {
    Column {
        attnum: i16::try_from(attnum).expect("few columns"),
        name: name.into(),
        ty,
        typmod: -1,
        not_null,
        default,
        identity: None,
        generated: None,
        collation: None,
        acl: None,
        comment: None,
    }
}

fn table(catalog: &mut Catalog, rest: &str) {
    let (name, body) = split(rest, '(');
    let owner = rest.rsplit_once(" owner ").map_or("postgres", |(_, o)| o.trim());
    let mut key = None;
    let mut columns = Vec::new();
    for (i, item) in body.split(',').enumerate() {
        let mut words = item.split_whitespace();
        let (name, ty) = (words.next().expect("a column"), words.next().expect("its type"));
        let rest: Vec<&str> = words.collect();
        let default = rest.iter().position(|w| *w == "default").map(|at| rest[at + 1..].join(" "));
        if rest.contains(&"pk") {
            key = Some(name);
        }
        let not_null = rest.contains(&"pk") || rest.starts_with(&["not", "null"]);
        columns.push(column(i + 1, name, type_oid(catalog, ty), not_null, default));
    }
    let relation = bare(catalog, name, RelationKind::Table, owner, columns);
    catalog.put_relation(relation);
    if let Some(key) = key {
        let oid = catalog.allocate_oid().0;
        change(catalog, name, |r| {
            let columns = vec![r.column(key).expect("the key").attnum];
            r.constraints.push(constraint(oid, &format!("{name}_pkey"), ConstraintKind::PrimaryKey { columns }));
        });
        add_index(catalog, name, key, true, Some(oid));
    }
}

fn add_index(catalog: &mut Catalog, table: &str, columns: &str, unique: bool, serves: Option<u32>) {
    let oid = catalog.allocate_oid().0;
    change(catalog, table, |r| {
        let keys = columns
            .split(',')
            .map(|c| IndexKey {
                term: match r.column(c.trim()) {
                    Some(column) => IndexTerm::Column(column.attnum),
                    None => IndexTerm::Expr(c.trim().to_owned()),
                },
                descending: false,
                nulls_first: false,
            })
            .collect();
        let name = if serves.is_some() {
            format!("{table}_pkey")
        } else {
            format!("{table}_{}_idx", columns.replace([',', ' ', '('], "_"))
        };
        r.indexes.push(Index {
            oid,
            name,
            unique,
            nulls_not_distinct: false,
            keys,
            include: Vec::new(),
            filter: None,
            method: "btree".into(),
            constraint: serves,
            comment: None,
        });
    });
}

fn policy(catalog: &mut Catalog, rest: &str) {
    let part = |word: &str| {
        let at = rest.find(&format!(" {word} ("))? + word.len() + 3;
        let mut depth = 1;
        let end = rest[at..].char_indices().find(|(_, c)| {
            depth += i32::from(*c == '(') - i32::from(*c == ')');
            depth == 0
        })?;
        Some(rest[at..at + end.0].to_owned())
    };
    let head = rest.split(" using (").next().and_then(|h| h.split(" check (").next()).expect("a head");
    let words: Vec<&str> = head.split_whitespace().collect();
    let after = |word: &str| words.iter().position(|w| *w == word).and_then(|at| words.get(at + 1)).copied();
    let policy = Policy {
        name: words[0].into(),
        permissive: !words.contains(&"restrictive"),
        command: match after("for").unwrap_or("all") {
            "select" => PolicyCommand::Select,
            "insert" => PolicyCommand::Insert,
            "update" => PolicyCommand::Update,
            "delete" => PolicyCommand::Delete,
            _ => PolicyCommand::All,
        },
        roles: after("to").map(|r| r.split(',').map(str::to_owned).collect()).unwrap_or_default(),
        using: part("using"),
        check: part("check"),
        comment: None,
    };
    change(catalog, after("on").expect("a table"), |r| r.policies.push(policy));
}

fn grant(catalog: &mut Catalog, rest: &str) {
    let (what, rest) = rest.split_once(" on ").expect("on");
    let (table, grantee) = rest.split_once(" to ").expect("to");
    let (words, columns) = match what.split_once('(') {
        Some((words, columns)) => (words, Some(columns.trim_end_matches(')'))),
        None => (what, None),
    };
    let privileges = words.split(',').fold(Privileges::NONE, |sum, word| {
        sum.with(match word.trim() {
            "select" => Privileges::SELECT,
            "insert" => Privileges::INSERT,
            "update" => Privileges::UPDATE,
            "delete" => Privileges::DELETE,
            "all" => Privileges::ALL_TABLE,
            other => panic!("unknown privilege {other}"),
        })
    });
    change(catalog, table, |r| match columns {
        None => {
            // The first GRANT writes down what the owner has anyway.
            let owner = item(&r.owner, Privileges::ALL_TABLE);
            r.acl.get_or_insert_with(|| Acl(vec![owner])).0.push(item(grantee, privileges));
        }
        Some(columns) => {
            for name in columns.split(',') {
                let column = r.columns.iter_mut().find(|c| c.name == name.trim()).expect("the column");
                column.acl.get_or_insert_with(Acl::default).0.push(item(grantee, privileges));
            }
        }
    });
}

fn view(catalog: &mut Catalog, rest: &str) {
    let (head, query) = rest.split_once(" as ").expect("as");
    let words: Vec<&str> = head.split_whitespace().collect();
    let context = basalt_sql::analyze::Context::default();
    let typed = basalt_sql::analyze::query_text(query, catalog, &context).expect("a view's query");
    let columns = typed.columns().iter().enumerate().map(|(i, (name, ty))| column(i + 1, name, ty.oid.0, false, None)).collect();
    let owner = words.iter().position(|w| *w == "owner").and_then(|at| words.get(at + 1)).copied().unwrap_or("postgres");
    let mut relation = bare(catalog, words[0], RelationKind::View, owner, columns);
    relation.view = Some(View {
        query: query.into(),
        security_invoker: words.contains(&"invoker"),
        check_option: None,
        origins: Vec::new(),
        unpopulated: false,
    });
    catalog.put_relation(relation);
}
