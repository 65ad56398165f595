//! The bare server: the least that the same answers cost. No roles, no policies, no general requests.

pub mod query;
mod reader;
pub mod writer;

use crate::Failure;
use crate::serve::{self, Service};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use query::Query;
use reader::Reader;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use writer::{NewPost, Writer};

/// Serves the file: a reader a core, and one writer thread.
pub fn serve(db: &Path, listen: SocketAddr) -> Result<(), Failure> {
    let commits = Arc::new(AtomicU64::new(0));
    let writer = Writer::start(db, Arc::clone(&commits))?;
    let db = db.to_owned();
    serve::serve(listen, async move || {
        let reader = RefCell::new(Reader::open(&db, Arc::clone(&commits))?);
        Ok(Bare { reader, writer: writer.clone() })
    })
}

struct Bare {
    reader: RefCell<Reader>,
    writer: Writer,
}

impl Service for Bare {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() == Method::POST {
            return self.insert(request).await;
        }
        let Some(query) = Query::parse(request.uri().path(), request.uri().query().unwrap_or_default()) else {
            return serve::json(404, "{}");
        };
        match self.reader.borrow_mut().read(&query) {
            Ok(body) => serve::json(200, body),
            Err(failure) => failed(&failure.to_string()),
        }
    }

    fn tick(&self) {
        self.reader.borrow_mut().close_idle_snapshot();
    }
}

impl Bare {
    async fn insert(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if request.uri().path() != "/rest/v1/posts" {
            return serve::json(404, "{}");
        }
        let Ok(body) = request.into_body().collect().await else { return serve::json(400, "{}") };
        let Some(post) = NewPost::parse(&body.to_bytes()) else { return serve::json(400, "{}") };
        match self.writer.insert(post).await {
            Ok(body) => serve::json(201, body),
            Err(failure) => failed(&failure),
        }
    }
}

fn failed(failure: &str) -> Response<Full<Bytes>> {
    eprintln!("{failure}");
    serve::json(500, "{}")
}
