//! Puts the parts together and serves until told to stop.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};

use std::sync::Arc;
use std::time::Duration;

use basalt_engine::Engine;
use basalt_gateway::postgrest::{Admin, Api, ApiSettings, Tokens};
use basalt_gateway::{GatewayConfig, Listener, Server};
use basalt_postgres::{Foreign, Notice, PostgresEngine, PostgresOptions};
use basalt_rest::{OpenApiMode, RestConfig};
use basalt_token::Verifier;
use basalt_types::{SqlError, SystemClock};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use super::Given;
use super::settings::{Settings, Sources};
use super::table;
use crate::config::{ConfigError, Environment};
use crate::{Failure, log};

/// Longest body, bytes. PostgREST has no bound; a server that takes any amount of memory is nobody's wish.
const MAX_BODY_BYTES: usize = 256 << 20;

/// Longest answer, bytes.
const MAX_RESPONSE_BYTES: usize = 1 << 30;

/// Longest time of a statement that neither the role nor the login limits.
const NO_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// Waits between attempts to reach the database at the start.
const LAST_PAUSE: Duration = Duration::from_secs(32);

/// What a running server is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    ReloadSchema,
    ReloadSettings,
    ReloadBoth,
    /// The channel's connection is gone, and it is not to be made anew.
    GiveUp,
}

/// Runs `basalt serve --bootstrap off`.
///
/// # Errors
/// Settings that cannot be used, a database that refuses, an address that is taken.
pub fn run(given: &Given) -> Result<(), Failure> {
    let env = Environment::of_process();
    let first = read(&env, given, &[])?;
    log::start(&log_filter(&first), None);
    let settings = with_database(&env, given, &first)?;
    for (name, why) in &settings.idle {
        tracing::warn!("of no effect: {name}: {why}");
    }
    if settings.role_claim.is_older() {
        tracing::warn!("jwt-role-claim-key is in the older notation, which PostgREST gives up; the newer begins with $");
    }
    let recovers = settings.boolean("db-pool-automatic-recovery");
    let engine = patiently(recovers, || PostgresEngine::open(options(&settings)))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(serve(&env, given, settings, &engine));
    engine.close();
    outcome
}

fn read(env: &Environment, given: &Given, database: &[(String, String)]) -> Result<Settings, ConfigError> {
    Settings::read(&Sources { env, file: given.file.as_deref(), address: given.address.as_deref(), database })
}

/// The settings with what the database says of them, when it is asked.
fn with_database(env: &Environment, given: &Given, first: &Settings) -> Result<Settings, Failure> {
    if !first.boolean("db-config") {
        return Ok(first.clone());
    }
    let names: Vec<String> = table::ALL.iter().filter(|p| p.in_database).map(table::Parameter::database_name).collect();
    let recovers = first.boolean("db-pool-automatic-recovery");
    let said =
        patiently(recovers, || PostgresEngine::settings_in_database(&options(first), first.text("db-pre-config"), &names))?;
    Ok(read(env, given, &said)?)
}

/// Tries again as long as the database cannot be reached.
fn patiently<T>(recovers: bool, mut attempt: impl FnMut() -> Result<T, SqlError>) -> Result<T, SqlError> {
    let mut pause = Duration::from_secs(1);
    loop {
        match attempt() {
            Err(error)
                if recovers && (error.state.as_str().starts_with("08") || matches!(error.state.as_str(), "57P03" | "53300")) =>
            {
                tracing::error!(%error, "the database cannot be reached; the next attempt is in {} s", pause.as_secs());
                std::thread::sleep(pause);
                pause = (pause * 2).min(LAST_PAUSE);
            }
            other => return other,
        }
    }
}

fn options(settings: &Settings) -> PostgresOptions {
    let address = settings.address.reveal();
    let mut options = PostgresOptions::new(address, address);
    let size = |name: &str| settings.integer(name).and_then(|n| usize::try_from(n).ok());
    options.pool_size = size("db-pool").unwrap_or(10);
    options.admin_pool_size = 1;
    options.pool_timeout = Duration::from_secs(settings.integer("db-pool-acquisition-timeout").unwrap_or(10));
    // Zero is no bound.
    let age = |name: &str| settings.integer(name).filter(|s| *s > 0).map(Duration::from_secs);
    options.max_idle = age("db-pool-max-idletime");
    options.max_life = age("db-pool-max-lifetime");
    options.is_prepared = settings.boolean("db-prepared-statements");
    options.schemas = settings.list("db-schemas");
    options.extra_search_path = settings.list("db-extra-search-path");
    options.foreign = Some(foreign(settings));
    options
}

fn foreign(settings: &Settings) -> Foreign {
    Foreign {
        schemas: settings.list("db-schemas"),
        extra_search_path: settings.list("db-extra-search-path"),
        app_settings: settings.app.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        pre_request: settings.text("db-pre-request").map(str::to_owned),
        hoisted: settings.list("db-hoisted-tx-settings"),
    }
}

fn rest_config(settings: &Settings) -> RestConfig {
    RestConfig {
        schemas: settings.list("db-schemas"),
        extra_search_path: settings.list("db-extra-search-path"),
        max_rows: settings.integer("db-max-rows"),
        anon_role: settings.text("db-anon-role").unwrap_or_default().to_owned(),
        timeouts: Vec::new(),
        default_timeout: NO_TIMEOUT,
        max_response_bytes: MAX_RESPONSE_BYTES,
        max_filters: 4096,
        max_pattern_bytes: 64 << 10,
        require_rls: false,
        aggregates: settings.boolean("db-aggregates-enabled"),
        tx_end: settings.tx_end(),
        plan_enabled: settings.boolean("db-plan-enabled"),
        server_timing: settings.boolean("server-timing-enabled"),
        openapi_mode: settings.text("openapi-mode").and_then(OpenApiMode::of).unwrap_or_default(),
        openapi_roles: None,
        openapi_security: settings.boolean("openapi-security-active"),
        openapi_server: Some(described_server(settings)),
        tells_request: true,
        // Nothing is made in a database that is served as it is.
        receipts: None,
        ..RestConfig::default()
    }
}

/// Where documents say the API is: where the parameter says, else where it listens.
fn described_server(settings: &Settings) -> String {
    if let Some(uri) = settings.text("openapi-server-proxy-uri") {
        return uri.to_owned();
    }
    let host = match settings.text("server-host").unwrap_or("!4") {
        "*" | "*4" | "!4" | "*6" | "!6" => "0.0.0.0",
        host => host,
    };
    format!("http://{host}:{}/", settings.integer("server-port").unwrap_or(3000))
}

fn api_settings(settings: &Settings) -> Result<ApiSettings, ConfigError> {
    let entries = settings.integer("jwt-cache-max-entries").and_then(|n| usize::try_from(n).ok()).unwrap_or(1000);
    let tokens = settings.keys.as_ref().map(|keys| Tokens {
        verifier: Verifier::of_keys(keys, settings.text("jwt-aud").map(str::to_owned), entries),
        role: settings.role_claim.clone(),
    });
    let trace_header = match settings.text("server-trace-header") {
        Some(name) => Some(name.parse().map_err(|_| ConfigError("server-trace-header is no header's name".into()))?),
        None => None,
    };
    Ok(ApiSettings {
        rest: rest_config(settings),
        tokens,
        anon_role: settings.text("db-anon-role").map(str::to_owned),
        origins: settings.list("server-cors-allowed-origins"),
        trace_header,
        // A root that is switched off stays off.
        root_function: settings
            .text("db-root-spec")
            .filter(|_| settings.text("openapi-mode") != Some("disabled"))
            .map(str::to_owned),
        has_short_errors: settings.text("client-error-verbosity") == Some("minimal"),
    })
}

/// Our own lines at the start always; lines about requests as the level says.
fn log_filter(settings: &Settings) -> String {
    let requests = match settings.text("log-level") {
        Some("crit") => "off",
        Some("warn") => "warn",
        Some("info") => "info",
        Some("debug") => "debug",
        _ => "error",
    };
    let others = if requests == "debug" { "debug" } else { "warn" };
    let statements = if settings.boolean("log-query") { ",basalt_postgres::statement=trace" } else { "" };
    format!("{others},basalt=info,basalt_gateway={requests}{statements}")
}

/// PostgREST's words for addresses, and names.
fn hosts(host: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
    let any4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
    // Takes connections over IPv4 too, where the operating system has it so.
    let any6 = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port);
    match host {
        "!4" => Ok(vec![any4]),
        "!6" => Ok(vec![any6]),
        "*" | "*6" => Ok(vec![any6, any4]),
        "*4" => Ok(vec![any4, any6]),
        name => {
            let found: Vec<SocketAddr> = (name, port).to_socket_addrs().map(Iterator::collect).unwrap_or_default();
            if found.is_empty() { Err(format!("the host {name} is not known").into()) } else { Ok(found) }
        }
    }
}

/// Binds the first of some addresses that can be bound.
fn bind(addresses: &[SocketAddr], shares_port: bool) -> Result<Listener, Failure> {
    let mut outcome = Err(Failure::from("there is no address to listen on"));
    for address in addresses {
        match Listener::tcp(*address, shares_port) {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                outcome = Err(format!("port {} of {} is in use by another program", address.port(), address.ip()).into());
            }
            Err(error) => outcome = Err(format!("cannot listen on {address}: {error}").into()),
        }
    }
    outcome
}

#[cfg(unix)]
fn bind_file(path: &std::path::Path, mode: u32) -> Result<Listener, Failure> {
    Listener::unix(path, mode).map_err(|e| format!("cannot listen on {}: {e}", path.display()).into())
}

#[cfg(not(unix))]
fn bind_file(_: &std::path::Path, _: u32) -> Result<Listener, Failure> {
    Err("this operating system has no such sockets".into())
}

fn public_listener(given: &Given, settings: &Settings) -> Result<Listener, Failure> {
    if let Some(listen) = &given.listen {
        let address = crate::config::parse_listen(listen).ok_or("--listen must be an address, such as 127.0.0.1:3000")?;
        return bind(&[address], settings.boolean("server-reuseport"));
    }
    if let Some(path) = settings.path("server-unix-socket") {
        return bind_file(&path, settings.mode("server-unix-socket-mode"));
    }
    let port = settings.integer("server-port").and_then(|n| u16::try_from(n).ok()).unwrap_or(3000);
    bind(&hosts(settings.text("server-host").unwrap_or("!4"), port)?, settings.boolean("server-reuseport"))
}

fn admin_listener(settings: &Settings) -> Result<Option<Listener>, Failure> {
    if let Some(path) = settings.path("admin-server-unix-socket") {
        return bind_file(&path, settings.mode("admin-server-unix-socket-mode")).map(Some);
    }
    let Some(port) = settings.integer("admin-server-port").and_then(|n| u16::try_from(n).ok()) else { return Ok(None) };
    let host = settings.text("admin-server-host").or(settings.text("server-host")).unwrap_or("!4");
    bind(&hosts(host, port)?, false).map(Some)
}

async fn serve(env: &Environment, given: &Given, settings: Settings, engine: &Arc<PostgresEngine>) -> Result<(), Failure> {
    let public = public_listener(given, &settings)?;
    let admin = admin_listener(&settings)?;
    let config = GatewayConfig {
        external_url: format!("http://{}", public.place()),
        max_body_bytes: MAX_BODY_BYTES,
        max_uri_bytes: 48 * 1024,
        header_timeout: Duration::from_secs(30),
        ..GatewayConfig::default()
    };
    let shared: Arc<dyn Engine> = engine.clone();
    let api = Arc::new(Api::new(config, shared, Arc::new(SystemClock), api_settings(&settings)?));
    let (orders, ordered) = mpsc::channel(16);
    if settings.boolean("db-channel-enabled") {
        listen_to_database(&settings, engine, orders.clone())?;
    }
    signals(orders)?;
    tracing::info!("API server listening on {}", public.place());
    if let Some(admin) = &admin {
        tracing::info!("admin server listening on {}", admin.place());
    }
    if settings.text("db-anon-role").is_none() && settings.keys.is_none() {
        tracing::warn!("neither db-anon-role nor jwt-secret is set: every request is refused");
    }
    let in_force = Arc::new(Mutex::new(settings));
    let (stop, stopped) = watch::channel(());
    let until = |mut stopped: watch::Receiver<()>| async move {
        let _ = stopped.changed().await;
    };
    let admin = admin.map(|listener| {
        let shown = Arc::clone(&in_force);
        let side = Arc::new(Admin::new(Arc::clone(&api), move || shown.lock().dump()));
        tokio::spawn(Server::new(listener, side).with_cores(1).run(until(stopped.clone())))
    });
    let public = tokio::spawn(Server::new(public, Arc::clone(&api)).run(until(stopped)));
    let outcome = obey((env, given), ordered, engine, &api, &in_force).await;
    let _ = stop.send(());
    for server in std::iter::once(public).chain(admin) {
        let _ = server.await;
    }
    tracing::info!("stopped");
    outcome
}

/// Does what the channel and signals ask for until the program is told to stop.
async fn obey(
    (env, given): (&Environment, &Given),
    mut orders: mpsc::Receiver<Order>,
    engine: &Arc<PostgresEngine>,
    api: &Arc<Api>,
    in_force: &Arc<Mutex<Settings>>,
) -> Result<(), Failure> {
    let stop = crate::serve::stop_signal();
    tokio::pin!(stop);
    loop {
        let order = tokio::select! {
            order = orders.recv() => order,
            () = &mut stop => return Ok(()),
        };
        let order = match order {
            Some(Order::GiveUp) => {
                return Err("the connection to the database is lost, and db-pool-automatic-recovery is off".into());
            }
            Some(order) => order,
            None => {
                stop.await;
                return Ok(());
            }
        };
        if matches!(order, Order::ReloadSettings | Order::ReloadBoth) {
            let (env, given, engine, in_force) = (env.clone(), given.clone(), Arc::clone(engine), Arc::clone(in_force));
            let api = Arc::clone(api);
            let work = move || reload_settings(&env, &given, &engine, &api, &in_force);
            match tokio::task::spawn_blocking(work).await {
                Ok(Ok(())) => tracing::info!("Config reloaded"),
                Ok(Err(error)) => tracing::error!(%error, "the settings cannot be used; the old ones stay"),
                Err(_) => tracing::error!("the settings could not be read; the old ones stay"),
            }
        }
        if matches!(order, Order::ReloadSchema | Order::ReloadBoth) {
            let engine = Arc::clone(engine);
            match tokio::task::spawn_blocking(move || engine.reload()).await {
                Ok(Ok(())) => tracing::info!("Schema cache reloaded"),
                Ok(Err(error)) => tracing::error!(%error, "the schema cannot be read; the known one stays"),
                Err(_) => tracing::error!("the schema could not be read; the known one stays"),
            }
        }
    }
}

fn reload_settings(
    env: &Environment,
    given: &Given,
    engine: &PostgresEngine,
    api: &Api,
    in_force: &Mutex<Settings>,
) -> Result<(), Failure> {
    // The database stays the one that the server began with.
    let address = in_force.lock().address.reveal().to_owned();
    let given = Given { address: Some(address), ..given.clone() };
    let first = read(env, &given, &[])?;
    let settings = if first.boolean("db-config") {
        let names: Vec<String> = table::ALL.iter().filter(|p| p.in_database).map(table::Parameter::database_name).collect();
        let said = PostgresEngine::settings_in_database(&options(&first), first.text("db-pre-config"), &names)?;
        read(env, &given, &said)?
    } else {
        first
    };
    let changed = api_settings(&settings)?;
    engine.change_foreign(foreign(&settings))?;
    api.change(changed);
    in_force.lock().take_reloaded(settings);
    Ok(())
}

/// Follows the database's channel.
fn listen_to_database(settings: &Settings, engine: &PostgresEngine, orders: mpsc::Sender<Order>) -> Result<(), Failure> {
    let channel = settings.text("db-channel").unwrap_or("pgrst").to_owned();
    let recovers = settings.boolean("db-pool-automatic-recovery");
    let was_lost = std::sync::atomic::AtomicBool::new(false);
    let name = channel.clone();
    let tell = move |notice: Notice| {
        use std::sync::atomic::Ordering;
        let order = match &notice {
            Notice::Listening if was_lost.swap(false, Ordering::Relaxed) => Order::ReloadBoth,
            Notice::Listening => {
                tracing::info!("Listening for database notifications on the \"{name}\" channel");
                return;
            }
            Notice::Lost if recovers => {
                was_lost.store(true, Ordering::Relaxed);
                return;
            }
            Notice::Lost => Order::GiveUp,
            Notice::Said(text) => match text.as_str() {
                "" => Order::ReloadBoth,
                "reload schema" => Order::ReloadSchema,
                "reload config" => Order::ReloadSettings,
                _ => return,
            },
        };
        // With sixteen orders waiting, one more says nothing new.
        let _ = orders.try_send(order);
    };
    Ok(engine.listen(&channel, tell)?)
}

/// SIGUSR1 reloads the schema, SIGUSR2 the settings.
#[cfg(unix)]
fn signals(orders: mpsc::Sender<Order>) -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    for (kind, order) in
        [(SignalKind::user_defined1(), Order::ReloadSchema), (SignalKind::user_defined2(), Order::ReloadSettings)]
    {
        let mut signal = signal(kind)?;
        let orders = orders.clone();
        tokio::spawn(async move {
            while signal.recv().await.is_some() {
                let _ = orders.try_send(order);
            }
        });
    }
    Ok(())
}

#[cfg(not(unix))]
fn signals(_: mpsc::Sender<Order>) -> Result<(), Failure> {
    Ok(())
}
