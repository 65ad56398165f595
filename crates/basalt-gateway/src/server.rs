//! Sockets: accepting, header time-outs, the number of connections, an orderly end.
//!
//! One thread accepts; as many threads as there are cores serve, each with a runtime of its own. A connection stays on its core, so
//! no work and no memory moves between cores, and each core has a reading connection of the database to itself.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::future::Either;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::listener::{Listener, Stream};
use crate::wire::Wire;
use crate::{Figures, Gateway, GatewayConfig};

/// What answers the requests of a listener.
pub trait Handler: Send + Sync + 'static {
    /// Its limits.
    fn config(&self) -> &GatewayConfig;

    /// Where connections are counted.
    fn figures(&self) -> &Figures;

    /// Answers a request right here, when nothing has to be waited for. `None`: [`Handler::answer`] does.
    fn answer_now(&self, peer: IpAddr, request: &Request<Incoming>) -> Option<Response<Bytes>>;

    /// Answers a request.
    fn answer(self: Arc<Self>, peer: IpAddr, request: Request<Incoming>) -> impl Future<Output = Response<Bytes>> + Send;
}

impl Handler for Gateway {
    fn config(&self) -> &GatewayConfig {
        &self.config
    }

    fn figures(&self) -> &Figures {
        &self.figures
    }

    fn answer_now(&self, peer: IpAddr, request: &Request<Incoming>) -> Option<Response<Bytes>> {
        Self::answer_now(self, peer, request)
    }

    async fn answer(self: Arc<Self>, peer: IpAddr, request: Request<Incoming>) -> Response<Bytes> {
        Self::answer(&self, peer, request).await
    }
}

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

/// A bound listener with what answers behind it.
pub struct Server<H = Gateway> {
    listener: Listener,
    handler: Arc<H>,
    cores: usize,
}

impl Server {
    /// Binds an address, so that its port is known before the gateway is made.
    ///
    /// # Errors
    /// When it is taken or not ours.
    pub async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
        TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })
    }
}

impl<H: Handler> Server<H> {
    /// Something that answers, behind a listener.
    pub fn new(listener: impl Into<Listener>, handler: Arc<H>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { listener: listener.into(), handler, cores }
    }

    /// With so many threads instead of one for each core.
    #[must_use]
    pub fn with_cores(self, cores: usize) -> Self {
        Self { cores: cores.max(1), ..self }
    }

    /// Serves until `stop` is done; then takes no new connections and waits for running requests, for as long as the settings allow.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let places = Arc::new(Semaphore::new(self.handler.config().max_connections));
        let mut cores: Vec<Core> = (0..self.cores).filter_map(|i| Core::start(i, &self.handler)).collect();
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
    stream: Stream,
    peer: IpAddr,
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
    fn start<H: Handler>(number: usize, handler: &Arc<H>) -> Option<Self> {
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
        let (handler, count) = (Arc::clone(handler), Arc::clone(&open));
        let work = move || {
            runtime.block_on(serve(&handler, accepted, &count));
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
async fn serve<H: Handler>(handler: &Arc<H>, mut accepted: mpsc::UnboundedReceiver<Accepted>, open: &Arc<AtomicUsize>) {
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(handler.config().header_timeout)
        // At most a hundred headers, hyper's default: any number set here would be room taken anew for each request.
        .max_buf_size(handler.config().max_header_bytes.max(8192));
    while let Some(Accepted { stream, peer, place }) = accepted.recv().await {
        let held = Held { open: Arc::clone(open), _place: place };
        let taken = match stream {
            Stream::Tcp(stream) => {
                tokio::net::TcpStream::from_std(stream).map(|s| attend(s, (peer, held), handler, (&http, &graceful)))
            }
            #[cfg(unix)]
            Stream::Unix(stream) => {
                tokio::net::UnixStream::from_std(stream).map(|s| attend(s, (peer, held), handler, (&http, &graceful)))
            }
        };
        if let Err(error) = taken {
            tracing::warn!(%error, "a connection could not be served");
        }
    }
    if tokio::time::timeout(handler.config().drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests had not ended when the time to drain was over");
    }
}

/// One connection, in a task of its own.
fn attend<S, H>(stream: S, (peer, held): (IpAddr, Held), handler: &Arc<H>, (http, graceful): (&http1::Builder, &GracefulShutdown))
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let own = Arc::clone(handler);
    let service = service_fn(move |request| match own.answer_now(peer, &request) {
        Some(response) => Either::Left(ready(Ok::<_, Infallible>(response.map(Full::new)))),
        None => {
            let handler = Arc::clone(&own);
            // Boxed, so that hyper moves a pointer where the future of a short answer is short.
            let answer = async move { Ok(worded(handler.answer(peer, request).await).map(Full::new)) };
            Either::Right(Box::pin(answer))
        }
    });
    let stream = Wire::new(stream, handler.config().max_header_bytes, handler.config().send_timeout);
    let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
    let handler = Arc::clone(handler);
    tokio::spawn(async move {
        let _held = held;
        let _open = handler.figures().connection();
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
    });
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

/// Puts a reason phrase that code raised where HTTP/1 has a place for it, if it fits there.
fn worded(mut response: Response<Bytes>) -> Response<Bytes> {
    let text = response.extensions_mut().remove::<basalt_rest::StatusText>();
    if let Some(phrase) = text.and_then(|text| ReasonPhrase::try_from(text.0).ok()) {
        response.extensions_mut().insert(phrase);
    }
    response
}
