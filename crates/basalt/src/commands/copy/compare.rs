//! Where two tables differ, by the keys of their rows.

use std::collections::HashMap;

use basalt_engine::bulk::{Bulk, Shape, fields};

use super::progress::Progress;
use super::sums::{GROUPS, Sums, group};
use super::transfer::each_batch;
use crate::Failure;

/// Most differences shown of a table.
const MOST_SHOWN: usize = 20;

/// Groups that are looked into.
const MOST_GROUPS: usize = 16;

/// Rows of the groups are kept up to so many bytes.
const MOST_BYTES: usize = 32 << 20;

/// Adds up a table.
///
/// # Errors
/// What reading reports.
pub fn sums(side: &mut dyn Bulk, shape: &Shape, phase: &'static str, progress: &mut Progress) -> Result<Sums, Failure> {
    let mut sums = Sums::default();
    progress.begin(phase, &shape.title(), side.count(&shape.schema, &shape.name)?);
    each_batch(side, shape, |batch| {
        batch.lines().for_each(|line| sums.add(shape, line));
        progress.add(batch.len() as u64);
        Ok(true)
    })?;
    progress.end();
    Ok(sums)
}

/// Rows by their keys: all lines that have one.
type Rows = HashMap<Vec<u8>, Vec<Vec<u8>>>;

/// Some rows that differ, each in a line of text: keys and names of columns, never other values.
///
/// # Errors
/// What reading reports.
pub fn differences(
    source: &mut dyn Bulk,
    target: &mut dyn Bulk,
    shape: &Shape,
    (ours, theirs): (&Sums, &Sums),
) -> Result<Vec<String>, Failure> {
    let mut wanted = vec![false; GROUPS];
    for at in ours.differing(theirs).into_iter().take(MOST_GROUPS) {
        if let Some(place) = wanted.get_mut(at) {
            *place = true;
        }
    }
    let mut here = rows(source, shape, &wanted)?;
    let there = rows(target, shape, &wanted)?;
    let mut found = Vec::new();
    for (key, lines) in &there {
        match here.remove(key) {
            Some(mine) if same(&mine, lines) => {}
            Some(mine) => found.push(changed(shape, &mine, lines)),
            None => found.extend(lines.first().map(|line| format!("{} is in the target alone", shape.shown_key(line)))),
        }
    }
    for lines in here.values() {
        found.extend(lines.first().map(|line| format!("{} is missing in the target", shape.shown_key(line))));
    }
    found.sort();
    found.truncate(MOST_SHOWN);
    Ok(found)
}

fn rows(side: &mut dyn Bulk, shape: &Shape, wanted: &[bool]) -> Result<Rows, Failure> {
    let mut rows = Rows::new();
    let mut bytes = 0;
    each_batch(side, shape, |batch| {
        for line in batch.lines().filter(|line| wanted.get(group(shape, line)).copied().unwrap_or(false)) {
            bytes += line.len();
            rows.entry(shape.key_of(line).to_vec()).or_default().push(line.to_vec());
        }
        Ok(bytes < MOST_BYTES)
    })?;
    Ok(rows)
}

fn same(mine: &[Vec<u8>], theirs: &[Vec<u8>]) -> bool {
    let sorted = |lines: &[Vec<u8>]| {
        let mut lines = lines.to_vec();
        lines.sort();
        lines
    };
    sorted(mine) == sorted(theirs)
}

fn changed(shape: &Shape, mine: &[Vec<u8>], theirs: &[Vec<u8>]) -> String {
    let (Some(one), Some(two)) = (mine.first(), theirs.first()) else { return String::new() };
    let key = shape.shown_key(one);
    if mine.len() != theirs.len() {
        return format!("{key} is there {} times, in the target {} times", mine.len(), theirs.len());
    }
    let pairs = shape.columns.iter().zip(fields(one).zip(fields(two)));
    let names: Vec<&str> = pairs.filter(|(_, (a, b))| a != b).map(|(name, _)| name.as_str()).collect();
    format!("{key} differs in {}", names.join(", "))
}
