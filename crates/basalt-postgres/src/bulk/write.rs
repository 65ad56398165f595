//! A batch through COPY, and which row and column the server refuses.

use basalt_engine::bulk::{Batch, Refused, Shape};
use bytes::Bytes;
use futures_util::SinkExt as _;

use super::{PostgresBulk, list, qualified, sql};

/// Writes a batch. Inside a transaction.
#[allow(clippy::result_large_err)] // ends the copy
pub(super) fn copy_in(bulk: &PostgresBulk, shape: &Shape, batch: &Batch) -> Result<(), Refused> {
    let table = qualified(&shape.schema, &shape.name);
    if shape.written().is_empty() {
        // Rows of no columns, or of computed ones alone.
        bulk.run(&format!("INSERT INTO {table} SELECT FROM generate_series(1, {})", batch.len()))?;
        return Ok(());
    }
    let text = format!("COPY {table} ({}) FROM STDIN", list(shape.written()));
    let lines =
        if shape.generated == 0 { Bytes::copy_from_slice(batch.text()) } else { batch.without_last(shape.generated).into() };
    let written = bulk.runtime.block_on(async {
        let sink = bulk.client.copy_in::<_, Bytes>(&text).await?;
        let mut sink = std::pin::pin!(sink);
        // When the server has had enough, the end says why.
        let sent = sink.send(lines).await;
        let rows = sink.as_mut().finish().await?;
        sent.map(|()| rows)
    });
    match written {
        Ok(_) => Ok(()),
        Err(failed) => {
            let (row, column) = place(failed.as_db_error().and_then(|e| e.where_()).unwrap_or_default(), &shape.name);
            Err(Refused { row, column, error: sql(failed) })
        }
    }
}

/// Row (from 0) and column in the context of an error: `COPY items, line 3, column price: "x"`.
fn place(context: &str, table: &str) -> (Option<usize>, Option<String>) {
    let start = format!("COPY {table}, line ");
    let Some(rest) = context.lines().find_map(|line| line.strip_prefix(&start)) else { return (None, None) };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (line, rest) = rest.split_at(digits);
    let row = line.parse::<usize>().ok().and_then(|line| line.checked_sub(1));
    let column = rest.strip_prefix(", column ").map(|named| named.split(": ").next().unwrap_or(named).to_owned());
    (row, column)
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn the_place_stands_in_the_context() {
        assert_eq!(place("COPY items, line 3, column price: \"x\"", "items"), (Some(2), Some("price".into())));
        assert_eq!(place("COPY items, line 17: \"1\t2\"", "items"), (Some(16), None));
        assert_eq!(place("COPY items, line 1, column a, null input", "items"), (Some(0), Some("a, null input".into())));
        assert_eq!(place("SQL function \"f\" statement 1\nCOPY a, line b, line 2", "a, line b"), (Some(1), None));
        assert_eq!(place("PL/pgSQL function f() line 3 at RAISE", "items"), (None, None));
    }
}
