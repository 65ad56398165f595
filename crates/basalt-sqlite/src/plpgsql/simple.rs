//! Expressions that need no statement: constants, variables, arithmetic and comparisons of integers, conditions.
//!
//! Whatever is not certain to give what the statement would give is no simple expression.

use basalt_sql::typed::{Body, Expr, ExprKind, Param, Statement};
use basalt_types::pg::oid;
use basalt_types::{SqlError, SqlState, TypeRef, Value};

/// Deepest nesting; beyond, SQLite computes it.
const DEEPEST: u32 = 50;

/// Longest text made here, bytes: as long as SQLite allows.
const LONGEST: usize = 256 << 20;

/// An expression over parameters.
pub(super) enum Simple {
    Const(Value),
    /// 0-based.
    Param(usize),
    And(Vec<Simple>),
    Or(Vec<Simple>),
    Not(Box<Simple>),
    IsNull(Box<Simple>, bool),
    /// Integers, booleans, or texts by bytes.
    Compare(Comparison, Box<Simple>, Box<Simple>),
    Arithmetic(Arithmetic, Width, Box<Simple>, Box<Simple>),
    Concat(Box<Simple>, Box<Simple>),
    Coalesce(Vec<Simple>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Small,
    Int,
    Big,
}

impl Simple {
    /// The expression of a `SELECT expr`, when it is simple.
    pub(super) fn of(statement: &Statement) -> Option<Self> {
        let Statement::Query(query) = statement else { return None };
        let Body::Select(select) = &query.body else { return None };
        let [target] = select.targets.as_slice() else { return None };
        let is_bare = select.from.is_empty() && query.ctes.is_empty();
        if is_bare { of_expr(&target.expr, 0) } else { None }
    }

    /// Its value.
    ///
    /// # Errors
    /// 22003, 22012.
    pub(super) fn value(&self, params: &dyn Fn(usize) -> Value) -> Result<Value, SqlError> {
        Ok(match self {
            Self::Const(value) => value.clone(),
            Self::Param(at) => params(*at),
            Self::And(parts) => return all(parts, 0, params),
            Self::Or(parts) => return all(parts, 1, params),
            Self::Not(inner) => match inner.value(params)? {
                Value::Int(n) => Value::Int(i64::from(n == 0)),
                _ => Value::Null,
            },
            Self::IsNull(inner, negated) => Value::Int(i64::from(inner.value(params)?.is_null() != *negated)),
            Self::Compare(how, left, right) => match (left.value(params)?, right.value(params)?) {
                (Value::Int(left), Value::Int(right)) => Value::Int(i64::from(how.holds(left.cmp(&right)))),
                (Value::Text(left), Value::Text(right)) => Value::Int(i64::from(how.holds(left.cmp(&right)))),
                _ => Value::Null,
            },
            Self::Arithmetic(how, width, left, right) => match (left.value(params)?, right.value(params)?) {
                (Value::Int(left), Value::Int(right)) => Value::Int(how.compute(left, right, *width)?),
                _ => Value::Null,
            },
            Self::Concat(left, right) => match (left.value(params)?, right.value(params)?) {
                (Value::Text(mut left), Value::Text(right)) => {
                    if left.len() + right.len() > LONGEST {
                        return Err(SqlError::new(SqlState::PROGRAM_LIMIT, "a value or statement is too long"));
                    }
                    left.push_str(&right);
                    Value::Text(left)
                }
                _ => Value::Null,
            },
            Self::Coalesce(parts) => {
                for part in parts {
                    let value = part.value(params)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                Value::Null
            }
        })
    }
}

/// AND (`decides` is 0) or OR (1) with three values. All parts are looked at only as far as needed.
fn all(parts: &[Simple], decides: i64, params: &dyn Fn(usize) -> Value) -> Result<Value, SqlError> {
    let mut is_unknown = false;
    for part in parts {
        match part.value(params)? {
            Value::Int(n) if i64::from(n != 0) == decides => return Ok(Value::Int(decides)),
            Value::Null => is_unknown = true,
            _ => {}
        }
    }
    Ok(if is_unknown { Value::Null } else { Value::Int(1 - decides) })
}

impl Comparison {
    fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Lt => order.is_lt(),
            Self::Le => order.is_le(),
            Self::Gt => order.is_gt(),
            Self::Ge => order.is_ge(),
        }
    }

    fn of(imp: &str) -> Option<Self> {
        Some(match imp {
            "eq" => Self::Eq,
            "ne" => Self::Ne,
            "lt" => Self::Lt,
            "le" => Self::Le,
            "gt" => Self::Gt,
            "ge" => Self::Ge,
            _ => return None,
        })
    }
}

impl Arithmetic {
    fn compute(self, left: i64, right: i64, width: Width) -> Result<i64, SqlError> {
        let out_of_range = || {
            let name = match width {
                Width::Small => "smallint",
                Width::Int => "integer",
                Width::Big => "bigint",
            };
            SqlError::new(SqlState::OUT_OF_RANGE, format!("{name} out of range"))
        };
        if right == 0 && matches!(self, Self::Divide | Self::Modulo) {
            return Err(SqlError::new(SqlState::DIVISION_BY_ZERO, "division by zero"));
        }
        let computed = match self {
            Self::Add => left.checked_add(right),
            Self::Subtract => left.checked_sub(right),
            Self::Multiply => left.checked_mul(right),
            Self::Divide => left.checked_div(right),
            // The least integer modulo -1 is 0, though its division overflows.
            Self::Modulo => Some(left.wrapping_rem(right)),
        };
        let computed = computed.ok_or_else(out_of_range)?;
        let fits = match width {
            Width::Small => i16::try_from(computed).is_ok(),
            Width::Int => i32::try_from(computed).is_ok(),
            Width::Big => true,
        };
        if fits { Ok(computed) } else { Err(out_of_range()) }
    }

    fn of(imp: &str) -> Option<(Self, Width)> {
        let (width, operation) = match (imp.strip_prefix("int2"), imp.strip_prefix("int4"), imp.strip_prefix("int8")) {
            (Some(rest), ..) => (Width::Small, rest),
            (_, Some(rest), _) => (Width::Int, rest),
            (.., Some(rest)) => (Width::Big, rest),
            _ => return None,
        };
        let operation = match operation {
            "pl" => Self::Add,
            "mi" => Self::Subtract,
            "mul" => Self::Multiply,
            "div" => Self::Divide,
            "mod" => Self::Modulo,
            _ => return None,
        };
        Some((operation, width))
    }
}

fn is_integer(ty: TypeRef) -> bool {
    matches!(ty.oid, oid::INT2 | oid::INT4 | oid::INT8)
}

fn of_expr(expr: &Expr, depth: u32) -> Option<Simple> {
    if depth > DEEPEST {
        return None;
    }
    let sub = |expr: &Expr| of_expr(expr, depth + 1);
    let list = |parts: &[Expr]| parts.iter().map(sub).collect::<Option<Vec<_>>>();
    Some(match &expr.kind {
        ExprKind::Const(value) => Simple::Const(value.clone()),
        ExprKind::Param(Param::Numbered(n)) => Simple::Param(usize::try_from(*n).ok()?.checked_sub(1)?),
        ExprKind::And(parts) => Simple::And(list(parts)?),
        ExprKind::Or(parts) => Simple::Or(list(parts)?),
        ExprKind::Not(inner) => Simple::Not(Box::new(sub(inner)?)),
        ExprKind::IsNull { expr: inner, negated } => Simple::IsNull(Box::new(sub(inner)?), *negated),
        ExprKind::Coalesce(parts) => Simple::Coalesce(list(parts)?),
        ExprKind::Op { imp, args, .. } => {
            let [left, right] = args.as_slice() else { return None };
            if let Some(how) = Comparison::of(imp.0) {
                let numbers = is_integer(left.ty) && is_integer(right.ty);
                let booleans = left.ty.oid == oid::BOOL && right.ty.oid == oid::BOOL;
                // Order of texts is the database's; equality is not.
                let texts = left.ty.oid == oid::TEXT && right.ty.oid == oid::TEXT;
                if !(numbers || booleans || texts && matches!(how, Comparison::Eq | Comparison::Ne)) {
                    return None;
                }
                return Some(Simple::Compare(how, Box::new(sub(left)?), Box::new(sub(right)?)));
            }
            if imp.0 == "textcat" && left.ty.oid == oid::TEXT && right.ty.oid == oid::TEXT {
                return Some(Simple::Concat(Box::new(sub(left)?), Box::new(sub(right)?)));
            }
            let (how, width) = Arithmetic::of(imp.0)?;
            if !is_integer(left.ty) || !is_integer(right.ty) {
                return None;
            }
            Simple::Arithmetic(how, width, Box::new(sub(left)?), Box::new(sub(right)?))
        }
        _ => return None,
    })
}
