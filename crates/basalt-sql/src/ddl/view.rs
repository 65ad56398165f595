//! Views and materialized views.

use std::sync::Arc;

use basalt_catalog::{GrantKind, IndexTerm, Relation, RelationKind, View};
use basalt_types::{Oid, SqlState, TypeRef, pg};

use super::table::{blank_column, blank_relation};
use super::walk::{Visit, Walker};
use super::{Ddl, Refusal, Result, Step};
use crate::analyze::updatable;
use crate::tree::{CreateView, Name};

struct Nothing;
impl Visit for Nothing {}

/// Reads a boolean option, the beginnings of its words too; without a value it is on.
///
/// Source: PostgreSQL, `parse_bool_with_len`.
fn is_on(option: &str, value: &str) -> Result<bool> {
    let word = value.to_lowercase();
    let begins = |full: &str, least: usize| word.len() >= least && full.starts_with(&word);
    if word.is_empty() || begins("true", 1) || begins("yes", 1) || begins("on", 2) || word == "1" {
        Ok(true)
    } else if begins("false", 1) || begins("no", 1) || begins("off", 2) || word == "0" {
        Ok(false)
    } else {
        let text = format!("invalid value for boolean option \"{option}\": {value}");
        Err(Refusal::invalid(SqlState::INVALID_PARAMETER, text))
    }
}

impl Ddl {
    pub(super) fn create_view(&mut self, create: &CreateView) -> Result {
        if create.temporary {
            return Err(Refusal::unsupported("temporary views", "use a common table expression").at(create.name.pos));
        }
        if create.recursive {
            return Err(
                Refusal::unsupported("CREATE RECURSIVE VIEW", "write WITH RECURSIVE inside a plain view").at(create.name.pos)
            );
        }
        let schema = self.creation_schema(&create.name)?;
        let name = &create.name.name;
        let old = self.catalog.relation(&schema.name, name).cloned();
        if create.if_not_exists && self.catalog.relation_name_taken(&schema.name, name) {
            self.notice(format!("relation \"{name}\" already exists, skipping"));
            return Ok(());
        }
        let kind = if create.materialized { RelationKind::MaterializedView } else { RelationKind::View };
        if let Some(old) = &old {
            if old.kind != RelationKind::View && create.or_replace {
                return Err(
                    Refusal::invalid(SqlState::WRONG_OBJECT_TYPE, format!("\"{name}\" is not a view")).at(create.name.pos)
                );
            }
            self.must_own_relation(old)?;
        }
        let old = old.filter(|_| create.or_replace);
        if old.is_none() {
            self.new_relation_name(&schema, name).map_err(|e| e.at(create.name.pos))?;
        }
        // Stars mean the columns of now, as in PostgreSQL.
        let path = self.path();
        let mut query = create.query.clone();
        let mut walker = Walker::new(&self.catalog, &path, Nothing);
        walker.expand_stars = true;
        walker.query(&mut query);
        if walker.unknown_star {
            return Err(Refusal::unsupported("views with * over functions or merged columns", "write the columns out")
                .at(create.query.pos));
        }
        let typed = crate::analyze::query(&query, &self.catalog, &self.analysis())?;
        let mut columns: Vec<(String, TypeRef)> = typed.columns();
        // An untyped literal is text in a view.
        for (_, ty) in columns.iter_mut().filter(|(_, ty)| ty.oid == pg::oid::UNKNOWN) {
            *ty = TypeRef::of(pg::oid::TEXT);
        }
        if create.columns.len() > columns.len() {
            let text = if create.materialized {
                "too many column names were specified"
            } else {
                "CREATE VIEW specifies more column names than columns"
            };
            return Err(Refusal::invalid(SqlState::SYNTAX_ERROR, text));
        }
        for (column, name) in columns.iter_mut().zip(&create.columns) {
            column.0.clone_from(name);
        }
        let oid = match &old {
            Some(old) => Oid(old.oid),
            None => self.catalog.allocate_oid(),
        };
        let mut view = match &old {
            Some(old) => (**old).clone(),
            None => {
                let mut view = blank_relation(oid, schema.oid, name, kind, &self.ctx.role);
                view.acl = self.catalog.default_acl(&self.ctx.role, Some(Oid(schema.oid)), GrantKind::Table);
                view
            }
        };
        if let Some(old) = &old {
            self.same_columns(&old.columns, &columns)?;
        }
        let comments = std::mem::take(&mut view.columns);
        for (column, ty) in &columns {
            self.new_column_name(&view, column)?;
            let kept = comments.get(view.columns.len());
            let attnum = i16::try_from(view.columns.len() + 1).unwrap_or(i16::MAX);
            let mut new = blank_column(attnum, column, *ty);
            if let Some(kept) = kept {
                new.acl.clone_from(&kept.acl);
                new.comment.clone_from(&kept.comment);
                new.default.clone_from(&kept.default);
            }
            view.columns.push(new);
        }
        view.next_attnum = i16::try_from(view.columns.len() + 1).unwrap_or(i16::MAX);
        let numbered = (1..).zip(crate::typed::origins(&typed));
        let origins = numbered.filter_map(|(column, origin)| {
            origin.map(|(relation, source)| basalt_catalog::Origin { column, relation: relation.0, source })
        });
        let origins = origins.collect();
        let query = self.canonical_query(&query);
        let unpopulated = create.materialized && !create.with_data;
        let check_option = create.check_option.clone();
        let mut definition = View { query, security_invoker: false, check_option, origins, unpopulated };
        for (option, value) in &create.options {
            if create.materialized {
                storage_option(option)?;
                continue;
            }
            if option == "check_option" && create.check_option.is_some() {
                return Err(Refusal::invalid(SqlState::INVALID_PARAMETER, "parameter \"check_option\" specified more than once"));
            }
            set_option(&mut definition, option, value)?;
        }
        view.view = Some(definition);
        self.fit_for_check_option(&view)?;
        self.catalog.put_relation(view);
        if create.materialized {
            self.steps.push(Step::CreateTable { table: oid });
            if create.with_data {
                self.steps.push(Step::Refresh { view: oid, with_data: true, concurrently: false });
            }
        }
        Ok(())
    }

    /// REFRESH MATERIALIZED VIEW.
    pub(super) fn refresh(&mut self, name: &Name, concurrently: bool, with_data: bool) -> Result {
        let mut relation = (*self.relation(name)?).clone();
        if !relation.is_stored() {
            let text = format!("\"{}\" is not a table or materialized view", relation.name);
            return Err(Refusal::invalid(SqlState::WRONG_OBJECT_TYPE, text));
        }
        let may = self.catalog.relation_privileges(&self.ctx.role, &relation);
        if !may.contains(basalt_catalog::Privileges::MAINTAIN) {
            let text = format!("permission denied for {} {}", super::name::kind_word(relation.kind), relation.name);
            return Err(Refusal::invalid(SqlState::INSUFFICIENT_PRIVILEGE, text));
        }
        let Some(view) = relation.view.as_mut().filter(|_| relation.kind == RelationKind::MaterializedView) else {
            let text = format!("\"{}\" is not a materialized view", relation.name);
            return Err(Refusal::invalid(SqlState::FEATURE_NOT_SUPPORTED, text));
        };
        if concurrently {
            if view.unpopulated {
                let text = "CONCURRENTLY cannot be used when the materialized view is not populated";
                return Err(Refusal::invalid(SqlState::FEATURE_NOT_SUPPORTED, text));
            }
            if !with_data {
                let text = "CONCURRENTLY and WITH NO DATA options cannot be used together";
                return Err(Refusal::invalid(SqlState::SYNTAX_ERROR, text));
            }
            let tells_rows_apart = |index: &basalt_catalog::Index| {
                index.unique && index.filter.is_none() && index.keys.iter().all(|k| matches!(k.term, IndexTerm::Column(_)))
            };
            if !relation.indexes.iter().any(tells_rows_apart) {
                let text =
                    format!("cannot refresh materialized view \"{}\" concurrently", self.catalog.qualified_name(&relation));
                return Err(Refusal::invalid(SqlState::NOT_IN_PREREQUISITE_STATE, text)
                    .hint("Create a unique index with no WHERE clause on one or more columns of the materialized view."));
            }
        }
        view.unpopulated = !with_data;
        let oid = Oid(relation.oid);
        self.catalog.put_relation(relation);
        self.steps.push(Step::Refresh { view: oid, with_data, concurrently });
        Ok(())
    }

    /// WITH CHECK OPTION is for views that are written through.
    fn fit_for_check_option(&self, view: &Relation) -> Result {
        if view.view.as_ref().is_none_or(|v| v.check_option.is_none()) {
            return Ok(());
        }
        match updatable::unfit_for_check_option(&Arc::new(view.clone()), &self.catalog)? {
            None => Ok(()),
            Some(reason) => Err(Refusal::invalid(
                SqlState::FEATURE_NOT_SUPPORTED,
                "WITH CHECK OPTION is supported only on automatically updatable views",
            )
            .hint(reason)),
        }
    }

    /// OR REPLACE may only add columns at the end.
    fn same_columns(&self, old: &[basalt_catalog::Column], new: &[(String, TypeRef)]) -> Result {
        let invalid = |text: String| Refusal::invalid(SqlState::INVALID_TABLE_DEFINITION, text);
        if new.len() < old.len() {
            return Err(invalid("cannot drop columns from view".to_owned()));
        }
        for (old, (name, ty)) in old.iter().zip(new) {
            if old.name != *name {
                return Err(invalid(format!("cannot change name of view column \"{}\" to \"{name}\"", old.name))
                    .hint("Use ALTER VIEW ... RENAME COLUMN ... to change name of view column instead."));
            }
            if old.type_ref() != *ty {
                return Err(invalid(format!(
                    "cannot change data type of view column \"{name}\" from {} to {}",
                    self.catalog.format_type(old.type_ref()),
                    self.catalog.format_type(*ty)
                )));
            }
        }
        Ok(())
    }

    /// ALTER VIEW … SET and RESET.
    pub(super) fn view_options(&mut self, name: &Name, if_exists: bool, set: &[(String, String)], reset: &[String]) -> Result {
        if if_exists && self.find_relation(name).is_none() {
            self.notice(format!("relation \"{}\" does not exist, skipping", super::name::written(name)));
            return Ok(());
        }
        let mut relation = (*self.relation(name)?).clone();
        self.must_own_relation(&relation)?;
        if relation.kind == RelationKind::MaterializedView {
            return set.iter().map(|(option, _)| option).chain(reset).try_for_each(|option| storage_option(option));
        }
        let Some(view) = &mut relation.view else {
            return Err(Refusal::invalid(SqlState::WRONG_OBJECT_TYPE, format!("\"{}\" is not a view", relation.name)));
        };
        for (option, value) in set {
            set_option(view, option, value)?;
        }
        for option in reset {
            match option.as_str() {
                "check_option" => view.check_option = None,
                option => set_option(view, option, "false")?,
            }
        }
        self.fit_for_check_option(&relation)?;
        self.catalog.put_relation(relation);
        Ok(())
    }
}

/// A storage parameter of a materialized view, which has no counterpart here.
fn storage_option(option: &str) -> Result {
    let known =
        ["fillfactor", "parallel_workers", "toast_tuple_target", "user_catalog_table", "vacuum_index_cleanup", "vacuum_truncate"];
    if known.contains(&option)
        || option.starts_with("autovacuum_")
        || option.starts_with("toast.")
        || option.starts_with("log_autovacuum")
    {
        return Ok(());
    }
    Err(Refusal::invalid(SqlState::INVALID_PARAMETER, format!("unrecognized parameter \"{option}\"")))
}

fn set_option(view: &mut View, option: &str, value: &str) -> Result {
    match option {
        "security_invoker" => view.security_invoker = is_on(option, value)?,
        // No filter of a caller runs before a view's own here.
        "security_barrier" => drop(is_on(option, value)?),
        "check_option" => match value.to_lowercase().as_str() {
            word @ ("local" | "cascaded") => view.check_option = Some(word.to_owned()),
            _ => {
                let text = format!("invalid value for enum option \"check_option\": {value}");
                return Err(
                    Refusal::invalid(SqlState::INVALID_PARAMETER, text).detail("Valid values are \"local\" and \"cascaded\".")
                );
            }
        },
        _ => {
            return Err(Refusal::invalid(SqlState::INVALID_PARAMETER, format!("unrecognized parameter \"{option}\"")));
        }
    }
    Ok(())
}
