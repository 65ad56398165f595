//! `GET /user`, `PUT /user`.

use basalt_types::Secret;
use http::StatusCode;

use crate::Auth;
use crate::caller::Caller;
use crate::email::EmailAddress;
use crate::endpoint::{merge, phone};
use crate::error::{AuthError, taken_or};
use crate::json::{self, Params};
use crate::password::check_strength;
use crate::route::{Ask, Reply};
use crate::store::{self, Object, Sessions, Users};
use crate::view::UserView;

/// How long after signing in a password can be changed without a nonce, seconds. Source: supabase/auth `user.go`.
const RECENT_SIGN_IN_S: i64 = 24 * 3600;

/// `GET /user`.
pub(crate) async fn get(auth: &Auth, ask: &Ask<'_>) -> Reply {
    let caller = auth.caller(ask.facts).await?;
    Ok(json::respond(StatusCode::OK, &UserView::new(&caller.user, Some(&caller.identities))))
}

/// What a user wants changed, checked.
#[derive(Debug, Clone, Default)]
struct Change {
    email: Option<String>,
    password_hash: Option<String>,
    data: Option<Object>,
}

/// `PUT /user`: e-mail, password and `user_metadata`. `role`, `app_metadata`, confirmation and bans are not the user's to change.
pub(crate) async fn put(auth: &Auth, ask: &Ask<'_>) -> Reply {
    let caller = auth.caller(ask.facts).await?;
    let params = Params::parse(ask.body(), "UserUpdateParams")?;
    let email = match params.text("email")? {
        "" => None,
        text => Some(EmailAddress::parse(text)?.as_str().to_owned()),
    };
    let phone = match params.text("phone")? {
        "" => None,
        text => Some(phone(text)?),
    };
    let password = params.optional_text("password")?;
    if let Some(password) = password {
        check_strength(password, &auth.config)?;
    }
    let data = params.object("data")?.cloned();
    if params.object("app_metadata")?.is_some() {
        return Err(AuthError::AppMetadataNeedsAdmin);
    }
    let mut change = Change { email: email.filter(|email| Some(email) != caller.user.email.as_ref()), data, ..Change::default() };
    if phone.is_some_and(|phone| Some(&phone) != caller.user.phone.as_ref()) {
        return Err(AuthError::PhoneUnsupported);
    }
    if let Some(email) = change.email.clone() {
        let aud = caller.user.aud.clone();
        let taken = auth.store.read(move |tx| Ok(Users(tx).by_email(&email, &aud)?.is_some())).await;
        if taken.map_err(crate::error::database("Database error checking email"))? {
            return Err(AuthError::EmailExists);
        }
    }
    if let Some(password) = password {
        auth.limiter.password_change(&caller.user.id.to_string(), ask.facts.client_ip, auth.clock.now())?;
        change.password_hash = Some(new_password(auth, &caller, &params, password).await?);
    }
    if change.email.is_some() && !auth.config.is_autoconfirm {
        // After the other checks, as in the original, and before anything is changed.
        return Err(AuthError::MailNotSent("email change"));
    }
    let view = apply(auth, caller, change).await?;
    Ok(json::respond(StatusCode::OK, &view))
}

/// The hash of a new password, if it may be set.
async fn new_password(auth: &Auth, caller: &Caller, params: &Params, password: &str) -> Result<String, AuthError> {
    let config = &auth.config;
    if config.needs_recent_sign_in_for_password {
        let now = auth.clock.now();
        let is_recent = caller.session.as_ref().is_some_and(|session| now <= session.created_at.plus_s(RECENT_SIGN_IN_S));
        if !is_recent {
            // Nonces come by mail, and none is sent in this version.
            let is_given = !params.text("nonce")?.is_empty();
            return Err(if is_given { AuthError::ReauthenticationNotValid } else { AuthError::ReauthenticationNeeded });
        }
    }
    if let Some(hash) = caller.user.password_hash() {
        if config.needs_current_password {
            let current = params.optional_text("current_password")?.filter(|text| !text.is_empty());
            let current = current.ok_or(AuthError::CurrentPasswordRequired)?;
            crate::password::check_length(current)?;
            if !auth.passwords.check(Some(hash.to_owned()), Secret::new(current)).await?.is_right {
                return Err(AuthError::CurrentPasswordMismatch);
            }
        }
        if auth.passwords.check(Some(hash.to_owned()), Secret::new(password)).await?.is_right {
            return Err(AuthError::SamePassword);
        }
    }
    auth.passwords.hash(Secret::new(password)).await
}

async fn apply(auth: &Auth, caller: Caller, change: Change) -> Result<UserView, AuthError> {
    let (id, session) = (caller.user.id, caller.session.map(|session| session.id));
    let identity_id = auth.rng.uuid();
    auth.store
        .write(move |tx| {
            let Some(mut user) = Users(tx).by_id(id)? else { return Ok(Err(AuthError::UserOfTokenNotFound)) };
            if let Some(hash) = &change.password_hash {
                user.encrypted_password = Some(hash.clone());
                user.forget_sent_mails();
                // Whoever knew the old password is signed out; the one who changed it stays.
                match session {
                    Some(session) => Sessions(tx).delete_others(id, session)?,
                    None => Sessions(tx).delete_all(id)?,
                }
            }
            if let Some(data) = &change.data {
                merge(&mut user.user_metadata, data);
            }
            if let Some(email) = &change.email {
                let now = tx.now();
                user.email = Some(email.clone());
                user.email_change = String::new();
                user.email_change_sent_at = None;
                user.email_confirmed_at = Some(now);
                store::set_identity_address(tx, &user, identity_id, "email", email, true)?;
            }
            Users(tx).update(&mut user)?;
            let identities = Users(tx).identities(id)?;
            Ok(Ok(UserView::new(&user, Some(&identities))))
        })
        .await
        .map_err(taken_or(AuthError::EmailExists, "Error updating user"))?
}
