//! `POST /token?grant_type=password`.

use std::net::IpAddr;

use basalt_types::Secret;
use http::StatusCode;

use crate::Auth;
use crate::endpoint::new_session;
use crate::error::{AuthError, database};
use crate::json::{self, Params};
use crate::limits::{AccountKey, AddressKey, SignIn};
use crate::password::{check_length, check_strength};
use crate::route::{Ask, Reply};
use crate::store::{Sessions, User, Users};
use crate::view::WeakPasswordView;

/// Signs in.
///
/// An unknown address, a user without a password and a wrong password give one answer after the same work. What else may be wrong
/// (banned, not confirmed) is told only to those who know the password; the original tells of a ban before.
pub(crate) async fn answer(auth: &Auth, ask: &Ask<'_>) -> Reply {
    let params = Params::parse(ask.body(), "PasswordGrantParams")?;
    let (email, phone, password) = (params.text("email")?, params.text("phone")?, params.text("password")?);
    if !email.is_empty() && !phone.is_empty() {
        return Err(AuthError::validation("Only an email address or phone number should be provided on login."));
    }
    if email.is_empty() {
        return Err(if phone.is_empty() {
            AuthError::validation("missing email or phone")
        } else {
            AuthError::PhoneLoginsDisabled
        });
    }
    if !auth.config.is_email_enabled {
        return Err(AuthError::EmailLoginsDisabled);
    }
    check_length(password)?;
    let (account, address) = (AccountKey::of(email), ask.facts.client_ip);
    let admitted = auth.limiter.sign_in(account, address, auth.clock.now())?;
    let (wanted, aud) = (email.to_lowercase(), auth.config.audience.clone());
    let needs_known_address = admitted == SignIn::OnlyKnownAddress;
    let (user, addresses) = auth
        .store
        .read(move |tx| {
            let user = Users(tx).by_email(&wanted, &aud)?.filter(|user| user.deleted_at.is_none());
            let addresses = match &user {
                Some(user) if needs_known_address => Sessions(tx).addresses(user.id)?,
                _ => Vec::new(),
            };
            Ok((user, addresses))
        })
        .await
        .map_err(database("Database error querying schema"))?;
    if needs_known_address && !is_among(address, &addresses) {
        return Err(AuthError::RateLimited);
    }
    let hash = user.as_ref().and_then(User::password_hash).map(str::to_owned);
    let checked = auth.passwords.check(hash.clone(), Secret::new(password)).await?;
    let now = auth.clock.now();
    let (Some(user), true) = (user, checked.is_right) else {
        auth.limiter.sign_in_failed(account, address, now);
        return Err(AuthError::InvalidCredentials);
    };
    auth.limiter.sign_in_succeeded(account, address, now);
    if user.is_banned(now) {
        return Err(AuthError::SignInBanned);
    }
    if user.email_confirmed_at.is_none() {
        return Err(AuthError::EmailNotConfirmed);
    }
    let weak_password = match check_strength(password, &auth.config) {
        Err(AuthError::WeakPassword { message, reasons }) => Some(WeakPasswordView { message, reasons }),
        _ => None,
    };
    let (id, begun) = (user.id, new_session(auth, ask.facts));
    let signed_in = auth
        .store
        .write(move |tx| {
            // Between the check and now the password may have changed, or the user may be gone or banned.
            let Some(mut user) = Users(tx).by_id(id)? else { return Ok(None) };
            if user.encrypted_password != hash || user.is_banned(tx.now()) || user.deleted_at.is_some() {
                return Ok(None);
            }
            if let Some(better) = &checked.better_hash {
                user.encrypted_password = Some(better.clone());
            }
            user.last_sign_in_at = Some(tx.now());
            Users(tx).update(&mut user)?;
            let session = Sessions(tx).insert(id, &begun)?;
            let identities = Users(tx).identities(id)?;
            Ok(Some((user, identities, session)))
        })
        .await
        .map_err(database("Database error granting user"))?;
    let (user, identities, session) = signed_in.ok_or(AuthError::InvalidCredentials)?;
    Ok(json::respond(StatusCode::OK, &auth.session_view(&user, &identities, &session, 0, weak_password)))
}

/// Whether an address is, as budgets count, one of those a user's sessions were used from.
fn is_among(address: IpAddr, known: &[String]) -> bool {
    let here = AddressKey::of(address);
    known.iter().filter_map(|text| text.parse::<IpAddr>().ok()).any(|one| AddressKey::of(one) == here)
}
