//! What PostgreSQL's planner expects a statement to cost, asked before it is run where a role's cost is bounded.
//!
//! The estimate is that of the first request of a plan and role, kept for a minute: it follows from the shape and the statistics far
//! more than from the values.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use basalt_engine::{Explain, Run, RunError};
use basalt_plan::dialect::postgres::PgStatement;
use basalt_types::RoleName;
use parking_lot::Mutex;

use crate::engine::PostgresEngine;
use crate::error;
use crate::request::{self, Shared};

/// How long an estimate counts.
const KEPT: Duration = Duration::from_secs(60);

/// Most estimates kept; all are forgotten when there are more.
const MOST: usize = 4096;

/// Estimates by plan and role.
#[derive(Default)]
pub(crate) struct Costs(Mutex<HashMap<(u64, RoleName), (f64, Instant)>>);

impl PostgresEngine {
    /// Refuses a run that would cost more than it may.
    ///
    /// # Errors
    /// [`RunError::TooCostly`]; what PostgreSQL says of the statement.
    #[allow(clippy::disallowed_methods)] // monotonic time: how old an estimate is
    pub(crate) async fn check_cost(&self, run: &Run, statement: &PgStatement, shared: &Shared<'_>) -> Result<(), RunError> {
        let Some(most) = run.limits.max_cost else { return Ok(()) };
        let key = (run.plan.id, run.session.role.clone());
        let known = self.shared.costs.0.lock().get(&key).filter(|(_, since)| since.elapsed() < KEPT).map(|(cost, _)| *cost);
        let cost = match known {
            Some(cost) => cost,
            None => {
                let explain = Some(Box::new(Explain { json: true, ..Explain::default() }));
                let asked = Run { explain, rollback: true, ..run.clone() };
                let answer =
                    request::run(self.shared.requests.lease().await.map_err(error::refused)?, &asked, statement, shared).await?;
                let cost = total_cost(&String::from_utf8_lossy(&answer.body)).unwrap_or_default();
                let mut costs = self.shared.costs.0.lock();
                if costs.len() >= MOST {
                    costs.clear();
                }
                costs.insert(key, (cost, Instant::now()));
                cost
            }
        };
        verdict(cost, most)
    }
}

/// Refuses an estimate beyond the bound.
///
/// # Errors
/// [`RunError::TooCostly`].
pub(crate) fn verdict(cost: f64, most: u64) -> Result<(), RunError> {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // estimates, never negative
    if cost > most as f64 { Err(RunError::TooCostly { most, cost: Some(cost.ceil() as u64) }) } else { Ok(()) }
}

/// The cost of the outermost node of `EXPLAIN (FORMAT JSON)`, which stands first.
pub(crate) fn total_cost(explained: &str) -> Option<f64> {
    let (_, rest) = explained.split_once("\"Total Cost\":")?;
    rest.split([',', '\n', '}']).next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outermost_node_counts() {
        let explained = "[\n  {\n    \"Plan\": {\n      \"Node Type\": \"Aggregate\",\n      \"Total Cost\": 12.5,\n      \
             \"Plans\": [ { \"Total Cost\": 3.25 } ] } } ]";
        assert_eq!(total_cost(explained), Some(12.5));
        assert_eq!(total_cost("Seq Scan"), None);
        assert_eq!(verdict(12.5, 13), Ok(()));
        assert_eq!(verdict(12.5, 12), Err(RunError::TooCostly { most: 12, cost: Some(13) }));
    }
}
