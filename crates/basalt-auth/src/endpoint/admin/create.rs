//! `POST /admin/users`.

use basalt_types::Secret;
use http::StatusCode;
use uuid::Uuid;

use super::{ban, imported_hash};
use crate::Auth;
use crate::email::EmailAddress;
use crate::endpoint::{merge, phone};
use crate::error::{AuthError, taken_or};
use crate::json::{self, Params};
use crate::password::check_length;
use crate::route::{Ask, Reply};
use crate::store::{Identity, Object, User, Users, vanished};
use crate::view::UserView;

/// What follows the insert, in one go with it.
#[derive(Clone)]
struct After {
    app_metadata: Option<Object>,
    is_email_confirmed: bool,
    is_phone_confirmed: bool,
    ban: Option<Option<basalt_types::Timestamp>>,
}

/// Makes a user. Password rules are the project's for its users, not for its admins.
pub(crate) async fn answer(auth: &Auth, ask: &Ask<'_>) -> Reply {
    let params = Params::parse(ask.body(), "AdminUserParams")?;
    let (email, number) = (params.text("email")?, params.text("phone")?);
    if email.is_empty() && number.is_empty() {
        return Err(AuthError::validation("Cannot create a user without either an email or phone"));
    }
    let email = if email.is_empty() { None } else { Some(EmailAddress::parse(email)?.as_str().to_owned()) };
    let number = if number.is_empty() { None } else { Some(phone(number)?) };
    let aud = match params.text("aud")? {
        "" => auth.config.audience.clone(),
        other => other.to_owned(),
    };
    check_free(auth, email.clone(), number.clone(), aud.clone()).await?;
    let (password, hash) = (params.optional_text("password")?, params.text("password_hash")?);
    if password.is_some() && !hash.is_empty() {
        return Err(AuthError::validation("Only a password or a password hash should be provided"));
    }
    let now = auth.clock.now();
    let mut user = User::new(new_id(auth, params.text("id")?)?, &aud, now);
    if !params.text("role")?.is_empty() {
        user.role = params.text("role")?.to_owned();
    }
    let providers: Vec<&str> =
        [email.as_ref().map(|_| "email"), number.as_ref().map(|_| "phone")].into_iter().flatten().collect();
    user.app_metadata.insert("provider".to_owned(), providers.first().copied().unwrap_or("email").into());
    user.app_metadata.insert("providers".to_owned(), providers.into());
    user.user_metadata = params.object("user_metadata")?.cloned().unwrap_or_default();
    user.email = email;
    user.phone = number;
    let after = After {
        app_metadata: params.object("app_metadata")?.cloned(),
        is_email_confirmed: params.flag("email_confirm")?,
        is_phone_confirmed: params.flag("phone_confirm")?,
        ban: ban(&params, now)?,
    };
    user.encrypted_password = Some(match password.filter(|password| !password.is_empty()) {
        _ if !hash.is_empty() => imported_hash(hash)?,
        Some(password) => {
            check_length(password)?;
            auth.passwords.hash(Secret::new(password)).await?
        }
        // Nobody knows it: the user signs in by other means, or an admin sets one.
        None => auth.passwords.hash(Secret::new(basalt_token::keys::random_text(auth.rng.as_ref(), 48))).await?,
    });
    let view = store(auth, user, after).await?;
    Ok(json::respond(StatusCode::OK, &view))
}

async fn check_free(auth: &Auth, email: Option<String>, number: Option<String>, aud: String) -> Result<(), AuthError> {
    let taken = auth.store.read(move |tx| {
        if let Some(email) = &email
            && Users(tx).by_email(email, &aud)?.is_some()
        {
            return Ok(Some(AuthError::EmailExists));
        }
        match &number {
            Some(number) if Users(tx).by_phone(number)?.is_some() => Ok(Some(AuthError::PhoneExists)),
            _ => Ok(None),
        }
    });
    taken.await.map_err(crate::error::database("Database error checking email"))?.map_or(Ok(()), Err)
}

fn new_id(auth: &Auth, text: &str) -> Result<Uuid, AuthError> {
    if text.is_empty() {
        return Ok(auth.rng.uuid());
    }
    let id = Uuid::parse_str(text).map_err(|_| AuthError::validation("ID must conform to the uuid v4 format"))?;
    if id.is_nil() { Err(AuthError::validation("ID cannot be a nil uuid")) } else { Ok(id) }
}

async fn store(auth: &Auth, user: User, after: After) -> Result<UserView, AuthError> {
    let ids = [auth.rng.uuid(), auth.rng.uuid()];
    auth.store
        .write(move |tx| {
            Users(tx).insert(&user)?;
            let now = tx.now();
            let [email_identity, phone_identity] = ids;
            let nothing = Object::new();
            if let Some(email) = &user.email {
                Users(tx).insert_identity(&Identity::new(
                    email_identity,
                    user.id,
                    "email",
                    ("email", email),
                    false,
                    &nothing,
                    now,
                ))?;
            }
            if let Some(number) = &user.phone {
                Users(tx).insert_identity(&Identity::new(
                    phone_identity,
                    user.id,
                    "phone",
                    ("phone", number),
                    false,
                    &nothing,
                    now,
                ))?;
            }
            // Triggers may have changed the row.
            let mut user = Users(tx).by_id(user.id)?.ok_or_else(vanished)?;
            if let Some(updates) = &after.app_metadata {
                merge(&mut user.app_metadata, updates);
            }
            if after.is_email_confirmed {
                user.confirm_email(now);
            }
            if after.is_phone_confirmed {
                user.phone_confirmed_at = Some(now);
            }
            if let Some(until) = after.ban {
                user.banned_until = until;
            }
            Users(tx).update(&mut user)?;
            let identities = Users(tx).identities(user.id)?;
            Ok(UserView::new(&user, Some(&identities)))
        })
        .await
        .map_err(taken_or(AuthError::EmailExists, "Database error creating new user"))
}
