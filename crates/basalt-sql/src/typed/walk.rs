//! Walking over typed trees, by shared and by mutable reference.
//!
//! Implement [`Visitor`] or [`VisitorMut`], override the node kinds of interest and call the `walk_…` function of the same name to go
//! on into the children (before, after, or not at all). Every expression, query and FROM item is reached, subqueries included:
//! what must not descend into subqueries overrides `query` with an empty body.

use super::{
    Body, ConflictUpdate, Cte, Delete, Expr, ExprKind, From, Insert, InsertSource, Order, Query, Select, Statement, Target,
    Update, UpdateSet,
};

macro_rules! walker {
    ($trait:ident, $statement:ident, $query:ident, $select:ident, $from:ident, $expr:ident, $iter:ident, $as_deref:ident, $($m:ident)?) => {
        /// Called for each node of a typed tree; the default bodies descend.
        pub trait $trait {
            /// A query: the outermost one, subqueries, CTEs.
            fn query(&mut self, query: & $($m)? Query) {
                $query(self, query);
            }
            /// A SELECT.
            fn select(&mut self, select: & $($m)? Select) {
                $select(self, select);
            }
            /// An item of FROM (or UPDATE … FROM, DELETE … USING), joins included.
            fn from(&mut self, from: & $($m)? From) {
                $from(self, from);
            }
            /// An expression.
            fn expr(&mut self, expr: & $($m)? Expr) {
                $expr(self, expr);
            }
        }

        /// Visits all parts of a statement.
        pub fn $statement<V: $trait + ?Sized>(v: &mut V, statement: & $($m)? Statement) {
            match statement {
                Statement::Query(query) => v.query(query),
                Statement::Insert(insert) => {
                    let Insert { ctes, source, on_conflict, returning, .. } = & $($m)? **insert;
                    each_cte(v, ctes);
                    match source {
                        InsertSource::Values(rows) => {
                            for value in rows.$iter().flat_map(|row| row.$iter()).flatten() {
                                v.expr(value);
                            }
                        }
                        InsertSource::Query(query) => v.query(query),
                        InsertSource::Payload { .. } => {}
                    }
                    if let Some(ConflictUpdate { set, filter, .. }) = on_conflict.$as_deref().and_then(|c| c.update.$as_deref()) {
                        for (_, value) in set {
                            each_option(v, value);
                        }
                        each_option(v, filter);
                    }
                    each_target(v, returning);
                }
                Statement::Update(update) => {
                    let Update { ctes, set, from, filter, returning, order_by, limit, offset, .. } = & $($m)? **update;
                    each_cte(v, ctes);
                    for item in from {
                        v.from(item);
                    }
                    if let UpdateSet::Exprs(set) = set {
                        for (_, value) in set {
                            each_option(v, value);
                        }
                    }
                    each_option(v, filter);
                    each_target(v, returning);
                    each_order(v, order_by);
                    each_option(v, limit);
                    each_option(v, offset);
                }
                Statement::Delete(delete) => {
                    let Delete { ctes, using, filter, returning, order_by, limit, offset, .. } = & $($m)? **delete;
                    each_cte(v, ctes);
                    for item in using {
                        v.from(item);
                    }
                    each_option(v, filter);
                    each_target(v, returning);
                    each_order(v, order_by);
                    each_option(v, limit);
                    each_option(v, offset);
                }
            }
        }

        /// Visits the CTEs, the body and the tail of a query.
        pub fn $query<V: $trait + ?Sized>(v: &mut V, query: & $($m)? Query) {
            let Query { ctes, body, order_by, limit, offset } = query;
            each_cte(v, ctes);
            match body {
                Body::Select(select) => v.select(select),
                Body::Values { rows } => {
                    for value in rows.$iter().flat_map(|row| row.$iter()) {
                        v.expr(value);
                    }
                }
                Body::Set { left, right, .. } => {
                    v.query(left);
                    v.query(right);
                }
            }
            each_order(v, order_by);
            each_option(v, limit);
            each_option(v, offset);
        }

        /// Visits FROM, then every expression of a SELECT.
        pub fn $select<V: $trait + ?Sized>(v: &mut V, select: & $($m)? Select) {
            let Select { distinct, targets, from, filter, policy, group_by, having } = select;
            for item in from {
                v.from(item);
            }
            for expr in distinct.$iter().flat_map(|list| list.$iter()) {
                v.expr(expr);
            }
            each_target(v, targets);
            each_option(v, filter);
            each_option(v, policy);
            for expr in group_by {
                v.expr(expr);
            }
            each_option(v, having);
        }

        /// Visits the parts of a FROM item.
        pub fn $from<V: $trait + ?Sized>(v: &mut V, from: & $($m)? From) {
            match from {
                From::Table { .. } | From::Cte { .. } => {}
                From::Query { query, .. } => v.query(query),
                From::Function { call, .. } => v.expr(call),
                From::Join { left, right, on, .. } => {
                    v.from(left);
                    v.from(right);
                    each_option(v, on);
                }
            }
        }

        /// Visits the direct children of an expression.
        pub fn $expr<V: $trait + ?Sized>(v: &mut V, expr: & $($m)? Expr) {
            match & $($m)? expr.kind {
                ExprKind::Const(_) | ExprKind::Param(_) | ExprKind::Column { .. } | ExprKind::WholeRow { .. } => {}
                ExprKind::Op { args, .. } | ExprKind::Func { args, .. } | ExprKind::UserFunc { args, .. } | ExprKind::Extreme { args, .. } => {
                    for arg in args {
                        v.expr(arg);
                    }
                }
                ExprKind::And(args) | ExprKind::Or(args) | ExprKind::Coalesce(args) | ExprKind::Array(args) | ExprKind::Row(args) => {
                    for arg in args {
                        v.expr(arg);
                    }
                }
                ExprKind::Aggregate { args, order_by, filter, .. } => {
                    for arg in args {
                        v.expr(arg);
                    }
                    each_order(v, order_by);
                    if let Some(filter) = filter {
                        v.expr(filter);
                    }
                }
                ExprKind::Window { args, filter, partition_by, order_by, .. } => {
                    for arg in args {
                        v.expr(arg);
                    }
                    if let Some(filter) = filter {
                        v.expr(filter);
                    }
                    for key in partition_by {
                        v.expr(key);
                    }
                    each_order(v, order_by);
                }
                ExprKind::Cast { expr, .. }
                | ExprKind::Not(expr)
                | ExprKind::IsNull { expr, .. }
                | ExprKind::IsBool { expr, .. }
                | ExprKind::Field { expr, .. }
                | ExprKind::Collate { expr, .. } => v.expr(expr),
                ExprKind::Distinct { left, right, .. } | ExprKind::NullIf { left, right, .. } => {
                    v.expr(left);
                    v.expr(right);
                }
                ExprKind::Case { arms, otherwise } => {
                    for (when, then) in arms {
                        v.expr(when);
                        v.expr(then);
                    }
                    if let Some(otherwise) = otherwise {
                        v.expr(otherwise);
                    }
                }
                ExprKind::Subscript { array, index } => {
                    v.expr(array);
                    v.expr(index);
                }
                ExprKind::QuantifiedArray { left, array, .. } => {
                    v.expr(left);
                    v.expr(array);
                }
                ExprKind::InList { expr, list, .. } => {
                    v.expr(expr);
                    for item in list {
                        v.expr(item);
                    }
                }
                ExprKind::QuantifiedQuery { left, query, .. } => {
                    for item in left {
                        v.expr(item);
                    }
                    v.query(query);
                }
                ExprKind::Exists(query) | ExprKind::Scalar(query) | ExprKind::ArrayQuery(query) | ExprKind::JsonRows { query, .. } => v.query(query),
            }
        }

        fn each_cte<V: $trait + ?Sized>(v: &mut V, ctes: & $($m)? Vec<Cte>) {
            for cte in ctes {
                v.query(& $($m)? cte.query);
            }
        }

        fn each_order<V: $trait + ?Sized>(v: &mut V, order_by: & $($m)? Vec<Order>) {
            for key in order_by {
                v.expr(& $($m)? key.expr);
            }
        }

        fn each_target<V: $trait + ?Sized>(v: &mut V, targets: & $($m)? Vec<Target>) {
            for target in targets {
                v.expr(& $($m)? target.expr);
            }
        }

        fn each_option<V: $trait + ?Sized>(v: &mut V, expr: & $($m)? Option<Expr>) {
            if let Some(expr) = expr {
                v.expr(expr);
            }
        }
    };
}

/// By shared reference.
mod shared {
    use super::*;
    walker!(Visitor, walk_statement, walk_query, walk_select, walk_from, walk_expr, iter, as_ref,);
}

/// By mutable reference.
mod mutable {
    use super::*;
    walker!(VisitorMut, walk_statement_mut, walk_query_mut, walk_select_mut, walk_from_mut, walk_expr_mut, iter_mut, as_mut, mut);
}

pub use mutable::{VisitorMut, walk_expr_mut, walk_from_mut, walk_query_mut, walk_select_mut, walk_statement_mut};
pub use shared::{Visitor, walk_expr, walk_from, walk_query, walk_select, walk_statement};
