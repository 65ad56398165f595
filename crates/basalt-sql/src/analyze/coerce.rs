//! Conversions made explicit: literals take their type, constants are folded to storage values, everything else becomes a cast.

use basalt_types::pg::{self, oid};
use basalt_types::{Oid, SqlError, SqlState, TypeRef, Value};

use super::Analyzer;
use super::casts::{self, CastContext};
use super::error::{Result, error, unsupported};
use super::{resolve, types};
use crate::typed::{Expr, ExprKind, Param, SessionParam};

/// Whether an expression is a literal whose type is still open.
pub(super) fn is_unknown(expr: &Expr) -> bool {
    expr.ty.oid == oid::UNKNOWN
}

impl Analyzer<'_> {
    /// The type's name in messages.
    pub(super) fn shown(&self, ty: Oid) -> String {
        types::format_type(self.catalog, &self.ctx.search_path, TypeRef::of(ty))
    }

    /// Converts when a conversion exists in this context; `None` when there is none.
    pub(super) fn try_coerce(&self, expr: Expr, target: TypeRef, context: CastContext) -> Result<Option<Expr>> {
        let source = expr.ty;
        // A name that is known now is looked up now.
        if let ExprKind::Const(Value::Text(name)) = &expr.kind
            && target.oid == oid::REGCLASS
            && source.oid == oid::TEXT
        {
            return self.registered(name, target).map(Some);
        }
        if matches!(target.oid, oid::ANY) || types::is_polymorphic(target.oid) {
            return Ok(Some(self.settle(expr)?));
        }
        if target.oid == oid::UNKNOWN {
            return Ok(Some(expr));
        }
        if source.oid == target.oid && (target.typmod == -1 || target.typmod == source.typmod) {
            return Ok(Some(expr));
        }
        if source.oid == oid::UNKNOWN {
            return self.literal(expr, target, context).map(Some);
        }
        if !casts::exists(self.catalog, source.oid, target.oid, context) {
            return Ok(None);
        }
        self.convert(expr, target, context).map(Some)
    }

    /// Builds the conversion that is known to exist.
    fn convert(&self, expr: Expr, target: TypeRef, context: CastContext) -> Result<Expr> {
        let explicit = context == CastContext::Explicit;
        let source_base = types::base_type(self.catalog, expr.ty);
        // A domain's value is a value of its base type.
        let expr = if source_base.oid == expr.ty.oid { expr } else { relabel(expr, source_base) };
        let target_base = types::base_type(self.catalog, target);
        if target_base.oid != target.oid {
            let inner = if expr.ty == target_base { expr } else { self.convert(expr, target_base, context)? };
            return Ok(Expr::new(ExprKind::Cast { expr: Box::new(inner), explicit }, target));
        }
        if expr.ty.oid == target.oid && (target.typmod == -1 || target.typmod == expr.ty.typmod) {
            return Ok(expr);
        }
        if let ExprKind::Const(value) = &expr.kind {
            if value.is_null() {
                return Ok(Expr::null(target));
            }
            if let Some(folded) = self.fold(value, expr.ty, target, explicit)? {
                return Ok(Expr::new(ExprKind::Const(folded), target));
            }
        }
        Ok(Expr::new(ExprKind::Cast { expr: Box::new(expr), explicit }, target))
    }

    /// The stored value of a converted constant, when both types are built in. An assignment that does not fit is left for run time.
    fn fold(&self, value: &Value, source: TypeRef, target: TypeRef, explicit: bool) -> Result<Option<Value>> {
        if pg::builtin(source.oid).is_none() || pg::builtin(target.oid).is_none() || is_reg(source.oid) || is_reg(target.oid) {
            return Ok(None);
        }
        match pg::cast(value.as_ref(), source, target, explicit) {
            Ok(value) => Ok(Some(value)),
            Err(e) if explicit => Err(e.into()),
            Err(_) => Ok(None),
        }
    }

    /// Gives an untyped literal (or parameter, or NULL) its type.
    fn literal(&self, expr: Expr, target: TypeRef, context: CastContext) -> Result<Expr> {
        let explicit = context == CastContext::Explicit;
        match expr.kind {
            ExprKind::Const(Value::Null) if types::is_domain(self.catalog, target.oid) => {
                let base = types::base_type(self.catalog, target);
                Ok(Expr::new(ExprKind::Cast { expr: Box::new(Expr::null(base)), explicit }, target))
            }
            ExprKind::Const(Value::Null) => Ok(Expr::null(target)),
            ExprKind::Const(Value::Text(text)) => self.literal_text(&text, target, context),
            ExprKind::Param(Param::Numbered(n)) => {
                self.note_param(n, target);
                Ok(Expr::new(ExprKind::Param(Param::Numbered(n)), target))
            }
            // A request's value is text that the engine reads as whatever type the place asks for.
            kind @ ExprKind::Param(Param::Literal(_) | Param::LiteralList(_)) => Ok(Expr::new(kind, target)),
            kind => {
                Ok(Expr::new(ExprKind::Cast { expr: Box::new(Expr::new(kind, TypeRef::of(oid::TEXT))), explicit: true }, target))
            }
        }
    }

    fn literal_text(&self, text: &str, target: TypeRef, context: CastContext) -> Result<Expr> {
        let explicit = context == CastContext::Explicit;
        let base = types::base_type(self.catalog, target);
        if base.oid != target.oid {
            let inner = self.literal_text(text, base, context)?;
            return Ok(Expr::new(ExprKind::Cast { expr: Box::new(inner), explicit }, target));
        }
        if let Some(labels) = types::enum_labels(self.catalog, target.oid) {
            if !labels.iter().any(|label| label == text) {
                let message = format!("invalid input value for enum {}: \"{text}\"", self.shown(target.oid));
                return Err(error(SqlState::INVALID_TEXT, message));
            }
            return Ok(Expr::new(ExprKind::Const(Value::from(text)), target));
        }
        if is_reg(target.oid) {
            return self.registered(text, target);
        }
        if let Some(now) = self.special_time(text, target) {
            return Ok(now);
        }
        if pg::builtin(target.oid).is_none() {
            // Arrays of the user's types, composites: as text first; the engine checks elements and fields.
            let text_type = match types::element(self.catalog, target.oid) {
                Some(_) => TypeRef::of(oid::TEXT_ARRAY),
                None => TypeRef::of(oid::TEXT),
            };
            let value = pg::input(text, text_type)?;
            self.check_array_labels(&value, target)?;
            let inner = Expr::new(ExprKind::Const(value), text_type);
            return Ok(Expr::new(ExprKind::Cast { expr: Box::new(inner), explicit: true }, target));
        }
        let plain = TypeRef::of(target.oid);
        let value = pg::input(text, plain)?;
        if target.typmod == -1 {
            return Ok(Expr::new(ExprKind::Const(value), target));
        }
        match pg::cast(value.as_ref(), plain, target, explicit) {
            Ok(value) => Ok(Expr::new(ExprKind::Const(value), target)),
            Err(e) if explicit => Err(e.into()),
            Err(_) => {
                Ok(Expr::new(ExprKind::Cast { expr: Box::new(Expr::new(ExprKind::Const(value), plain)), explicit }, target))
            }
        }
    }

    /// 22P02 for an element that is no label of the enum the array is of.
    fn check_array_labels(&self, value: &Value, target: TypeRef) -> Result<()> {
        let (Value::Text(array), Some(element)) = (value, types::element(self.catalog, target.oid)) else { return Ok(()) };
        let element = types::base_type(self.catalog, TypeRef::of(element));
        let Some(labels) = types::enum_labels(self.catalog, element.oid) else { return Ok(()) };
        for item in pg::array_values(array, oid::TEXT)? {
            if let Value::Text(text) = item
                && !labels.contains(&text)
            {
                let message = format!("invalid input value for enum {}: \"{text}\"", self.shown(element.oid));
                return Err(error(SqlState::INVALID_TEXT, message));
            }
        }
        Ok(())
    }

    /// `'now'`, `'today'`, `'tomorrow'`, `'yesterday'` as dates and times.
    fn special_time(&self, text: &str, target: TypeRef) -> Option<Expr> {
        let is_time = matches!(target.oid, oid::DATE | oid::TIMESTAMP | oid::TIMESTAMPTZ | oid::TIME | oid::TIMETZ);
        let word = text.trim().to_ascii_lowercase();
        let days = match word.as_str() {
            "now" if is_time => None,
            "today" => Some(0),
            "tomorrow" => Some(1),
            "yesterday" => Some(-1),
            _ => return None,
        };
        if !is_time || (days.is_some() && matches!(target.oid, oid::TIME | oid::TIMETZ)) {
            return None;
        }
        let now = Expr::new(ExprKind::Param(Param::Session(SessionParam::Now)), TypeRef::of(oid::TIMESTAMPTZ));
        let Some(days) = days else { return Some(relabel(now, target)) };
        let today = relabel(now, TypeRef::of(oid::DATE));
        let day = match days {
            0 => today,
            n => Expr::new(
                ExprKind::Op {
                    symbol: "+",
                    imp: crate::typed::Imp("date_pli"),
                    args: vec![today, Expr::new(ExprKind::Const(Value::Int(n)), TypeRef::of(oid::INT4))],
                },
                TypeRef::of(oid::DATE),
            ),
        };
        Some(if target.oid == oid::DATE { day } else { relabel(day, target) })
    }

    /// `'name'::regclass` and the like: looked up now, stored as the OID.
    fn registered(&self, text: &str, target: TypeRef) -> Result<Expr> {
        let constant = |oid: u32| Expr::new(ExprKind::Const(Value::Int(i64::from(oid))), target);
        if let Ok(number) = text.trim().parse::<u32>() {
            return Ok(constant(number));
        }
        let parts = qualified_name(text)?;
        let schemas = || self.ctx.search_path.iter().map(String::as_str);
        match (target.oid, parts.as_slice()) {
            (oid::REGCLASS, [name]) => {
                let found = schemas().find_map(|s| self.catalog.relation(s, name));
                found
                    .map(|r| constant(r.oid))
                    .or_else(|| schemas().find_map(|s| self.catalog.index(s, name)).map(|(_, i)| constant(i.oid)))
            }
            (oid::REGCLASS, [schema, name]) => {
                let found = self.catalog.relation(schema, name).map(|r| constant(r.oid));
                found.or_else(|| self.catalog.index(schema, name).map(|(_, i)| constant(i.oid)))
            }
            (oid::REGNAMESPACE, [name]) => {
                let found = self.catalog.schema(name).map(|s| constant(s.oid));
                return found.ok_or_else(|| error(SqlState::INVALID_SCHEMA, format!("schema \"{name}\" does not exist")));
            }
            (oid::REGTYPE, _) => {
                let name = crate::parse::type_name(text).map_err(super::parse_error)?;
                return types::resolve(self.catalog, &self.ctx.search_path, &name).map(|ty| constant(ty.oid.0));
            }
            (oid::REGCLASS, _) => None,
            _ => return Err(unsupported(format_args!("a constant of type {}", self.shown(target.oid)))),
        }
        .ok_or_else(|| error(SqlState::UNDEFINED_TABLE, format!("relation \"{}\" does not exist", parts.join("."))))
    }

    /// A constant of regtype as the type's name.
    pub(super) fn type_as_text(&self, expr: &Expr) -> Option<Expr> {
        match expr.kind {
            ExprKind::Const(Value::Int(number)) if expr.ty.oid == oid::REGTYPE => {
                let name = self.shown(basalt_types::Oid(u32::try_from(number).ok()?));
                Some(Expr::new(ExprKind::Const(Value::Text(name)), TypeRef::of(oid::TEXT)))
            }
            _ => None,
        }
    }

    /// Converts or reports that the types cannot be converted (CAST).
    pub(super) fn cast(&self, expr: Expr, target: TypeRef) -> Result<Expr> {
        let source = expr.ty.oid;
        if let Some(named) = self.type_as_text(&expr)
            && types::category(self.catalog, target.oid) == 'S'
        {
            return self.cast(named, target);
        }
        self.try_coerce(expr, target, CastContext::Explicit)?.ok_or_else(|| {
            error(SqlState::CANNOT_COERCE, format!("cannot cast type {} to {}", self.shown(source), self.shown(target.oid)))
        })
    }

    /// Converts an argument; resolution has found that it can be.
    pub(super) fn implicit(&self, expr: Expr, target: TypeRef) -> Result<Expr> {
        let source = expr.ty.oid;
        self.try_coerce(expr, target, CastContext::Implicit)?.ok_or_else(|| {
            error(SqlState::CANNOT_COERCE, format!("cannot cast type {} to {}", self.shown(source), self.shown(target.oid)))
        })
    }

    /// Untyped literals that nothing gave a type become text.
    pub(super) fn settle(&self, expr: Expr) -> Result<Expr> {
        if is_unknown(&expr) { self.literal(expr, TypeRef::of(oid::TEXT), CastContext::Implicit) } else { Ok(expr) }
    }

    /// A condition: `what` names the clause ("WHERE", "CASE/WHEN", "AND").
    pub(super) fn boolean(&self, expr: Expr, what: &str) -> Result<Expr> {
        let source = expr.ty.oid;
        self.try_coerce(expr, TypeRef::of(oid::BOOL), CastContext::Assignment)?.ok_or_else(|| {
            let message = format!("argument of {what} must be type boolean, not type {}", self.shown(source));
            error(SqlState::DATATYPE_MISMATCH, message)
        })
    }

    /// A value for a column, or the error that PostgreSQL gives.
    pub(super) fn assign(&self, expr: Expr, target: TypeRef, column: &str) -> Result<Expr> {
        let source = expr.ty.oid;
        self.try_coerce(expr, target, CastContext::Assignment)?.ok_or_else(|| {
            let message = format!(
                "column \"{column}\" is of type {} but expression is of type {}",
                self.shown(target.oid),
                self.shown(source)
            );
            error(SqlState::DATATYPE_MISMATCH, message).hint("You will need to rewrite or cast the expression.")
        })
    }

    /// Gives all parts one type, as CASE, COALESCE, ARRAY, VALUES and UNION do; `what` names the construct.
    pub(super) fn unify(&self, parts: Vec<Expr>, what: &str) -> Result<(Vec<Expr>, TypeRef)> {
        let common = self.common(&parts, what)?;
        let parts = parts.into_iter().map(|part| self.to_common(part, common, what)).collect::<Result<Vec<_>>>()?;
        Ok((parts, common))
    }

    /// The type that [`Self::unify`] gives; the modifier is kept when all agree on it.
    pub(super) fn common(&self, parts: &[Expr], what: &str) -> Result<TypeRef> {
        let oids: Vec<Oid> = parts.iter().map(|p| p.ty.oid).collect();
        let common = resolve::common_type(self.catalog, &oids).map_err(|(a, b)| {
            let message = format!("{what} types {} and {} cannot be matched", self.shown(a), self.shown(b));
            error(SqlState::DATATYPE_MISMATCH, message)
        })?;
        let typmod = match parts.first() {
            Some(first) if parts.iter().all(|p| p.ty.oid == common && p.ty.typmod == first.ty.typmod) => first.ty.typmod,
            _ => -1,
        };
        Ok(TypeRef { oid: common, typmod })
    }

    /// Converts one part to the common type.
    pub(super) fn to_common(&self, part: Expr, common: TypeRef, what: &str) -> Result<Expr> {
        let source = part.ty.oid;
        self.try_coerce(part, common, CastContext::Implicit)?.ok_or_else(|| {
            let message = format!("{what} could not convert type {} to {}", self.shown(source), self.shown(common.oid));
            error(SqlState::CANNOT_COERCE, message)
        })
    }
}

/// A conversion that cannot fail: a domain to its base, the session's time to a date.
pub(super) fn relabel(expr: Expr, target: TypeRef) -> Expr {
    if expr.ty == target {
        return expr;
    }
    Expr::new(ExprKind::Cast { expr: Box::new(expr), explicit: false }, target)
}

fn is_reg(ty: Oid) -> bool {
    matches!(ty, oid::REGCLASS | oid::REGTYPE | oid::REGPROC | oid::REGROLE | oid::REGNAMESPACE)
}

/// Splits `"Some schema".table` as PostgreSQL's input functions do: unquoted parts are folded.
pub(super) fn qualified_name(text: &str) -> Result<Vec<String>> {
    let invalid = || SqlError::new(SqlState::new(b"42602"), "invalid name syntax");
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let (part, after) = if let Some(quoted) = rest.strip_prefix('"') {
            let mut part = String::new();
            let mut chars = quoted.char_indices().peekable();
            let end = loop {
                match chars.next() {
                    Some((_, '"')) if chars.peek().is_some_and(|(_, c)| *c == '"') => {
                        chars.next();
                        part.push('"');
                    }
                    Some((at, '"')) => break at + 1,
                    Some((_, c)) => part.push(c),
                    None => return Err(invalid().into()),
                }
            };
            (part, quoted.get(end..).unwrap_or_default())
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            let (part, after) = rest.split_at(end);
            (part.trim().to_lowercase(), after)
        };
        if part.is_empty() {
            return Err(invalid().into());
        }
        parts.push(part);
        match after.trim_start().strip_prefix('.') {
            Some(next) => rest = next.trim_start(),
            None if after.trim().is_empty() => return Ok(parts),
            None => return Err(invalid().into()),
        }
    }
}
