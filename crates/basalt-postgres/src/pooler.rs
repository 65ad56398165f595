//! Whether a pooler stands in front of the server that gives each transaction another connection (PgBouncer in transaction mode,
//! Supavisor). Prepared statements have no place there: a name means something else on the next connection, or what another client
//! of the pooler put under it.

use basalt_types::SqlError;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::connect::Target;
use crate::error;

/// Has the server look every second whether its client is still there, for the length of a transaction: a pooler is not asked to cancel.
pub(crate) const NOTICE: &str = "SET LOCAL client_connection_check_interval = 1000";

/// Whether the server can do what [`NOTICE`] asks for: not on every system.
pub(crate) async fn notices(target: &Target) -> bool {
    let Ok(client) = target.connect().await else { return false };
    client.batch_execute(&format!("BEGIN; {NOTICE}; COMMIT")).await.is_ok()
}

/// Asks two clients which process of the server runs their transactions. On the server itself, or behind a pooler that keeps a
/// connection for each client, both have their own for good. A pooler of transactions gives the second one what the first has
/// just left, or the first another than before: whichever connection it hands out next, one of the two is seen.
///
/// # Errors
/// What connecting reports.
pub(crate) async fn is_in_front(target: &Target) -> Result<bool, SqlError> {
    let (first, second) = (target.connect().await?, target.connect().await?);
    let mine = process(&first).await?;
    let theirs = process(&second).await?;
    let theirs_again = process(&second).await?;
    let mine_again = process(&first).await?;
    Ok(mine == theirs || mine != mine_again || theirs != theirs_again)
}

/// The process that ran a transaction, as a text. Without a statement of the extended protocol, which would be prepared.
async fn process(client: &Client) -> Result<Option<String>, SqlError> {
    let messages = client.simple_query("SELECT pg_catalog.pg_backend_pid()").await.map_err(|e| error::of(&e))?;
    Ok(messages.into_iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}
