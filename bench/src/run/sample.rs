//! Whether both servers do the same work: equal answers, and a guard that is on.

use super::client::{Client, Response};
use super::process::Server;
use crate::workload::Workload;
use crate::{Failure, data};
use serde_json::Value;

/// How many reads of each workload are compared.
const SAMPLES: u64 = 50;

/// Compares a sample of each workload's reads and one insert. Answers how many answers were compared.
pub fn agree(bare: &Server, basalt: &Server, workloads: &[&Workload]) -> Result<usize, Failure> {
    let (mut one, mut other) = (Client::connect(bare.address)?, Client::connect(basalt.address)?);
    let mut compared = 0;
    for workload in workloads {
        for number in 0..SAMPLES {
            let sample = (workload.sample)(data::mix(number * 31 + 7));
            let expected = rows(get(&mut one, bare, &sample.path)?, 200, &sample.path)?;
            let found = rows(get(&mut other, basalt, &sample.path)?, 200, &sample.path)?;
            if expected.len() != sample.rows {
                return Err(format!("{}: {} rows instead of {}", sample.path, expected.len(), sample.rows).into());
            }
            if expected != found {
                return Err(format!("{}:\nbare   {}\nBasalt {}", sample.path, Value::from(expected), Value::from(found)).into());
            }
            compared += 1;
        }
        // The anonymous key alone must show nothing, or the policies were not on.
        let sample = (workload.sample)(1);
        let headers = [("apikey", basalt.apikey.as_str())];
        let answer = other.send("GET", &sample.path, &headers, b"")?;
        if answer.status == 200 && answer.body != b"[]" {
            return Err(format!("{}: anon sees rows; the policies are not on", sample.path).into());
        }
    }
    let (expected, found) = (insert(&mut one, bare)?, insert(&mut other, basalt)?);
    if expected != found {
        return Err(format!("insert:\nbare   {expected}\nBasalt {found}").into());
    }
    Ok(compared + 1)
}

/// Whether a server that was written to still takes an insert and shows it at once.
pub fn is_sound(server: &Server) -> Result<(), Failure> {
    insert(&mut Client::connect(server.address)?, server).map(drop)
}

/// Inserts one row, reads it back, and answers it without what may differ: the id and the time.
fn insert(client: &mut Client, server: &Server) -> Result<Value, Failure> {
    let bearer = format!("Bearer {}", server.token);
    let headers = [
        ("apikey", server.apikey.as_str()),
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("prefer", "return=representation"),
    ];
    let body = br#"{"author_id":99999,"title":"A \"title\"","body":"text\nof two lines","published":true}"#;
    let answer = client.send("POST", "/rest/v1/posts", &headers, body)?;
    let mut inserted = rows(answer, 201, "insert")?;
    let Some(Value::Object(mut row)) = inserted.pop() else { return Err("insert: no row came back".into()) };
    let id = row.get("id").and_then(Value::as_i64).ok_or("insert: no id came back")?;
    let path = format!("/rest/v1/posts?id=gt.{}&select=*,author:users(*)&order=id.asc&limit=1", id - 1);
    let stored = rows(get(client, server, &path)?, 200, &path)?;
    let Some(Value::Object(stored)) = stored.first() else { return Err(format!("{}: {path} shows no row", server.name).into()) };
    if let Some((column, value)) = row.iter().find(|(column, value)| stored.get(*column) != Some(value)) {
        return Err(format!("{}: {column} was answered as {value} and is not read back so", server.name).into());
    }
    for column in ["id", "created_at"] {
        if row.remove(column).is_none() {
            return Err(format!("insert: no {column} came back").into());
        }
    }
    Ok(Value::Object(row))
}

fn get(client: &mut Client, server: &Server, path: &str) -> Result<Response, Failure> {
    let bearer = format!("Bearer {}", server.token);
    client.send("GET", path, &[("apikey", &server.apikey), ("authorization", &bearer)], b"")
}

fn rows(answer: Response, status: u16, what: &str) -> Result<Vec<Value>, Failure> {
    if answer.status != status {
        return Err(format!("{what}: {} {}", answer.status, String::from_utf8_lossy(&answer.body)).into());
    }
    Ok(serde_json::from_slice(&answer.body)?)
}
