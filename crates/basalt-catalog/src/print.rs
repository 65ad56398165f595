//! A catalog as stable text: for golden tests, for `db diff`, for reading.
//!
//! One line an object or member, indented by belonging, ordered by name (columns and constraints by number). OIDs never appear, so
//! that two databases with the same schema print the same.

use std::fmt::{self, Write};

use basalt_types::{Oid, TypeRef};

use crate::acl::{Acl, GrantKind};
use crate::relation::{
    Column, Constraint, ConstraintKind, Index, IndexTerm, PolicyCommand, Relation, RelationKind, TriggerTiming,
};
use crate::{Action, Catalog, TypeKind};

/// Prints the schemas that `wanted` accepts with all they hold; roles, publications and extensions are left to [`print_roles`].
pub fn print(catalog: &Catalog, wanted: impl Fn(&str) -> bool) -> String {
    let mut out = String::new();
    let mut schemas: Vec<_> = catalog.schemas().filter(|s| wanted(&s.name)).collect();
    schemas.sort_by(|a, b| a.name.cmp(&b.name));
    for schema in schemas {
        // Writing to a String cannot fail.
        let _ = print_schema(&mut out, catalog, schema);
    }
    out
}

/// Prints roles, default privileges, publications and extensions.
pub fn print_roles(catalog: &Catalog) -> String {
    let mut out = String::new();
    let _ = roles(&mut out, catalog);
    out
}

fn roles(out: &mut String, catalog: &Catalog) -> fmt::Result {
    for role in catalog.roles() {
        write!(out, "role {}", role.name)?;
        for (word, set) in
            [("superuser", role.superuser), ("bypassrls", role.bypass_rls), ("noinherit", !role.inherit), ("login", role.login)]
        {
            if set {
                write!(out, " {word}")?;
            }
        }
        if !role.member_of.is_empty() {
            write!(out, " member of {}", role.member_of.join(", "))?;
        }
        writeln!(out)?;
        for (name, value) in &role.config {
            writeln!(out, "  set {name} = {value}")?;
        }
    }
    for entry in catalog.default_acls() {
        let place = entry.schema.map_or(String::new(), |s| format!(" in {}", catalog.schema_name(s)));
        writeln!(out, "default privileges of {}{place} on {:?}: {}", entry.role, entry.kind, acl_text(&entry.acl))?;
    }
    for publication in catalog.publications() {
        let mut tables: Vec<String> = publication
            .tables
            .iter()
            .filter_map(|t| catalog.relation_by_oid(Oid(*t)))
            .map(|r| catalog.qualified_name(r))
            .collect();
        tables.sort();
        let tables = if publication.all_tables { "all tables".to_owned() } else { tables.join(", ") };
        writeln!(out, "publication {}: {tables}", publication.name)?;
    }
    for extension in catalog.extensions() {
        writeln!(out, "extension {} in {}", extension.name, extension.schema)?;
    }
    Ok(())
}

fn print_schema(out: &mut String, catalog: &Catalog, schema: &crate::Schema) -> fmt::Result {
    writeln!(out, "schema {} owner {}{}", schema.name, schema.owner, acl_suffix(schema.acl.as_ref()))?;
    comment(out, "  ", schema.comment.as_deref())?;
    let mut types: Vec<_> = catalog.types().filter(|t| t.schema == schema.oid).collect();
    types.sort_by(|a, b| a.name.cmp(&b.name));
    for def in types {
        write!(out, "  type {}: ", def.name)?;
        match &def.kind {
            TypeKind::Enum { labels } => write!(out, "enum ({})", labels.join(", "))?,
            TypeKind::Domain { base, typmod, not_null, default, checks } => {
                write!(out, "domain {}", catalog.format_type(TypeRef { oid: Oid(*base), typmod: *typmod }))?;
                if *not_null {
                    write!(out, " not null")?;
                }
                if let Some(default) = default {
                    write!(out, " default {default}")?;
                }
                for (name, check) in checks {
                    write!(out, " constraint {name} check ({check})")?;
                }
            }
            TypeKind::Composite { fields } => {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|(name, ty, typmod)| {
                        format!("{name} {}", catalog.format_type(TypeRef { oid: Oid(*ty), typmod: *typmod }))
                    })
                    .collect();
                write!(out, "composite ({})", fields.join(", "))?;
            }
            TypeKind::Row { relation } => write!(out, "row of {relation}")?,
            TypeKind::Other => write!(out, "other")?,
        }
        writeln!(out, "{}", acl_suffix(def.acl.as_ref()))?;
        comment(out, "    ", def.comment.as_deref())?;
    }
    let mut relations: Vec<_> = catalog.relations().filter(|r| r.schema == schema.oid).collect();
    relations.sort_by(|a, b| a.name.cmp(&b.name));
    for relation in relations {
        print_relation(out, catalog, relation)?;
    }
    let mut functions: Vec<(String, _)> =
        catalog.functions().filter(|f| f.schema == schema.oid).map(|f| (signature(catalog, f), f)).collect();
    functions.sort_by(|a, b| a.0.cmp(&b.0));
    for (signature, function) in functions {
        write!(out, "  {} {signature} returns ", if function.procedure { "procedure" } else { "function" })?;
        if function.setof {
            write!(out, "setof ")?;
        }
        write!(
            out,
            "{} {} {:?}",
            catalog.format_type(TypeRef::of(Oid(function.returns))),
            function.language,
            function.volatility
        )?;
        for (word, set) in [("strict", function.strict), ("security definer", function.security_definer)] {
            if set {
                write!(out, " {word}")?;
            }
        }
        for (name, values) in &function.config {
            write!(out, " set {name} = {}", values.join(", "))?;
        }
        writeln!(out, "{}", acl_suffix(function.acl.as_ref()))?;
        comment(out, "    ", function.comment.as_deref())?;
    }
    Ok(())
}

/// `name(integer, text)`, as `regprocedure` prints a function without its schema.
pub fn signature(catalog: &Catalog, function: &crate::Function) -> String {
    use crate::ArgMode;
    let args: Vec<String> = function
        .args
        .iter()
        .filter(|a| matches!(a.mode, ArgMode::In | ArgMode::InOut | ArgMode::Variadic))
        .map(|a| catalog.format_type(TypeRef::of(Oid(a.ty))))
        .collect();
    format!("{}({})", function.name, args.join(","))
}

fn print_relation(out: &mut String, catalog: &Catalog, relation: &Relation) -> fmt::Result {
    let kind = match relation.kind {
        RelationKind::Table => "table",
        RelationKind::View => "view",
        RelationKind::MaterializedView => "materialized view",
        RelationKind::Sequence => "sequence",
    };
    write!(out, "  {kind} {} owner {}", relation.name, relation.owner)?;
    for (word, set) in [("rls", relation.row_security), ("force rls", relation.force_row_security)] {
        if set {
            write!(out, " {word}")?;
        }
    }
    if relation.replica_identity != "default" && relation.kind == RelationKind::Table {
        write!(out, " replica identity {}", relation.replica_identity)?;
    }
    writeln!(out, "{}", acl_suffix(relation.acl.as_ref()))?;
    comment(out, "    ", relation.comment.as_deref())?;
    if let Some(s) = &relation.sequence {
        let ty = catalog.format_type(TypeRef::of(Oid(s.ty)));
        write!(out, "    {ty} start {} increment {} min {} max {} cache {}", s.start, s.increment, s.min, s.max, s.cache)?;
        if s.cycle {
            write!(out, " cycle")?;
        }
        if let Some((table, attnum)) = s.owned_by
            && let Some(table) = catalog.relation_by_oid(Oid(table))
        {
            write!(out, " owned by {}.{}", catalog.qualified_name(table), column_name(table, attnum))?;
        }
        writeln!(out)?;
    }
    if let Some(view) = &relation.view {
        let invoker = if view.security_invoker { " security_invoker" } else { "" };
        let check = view.check_option.as_ref().map_or(String::new(), |c| format!(" with {c} check option"));
        let data = if view.unpopulated { " with no data" } else { "" };
        writeln!(out, "    as{invoker}{check}{data}: {}", view.query)?;
    }
    for column in &relation.columns {
        print_column(out, catalog, column)?;
    }
    for constraint in &relation.constraints {
        writeln!(out, "    constraint {} {}", constraint.name, constraint_text(catalog, relation, constraint))?;
        comment(out, "      ", constraint.comment.as_deref())?;
    }
    for index in relation.indexes.iter().filter(|i| i.constraint.is_none()) {
        writeln!(out, "    index {} {}", index.name, index_text(relation, index))?;
        comment(out, "      ", index.comment.as_deref())?;
    }
    for policy in &relation.policies {
        let command = match policy.command {
            PolicyCommand::All => "all",
            PolicyCommand::Select => "select",
            PolicyCommand::Insert => "insert",
            PolicyCommand::Update => "update",
            PolicyCommand::Delete => "delete",
        };
        let roles = if policy.roles.is_empty() { "public".to_owned() } else { policy.roles.join(", ") };
        write!(
            out,
            "    policy {:?}{} for {command} to {roles}",
            policy.name,
            if policy.permissive { "" } else { " restrictive" }
        )?;
        if let Some(using) = &policy.using {
            write!(out, " using ({using})")?;
        }
        if let Some(check) = &policy.check {
            write!(out, " with check ({check})")?;
        }
        writeln!(out)?;
        comment(out, "      ", policy.comment.as_deref())?;
    }
    for trigger in &relation.triggers {
        let timing = match trigger.timing {
            TriggerTiming::Before => "before",
            TriggerTiming::After => "after",
            TriggerTiming::InsteadOf => "instead of",
        };
        let e = trigger.events;
        let events: Vec<&str> = [("insert", e.insert), ("update", e.update), ("delete", e.delete), ("truncate", e.truncate)]
            .iter()
            .filter(|(_, set)| *set)
            .map(|(word, _)| *word)
            .collect();
        let each = if trigger.for_each_row { "row" } else { "statement" };
        write!(out, "    trigger {} {timing} {} for each {each}", trigger.name, events.join(" or "))?;
        if !trigger.update_of.is_empty() {
            let columns: Vec<&str> = trigger.update_of.iter().map(|a| column_name(relation, *a)).collect();
            write!(out, " of {}", columns.join(", "))?;
        }
        if let Some(when) = &trigger.when {
            write!(out, " when ({when})")?;
        }
        if let Some(function) = catalog.function_by_oid(Oid(trigger.function)) {
            write!(out, " execute {}.{}({})", catalog.schema_name(function.schema), function.name, trigger.args.join(", "))?;
        }
        writeln!(out, "{}", if trigger.enabled { "" } else { " disabled" })?;
        comment(out, "      ", trigger.comment.as_deref())?;
    }
    Ok(())
}

fn print_column(out: &mut String, catalog: &Catalog, column: &Column) -> fmt::Result {
    write!(out, "    {} {} {}", column.attnum, column.name, catalog.format_type(column.type_ref()))?;
    if let Some(collation) = &column.collation {
        write!(out, " collate {collation}")?;
    }
    if column.not_null {
        write!(out, " not null")?;
    }
    if let Some(default) = &column.default {
        write!(out, " default {default}")?;
    }
    if let Some(identity) = &column.identity {
        write!(out, " identity {}", if identity.always { "always" } else { "by default" })?;
    }
    if let Some(generated) = &column.generated {
        write!(out, " generated ({generated})")?;
    }
    writeln!(out, "{}", acl_suffix(column.acl.as_ref()))?;
    comment(out, "      ", column.comment.as_deref())
}

fn column_name(relation: &Relation, attnum: i16) -> &str {
    relation.column_at(attnum).map_or("?", |c| c.name.as_str())
}

fn column_list(relation: &Relation, columns: &[i16]) -> String {
    columns.iter().map(|a| column_name(relation, *a)).collect::<Vec<_>>().join(", ")
}

fn action_text(action: Action) -> &'static str {
    match action {
        Action::NoAction => "no action",
        Action::Restrict => "restrict",
        Action::Cascade => "cascade",
        Action::SetNull => "set null",
        Action::SetDefault => "set default",
    }
}

fn constraint_text(catalog: &Catalog, relation: &Relation, constraint: &Constraint) -> String {
    let mut text = match &constraint.kind {
        ConstraintKind::Check { expr } => format!("check ({expr})"),
        ConstraintKind::Unique { columns, nulls_not_distinct } => {
            format!("unique{} ({})", if *nulls_not_distinct { " nulls not distinct" } else { "" }, column_list(relation, columns))
        }
        ConstraintKind::PrimaryKey { columns } => format!("primary key ({})", column_list(relation, columns)),
        ConstraintKind::ForeignKey { columns, target, target_columns, on_delete, on_update, match_full, set_columns } => {
            let (name, targets) = catalog
                .relation_by_oid(Oid(*target))
                .map_or((String::from("?"), String::new()), |t| (catalog.qualified_name(t), column_list(t, target_columns)));
            let mut text = format!("foreign key ({}) references {name}({targets})", column_list(relation, columns));
            if *match_full {
                text.push_str(" match full");
            }
            for (word, action) in [("delete", on_delete), ("update", on_update)] {
                if *action != Action::NoAction {
                    let _ = write!(text, " on {word} {}", action_text(*action));
                }
            }
            if !set_columns.is_empty() {
                let _ = write!(text, " ({})", column_list(relation, set_columns));
            }
            text
        }
    };
    if constraint.deferral.deferrable {
        text.push_str(if constraint.deferral.initially_deferred { " deferrable initially deferred" } else { " deferrable" });
    }
    if !constraint.validated {
        text.push_str(" not valid");
    }
    text
}

fn index_text(relation: &Relation, index: &Index) -> String {
    let keys: Vec<String> = index
        .keys
        .iter()
        .map(|key| {
            let term = match &key.term {
                IndexTerm::Column(attnum) => column_name(relation, *attnum).to_owned(),
                IndexTerm::Expr(text) => format!("({text})"),
            };
            let order = match (key.descending, key.nulls_first) {
                (false, false) => "",
                (false, true) => " nulls first",
                (true, true) => " desc",
                (true, false) => " desc nulls last",
            };
            term + order
        })
        .collect();
    let mut text = format!("{}{} ({})", if index.unique { "unique " } else { "" }, index.method, keys.join(", "));
    if !index.include.is_empty() {
        let _ = write!(text, " include ({})", column_list(relation, &index.include));
    }
    if index.nulls_not_distinct {
        text.push_str(" nulls not distinct");
    }
    if let Some(filter) = &index.filter {
        let _ = write!(text, " where ({filter})");
    }
    text
}

fn comment(out: &mut String, indent: &str, text: Option<&str>) -> fmt::Result {
    match text {
        Some(text) => writeln!(out, "{indent}comment {text:?}"),
        None => Ok(()),
    }
}

fn acl_suffix(acl: Option<&Acl>) -> String {
    acl.map_or(String::new(), |acl| format!(" acl {{{}}}", acl_text(acl)))
}

/// A list as PostgreSQL prints `aclitem[]`, without the outer braces: `=r/postgres,anon=arw/postgres`.
pub fn acl_text(acl: &Acl) -> String {
    let items: Vec<String> = acl
        .0
        .iter()
        .map(|item| {
            let letters: String = item
                .privileges
                .letters()
                .chars()
                .flat_map(|c| {
                    let starred = item.grant_options.letters().contains(c);
                    [Some(c), starred.then_some('*')].into_iter().flatten()
                })
                .collect();
            format!("{}={letters}/{}", item.grantee, item.grantor)
        })
        .collect();
    items.join(",")
}

/// The word GRANT uses for a kind in `ALL … IN SCHEMA` and default privileges.
pub fn grant_kind_word(kind: GrantKind) -> &'static str {
    match kind {
        GrantKind::Table => "tables",
        GrantKind::Sequence => "sequences",
        GrantKind::Function => "functions",
        GrantKind::Type => "types",
        GrantKind::Schema => "schemas",
    }
}
