//! A file system of a few MiB, to see what happens when it is full.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A small file system in memory, unmounted when dropped. Only root can mount one.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
    /// The folder, where it was made for this.
    made: Option<TempDir>,
}

impl SmallDisk {
    /// One of so many MiB in a folder of its own, which everybody may enter.
    ///
    /// # Errors
    /// The system's; `PermissionDenied` for who is not root.
    pub fn new(mebibytes: u32) -> io::Result<Self> {
        let made = tempfile::Builder::new().prefix("basalt-disk-").tempdir_in("/tmp")?;
        let mut disk = Self::at(made.path(), mebibytes)?;
        disk.made = Some(made);
        Ok(disk)
    }

    /// One of so many MiB in an existing folder.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn at(folder: &Path, mebibytes: u32) -> io::Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let options = format!("size={mebibytes}m,mode=1777");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder).status()?;
        if mounted.success() {
            Ok(Self { folder: folder.to_owned(), made: None })
        } else {
            Err(io::Error::other("mount has failed"))
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Takes all of its free space.
    ///
    /// # Errors
    /// The system's, other than that it is full.
    pub fn fill(&self) -> io::Result<()> {
        let mut ballast = File::options().append(true).create(true).open(self.ballast())?;
        for size in [1 << 20, 1 << 12] {
            let block = vec![0; size];
            loop {
                match ballast.write(&block) {
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Gives back what [`Self::fill`] took.
    ///
    /// # Errors
    /// The system's.
    pub fn free(&self) -> io::Result<()> {
        fs::remove_file(self.ballast())
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazy: what still has files open there keeps them until it ends.
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
        drop(self.made.take());
    }
}
