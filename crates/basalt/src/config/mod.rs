//! Settings: defaults, config.toml, basalt.toml, environment, flags; the last one wins. Read once, here; libraries get plain values.

mod environment;
mod file;
mod settings;

pub use environment::Environment;
pub use settings::{Settings, parse_listen};
