//! What stands for a fact of the session: `now()`, `current_user`, `auth.uid()`, `current_setting(…)`.

use basalt_types::pg::oid;
use basalt_types::{TypeRef, Value};

use super::Analyzer;
use super::coerce::relabel;
use super::error::{Result, unsupported};
use crate::typed::{Expr, ExprKind, Param, SessionParam};

fn session(param: SessionParam, ty: basalt_types::Oid) -> Expr {
    Expr::new(ExprKind::Param(Param::Session(param)), TypeRef::of(ty))
}

impl Analyzer<'_> {
    /// `CURRENT_DATE` and the like.
    pub(super) fn keyword(&mut self, word: &str, precision: Option<i64>) -> Result<Expr> {
        let typmod = precision.map_or(-1, |p| i32::try_from(p.clamp(0, 6)).unwrap_or(6));
        let now = || session(SessionParam::Now, oid::TIMESTAMPTZ);
        let as_type = |ty| Ok(relabel(now(), TypeRef { oid: ty, typmod }));
        match word {
            "current_date" => Ok(relabel(now(), TypeRef::of(oid::DATE))),
            "current_timestamp" => as_type(oid::TIMESTAMPTZ),
            "localtimestamp" => as_type(oid::TIMESTAMP),
            "current_time" => as_type(oid::TIMETZ),
            "localtime" => as_type(oid::TIME),
            "current_user" | "current_role" | "user" => Ok(session(SessionParam::CurrentUser, oid::NAME)),
            "current_catalog" => self.builtin_call("current_database", Vec::new()),
            "current_schema" => Ok(self.current_schema()),
            other => Err(unsupported(other.to_ascii_uppercase())),
        }
    }

    fn current_schema(&self) -> Expr {
        let first = self.ctx.search_path.iter().find(|name| self.catalog.schema(name).is_some());
        let value = first.map_or(Value::Null, |name| Value::Text(name.clone()));
        Expr::new(ExprKind::Const(value), TypeRef::of(oid::NAME))
    }

    /// A call that is a fact of the session, or nothing.
    pub(super) fn session_call(&self, schema: Option<&str>, name: &str, args: &[Expr]) -> Option<Expr> {
        let constant_text = |e: &Expr| match &e.kind {
            ExprKind::Const(Value::Text(text)) => Some(text.clone()),
            _ => None,
        };
        match (schema, name, args) {
            (Some("auth"), "uid", []) => Some(session(SessionParam::Uid, oid::UUID)),
            (Some("auth"), "role", []) => Some(session(SessionParam::Role, oid::TEXT)),
            (Some("auth"), "email", []) => Some(session(SessionParam::Email, oid::TEXT)),
            (Some("auth"), "jwt", []) => Some(session(SessionParam::Jwt, oid::JSONB)),
            (None | Some("pg_catalog"), "now" | "transaction_timestamp" | "statement_timestamp", []) => {
                Some(session(SessionParam::Now, oid::TIMESTAMPTZ))
            }
            (None | Some("pg_catalog"), "current_schema", []) => Some(self.current_schema()),
            (None | Some("pg_catalog"), "current_setting", [name, rest @ ..]) => {
                let missing_ok = match rest {
                    [] => false,
                    [flag] => match &flag.kind {
                        ExprKind::Const(Value::Int(n)) => *n != 0,
                        ExprKind::Const(Value::Text(t)) => matches!(t.as_str(), "t" | "true" | "on" | "1" | "yes"),
                        _ => return None,
                    },
                    _ => return None,
                };
                let name = constant_text(name)?.to_ascii_lowercase();
                Some(session(SessionParam::Setting { name, missing_ok }, oid::TEXT))
            }
            _ => None,
        }
    }
}
