//! One server a project: an operating-system lock on `.basalt/lock`, gone with the process however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use crate::project::ProjectError;

/// The project's lock, held while this lives.
#[derive(Debug)]
pub struct ProjectLock(#[allow(dead_code)] File);

/// Why the lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody holds it.
    #[error("another basalt process ({0}) is using this project: stop it first")]
    Held(String),
    /// The file.
    #[error(transparent)]
    Project(#[from] ProjectError),
}

impl ProjectLock {
    /// Takes the lock without waiting.
    ///
    /// # Errors
    /// When another process holds it.
    pub fn take(state: &Path, what: &str) -> Result<Self, LockError> {
        let path = state.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(ProjectError::io(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                return Err(LockError::Held(if holder.trim().is_empty() { "unknown".into() } else { holder.trim().to_owned() }));
            }
            Err(TryLockError::Error(e)) => return Err(ProjectError::io(&path)(e).into()),
        }
        let note = format!("{what}, pid {}", std::process::id());
        let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(note.as_bytes()));
        written.map_err(ProjectError::io(&path))?;
        Ok(Self(file))
    }
}
