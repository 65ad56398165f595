//! One table's rows from here to there, from where an earlier copy was cut off.

use std::sync::mpsc::sync_channel;
use std::thread;

use basalt_engine::bulk::{Batch, Bulk, Notes, Refused, Shape};
use basalt_types::SqlError;
use serde::{Deserialize, Serialize};

use super::progress::Progress;
use super::sums::Sums;
use crate::Failure;

/// Batches that wait for the writer.
const AHEAD: usize = 2;

/// How much of a table the target has, noted with every batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    rows: u64,
    digest: String,
}

impl Kept {
    fn of(sums: &Sums) -> Self {
        Self { rows: sums.rows, digest: sums.digest() }
    }
}

/// The name of the note about a table.
pub fn note_name(schema: &str, table: &str) -> String {
    format!("table:{schema}.{table}")
}

/// Reads a whole table, in a thread of its own, and hands its batches on until one says that it is enough.
///
/// # Errors
/// What reading reports, and what the taker does.
pub fn each_batch(
    source: &mut dyn Bulk,
    shape: &Shape,
    mut take: impl FnMut(Batch) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel::<Result<Batch, SqlError>>(AHEAD);
        scope.spawn(move || {
            let mut next = source.open(shape);
            loop {
                let mut batch = Batch::default();
                next = next.and_then(|()| source.read(&mut batch));
                let is_last = next.is_err() || batch.is_empty();
                let read = std::mem::replace(&mut next, Ok(())).map(|()| batch);
                // Nobody listens any more once it was enough.
                if sender.send(read).is_err() || is_last {
                    return;
                }
            }
        });
        for batch in receiver {
            let batch = batch?;
            if batch.is_empty() || !take(batch)? {
                break;
            }
        }
        Ok(())
    })
}

/// How one reading of the source's table ended.
enum Pass {
    Whole(Sums),
    /// What was copied earlier is no longer what the source begins with.
    Changed,
}

/// Copies a table. Answers what all its rows in the source add up to.
///
/// Rows that the target has from an earlier, interrupted copy are read from the source again, but not written: when they add up to
/// what was noted, the copy goes on behind them; else the table is emptied and copied anew.
///
/// # Errors
/// What either side reports. A row that the target refuses leaves nothing of its table there.
pub fn table(
    source: &mut dyn Bulk,
    target: &mut dyn Bulk,
    shape: &Shape,
    notes: &Notes,
    progress: &mut Progress,
) -> Result<Sums, Failure> {
    let note = note_name(&shape.schema, &shape.name);
    let mut kept: Option<Kept> = notes.get(&note).and_then(|text| serde_json::from_str(text).ok());
    loop {
        let expected = source.count(&shape.schema, &shape.name)?;
        progress.begin("copy", &shape.title(), expected);
        if let Pass::Whole(sums) = pass(source, target, shape, kept.as_ref(), progress)? {
            progress.end();
            return Ok(sums);
        }
        progress.step(&format!("{} changed since the copy was interrupted: it is copied anew", shape.title()));
        target.clear(&shape.schema, &shape.name, &note)?;
        kept = None;
    }
}

fn pass(
    source: &mut dyn Bulk,
    target: &mut dyn Bulk,
    shape: &Shape,
    kept: Option<&Kept>,
    progress: &mut Progress,
) -> Result<Pass, Failure> {
    let note = note_name(&shape.schema, &shape.name);
    let mut sums = Sums::default();
    let mut has_changed = false;
    let there = kept.map_or(0, |kept| kept.rows);
    each_batch(source, shape, |mut batch| {
        let rows = batch.len() as u64;
        let mut skipped = 0;
        for line in batch.lines() {
            sums.add(shape, line);
            if sums.rows <= there {
                skipped += 1;
            }
            if sums.rows == there && kept != Some(&Kept::of(&sums)) {
                has_changed = true;
                return Ok(false);
            }
        }
        batch.skip(skipped);
        if !batch.is_empty() {
            let value = serde_json::to_string(&Kept::of(&sums))?;
            if let Err(refused) = target.write(shape, &batch, (&note, &value)) {
                target.clear(&shape.schema, &shape.name, &note)?;
                return Err(explain(shape, &batch, refused));
            }
        }
        progress.add(rows);
        Ok(true)
    })?;
    Ok(if has_changed || sums.rows < there { Pass::Changed } else { Pass::Whole(sums) })
}

/// Names the row and the column that the target refuses.
fn explain(shape: &Shape, batch: &Batch, refused: Refused) -> Failure {
    let line = refused.row.and_then(|row| batch.lines().nth(row));
    let row = line.map_or_else(String::new, |line| format!(", row {}", shape.shown_key(line)));
    let column = refused.column.map_or_else(String::new, |column| format!(", column {column}"));
    let mut text = format!(
        "table {}{row}{column}: the target refuses it: {}\n  nothing of this table was kept; what was copied before it stays, and the \
         same command goes on there",
        shape.title(),
        refused.error.message
    );
    if let Some(hint) = &refused.error.hint {
        text.push_str("\n  hint: ");
        text.push_str(hint);
    }
    text.into()
}
