//! Settings of the surface, as plain values.

use std::time::Duration;

use crate::cursor::CursorKey;

/// What `/rest/v1` may do and how much. Changes need a new [`crate::Rest`].
#[derive(Debug, Clone, PartialEq)]
pub struct RestConfig {
    /// Exposed schemas; the first is the one that requests without a profile mean. Never empty in use: an empty list exposes nothing.
    pub schemas: Vec<String>,
    /// Schemas that functions' bodies see besides; kept for functions.
    pub extra_search_path: Vec<String>,
    /// Most rows of an answer, at each level; `None`: no bound but the body's.
    pub max_rows: Option<u64>,
    /// The role of requests without a user: refusals are 401 for it, 403 for others.
    pub anon_role: String,
    /// Longest time of a statement by role.
    pub timeouts: Vec<(String, Duration)>,
    /// Longest time of a statement of a role that is not in [`Self::timeouts`].
    pub default_timeout: Duration,
    /// Longest answer, bytes.
    pub max_response_bytes: usize,
    /// Deepest nesting of embeds.
    pub max_embed_depth: usize,
    /// Most embeds in one request.
    pub max_embeds: usize,
    /// Most conditions in one request.
    pub max_filters: usize,
    /// Longest pattern of `like`, `match` and their kin, bytes.
    pub max_pattern_bytes: usize,
    /// Whether tables without row security are refused to anon and authenticated.
    pub require_rls: bool,
    /// Whether `sum()` and its kin may be used.
    pub aggregates: bool,
    /// How transactions end, and whether `Prefer: tx=…` may say it (`db-tx-end`).
    pub tx_end: TxEnd,
    /// Whether `Accept: application/vnd.pgrst.plan` is answered with the statement's plan (`db-plan-enabled`). Plans tell of policies and of
    /// how many rows tables have: off unless the callers may know.
    pub plan_enabled: bool,
    /// Whether answers say in `Server-Timing` how long each stage took (`server-timing-enabled`).
    pub server_timing: bool,
    /// Whether every request's facts are told to the engine, not only when the catalog's SQL may read them.
    pub tells_request: bool,
    /// Most that a statement of a role may cost, in the engine's measure; roles that are not named: anything.
    pub max_costs: Vec<(String, u64)>,
    /// Most requests of a role at a time; roles that are not named: as many as there are.
    pub max_concurrent: Vec<(String, usize)>,
    /// What signs the cursors of pages; without it there are none.
    pub cursor_key: Option<CursorKey>,
    /// Whether reads have an `ETag`, and are 304 to who has it.
    pub etag: bool,
    /// What is kept of requests with an `Idempotency-Key`; nothing: they are refused.
    pub receipts: Option<ReceiptLimits>,
    /// Most rows of a POST with related rows, all tables together.
    pub max_nested_rows: usize,
    /// Most operations of a batch.
    pub max_batch_operations: usize,
    /// Most references of a batch to earlier answers.
    pub max_batch_references: usize,
    /// Longest batch, and longest body of an operation with its references' values, bytes.
    pub max_batch_bytes: usize,
    /// What documents of the root have (`openapi-mode`).
    pub openapi_mode: OpenApiMode,
    /// The roles that may read them; `None`: all may.
    pub openapi_roles: Option<Vec<String>>,
    /// Whether they say how requests are authorized (`openapi-security-active`).
    pub openapi_security: bool,
    /// Where they say the API is (`openapi-server-proxy-uri`): a URL.
    pub openapi_server: Option<String>,
    /// Plans kept; beyond it the cache starts anew.
    pub max_plans: usize,
}

impl Default for RestConfig {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            schemas: vec!["public".to_owned()],
            extra_search_path: vec!["public".to_owned(), "extensions".to_owned()],
            max_rows: Some(1000),
            anon_role: "anon".to_owned(),
            timeouts: vec![("anon".to_owned(), seconds(3)), ("authenticated".to_owned(), seconds(8))],
            default_timeout: seconds(60),
            max_response_bytes: 64 << 20,
            max_embed_depth: 8,
            max_embeds: 32,
            max_filters: 256,
            max_pattern_bytes: 1024,
            require_rls: false,
            aggregates: false,
            tx_end: TxEnd::Commit,
            plan_enabled: false,
            server_timing: false,
            tells_request: false,
            max_costs: Vec::new(),
            max_concurrent: Vec::new(),
            cursor_key: None,
            etag: false,
            receipts: Some(ReceiptLimits::default()),
            max_nested_rows: 1000,
            max_batch_operations: 100,
            max_batch_references: 1000,
            max_batch_bytes: 4 << 20,
            openapi_mode: OpenApiMode::FollowPrivileges,
            openapi_roles: Some(vec!["service_role".to_owned()]),
            openapi_security: false,
            openapi_server: None,
            max_plans: 4096,
        }
    }
}

impl RestConfig {
    /// Most that a role's statement may cost.
    pub fn max_cost_of(&self, role: &str) -> Option<u64> {
        self.max_costs.iter().find(|(name, _)| name == role).map(|(_, most)| *most)
    }

    /// Longest time of a role's statement.
    pub fn timeout_of(&self, role: &str) -> Duration {
        self.timeouts.iter().find(|(name, _)| name == role).map_or(self.default_timeout, |(_, timeout)| *timeout)
    }
}

/// Bounds of what is kept of requests with an `Idempotency-Key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiptLimits {
    /// How long a receipt counts.
    pub lifetime: Duration,
    /// Longest body that is kept, bytes.
    pub max_body_bytes: usize,
    /// Most receipts of a caller at a time; `None`: any number. Roles that row policies do not bind are not bounded.
    pub most: Option<u64>,
}

impl Default for ReceiptLimits {
    fn default() -> Self {
        Self { lifetime: Duration::from_secs(24 * 3600), max_body_bytes: 64 << 10, most: Some(10_000) }
    }
}

/// What the documents of the root have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OpenApiMode {
    /// What the caller's role has privileges on.
    #[default]
    FollowPrivileges,
    /// Everything in the exposed schema.
    IgnorePrivileges,
    /// There are none: 404 PGRST126.
    Disabled,
}

impl OpenApiMode {
    /// By its word in PostgREST's settings: `follow-privileges`, `ignore-privileges`, `disabled`.
    pub fn of(word: &str) -> Option<Self> {
        Some(match word {
            "follow-privileges" => Self::FollowPrivileges,
            "ignore-privileges" => Self::IgnorePrivileges,
            "disabled" => Self::Disabled,
            _ => return None,
        })
    }
}

/// How the transactions of requests end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TxEnd {
    /// They are committed.
    #[default]
    Commit,
    /// They are committed, unless the request says `Prefer: tx=rollback`.
    CommitAllowOverride,
    /// They are rolled back.
    Rollback,
    /// They are rolled back, unless the request says `Prefer: tx=commit`.
    RollbackAllowOverride,
}

impl TxEnd {
    /// By its word in PostgREST's settings: `commit`, `commit-allow-override`, `rollback`, `rollback-allow-override`.
    pub fn of(word: &str) -> Option<Self> {
        Some(match word {
            "commit" => Self::Commit,
            "commit-allow-override" => Self::CommitAllowOverride,
            "rollback" => Self::Rollback,
            "rollback-allow-override" => Self::RollbackAllowOverride,
            _ => return None,
        })
    }

    /// Whether the request may say it.
    pub fn may_override(self) -> bool {
        matches!(self, Self::CommitAllowOverride | Self::RollbackAllowOverride)
    }

    /// Whether a transaction is rolled back. `asked`: what the request says (true: rollback).
    pub fn rolls_back(self, asked: Option<bool>) -> bool {
        let by_default = matches!(self, Self::Rollback | Self::RollbackAllowOverride);
        asked.filter(|_| self.may_override()).unwrap_or(by_default)
    }
}
