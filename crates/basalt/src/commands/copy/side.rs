//! Where a copy comes from and goes to.

use std::path::{Path, PathBuf};

use basalt_engine::bulk::Bulk;
use basalt_postgres::{PostgresBulk, PostgresOptions};
use basalt_sqlite::{SqliteBulk, SqliteEngine, SqliteOptions};
use basalt_types::Secret;

use crate::Failure;
use crate::commands::migration::apply;
use crate::config::Settings;
use crate::database::{self, Asked};
use crate::lock::ProjectLock;
use crate::project::Project;
use crate::secrets::Secrets;

/// One place of a database.
#[derive(Debug, Clone)]
pub enum Side {
    /// An embedded file.
    File(PathBuf),
    /// A PostgreSQL database: its address, and the one of the login that owns the tables.
    Server(Secret, Option<Secret>),
}

impl Side {
    /// Reads `sqlite`, `sqlite:PATH`, or a PostgreSQL address.
    ///
    /// # Errors
    /// When it is neither. The text is not repeated: it may hold a password.
    pub fn parse(text: &str, admin: Option<&str>, project: &Project) -> Result<Self, Failure> {
        if let Some(path) = text.strip_prefix("sqlite") {
            let path = path.strip_prefix(':').unwrap_or(path);
            let path = path.strip_prefix("//").unwrap_or(path);
            return Ok(Self::File(if path.is_empty() { project.database() } else { PathBuf::from(path) }));
        }
        let is_address = text.starts_with("postgres://") || text.starts_with("postgresql://") || text.contains('=');
        if !is_address {
            return Err("a place is sqlite (the project's own file), sqlite:PATH, or postgres://…".into());
        }
        Ok(Self::Server(Secret::new(text.to_owned()), admin.map(|url| Secret::new(url.to_owned()))))
    }

    /// The project's own database.
    pub fn of_project(project: &Project, settings: &Settings) -> Self {
        match &settings.database.url {
            None => Self::File(project.database()),
            Some(url) => Self::Server(url.clone(), settings.database.admin_url.clone()),
        }
    }

    /// For messages.
    pub fn title(&self) -> String {
        match self {
            Self::File(path) => format!("the file {}", path.display()),
            Self::Server(..) => "the PostgreSQL database".to_owned(),
        }
    }

    /// Whether two sides are one.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(one), Self::File(two)) => {
                one == two || one.canonicalize().is_ok_and(|one| two.canonicalize().is_ok_and(|two| one == two))
            }
            (Self::Server(one, _), Self::Server(two, _)) => one.reveal() == two.reveal(),
            _ => false,
        }
    }

    /// Opens what is there. None: there is no such file.
    ///
    /// # Errors
    /// What the database reports.
    pub fn open(&self, project: &Project, settings: &Settings, is_target: bool) -> Result<Option<Box<dyn Bulk>>, Failure> {
        match self {
            Self::File(path) if !SqliteBulk::exists(path) => Ok(None),
            Self::File(path) => {
                let options = file_options(path, project, settings);
                // Somebody else's file is not even opened for writing.
                let bulk = SqliteBulk::open(&options, false)?;
                Ok(Some(Box::new(if is_target { SqliteBulk::open(&options, true)? } else { bulk })))
            }
            Self::Server(url, admin) => {
                let options = PostgresOptions::new(url.reveal(), admin.as_ref().unwrap_or(url).reveal());
                Ok(Some(Box::new(PostgresBulk::open(&options, is_target)?)))
            }
        }
    }

    /// Makes sure that no server runs on a file that is to be written.
    ///
    /// # Errors
    /// When one does.
    pub fn lock(&self, project: &Project) -> Result<Option<ProjectLock>, Failure> {
        let Self::File(path) = self else { return Ok(None) };
        let folder = path.parent().unwrap_or(Path::new("."));
        if *path == project.database() {
            return Ok(Some(ProjectLock::take(&project.make_state()?, "copy")?));
        }
        // The file of another project.
        let is_state = folder.file_name().is_some_and(|name| name == ".basalt");
        Ok(if is_state && folder.is_dir() { Some(ProjectLock::take(folder, "copy")?) } else { None })
    }

    /// Brings the schema to what the folder says: what every project has, then all migrations; no seed. `begin` is called when the
    /// database is Basalt's and before the first migration.
    ///
    /// # Errors
    /// What the engine reports, and migrations that do not apply.
    pub fn prepare(
        &self,
        project: &Project,
        settings: &Settings,
        secrets: &Secrets,
        begin: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match self {
            Self::File(path) => {
                let options = file_options(path, project, settings);
                SqliteEngine::open(options.clone())?.close();
                begin()?;
                let engine = SqliteEngine::open(options)?;
                let applied = apply(&*engine, project, settings, false);
                engine.close();
                applied.map(drop)
            }
            Self::Server(url, admin) => {
                let mut settings = settings.clone();
                (settings.database.url, settings.database.admin_url) = (Some(url.clone()), admin.clone());
                let (engine, _) = database::open(project, &settings, secrets, Asked::default())?;
                begin()?;
                let applied = apply(&*engine, project, &settings, false);
                engine.close();
                applied.map(drop)
            }
        }
    }
}

fn file_options(path: &Path, project: &Project, settings: &Settings) -> SqliteOptions {
    let mut options = database::file_options(project, settings);
    options.path = path.to_owned();
    options
}
