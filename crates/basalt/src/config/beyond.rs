//! Settings of what `/rest/v1` has beyond PostgREST, of what is off by default in it, and of what roles may ask for.

use std::collections::BTreeMap;
use std::time::Duration;

use basalt_rest::{OpenApiMode, ReceiptLimits, TxEnd};

use super::resolve::{Resolver, Typed};
use super::settings::{boolean, integer, list, size, text};
use super::table::Setting;
use super::{ConfigError, table};

/// Switches, and limits of batches and their kin.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)] // switches of the settings files
pub struct BeyondSettings {
    /// Whether reads have an ETag.
    pub etag: bool,
    /// Most rows of a POST with related rows.
    pub nested_max_rows: usize,
    /// Most operations of a batch.
    pub batch_max_operations: usize,
    /// Longest batch, bytes.
    pub batch_max_bytes: usize,
    /// What is kept of requests with a key; nothing: they are refused.
    pub receipts: Option<ReceiptLimits>,
    /// Whether aggregates may be used.
    pub aggregates: bool,
    /// Whether plans are shown.
    pub plan_enabled: bool,
    /// How transactions end.
    pub tx_end: TxEnd,
    /// Whether answers say how long they took.
    pub server_timing: bool,
    /// What the root's documents have.
    pub openapi_mode: OpenApiMode,
    /// Who may read them; `None`: all roles.
    pub openapi_roles: Option<Vec<String>>,
    /// Whether they say how requests are authorized.
    pub openapi_security: bool,
    /// Where they say the API is.
    pub openapi_server: Option<String>,
}

impl BeyondSettings {
    /// Takes them.
    ///
    /// # Errors
    /// A value that is none.
    pub(super) fn of(from: &mut Resolver<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            etag: boolean(from, &table::ETAG)?,
            nested_max_rows: size(from, &table::NESTED_MAX_ROWS)?,
            batch_max_operations: size(from, &table::BATCH_MAX_OPERATIONS)?,
            batch_max_bytes: size(from, &table::BATCH_MAX_BYTES)?,
            receipts: {
                let limits = ReceiptLimits {
                    lifetime: Duration::from_secs(integer(from, &table::IDEMPOTENCY_LIFETIME_S)?),
                    max_body_bytes: size(from, &table::IDEMPOTENCY_MAX_BODY_BYTES)?,
                    most: Some(integer(from, &table::IDEMPOTENCY_MAX_RECEIPTS)?).filter(|most| *most > 0),
                };
                Some(limits).filter(|limits| !limits.lifetime.is_zero())
            },
            aggregates: boolean(from, &table::AGGREGATES)?,
            plan_enabled: boolean(from, &table::PLAN_ENABLED)?,
            // What the table's words do not know never comes here.
            tx_end: text(from, &table::TX_END)?.and_then(|word| TxEnd::of(&word)).unwrap_or_default(),
            server_timing: boolean(from, &table::SERVER_TIMING)?,
            openapi_mode: text(from, &table::OPENAPI_MODE)?.and_then(|word| OpenApiMode::of(&word)).unwrap_or_default(),
            openapi_roles: Some(list(from, &table::OPENAPI_ROLES)?).filter(|roles| roles.iter().all(|role| role != "*")),
            openapi_security: boolean(from, &table::OPENAPI_SECURITY)?,
            openapi_server: text(from, &table::OPENAPI_SERVER)?.filter(|url| !url.is_empty()),
        })
    }
}

/// What roles may ask for, by their names. A role that is not named has no bound, or the time of all others.
#[derive(Debug, Clone)]
pub struct RoleLimits {
    /// Longest time of a statement.
    pub timeouts: Vec<(String, Duration)>,
    /// Longest time of a statement of other roles.
    pub other_timeout: Duration,
    /// Most that a statement may cost.
    pub max_costs: Vec<(String, u64)>,
    /// Most requests at a time.
    pub max_concurrent: Vec<(String, usize)>,
}

impl RoleLimits {
    /// Takes them.
    ///
    /// # Errors
    /// A value that is none.
    pub(super) fn of(from: &mut Resolver<'_>) -> Result<Self, ConfigError> {
        let timeouts = [integer(from, &table::ANON_TIMEOUT_MS)?, integer(from, &table::AUTHENTICATED_TIMEOUT_MS)?];
        let other = integer(from, &table::OTHER_TIMEOUT_MS)?;
        let timeouts = by_role(from, timeouts, &table::TIMEOUT_MS)?;
        let costs = [integer(from, &table::ANON_MAX_COST)?, integer(from, &table::AUTHENTICATED_MAX_COST)?];
        let costs = by_role(from, costs, &table::MAX_COST)?;
        let concurrent = [integer(from, &table::ANON_CONCURRENT)?, integer(from, &table::AUTHENTICATED_CONCURRENT)?];
        let concurrent = by_role(from, concurrent, &table::CONCURRENT)?;
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Ok(Self {
            timeouts: timeouts.into_iter().map(|(role, ms)| (role, Duration::from_millis(ms))).collect(),
            other_timeout: Duration::from_millis(other),
            max_costs: costs.into_iter().filter(|(_, most)| *most > 0).collect(),
            max_concurrent: concurrent.into_iter().filter(|(_, most)| *most > 0).map(|(role, n)| (role, count(n))).collect(),
        })
    }
}

/// The figures of anon and authenticated, and of the roles that a setting names, which counts before those.
fn by_role(
    from: &mut Resolver<'_>,
    [anon, authenticated]: [u64; 2],
    setting: &'static Setting,
) -> Result<Vec<(String, u64)>, ConfigError> {
    let mut all = BTreeMap::from([("anon".to_owned(), anon), ("authenticated".to_owned(), authenticated)]);
    if let Some(Typed::ByRole(named)) = from.take(setting)? {
        all.extend(named);
    }
    Ok(all.into_iter().collect())
}
