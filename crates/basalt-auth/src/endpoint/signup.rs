//! `POST /signup`.

use basalt_types::Secret;
use http::StatusCode;

use crate::email::EmailAddress;
use crate::endpoint::new_session;
use crate::error::{AuthError, taken_or};
use crate::json::{self, Params};
use crate::password::check_strength;
use crate::route::{Ask, Reply};
use crate::store::{Identity, Object, Session, Sessions, User, Users};
use crate::view::UserView;
use crate::{Auth, store};

/// What the transaction did.
enum Outcome {
    /// A new user, signed in when confirmed at once.
    New(Box<(User, Vec<Identity>, Option<Session>)>),
    /// Somebody has the address.
    Exists(Box<User>),
}

/// Makes a user.
///
/// Without automatic confirmation a taken address answers like a free one, after the same work: the user shown is made up.
pub(crate) async fn answer(auth: &Auth, ask: &Ask<'_>) -> Reply {
    let params = Params::parse(ask.body(), "SignupParams")?;
    let (email, phone) = (params.text("email")?, params.text("phone")?);
    if email.is_empty() && phone.is_empty() {
        return Err(AuthError::AnonymousDisabled);
    }
    auth.limiter.sign_up(ask.facts.client_ip, auth.clock.now())?;
    let config = &auth.config;
    if !config.is_signup_enabled {
        return Err(AuthError::SignupDisabled);
    }
    let password = params.text("password")?;
    let data = params.object("data")?.cloned().unwrap_or_default();
    if password.is_empty() {
        return Err(AuthError::validation("Signup requires a valid password"));
    }
    check_strength(password, config)?;
    if !email.is_empty() && !phone.is_empty() {
        return Err(AuthError::validation("Only an email address or phone number should be provided on signup."));
    }
    check_pkce(params.text("code_challenge")?, params.text("code_challenge_method")?)?;
    if email.is_empty() {
        return Err(AuthError::PhoneSignupsDisabled);
    }
    if !config.is_email_enabled {
        return Err(AuthError::EmailSignupsDisabled);
    }
    let email = EmailAddress::parse(email)?;
    // Hashed before it is known whether the address is free: taken addresses take as long.
    let hash = auth.passwords.hash(Secret::new(password)).await?;
    let now = auth.clock.now();
    let mut user = User::new(auth.rng.uuid(), &config.audience, now);
    user.email = Some(email.as_str().to_owned());
    user.encrypted_password = Some(hash);
    user.app_metadata = of_provider("email");
    let identity = Identity::new(auth.rng.uuid(), user.id, "email", ("email", email.as_str()), false, &data, now);
    // The original keeps what the identity says in the user's metadata too (seen in dumps of its auth.users).
    user.user_metadata = identity.identity_data.clone();
    match store_new(auth, ask, user, identity).await? {
        Outcome::New(new) => {
            let (user, identities, session) = *new;
            match session {
                Some(session) => Ok(json::respond(StatusCode::OK, &auth.session_view(&user, &identities, &session, 0, None))),
                None => {
                    // There is nobody to send it yet; the administrator can confirm the address.
                    tracing::warn!(user.id = %user.id, "no mail is sent in this version: the confirmation of a sign-up was not sent");
                    Ok(json::respond(StatusCode::OK, &UserView::new(&user, Some(&identities))))
                }
            }
        }
        Outcome::Exists(_) if config.is_autoconfirm => Err(AuthError::UserAlreadyExists),
        Outcome::Exists(taken) => Ok(json::respond(StatusCode::OK, &UserView::new(&made_up(auth, &taken, data), Some(&[])))),
    }
}

async fn store_new(auth: &Auth, ask: &Ask<'_>, user: User, identity: Identity) -> Result<Outcome, AuthError> {
    let (is_autoconfirm, begun) = (auth.config.is_autoconfirm, new_session(auth, ask.facts));
    let email = user.email.clone().unwrap_or_default();
    auth.store
        .write(move |tx| {
            if let Some(taken) = Users(tx).by_email(&email, &user.aud)? {
                return Ok(Outcome::Exists(Box::new(taken)));
            }
            Users(tx).insert(&user)?;
            Users(tx).insert_identity(&identity)?;
            // Triggers may have changed the row.
            let Some(mut user) = Users(tx).by_id(user.id)? else {
                return Err(store::vanished());
            };
            let now = tx.now();
            let mut session = None;
            if is_autoconfirm {
                user.confirm_email(now);
                user.last_sign_in_at = Some(now);
                Users(tx).update(&mut user)?;
                session = Some(Sessions(tx).insert(user.id, &begun)?);
            } else {
                user.confirmation_sent_at = Some(now);
                Users(tx).update(&mut user)?;
            }
            let identities = Users(tx).identities(user.id)?;
            Ok(Outcome::New(Box::new((user, identities, session))))
        })
        .await
        .map_err(taken_or(AuthError::UserAlreadyExists, "Database error saving new user"))
}

/// What a stranger sees of a taken address: what they sent, and nothing of the user who has it.
fn made_up(auth: &Auth, taken: &User, data: Object) -> User {
    let now = auth.clock.now();
    let mut user = User::new(auth.rng.uuid(), &auth.config.audience, now);
    // The original empties the role here; clients tell by `identities` alone.
    user.role = String::new();
    user.email = taken.email.clone();
    user.confirmation_sent_at = Some(now);
    // As the metadata of a new user looks, so that it does not tell the two apart.
    user.user_metadata =
        Identity::new(user.id, user.id, "email", ("email", taken.email.as_deref().unwrap_or_default()), false, &data, now)
            .identity_data;
    user.app_metadata = of_provider("email");
    user
}

/// `app_metadata` of a user with one provider. Clients cannot send any.
pub(crate) fn of_provider(provider: &str) -> Object {
    let mut object = Object::new();
    object.insert("provider".to_owned(), provider.into());
    object.insert("providers".to_owned(), vec![provider].into());
    object
}

/// The form of a PKCE challenge. It is of no use yet, since no mail leads back.
pub(crate) fn check_pkce(challenge: &str, method: &str) -> Result<(), AuthError> {
    if challenge.is_empty() != method.is_empty() {
        return Err(AuthError::validation("PKCE flow requires code_challenge_method and code_challenge"));
    }
    if challenge.is_empty() {
        return Ok(());
    }
    if !matches!(method.to_ascii_lowercase().as_str(), "s256" | "plain") {
        return Err(AuthError::validation("PKCE flow requires code_challenge_method and code_challenge"));
    }
    if !(43..=128).contains(&challenge.len()) {
        return Err(AuthError::validation("code challenge has to be between 43 and 128 characters"));
    }
    if !challenge.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)) {
        return Err(AuthError::validation(
            "code challenge can only contain alphanumeric characters, hyphens, periods, underscores and tildes",
        ));
    }
    Ok(())
}
