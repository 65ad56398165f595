//! The project folder: where things are, and what is in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A project folder.
#[derive(Debug, Clone)]
pub struct Project {
    /// The folder that holds `supabase/` or `basalt/`.
    pub root: PathBuf,
    /// `supabase/` or `basalt/` inside it.
    pub folder: PathBuf,
}

/// One migration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationFile {
    /// The digits before the first underscore: its order and identity.
    pub version: String,
    /// What stands behind them, without `.sql`.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

/// What is wrong with a project folder.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// There is none.
    #[error(
        "no project in {0}: it has neither supabase/ nor basalt/. `basalt init` makes one, `--project DIR` names another folder"
    )]
    NotFound(PathBuf),
    /// Both layouts.
    #[error("{0} has both supabase/ and basalt/: keep one of them")]
    Both(PathBuf),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Two migrations with one version.
    #[error("{first} and {second} have the same version: rename one of them")]
    SameVersion {
        /// One of them.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
}

impl ProjectError {
    /// Wraps an I/O error with the path it is about.
    pub fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}

impl Project {
    /// Finds the project in a folder, or the nearest one above it when the folder was not named.
    ///
    /// # Errors
    /// When there is none, or it is ambiguous.
    pub fn find(named: Option<&Path>) -> Result<Self, ProjectError> {
        let start = match named {
            Some(dir) => dir.to_owned(),
            None => std::env::current_dir().map_err(ProjectError::io(Path::new(".")))?,
        };
        let start = fs::canonicalize(&start).map_err(|_| ProjectError::NotFound(start.clone()))?;
        let above: Vec<&Path> = if named.is_some() { vec![&start] } else { start.ancestors().collect() };
        for root in above {
            let (ours, theirs) = (root.join("basalt"), root.join("supabase"));
            let is_project = |dir: &Path| {
                dir.join("config.toml").is_file() || dir.join("migrations").is_dir() || dir.join("basalt.toml").is_file()
            };
            match (is_project(&ours), is_project(&theirs)) {
                (true, true) => return Err(ProjectError::Both(root.to_owned())),
                (true, false) => return Ok(Self { root: root.to_owned(), folder: ours }),
                (false, true) => return Ok(Self { root: root.to_owned(), folder: theirs }),
                (false, false) => {}
            }
        }
        Err(ProjectError::NotFound(start))
    }

    /// `.basalt/`: data, secrets, lock.
    pub fn state(&self) -> PathBuf {
        self.root.join(".basalt")
    }

    /// The embedded database's file.
    pub fn database(&self) -> PathBuf {
        self.state().join("data.db")
    }

    /// Makes `.basalt/` with mode 0700, ignoring itself in git.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make_state(&self) -> Result<PathBuf, ProjectError> {
        let dir = self.state();
        fs::create_dir_all(&dir).map_err(ProjectError::io(&dir))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).map_err(ProjectError::io(&dir))?;
        }
        let ignore = dir.join(".gitignore");
        if !ignore.exists() {
            fs::write(&ignore, "*\n").map_err(ProjectError::io(&ignore))?;
        }
        Ok(dir)
    }

    /// The migrations in order.
    ///
    /// # Errors
    /// When the folder cannot be read or two files have one version.
    pub fn migrations(&self) -> Result<Vec<MigrationFile>, ProjectError> {
        let dir = self.folder.join("migrations");
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(ProjectError::io(&dir)(e)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(ProjectError::io(&dir))?.path();
            if let Some(file) = migration_of(path) {
                files.push(file);
            }
        }
        // By file name, as the CLI orders them.
        files.sort_by(|a, b| a.path.file_name().cmp(&b.path.file_name()));
        let mut seen: std::collections::HashMap<&str, &Path> = std::collections::HashMap::new();
        for file in &files {
            if let Some(first) = seen.insert(&file.version, &file.path) {
                return Err(ProjectError::SameVersion { first: first.to_owned(), second: file.path.clone() });
            }
        }
        Ok(files)
    }
}

/// A migration's file name is `<digits>_<name>.sql`; the CLI skips everything else.
fn migration_of(path: PathBuf) -> Option<MigrationFile> {
    let name = path.file_name()?.to_str()?.strip_suffix(".sql")?;
    let (version, rest) = name.split_once('_')?;
    if version.is_empty() || !version.bytes().all(|b| b.is_ascii_digit()) || !path.is_file() {
        return None;
    }
    Some(MigrationFile { version: version.to_owned(), name: rest.to_owned(), path })
}
