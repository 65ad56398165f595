//! A SQLite VFS that records what reaches the disk, so that a test can cut the power.
//!
//! [`FaultFs::register`] wraps the default VFS under a new name. A connection opened with that name works on real files as
//! ever, while every write, truncation, sync, creation and deletion is recorded. [`FaultFs::cut`] then takes that record as it
//! stands and makes up files as a power cut at that moment may leave them; [`Cut::rebuild`] writes them into another
//! directory, where a plain SQLite (or the whole server) opens them and must find every row that had been acknowledged.
//! [`FaultFs::inject`] makes operations fail instead: a full disk, an I/O error, a failing COMMIT.
//!
//! What it deliberately does not do: it is not a file system. Only files that SQLite opens by name are recorded (databases,
//! logs, journals); temporary files and the shared-memory index pass through, and the latter is absent after a cut, as SQLite
//! rebuilds it. Memory mapping of database files is off. Files must not be changed behind its back while it records.
//!
//! Where to start reading: `disk.rs` is the model of what a disk promises (safe code, no I/O), `fault.rs` decides which
//! operation fails, `vfs.rs` is the C interface. To add a kind of fault: [`FaultKind`] and its codes in `fault.rs`.

mod disk;
mod fault;
mod random;
mod vfs;

pub use disk::{Counts, Cut};
pub use fault::{Fault, FaultKind, FileKind, Operations};
pub use vfs::{FaultFs, RegisterError};
