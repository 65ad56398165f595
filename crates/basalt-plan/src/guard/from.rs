//! Policies at table references: plain, joined, outer-joined, in views.

use std::rc::Rc;

use basalt_catalog::{PolicyCommand, RelationKind, Rights};
use basalt_sql::tree::JoinKind;
use basalt_sql::typed::{Body, Expr, ExprKind, From, Query, RangeId, Select, Target};
use basalt_types::{Oid, SqlError};

use super::Guard;
use super::needs::{Need, Read};
use super::policy::both;
use crate::raising::can_raise;

impl Guard<'_> {
    /// Guards a FROM item. Returns the condition that must hold for its rows, to be put where the item's rows are filtered; with
    /// `wrap` it is put into a subquery around each table instead, and nothing is returned.
    pub(super) fn from(&mut self, from: &mut From, role: &Rc<Rights>, wrap: bool) -> Result<Option<Expr>, SqlError> {
        match from {
            From::Table { range, relation, .. } => {
                let (range, oid) = (*range, *relation);
                let select = self.uses.of(range);
                let condition = self.table(oid, range, role, select)?;
                match condition {
                    Some(condition) if wrap => {
                        self.wrap(from, oid, range, condition)?;
                        Ok(None)
                    }
                    other => Ok(other),
                }
            }
            From::Query { range, query, view, .. } => {
                let Some(view) = *view else {
                    self.deeper(|g| g.query(query, role))?;
                    return Ok(None);
                };
                let inner_role = self.view(view, *range, role)?;
                self.views += 1;
                let done = self.deeper(|g| g.query(query, &inner_role));
                self.views -= 1;
                done.map(|()| None)
            }
            From::Cte { .. } => Ok(None),
            From::Function { call, .. } => {
                self.expr(call, role)?;
                Ok(None)
            }
            From::Join { kind, left, right, on } => self.join(*kind, left, right, on, role, wrap),
        }
    }

    fn join(
        &mut self,
        kind: JoinKind,
        left: &mut From,
        right: &mut From,
        on: &mut Option<Expr>,
        role: &Rc<Rights>,
        wrap: bool,
    ) -> Result<Option<Expr>, SqlError> {
        let wrap = wrap || kind == JoinKind::Full;
        let of_left = self.from(left, role, wrap)?;
        let of_right = self.from(right, role, wrap)?;
        if let Some(on) = on.as_mut() {
            self.expr(on, role)?;
        }
        // A hidden row of the nullable side is a row that is not there: its condition decides about the match.
        let (into_on, above) = match kind {
            JoinKind::Cross | JoinKind::Inner | JoinKind::Full => (None, both(of_left, of_right)),
            JoinKind::Left => (of_right, of_left),
            JoinKind::Right => (of_left, of_right),
        };
        if let Some(policy) = into_on {
            *on = Some(match on.take() {
                None => policy,
                Some(user) if can_raise(&user) => after(policy, user),
                Some(user) => both(Some(policy), Some(user)).unwrap_or_else(|| Expr::bool(true)),
            });
        }
        Ok(above)
    }

    /// Notes what a table reference takes and returns its policies' condition.
    pub(super) fn table(&mut self, oid: Oid, range: RangeId, role: &Rc<Rights>, select: Read) -> Result<Option<Expr>, SqlError> {
        let relation = self.relation(oid)?;
        self.touched.read.push(oid);
        self.needs.push(Need {
            depth: self.depth,
            relation: oid,
            role: role.clone(),
            select: Some(select),
            insert: None,
            update: None,
            delete: false,
            named: self.is_users_own(role),
        });
        if relation.kind != RelationKind::Table {
            return Ok(None);
        }
        self.visible(relation, PolicyCommand::Select, role, range)
    }

    /// Names in policies and views were looked up when those were made; only the statement's own need USAGE of the schema.
    pub(super) fn is_users_own(&self, role: &Rc<Rights>) -> bool {
        self.active.is_empty() && Rc::ptr_eq(role, &self.caller) && self.views == 0
    }

    /// Notes what a view reference takes and returns the role its query runs as.
    fn view(&mut self, oid: Oid, range: RangeId, role: &Rc<Rights>) -> Result<Rc<Rights>, SqlError> {
        let relation = self.relation(oid)?;
        let at = |position: i16| {
            usize::try_from(position).ok().and_then(|p| relation.columns.get(p.checked_sub(1)?)).map(|c| c.attnum)
        };
        let read = self.uses.of(range);
        let select = Read { columns: read.columns.iter().filter_map(|p| at(*p)).collect(), whole_row: read.whole_row };
        self.needs.push(Need {
            depth: self.depth,
            relation: oid,
            role: role.clone(),
            select: Some(select),
            insert: None,
            update: None,
            delete: false,
            named: self.is_users_own(role),
        });
        Ok(self.role_within(relation))
    }

    /// Puts a table with its condition into a subquery whose column positions are the table's attnums.
    fn wrap(&mut self, from: &mut From, oid: Oid, range: RangeId, mut condition: Expr) -> Result<(), SqlError> {
        let relation = self.relation(oid)?;
        let From::Table { alias, .. } = from else { return Ok(()) };
        let alias = alias.clone();
        let inner = RangeId(self.next);
        self.next += 1;
        rename(&mut condition, range, inner);
        let last = relation.columns.iter().map(|c| c.attnum).max().unwrap_or(0);
        let targets = (1..=last)
            .map(|attnum| match relation.column_at(attnum) {
                Some(column) => Target { expr: Expr::column(inner, attnum, column.type_ref()), name: column.name.clone() },
                None => Target {
                    expr: Expr::null(basalt_types::TypeRef::of(basalt_types::pg::oid::TEXT)),
                    name: format!("dropped{attnum}"),
                },
            })
            .collect();
        let table = From::Table { range: inner, relation: oid, alias: alias.clone() };
        let select = Select {
            distinct: None,
            targets,
            from: vec![table],
            filter: None,
            policy: Some(condition),
            group_by: Vec::new(),
            having: None,
        };
        let query =
            Query { ctes: Vec::new(), body: Body::Select(Box::new(select)), order_by: Vec::new(), limit: None, offset: None };
        *from = From::Query { range, query: Box::new(query), lateral: false, alias, view: None };
        Ok(())
    }
}

/// `policy` first, and only where it holds the user's condition, which may raise.
fn after(policy: Expr, user: Expr) -> Expr {
    let ty = user.ty;
    Expr::new(ExprKind::Case { arms: vec![(policy, user)], otherwise: Some(Box::new(Expr::bool(false))) }, ty)
}

/// Replaces one range by another.
fn rename(expr: &mut Expr, old: RangeId, new: RangeId) {
    struct Rename(RangeId, RangeId);
    impl basalt_sql::typed::walk::VisitorMut for Rename {
        fn expr(&mut self, expr: &mut Expr) {
            if let ExprKind::Column { range, .. } | ExprKind::WholeRow { range } = &mut expr.kind
                && *range == self.0
            {
                *range = self.1;
            }
            basalt_sql::typed::walk::walk_expr_mut(self, expr);
        }
    }
    basalt_sql::typed::walk::VisitorMut::expr(&mut Rename(old, new), expr);
}
