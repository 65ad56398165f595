//! The catalog and its changes: what the database says on a channel, what it looks like every few seconds, and what a request names
//! that is not known.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use basalt_types::SqlError;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::engine::{Shared, has_dynamic_code};
use crate::{error, introspect, traces};

/// Between two looks that requests ask for, whatever they name.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// The longest a look takes, with reading a large catalog.
const LOOK_LIMIT: Duration = Duration::from_secs(60);

/// The longest a request waits for somebody else's look.
const LOOK_PATIENCE: Duration = Duration::from_secs(3);

/// What changes with the schema. Not prepared: a pooler may stand in between.
async fn fingerprint(client: &Client) -> Result<String, SqlError> {
    let messages = client.simple_query(introspect::FINGERPRINT).await.map_err(|e| error::of(&e))?;
    let text = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    text.ok_or_else(|| SqlError::internal("the system catalogs have no fingerprint"))
}

impl Shared {
    /// Reads the catalog, and takes it when it is another.
    #[allow(clippy::disallowed_methods)] // monotonic time of the last change
    pub(crate) async fn reload(&self) -> Result<(), SqlError> {
        let _alone = self.reloading.lock().await;
        let (fingerprint, mut catalog, traces) = self
            .admin(async |client| {
                // Taken before: a change in between is then seen the next time.
                let fingerprint = fingerprint(client).await?;
                let catalog = introspect::catalog(client).await?;
                Ok((fingerprint, catalog, traces::read(client).await?))
            })
            .await?;
        self.leaves_traces.store(traces.leaves, Ordering::Relaxed);
        self.reads_request.store(traces.reads_request, Ordering::Relaxed);
        *self.fingerprint.lock() = fingerprint;
        self.read_openings(&catalog).await?;
        self.reloads.fetch_add(1, Ordering::Relaxed);
        let old = self.catalog.load();
        catalog.set_version(old.version());
        if catalog != **old || old.version() == 0 {
            self.is_code_dynamic.store(has_dynamic_code(&catalog), Ordering::Relaxed);
            catalog.set_version(old.version() + 1);
            self.catalog.store(Arc::new(catalog));
            self.compiled.write().clear();
            *self.changed.lock() = Some(Instant::now());
        }
        Ok(())
    }

    /// Looks whether the schema changed.
    #[allow(clippy::disallowed_methods)] // monotonic time of the last answer
    pub(crate) async fn watch(&self) {
        let looking = async {
            match self.admin(async |client| fingerprint(client).await).await {
                Ok(fingerprint) if fingerprint == *self.fingerprint.lock() => Ok(()),
                Ok(_) => self.reload().await,
                Err(error) => Err(error),
            }
        };
        // What a server that has stopped never answers is given up; the next look has another connection.
        let result = tokio::time::timeout(LOOK_LIMIT, looking).await.unwrap_or_else(|_| Err(error::lost()));
        match result {
            Ok(()) => *self.answered.lock() = Instant::now(),
            Err(error) => tracing::warn!(%error, "the database's schema cannot be read; the known one stays in use"),
        }
    }

    /// Looks for a request that names something unknown: one look at a time, for all that ask meanwhile, and not more than one in
    /// [`LOOK_PAUSE`], so that unknown names cost a database next to nothing. Whether the catalog is another than before, or was
    /// until a moment ago.
    #[allow(clippy::disallowed_methods)] // monotonic time between looks
    pub(crate) async fn refresh(&self) -> bool {
        let known = self.catalog.load().version();
        let is_fresh = || self.changed.lock().is_some_and(|at| at.elapsed() < LOOK_PAUSE);
        let Ok(mut looked) = tokio::time::timeout(LOOK_PATIENCE, self.looked.lock()).await else { return false };
        let has_changed = |shared: &Self| shared.catalog.load().version() != known || is_fresh();
        if has_changed(self) || looked.is_some_and(|at| at.elapsed() < LOOK_PAUSE) {
            return has_changed(self);
        }
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.watch().await;
        *looked = Some(Instant::now());
        has_changed(self)
    }
}
