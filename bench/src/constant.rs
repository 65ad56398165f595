//! A server that answers at once: what wrk and HTTP themselves cost on this machine.

use crate::serve::{self, Service};
use crate::{Failure, data};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use std::net::SocketAddr;

struct Constant {
    user: Bytes,
    posts: Bytes,
    posts_with_authors: Bytes,
    post: Bytes,
}

/// Serves answers that have the size of the real ones.
pub fn serve(listen: SocketAddr) -> Result<(), Failure> {
    serve::serve(listen, async || Ok(Constant::new()))
}

impl Constant {
    fn new() -> Self {
        let list = |count: u64, write: &dyn Fn(&mut Vec<u8>, u64)| {
            let mut out = vec![b'['];
            for id in 1..=count {
                if id > 1 {
                    out.push(b',');
                }
                write(&mut out, id);
            }
            out.push(b']');
            Bytes::from(out)
        };
        let post = |out: &mut Vec<u8>, id| data::post_json(out, &data::post(id), true);
        Self {
            user: list(1, &|out, id| data::user_json(out, &data::user(id))),
            posts: list(20, &post),
            posts_with_authors: list(20, &|out, id| {
                post(out, id);
                out.pop();
                out.extend_from_slice(br#","author":"#);
                data::user_json(out, &data::user(id));
                out.push(b'}');
            }),
            post: list(1, &post),
        }
    }
}

impl Service for Constant {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() == Method::POST {
            // The body is read, as every server must.
            return match request.into_body().collect().await {
                Ok(_) => serve::json(201, self.post.clone()),
                Err(_) => serve::json(400, "{}"),
            };
        }
        let query = request.uri().query().unwrap_or_default();
        let body = if query.contains("users(*)") {
            &self.posts_with_authors
        } else if query.contains("limit=") {
            &self.posts
        } else {
            &self.user
        };
        serve::json(200, body.clone())
    }
}
