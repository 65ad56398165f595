//! Which variables a place of a body sees, and what becomes of them in its SQL: parameters.

use std::rc::Rc;

use basalt_sql::analyze::{self, NamedRow, Variable};
use basalt_sql::typed::walk::{VisitorMut, walk_expr_mut, walk_statement_mut};
use basalt_sql::typed::{Expr, ExprKind, Imp, Param, RangeId, Statement};
use basalt_types::pg::oid;
use basalt_types::{TypeRef, Value};

use super::code::{Code, VarKind};
use super::record::Shape;

/// Names in sight: one declaration, and those before and around it.
pub(super) struct Scope {
    outer: Option<Rc<Scope>>,
    /// The block it was declared in.
    label: Option<Rc<str>>,
    name: String,
    var: usize,
}

impl Scope {
    /// One more name.
    pub(super) fn with(outer: Option<&Rc<Self>>, label: Option<&Rc<str>>, name: &str, var: usize) -> Rc<Self> {
        Rc::new(Self { outer: outer.cloned(), label: label.cloned(), name: name.to_owned(), var })
    }

    /// The innermost variable of a name, which its block's label may qualify.
    pub(super) fn find(&self, label: Option<&str>, name: &str) -> Option<usize> {
        let mut at = Some(self);
        while let Some(scope) = at {
            if scope.name == name && label.is_none_or(|label| scope.label.as_deref() == Some(label)) {
                return Some(scope.var);
            }
            at = scope.outer.as_deref();
        }
        None
    }
}

/// What is known of the variables when a text is analysed.
pub(super) trait Known {
    /// The shape of a record variable, if it has one now.
    fn shape(&self, var: usize) -> Option<Rc<Shape>>;
}

/// How names that are a variable's and a column's are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Conflict {
    /// An error.
    #[default]
    Error,
    /// `#variable_conflict use_column`.
    Column,
}

/// Where a parameter's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    /// A variable's value.
    Var(usize),
    /// A record's field.
    Field(usize, usize),
    /// A record as a JSON object.
    Object(usize),
    /// A record as functions take it.
    Row(usize),
    /// A value of USING.
    Using(usize),
}

/// What analysis is told of the names in sight.
pub(super) fn context(
    code: &Code,
    scope: Option<&Rc<Scope>>,
    conflict: Conflict,
    known: &dyn Known,
    search_path: &[String],
) -> analyze::Context {
    let vars = u32::try_from(code.vars.len()).unwrap_or(u32::MAX);
    let mut context = analyze::Context {
        search_path: search_path.to_vec(),
        first_range: vars,
        variables_conflict: conflict == Conflict::Error,
        ..analyze::Context::default()
    };
    context.params = code
        .vars
        .iter()
        .take(code.params)
        .map(|var| match &var.kind {
            VarKind::Scalar(ty) => ty.get(),
            VarKind::Record(shape) => shape.as_ref().map_or(TypeRef::of(oid::RECORD), |shape| shape.ty),
        })
        .collect();
    let mut seen: Vec<(&str, bool)> = Vec::new();
    let mut at = scope;
    while let Some(scope) = at {
        at = scope.outer.as_ref();
        let Some(var) = code.vars.get(scope.var) else { continue };
        let is_hidden = seen.iter().any(|(name, _)| *name == scope.name);
        let is_record = matches!(var.kind, VarKind::Record(_));
        // A hidden scalar is still reached by its label, unless a record hides it.
        let by_record = seen.iter().any(|(name, is_record)| *name == scope.name && *is_record);
        if is_hidden && (is_record || by_record || scope.label.is_none()) {
            continue;
        }
        seen.push((&scope.name, is_record));
        let number = u32::try_from(scope.var).unwrap_or(u32::MAX);
        match &var.kind {
            VarKind::Scalar(ty) => context.variables.push(Variable {
                name: scope.name.clone(),
                qualifier: scope.label.as_deref().map(str::to_owned),
                ty: ty.get(),
                param: Param::Numbered(number.saturating_add(1)),
            }),
            VarKind::Record(_) => {
                let columns = known.shape(scope.var).map_or_else(Vec::new, |shape| {
                    shape.columns.iter().zip(1i16..).map(|((name, ty), number)| (name.clone(), number, *ty)).collect()
                });
                context.rows.push(NamedRow { name: scope.name.clone(), range: RangeId(number), columns });
            }
        }
    }
    // Analysis takes the last of a name.
    context.variables.reverse();
    context.rows.reverse();
    context
}

/// Puts parameters in the place of variables: answers where their values come from, and the records they depend on.
pub(super) struct Parameters<'a> {
    vars: u32,
    known: &'a dyn Known,
    is_dynamic: bool,
    /// TG_ARGV, which counts from 0.
    argv: Option<u32>,
    pub(super) given: Vec<Given>,
    pub(super) records: Vec<usize>,
}

impl<'a> Parameters<'a> {
    pub(super) fn new(code: &Code, known: &'a dyn Known, is_dynamic: bool) -> Self {
        let vars = u32::try_from(code.vars.len()).unwrap_or(u32::MAX);
        let argv = code.rows.and_then(|_| code.vars.iter().position(|var| var.name == "tg_argv"));
        let argv = argv.and_then(|at| u32::try_from(at + 1).ok()).filter(|_| !is_dynamic);
        Self { vars, known, is_dynamic, argv, given: Vec::new(), records: Vec::new() }
    }

    pub(super) fn of_statement(&mut self, statement: &mut Statement) {
        walk_statement_mut(self, statement);
    }

    fn param(&mut self, given: Given) -> ExprKind {
        let at = self.given.iter().position(|known| *known == given).unwrap_or_else(|| {
            self.given.push(given);
            self.given.len() - 1
        });
        ExprKind::Param(Param::Numbered(u32::try_from(at + 1).unwrap_or(u32::MAX)))
    }

    fn record(&mut self, range: RangeId) -> Option<usize> {
        if self.is_dynamic || range.0 >= self.vars {
            return None;
        }
        let var = usize::try_from(range.0).ok()?;
        if !self.records.contains(&var) {
            self.records.push(var);
        }
        Some(var)
    }

    /// `record IS [NOT] NULL`: of its fields.
    fn is_null(&mut self, var: usize, negated: bool) -> Option<ExprKind> {
        let shape = self.known.shape(var)?;
        let fields = shape.columns.iter().enumerate().map(|(at, (_, ty))| {
            let field = Expr::new(self.param(Given::Field(var, at)), *ty);
            Expr::new(ExprKind::IsNull { expr: Box::new(field), negated }, TypeRef::of(oid::BOOL))
        });
        Some(ExprKind::And(fields.collect()))
    }
}

impl VisitorMut for Parameters<'_> {
    fn expr(&mut self, expr: &mut Expr) {
        match &mut expr.kind {
            ExprKind::Column { range, column } => {
                let (range, column) = (*range, *column);
                if let Some(var) = self.record(range) {
                    let field = usize::try_from(column).unwrap_or(1).saturating_sub(1);
                    expr.kind = self.param(Given::Field(var, field));
                }
            }
            ExprKind::WholeRow { range } => {
                let range = *range;
                if let Some(var) = self.record(range) {
                    expr.kind = self.param(Given::Object(var));
                    expr.ty = TypeRef::of(oid::JSON);
                }
            }
            ExprKind::IsNull { expr: inner, negated } if matches!(inner.kind, ExprKind::WholeRow { .. }) => {
                let ExprKind::WholeRow { range } = inner.kind else { return };
                let negated = *negated;
                if let Some(var) = self.record(range) {
                    expr.kind = self.is_null(var, negated).unwrap_or_else(|| Expr::bool(!negated).kind);
                }
            }
            ExprKind::UserFunc { args, .. } => {
                for arg in args {
                    if let ExprKind::WholeRow { range } = arg.kind
                        && let Some(var) = self.record(range)
                    {
                        arg.kind = self.param(Given::Row(var));
                    } else {
                        self.expr(arg);
                    }
                }
            }
            ExprKind::Subscript { array, index } if matches!(array.kind, ExprKind::Param(Param::Numbered(n)) if Some(n) == self.argv) =>
            {
                let one = Expr::new(ExprKind::Const(Value::Int(1)), index.ty);
                let ty = index.ty;
                let args = vec![(**index).clone(), one];
                **index = Expr::new(ExprKind::Op { symbol: "+", imp: Imp("int4pl"), args }, ty);
                self.expr(array);
                self.expr(index);
            }
            ExprKind::Param(Param::Numbered(number)) => {
                let at = usize::try_from(*number).unwrap_or(1).saturating_sub(1);
                let is_record = !self.is_dynamic && self.known.shape(at).is_some();
                let given = match (self.is_dynamic, is_record) {
                    (true, _) => Given::Using(at),
                    (false, true) => Given::Object(at),
                    (false, false) => Given::Var(at),
                };
                expr.kind = self.param(given);
            }
            _ => walk_expr_mut(self, expr),
        }
    }
}
