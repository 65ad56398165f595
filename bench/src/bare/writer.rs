//! One thread that writes: whatever is waiting is committed together, synced once, then acknowledged.

use super::reader;
use crate::{Failure, data};
use rusqlite::{Connection, Statement};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use tokio::sync::{mpsc, oneshot};

/// The most inserts in one commit.
const BATCH: usize = 64;
/// The most inserts that wait; further requests wait for room.
const QUEUE: usize = 1024;

/// A post to insert.
pub struct NewPost {
    pub author_id: i64,
    pub title: String,
    pub body: String,
    pub is_published: bool,
}

impl NewPost {
    /// Reads a request's body; unknown keys are ignored.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let value: serde_json::Value = serde_json::from_slice(body).ok()?;
        Some(Self {
            author_id: value.get("author_id")?.as_i64()?,
            title: value.get("title")?.as_str()?.to_owned(),
            body: value.get("body")?.as_str()?.to_owned(),
            is_published: value.get("published")?.as_bool()?,
        })
    }
}

struct Job {
    post: NewPost,
    answer: oneshot::Sender<Result<Vec<u8>, String>>,
}

/// A handle to the thread.
#[derive(Clone)]
pub struct Writer(mpsc::Sender<Job>);

impl Writer {
    /// Opens the file for writing; `commits` is raised after each commit, before its inserts are acknowledged.
    pub fn start(db: &Path, commits: Arc<AtomicU64>) -> Result<Self, Failure> {
        let connection = Connection::open(db)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -65536;",
        )?;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let body = move || {
            if let Err(failure) = work(&connection, receiver, &commits) {
                eprintln!("writer: {failure}");
            }
        };
        thread::Builder::new().name("writer".to_owned()).spawn(body)?;
        Ok(Self(sender))
    }

    /// Inserts durably and answers the row as a JSON array.
    pub async fn insert(&self, post: NewPost) -> Result<Vec<u8>, String> {
        let (answer, answered) = oneshot::channel();
        let job = Job { post, answer };
        self.0.send(job).await.map_err(|_| "the writer has ended")?;
        answered.await.map_err(|_| "the writer has ended")?
    }
}

fn work(connection: &Connection, mut jobs: mpsc::Receiver<Job>, commits: &AtomicU64) -> Result<(), rusqlite::Error> {
    let mut begin = connection.prepare("BEGIN IMMEDIATE")?;
    let mut commit = connection.prepare("COMMIT")?;
    let mut insert = connection.prepare(
        "INSERT INTO posts (author_id, owner, title, body, published, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'))
         RETURNING id, author_id, owner, title, body, published, created_at",
    )?;
    let mut done = Vec::with_capacity(BATCH);
    while let Some(first) = jobs.blocking_recv() {
        begin.execute([])?;
        let mut next = Some(first);
        while let Some(job) = next.take() {
            let row = insert_one(&mut insert, &job.post).map_err(|failure| failure.to_string());
            done.push((job.answer, row));
            if done.len() < BATCH {
                next = jobs.try_recv().ok();
            }
        }
        commit.execute([])?;
        commits.fetch_add(1, Ordering::Release);
        for (answer, row) in done.drain(..) {
            // The client may have gone away; its row is stored all the same.
            let _ = answer.send(row);
        }
    }
    Ok(())
}

fn insert_one(insert: &mut Statement<'_>, post: &NewPost) -> Result<Vec<u8>, rusqlite::Error> {
    let mut rows = insert.query((post.author_id, data::READER, &post.title, &post.body, i64::from(post.is_published)))?;
    let mut out = Vec::with_capacity(512);
    out.push(b'[');
    while let Some(row) = rows.next()? {
        reader::post(&mut out, row)?;
        out.push(b'}');
    }
    out.push(b']');
    Ok(out)
}
