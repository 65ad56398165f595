//! What is said of a PostgreSQL server's tables: operators, conversions and aggregates are named, and the server finds them, since it
//! knows types and operators that our analysis does not. Values have no type until it gives them one.

use basalt_sql::analyze;
use basalt_sql::typed::{Expr, ExprKind, Imp, Param};
use basalt_types::pg::{self, oid};
use basalt_types::{Oid, SqlError, SqlState, TypeRef};

use super::Resolver;
use super::error::ResolveError;
use super::level::{Level, bool_expr, literal, symbol};
use crate::ask::{Field, FullText, Operand, Operator};

/// How the server computes something is its affair.
pub(super) const SERVER: Imp = Imp("server");

/// PostgreSQL's own schema has this number in every database.
const PG_CATALOG: u32 = 11;

fn operation(symbol: &'static str, left: Expr, right: Expr) -> Expr {
    bool_expr(ExprKind::Op { symbol, imp: SERVER, args: vec![left, right] })
}

/// One step into a document; a key has no type.
pub(super) fn json_step(arrow: &'static str, document: Expr, mut key: Expr) -> Expr {
    let is_json = document.ty.oid == oid::JSON;
    if key.ty.oid == oid::TEXT {
        key.ty = TypeRef::of(oid::UNKNOWN);
    }
    let ty = match (arrow, is_json) {
        ("->>", _) => oid::TEXT,
        (_, true) => oid::JSON,
        (_, false) => oid::JSONB,
    };
    Expr::new(ExprKind::Op { symbol: arrow, imp: SERVER, args: vec![document, key] }, TypeRef::of(ty))
}

/// Without a schema, as its messages name it: the server looks into its own first.
fn call(name: &'static str, args: Vec<Expr>, ty: Oid) -> Expr {
    Expr::new(ExprKind::Func { schema: "", name, imp: SERVER, args }, TypeRef::of(ty))
}

impl<'c> Resolver<'c> {
    /// One condition on a column of a server's table.
    pub(super) fn native_test(
        &self,
        level: &Level<'c>,
        field: &Field,
        op: &Operator,
        value: &Operand,
    ) -> Result<Expr, ResolveError> {
        let left = self.field(level, field)?;
        Ok(match (op, value) {
            (_, Operand::Is(value)) => self.is(left, *value)?,
            (Operator::FullText { function, config }, Operand::Value(id)) => {
                let is_vector = level
                    .relation
                    .column(&field.name)
                    .is_some_and(|column| self.catalog.base_type(column.type_ref()).oid == oid::TSVECTOR);
                let with = |last: Expr| config.iter().map(|id| literal(*id)).chain([last]).collect::<Vec<_>>();
                let left = if is_vector { left } else { call("to_tsvector", with(left), oid::TSVECTOR) };
                let query = call(query_function(*function), with(literal(*id)), oid::TSQUERY);
                operation("@@", left, query)
            }
            (Operator::IsDistinct, Operand::Value(id)) => {
                bool_expr(ExprKind::Distinct { left: Box::new(left), right: Box::new(literal(*id)), negated: false })
            }
            (_, Operand::List(id)) => match self.in_converted(&left, *id) {
                Some(test) => test,
                None => quantified("=", left, Param::LiteralList(*id), false),
            },
            (op, Operand::Any(id)) => quantified(symbol(op), left, Param::Literal(*id), false),
            (op, Operand::All(id)) => quantified(symbol(op), left, Param::Literal(*id), true),
            (op, Operand::Value(id)) => {
                let value = self.compared_value(op, left.ty, *id);
                operation(symbol(op), left, value)
            }
        })
    }

    /// Two columns that tie relations together.
    pub(super) fn native_equal(&self, a: Expr, b: Expr) -> Expr {
        operation("=", a, b)
    }

    /// Any value as jsonb.
    pub(super) fn native_json(&self, expr: Expr) -> Expr {
        call("to_jsonb", vec![expr], oid::JSONB)
    }

    /// `::type`: the server says whether there is such a conversion.
    pub(super) fn native_cast(&self, expr: Expr, name: &str) -> Result<Expr, ResolveError> {
        let target = self.native_type(name)?;
        Ok(Expr::new(ExprKind::Cast { expr: Box::new(expr), explicit: true }, target))
    }

    /// A type by the name it has in a select list.
    fn native_type(&self, name: &str) -> Result<TypeRef, ResolveError> {
        let (stem, is_array) = name.strip_suffix("[]").map_or((name, false), |stem| (stem, true));
        let lower = stem.trim().to_ascii_lowercase();
        let own = || self.catalog.types().find(|t| t.schema == PG_CATALOG && t.name == spelled(&lower)).map(|t| Oid(t.oid));
        let users = || {
            let path = [self.schema, "public", "extensions"].map(str::to_owned);
            self.catalog.type_in_path(&path, &lower).map(|t| Oid(t.oid))
        };
        let found = pg::builtin_by_name(&lower).map(|row| row.oid).or_else(own).or_else(users);
        let found = if is_array { found.and_then(|ty| analyze::types::array_of(self.catalog, ty)) } else { found };
        found
            .map(TypeRef::of)
            .ok_or_else(|| SqlError::new(SqlState::UNDEFINED_OBJECT, format!("type \"{lower}\" does not exist")).into())
    }

    /// An aggregate: typed as our analysis knows it, else as the server will find it.
    pub(super) fn native_aggregate(&self, name: &'static str, arg: Option<Expr>) -> Expr {
        let known = analyze::function(name, arg.clone().into_iter().collect(), self.catalog);
        known.unwrap_or_else(|_| {
            let ty = arg.as_ref().map_or(TypeRef::of(oid::INT8), |arg| arg.ty);
            let kind = ExprKind::Aggregate {
                name,
                imp: SERVER,
                star: arg.is_none(),
                args: arg.into_iter().collect(),
                distinct: false,
                order_by: Vec::new(),
                filter: None,
            };
            Expr::new(kind, ty)
        })
    }
}

fn quantified(symbol: &'static str, left: Expr, values: Param, all: bool) -> Expr {
    let array = Expr::new(ExprKind::Param(values), TypeRef::of(oid::UNKNOWN));
    bool_expr(ExprKind::QuantifiedArray { symbol, imp: SERVER, all, left: Box::new(left), array: Box::new(array) })
}

fn query_function(function: FullText) -> &'static str {
    match function {
        FullText::To => "to_tsquery",
        FullText::Plain => "plainto_tsquery",
        FullText::Phrase => "phraseto_tsquery",
        FullText::Web => "websearch_to_tsquery",
    }
}

/// SQL's spellings of types that have another name in the system catalog.
fn spelled(name: &str) -> &str {
    match name {
        "bit varying" => "varbit",
        other => other,
    }
}
