//! The engine's door: connecting, the catalog and its changes, and the [`Engine`] trait over two pools.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use basalt_catalog::Catalog;
use basalt_engine::{Answer, Batch, BatchError, BoxFuture, Boxed, Engine, EngineFigures, Run, RunError, Work};
use basalt_plan::dialect::postgres::{self, PgStatement};
use basalt_types::{SqlError, SqlState};
use parking_lot::{Mutex, RwLock};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::connect::Target;
use crate::foreign::{Foreign, Openings};
use crate::options::PostgresOptions;
use crate::own::{Access, Own};
use crate::pool::{Ages, Lease, Pool};
use crate::{error, introspect, request, short, traces};

/// How often a transaction of a service is tried when others got in its way.
pub(crate) const MOST_ATTEMPTS: u32 = 8;

/// Compiled statements kept; all are forgotten when there are more.
const MOST_COMPILED: usize = 20_000;

/// After so long without an answer of the database the engine is not ready.
const UNREADY_AFTER: Duration = Duration::from_secs(60);

/// What the engine's parts share.
pub(crate) struct Shared {
    pub(crate) options: PostgresOptions,
    pub(crate) catalog: ArcSwap<Catalog>,
    pub(crate) requests: Arc<Pool>,
    pub(crate) admin: Arc<Pool>,
    pub(crate) search_path: String,
    /// What is wanted of every transaction when the database is not Basalt's own, and how they begin then.
    pub(crate) foreign: Mutex<Option<Foreign>>,
    pub(crate) openings: ArcSwapOption<Openings>,
    pub(crate) is_code_dynamic: AtomicBool,
    /// See [`Traces`].
    leaves_traces: AtomicBool,
    reads_request: AtomicBool,
    compiled: RwLock<HashMap<u64, Arc<PgStatement>>>,
    /// What the catalog was like when it was read.
    fingerprint: Mutex<String>,
    /// When the database last answered.
    answered: Mutex<Instant>,
    pub(crate) runs: AtomicU64,
    /// Of them, those that went the way of the common request.
    short: AtomicU64,
    pub(crate) repeated: AtomicU64,
    reloads: AtomicU64,
}

/// A PostgreSQL database.
///
/// It has a small runtime of its own for what is no request: the services' transactions, migrations, watching the schema. Requests
/// run on the threads that received them.
pub struct PostgresEngine {
    pub(crate) shared: Arc<Shared>,
    runtime: Mutex<Option<Runtime>>,
    pub(crate) handle: Handle,
}

impl PostgresEngine {
    /// Connects and reads the catalog. Not for async code.
    ///
    /// # Errors
    /// 22023 for an address that is none; 08001 when nothing answers; 42501 when the login for requests has rights of its own;
    /// PostgreSQL's own refusals.
    #[allow(clippy::disallowed_methods)] // monotonic time of the last answer
    pub fn open(options: PostgresOptions) -> Result<Arc<Self>, SqlError> {
        let admin = Target::parse(&options.admin, options.connect_timeout, "basalt-admin")?;
        let requests = match &options.request_login {
            Some((user, password)) => {
                Target::parse(&options.admin, options.connect_timeout, "basalt")?.with_login(user, password.reveal())
            }
            None => Target::parse(&options.requests, options.connect_timeout, "basalt")?,
        };
        for warning in admin.warning().into_iter().chain(requests.warning().filter(|w| admin.warning() != Some(*w))) {
            tracing::warn!("{warning}");
        }
        let no_thread = |_| SqlError::internal("no thread for the database's connections");
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("basalt-postgres")
            .enable_all()
            .build()
            .map_err(no_thread)?;
        let shared = Arc::new(Shared {
            catalog: ArcSwap::default(),
            requests: Pool::aging(
                requests,
                (options.pool_size, options.lanes),
                options.pool_timeout,
                Ages { idle: options.max_idle, life: options.max_life },
            ),
            admin: Pool::new(admin, options.admin_pool_size, 1, options.pool_timeout),
            search_path: options.search_path(),
            foreign: Mutex::new(options.foreign.clone()),
            openings: ArcSwapOption::empty(),
            is_code_dynamic: AtomicBool::new(true),
            leaves_traces: AtomicBool::new(true),
            reads_request: AtomicBool::new(true),
            compiled: RwLock::default(),
            fingerprint: Mutex::default(),
            answered: Mutex::new(Instant::now()),
            runs: AtomicU64::new(0),
            short: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            reloads: AtomicU64::new(0),
            options,
        });
        let handle = runtime.handle().clone();
        runtime.block_on(async {
            shared.reload().await?;
            shared.check_login().await
        })?;
        let watched = Arc::downgrade(&shared);
        let pause = shared.options.watch_interval;
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                let Some(shared) = watched.upgrade() else { break };
                shared.watch().await;
            }
        });
        Ok(Arc::new(Self { shared, runtime: Mutex::new(Some(runtime)), handle }))
    }

    /// Reads the catalog again, now. Not for async code.
    ///
    /// # Errors
    /// What the connection reports; the old catalog stays.
    pub fn reload(&self) -> Result<(), SqlError> {
        self.handle.block_on(self.shared.reload())
    }

    /// Lets requests end and closes all connections. Not for async code.
    pub fn close(&self) {
        self.shared.requests.close();
        self.shared.admin.close();
        if let Some(runtime) = self.runtime.lock().take() {
            runtime.shutdown_background();
        }
    }

    /// Runs work on a thread that may wait, in one transaction, again when others got in its way.
    async fn own(&self, access: Access, work: Work<Boxed>) -> Result<Boxed, SqlError> {
        let mut attempt = 1;
        loop {
            let mut lease = self.shared.admin.lease().await?;
            let (handle, work) = (self.handle.clone(), Arc::clone(&work));
            let (is_prepared, now) = (self.shared.options.is_prepared, self.shared.options.clock.now());
            let done = self.handle.spawn_blocking(move || {
                let result = lease.begin().and_then(|connection| {
                    let mut own = Own::begin(connection, &handle, access, is_prepared, now)?;
                    let result = work(&mut own);
                    own.end(result)
                });
                match &result {
                    Err(error) if error::is_lost(error) => lease.discard(),
                    _ => lease.rest(),
                }
                result
            });
            let result = done.await.unwrap_or_else(|_| Err(SqlError::internal("a transaction failed inside the engine")));
            match result {
                Err(error) if error::is_worth_repeating(&error) && attempt < MOST_ATTEMPTS => {
                    attempt += 1;
                    self.shared.repeated.fetch_add(1, Ordering::Relaxed);
                }
                other => return other,
            }
        }
    }
}

impl Drop for PostgresEngine {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// Takes a connection of the service's own, does something with its client, and gives it back.
    pub(crate) async fn admin<T>(
        &self,
        work: impl AsyncFnOnce(&tokio_postgres::Client) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        let mut lease: Lease = self.admin.lease().await?;
        let result = work(&lease.begin()?.client).await;
        match &result {
            Err(error) if error::is_lost(error) => lease.discard(),
            _ => lease.rest(),
        }
        result
    }

    /// Reads the catalog, and takes it when it is another.
    pub(crate) async fn reload(&self) -> Result<(), SqlError> {
        let (fingerprint, mut catalog, traces) = self
            .admin(async |client| {
                // Taken before: a change in between is then seen the next time.
                let row = client.query_one(introspect::FINGERPRINT, &[]).await.map_err(|e| error::of(&e))?;
                let fingerprint: String = row.try_get(0).map_err(|e| error::of(&e))?;
                let catalog = introspect::catalog(client).await?;
                Ok((fingerprint, catalog, traces::read(client).await?))
            })
            .await?;
        self.leaves_traces.store(traces.leaves, Ordering::Relaxed);
        self.reads_request.store(traces.reads_request, Ordering::Relaxed);
        *self.fingerprint.lock() = fingerprint;
        self.read_openings().await?;
        self.reloads.fetch_add(1, Ordering::Relaxed);
        let old = self.catalog.load();
        catalog.set_version(old.version());
        if catalog != **old || old.version() == 0 {
            self.is_code_dynamic.store(has_dynamic_code(&catalog), Ordering::Relaxed);
            catalog.set_version(old.version() + 1);
            self.catalog.store(Arc::new(catalog));
            self.compiled.write().clear();
        }
        Ok(())
    }

    /// Reads how transactions begin, when the database is not Basalt's own.
    pub(crate) async fn read_openings(&self) -> Result<(), SqlError> {
        let Some(foreign) = self.foreign.lock().clone() else { return Ok(()) };
        let openings = self.admin(async |client| Openings::read(client, &foreign).await).await?;
        self.openings.store(Some(Arc::new(openings)));
        Ok(())
    }

    /// Looks whether the schema changed.
    #[allow(clippy::disallowed_methods)] // monotonic time of the last answer
    async fn watch(&self) {
        self.requests.reap();
        let now = self
            .admin(async |client| {
                let row = client.query_one(introspect::FINGERPRINT, &[]).await.map_err(|e| error::of(&e))?;
                row.try_get::<_, String>(0).map_err(|e| error::of(&e))
            })
            .await;
        let result = match now {
            Ok(fingerprint) if fingerprint == *self.fingerprint.lock() => Ok(()),
            Ok(_) => self.reload().await,
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => *self.answered.lock() = Instant::now(),
            Err(error) => tracing::warn!(%error, "the database's schema cannot be read; the known one stays in use"),
        }
    }

    /// The login for requests must have no rights of its own: a superuser, or one that row policies do not bind, would make every
    /// mistake elsewhere a way in.
    async fn check_login(&self) -> Result<(), SqlError> {
        let mut lease = self.requests.lease().await?;
        let sql = "SELECT rolsuper, rolbypassrls, rolname::text FROM pg_catalog.pg_roles WHERE rolname = session_user";
        let row = lease.begin()?.client.query_one(sql, &[]).await.map_err(|e| error::of(&e))?;
        let (is_super, bypasses): (bool, bool) =
            (row.try_get(0).map_err(|e| error::of(&e))?, row.try_get(1).map_err(|e| error::of(&e))?);
        let name: String = row.try_get(2).map_err(|e| error::of(&e))?;
        lease.rest();
        // This connection belongs to this runtime, not to one that serves requests.
        lease.discard();
        if (is_super || bypasses) && self.options.foreign.is_some() {
            tracing::warn!("requests run over the login {name}, which is a superuser or not bound by row policies");
        } else if is_super || bypasses {
            return Err(SqlError::new(
                SqlState::INSUFFICIENT_PRIVILEGE,
                format!("requests would run as {name}, whom row policies do not bind"),
            )
            .hint("Give --database the login \"authenticator\", and this one as --admin-database."));
        }
        Ok(())
    }

    pub(crate) fn statement(&self, run: &Run, catalog: &Catalog) -> Result<Arc<PgStatement>, SqlError> {
        if let Some(known) = self.compiled.read().get(&run.plan.id) {
            return Ok(Arc::clone(known));
        }
        let made = Arc::new(postgres::compile(&run.plan, catalog)?);
        let mut compiled = self.compiled.write();
        if compiled.len() >= MOST_COMPILED {
            compiled.clear();
        }
        compiled.insert(run.plan.id, Arc::clone(&made));
        Ok(made)
    }
}

/// Whether a function of the database's users might prepare statements: one that runs texts, or is in a language we cannot read.
fn has_dynamic_code(catalog: &Catalog) -> bool {
    catalog.functions().filter(|f| !f.body.is_empty()).any(|f| match f.language.as_str() {
        "sql" | "plpgsql" => {
            let body = f.body.to_ascii_lowercase();
            ["execute", "prepare", "deallocate"].iter().any(|word| body.contains(word))
        }
        "internal" | "c" => false,
        _ => true,
    })
}

impl Engine for PostgresEngine {
    fn catalog(&self) -> Arc<Catalog> {
        self.shared.catalog.load_full()
    }

    fn run(&self, run: Run) -> BoxFuture<'_, Result<Answer, RunError>> {
        Box::pin(async move {
            let shared = &*self.shared;
            let catalog = shared.catalog.load_full();
            if run.plan.catalog_version != catalog.version() {
                return Err(RunError::StalePlan);
            }
            let statement = shared.statement(&run, &catalog)?;
            shared.runs.fetch_add(1, Ordering::Relaxed);
            // Without its values, and only where the operator asks for this target.
            tracing::trace!(target: "basalt_postgres::statement", sql = %statement.sql, role = run.session.role.as_str());
            let openings = shared.openings.load_full();
            let (opening, search_path) = match &openings {
                Some(openings) => openings.of(&run, request::is_read_only(&run), &shared.search_path),
                None => (request::Opening::of(&run), shared.search_path.as_str()),
            };
            let facts = request::Shared {
                search_path,
                opening,
                catalog_version: catalog.version(),
                is_prepared: shared.options.is_prepared,
                is_code_dynamic: shared.is_code_dynamic.load(Ordering::Relaxed),
                leaves_traces: shared.leaves_traces.load(Ordering::Relaxed),
                reads_request: shared.reads_request.load(Ordering::Relaxed),
            };
            if openings.is_none() && short::fits(&run, &statement, &facts) && shared.requests.target().has_wire() {
                shared.short.fetch_add(1, Ordering::Relaxed);
                return short::run(&shared.requests, &run, &statement, &facts).await;
            }
            let first = request::run(shared.requests.lease().await?, &run, &statement, &facts).await;
            match first {
                // Somebody's code took our statements away; the transaction was undone, and another connection has its own.
                Err(RunError::Sql(error)) if error.state == request::NO_SUCH_STATEMENT => {
                    request::run(shared.requests.lease().await?, &run, &statement, &facts).await
                }
                other => other,
            }
        })
    }

    fn run_batch(&self, batch: Batch) -> BoxFuture<'_, Result<Vec<Answer>, BatchError>> {
        Box::pin(self.batch(batch))
    }

    fn run_now(&self, _run: &Run) -> Option<Result<Answer, RunError>> {
        None
    }

    fn transaction_boxed(&self, work: Work<Boxed>) -> BoxFuture<'_, Result<Boxed, SqlError>> {
        Box::pin(self.own(Access::Write, work))
    }

    fn snapshot_boxed(&self, work: Work<Boxed>) -> BoxFuture<'_, Result<Boxed, SqlError>> {
        Box::pin(self.own(Access::Read, work))
    }

    fn is_ready(&self) -> bool {
        self.shared.answered.lock().elapsed() < UNREADY_AFTER
    }

    fn figures(&self) -> EngineFigures {
        let shared = &self.shared;
        let [opened, discarded, waited, cancelled] = shared.requests.counters();
        #[allow(clippy::cast_precision_loss)] // figures
        let gauges = vec![
            ("pool_idle_connections", shared.requests.idle() as f64),
            ("pool_max_connections", shared.options.pool_size as f64),
            ("pool_waiting_requests", shared.requests.waiting() as f64),
            ("admin_pool_idle_connections", shared.admin.idle() as f64),
            ("catalog_version", shared.catalog.load().version() as f64),
        ];
        EngineFigures {
            gauges,
            counters: vec![
                ("runs", shared.runs.load(Ordering::Relaxed)),
                ("short_runs", shared.short.load(Ordering::Relaxed)),
                ("transactions_repeated", shared.repeated.load(Ordering::Relaxed)),
                ("catalog_reloads", shared.reloads.load(Ordering::Relaxed)),
                ("connections_opened", opened),
                ("connections_discarded", discarded),
                ("requests_that_waited_for_a_connection", waited),
                ("statements_cancelled", cancelled),
                ("pool_timeouts", shared.requests.timeouts()),
            ],
        }
    }
}
