//! How such a connection begins: socket, TLS, startup, password.

use basalt_types::{SqlError, SqlState};
use bytes::{Buf as _, BufMut as _};
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding as Binding, Host, SslMode, SslNegotiation, TargetSessionAttrs};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect as _};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Stream, Wire, frame};

/// Version 3.0 of the protocol.
const VERSION: i32 = 196_608;

/// SSLRequest's number.
const SSL_REQUEST: i32 = 80_877_103;

/// CancelRequest's number.
const CANCEL_REQUEST: i32 = 80_877_102;

/// Longest message before the password is accepted; bytes.
const MOST: usize = 64 << 10;

/// Whether an address is of the common kind: one host, and nothing that only a general driver knows.
pub(crate) fn is_plain(config: &Config) -> bool {
    config.get_hosts().len() == 1
        && config.get_hostaddrs().is_empty()
        && config.get_ports().len() <= 1
        && config.get_channel_binding() != Binding::Require
        && config.get_ssl_negotiation() == SslNegotiation::Postgres
        && config.get_target_session_attrs() == TargetSessionAttrs::Any
        && config.get_options().is_none()
}

fn unreachable(failed: &std::io::Error) -> SqlError {
    tracing::warn!(error = %failed, "no connection to PostgreSQL");
    SqlError::new(SqlState::CANNOT_CONNECT, "the database cannot be reached")
}

async fn open(config: &Config, tls: Option<&MakeRustlsConnect>) -> Result<Box<dyn Stream>, SqlError> {
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let host = config.get_hosts().first().ok_or_else(|| SqlError::internal("an address without a host"))?;
    match host {
        Host::Unix(folder) => {
            let path = folder.join(format!(".s.PGSQL.{port}"));
            Ok(Box::new(UnixStream::connect(path).await.map_err(|e| unreachable(&e))?))
        }
        Host::Tcp(name) => {
            let mut stream = TcpStream::connect((name.as_str(), port)).await.map_err(|e| unreachable(&e))?;
            stream.set_nodelay(true).map_err(|e| unreachable(&e))?;
            let Some(tls) = tls.filter(|_| config.get_ssl_mode() != SslMode::Disable) else { return Ok(Box::new(stream)) };
            let mut request = bytes::BytesMut::new();
            frame::untagged(&mut request, |out| out.put_i32(SSL_REQUEST));
            stream.write_all(&request).await.map_err(|e| unreachable(&e))?;
            // One byte and no more: what follows must come through TLS.
            match stream.read_u8().await.map_err(|e| unreachable(&e))? {
                b'S' => {
                    let mut tls = tls.clone();
                    let connect = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut tls, name)
                        .map_err(|_| SqlError::new(SqlState::CANNOT_CONNECT, "the database's host has no name for TLS"))?;
                    let stream = connect.connect(stream).await.map_err(|failed| {
                        tracing::warn!(error = %failed, "no TLS with PostgreSQL");
                        SqlError::new(SqlState::CANNOT_CONNECT, "TLS with the database failed")
                    })?;
                    Ok(Box::new(stream))
                }
                _ if config.get_ssl_mode() == SslMode::Prefer => Ok(Box::new(stream)),
                _ => Err(SqlError::new(SqlState::CANNOT_CONNECT, "the database's server does not speak TLS")),
            }
        }
    }
}

impl Wire {
    /// Connects and gives the password. The caller bounds the time.
    ///
    /// # Errors
    /// 08B01 when there is no server, and PostgreSQL's own refusals (28P01, 53300, 57P03).
    pub(crate) async fn connect(config: &Config, tls: Option<&MakeRustlsConnect>) -> Result<Self, SqlError> {
        let mut wire = Self::over(open(config, tls).await?);
        let user = config.get_user().unwrap_or("postgres");
        frame::untagged(&mut wire.output, |out| {
            out.put_i32(VERSION);
            let pairs = [
                ("user", Some(user)),
                ("database", config.get_dbname()),
                ("application_name", config.get_application_name()),
                ("client_encoding", Some("UTF8")),
            ];
            for (name, value) in pairs.into_iter().filter_map(|(name, value)| Some((name, value?))) {
                frame::string(out, name);
                frame::string(out, value);
            }
            out.put_u8(0);
        });
        wire.sign_in(user, config.get_password()).await?;
        Ok(wire)
    }

    async fn sign_in(&mut self, user: &str, password: Option<&[u8]>) -> Result<(), SqlError> {
        let refused = |message: &str| SqlError::new(SqlState::CANNOT_CONNECT, message.to_owned());
        let need = || password.ok_or_else(|| refused("the database asks for a password, and its address has none"));
        let lost = || refused("the database closed the connection while it began");
        let mut scram: Option<ScramSha256> = None;
        let mut is_proven = false;
        loop {
            while !self.output.is_empty() {
                self.stream.write_buf(&mut self.output).await.map_err(|_| lost())?;
            }
            self.stream.flush().await.map_err(|_| lost())?;
            let frame = self.frame(MOST).await.map_err(|_| lost())?;
            let mut body = frame.body;
            match frame.tag {
                b'R' if body.len() >= 4 => match body.get_i32() {
                    0 if scram.is_some() && !is_proven => {
                        return Err(refused("the database did not prove that it knows the password"));
                    }
                    0 | 12 if body.is_empty() => {}
                    3 => {
                        let password = String::from_utf8_lossy(need()?).into_owned();
                        frame::message(&mut self.output, b'p', |out| frame::string(out, &password));
                    }
                    5 if body.len() >= 4 => {
                        let salt = [body.get_u8(), body.get_u8(), body.get_u8(), body.get_u8()];
                        let hash = md5_hash(user.as_bytes(), need()?, salt);
                        frame::message(&mut self.output, b'p', |out| frame::string(out, &hash));
                    }
                    10 => {
                        if !body.split(|byte| *byte == 0).any(|name| name == SCRAM_SHA_256.as_bytes()) {
                            return Err(refused("the database asks for a way to sign in that is not SCRAM-SHA-256"));
                        }
                        let exchange = ScramSha256::new(need()?, ChannelBinding::unsupported());
                        frame::message(&mut self.output, b'p', |out| {
                            frame::string(out, SCRAM_SHA_256);
                            out.put_i32(i32::try_from(exchange.message().len()).unwrap_or(0));
                            out.put_slice(exchange.message());
                        });
                        scram = Some(exchange);
                    }
                    11 => {
                        let exchange = scram.as_mut().ok_or_else(lost)?;
                        exchange.update(&body).map_err(|_| refused("the database's part of the sign-in is broken"))?;
                        frame::message(&mut self.output, b'p', |out| out.put_slice(exchange.message()));
                    }
                    12 => {
                        let exchange = scram.as_mut().ok_or_else(lost)?;
                        exchange.finish(&body).map_err(|_| refused("the database did not prove that it knows the password"))?;
                        is_proven = true;
                    }
                    _ => return Err(refused("the database asks for a way to sign in that is not known")),
                },
                b'K' if body.len() >= 8 => self.key = (body.get_i32(), body.get_i32()),
                b'E' => return Err(frame::error(&body)),
                b'Z' => return Ok(()),
                _ => {}
            }
        }
    }
}

/// Asks the server to stop what a connection does, on a connection of its own. It may come late; errors mean it has ended.
pub(crate) async fn cancel(key: (i32, i32), config: &Config, tls: Option<&MakeRustlsConnect>) {
    let Ok(mut stream) = open(config, tls).await else { return };
    let mut message = bytes::BytesMut::new();
    frame::untagged(&mut message, |out| {
        out.put_i32(CANCEL_REQUEST);
        out.put_i32(key.0);
        out.put_i32(key.1);
    });
    let _ = stream.write_all(&message).await;
    let _ = stream.flush().await;
    // The server closes when it has sent the signal.
    let _ = stream.read_u8().await;
}
