//! The catalog the cases see; `tests/data/analyze/fixture.sql` makes the same on PostgreSQL.

use basalt_catalog::{
    ArgMode, Catalog, Column, Constraint, ConstraintKind, Deferral, Function, FunctionArg, Identity, Index, IndexKey, IndexTerm,
    Relation, RelationKind, Schema, Sequence, TypeDef, TypeKind, View, Volatility,
};
use basalt_types::pg::{self, oid};
use basalt_types::{Oid, TypeRef};

fn schema(catalog: &mut Catalog, name: &str) -> u32 {
    let oid = catalog.allocate_oid().0;
    catalog.put_schema(Schema { oid, name: name.to_owned(), owner: "postgres".to_owned(), acl: None, comment: None });
    oid
}

fn relation(catalog: &mut Catalog, schema: u32, name: &str, kind: RelationKind, columns: &[(&str, TypeRef)]) -> Relation {
    let columns: Vec<Column> = columns
        .iter()
        .zip(1i16..)
        .map(|((name, ty), attnum)| Column {
            attnum,
            name: (*name).to_owned(),
            ty: ty.oid.0,
            typmod: ty.typmod,
            not_null: attnum == 1,
            default: None,
            identity: None,
            generated: None,
            collation: None,
            acl: None,
            comment: None,
        })
        .collect();
    Relation {
        oid: catalog.allocate_oid().0,
        schema,
        name: name.to_owned(),
        kind,
        owner: "postgres".to_owned(),
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
        replica_identity: "default".to_owned(),
        partition: false,
        writes: None,
    }
}

fn key(catalog: &mut Catalog, relation: &mut Relation, name: &str, columns: &[i16], primary: bool, deferrable: bool) {
    let oid = catalog.allocate_oid().0;
    let kind = if primary {
        ConstraintKind::PrimaryKey { columns: columns.to_vec() }
    } else {
        ConstraintKind::Unique { columns: columns.to_vec(), nulls_not_distinct: false }
    };
    let deferral = Deferral { deferrable, initially_deferred: false };
    relation.constraints.push(Constraint { oid, name: name.to_owned(), kind, deferral, validated: true, comment: None });
    let terms = columns.iter().map(|c| IndexTerm::Column(*c)).collect();
    index(catalog, relation, name, terms, None, Some(oid));
}

fn index(
    catalog: &mut Catalog,
    relation: &mut Relation,
    name: &str,
    terms: Vec<IndexTerm>,
    filter: Option<&str>,
    constraint: Option<u32>,
) {
    relation.indexes.push(Index {
        oid: catalog.allocate_oid().0,
        name: name.to_owned(),
        unique: true,
        nulls_not_distinct: false,
        keys: terms.into_iter().map(|term| IndexKey { term, descending: false, nulls_first: false }).collect(),
        include: Vec::new(),
        filter: filter.map(str::to_owned),
        method: "btree".to_owned(),
        constraint,
        comment: None,
    });
}

fn user_type(catalog: &mut Catalog, schema: u32, name: &str, kind: TypeKind) -> TypeRef {
    let oid = catalog.allocate_oid();
    let array_oid = catalog.allocate_oid().0;
    let name = name.to_owned();
    catalog.put_type(TypeDef {
        oid: oid.0,
        array_oid,
        schema,
        name,
        owner: "postgres".to_owned(),
        acl: None,
        comment: None,
        kind,
    });
    TypeRef::of(oid)
}

struct NewFunction<'a> {
    name: &'a str,
    args: &'a [(&'a str, ArgMode, Oid, Option<&'a str>)],
    returns: Oid,
    setof: bool,
    volatility: Volatility,
}

fn function(catalog: &mut Catalog, schema: u32, new: &NewFunction<'_>) {
    let args = new
        .args
        .iter()
        .map(|(name, mode, ty, default)| FunctionArg {
            name: (*name).to_owned(),
            mode: *mode,
            ty: ty.0,
            default: default.map(str::to_owned),
        })
        .collect();
    let oid = catalog.allocate_oid().0;
    catalog.put_function(Function {
        oid,
        schema,
        name: new.name.to_owned(),
        owner: "postgres".to_owned(),
        procedure: false,
        args,
        returns: new.returns.0,
        setof: new.setof,
        language: "sql".to_owned(),
        body: String::new(),
        volatility: new.volatility,
        strict: false,
        aggregate: false,
        one_row: false,
        security_definer: false,
        config: Vec::new(),
        acl: None,
        comment: None,
    });
}

pub(super) fn catalog() -> Catalog {
    let t = TypeRef::of;
    let varchar = |n: i32| TypeRef { oid: oid::VARCHAR, typmod: n + 4 };
    let mut c = Catalog::new();
    let public = schema(&mut c, "public");
    let auth = schema(&mut c, "auth");
    schema(&mut c, "extensions");

    let labels = ["sad", "ok", "happy"].map(str::to_owned).to_vec();
    let mood = user_type(&mut c, public, "mood", TypeKind::Enum { labels });
    let email = TypeKind::Domain {
        base: oid::TEXT.0,
        typmod: -1,
        not_null: false,
        default: None,
        checks: vec![("email_check".to_owned(), "value ~ '@'".to_owned())],
    };
    let email = user_type(&mut c, public, "email", email);
    let fields = vec![("x".to_owned(), oid::INT4.0, -1), ("y".to_owned(), oid::FLOAT8.0, -1)];
    let pair = user_type(&mut c, public, "pair", TypeKind::Composite { fields });

    let users = [
        ("id", t(oid::UUID)),
        ("email", varchar(255)),
        ("raw_user_meta_data", t(oid::JSONB)),
        ("created_at", t(oid::TIMESTAMPTZ)),
    ];
    let mut users = relation(&mut c, auth, "users", RelationKind::Table, &users);
    key(&mut c, &mut users, "users_pkey", &[1], true, false);
    c.put_relation(users);

    let profiles = [("id", t(oid::UUID)), ("name", t(oid::TEXT)), ("mood", mood), ("mail", email), ("age", t(oid::INT2))];
    let mut profiles = relation(&mut c, public, "profiles", RelationKind::Table, &profiles);
    key(&mut c, &mut profiles, "profiles_pkey", &[1], true, false);
    c.put_relation(profiles);

    let posts = [
        ("id", t(oid::INT8)),
        ("title", t(oid::TEXT)),
        ("author", t(oid::UUID)),
        ("tags", t(oid::TEXT_ARRAY)),
        ("meta", t(oid::JSONB)),
        ("created_at", t(oid::TIMESTAMPTZ)),
        ("score", TypeRef { oid: oid::NUMERIC, typmod: ((10 << 16) | 2) + 4 }),
        ("n", t(oid::INT4)),
        ("slug", varchar(20)),
        ("published", t(oid::BOOL)),
        ("day", t(oid::DATE)),
        ("ratio", t(oid::FLOAT8)),
        ("raw", t(oid::JSON)),
        ("place", pair),
        ("code", TypeRef { oid: oid::BPCHAR, typmod: 3 + 4 }),
    ];
    let mut posts = relation(&mut c, public, "posts", RelationKind::Table, &posts);
    key(&mut c, &mut posts, "posts_pkey", &[1], true, false);
    key(&mut c, &mut posts, "posts_author_title_key", &[3, 2], false, false);
    key(&mut c, &mut posts, "posts_n_key", &[8], false, true);
    index(&mut c, &mut posts, "posts_lower_idx", vec![IndexTerm::Expr("lower(title)".to_owned())], None, None);
    index(&mut c, &mut posts, "posts_slug_idx", vec![IndexTerm::Column(9)], Some("published"), None);
    let sequence = c.allocate_oid().0;
    posts.columns[0].identity = Some(Identity { always: true, sequence });
    c.put_relation(posts);
    let mut ids = relation(&mut c, public, "posts_id_seq", RelationKind::Sequence, &[]);
    ids.oid = sequence;
    ids.sequence =
        Some(Sequence { ty: oid::INT8.0, start: 1, increment: 1, min: 1, max: i64::MAX, cycle: false, cache: 1, owned_by: None });
    c.put_relation(ids);

    let comments = [
        ("id", t(oid::INT8)),
        ("post_id", t(oid::INT8)),
        ("author", t(oid::UUID)),
        ("body", t(oid::TEXT)),
        ("size", t(oid::INT4)),
    ];
    let mut comments = relation(&mut c, public, "comments", RelationKind::Table, &comments);
    key(&mut c, &mut comments, "comments_pkey", &[1], true, false);
    comments.columns[4].generated = Some("length(body)".to_owned());
    c.put_relation(comments);

    let view = [("id", t(oid::INT8)), ("title", t(oid::TEXT)), ("comments", t(oid::INT8))];
    let mut view = relation(&mut c, public, "post_counts", RelationKind::View, &view);
    let query = "select p.id, p.title, count(c.id) from posts p left join comments c on c.post_id = p.id group by p.id";
    view.view = Some(View {
        query: query.to_owned(),
        security_invoker: false,
        check_option: None,
        origins: Vec::new(),
        unpopulated: false,
    });
    c.put_relation(view);

    let args = [("post", ArgMode::In, oid::INT8, None), ("strict", ArgMode::In, oid::BOOL, Some("true"))];
    let is_owner =
        NewFunction { name: "is_owner", args: &args, returns: oid::BOOL, setof: false, volatility: Volatility::Stable };
    function(&mut c, public, &is_owner);
    let args = [
        ("since", ArgMode::In, oid::DATE, None),
        ("id", ArgMode::Table, oid::INT8, None),
        ("title", ArgMode::Table, oid::TEXT, None),
    ];
    let recent = NewFunction { name: "recent", args: &args, returns: oid::RECORD, setof: true, volatility: Volatility::Stable };
    function(&mut c, public, &recent);
    assert!(pg::builtin(oid::TEXT).is_some());
    c
}
