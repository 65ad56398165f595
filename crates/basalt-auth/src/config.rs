//! What the program tells this surface: plain values, no reading of files or environment here.

use std::time::Duration;

/// Settings of auth. The defaults are those of the Supabase CLI's `config.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct AuthConfig {
    /// Where clients reach the server, e.g. `http://127.0.0.1:54321`; `iss` is this with `/auth/v1`.
    pub external_url: String,
    /// The app's own URL, where redirects go.
    pub site_url: String,
    /// Further redirect targets: exact URLs, or patterns with `*` and `**`. Links in mails need them; in this version nothing does.
    pub additional_redirect_urls: Vec<String>,
    /// `aud` of users and their tokens.
    pub audience: String,
    /// Roles whose tokens may use the admin endpoints.
    pub admin_roles: Vec<String>,
    /// `[auth] enable_signup`.
    pub is_signup_enabled: bool,
    /// `[auth.email] enable_signup`: whether e-mail and password can be used at all.
    pub is_email_enabled: bool,
    /// `[auth.email] enable_confirmations` turned round: new addresses count as confirmed at once.
    pub is_autoconfirm: bool,
    /// `[auth] jwt_expiry`, seconds.
    pub jwt_expiry_s: i64,
    /// `[auth] minimum_password_length`, bytes as the original counts.
    pub minimum_password_length: usize,
    /// `[auth] password_requirements`.
    pub password_requirements: PasswordRequirements,
    /// `[auth.email] secure_password_change`: a new password needs a sign-in of the last 24 hours.
    pub needs_recent_sign_in_for_password: bool,
    /// Whether a new password needs the current one.
    pub needs_current_password: bool,
    /// `[auth] enable_refresh_token_rotation`: whether a token used again too late ends its session.
    pub is_refresh_token_rotation_enabled: bool,
    /// `[auth] refresh_token_reuse_interval`, seconds.
    pub refresh_token_reuse_interval_s: i64,
    /// `[auth.sessions] timebox`: longest life of a session.
    pub session_timebox: Option<Duration>,
    /// `[auth.sessions] inactivity_timeout`: longest time between two refreshes.
    pub session_inactivity: Option<Duration>,
    /// Budgets.
    pub rate_limits: RateLimits,
    /// How passwords are hashed.
    pub hashing: Hashing,
    /// `version` in `/health`.
    pub version: String,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            external_url: "http://127.0.0.1:54321".to_owned(),
            site_url: "http://127.0.0.1:3000".to_owned(),
            additional_redirect_urls: Vec::new(),
            audience: "authenticated".to_owned(),
            admin_roles: vec!["service_role".to_owned(), "supabase_admin".to_owned()],
            is_signup_enabled: true,
            is_email_enabled: true,
            is_autoconfirm: true,
            jwt_expiry_s: 3600,
            minimum_password_length: 6,
            password_requirements: PasswordRequirements::None,
            needs_recent_sign_in_for_password: false,
            needs_current_password: false,
            is_refresh_token_rotation_enabled: true,
            refresh_token_reuse_interval_s: 10,
            session_timebox: None,
            session_inactivity: None,
            rate_limits: RateLimits::default(),
            hashing: Hashing::default(),
            version: concat!("basalt-", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

impl AuthConfig {
    /// The `iss` claim.
    pub fn issuer(&self) -> String {
        format!("{}/auth/v1", self.external_url.trim_end_matches('/'))
    }
}

/// Characters a password must have, as the CLI names the sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PasswordRequirements {
    /// `""`.
    #[default]
    None,
    /// `letters_digits`.
    LettersDigits,
    /// `lower_upper_letters_digits`.
    LowerUpperLettersDigits,
    /// `lower_upper_letters_digits_symbols`.
    LowerUpperLettersDigitsSymbols,
}

impl PasswordRequirements {
    /// Reads the CLI's word.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "" => Self::None,
            "letters_digits" => Self::LettersDigits,
            "lower_upper_letters_digits" => Self::LowerUpperLettersDigits,
            "lower_upper_letters_digits_symbols" => Self::LowerUpperLettersDigitsSymbols,
            _ => return None,
        })
    }

    /// One character of each set must occur.
    pub(crate) fn sets(self) -> &'static [&'static str] {
        const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
        const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        const DIGITS: &str = "0123456789";
        const SYMBOLS: &str = "!@#$%^&*()_+-=[]{};'\\:\"|<>?,./`~";
        match self {
            Self::None => &[],
            Self::LettersDigits => &[LETTERS, DIGITS],
            Self::LowerUpperLettersDigits => &[LOWER, UPPER, DIGITS],
            Self::LowerUpperLettersDigitsSymbols => &[LOWER, UPPER, DIGITS, SYMBOLS],
        }
    }
}

/// Budgets per client address (IPv6: per /64) and per account. See [`crate::limits`] for how they work together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Sign-ups per address in five minutes. CLI: `[auth.rate_limit] sign_in_sign_ups`.
    pub sign_ups: u32,
    /// Password sign-ins per address in five minutes, right or wrong.
    pub sign_ins: u32,
    /// Refreshes per address in five minutes. CLI: `[auth.rate_limit] token_refresh`.
    pub token_refreshes: u32,
    /// Wrong passwords per account and address in five minutes.
    pub failures_per_account_and_address: u32,
    /// Wrong passwords per account from all addresses in an hour, before only known addresses are let through.
    pub failures_per_account: u32,
    /// Whether the budgets per address also hold for loopback. Clients of a proxy that is not among the trusted ones all come
    /// from there, so counting them together would let one of them shut out all others.
    pub counts_loopback: bool,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            sign_ups: 30,
            sign_ins: 150,
            token_refreshes: 150,
            failures_per_account_and_address: 10,
            failures_per_account: 100,
            counts_loopback: false,
        }
    }
}

/// How passwords are hashed: argon2id (RFC 9106), and how much of it at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashing {
    /// Memory of one hash, KiB. Source of the default: OWASP Password Storage Cheat Sheet.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
    /// Threads that hash; all hashing together takes this times the memory of one hash.
    pub threads: usize,
    /// Most hashes waiting; one more request is answered 503.
    pub queue: usize,
}

impl Default for Hashing {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self { memory_kib: 19_456, iterations: 2, parallelism: 1, threads: cores.clamp(1, 4), queue: 256 }
    }
}
