//! `PUT /admin/users/{id}`.

use basalt_types::{Secret, Timestamp};
use http::StatusCode;

use super::{ban, find, imported_hash};
use crate::Auth;
use crate::email::EmailAddress;
use crate::endpoint::{merge, phone};
use crate::error::{AuthError, taken_or};
use crate::json::{self, Params};
use crate::password::check_strength;
use crate::route::{Ask, Reply};
use crate::store::{self, Object, Sessions, Users};
use crate::view::UserView;

#[derive(Clone)]
struct Change {
    role: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    hash: Option<String>,
    is_email_confirmed: bool,
    is_phone_confirmed: bool,
    app_metadata: Option<Object>,
    user_metadata: Option<Object>,
    ban: Option<Option<Timestamp>>,
}

/// Changes a user. A new password ends all of the user's sessions.
pub(crate) async fn answer(auth: &Auth, ask: &Ask<'_>, id: &str) -> Reply {
    let (user, _) = find(auth, id).await?;
    let params = Params::parse(ask.body(), "AdminUserParams")?;
    let given = |field: &str| params.text(field).map(|text| Some(text).filter(|text| !text.is_empty()));
    let email = given("email")?.map(EmailAddress::parse).transpose()?.map(|email| email.as_str().to_owned());
    let number = given("phone")?.map(phone).transpose()?;
    let ban = ban(&params, auth.clock.now())?;
    let hash = match (params.optional_text("password")?, given("password_hash")?) {
        (Some(password), _) => {
            check_strength(password, &auth.config)?;
            Some(auth.passwords.hash(Secret::new(password)).await?)
        }
        (None, Some(hash)) => Some(imported_hash(hash)?),
        (None, None) => None,
    };
    let change = Change {
        role: given("role")?.map(str::to_owned),
        email,
        phone: number,
        hash,
        is_email_confirmed: params.flag("email_confirm")?,
        is_phone_confirmed: params.flag("phone_confirm")?,
        app_metadata: params.object("app_metadata")?.cloned(),
        user_metadata: params.object("user_metadata")?.cloned(),
        ban,
    };
    let (id, ids) = (user.id, [auth.rng.uuid(), auth.rng.uuid()]);
    let view = auth
        .store
        .write(move |tx| {
            let Some(mut user) = Users(tx).by_id(id)? else { return Ok(Err(AuthError::UserNotFound)) };
            // Everything that can be refused comes first: what is returned commits.
            if let Some(email) = &change.email
                && Users(tx).by_email(email, &user.aud)?.is_some_and(|other| other.id != id)
            {
                return Ok(Err(AuthError::EmailExists));
            }
            if let Some(number) = &change.phone
                && Users(tx).by_phone(number)?.is_some_and(|other| other.id != id)
            {
                return Ok(Err(AuthError::PhoneExists));
            }
            let now = tx.now();
            if let Some(role) = &change.role {
                user.role.clone_from(role);
            }
            if change.is_email_confirmed {
                user.confirm_email(now);
            }
            if change.is_phone_confirmed {
                user.phone_confirmed_at = Some(now);
            }
            if let Some(hash) = &change.hash {
                user.encrypted_password = Some(hash.clone());
                user.forget_sent_mails();
                Sessions(tx).delete_all(id)?;
            }
            let [email_identity, phone_identity] = ids;
            if let Some(email) = &change.email {
                store::set_identity_address(tx, &user, email_identity, "email", email, change.is_email_confirmed)?;
                user.email = Some(email.clone());
                user.is_anonymous &= !change.is_email_confirmed;
            }
            if let Some(number) = &change.phone {
                store::set_identity_address(tx, &user, phone_identity, "phone", number, change.is_phone_confirmed)?;
                user.phone = Some(number.clone());
                user.is_anonymous &= !change.is_phone_confirmed;
            }
            if let Some(updates) = &change.app_metadata {
                merge(&mut user.app_metadata, updates);
            }
            if let Some(updates) = &change.user_metadata {
                merge(&mut user.user_metadata, updates);
            }
            if let Some(until) = change.ban {
                user.banned_until = until;
            }
            Users(tx).update(&mut user)?;
            let identities = Users(tx).identities(id)?;
            Ok(Ok(UserView::new(&user, Some(&identities))))
        })
        .await
        .map_err(taken_or(AuthError::EmailExists, "Error updating user"))??;
    Ok(json::respond(StatusCode::OK, &view))
}
