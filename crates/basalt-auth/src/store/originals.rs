//! `auth.refresh_tokens`: tokens that Supabase's own auth service made before Basalt served its database. Who holds one stays signed in: the
//! first use makes the session one with a counter, and the old tokens count as those before the counter's first.

use basalt_engine::Transaction;
use basalt_types::{SqlError, Timestamp};
use uuid::Uuid;

use super::{Client, Columns, time, time_without_zone, uuid};

const BY_TOKEN: &str = "SELECT session_id FROM auth.refresh_tokens WHERE token = $1 AND session_id IS NOT NULL";
const NEWEST: &str = "SELECT token, parent, revoked FROM auth.refresh_tokens WHERE session_id = $1 ORDER BY id DESC LIMIT 1";
const REVOKE: &str =
    "UPDATE auth.refresh_tokens SET revoked = true, updated_at = $2 WHERE session_id = $1 AND revoked IS NOT TRUE";
/// The condition on the counter makes one of several concurrent refreshes the one that takes the session over.
const TAKE_OVER: &str = "UPDATE auth.sessions SET refresh_token_counter = 0, refreshed_at = $2, updated_at = $3, user_agent = $4, ip = $5 \
     WHERE id = $1 AND refresh_token_counter IS NULL";

/// The counter that the newest of the original's tokens has among a session's; older ones have lower ones.
pub(crate) const NEWEST_COUNTER: i64 = -1;

/// A token of the original's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OriginalToken {
    pub session: Uuid,
    /// [`NEWEST_COUNTER`] and down.
    pub counter: i64,
    /// The newest of its session was revoked, by a sign-out or because a token was used twice.
    pub is_over: bool,
}

/// Statements on the original's tokens, inside a transaction.
pub(crate) struct OriginalTokens<'t>(pub &'t mut dyn Transaction);

impl OriginalTokens<'_> {
    /// A token by its text.
    pub(crate) fn find(&mut self, token: &str) -> Result<Option<OriginalToken>, SqlError> {
        let Some(row) = self.0.query(BY_TOKEN, &[token.into()])?.rows.into_iter().next() else { return Ok(None) };
        let session = Columns::of(row).uuid()?;
        let Some(row) = self.0.query(NEWEST, &[uuid(session)])?.rows.into_iter().next() else { return Ok(None) };
        let mut columns = Columns::of(row);
        let (newest, parent, is_over) = (columns.text(), columns.optional_text(), columns.flag());
        let counter = if newest == token {
            NEWEST_COUNTER
        } else if parent.as_deref() == Some(token) {
            NEWEST_COUNTER - 1
        } else {
            NEWEST_COUNTER - 2
        };
        Ok(Some(OriginalToken { session, counter, is_over }))
    }

    /// Gives a session of the original's a counter, whose token 0 is then the active one. Says whether it had none.
    pub(crate) fn take_over(&mut self, session: Uuid, now: Timestamp, client: &Client) -> Result<bool, SqlError> {
        self.0.query(REVOKE, &[uuid(session), time(Some(now))])?;
        let (agent, ip) = (client.user_agent.clone(), client.ip.clone());
        let params = [uuid(session), time_without_zone(now), time(Some(now)), agent.into(), ip.into()];
        Ok(self.0.query(TAKE_OVER, &params)?.affected == 1)
    }
}
