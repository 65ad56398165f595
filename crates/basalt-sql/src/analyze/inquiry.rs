//! Questions about the catalog whose answers are known when a statement is analysed: privileges, comments, sequences, types by name.
//!
//! A statement is analysed anew whenever the catalog changes, so the answers stand in it as constants. Only the role may be left to the
//! session; objects and privileges must be constants, as they are wherever policies and migrations ask.

use std::sync::Arc;

use basalt_catalog::{Privileges, Relation};
use basalt_types::pg::oid;
use basalt_types::{Oid, SqlState, TypeRef, Value};

use super::error::{Result, error};
use super::{Analyzer, types};
use crate::typed::{Expr, ExprKind, Param, SessionParam};

const BOOL: TypeRef = TypeRef::of(oid::BOOL);
const TEXT: TypeRef = TypeRef::of(oid::TEXT);

fn constant_text(e: &Expr) -> Option<&str> {
    match &e.kind {
        ExprKind::Const(Value::Text(text)) => Some(text),
        _ => None,
    }
}

fn text_or_null(text: Option<String>) -> Expr {
    Expr::new(ExprKind::Const(text.map_or(Value::Null, Value::Text)), TEXT)
}

impl Analyzer<'_> {
    /// A call that the catalog answers, or nothing.
    pub(super) fn inquiry(&self, schema: Option<&str>, name: &str, args: &[Expr]) -> Result<Option<Expr>> {
        if !matches!(schema, None | Some("pg_catalog")) {
            return Ok(None);
        }
        let is_null = |e: &Expr| matches!(e.kind, ExprKind::Const(Value::Null));
        if name.starts_with("has_") && name.ends_with("_privilege") && args.iter().any(is_null) {
            return Ok(Some(Expr::null(BOOL)));
        }
        match (name, args) {
            ("pg_typeof", [value]) => {
                let value = Value::Int(i64::from(value.ty.oid.0));
                Ok(Some(Expr::new(ExprKind::Const(value), TypeRef::of(oid::REGTYPE))))
            }
            ("has_table_privilege" | "has_any_column_privilege", [object, wanted]) => {
                self.relation_inquiry(name, None, object, wanted)
            }
            ("has_table_privilege" | "has_any_column_privilege", [user, object, wanted]) => {
                self.relation_inquiry(name, Some(user), object, wanted)
            }
            ("has_column_privilege", [object, column, wanted]) => self.column_inquiry(None, object, column, wanted),
            ("has_column_privilege", [user, object, column, wanted]) => self.column_inquiry(Some(user), object, column, wanted),
            ("has_schema_privilege", [object, wanted]) => self.schema_inquiry(None, object, wanted),
            ("has_schema_privilege", [user, object, wanted]) => self.schema_inquiry(Some(user), object, wanted),
            ("obj_description", [object, rest @ ..]) => {
                if !matches!(rest, []) && !matches!(rest, [catalog] if constant_text(catalog) == Some("pg_class")) {
                    return Ok(None);
                }
                Ok(self.named_relation(object)?.map(|r| text_or_null(r.comment.clone())))
            }
            ("col_description", [object, number]) => {
                let (Some(relation), ExprKind::Const(Value::Int(number))) = (self.named_relation(object)?, &number.kind) else {
                    return Ok(None);
                };
                let column = i16::try_from(*number).ok().and_then(|n| relation.column_at(n));
                Ok(Some(text_or_null(column.and_then(|c| c.comment.clone()))))
            }
            ("pg_get_serial_sequence", [table, column]) => {
                let (Some(relation), Some(column)) = (self.named_relation(table)?, constant_text(column)) else {
                    return Ok(None);
                };
                let attnum = column_number(&relation, column)?;
                let owned = |r: &&Arc<Relation>| r.sequence.as_ref().is_some_and(|s| s.owned_by == Some((relation.oid, attnum)));
                Ok(Some(text_or_null(self.catalog.relations().find(owned).map(|r| self.catalog.qualified_name(r)))))
            }
            _ => Ok(None),
        }
    }

    /// The relation that a constant names, by text or by its number; nothing when it is no constant.
    fn named_relation(&self, object: &Expr) -> Result<Option<Arc<Relation>>> {
        let number = match &object.kind {
            ExprKind::Const(Value::Text(_)) => {
                let unknown = Expr::new(object.kind.clone(), TypeRef::of(oid::UNKNOWN));
                match self.implicit(unknown, TypeRef::of(oid::REGCLASS))?.kind {
                    ExprKind::Const(Value::Int(number)) => number,
                    _ => return Ok(None),
                }
            }
            ExprKind::Const(Value::Int(number)) => *number,
            _ => return Ok(None),
        };
        Ok(u32::try_from(number).ok().and_then(|number| self.catalog.relation_by_oid(Oid(number))).cloned())
    }

    fn relation_inquiry(&self, name: &str, user: Option<&Expr>, object: &Expr, wanted: &Expr) -> Result<Option<Expr>> {
        let (Some(relation), Some(wanted)) = (self.named_relation(object)?, constant_text(wanted)) else { return Ok(None) };
        let Some(wanted) = privileges(wanted)? else { return Ok(None) };
        let any_column = name == "has_any_column_privilege";
        self.for_role(user, &|role| {
            let held = self.catalog.column_privileges(role, &relation);
            wanted.iter().any(|p| if any_column { held.has_on_any(*p) } else { held.table.contains(*p) })
        })
    }

    fn column_inquiry(&self, user: Option<&Expr>, object: &Expr, column: &Expr, wanted: &Expr) -> Result<Option<Expr>> {
        let (Some(relation), Some(wanted)) = (self.named_relation(object)?, constant_text(wanted)) else { return Ok(None) };
        let Some(wanted) = privileges(wanted)? else { return Ok(None) };
        let attnum = match &column.kind {
            ExprKind::Const(Value::Text(name)) => column_number(&relation, name)?,
            ExprKind::Const(Value::Int(number)) => match i16::try_from(*number) {
                Ok(number) if relation.column_at(number).is_some() => number,
                _ => return Ok(Some(Expr::null(BOOL))),
            },
            _ => return Ok(None),
        };
        self.for_role(user, &|role| {
            let held = self.catalog.column_privileges(role, &relation);
            wanted.iter().any(|p| held.has(attnum, *p))
        })
    }

    fn schema_inquiry(&self, user: Option<&Expr>, object: &Expr, wanted: &Expr) -> Result<Option<Expr>> {
        let (Some(name), Some(wanted)) = (constant_text(object), constant_text(wanted)) else { return Ok(None) };
        let Some(wanted) = privileges(wanted)? else { return Ok(None) };
        let Some(schema) = self.catalog.schema(name) else {
            return Err(error(SqlState::INVALID_SCHEMA, format!("schema \"{name}\" does not exist")));
        };
        self.for_role(user, &|role| {
            let held = self.catalog.schema_privileges(role, schema);
            wanted.iter().any(|p| held.contains(*p))
        })
    }

    /// The answer for a role that is named, or for whichever role the session has.
    fn for_role(&self, user: Option<&Expr>, answer: &dyn Fn(&str) -> bool) -> Result<Option<Expr>> {
        let session = Expr::new(ExprKind::Param(Param::Session(SessionParam::CurrentUser)), TypeRef::of(oid::NAME));
        let user = user.unwrap_or(&session);
        if let Some(role) = constant_text(user) {
            if self.catalog.role(role).is_none() && role != "public" {
                return Err(error(SqlState::UNDEFINED_OBJECT, format!("role \"{role}\" does not exist")));
            }
            return Ok(Some(Expr::bool(answer(role))));
        }
        if types::category(self.catalog, user.ty.oid) != 'S' {
            return Ok(None);
        }
        let mut arms = Vec::new();
        for role in self.catalog.roles() {
            let name = Expr::new(ExprKind::Const(Value::Text(role.name.clone())), TypeRef::of(oid::UNKNOWN));
            arms.push((self.operator("=", Some(user.clone()), name)?, Expr::bool(answer(&role.name))));
        }
        Ok(Some(Expr::new(ExprKind::Case { arms, otherwise: None }, BOOL)))
    }
}

fn column_number(relation: &Relation, name: &str) -> Result<i16> {
    relation.columns.iter().find(|c| c.name == name).map(|c| c.attnum).ok_or_else(|| {
        let message = format!("column \"{name}\" of relation \"{}\" does not exist", relation.name);
        error(SqlState::UNDEFINED_COLUMN, message)
    })
}

/// A list of privileges, of which one is enough; nothing when grant options are asked for.
fn privileges(list: &str) -> Result<Option<Vec<Privileges>>> {
    let mut found = Vec::new();
    for word in list.split(',').map(str::trim) {
        let lower = word.to_ascii_lowercase();
        if lower.ends_with("with grant option") {
            return Ok(None);
        }
        found.push(
            Privileges::from_keyword(&lower)
                .ok_or_else(|| error(SqlState::INVALID_PARAMETER, format!("unrecognized privilege type: \"{word}\"")))?,
        );
    }
    Ok(Some(found))
}
