//! Users, identities and sessions as the wire shows them. Field order is the original's.

use basalt_types::Timestamp;
use basalt_types::pg::datetime::now_text;
use serde::Serialize;

use crate::store::{Identity, Object, User};

/// RFC 3339 as Go prints it: `Z`, no trailing zeros.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    let text = now_text(at);
    text.strip_suffix("+00:00").map_or_else(|| text.clone(), |head| format!("{head}Z"))
}

fn optional(at: Option<Timestamp>) -> Option<String> {
    at.map(rfc3339)
}

/// A user.
#[derive(Debug, Serialize)]
pub(crate) struct UserView {
    id: String,
    aud: String,
    role: String,
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_confirmed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invited_at: Option<String>,
    phone: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_confirmed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmation_sent_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_sent_at: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    new_email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_change_sent_at: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    new_phone: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_change_sent_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reauthentication_sent_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_sign_in_at: Option<String>,
    app_metadata: Object,
    user_metadata: Object,
    /// `null` in lists, where the original does not load them.
    identities: Option<Vec<IdentityView>>,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    banned_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<String>,
    is_anonymous: bool,
}

impl UserView {
    pub(crate) fn new(user: &User, identities: Option<&[Identity]>) -> Self {
        // The column is generated in the same way: the earlier of the two.
        let confirmed_at = [user.email_confirmed_at, user.phone_confirmed_at].into_iter().flatten().min();
        Self {
            id: user.id.to_string(),
            aud: user.aud.clone(),
            role: user.role.clone(),
            email: user.email.clone().unwrap_or_default(),
            email_confirmed_at: optional(user.email_confirmed_at),
            invited_at: optional(user.invited_at),
            phone: user.phone.clone().unwrap_or_default(),
            phone_confirmed_at: optional(user.phone_confirmed_at),
            confirmation_sent_at: optional(user.confirmation_sent_at),
            confirmed_at: optional(confirmed_at),
            recovery_sent_at: optional(user.recovery_sent_at),
            new_email: user.email_change.clone(),
            email_change_sent_at: optional(user.email_change_sent_at),
            new_phone: user.phone_change.clone(),
            phone_change_sent_at: optional(user.phone_change_sent_at),
            reauthentication_sent_at: optional(user.reauthentication_sent_at),
            last_sign_in_at: optional(user.last_sign_in_at),
            app_metadata: user.app_metadata.clone(),
            user_metadata: user.user_metadata.clone(),
            identities: identities.map(|all| all.iter().map(IdentityView::new).collect()),
            created_at: rfc3339(user.created_at),
            updated_at: rfc3339(user.updated_at),
            banned_until: optional(user.banned_until),
            deleted_at: optional(user.deleted_at),
            is_anonymous: user.is_anonymous,
        }
    }
}

/// One way a user signs in.
#[derive(Debug, Serialize)]
pub(crate) struct IdentityView {
    identity_id: String,
    id: String,
    user_id: String,
    #[serde(skip_serializing_if = "Object::is_empty")]
    identity_data: Object,
    provider: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_sign_in_at: Option<String>,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    email: String,
}

impl IdentityView {
    fn new(identity: &Identity) -> Self {
        let email = identity.identity_data.get("email").and_then(|email| email.as_str());
        Self {
            identity_id: identity.id.to_string(),
            id: identity.provider_id.clone(),
            user_id: identity.user_id.to_string(),
            identity_data: identity.identity_data.clone(),
            provider: identity.provider.clone(),
            last_sign_in_at: optional(identity.last_sign_in_at),
            created_at: rfc3339(identity.created_at),
            updated_at: rfc3339(identity.updated_at),
            email: email.unwrap_or_default().to_lowercase(),
        }
    }
}

/// A session as a client keeps it.
#[derive(Debug, Serialize)]
pub(crate) struct SessionView {
    pub access_token: String,
    pub token_type: &'static str,
    pub expires_in: i64,
    pub expires_at: i64,
    pub refresh_token: String,
    pub user: UserView,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weak_password: Option<WeakPasswordView>,
}

/// At sign-in: the password was accepted when it was set and would not be today.
#[derive(Debug, Serialize)]
pub(crate) struct WeakPasswordView {
    pub message: String,
    pub reasons: Vec<&'static str>,
}
