//! A compact form of typed trees: `r0.2` is column 2 of range 0, `(a =:eq b)` an operator with its implementation.

use basalt_catalog::Catalog;
use basalt_types::{TypeRef, Value};

use crate::typed::{
    Body, Expr, ExprKind, From, InsertSource, Order, Param, Query, Select, SessionParam, Statement, Target, UpdateSet,
};

fn ty(catalog: &Catalog, ty: TypeRef) -> String {
    super::type_name(catalog, ty)
}

fn list<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    items.iter().map(show).collect::<Vec<_>>().join(", ")
}

pub(super) fn expr(c: &Catalog, e: &Expr) -> String {
    let sub = |e: &Expr| expr(c, e);
    let subs = |items: &[Expr]| list(items, |e| expr(c, e));
    let not = |negated: bool| if negated { "not " } else { "" };
    match &e.kind {
        ExprKind::Const(value) => {
            let text = match value {
                Value::Null => "null".to_owned(),
                Value::Int(n) => n.to_string(),
                Value::Real(x) => format!("{x:?}"),
                Value::Text(t) => format!("'{t}'"),
                Value::Blob(b) => format!("{b:?}"),
            };
            format!("{text}::{}", ty(c, e.ty))
        }
        ExprKind::Param(Param::Numbered(n)) => format!("${n}"),
        ExprKind::Param(Param::Session(SessionParam::Setting { name, missing_ok })) => format!("$setting({name}, {missing_ok})"),
        ExprKind::Param(Param::Session(fact)) => format!("${fact:?}").to_lowercase(),
        ExprKind::Param(other) => format!("{other:?}"),
        ExprKind::Column { range, column } => format!("r{}.{column}", range.0),
        ExprKind::WholeRow { range } => format!("r{}.*", range.0),
        ExprKind::Op { symbol, imp, args } => match args.as_slice() {
            [one] => format!("({symbol}:{} {})", imp.0, sub(one)),
            args => format!("({})", args.iter().map(sub).collect::<Vec<_>>().join(&format!(" {symbol}:{} ", imp.0))),
        },
        ExprKind::Func { name, imp, args, .. } => {
            let imp = if imp.0 == *name { String::new() } else { format!(":{}", imp.0) };
            format!("{name}{imp}({})", subs(args))
        }
        ExprKind::UserFunc { function, args } => {
            let name = c.function_by_oid(*function).map_or("?", |f| f.name.as_str());
            format!("user.{name}({})", subs(args))
        }
        ExprKind::Aggregate { name, args, star, distinct, order_by, filter, .. } => {
            let order = if order_by.is_empty() { String::new() } else { format!(" order by {}", orders(c, order_by)) };
            let filter = filter.as_ref().map_or(String::new(), |f| format!(" filter {}", sub(f)));
            let args = if *star { "*".to_owned() } else { subs(args) };
            format!("agg.{name}({}{args}{order}){filter}", if *distinct { "distinct " } else { "" })
        }
        ExprKind::Window { name, args, star, partition_by, order_by, frame, .. } => {
            let args = if *star { "*".to_owned() } else { subs(args) };
            let frame = frame.as_ref().map_or(String::new(), |f| format!(" {f}"));
            format!("win.{name}({args}) over (by {} order {}{frame})", subs(partition_by), orders(c, order_by))
        }
        ExprKind::Cast { expr: inner, explicit } => {
            format!("{}({} as {})", if *explicit { "cast" } else { "coerce" }, sub(inner), ty(c, e.ty))
        }
        ExprKind::And(parts) => format!("({})", parts.iter().map(sub).collect::<Vec<_>>().join(" and ")),
        ExprKind::Or(parts) => format!("({})", parts.iter().map(sub).collect::<Vec<_>>().join(" or ")),
        ExprKind::Not(inner) => format!("not {}", sub(inner)),
        ExprKind::IsNull { expr, negated } => format!("{} is {}null", sub(expr), not(*negated)),
        ExprKind::IsBool { expr, value, negated } => format!("{} is {}{value}", sub(expr), not(*negated)),
        ExprKind::Distinct { left, right, negated } => format!("({} is {}distinct {})", sub(left), not(*negated), sub(right)),
        ExprKind::Case { arms, otherwise } => {
            let arms = arms.iter().map(|(w, t)| format!("{} then {}", sub(w), sub(t))).collect::<Vec<_>>().join("; ");
            format!("case({arms}{})", otherwise.as_ref().map_or(String::new(), |o| format!("; else {}", sub(o))))
        }
        ExprKind::Coalesce(args) => format!("coalesce({})", subs(args)),
        ExprKind::Extreme { greatest, args } => format!("{}({})", if *greatest { "greatest" } else { "least" }, subs(args)),
        ExprKind::NullIf { left, right, .. } => format!("nullif({}, {})", sub(left), sub(right)),
        ExprKind::Array(items) => format!("array[{}]", subs(items)),
        ExprKind::Row(items) => format!("row({})", subs(items)),
        ExprKind::Subscript { array, index } => format!("{}[{}]", sub(array), sub(index)),
        ExprKind::Field { expr, index } => format!("{}.f{index}", sub(expr)),
        ExprKind::QuantifiedArray { symbol, all, left, array, .. } => {
            format!("({} {symbol} {} {})", sub(left), if *all { "all" } else { "any" }, sub(array))
        }
        ExprKind::InList { expr, list, negated } => format!("({} {}in ({}))", sub(expr), not(*negated), subs(list)),
        ExprKind::QuantifiedQuery { symbol, all, left, query: q, .. } => {
            format!("(({}) {symbol} {} {})", subs(left), if *all { "all" } else { "any" }, query(c, q))
        }
        ExprKind::Exists(q) => format!("exists {}", query(c, q)),
        ExprKind::Scalar(q) => format!("scalar {}", query(c, q)),
        ExprKind::ArrayQuery(q) => format!("array {}", query(c, q)),
        ExprKind::JsonRows { query: q, shape } => format!("json {shape:?} {}", query(c, q)),
        ExprKind::Collate { expr, collation } => format!("{} collate {collation}", sub(expr)),
    }
}

fn orders(c: &Catalog, keys: &[Order]) -> String {
    let word = |k: &Order| match (k.descending, k.nulls_first) {
        (false, false) => "",
        (true, true) => " desc",
        (false, true) => " nulls first",
        (true, false) => " desc nulls last",
    };
    list(keys, |k| format!("{}{}", expr(c, &k.expr), word(k)))
}

fn targets(c: &Catalog, list_of: &[Target]) -> String {
    list(list_of, |t| expr(c, &t.expr))
}

fn from(c: &Catalog, item: &From) -> String {
    let lateral = |yes: bool| if yes { "lateral " } else { "" };
    match item {
        From::Table { range, relation, .. } => {
            format!("r{} {}", range.0, c.relation_by_oid(*relation).map_or("?", |r| r.name.as_str()))
        }
        From::Query { range, query: q, lateral: l, view, .. } => {
            let view = if view.is_some() { "view " } else { "" };
            format!("r{} {}{view}{}", range.0, lateral(*l), query(c, q))
        }
        From::Cte { range, cte, .. } => format!("r{} cte{cte}", range.0),
        From::Function { range, call, columns, with_ordinality, lateral: l, .. } => {
            let columns = list(columns, |(n, t)| format!("{n} {}", ty(c, *t)));
            let ordinality = if *with_ordinality { " with ordinality" } else { "" };
            format!("r{} {}{}({columns}){ordinality}", range.0, lateral(*l), expr(c, call))
        }
        From::Join { kind, left, right, on } => {
            let on = on.as_ref().map_or(String::new(), |e| format!(" on {}", expr(c, e)));
            format!("[{} {kind:?} {}{on}]", from(c, left), from(c, right)).replace("  ", " ")
        }
    }
}

fn select(c: &Catalog, s: &Select) -> String {
    let mut out = "select ".to_owned();
    match &s.distinct {
        None => {}
        Some(on) if on.is_empty() => out.push_str("distinct "),
        Some(on) => out.push_str(&format!("distinct on ({}) ", list(on, |e| expr(c, e)))),
    }
    out.push_str(&targets(c, &s.targets));
    if !s.from.is_empty() {
        out.push_str(&format!(" from {}", list(&s.from, |f| from(c, f))));
    }
    if let Some(filter) = &s.filter {
        out.push_str(&format!(" where {}", expr(c, filter)));
    }
    if !s.group_by.is_empty() {
        out.push_str(&format!(" group by {}", list(&s.group_by, |e| expr(c, e))));
    }
    if let Some(having) = &s.having {
        out.push_str(&format!(" having {}", expr(c, having)));
    }
    out
}

pub(super) fn query(c: &Catalog, q: &Query) -> String {
    let mut out = String::from("(");
    for cte in &q.ctes {
        let recursive = if cte.recursive { "recursive " } else { "" };
        out.push_str(&format!("with {recursive}cte{} {} ", cte.id, query(c, &cte.query)));
    }
    match &q.body {
        Body::Select(s) => out.push_str(&select(c, s)),
        Body::Values { rows } => {
            out.push_str(&format!("values {}", list(rows, |row| format!("({})", list(row, |e| expr(c, e))))))
        }
        Body::Set { op, all, left, right, range } => {
            let all = if *all { " all" } else { "" };
            out.push_str(&format!("{} {op:?}{all} r{} {}", query(c, left), range.0, query(c, right)));
        }
    }
    if !q.order_by.is_empty() {
        out.push_str(&format!(" order by {}", orders(c, &q.order_by)));
    }
    for (word, e) in [("limit", &q.limit), ("offset", &q.offset)] {
        if let Some(e) = e {
            out.push_str(&format!(" {word} {}", expr(c, e)));
        }
    }
    out.push(')');
    out
}

fn relation(c: &Catalog, oid: basalt_types::Oid) -> String {
    let Some(relation) = c.relation_by_oid(oid) else { return "?".to_owned() };
    let schema = c.schema_by_oid(basalt_types::Oid(relation.schema)).map_or("?", |s| s.name.as_str());
    format!("{schema}.{}", relation.name)
}

fn option(c: &Catalog, value: &Option<Expr>) -> String {
    value.as_ref().map_or("default".to_owned(), |e| expr(c, e))
}

fn tail(c: &Catalog, filter: &Option<Expr>, returning: &[Target]) -> String {
    let filter = filter.as_ref().map_or(String::new(), |f| format!(" where {}", expr(c, f)));
    let returning = if returning.is_empty() { String::new() } else { format!(" returning {}", targets(c, returning)) };
    format!("{filter}{returning}")
}

fn assignments(c: &Catalog, set: &[(i16, Option<Expr>)]) -> String {
    list(set, |(attnum, value)| format!("{attnum} = {}", option(c, value)))
}

pub(super) fn statement(c: &Catalog, s: &Statement) -> String {
    match s {
        Statement::Query(q) => query(c, q),
        Statement::Insert(i) => {
            let source = match &i.source {
                InsertSource::Values(rows) => {
                    format!("values {}", list(rows, |row| format!("({})", list(row, |e| option(c, e)))))
                }
                InsertSource::Query(q) => query(c, q),
                InsertSource::Payload { .. } => "payload".to_owned(),
            };
            let conflict = i.on_conflict.as_ref().map_or(String::new(), |conflict| {
                let names = list(&conflict.arbiters, |oid| {
                    let indexes = c.relation_by_oid(i.relation).map(|r| r.indexes.clone()).unwrap_or_default();
                    indexes.iter().find(|x| x.oid == oid.0).map_or("?".to_owned(), |x| x.name.clone())
                });
                let action = conflict.update.as_ref().map_or("nothing".to_owned(), |u| {
                    format!("update excluded r{} set {}{}", u.excluded.0, assignments(c, &u.set), tail(c, &u.filter, &[]))
                });
                format!(" on conflict ({names}) {action}")
            });
            let columns = list(&i.columns, ToString::to_string);
            let with = if i.ctes.is_empty() { String::new() } else { format!("with {} ", list(&i.ctes, |x| query(c, &x.query))) };
            format!(
                "{with}insert r{} {} ({columns}) {source}{conflict}{}",
                i.range.0,
                relation(c, i.relation),
                tail(c, &None, &i.returning)
            )
        }
        Statement::Update(u) => {
            let set = match &u.set {
                UpdateSet::Exprs(set) => assignments(c, set),
                UpdateSet::Payload { columns, .. } => format!("payload {columns:?}"),
            };
            let from_text = if u.from.is_empty() { String::new() } else { format!(" from {}", list(&u.from, |f| from(c, f))) };
            format!("update r{} {} set {set}{from_text}{}", u.range.0, relation(c, u.relation), tail(c, &u.filter, &u.returning))
        }
        Statement::Delete(d) => {
            let using = if d.using.is_empty() { String::new() } else { format!(" using {}", list(&d.using, |f| from(c, f))) };
            format!("delete r{} {}{using}{}", d.range.0, relation(c, d.relation), tail(c, &d.filter, &d.returning))
        }
    }
}
