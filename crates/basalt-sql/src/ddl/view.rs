//! Views.

use basalt_catalog::{GrantKind, RelationKind, View};
use basalt_types::{Oid, SqlState, TypeRef, pg};

use super::table::{blank_column, blank_relation};
use super::walk::{Visit, Walker};
use super::{Ddl, Refusal, Result};
use crate::tree::{CreateView, Name};

struct Nothing;
impl Visit for Nothing {}

/// Reads a boolean option: `true`, `on`, `1`, or nothing at all.
fn is_on(value: &str) -> bool {
    matches!(value.to_lowercase().as_str(), "" | "true" | "on" | "1" | "yes")
}

impl Ddl {
    pub(super) fn create_view(&mut self, create: &CreateView) -> Result {
        if create.materialized {
            return Err(Refusal::unsupported("materialized views", "use a plain view, or a table filled by a trigger")
                .at(create.name.pos));
        }
        if create.temporary {
            return Err(Refusal::unsupported("temporary views", "use a common table expression").at(create.name.pos));
        }
        if create.recursive {
            return Err(
                Refusal::unsupported("CREATE RECURSIVE VIEW", "write WITH RECURSIVE inside a plain view").at(create.name.pos)
            );
        }
        if create.check_option.is_some() {
            return Err(
                Refusal::unsupported("views WITH CHECK OPTION", "write to the table itself under a policy").at(create.name.pos)
            );
        }
        let schema = self.creation_schema(&create.name)?;
        let name = &create.name.name;
        let old = self.catalog.relation(&schema.name, name).cloned();
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
            return Err(Refusal::invalid(SqlState::SYNTAX_ERROR, "CREATE VIEW specifies more column names than columns"));
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
                let mut view = blank_relation(oid, schema.oid, name, RelationKind::View, &self.ctx.role);
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
        let mut definition = View { query, security_invoker: false, check_option: None, origins };
        for (option, value) in &create.options {
            set_option(&mut definition, option, value)?;
        }
        view.view = Some(definition);
        self.catalog.put_relation(view);
        Ok(())
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
        let Some(view) = &mut relation.view else {
            return Err(Refusal::invalid(SqlState::WRONG_OBJECT_TYPE, format!("\"{}\" is not a view", relation.name)));
        };
        for (option, value) in set {
            set_option(view, option, value)?;
        }
        for option in reset {
            set_option(view, option, "false")?;
        }
        self.catalog.put_relation(relation);
        Ok(())
    }
}

fn set_option(view: &mut View, option: &str, value: &str) -> Result {
    match option {
        "security_invoker" => view.security_invoker = is_on(value),
        // No filter of a caller runs before a view's own here.
        "security_barrier" => {}
        "check_option" if !is_on(value) && value != "local" && value != "cascaded" => view.check_option = None,
        "check_option" => {
            return Err(Refusal::unsupported("views WITH CHECK OPTION", "write to the table itself under a policy"));
        }
        _ => {
            return Err(Refusal::invalid(SqlState::INVALID_PARAMETER, format!("unrecognized parameter \"{option}\"")));
        }
    }
    Ok(())
}
