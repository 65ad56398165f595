//! Sockets: accepting, header time-outs, the number of connections, an orderly end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::Gateway;

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

/// A bound listener with the gateway behind it.
pub struct Server {
    listener: TcpListener,
    gateway: Arc<Gateway>,
}

impl Server {
    /// Binds an address, so that its port is known before the gateway is made.
    ///
    /// # Errors
    /// When it is taken or not ours.
    pub async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
        TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })
    }

    /// A gateway behind a listener.
    pub fn new(listener: TcpListener, gateway: Arc<Gateway>) -> Self {
        Self { listener, gateway }
    }

    /// Serves until `stop` is done; then takes no new connections and waits for running requests, for as long as the settings allow.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(self.gateway.config.max_connections));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.gateway.config.header_timeout)
            .max_buf_size(self.gateway.config.max_header_bytes.max(8192))
            .max_headers(128)
            .pipeline_flush(true);
        tokio::pin!(stop);
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = &mut stop => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, usually: wait for some to be freed rather than spin.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    continue;
                }
            };
            let _ = stream.set_nodelay(true);
            let gateway = Arc::clone(&self.gateway);
            let service = service_fn(move |request| {
                let gateway = Arc::clone(&gateway);
                async move { Ok::<_, std::convert::Infallible>(gateway.answer(peer.ip(), request).await.map(Full::new)) }
            });
            let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
            let gateway = Arc::clone(&self.gateway);
            tokio::spawn(async move {
                let _open = gateway.figures.connection();
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection ended early");
                }
                drop(place);
            });
        }
        drop(self.listener);
        if tokio::time::timeout(self.gateway.config.drain_timeout, graceful.shutdown()).await.is_err() {
            tracing::warn!("some requests had not ended when the time to drain was over");
        }
    }
}
