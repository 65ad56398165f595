//! The auth API (`/auth/v1`, GoTrue's dialect): sign-up, sign-in, refresh, sign-out, users and their administration.
//!
//! What it does not do: no listening, no CORS, no API keys (the gateway's work); no database driver. Not yet: mails, second
//! factors, other providers; their endpoints answer as the original does when the feature is switched off.
//!
//! Start with [`Auth::handle`], then `route` for the list of endpoints. To add one: a file in `endpoint/` and an arm in `route`. To add
//! an error: a variant of [`AuthError`], its row in `wire`, its row in `docs/wire/auth.md`, a case.

mod caller;
pub mod config;
mod email;
mod endpoint;
mod error;
mod json;
mod limits;
mod password;
mod refresh_token;
mod route;
mod store;
mod tokens;
mod view;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use basalt_engine::Engine;
use basalt_token::{ApiKeyRole, Verifier};
use basalt_types::{Clock, Rng, Secret};
use bytes::Bytes;
use http::{Request, Response};

pub use config::{AuthConfig, Hashing, PasswordRequirements, RateLimits};
pub use error::{AuthError, MfaKind};

use crate::limits::Limiter;
use crate::password::HashPool;
use crate::refresh_token::RefreshTokenKey;
use crate::store::Store;

/// What the gateway knows of a request besides its text.
#[derive(Debug, Clone)]
pub struct RequestFacts<'a> {
    /// The client's address: the socket's peer, or what a trusted proxy says.
    pub client_ip: IpAddr,
    /// Where this client reaches the server, without trailing slash.
    pub base_url: &'a str,
    /// The bearer token as sent, when it is no opaque API key. Not trusted: it is verified here.
    pub bearer: Option<&'a str>,
    /// The role of the API key, verified by the gateway.
    pub api_role: Option<ApiKeyRole>,
    /// `User-Agent`.
    pub user_agent: Option<String>,
}

/// Keys of this surface, kept outside the database.
#[derive(Debug, Clone)]
pub struct AuthSecrets {
    /// Signs access tokens (HS256); the verifier must be made from the same.
    pub jwt_secret: Secret,
    /// Signs refresh tokens; at least 32 random bytes as text. Changing it signs everybody out.
    pub refresh_token_key: Secret,
}

/// The auth API of one project.
pub struct Auth {
    store: Store,
    config: AuthConfig,
    jwt_secret: Secret,
    refresh_tokens: RefreshTokenKey,
    verifier: Arc<Verifier>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    passwords: HashPool,
    limiter: Limiter,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Auth {
    /// Starts the threads that hash passwords. Nothing is read from the database yet.
    pub fn new(
        engine: Arc<dyn Engine>,
        config: AuthConfig,
        secrets: AuthSecrets,
        verifier: Arc<Verifier>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Self {
        Self {
            store: Store::new(engine),
            jwt_secret: secrets.jwt_secret,
            refresh_tokens: RefreshTokenKey::new(&secrets.refresh_token_key),
            verifier,
            clock,
            passwords: HashPool::new(config.hashing, Arc::clone(&rng)),
            rng,
            limiter: Limiter::new(config.rate_limits),
            config,
        }
    }

    /// Figures for monitoring: name and value.
    pub fn figures(&self) -> Vec<(&'static str, u64)> {
        let figures = self.passwords.figures();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        vec![
            ("auth_password_hashes", read(&figures.computed)),
            ("auth_password_hashes_pending", read(&figures.pending)),
            ("auth_password_hashes_refused", read(&figures.refused)),
        ]
    }

    /// Answers one request, whose path has no `/auth/v1` any more.
    pub async fn handle(&self, facts: &RequestFacts<'_>, request: Request<Bytes>) -> Response<Bytes> {
        route::answer(self, facts, &request).await
    }
}
