//! Settings of the surface, as plain values.

use std::time::Duration;

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
    /// Whether `Prefer: tx=rollback` is followed.
    pub allow_rollback: bool,
    /// Whether every request's facts are told to the engine, not only when the catalog's SQL may read them.
    pub tells_request: bool,
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
            allow_rollback: false,
            tells_request: false,
            max_plans: 4096,
        }
    }
}

impl RestConfig {
    /// Longest time of a role's statement.
    pub fn timeout_of(&self, role: &str) -> Duration {
        self.timeouts.iter().find(|(name, _)| name == role).map_or(self.default_timeout, |(_, timeout)| *timeout)
    }
}
