//! What an engine needs to know before it connects.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use basalt_types::{Clock, Secret, SystemClock};

use crate::foreign::Foreign;

/// Settings of a [`crate::PostgresEngine`].
#[derive(Clone)]
pub struct PostgresOptions {
    /// URL or key=value string for requests: a login that is a member of the API's roles and nothing else.
    pub requests: String,
    /// Login and password for requests, in place of those in `admin`: `requests` is then not used.
    pub request_login: Option<(String, Secret)>,
    /// For everything Basalt does for itself: the services' tables, migrations, reading the catalog.
    pub admin: String,
    /// Most connections for requests, over all threads.
    pub pool_size: usize,
    /// Most connections for the services' own tables.
    pub admin_pool_size: usize,
    /// Longest wait for a free connection: [`basalt_types::SqlState::POOL_TIMEOUT`] after that.
    pub pool_timeout: Duration,
    /// How long a connection for requests rests before it is closed; `None`: as long as it is good. Counts where `foreign` is set.
    pub max_idle: Option<Duration>,
    /// How old it gets.
    pub max_life: Option<Duration>,
    /// Longest wait for a new connection.
    pub connect_timeout: Duration,
    /// Whether statements may be kept by name on the server: not behind a pooler that changes connections between transactions.
    pub is_prepared: bool,
    /// Whether such a pooler is looked for at the start, and statements are then not kept either.
    pub finds_poolers: bool,
    /// Addresses of servers that follow the primary and take its reads. Their login is that of requests.
    pub replicas: Vec<String>,
    /// Schemas that requests see: first in their search path, in this order.
    pub schemas: Vec<String>,
    /// Schemas that follow in the search path.
    pub extra_search_path: Vec<String>,
    /// The database is not Basalt's own: one login serves, `requests` and `admin` are its address.
    pub foreign: Option<Foreign>,
    /// Parallel lanes of the pool: one for each thread that serves requests.
    pub lanes: usize,
    /// How often the database is asked whether its schema changed.
    pub watch_interval: Duration,
    /// The services' time. SQL's `now()` is the server's own.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for PostgresOptions {
    /// Without the addresses, which hold passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("pool_size", &self.pool_size)
            .field("admin_pool_size", &self.admin_pool_size)
            .field("schemas", &self.schemas)
            .finish_non_exhaustive()
    }
}

impl PostgresOptions {
    /// Usual settings.
    pub fn new(requests: impl Into<String>, admin: impl Into<String>) -> Self {
        Self {
            requests: requests.into(),
            request_login: None,
            admin: admin.into(),
            pool_size: 20,
            admin_pool_size: 5,
            pool_timeout: Duration::from_secs(10),
            max_idle: None,
            max_life: None,
            connect_timeout: Duration::from_secs(10),
            is_prepared: true,
            finds_poolers: true,
            replicas: Vec::new(),
            schemas: vec!["public".to_owned()],
            extra_search_path: vec!["public".to_owned(), "extensions".to_owned()],
            foreign: None,
            lanes: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            watch_interval: Duration::from_secs(5),
            clock: Arc::new(SystemClock),
        }
    }

    /// The search path of requests for a schema, as a setting's value.
    pub(crate) fn search_path(&self, schema: Option<&str>) -> String {
        let mut names: Vec<String> = Vec::new();
        for name in schema.into_iter().chain(self.extra_search_path.iter().map(String::as_str)) {
            let quoted = format!("\"{}\"", name.replace('"', "\"\""));
            if !names.contains(&quoted) {
                names.push(quoted);
            }
        }
        names.join(", ")
    }
}
