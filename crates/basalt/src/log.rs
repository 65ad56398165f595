//! Logs: readable in a terminal, JSON lines elsewhere.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Starts logging to standard error.
pub fn start(level: &str, format: Option<&str>) {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let pretty = match format {
        Some("json") => false,
        Some("pretty") => true,
        _ => std::io::stderr().is_terminal(),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second start (tests embed the program) keeps the first subscriber.
    let _ = if pretty { builder.try_init() } else { builder.json().flatten_event(true).try_init() };
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(|l| format!("{}:{}", l.file(), l.line())).unwrap_or_default();
        // The payload may hold a caller's data: the place is enough to find the fault.
        tracing::error!(place, "panic");
    }));
}
