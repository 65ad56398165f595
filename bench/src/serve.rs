//! One single-threaded runtime a core, connections dealt out in turn: no work moves between cores.
//!
//! Tried in turn on 2026-11-22 (four rounds of 2 s each, two cores shared with wrk and other work, so only roughly): with constant
//! answers the median was 12 % above that of one runtime with two workers. Without vectored writes it was 7 % lower with constant
//! answers and no different with twenty rows, so hyper's default stays.

use crate::Failure;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

/// What a server answers. Each core has its own, so that it needs no locks.
pub trait Service: 'static {
    /// Answers one request.
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response<Full<Bytes>>>;

    /// Called every [`TICK`].
    fn tick(&self) {}
}

/// How often [`Service::tick`] is called.
const TICK: Duration = Duration::from_millis(50);

/// Listens, prints `listening on ADDRESS`, and serves until killed. `make` is called once on each core.
pub fn serve<S, F>(listen: SocketAddr, make: F) -> Result<(), Failure>
where
    S: Service,
    F: AsyncFn() -> Result<S, Failure> + Send + Sync + 'static,
{
    let listener = TcpListener::bind(listen)?;
    let make = Arc::new(make);
    let cores = thread::available_parallelism()?.get();
    let mut workers = Vec::new();
    for core in 0..cores {
        let (sender, receiver) = mpsc::unbounded_channel();
        let make = Arc::clone(&make);
        let body = move || {
            if let Err(failure) = work(&*make, receiver) {
                eprintln!("worker {core}: {failure}");
            }
        };
        thread::Builder::new().name(format!("core-{core}")).spawn(body)?;
        workers.push(sender);
    }
    println!("listening on {}", listener.local_addr()?);
    std::io::stdout().flush()?;
    let mut turns = workers.iter().cycle();
    for stream in listener.incoming() {
        let stream = stream?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        if let Some(worker) = turns.next() {
            worker.send(stream).map_err(|_| "a worker has ended")?;
        }
    }
    Ok(())
}

fn work<S: Service>(
    make: &impl AsyncFn() -> Result<S, Failure>,
    mut streams: mpsc::UnboundedReceiver<TcpStream>,
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    local.block_on(&runtime, async move {
        let service = Rc::new(make().await?);
        let ticking = Rc::clone(&service);
        tokio::task::spawn_local(async move {
            let mut interval = tokio::time::interval(TICK);
            loop {
                interval.tick().await;
                ticking.tick();
            }
        });
        while let Some(stream) = streams.recv().await {
            let stream = tokio::net::TcpStream::from_std(stream)?;
            let service = Rc::clone(&service);
            tokio::task::spawn_local(async move {
                let answer = service_fn(move |request| {
                    let service = Rc::clone(&service);
                    async move { Ok::<_, Infallible>(service.answer(request).await) }
                });
                // A client that goes away is no event worth a line.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
            });
        }
        Ok(())
    })
}

/// A JSON answer.
pub fn json(status: u16, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    let kind = http::HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}
