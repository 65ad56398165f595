//! Calls of users' functions: by the host functions `basalt_call` and `basalt_rows`, which run them inside the statement.

use basalt_catalog::{Function, TypeKind, Volatility};
use basalt_sql::typed::{Expr, ExprKind, RangeId, facts};
use basalt_types::{Oid, SqlError};

use super::printer::Printer;

impl Printer<'_> {
    fn called(&self, function: Oid) -> Result<&Function, SqlError> {
        self.catalog.function_by_oid(function).map(AsRef::as_ref).ok_or_else(|| SqlError::internal("a function has gone"))
    }

    /// A call for one plain value.
    pub(super) fn user_function(&mut self, oid: Oid, args: &[Expr]) -> Result<(), SqlError> {
        let function = self.called(oid)?;
        if self.is_schema_text {
            return Err(SqlError::unsupported(format!("the function {} in an index", function.name)));
        }
        if function.gives_rows(self.catalog) {
            return Err(SqlError::unsupported(format!("the rows of the function {} as a value", function.name)));
        }
        // What changes with no row is asked once: SQLite keeps the value of a subquery that reads nothing of the rows around it.
        let is_constant = function.volatility != Volatility::Volatile && args.iter().all(facts::is_row_independent);
        self.raw(if is_constant { "(SELECT basalt_call(" } else { "basalt_call(" });
        self.call_arguments(oid, args)?;
        self.raw(if is_constant { "))" } else { ")" });
        Ok(())
    }

    /// A call for rows, as an item of FROM.
    pub(super) fn user_rows(&mut self, call: &Expr, range: RangeId) -> Result<(), SqlError> {
        let ExprKind::UserFunc { function, args } = &call.kind else {
            return Err(SqlError::internal("rows of what is no function"));
        };
        self.raw("json_each(basalt_rows(");
        self.call_arguments(*function, args)?;
        self.raw(")) AS ").alias(range);
        Ok(())
    }

    fn call_arguments(&mut self, function: Oid, args: &[Expr]) -> Result<(), SqlError> {
        self.number(i64::from(function.0));
        for arg in args {
            self.raw(", ");
            self.call_argument(arg)?;
        }
        Ok(())
    }

    /// An argument; a table's row goes with all its columns.
    fn call_argument(&mut self, arg: &Expr) -> Result<(), SqlError> {
        let relation = match self.catalog.type_by_oid(arg.ty.oid).map(|def| &def.kind) {
            Some(TypeKind::Row { relation }) => self.relation(Oid(*relation))?,
            _ => return self.expr(arg),
        };
        match &arg.kind {
            ExprKind::WholeRow { range } => {
                let columns: Vec<Expr> = relation.columns.iter().map(|c| Expr::column(*range, c.attnum, c.type_ref())).collect();
                self.call("basalt_row", &columns)
            }
            ExprKind::Cast { expr, .. } if matches!(expr.kind, ExprKind::Row(_)) => match &expr.kind {
                ExprKind::Row(items) => self.call("basalt_row", items),
                _ => self.expr(arg),
            },
            // Rows that come as arguments go on as they are.
            ExprKind::Param(_) | ExprKind::Const(_) => self.expr(arg),
            _ => Err(SqlError::unsupported(format!("this row of {} as an argument", relation.name))),
        }
    }
}
