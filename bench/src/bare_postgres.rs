//! The bare server over PostgreSQL: statements prepared once, all of a request sent together, JSON made by PostgreSQL.
//!
//! The same database work as Basalt's: a transaction under the caller's role and claims, policies included. Who the caller is stands
//! fixed; nobody's token is verified, and only the few requests of the bench are understood.

use crate::bare::query::Query;
use crate::bare::writer::NewPost;
use crate::serve::{self, Service};
use crate::{Failure, data};
use bytes::Bytes;
use futures_util::future::join4;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use std::cell::Cell;
use std::net::SocketAddr;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Row, Statement};

/// Connections of each core. More share commits better, fewer switch between processes less often.
const CONNECTIONS: usize = 5;

/// What every request of the bench is.
const SETUP: &str = "SELECT set_config('role', $1, true), set_config('request.jwt.claims', $2, true)";

/// Serves the database: some connections a core.
pub fn serve(database: &str, is_single: bool, listen: SocketAddr) -> Result<(), Failure> {
    let database = database.to_owned();
    serve::serve(listen, async move || {
        let mut connections = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            connections.push(Connection::open(&database).await?);
        }
        let claims = serde_json::json!({ "sub": data::READER, "role": "authenticated" }).to_string();
        Ok(BarePostgres { connections, turn: Cell::new(0), is_single, claims })
    })
}

struct BarePostgres {
    connections: Vec<Connection>,
    turn: Cell<usize>,
    is_single: bool,
    claims: String,
}

struct Connection {
    client: Client,
    setup: Statement,
    user: Statement,
    by_author: Statement,
    with_author: Statement,
    insert: Statement,
}

impl Connection {
    async fn open(database: &str) -> Result<Self, Failure> {
        let (client, connection) = tokio_postgres::connect(database, NoTls).await?;
        tokio::task::spawn_local(async move {
            if let Err(failure) = connection.await {
                eprintln!("{failure}");
            }
        });
        client.batch_execute("SET timezone = 'UTC'").await?;
        Ok(Self {
            setup: client.prepare(SETUP).await?,
            user: client
                .prepare(
                    "SELECT coalesce(json_agg(t), '[]')::text
                     FROM (SELECT id, name, email, created_at FROM public.users WHERE id = $1) t",
                )
                .await?,
            by_author: client
                .prepare(
                    "SELECT coalesce(json_agg(t), '[]')::text
                     FROM (SELECT id, author_id, owner, title, body, published, created_at FROM public.posts
                           WHERE author_id = $1 ORDER BY created_at DESC LIMIT $2) t",
                )
                .await?,
            with_author: client
                .prepare(
                    "SELECT coalesce(json_agg(t), '[]')::text
                     FROM (SELECT p.id, p.author_id, p.owner, p.title, p.body, p.published, p.created_at, row_to_json(u) AS author
                           FROM public.posts p LEFT JOIN public.users u ON u.id = p.author_id
                           WHERE p.id > $1 ORDER BY p.id LIMIT $2) t",
                )
                .await?,
            insert: client
                .prepare(
                    "WITH t AS (INSERT INTO public.posts (author_id, owner, title, body, published)
                                VALUES ($1, $2::text::uuid, $3, $4, $5)
                                RETURNING id, author_id, owner, title, body, published, created_at)
                     SELECT json_agg(t)::text FROM t",
                )
                .await?,
            client,
        })
    }
}

impl Service for BarePostgres {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let is_insert = request.method() == Method::POST;
        if is_insert && request.uri().path() != "/rest/v1/posts" {
            return serve::json(404, "{}");
        }
        let connection = self.next();
        let answer = if is_insert {
            let Ok(body) = request.into_body().collect().await else { return serve::json(400, "{}") };
            let Some(post) = NewPost::parse(&body.to_bytes()) else { return serve::json(400, "{}") };
            let params: [&(dyn ToSql + Sync); 5] = [&post.author_id, &data::READER, &post.title, &post.body, &post.is_published];
            self.run(connection, &connection.insert, &params).await
        } else {
            match Query::parse(request.uri().path(), request.uri().query().unwrap_or_default()) {
                None => return serve::json(404, "{}"),
                Some(Query::User { id }) => self.run(connection, &connection.user, &[&id]).await,
                Some(Query::ByAuthor { author_id, limit }) => {
                    self.run(connection, &connection.by_author, &[&author_id, &limit]).await
                }
                Some(Query::WithAuthor { after, limit }) => {
                    self.run(connection, &connection.with_author, &[&after, &limit]).await
                }
            }
        };
        match answer {
            Ok(body) => serve::json(if is_insert { 201 } else { 200 }, body),
            Err(failure) => {
                eprintln!("{failure}");
                serve::json(500, "{}")
            }
        }
    }
}

impl BarePostgres {
    /// The connections in turn; what several requests send on one is worked off in order.
    fn next(&self) -> &Connection {
        let turn = self.turn.get();
        self.turn.set((turn + 1) % self.connections.len());
        &self.connections[turn]
    }

    async fn run(
        &self,
        connection: &Connection,
        statement: &Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Bytes, tokio_postgres::Error> {
        let client = &connection.client;
        if self.is_single {
            return body(&client.query_one(statement, params).await?);
        }
        // All four are sent when first polled, before the first answer is awaited, and no other request's can come between.
        let setup: [&(dyn ToSql + Sync); 2] = [&"authenticated", &self.claims];
        let (begun, set, row, ended) = join4(
            client.batch_execute("BEGIN"),
            client.query(&connection.setup, &setup),
            client.query_one(statement, params),
            client.batch_execute("COMMIT"),
        )
        .await;
        begun?;
        set?;
        let row = row?;
        ended?;
        body(&row)
    }
}

fn body(row: &Row) -> Result<Bytes, tokio_postgres::Error> {
    row.try_get(0).map(|text: &str| Bytes::copy_from_slice(text.as_bytes()))
}
