//! One connection, and how it is made.

use std::time::Duration;

use basalt_types::{SqlError, SqlState};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{AbortHandle, JoinHandle};
use tokio_postgres::{AsyncMessage, CancelToken, Client, Config, Connection, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error;
use crate::wire::{self, Wire};
use crate::{address, tls};

/// Where to connect and as whom.
#[derive(Clone)]
pub(crate) struct Target {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    warning: Option<&'static str>,
}

impl Target {
    /// Reads a URL or key=value string.
    ///
    /// # Errors
    /// 22023 for a text that is neither, and for certificates that cannot be read.
    pub(crate) fn parse(text: &str, connect_timeout: Duration, application: &str) -> Result<Self, SqlError> {
        let mut address = address::parse(text)?;
        let is_local = address.is_local;
        address.config.ssl_mode(address.tls.driver_mode(is_local)).connect_timeout(connect_timeout).application_name(application);
        let tls = address.tls.connector(is_local)?;
        Ok(Self { config: address.config, tls, warning: address.tls.warning(is_local) })
    }

    /// The same database with another login.
    pub(crate) fn with_login(&self, user: &str, password: &str) -> Self {
        let mut target = self.clone();
        target.config.user(user).password(password);
        target
    }

    /// The login.
    pub(crate) fn user(&self) -> Option<&str> {
        self.config.get_user()
    }

    /// Whether both are at the same address.
    pub(crate) fn is_same_server(&self, other: &Self) -> bool {
        self.config.get_hosts() == other.config.get_hosts()
            && self.config.get_hostaddrs() == other.config.get_hostaddrs()
            && self.config.get_ports() == other.config.get_ports()
    }

    /// What the operator should know of the way there.
    pub(crate) fn warning(&self) -> Option<&'static str> {
        self.warning
    }

    /// Connects; the connection is driven by a task of the current runtime.
    ///
    /// # Errors
    /// 08B01 when there is no server, it does not answer in time, or its certificate is refused, and PostgreSQL's own refusals
    /// (28P01, 53300, 57P03).
    pub(crate) async fn connect(&self) -> Result<Client, SqlError> {
        self.connect_driven().await.map(|(client, _)| client)
    }

    /// As [`Target::connect`], with what ends the connection at once, whatever it is in the middle of.
    ///
    /// # Errors
    /// As [`Target::connect`].
    pub(crate) async fn connect_driven(&self) -> Result<(Client, AbortHandle), SqlError> {
        let connecting = async {
            match &self.tls {
                Some(tls) => {
                    let (client, connection) = self.config.connect(tls.clone()).await.map_err(failed)?;
                    Ok((client, tokio::spawn(drive(connection)).abort_handle()))
                }
                None => {
                    let (client, connection) = self.config.connect(NoTls).await.map_err(failed)?;
                    Ok((client, tokio::spawn(drive(connection)).abort_handle()))
                }
            }
        };
        self.in_time(connecting).await
    }

    /// As [`Target::connect`], telling what the server says unasked. The task ends with the connection.
    ///
    /// # Errors
    /// As [`Target::connect`].
    pub(crate) async fn connect_listening(
        &self,
        said: impl FnMut(AsyncMessage) + Send + 'static,
    ) -> Result<(Client, JoinHandle<()>), SqlError> {
        self.in_time(self.connect_heard(said)).await
    }

    async fn connect_heard(&self, said: impl FnMut(AsyncMessage) + Send + 'static) -> Result<(Client, JoinHandle<()>), SqlError> {
        match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await.map_err(failed)?;
                Ok((client, tokio::spawn(hear(connection, said))))
            }
            None => {
                let (client, connection) = self.config.connect(NoTls).await.map_err(failed)?;
                Ok((client, tokio::spawn(hear(connection, said))))
            }
        }
    }

    /// A connection for the common request.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub(crate) async fn connect_wire(&self) -> Result<Wire, SqlError> {
        self.in_time(Wire::connect(&self.config, self.tls.as_ref())).await
    }

    /// Bounds all of a connection's beginning: a server that has stopped takes connections and says nothing.
    async fn in_time<T>(&self, connecting: impl Future<Output = Result<T, SqlError>>) -> Result<T, SqlError> {
        let limit = self.config.get_connect_timeout().copied().unwrap_or(Duration::from_secs(10));
        tokio::time::timeout(limit, connecting).await.unwrap_or_else(|_| {
            tracing::warn!("no connection to PostgreSQL in time");
            Err(SqlError::new(SqlState::CANNOT_CONNECT, "the database cannot be reached"))
        })
    }

    /// Whether [`Self::connect_wire`] understands the address.
    pub(crate) fn has_wire(&self) -> bool {
        wire::is_plain(&self.config)
    }

    /// As [`Self::cancel`].
    pub(crate) async fn cancel_wire(&self, key: (i32, i32)) {
        wire::cancel(key, &self.config, self.tls.as_ref()).await;
    }

    /// Stops what a connection is doing. The server is asked on a connection of its own, so it may come late; errors mean it has ended.
    pub(crate) async fn cancel(&self, token: CancelToken) {
        let _ = match &self.tls {
            Some(tls) => token.cancel_query(tls.clone()).await,
            None => token.cancel_query(NoTls).await,
        };
    }
}

fn failed(e: tokio_postgres::Error) -> SqlError {
    if e.as_db_error().is_some() {
        return error::of(&e);
    }
    tracing::warn!(error = %e, cause = std::error::Error::source(&e), "no connection to PostgreSQL");
    match tls::failure(&e) {
        Some((message, hint)) => SqlError::new(SqlState::CANNOT_CONNECT, message).hint(hint),
        None => SqlError::new(SqlState::CANNOT_CONNECT, "the database cannot be reached"),
    }
}

/// Drives a connection, telling what the server says unasked.
async fn hear<S, T>(mut connection: Connection<S, T>, mut said: impl FnMut(AsyncMessage))
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match std::future::poll_fn(|cx| connection.poll_message(cx)).await {
            Some(Ok(message)) => said(message),
            Some(Err(error)) => {
                tracing::debug!(%error, "a connection to PostgreSQL ended");
                return;
            }
            None => return,
        }
    }
}

async fn drive(connection: impl Future<Output = Result<(), tokio_postgres::Error>>) {
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection to PostgreSQL ended");
    }
}
