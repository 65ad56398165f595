//! `POST /logout?scope=global|local|others`.

use bytes::Bytes;
use http::{Response, StatusCode};

use crate::Auth;
use crate::error::{AuthError, database};
use crate::route::{Ask, Reply};
use crate::store::Sessions;

#[derive(Clone, Copy)]
enum Scope {
    Global,
    Local,
    Others,
}

/// Ends sessions: all of the user's, this one, or all but this one.
pub(crate) async fn answer(auth: &Auth, ask: &Ask<'_>) -> Reply {
    let caller = auth.caller(ask.facts).await?;
    let scope = match ask.query("scope").as_str() {
        "" | "global" => Scope::Global,
        "local" => Scope::Local,
        "others" => Scope::Others,
        other => return Err(AuthError::validation(format!("Unsupported logout scope {other:?}"))),
    };
    let (user, session) = (caller.user.id, caller.session.map(|session| session.id));
    auth.store
        .write(move |tx| {
            let mut sessions = Sessions(tx);
            match (scope, session) {
                (Scope::Local, Some(session)) => sessions.delete(session),
                (Scope::Others, Some(session)) => sessions.delete_others(user, session),
                // A token without a session cannot mean one.
                (Scope::Global, _) | (_, None) => sessions.delete_all(user),
            }
        })
        .await
        .map_err(database("Error logging out user"))?;
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}
