//! One connection, and how it is made.

use std::time::Duration;

use basalt_types::{SqlError, SqlState};
use tokio_postgres::config::Host;
use tokio_postgres::{CancelToken, Client, Config, NoTls};

use crate::error::{self, CANNOT_CONNECT};

/// Where to connect and as whom.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    config: Config,
}

impl Target {
    /// Reads a URL or key=value string.
    ///
    /// # Errors
    /// 22023 for a text that is neither; 0A000 for a host that would need TLS.
    pub(crate) fn parse(text: &str, connect_timeout: Duration, application: &str) -> Result<Self, SqlError> {
        // The driver's words may repeat the text, and the text has a password.
        let invalid = || SqlError::new(SqlState::INVALID_PARAMETER, "the database's address is not a PostgreSQL URL");
        let mut config: Config = text.parse().map_err(|_| invalid())?;
        config.connect_timeout(connect_timeout).application_name(application);
        let is_local = |host: &Host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        };
        if !config.get_hosts().iter().all(is_local) {
            let message = "PostgreSQL on another host needs TLS, which this version does not speak";
            return Err(SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, message).hint("Use a socket or a tunnel on this machine."));
        }
        Ok(Self { config })
    }

    /// The same database with another login.
    pub(crate) fn with_login(&self, user: &str, password: &str) -> Self {
        let mut config = self.config.clone();
        config.user(user).password(password);
        Self { config }
    }

    /// Connects; the connection is driven by a task of the current runtime.
    ///
    /// # Errors
    /// 08001 when there is no server, and PostgreSQL's own refusals (28P01, 53300, 57P03).
    pub(crate) async fn connect(&self) -> Result<Client, SqlError> {
        let (client, connection) = self.config.connect(NoTls).await.map_err(|e| {
            if e.as_db_error().is_some() {
                return error::of(&e);
            }
            tracing::warn!(error = %e, "no connection to PostgreSQL");
            SqlError::new(CANNOT_CONNECT, "the database cannot be reached")
        })?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to PostgreSQL ended");
            }
        });
        Ok(client)
    }
}

/// Stops what a connection is doing. The server is asked on a connection of its own, so it may come late; errors mean it has ended.
pub(crate) async fn cancel(token: CancelToken) {
    let _ = token.cancel_query(NoTls).await;
}
