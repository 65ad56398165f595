//! `/admin/users`. Whoever comes here has been let through as an admin.

pub(crate) mod create;
pub(crate) mod delete;
mod duration;
pub(crate) mod list;
pub(crate) mod update;

use basalt_types::Timestamp;
use http::{Method, StatusCode};
use serde_json::json;
use uuid::Uuid;

use crate::Auth;
use crate::error::{AuthError, database};
use crate::json::{self, Params};
use crate::password::{HashForm, StoredHash};
use crate::route::{Reply, is_one_of};
use crate::store::{Identity, User, Users};
use crate::view::UserView;

/// Whether a path under `/admin` exists, in this version or in the original.
pub(crate) fn knows(method: &Method, segments: &[&str]) -> bool {
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    const PUT: Method = Method::PUT;
    const DELETE: Method = Method::DELETE;
    match segments.get(1..).unwrap_or_default() {
        ["users"] => is_one_of(method, &[GET, POST]),
        ["users", _] => is_one_of(method, &[GET, PUT, DELETE]),
        ["users", _, "factors" | "passkeys"] => *method == GET,
        ["users", _, "factors", _] => is_one_of(method, &[PUT, DELETE]),
        ["users", _, "passkeys", _] => *method == DELETE,
        ["audit"] => *method == GET,
        ["generate_link"] => *method == POST,
        ["sso", "providers"] | ["oauth", "clients"] | ["custom-providers"] => is_one_of(method, &[GET, POST]),
        ["sso", "providers", _] | ["oauth", "clients", _] | ["custom-providers", _] => is_one_of(method, &[GET, PUT, DELETE]),
        ["oauth", "clients", _, "regenerate_secret"] => *method == POST,
        _ => false,
    }
}

/// The id in a path.
fn user_id(text: &str) -> Result<Uuid, AuthError> {
    Uuid::parse_str(text).map_err(|_| AuthError::UserIdNotUuid)
}

async fn find(auth: &Auth, id: &str) -> Result<(User, Vec<Identity>), AuthError> {
    let id = user_id(id)?;
    let found = auth
        .store
        .read(move |tx| {
            let Some(user) = Users(tx).by_id(id)? else { return Ok(None) };
            let identities = Users(tx).identities(id)?;
            Ok(Some((user, identities)))
        })
        .await;
    found.map_err(database("Database error loading user"))?.ok_or(AuthError::UserNotFound)
}

/// `GET /admin/users/{id}`.
pub(crate) async fn get(auth: &Auth, id: &str) -> Reply {
    let (user, identities) = find(auth, id).await?;
    Ok(json::respond(StatusCode::OK, &UserView::new(&user, Some(&identities))))
}

/// `/admin/users/{id}/factors`, `/passkeys`: nobody has any in this version.
pub(crate) async fn parts_of_user(auth: &Auth, method: &Method, id: &str, rest: &[&str]) -> Reply {
    find(auth, id).await?;
    match rest {
        ["factors" | "passkeys"] if *method == Method::GET => Ok(json::respond(StatusCode::OK, &json!([]))),
        ["passkeys", ..] => Err(AuthError::PasskeysDisabled),
        _ => Err(AuthError::FactorNotFound),
    }
}

/// Until when `ban_duration` bans, counted from now: `Some(None)` ends a ban.
fn ban(params: &Params, now: Timestamp) -> Result<Option<Option<Timestamp>>, AuthError> {
    match params.text("ban_duration")? {
        "" => Ok(None),
        "none" => Ok(Some(None)),
        text => {
            let duration_us = duration::parse_us(text)
                .map_err(|error| AuthError::validation(format!("invalid format for ban duration: {error}")))?;
            Ok(Some((duration_us != 0).then(|| Timestamp(now.0.saturating_add(duration_us)))))
        }
    }
}

/// A hash made elsewhere, if it can be used here.
fn imported_hash(text: &str) -> Result<String, AuthError> {
    match StoredHash::parse(text) {
        HashForm::Good(_) => Ok(text.to_owned()),
        HashForm::Unknown => {
            Err(AuthError::validation("The password hash has no supported form: bcrypt, argon2i and argon2id are"))
        }
        HashForm::TooCostly => Err(AuthError::validation("The password hash asks for more work than is done here")),
    }
}
