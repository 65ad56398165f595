//! A project's secrets: made once, kept in `.basalt/secrets` with mode 0600, overridden by the environment.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use basalt_token::Keys;
use basalt_token::keys::{legacy_key, random_text};
use basalt_token::{ApiKeyRole, Verifier};
use basalt_types::{Clock, Rng, Secret};
use serde::{Deserialize, Serialize};

use crate::config::KeyOverrides;
use crate::project::ProjectError;

/// Everything secret of a project.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// API keys and the signing secret.
    pub keys: Keys,
    /// Keys the refresh tokens; never in the database.
    pub refresh_key: Secret,
}

/// The stored form.
#[derive(Serialize, Deserialize)]
struct Stored {
    jwt_secret: String,
    publishable_key: String,
    secret_key: String,
    anon_key: String,
    service_role_key: String,
    refresh_key: String,
}

/// Why secrets cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The file.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The file's content.
    #[error("{0} is damaged: restore it from a backup, or remove it to make new keys (all sessions and API keys end then)")]
    Damaged(String),
    /// JWT_SECRET is short.
    #[error("JWT_SECRET has {0} bytes; it needs at least 32")]
    Short(usize),
    /// A key of the settings does not fit.
    #[error("{0} is not a key signed with this JWT_SECRET and the role {1}; `basalt gen keys` makes a set")]
    Unfitting(&'static str, &'static str),
}

impl Secrets {
    /// Reads the project's secrets, making them when there are none; those of settings come last.
    ///
    /// # Errors
    /// When the file or a key of the settings cannot be used.
    pub fn load(state: &Path, overrides: &KeyOverrides, rng: &dyn Rng, clock: &dyn Clock) -> Result<Self, SecretsError> {
        Self::read(state, overrides, rng, clock, true)
    }

    /// As [`Secrets::load`], but what is made is not kept.
    ///
    /// # Errors
    /// As [`Secrets::load`].
    pub fn check(state: &Path, overrides: &KeyOverrides, rng: &dyn Rng, clock: &dyn Clock) -> Result<(), SecretsError> {
        Self::read(state, overrides, rng, clock, false).map(|_| ())
    }

    fn read(state: &Path, overrides: &KeyOverrides, rng: &dyn Rng, clock: &dyn Clock, keeps: bool) -> Result<Self, SecretsError> {
        let path = state.join("secrets");
        let mut secrets = match fs::read_to_string(&path) {
            Ok(text) => {
                let stored: Stored = toml::from_str(&text).map_err(|_| SecretsError::Damaged(path.display().to_string()))?;
                Self::from_stored(stored)
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let made = Self { keys: Keys::generate(rng, clock.now()), refresh_key: Secret::new(random_text(rng, 32)) };
                if keeps {
                    write_private(&path, &made.to_stored()).map_err(ProjectError::io(&path))?;
                }
                made
            }
            Err(e) => return Err(ProjectError::io(&path)(e).into()),
        };
        secrets.overlay(overrides, clock)?;
        Ok(secrets)
    }

    /// The password of the login that requests use on PostgreSQL, when Basalt made that login. It follows from the refresh key, so
    /// that it is nowhere stored.
    pub fn database_password(&self) -> Secret {
        Secret::new(basalt_token::keys::derive(&self.refresh_key, "database login of requests"))
    }

    fn overlay(&mut self, given: &KeyOverrides, clock: &dyn Clock) -> Result<(), SecretsError> {
        let keys = &mut self.keys;
        if let Some(secret) = &given.jwt_secret {
            if secret.reveal().len() < 32 {
                return Err(SecretsError::Short(secret.reveal().len()));
            }
            if secret.reveal() != keys.jwt_secret.reveal() {
                keys.jwt_secret = secret.clone();
                keys.anon = legacy_key(&keys.jwt_secret, ApiKeyRole::Anon, clock.now());
                keys.service_role = legacy_key(&keys.jwt_secret, ApiKeyRole::Service, clock.now());
            }
        }
        let verifier = Verifier::new(&keys.jwt_secret, None);
        for (name, role, key, slot) in [
            ("ANON_KEY", "anon", &given.anon, &mut keys.anon),
            ("SERVICE_ROLE_KEY", "service_role", &given.service_role, &mut keys.service_role),
        ] {
            if let Some(key) = key {
                let fits =
                    verifier.verify_signature(key.reveal()).is_ok_and(|c| c.get("role").and_then(|r| r.as_str()) == Some(role));
                if !fits {
                    return Err(SecretsError::Unfitting(name, role));
                }
                *slot = key.clone();
            }
        }
        for (key, slot) in [(&given.publishable, &mut keys.publishable), (&given.secret, &mut keys.secret)] {
            if let Some(key) = key {
                *slot = key.clone();
            }
        }
        Ok(())
    }

    fn from_stored(stored: Stored) -> Self {
        Self {
            keys: Keys {
                jwt_secret: Secret::new(stored.jwt_secret),
                publishable: Secret::new(stored.publishable_key),
                secret: Secret::new(stored.secret_key),
                anon: Secret::new(stored.anon_key),
                service_role: Secret::new(stored.service_role_key),
            },
            refresh_key: Secret::new(stored.refresh_key),
        }
    }

    fn to_stored(&self) -> String {
        let stored = Stored {
            jwt_secret: self.keys.jwt_secret.reveal().into(),
            publishable_key: self.keys.publishable.reveal().into(),
            secret_key: self.keys.secret.reveal().into(),
            anon_key: self.keys.anon.reveal().into(),
            service_role_key: self.keys.service_role.reveal().into(),
            refresh_key: self.refresh_key.reveal().into(),
        };
        toml::to_string(&stored).expect("six texts have a TOML form")
    }
}

/// Writes a file that only its owner can read; never through an existing file or link, and on disk before it has its name.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let temporary = path.with_extension(format!("new{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    if let Some(dir) = path.parent() {
        fs::File::open(dir)?.sync_all()?;
    }
    Ok(())
}
