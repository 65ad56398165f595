//! Who calls: a user with their session, or an admin. What must end at once (user, password, sign-out, admin) looks at the
//! database at each call; a token's signature alone is not enough here.

use std::sync::Arc;
use std::time::Duration;

use basalt_token::{ApiKeyRole, TokenError};
use basalt_types::{Claims, Timestamp};
use uuid::Uuid;

use crate::error::{AuthError, database};
use crate::store::{Identity, Session, Sessions, User, Users};
use crate::{Auth, RequestFacts};

/// A signed-in user.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub user: User,
    pub identities: Vec<Identity>,
    /// `None` for tokens without `session_id`, signed by other programs with the project's secret.
    pub session: Option<Session>,
}

/// How long sessions last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionLimits {
    timebox: Option<Duration>,
    inactivity: Option<Duration>,
}

impl SessionLimits {
    /// Why a session is over, if it is.
    pub(crate) fn over(self, session: &Session, now: Timestamp) -> Option<AuthError> {
        let is_past = |start: Timestamp, limit: Duration| start.plus_s(i64::try_from(limit.as_secs()).unwrap_or(i64::MAX)) < now;
        let is_out_of_time = self.timebox.is_some_and(|limit| is_past(session.created_at, limit));
        if is_out_of_time || session.not_after.is_some_and(|end| end < now) {
            return Some(AuthError::SessionExpired);
        }
        let is_idle = self.inactivity.is_some_and(|limit| is_past(session.last_refreshed_at(), limit));
        is_idle.then_some(AuthError::SessionInactive)
    }
}

impl Auth {
    /// The user behind the bearer token.
    ///
    /// # Errors
    /// Why the token does not count.
    pub(crate) async fn caller(&self, facts: &RequestFacts<'_>) -> Result<Caller, AuthError> {
        let Some(token) = facts.bearer else {
            // An API key alone stands for a legacy key, which is a token without a user.
            return Err(if facts.api_role.is_some() { AuthError::MissingSub } else { AuthError::NoAuthorization });
        };
        let claims = self.verified(token)?;
        self.caller_of(&claims).await
    }

    /// Lets admins through.
    ///
    /// # Errors
    /// `no_authorization`, `bad_jwt`, `not_admin`, and what ends a user's token.
    pub(crate) async fn require_admin(&self, facts: &RequestFacts<'_>) -> Result<(), AuthError> {
        let Some(token) = facts.bearer else {
            return match facts.api_role {
                Some(ApiKeyRole::Service) => Ok(()),
                Some(ApiKeyRole::Anon) => Err(AuthError::NotAdmin),
                None => Err(AuthError::NoAuthorization),
            };
        };
        let claims = self.verified(token)?;
        if claims.get("session_id").and_then(|id| id.as_str()).is_some_and(|id| !id.is_empty()) {
            let caller = self.caller_of(&claims).await?;
            if caller.session.is_some_and(|session| self.session_limits().over(&session, self.clock.now()).is_some()) {
                return Err(AuthError::SessionNoLongerValid);
            }
        }
        let role = claims.get("role").and_then(|role| role.as_str()).unwrap_or_default();
        if self.config.admin_roles.iter().any(|admin| admin == role) { Ok(()) } else { Err(AuthError::NotAdmin) }
    }

    /// How long sessions last.
    pub(crate) fn session_limits(&self) -> SessionLimits {
        SessionLimits { timebox: self.config.session_timebox, inactivity: self.config.session_inactivity }
    }

    fn verified(&self, token: &str) -> Result<Arc<Claims>, AuthError> {
        self.verifier.verify(token, self.clock.now()).map_err(|error| AuthError::BadJwt(in_the_originals_words(error)))
    }

    async fn caller_of(&self, claims: &Claims) -> Result<Caller, AuthError> {
        let sub = claims.sub().filter(|sub| !sub.is_empty()).ok_or(AuthError::MissingSub)?;
        let id = Uuid::parse_str(sub).map_err(|_| AuthError::SubNotUuid)?;
        let session_id = match claims.get("session_id").and_then(|id| id.as_str()).filter(|id| !id.is_empty()) {
            Some(text) => Some(Uuid::parse_str(text).map_err(|_| AuthError::SessionIdNotUuid)?).filter(|id| !id.is_nil()),
            None => None,
        };
        let found = self
            .store
            .read(move |tx| {
                let Some(user) = Users(tx).by_id(id)? else { return Ok(Err(AuthError::UserOfTokenNotFound)) };
                let session = match session_id {
                    None => None,
                    Some(session_id) => match Sessions(tx).by_id(session_id)? {
                        Some(session) if session.user_id == id => Some(session),
                        _ => return Ok(Err(AuthError::SessionNotFound)),
                    },
                };
                let identities = Users(tx).identities(id)?;
                Ok(Ok(Caller { user, identities, session }))
            })
            .await
            .map_err(database("Database error loading user"))??;
        if found.user.deleted_at.is_some() {
            return Err(AuthError::UserOfTokenNotFound);
        }
        if found.user.is_banned(self.clock.now()) {
            return Err(AuthError::UserBanned);
        }
        Ok(found)
    }
}

/// The texts of golang-jwt, which the original passes on.
fn in_the_originals_words(error: TokenError) -> &'static str {
    match error {
        TokenError::Empty | TokenError::Parts(_) => "token is malformed: token contains an invalid number of segments",
        TokenError::Key | TokenError::NoKey => "token signature is invalid: signature is invalid",
        TokenError::Algorithm | TokenError::Unsigned | TokenError::Header => {
            "token signature is invalid: signing method is invalid"
        }
        TokenError::Malformed | TokenError::Claims | TokenError::NotANumber(_) | TokenError::AudienceType => "token is malformed",
        TokenError::Expired => "token has invalid claims: token is expired",
        TokenError::NotYetValid => "token has invalid claims: token is not valid yet",
        TokenError::IssuedAtFuture => "token has invalid claims: token used before issued",
        TokenError::Audience => "token has invalid claims: token has invalid audience",
    }
}
