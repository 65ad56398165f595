//! JSON Web Tokens (RFC 7519) and API keys: making them, verifying them, and telling who a request's headers speak for.
//!
//! The auth surface signs here, the gateway verifies here; neither has a second idea of what a valid token is. What it does not do:
//! no sessions, no users, no HTTP. Start with [`keys`] for what a project has, [`verify`] for the only way in; [`key_set`] and
//! [`role_path`] are for tokens that others sign.

pub mod key_set;
pub mod keys;
pub mod known;
pub mod role_path;
pub mod verify;

pub use key_set::KeySet;
pub use keys::{ApiKeyRole, Keys};
pub use known::Known;
pub use role_path::RolePath;
pub use verify::{Times, TokenError, Verifier};
