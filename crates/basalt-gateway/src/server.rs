//! Sockets: accepting, header time-outs, the number of connections, an orderly end.
//!
//! One thread accepts; as many threads as there are cores serve, each with a runtime of its own. A connection stays on its core, so
//! no work and no memory moves between cores, and each core has a reading connection of the database to itself.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::Either;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::Gateway;
use crate::wire::Wire;

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
        let places = Arc::new(Semaphore::new(self.gateway.config.max_connections));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut cores: Vec<Core> = (0..cores).filter_map(|i| Core::start(i, &self.gateway)).collect();
        if cores.is_empty() {
            tracing::error!("the operating system has no thread to serve with");
            return;
        }
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
            // Leaves this runtime's poller; the core's takes it.
            let Ok(stream) = stream.into_std() else { continue };
            if let Some(core) = cores.iter().min_by_key(|core| core.open.load(Ordering::Relaxed)) {
                core.take(Accepted { stream, peer, place });
            }
        }
        drop(self.listener);
        // A core that gets no more connections drains those it has.
        let ended: Vec<_> = cores.drain(..).map(|core| core.ended).collect();
        for core in ended {
            let _ = core.await;
        }
    }
}

/// A connection on its way to a core.
struct Accepted {
    stream: std::net::TcpStream,
    peer: SocketAddr,
    place: OwnedSemaphorePermit,
}

/// A thread that serves connections.
struct Core {
    /// Dropped: no more connections come.
    sender: mpsc::UnboundedSender<Accepted>,
    /// Connections it has, those on their way included.
    open: Arc<AtomicUsize>,
    /// Answers when the last connection has ended, or the time to drain is over.
    ended: oneshot::Receiver<()>,
}

impl Core {
    /// Starts the thread; `None` when there is none to be had.
    fn start(number: usize, gateway: &Arc<Gateway>) -> Option<Self> {
        let (sender, accepted) = mpsc::unbounded_channel();
        let (done, ended) = oneshot::channel();
        let open = Arc::new(AtomicUsize::new(0));
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "a core has no runtime");
                return None;
            }
        };
        let (gateway, count) = (Arc::clone(gateway), Arc::clone(&open));
        let work = move || {
            runtime.block_on(serve(&gateway, accepted, &count));
            let _ = done.send(());
            // What still runs, a file being read for nobody, must not hold up the end.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name(format!("basalt-core-{number}")).stack_size(CORE_STACK_BYTES).spawn(work);
        match thread {
            Ok(_) => Some(Self { sender, open, ended }),
            Err(error) => {
                tracing::error!(%error, "a core has no thread");
                None
            }
        }
    }

    fn take(&self, accepted: Accepted) {
        self.open.fetch_add(1, Ordering::Relaxed);
        // A core ends only after its sender is dropped.
        let _ = self.sender.send(accepted);
    }
}

/// Stack of a core, bytes: short reads run here, and planning recurses with the request's depth. Only pages in use take memory.
const CORE_STACK_BYTES: usize = 8 << 20;

/// One core: serves what it is given until nothing more comes, then drains.
async fn serve(gateway: &Arc<Gateway>, mut accepted: mpsc::UnboundedReceiver<Accepted>, open: &Arc<AtomicUsize>) {
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(gateway.config.header_timeout)
        // At most a hundred headers, hyper's default: any number set here would be room taken anew for each request.
        .max_buf_size(gateway.config.max_header_bytes.max(8192));
    while let Some(Accepted { stream, peer, place }) = accepted.recv().await {
        let held = Held { open: Arc::clone(open), _place: place };
        let stream = match TcpStream::from_std(stream) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be served");
                continue;
            }
        };
        let own = Arc::clone(gateway);
        let service = service_fn(move |request| match own.answer_now(peer.ip(), &request) {
            Some(response) => Either::Left(ready(Ok::<_, Infallible>(response.map(Full::new)))),
            None => {
                let gateway = Arc::clone(&own);
                // Boxed, so that hyper moves a pointer where the future of a short answer is short.
                let answer = async move { Ok(gateway.answer(peer.ip(), request).await.map(Full::new)) };
                Either::Right(Box::pin(answer))
            }
        });
        let stream = Wire::new(stream, gateway.config.max_header_bytes, gateway.config.send_timeout);
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        let gateway = Arc::clone(gateway);
        tokio::spawn(async move {
            let _held = held;
            let _open = gateway.figures.connection();
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    if tokio::time::timeout(gateway.config.drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests had not ended when the time to drain was over");
    }
}

/// A connection's place, for as long as it is open.
struct Held {
    open: Arc<AtomicUsize>,
    _place: OwnedSemaphorePermit,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}
