//! The engine's door: connecting, the catalog and its changes, and the [`Engine`] trait over two pools.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use basalt_catalog::Catalog;
use basalt_engine::{Answer, Batch, BatchError, BoxFuture, Boxed, Claim, Claimed, Engine, EngineFigures, Run, RunError, Work};
use basalt_plan::dialect::postgres::{self, PgStatement};
use basalt_types::{SqlError, SqlState};
use parking_lot::{Mutex, RwLock};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Notify;

use crate::connect::Target;
use crate::cost::Costs;
use crate::foreign::{Foreign, Notice, Openings};
use crate::options::PostgresOptions;
use crate::own::{Access, Own};
use crate::pool::{Lease, Pool};
use crate::replicas::Replicas;
use crate::{error, pooler, request, short};

/// How often a transaction of a service is tried when others got in its way.
pub(crate) const MOST_ATTEMPTS: u32 = 8;

/// How often a request is run when others got in its way or its connection was gone.
const MOST_RUNS: u32 = 5;

/// What PostgREST listens to, and what Supabase's event triggers speak on.
const CHANNEL: &str = "pgrst";

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
    /// The search paths of requests, by the schema they ask for; that of the first schema is for those that ask for none.
    pub(crate) search_paths: Vec<(String, String)>,
    /// What is wanted of every transaction when the database is not Basalt's own, and how they begin then.
    pub(crate) foreign: Mutex<Option<Foreign>>,
    pub(crate) openings: ArcSwapOption<Openings>,
    pub(crate) is_code_dynamic: AtomicBool,
    /// See [`crate::traces::Traces`].
    pub(crate) leaves_traces: AtomicBool,
    pub(crate) reads_request: AtomicBool,
    pub(crate) compiled: RwLock<HashMap<u64, Arc<PgStatement>>>,
    /// What the catalog was like when it was read.
    pub(crate) fingerprint: Mutex<String>,
    /// When the database last answered.
    pub(crate) answered: Mutex<Instant>,
    /// When the catalog last became another.
    pub(crate) changed: Mutex<Option<Instant>>,
    /// When it was last looked at for a request. Held while somebody looks.
    pub(crate) looked: tokio::sync::Mutex<Option<Instant>>,
    /// Wakes the watcher before its time.
    pub(crate) wake: Notify,
    pub(crate) replicas: Replicas,
    /// Whether statements are kept by name on the connections of requests, and on those of the services.
    pub(crate) is_prepared: bool,
    pub(crate) is_admin_prepared: bool,
    /// What has the server notice clients that are gone, where a pooler is not asked to cancel.
    pub(crate) notice: Option<&'static str>,
    pub(crate) costs: Costs,
    pub(crate) runs: AtomicU64,
    /// Of them, those that went the way of the common request.
    short: AtomicU64,
    pub(crate) repeated: AtomicU64,
    pub(crate) reloads: AtomicU64,
    /// Held while the catalog is read and taken, so that what was read earlier is never taken later.
    pub(crate) reloading: tokio::sync::Mutex<()>,
    /// Looks that requests asked for.
    pub(crate) looks: AtomicU64,
    /// Reads that were run again because a connection had gone.
    rerun: AtomicU64,
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
    /// 22023 for an address that is none; 08B01 when nothing answers; 42501 when the login for requests has rights of its own;
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
        let replicas = Replicas::new(&options, &requests)?;
        let [is_prepared, is_admin_prepared] = runtime.block_on(prepares(&options, &requests, &admin))?;
        let is_noticed = !is_prepared && runtime.block_on(pooler::notices(&requests));
        let shared = Arc::new(Shared {
            catalog: ArcSwap::default(),
            requests: Pool::of(requests, &options, !is_prepared),
            admin: Pool::new(admin, options.admin_pool_size, 1, options.pool_timeout),
            search_paths: options.schemas.iter().map(|name| (name.clone(), options.search_path(Some(name)))).collect(),
            foreign: Mutex::new(options.foreign.clone()),
            openings: ArcSwapOption::empty(),
            is_code_dynamic: AtomicBool::new(true),
            leaves_traces: AtomicBool::new(true),
            reads_request: AtomicBool::new(true),
            compiled: RwLock::default(),
            fingerprint: Mutex::default(),
            answered: Mutex::new(Instant::now()),
            changed: Mutex::default(),
            looked: tokio::sync::Mutex::default(),
            wake: Notify::new(),
            replicas,
            is_prepared,
            is_admin_prepared,
            notice: is_noticed.then_some(pooler::NOTICE),
            costs: Costs::default(),
            runs: AtomicU64::new(0),
            short: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            reloads: AtomicU64::new(0),
            reloading: tokio::sync::Mutex::default(),
            looks: AtomicU64::new(0),
            rerun: AtomicU64::new(0),
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
                let Some(shared) = watched.upgrade() else { break };
                let _ = tokio::time::timeout(pause, shared.wake.notified()).await;
                shared.watch().await;
                shared.requests.reap();
                shared.admin.reap();
                shared.replicas.reap();
            }
        });
        let engine = Arc::new(Self { shared, runtime: Mutex::new(Some(runtime)), handle });
        engine.listen_to_changes()?;
        Ok(engine)
    }

    /// Reads the catalog again, now. Not for async code.
    ///
    /// # Errors
    /// What the connection reports; the old catalog stays.
    pub fn reload(&self) -> Result<(), SqlError> {
        self.handle.block_on(self.shared.reload())
    }

    /// Listens to what Supabase and PostgREST have on the channel `pgrst`, in a database of Basalt's own: elsewhere the operator says
    /// what is listened to. Many words at once are one look.
    fn listen_to_changes(&self) -> Result<(), SqlError> {
        if self.shared.options.foreign.is_some() {
            return Ok(());
        }
        if !self.shared.is_admin_prepared {
            tracing::info!("a pooler of transactions hands no notices on: changes of the schema are noticed within some seconds");
            return Ok(());
        }
        let listened = Arc::downgrade(&self.shared);
        self.listen(CHANNEL, move |notice| {
            let is_wanted = match notice {
                Notice::Said(text) => text.is_empty() || text == "reload schema" || text == "reload config",
                // What was said meanwhile was not heard.
                Notice::Listening => true,
                Notice::Lost => false,
            };
            if let Some(shared) = listened.upgrade().filter(|_| is_wanted) {
                shared.wake.notify_one();
            }
        })
    }

    /// Lets requests end and closes all connections. Not for async code.
    pub fn close(&self) {
        self.shared.requests.close();
        self.shared.admin.close();
        self.shared.replicas.close();
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
            let (is_prepared, now) = (self.shared.is_admin_prepared, self.shared.options.clock.now());
            let done = self.handle.spawn_blocking(move || {
                let result = lease.begin().and_then(|connection| {
                    let mut own = Own::begin(connection, &handle, access, is_prepared, now)?;
                    let result = work(&mut own);
                    own.end(result)
                });
                match &result {
                    Err(error) if error::is_lost(error) || error.state == request::NO_SUCH_STATEMENT => lease.discard(),
                    _ => lease.rest(),
                }
                result
            });
            let result = done.await.unwrap_or_else(|_| Err(SqlError::internal("a transaction failed inside the engine")));
            match result {
                // What the driver keeps of types is gone, too, when a pooler gave us another connection: a new one asks again.
                Err(error)
                    if (error::is_worth_repeating(&error) || error.state == request::NO_SUCH_STATEMENT)
                        && attempt < MOST_ATTEMPTS =>
                {
                    attempt += 1;
                    self.shared.repeated.fetch_add(1, Ordering::Relaxed);
                }
                other => return other,
            }
        }
    }
}

impl PostgresEngine {
    /// Whether a request that failed so is run again. Only where the failed transaction is known to have left nothing behind.
    fn is_run_again(&self, run: &Run, error: &SqlError) -> bool {
        let shared = &self.shared;
        // Somebody's code took our statements away; the transaction was undone, and another connection has its own.
        if error.state == request::NO_SUCH_STATEMENT {
            return true;
        }
        if error::is_worth_repeating(error) {
            shared.repeated.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        // A connection that had rested while the server was started anew. A write might have been committed before the answer was lost.
        if error::is_lost(error) && request::is_read_only(run) {
            shared.rerun.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        false
    }
}

/// Whether statements may be kept by name on the connections of requests, and on those of the services.
async fn prepares(options: &PostgresOptions, requests: &Target, admin: &Target) -> Result<[bool; 2], SqlError> {
    if !options.is_prepared || !options.finds_poolers {
        return Ok([options.is_prepared; 2]);
    }
    let is_pooled = pooler::is_in_front(admin).await?;
    // Often one server under two names: whoever answers on the one address answers on the other.
    let is_request_pooled = if requests.is_same_server(admin) { is_pooled } else { pooler::is_in_front(requests).await? };
    if is_request_pooled {
        tracing::info!("a pooler of transactions stands before PostgreSQL: statements are not kept prepared");
    }
    Ok([!is_request_pooled, !is_pooled])
}

impl Drop for PostgresEngine {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// Where names of a request's SQL are looked for: first in the schema that it asks for.
    pub(crate) fn search_path(&self, run: &Run) -> &str {
        let asked = run.session.request.as_deref().map(|facts| facts.schema.as_str());
        let known = self.search_paths.iter().find(|(schema, _)| Some(schema.as_str()) == asked);
        known.or(self.search_paths.first()).map_or("\"public\"", |(_, path)| path.as_str())
    }

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

    /// Reads how transactions begin, when the database is not Basalt's own.
    pub(crate) async fn read_openings(&self, catalog: &Catalog) -> Result<(), SqlError> {
        let Some(foreign) = self.foreign.lock().clone() else { return Ok(()) };
        let openings = self.admin(async |client| Openings::read(client, &foreign, catalog).await).await?;
        self.openings.store(Some(Arc::new(openings)));
        Ok(())
    }

    /// Runs a request once, over a connection of this pool.
    pub(crate) async fn once(
        &self,
        pool: &Arc<Pool>,
        run: &Run,
        statement: &PgStatement,
        facts: &request::Shared<'_>,
        is_own: bool,
    ) -> Result<Answer, RunError> {
        // Behind a pooler what code left is taken back in the message that begins the transaction: one before may reach another
        // connection.
        if is_own && facts.is_prepared && short::fits(run, statement, facts) && pool.target().has_wire() {
            self.short.fetch_add(1, Ordering::Relaxed);
            return short::run(pool, run, statement, facts).await;
        }
        request::run(pool.lease().await.map_err(error::refused)?, run, statement, facts).await
    }

    /// The login for requests must have no rights of its own: a superuser, or one that row policies do not bind, would make every
    /// mistake elsewhere a way in.
    async fn check_login(&self) -> Result<(), SqlError> {
        let mut lease = self.requests.lease().await?;
        let sql = "SELECT rolsuper, rolbypassrls, rolname::text, current_setting('server_version_num')::int4 / 10000 \
             FROM pg_catalog.pg_roles WHERE rolname = session_user";
        let rows = lease.begin()?.client.query_typed(sql, &[]).await.map_err(|e| error::of(&e))?;
        let row = rows.first().ok_or_else(|| SqlError::internal("the login is none of the server's"))?;
        let (is_super, bypasses): (bool, bool) =
            (row.try_get(0).map_err(|e| error::of(&e))?, row.try_get(1).map_err(|e| error::of(&e))?);
        let name: String = row.try_get(2).map_err(|e| error::of(&e))?;
        let major: i32 = row.try_get(3).map_err(|e| error::of(&e))?;
        lease.rest();
        // This connection belongs to this runtime, not to one that serves requests.
        lease.discard();
        let oldest = basalt_sql::majors::OLDEST;
        if u32::try_from(major).is_ok_and(|major| major < oldest) {
            return Err(SqlError::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                format!("PostgreSQL {major} is not served: {oldest} and later are"),
            ));
        }
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
pub(crate) fn has_dynamic_code(catalog: &Catalog) -> bool {
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
                Some(openings) => openings.of(&run, request::is_read_only(&run), shared.search_path(&run)),
                None => (request::Opening { settings: shared.notice, ..request::Opening::of(&run) }, shared.search_path(&run)),
            };
            let facts = request::Shared {
                search_path,
                opening,
                catalog_version: catalog.version(),
                is_prepared: shared.is_prepared,
                is_code_dynamic: shared.is_code_dynamic.load(Ordering::Relaxed),
                leaves_traces: shared.leaves_traces.load(Ordering::Relaxed),
                reads_request: shared.reads_request.load(Ordering::Relaxed),
            };
            self.check_cost(&run, &statement, &facts).await?;
            if let Some(replica) = shared.replicas.turn(&run) {
                let result = shared.once(replica, &run, &statement, &facts, openings.is_none()).await;
                if let Some(answer) = shared.replicas.judge(result) {
                    return answer;
                }
            }
            let mut attempt = 1;
            loop {
                let result = shared.once(&shared.requests, &run, &statement, &facts, openings.is_none()).await;
                let Err(RunError::Sql(error)) = &result else { return result };
                if attempt >= MOST_RUNS || !self.is_run_again(&run, error) {
                    return result;
                }
                attempt += 1;
            }
        })
    }

    fn refresh(&self) -> BoxFuture<'_, bool> {
        Box::pin(self.shared.refresh())
    }

    fn run_batch(&self, batch: Batch) -> BoxFuture<'_, Result<Vec<Answer>, BatchError>> {
        Box::pin(self.batch(batch))
    }

    fn run_claimed(&self, batch: Batch, claim: Claim) -> BoxFuture<'_, Result<Claimed, BatchError>> {
        Box::pin(self.claimed(batch, claim))
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
        let [replica_reads, replica_fallbacks] = shared.replicas.counters();
        #[allow(clippy::cast_precision_loss)] // figures
        let gauges = vec![
            ("pool_idle_connections", shared.requests.idle() as f64),
            ("pool_max_connections", shared.options.pool_size as f64),
            ("pool_waiting_requests", shared.requests.waiting() as f64),
            ("pool_busy_connections", shared.requests.busy() as f64),
            ("admin_pool_idle_connections", shared.admin.idle() as f64),
            ("admin_pool_busy_connections", shared.admin.busy() as f64),
            ("catalog_version", shared.catalog.load().version() as f64),
        ];
        EngineFigures {
            gauges,
            counters: vec![
                ("runs", shared.runs.load(Ordering::Relaxed)),
                ("short_runs", shared.short.load(Ordering::Relaxed)),
                ("transactions_repeated", shared.repeated.load(Ordering::Relaxed)),
                ("catalog_reloads", shared.reloads.load(Ordering::Relaxed)),
                ("catalog_looks_for_requests", shared.looks.load(Ordering::Relaxed)),
                ("reads_run_again", shared.rerun.load(Ordering::Relaxed)),
                ("replica_reads", replica_reads),
                ("replica_fallbacks", replica_fallbacks),
                ("connections_opened", opened),
                ("connections_discarded", discarded),
                ("requests_that_waited_for_a_connection", waited),
                ("statements_cancelled", cancelled),
                ("pool_timeouts", shared.requests.timeouts()),
            ],
        }
    }
}
