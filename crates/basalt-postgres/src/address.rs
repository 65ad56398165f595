//! A database's address: a URL or `key=value` words as libpq takes them, less the settings of TLS, which the driver does not know.

use basalt_types::{SqlError, SqlState};
use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::tls::{Mode, Tls};

/// What the driver reads.
const KNOWN: &[&str] = &[
    "user",
    "password",
    "dbname",
    "options",
    "application_name",
    "sslnegotiation",
    "host",
    "hostaddr",
    "port",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "target_session_attrs",
    "channel_binding",
    "load_balance_hosts",
];

/// libpq's, which change nothing here: what they ask for is always or never so.
const IGNORED: &[&str] = &[
    "client_encoding",
    "fallback_application_name",
    "gssencmode",
    "gssdelegation",
    "keepalives_count",
    "krbsrvname",
    "replication",
    "sslcompression",
    "sslsni",
    "ssl_min_protocol_version",
];

/// An address that was read.
#[derive(Debug)]
pub(crate) struct Address {
    /// What the driver needs; how it treats TLS is for [`Tls::config`] to say.
    pub(crate) config: Config,
    pub(crate) tls: Tls,
    /// Every host is this machine.
    pub(crate) is_local: bool,
}

/// Reads an address.
///
/// # Errors
/// 22023 for a text that is none, and for settings that are unknown or contradict each other.
pub(crate) fn parse(text: &str) -> Result<Address, SqlError> {
    let mut tls = Tls::default();
    let mut keep = |key: &str, value: &str| -> Result<bool, SqlError> {
        match key {
            "sslmode" => tls.mode = Some(Mode::parse(value)?),
            "sslrootcert" => tls.root = Some(value.to_owned()),
            "sslcert" => tls.certificate = Some(value.to_owned()),
            "sslkey" => tls.key = Some(value.to_owned()),
            _ if IGNORED.contains(&key) => {}
            _ if KNOWN.contains(&key) => return Ok(true),
            _ => return Err(invalid(format!("the database's address has the setting \"{key}\", which is unknown"))),
        }
        Ok(false)
    };
    let kept = if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        url(text, &mut keep)?
    } else {
        words(text, &mut keep)?
    };
    // The driver's words may repeat the text, and the text has a password.
    let config: Config = kept.parse().map_err(|_| invalid("the database's address is not a PostgreSQL URL"))?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(invalid("the database's address names no host"));
    }
    let is_local = config.get_hosts().iter().all(is_local) && config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback);
    Ok(Address { config, tls, is_local })
}

fn invalid(message: impl Into<String>) -> SqlError {
    SqlError::new(SqlState::INVALID_PARAMETER, message)
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()),
    }
}

/// The URL without the parameters that `keep` takes.
fn url(text: &str, keep: &mut impl FnMut(&str, &str) -> Result<bool, SqlError>) -> Result<String, SqlError> {
    // As the driver reads it: the name and the password end at the first @, and may have question marks.
    let credentials = text.find('@').map_or(0, |at| at + 1);
    let Some(question) = text.get(credentials..).and_then(|rest| rest.find('?')) else { return Ok(text.to_owned()) };
    let (start, parameters) = text.split_at(credentials + question);
    let mut out = start.to_owned();
    for pair in parameters.trim_start_matches('?').split('&').filter(|pair| !pair.is_empty()) {
        let decode = |text: &str| percent_decode_str(text).decode_utf8().map(std::borrow::Cow::into_owned);
        let (key, value) = pair.split_once('=').ok_or_else(|| invalid("a setting in the database's URL has no value"))?;
        let not_utf8 = |_| invalid("the database's URL is not UTF-8");
        if keep(&decode(key).map_err(not_utf8)?, &decode(value).map_err(not_utf8)?)? {
            out.push(if out.len() == start.len() { '?' } else { '&' });
            out.push_str(pair);
        }
    }
    Ok(out)
}

/// `key = value` words without those that `keep` takes. A value may stand in single quotes; a backslash escapes.
fn words(text: &str, keep: &mut impl FnMut(&str, &str) -> Result<bool, SqlError>) -> Result<String, SqlError> {
    let broken = || invalid("the database's address is not a PostgreSQL URL");
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        if chars.peek().is_none() {
            return Ok(out);
        }
        let mut key = String::new();
        while let Some(c) = chars.next_if(|c| *c != '=' && !c.is_whitespace()) {
            key.push(c);
        }
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        chars.next_if_eq(&'=').ok_or_else(broken)?;
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let is_quoted = chars.next_if_eq(&'\'').is_some();
        let mut value = String::new();
        loop {
            match chars.next_if(|c| is_quoted || !c.is_whitespace()) {
                Some('\\') => value.push(chars.next().ok_or_else(broken)?),
                Some('\'') if is_quoted => break,
                Some(c) => value.push(c),
                None if is_quoted => return Err(broken()),
                None => break,
            }
        }
        if keep(&key, &value)? {
            out.push_str(&key);
            out.push_str("='");
            for c in value.chars() {
                if matches!(c, '\'' | '\\') {
                    out.push('\\');
                }
                out.push(c);
            }
            out.push_str("' ");
        }
    }
}

#[cfg(test)]
mod tests;
