//! Which operation fails, and with which of SQLite's codes.

use rusqlite::ffi;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// No space is left: writes answer `SQLITE_FULL` after half of their sectors were written, as a real disk may leave them.
    DiskFull,
    /// The device fails: the operation answers its own `SQLITE_IOERR_...` and changes nothing.
    Io,
}

/// The role of a recorded file, as SQLite names it when it opens one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// The database itself.
    Database,
    /// Its write-ahead log.
    Wal,
    /// A rollback journal or a super-journal.
    Journal,
}

/// The operations that a fault applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Operations {
    /// Writes into a file.
    pub writes: bool,
    /// Syncs of a file; in WAL mode with `synchronous=FULL` a failing one is a failing COMMIT.
    pub syncs: bool,
    /// Truncations of a file.
    pub truncates: bool,
    /// Deletions of a file.
    pub deletes: bool,
}

impl Operations {
    /// Writes only.
    pub const WRITES: Self = Self { writes: true, syncs: false, truncates: false, deletes: false };
    /// Syncs only.
    pub const SYNCS: Self = Self { writes: false, syncs: true, truncates: false, deletes: false };
    /// Everything that changes the disk.
    pub const ALL: Self = Self { writes: true, syncs: true, truncates: true, deletes: true };
}

/// A failure to come. The last one injected replaces the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Which operations it concerns.
    pub on: Operations,
    /// Which files it concerns; `None` means all that are recorded.
    pub only: Option<FileKind>,
    /// Writes within a file's first so many bytes succeed: a disk with room for just that much. `None` means no room at all.
    pub beyond: Option<u64>,
    /// How many concerned operations still succeed before the first fails.
    pub after: u64,
    /// How many fail before the fault ends by itself; `None` means until [`crate::FaultFs::heal`].
    pub times: Option<u64>,
}

impl Fault {
    /// A disk that is full from now on until healed.
    pub fn disk_full() -> Self {
        Self { kind: FaultKind::DiskFull, on: Operations::WRITES, only: None, beyond: None, after: 0, times: None }
    }

    /// A device that answers errors from now on until healed.
    pub fn io_error() -> Self {
        Self { kind: FaultKind::Io, on: Operations::ALL, only: None, beyond: None, after: 0, times: None }
    }

    /// One failing sync of the write-ahead log: the next commit under `synchronous=FULL` fails, those after it succeed.
    pub fn failing_commit() -> Self {
        Self { kind: FaultKind::Io, on: Operations::SYNCS, only: Some(FileKind::Wal), beyond: None, after: 0, times: Some(1) }
    }

    /// The same fault, after `operations` concerned operations have succeeded.
    #[must_use]
    pub fn after(self, operations: u64) -> Self {
        Self { after: operations, ..self }
    }

    /// The same fault, ending by itself after `failures` operations have failed.
    #[must_use]
    pub fn times(self, failures: u64) -> Self {
        Self { times: Some(failures), ..self }
    }

    /// The same fault for writes that end beyond so many bytes only: whoever needs more room than that fails, others do not.
    #[must_use]
    pub fn beyond(self, bytes: u64) -> Self {
        Self { beyond: Some(bytes), ..self }
    }

    /// The same fault for one kind of file.
    #[must_use]
    pub fn only(self, files: FileKind) -> Self {
        Self { only: Some(files), ..self }
    }
}

/// An operation about to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Write,
    Sync,
    Truncate,
    Delete,
}

/// A failure to carry out now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    /// SQLite's result code.
    pub(crate) code: i32,
    /// Whether a write leaves its first half behind.
    pub(crate) is_partial: bool,
}

/// The injected fault with its counters.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Option<Fault>,
    /// Operations failed since the recording began.
    pub(crate) failed: u64,
}

impl Faults {
    /// Replaces whatever was armed.
    pub(crate) fn arm(&mut self, fault: Option<Fault>) {
        self.armed = fault;
    }

    /// Decides about one operation and counts it. `end` is where a write ends in its file.
    pub(crate) fn meet(&mut self, operation: Operation, file: FileKind, end: u64) -> Option<Failure> {
        let fault = self.armed.as_mut()?;
        let concerned = match operation {
            Operation::Write => fault.on.writes,
            Operation::Sync => fault.on.syncs,
            Operation::Truncate => fault.on.truncates,
            Operation::Delete => fault.on.deletes,
        };
        if !concerned || fault.only.is_some_and(|only| only != file) {
            return None;
        }
        if operation == Operation::Write && fault.beyond.is_some_and(|room| end <= room) {
            return None;
        }
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        let kind = fault.kind;
        match fault.times.as_mut() {
            Some(0) => {
                self.armed = None;
                return None;
            }
            Some(left) => {
                *left -= 1;
                if *left == 0 {
                    self.armed = None;
                }
            }
            None => {}
        }
        self.failed += 1;
        let code = match (kind, operation) {
            (FaultKind::DiskFull, Operation::Write | Operation::Sync) => ffi::SQLITE_FULL,
            (FaultKind::Io, Operation::Write) => ffi::SQLITE_IOERR_WRITE,
            (FaultKind::Io, Operation::Sync) => ffi::SQLITE_IOERR_FSYNC,
            (_, Operation::Truncate) => ffi::SQLITE_IOERR_TRUNCATE,
            (_, Operation::Delete) => ffi::SQLITE_IOERR_DELETE,
        };
        Some(Failure { code, is_partial: kind == FaultKind::DiskFull && operation == Operation::Write })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_waits_fails_and_ends() {
        let mut faults = Faults::default();
        assert_eq!(faults.meet(Operation::Write, FileKind::Wal, 100), None);
        faults.arm(Some(Fault::disk_full().after(1).times(2).only(FileKind::Wal)));
        assert_eq!(faults.meet(Operation::Sync, FileKind::Wal, 100), None, "not a write");
        assert_eq!(faults.meet(Operation::Write, FileKind::Database, 100), None, "not the log");
        assert_eq!(faults.meet(Operation::Write, FileKind::Wal, 100), None, "one succeeds first");
        let full = Some(Failure { code: ffi::SQLITE_FULL, is_partial: true });
        assert_eq!(faults.meet(Operation::Write, FileKind::Wal, 100), full);
        assert_eq!(faults.meet(Operation::Write, FileKind::Wal, 100), full);
        assert_eq!(faults.meet(Operation::Write, FileKind::Wal, 100), None, "over");
        assert_eq!(faults.failed, 2);
    }

    #[test]
    fn a_disk_with_room_for_some_bytes_refuses_what_needs_more() {
        let mut faults = Faults::default();
        faults.arm(Some(Fault::disk_full().beyond(4096)));
        assert_eq!(faults.meet(Operation::Write, FileKind::Wal, 4096), None);
        assert!(faults.meet(Operation::Write, FileKind::Wal, 4097).is_some());
        assert_eq!(faults.meet(Operation::Write, FileKind::Wal, 10), None, "what is there can be written again");
    }
}
