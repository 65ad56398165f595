//! `POST /token?grant_type=refresh_token`.
//!
//! Every refresh makes the next token of the session the active one. The token just before the active one is always answered with the
//! active one: a client that lost the answer to its refresh asks again with the token it still has. Older ones are answered so within
//! the reuse interval after the last rotation: those are concurrent refreshes. After that somebody uses a token that two clients have,
//! and the session ends.
//!
//! Unlike the original, an answer with the active token does not lengthen the reuse interval: who holds an old token cannot keep it
//! usable by asking often.
//!
//! A session that the original began has no counter until one of its tokens is used here: then it gets one, and the original's tokens
//! are those before its first, so that the same rules hold for them.

use http::{HeaderValue, StatusCode};

use crate::Auth;
use crate::endpoint::client;
use crate::error::{AuthError, database};
use crate::json::{self, Params};
use crate::refresh_token::{NotAToken, RefreshToken};
use crate::route::{Ask, Reply};
use crate::store::{Identity, NEWEST_COUNTER, OriginalTokens, Session, Sessions, User, Users};

struct Granted {
    user: User,
    identities: Vec<Identity>,
    session: Session,
    /// Of the token to answer with.
    counter: i64,
}

/// Exchanges a refresh token.
pub(crate) async fn answer(auth: &Auth, ask: &Ask<'_>) -> Reply {
    let params = Params::parse(ask.body(), "RefreshTokenGrantParams")?;
    auth.limiter.refresh(ask.facts.client_ip, auth.clock.now())?;
    let text = params.text("refresh_token")?.to_owned();
    let decoded = match auth.refresh_tokens.decode(&text) {
        Ok(token) => Some(token),
        Err(NotAToken::Original) => None,
        Err(NotAToken::Malformed) => return Err(AuthError::validation("Refresh token is not valid")),
        Err(NotAToken::NotOurs) => return Err(AuthError::RefreshTokenNotFound),
    };
    let now = auth.clock.now();
    let client = client(ask.facts);
    let reuse_interval_s = auth.config.refresh_token_reuse_interval_s;
    let ends_session = auth.config.is_refresh_token_rotation_enabled;
    let limits = auth.session_limits();
    let granted = auth
        .store
        .write(move |tx| {
            let (token, is_over) = match decoded {
                Some(token) => (token, false),
                None => match OriginalTokens(tx).find(&text)? {
                    Some(known) => (RefreshToken { session: known.session, counter: known.counter }, known.is_over),
                    None => return Ok(Err(AuthError::RefreshTokenNotFound)),
                },
            };
            let Some(mut session) = Sessions(tx).by_id(token.session)? else { return Ok(Err(AuthError::RefreshTokenNotFound)) };
            let Some(user) = Users(tx).by_id(session.user_id)?.filter(|user| user.deleted_at.is_none()) else {
                return Ok(Err(AuthError::RefreshTokenNotFound));
            };
            if user.is_banned(now) {
                return Ok(Err(AuthError::RefreshBanned));
            }
            if let Some(over) = limits.over(&session, now) {
                return Ok(Err(over));
            }
            let active = match session.refresh_token_counter {
                Some(active) => active,
                // The original has ended it without taking it away.
                None if is_over => return Ok(Err(AuthError::RefreshTokenAlreadyUsed)),
                None => NEWEST_COUNTER,
            };
            if token.counter > active {
                return Ok(Err(AuthError::RefreshTokenFromFuture));
            }
            let mut counter = active;
            if token.counter == active {
                let is_first = match session.refresh_token_counter {
                    Some(_) => Sessions(tx).rotate(session.id, active, now, &client)?,
                    None => OriginalTokens(tx).take_over(session.id, now, &client)?,
                };
                if is_first {
                    counter = active.saturating_add(1);
                    session.refreshed_at = Some(now);
                } else {
                    // Another refresh of the same token was first, where transactions run side by side: its token is the answer.
                    let Some(current) = Sessions(tx).by_id(session.id)? else { return Ok(Err(AuthError::RefreshTokenNotFound)) };
                    counter = current.refresh_token_counter.unwrap_or(active);
                    session = current;
                }
            } else if active.saturating_sub(token.counter) > 1 && now >= session.last_refreshed_at().plus_s(reuse_interval_s) {
                if ends_session {
                    Sessions(tx).delete(session.id)?;
                }
                return Ok(Err(AuthError::RefreshTokenAlreadyUsed));
            } else if session.refresh_token_counter.is_none() {
                // The original's active token cannot be answered with, since it may be in other hands by now.
                OriginalTokens(tx).take_over(session.id, now, &client)?;
                counter = NEWEST_COUNTER + 1;
                session.refreshed_at = Some(now);
            }
            let identities = Users(tx).identities(user.id)?;
            Ok(Ok(Box::new(Granted { user, identities, session, counter })))
        })
        .await
        .map_err(database("Database error refreshing token"))?;
    let granted = match granted {
        Ok(granted) => granted,
        Err(error) => {
            if error == AuthError::RefreshTokenAlreadyUsed {
                tracing::warn!(
                    session.id = decoded.map(|token| tracing::field::display(token.session)),
                    "an old refresh token was used again; it may have been stolen"
                );
            }
            return Err(error);
        }
    };
    let view = auth.session_view(&granted.user, &granted.identities, &granted.session, granted.counter, None);
    let mut response = json::respond(StatusCode::OK, &view);
    response.headers_mut().insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
