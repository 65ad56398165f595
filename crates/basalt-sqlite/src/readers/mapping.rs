//! Whether a reading connection maps the database file.
//!
//! SQLite drops a connection's mapping whenever it takes a snapshot that a commit has changed, and maps the file again when a page is
//! wanted. While commits follow each other closely, dropping the mapping and meeting every page again costs more than reading those few
//! pages into the cache would: a quarter of a core's time with nine reads to one insert. With many reads to a snapshot, or none of
//! them new, mapped pages cost nothing.

/// Fewer reads on a snapshot than this do not pay for a mapping.
const FEW_READS: u32 = 64;

/// So many snapshots in a row with few reads end it.
const MANY_SNAPSHOTS: u32 = 16;

/// As many reads on one snapshot bring it back.
const MANY_READS: u32 = 1024;

/// What the last snapshots of one connection were used for.
#[derive(Debug)]
pub(super) struct Mapping {
    is_on: bool,
    reads: u32,
    short_lived: u32,
}

impl Mapping {
    /// Connections are opened with a mapping.
    pub(super) fn new() -> Self {
        Self { is_on: true, reads: 0, short_lived: 0 }
    }

    /// A read on the snapshot that is kept.
    pub(super) fn read(&mut self) {
        self.reads = self.reads.saturating_add(1);
    }

    /// The next snapshot is about to be taken. `is_changed`: because of a commit. Answers whether to map from now on, when that changes.
    pub(super) fn next(&mut self, is_changed: bool) -> Option<bool> {
        let reads = std::mem::take(&mut self.reads);
        let is_short = is_changed && reads < FEW_READS;
        self.short_lived = if is_short { self.short_lived.saturating_add(1) } else { 0 };
        let wanted = match self.is_on {
            true => self.short_lived < MANY_SNAPSHOTS,
            // A snapshot that ended because nobody read says that commits no longer chase each other's readers.
            false => !is_changed || reads >= MANY_READS,
        };
        let is_new = wanted != self.is_on;
        self.is_on = wanted;
        is_new.then_some(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [bool; 0] = [];

    fn snapshots(mapping: &mut Mapping, count: u32, reads: u32, is_changed: bool) -> Vec<bool> {
        let turns = (0..count).filter_map(|_| {
            (0..reads).for_each(|_| mapping.read());
            mapping.next(is_changed)
        });
        turns.collect()
    }

    #[test]
    fn snapshots_of_a_few_reads_end_the_mapping_and_long_ones_bring_it_back() {
        let mut mapping = Mapping::new();
        assert_eq!(snapshots(&mut mapping, 100, FEW_READS, true), NONE, "these pay");
        assert_eq!(snapshots(&mut mapping, MANY_SNAPSHOTS - 1, 10, true), NONE);
        assert_eq!(snapshots(&mut mapping, 1, FEW_READS, true), NONE, "the row is broken");
        assert_eq!(snapshots(&mut mapping, 100, 10, true), [false], "once");
        assert_eq!(snapshots(&mut mapping, 100, MANY_READS - 1, true), NONE);
        assert_eq!(snapshots(&mut mapping, 2, MANY_READS, true), [true]);
    }

    #[test]
    fn a_snapshot_that_rested_keeps_the_mapping_or_brings_it_back() {
        let mut mapping = Mapping::new();
        assert_eq!(snapshots(&mut mapping, 100, 1, false), NONE);
        assert_eq!(snapshots(&mut mapping, 100, 1, true), [false]);
        assert_eq!(snapshots(&mut mapping, 1, 1, false), [true]);
    }
}
