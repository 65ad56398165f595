//! What a signed-in client gets: access tokens and sessions.

use basalt_token::keys::sign_claims;
use basalt_types::Timestamp;
use serde_json::json;

use crate::Auth;
use crate::refresh_token::RefreshToken;
use crate::store::{Identity, Object, Session, User};
use crate::view::{SessionView, UserView, WeakPasswordView};

impl Auth {
    /// The session as the client keeps it, with a fresh access token and the refresh token of this counter.
    pub(crate) fn session_view(
        &self,
        user: &User,
        identities: &[Identity],
        session: &Session,
        counter: i64,
        weak_password: Option<WeakPasswordView>,
    ) -> SessionView {
        let now = self.clock.now();
        let expires_at = now.unix_s().saturating_add(self.config.jwt_expiry_s);
        SessionView {
            access_token: sign_claims(self.claims(user, session, now, expires_at), &self.jwt_secret),
            token_type: "bearer",
            expires_in: self.config.jwt_expiry_s,
            expires_at,
            refresh_token: self.refresh_tokens.encode(RefreshToken { session: session.id, counter }),
            user: UserView::new(user, Some(identities)),
            weak_password,
        }
    }

    fn claims(&self, user: &User, session: &Session, now: Timestamp, expires_at: i64) -> Object {
        let mut claims = Object::new();
        let mut put = |name: &str, value: serde_json::Value| claims.insert(name.to_owned(), value);
        put("iss", self.config.issuer().into());
        put("sub", user.id.to_string().into());
        put("aud", user.aud.as_str().into());
        put("exp", expires_at.into());
        put("iat", now.unix_s().into());
        put("email", user.email.clone().unwrap_or_default().into());
        put("phone", user.phone.clone().unwrap_or_default().into());
        put("app_metadata", user.app_metadata.clone().into());
        put("user_metadata", user.user_metadata.clone().into());
        put("role", user.role.as_str().into());
        put("aal", session.aal.as_str().into());
        let methods = session.methods.iter().map(|(method, at)| json!({"method": method, "timestamp": at.unix_s()}));
        put("amr", methods.collect());
        put("session_id", session.id.to_string().into());
        put("is_anonymous", user.is_anonymous.into());
        claims
    }
}
