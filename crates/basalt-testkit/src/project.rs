//! Project folders made for one test.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// A project folder in the system's temporary folder, removed when dropped.
///
/// ```text
/// let project = Project::new().migration("create table t (id int primary key);").seed("insert into t values (1);");
/// ```
#[derive(Debug)]
pub struct Project {
    folder: tempfile::TempDir,
    migrations: u32,
}

impl Project {
    /// An empty folder: no `supabase/`, no settings.
    ///
    /// # Panics
    /// When the temporary folder cannot be written, as all methods here do.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("basalt-project-").tempdir().expect("a temporary folder");
        Self { folder, migrations: 0 }
    }

    /// A copy of an existing project folder, without its `.basalt/`: the test may change it at will.
    pub fn copy_of(original: &Path) -> Self {
        let project = Self::new();
        copy(original, project.path()).unwrap_or_else(|e| panic!("copying {}: {e}", original.display()));
        let migrations = fs::read_dir(project.path().join("supabase/migrations")).map_or(0, |entries| entries.count());
        Self { migrations: u32::try_from(migrations).unwrap_or(u32::MAX), ..project }
    }

    /// The folder; what `--project` takes.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes one file, `path` below the folder.
    #[must_use]
    pub fn file(self, path: &str, text: impl AsRef<[u8]>) -> Self {
        self.write(path, text);
        self
    }

    /// Writes `supabase/config.toml`.
    #[must_use]
    pub fn config(self, text: &str) -> Self {
        self.file("supabase/config.toml", text)
    }

    /// Writes `supabase/basalt.toml`.
    #[must_use]
    pub fn basalt_config(self, text: &str) -> Self {
        self.file("supabase/basalt.toml", text)
    }

    /// Adds a migration after those before it. Versions count from 20260101000001.
    #[must_use]
    pub fn migration(mut self, sql: &str) -> Self {
        self.migrations += 1;
        let path =
            format!("supabase/migrations/{}_step_{}.sql", 20_260_101_000_000_u64 + u64::from(self.migrations), self.migrations);
        self.file(&path, sql)
    }

    /// Writes `supabase/seed.sql`.
    #[must_use]
    pub fn seed(self, sql: &str) -> Self {
        self.file("supabase/seed.sql", sql)
    }

    /// Writes one file while the project is in use, `path` below the folder.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let file = self.path().join(path);
        let made = file.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&file, text));
        made.unwrap_or_else(|e| panic!("writing {}: {e}", file.display()));
    }

    /// Reads one file, `path` below the folder.
    pub fn read(&self, path: &str) -> Vec<u8> {
        let file = self.path().join(path);
        fs::read(&file).unwrap_or_else(|e| panic!("reading {}: {e}", file.display()))
    }

    /// Keeps the folder after the test, to look into by hand.
    #[must_use]
    pub fn keep(self) -> PathBuf {
        self.folder.keep()
    }
}

impl Default for Project {
    fn default() -> Self {
        Self::new()
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            if entry.file_name() != ".basalt" {
                copy(&entry.path(), &target)?;
            }
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
