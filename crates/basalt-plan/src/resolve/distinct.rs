//! DISTINCT and DISTINCT ON of a read's root level.

use basalt_sql::typed::{Body, From, Query, Target};
use basalt_types::pg::oid;
use basalt_types::{SqlError, SqlState};

use super::error::ResolveError;
use super::level::Level;
use super::{Resolver, plain_query};
use crate::ask::{Field, Node};

impl<'c> Resolver<'c> {
    /// Leaves out rows that are equal: in all they show when no fields are named, else in these fields, of which the first by the
    /// order stays.
    pub(super) fn distinct(&mut self, level: &Level<'c>, on: &[Field], query: &mut Query) -> Result<(), ResolveError> {
        let refused = |message: &str| -> ResolveError { SqlError::new(SqlState::INVALID_COLUMN_REFERENCE, message).into() };
        let keys = on.iter().map(|field| self.field(level, field)).collect::<Result<Vec<_>, _>>()?;
        let catalog = self.catalog;
        let has_no_equality = |ty| catalog.base_type(ty).oid == oid::JSON;
        let Query { body: Body::Select(select), order_by, .. } = query else {
            return Err(SqlError::internal("a level is a SELECT").into());
        };
        let mut compared = keys.iter().chain(select.targets.iter().map(|target| &target.expr).filter(|_| keys.is_empty()));
        if compared.any(|expr| has_no_equality(expr.ty)) {
            let message = "could not identify an equality operator for type json";
            return Err(SqlError::new(SqlState::UNDEFINED_FUNCTION, message).into());
        }
        if keys.is_empty() {
            if order_by.iter().any(|key| !select.targets.iter().any(|target| target.expr == key.expr)) {
                return Err(refused("for SELECT DISTINCT, ORDER BY expressions must appear in select list"));
            }
        } else if order_by.iter().take(keys.len()).any(|key| !keys.contains(&key.expr)) {
            return Err(refused("SELECT DISTINCT ON expressions must match initial ORDER BY expressions"));
        }
        select.distinct = Some(keys);
        Ok(())
    }

    /// `SELECT count(*)` of the rows that DISTINCT leaves.
    pub(super) fn counting_distinct(&mut self, level: &Level<'c>, node: &Node, from: From) -> Result<Query, ResolveError> {
        let rows = Node { limit: None, offset: None, order: Vec::new(), ..node.clone() };
        let conditions = self.conditions(level, &rows)?;
        let mut query = self.query(level, &rows, vec![from], conditions)?;
        if let Some(on) = &node.distinct {
            self.distinct(level, on, &mut query)?;
        }
        query.limit = None;
        let range = self.ranges.next();
        let from = From::Query { range, query: Box::new(query), lateral: false, alias: "_distinct".to_owned(), view: None };
        let count = basalt_sql::analyze::function("count", Vec::new(), self.catalog)?;
        Ok(plain_query(vec![Target { expr: count, name: "count".to_owned() }], vec![from], None))
    }
}
