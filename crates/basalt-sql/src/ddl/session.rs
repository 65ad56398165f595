//! What a file says beside objects: settings, transactions, extensions, publications, queries.

use basalt_catalog::{Extension, Publication, RelationKind};
use basalt_types::{Oid, SqlState};

use super::{Ddl, Refusal, Result, Step};
use crate::tree::{ExprKind, Name, Query, SetExpr, Statement};

/// Extensions whose functions and types exist without a library.
const ACCEPTED: [&str; 4] = ["citext", "pgcrypto", "plpgsql", "uuid-ossp"];

/// Extensions that only watch the server or speed it up: accepted, without effect. Their functions are refused where they are used.
const WITHOUT_EFFECT: [&str; 3] = ["pg_graphql", "pg_stat_statements", "pg_trgm"];

/// Extensions projects ask for, with what to do instead.
const REFUSED: [(&str, &str); 16] = [
    ("cube", "it needs PostgreSQL"),
    ("earthdistance", "it needs PostgreSQL"),
    ("hstore", "use jsonb"),
    ("http", "call other services from a function of the API"),
    ("ltree", "use text with LIKE"),
    ("moddatetime", "write a trigger function that sets new.updated_at = now()"),
    ("pg_cron", "call a function on a schedule from outside, for now"),
    ("pg_net", "call other services from a function of the API"),
    ("pgsodium", "keep secrets in the environment of the server"),
    ("pgjwt", "tokens are made and checked by the auth API"),
    ("pgmq", "use a table as the queue"),
    ("pgtap", "test over the API"),
    ("postgis", "geography needs PostgreSQL; two numeric columns may do"),
    ("supabase_vault", "keep secrets in the environment of the server"),
    ("unaccent", "normalise text in the app"),
    ("vector", "vector search needs PostgreSQL for now"),
];

/// Settings that decide about names or rows; all others are without effect here.
fn without_effect(name: &str) -> bool {
    let known = [
        "application_name",
        "backslash_quote",
        "bytea_output",
        "check_function_bodies",
        "client_encoding",
        "client_min_messages",
        "datestyle",
        "default_table_access_method",
        "default_tablespace",
        "default_toast_compression",
        "default_with_oids",
        "escape_string_warning",
        "extra_float_digits",
        "intervalstyle",
        "jit",
        "maintenance_work_mem",
        "plpgsql.extra_errors",
        "plpgsql.extra_warnings",
        "standard_conforming_strings",
        "synchronize_seqscans",
        "synchronous_commit",
        "timezone",
        "transaction_timeout",
        "work_mem",
        "xmloption",
    ];
    known.contains(&name) || name.ends_with("_timeout") || name.starts_with("log_") || name.starts_with("enable_")
}

/// Whether a function may SET this: what it decides is nothing that a function here could notice.
pub(super) fn is_indifferent(name: &str) -> bool {
    let noticed = ["bytea_output", "datestyle", "extra_float_digits", "intervalstyle", "timezone", "xmloption"];
    name.starts_with("default_transaction_") || (without_effect(name) && !noticed.contains(&name))
}

impl Ddl {
    /// SET and RESET.
    pub(super) fn set(&mut self, name: &str, values: &[String], local: bool) -> Result {
        let name = name.to_lowercase();
        let saved = (self.ctx.role.clone(), self.ctx.search_path.clone());
        match (name.as_str(), values) {
            ("search_path", []) => self.ctx.search_path = self.ctx.default_search_path.clone(),
            ("search_path", values) => self.ctx.search_path = path_of(values),
            ("role", []) => self.ctx.role = self.ctx.session_role.clone(),
            ("role", [none]) if none.eq_ignore_ascii_case("none") => self.ctx.role = self.ctx.session_role.clone(),
            ("role" | "session_authorization", [role]) => {
                let role = self.role_name(role)?;
                if !self.catalog.may_become(&self.ctx.session_role, &role) {
                    return Err(Refusal::invalid(
                        SqlState::INSUFFICIENT_PRIVILEGE,
                        format!("permission denied to set role \"{role}\""),
                    ));
                }
                self.ctx.role = role;
            }
            ("session_authorization", _) => self.ctx.role = self.ctx.session_role.clone(),
            ("all", []) => {
                self.ctx.role = self.ctx.session_role.clone();
                self.ctx.search_path = self.ctx.default_search_path.clone();
            }
            ("row_security", [value]) if !matches!(value.to_lowercase().as_str(), "on" | "off" | "true" | "false") => {
                return Err(Refusal::invalid(SqlState::INVALID_PARAMETER, "parameter \"row_security\" requires a Boolean value"));
            }
            ("session_replication_role", [value]) if value != "origin" => {
                return Err(Refusal::unsupported(
                    "SET session_replication_role",
                    "insert rows in the order of their references, and disable triggers by ALTER TABLE",
                ));
            }
            ("row_security" | "session_replication_role", _) => {
                self.steps.push(Step::NoOp(format!("SET {name}")));
            }
            (other, _) if without_effect(other) => self.steps.push(Step::NoOp(format!("SET {other}: without effect on SQLite"))),
            (other, _) if other.contains('.') => {
                self.steps.push(Step::NoOp(format!("SET {other}: settings of a migration's session end with it")));
            }
            (other, _) => {
                return Err(Refusal::invalid(
                    SqlState::UNDEFINED_OBJECT,
                    format!("unrecognized configuration parameter \"{other}\""),
                )
                .advise("leave it out: it is a setting of PostgreSQL's server"));
            }
        }
        if local && (self.ctx.role != saved.0 || self.ctx.search_path != saved.1) && self.ctx.local.is_none() {
            self.ctx.local = Some(saved);
        }
        Ok(())
    }

    /// SET CONSTRAINTS: every constraint of a name in the first schema of the search path that has one.
    pub(super) fn set_constraints(&mut self, names: &[Name], deferred: bool) -> Result {
        let mut constraints = Vec::new();
        for name in names {
            let schemas = name.schema.as_ref().map_or_else(|| self.path(), |schema| vec![schema.clone()]);
            let found = schemas.iter().find_map(|schema| {
                let here = |r: &&std::sync::Arc<basalt_catalog::Relation>| self.catalog.schema_name(r.schema) == schema;
                let all: Vec<basalt_catalog::Constraint> = (self.catalog.relations().filter(here))
                    .flat_map(|r| r.constraints.iter().filter(|c| c.name == name.name).cloned())
                    .collect();
                (!all.is_empty()).then_some(all)
            });
            let Some(found) = found else {
                return Err(Refusal::invalid(SqlState::UNDEFINED_OBJECT, format!("constraint \"{}\" does not exist", name.name)));
            };
            if deferred && found.iter().any(|c| !c.deferral.deferrable) {
                return Err(Refusal::invalid(
                    SqlState::WRONG_OBJECT_TYPE,
                    format!("constraint \"{}\" is not deferrable", name.name),
                ));
            }
            constraints.extend(found.iter().filter(|c| c.deferral.deferrable).map(|c| Oid(c.oid)));
        }
        let constraints = (!names.is_empty()).then_some(constraints);
        self.steps.push(Step::SetConstraints { constraints, deferred });
        Ok(())
    }

    /// BEGIN, COMMIT and the like: a file is one transaction.
    pub(super) fn transaction(&mut self, verb: &str, name: Option<&str>) -> Result {
        match verb {
            "begin" | "start" => {
                self.steps.push(Step::NoOp("BEGIN: a migration file is one transaction anyway".to_owned()));
            }
            "commit" | "end" => {
                self.ctx.end_transaction();
                self.steps.push(Step::NoOp("COMMIT: a migration file is one transaction, committed at its end".to_owned()));
            }
            "savepoint" | "release" if name.is_some() => {
                self.steps.push(Step::NoOp(format!("{}: nothing rolls back to it", verb.to_uppercase())));
            }
            _ => {
                return Err(Refusal::unsupported(
                    "ROLLBACK in a migration",
                    "leave out what must not apply: a migration file is one transaction",
                ));
            }
        }
        Ok(())
    }

    /// A query: run for its effects, unless it sets the search path, as dumps do.
    pub(super) fn select(&mut self, query: &Query) -> Result {
        if let Some((name, value, local)) = set_config(query) {
            let parts: Vec<String> =
                value.split(',').map(|p| p.trim().trim_matches('"').to_owned()).filter(|p| !p.is_empty()).collect();
            match name.as_str() {
                "search_path" => {
                    let saved = (self.ctx.role.clone(), self.ctx.search_path.clone());
                    self.ctx.search_path = parts;
                    if local && self.ctx.local.is_none() {
                        self.ctx.local = Some(saved);
                    }
                    return Ok(());
                }
                _ => return self.set(&name, &[value], local),
            }
        }
        self.run(&Statement::Select(Box::new(query.clone())));
        Ok(())
    }

    pub(super) fn create_extension(&mut self, name: &str, if_not_exists: bool, schema: Option<&str>) -> Result {
        if self.catalog.extensions().any(|e| e.name == name) {
            if if_not_exists {
                self.notice(format!("extension \"{name}\" already exists, skipping"));
                return Ok(());
            }
            return Err(Refusal::invalid(SqlState::DUPLICATE_OBJECT, format!("extension \"{name}\" already exists")));
        }
        if !ACCEPTED.contains(&name) && !WITHOUT_EFFECT.contains(&name) {
            let advice = REFUSED.iter().find(|(n, _)| *n == name).map_or("it needs PostgreSQL", |(_, advice)| advice);
            return Err(Refusal::unsupported(format!("extension {name}"), advice));
        }
        let schema = match schema {
            Some(schema) => self.schema(schema)?.name.clone(),
            None => self
                .path()
                .into_iter()
                .next()
                .ok_or_else(|| Refusal::invalid(SqlState::INVALID_SCHEMA, "no schema has been selected to create in"))?,
        };
        if WITHOUT_EFFECT.contains(&name) {
            self.steps.push(Step::NoOp(format!("extension {name}: without effect on SQLite")));
        }
        self.catalog.put_extension(Extension { name: name.to_owned(), schema });
        Ok(())
    }

    /// DROP EXTENSION.
    pub(super) fn drop_extension(&mut self, name: &str, if_exists: bool) -> Result {
        if !self.catalog.extensions().any(|e| e.name == name) {
            if if_exists {
                self.notice(format!("extension \"{name}\" does not exist, skipping"));
                return Ok(());
            }
            return Err(Refusal::invalid(SqlState::UNDEFINED_OBJECT, format!("extension \"{name}\" does not exist")));
        }
        let citext = [basalt_types::pg::oid::CITEXT.0, basalt_types::pg::oid::CITEXT_ARRAY.0];
        let user = self.catalog.relations().find_map(|r| r.columns.iter().find(|c| citext.contains(&c.ty)).map(|c| (r, c)));
        if name == "citext"
            && let Some((table, column)) = user
        {
            return Err(Refusal::invalid(
                SqlState::DEPENDENT_OBJECTS,
                "cannot drop extension citext because other objects depend on it",
            )
            .detail(format!("column {} of table {} depends on type citext", column.name, table.name))
            .hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
        self.catalog.remove_extension(name);
        Ok(())
    }

    /// CREATE and ALTER PUBLICATION.
    pub(super) fn publication(&mut self, verb: &str, name: &str, tables: &[Name], all_tables: bool) -> Result {
        let mut oids: Vec<u32> = Vec::new();
        for table in tables {
            let found = self.relation(table)?;
            if found.kind != RelationKind::Table {
                return Err(Refusal::invalid(
                    SqlState::INVALID_PARAMETER,
                    format!("cannot add relation \"{}\" to publication", found.name),
                )
                .detail("This operation is not supported for views and sequences."));
            }
            if !oids.contains(&found.oid) {
                oids.push(found.oid);
            }
        }
        let existing = self.catalog.publication(name).map(|p| (**p).clone());
        if verb == "create" {
            if existing.is_some() {
                return Err(Refusal::invalid(SqlState::DUPLICATE_OBJECT, format!("publication \"{name}\" already exists")));
            }
            self.catalog.put_publication(Publication { name: name.to_owned(), all_tables, tables: oids });
            return Ok(());
        }
        let mut publication = existing
            .ok_or_else(|| Refusal::invalid(SqlState::UNDEFINED_OBJECT, format!("publication \"{name}\" does not exist")))?;
        if publication.all_tables {
            return Err(Refusal::invalid(
                SqlState::NOT_IN_PREREQUISITE_STATE,
                format!("publication \"{name}\" is defined as FOR ALL TABLES"),
            )
            .detail("Tables cannot be added to or dropped from FOR ALL TABLES publications."));
        }
        let shown = |oid: u32| self.catalog.relation_by_oid(Oid(oid)).map(|r| r.name.clone()).unwrap_or_default();
        match verb {
            "add" => {
                for oid in oids {
                    if publication.tables.contains(&oid) {
                        return Err(Refusal::invalid(
                            SqlState::DUPLICATE_OBJECT,
                            format!("relation \"{}\" is already member of publication \"{name}\"", shown(oid)),
                        ));
                    }
                    publication.tables.push(oid);
                }
            }
            "drop" => {
                for oid in oids {
                    if !publication.tables.contains(&oid) {
                        return Err(Refusal::invalid(
                            SqlState::UNDEFINED_OBJECT,
                            format!("relation \"{}\" is not part of the publication", shown(oid)),
                        ));
                    }
                    publication.tables.retain(|t| *t != oid);
                }
            }
            _ => publication.tables = oids,
        }
        self.catalog.put_publication(publication);
        Ok(())
    }
}

/// `SET search_path = a, b` and `SET search_path TO ''`: the empty string is no schema.
fn path_of(values: &[String]) -> Vec<String> {
    values.iter().filter(|v| !v.is_empty()).cloned().collect()
}

/// The arguments of a query that is nothing but `set_config('name', 'value', local)`.
fn set_config(query: &Query) -> Option<(String, String, bool)> {
    let SetExpr::Select(select) = &query.body else { return None };
    let [item] = select.items.as_slice() else { return None };
    if !select.from.is_empty() || select.filter.is_some() || query.with.is_some() {
        return None;
    }
    let ExprKind::Call(call) = &item.expr.kind else { return None };
    if call.name.name != "set_config" || call.name.schema.as_deref().is_some_and(|s| s != "pg_catalog") {
        return None;
    }
    match call.args.iter().map(|a| &a.value.kind).collect::<Vec<_>>().as_slice() {
        [ExprKind::String(name), ExprKind::String(value), ExprKind::Bool(local)] => Some((name.clone(), value.clone(), *local)),
        _ => None,
    }
}
