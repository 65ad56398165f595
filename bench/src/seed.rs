//! The bare server's file.

use crate::{Failure, data};
use rusqlite::Connection;
use std::path::Path;

const SCHEMA: &str = "
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE TABLE users (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  email TEXT NOT NULL,
  created_at TEXT NOT NULL
) STRICT;
CREATE TABLE posts (
  id INTEGER PRIMARY KEY,
  author_id INTEGER NOT NULL REFERENCES users (id),
  owner TEXT NOT NULL,
  title TEXT NOT NULL,
  body TEXT NOT NULL,
  published INTEGER NOT NULL,
  created_at TEXT NOT NULL
) STRICT;
CREATE INDEX posts_by_author ON posts (author_id, created_at DESC);
";

/// Makes the file with all rows and SQLite's statistics.
pub fn bare_file(path: &Path) -> Result<(), Failure> {
    if path.exists() {
        return Err(format!("{} exists already", path.display()).into());
    }
    let mut connection = Connection::open(path)?;
    connection.execute_batch(SCHEMA)?;
    let transaction = connection.transaction()?;
    {
        let mut insert = transaction.prepare("INSERT INTO users VALUES (?1, ?2, ?3, ?4)")?;
        for user in (1..=data::USERS).map(data::user) {
            insert.execute((user.id as i64, user.name, user.email, user.created_at))?;
        }
        let mut insert = transaction.prepare("INSERT INTO posts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
        for post in (1..=data::POSTS).map(data::post) {
            let published = i64::from(post.is_published);
            insert.execute((
                post.id as i64,
                post.author_id as i64,
                post.owner,
                post.title,
                post.body,
                published,
                post.created_at,
            ))?;
        }
    }
    transaction.commit()?;
    connection.execute_batch("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE);")?;
    Ok(())
}
