//! `DELETE /admin/users/{id}`.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use super::find;
use crate::Auth;
use crate::error::database;
use crate::json::{self, Params};
use crate::route::{Ask, Reply};
use crate::store::{Object, Sessions, Users};

/// Deletes a user: the row, or with `should_soft_delete` everything personal in it.
pub(crate) async fn answer(auth: &Auth, ask: &Ask<'_>, id: &str) -> Reply {
    let (user, _) = find(auth, id).await?;
    let is_soft = if ask.body().is_empty() {
        false
    } else {
        Params::parse(ask.body(), "adminUserDeleteParams")?.flag("should_soft_delete")?
    };
    let id = user.id;
    auth.store
        .write(move |tx| {
            if !is_soft {
                return Users(tx).delete(id);
            }
            let Some(mut user) = Users(tx).by_id(id)? else { return Ok(()) };
            if user.deleted_at.is_some() {
                return Ok(());
            }
            user.email = Some(obscured(id, user.email.as_deref().unwrap_or_default()));
            // The column once was this short, and others may rely on it.
            user.phone = Some(obscured(id, user.phone.as_deref().unwrap_or_default()).chars().take(15).collect());
            user.email_change = obscured(id, &user.email_change);
            user.phone_change = obscured(id, &user.phone_change).chars().take(15).collect();
            user.encrypted_password = None;
            user.deleted_at = Some(tx.now());
            user.user_metadata = Object::new();
            user.app_metadata = Object::new();
            Users(tx).update(&mut user)?;
            for mut identity in Users(tx).identities(id)? {
                identity.identity_data = Object::new();
                identity.provider_id = obscured(id, &format!("{}:{}", identity.provider, identity.provider_id));
                Users(tx).update_identity(&mut identity)?;
            }
            Sessions(tx).delete_all(id)
        })
        .await
        .map_err(database("Database error deleting user"))?;
    Ok(json::respond(StatusCode::OK, &json!({})))
}

/// A value that stands for another without telling it. Source: supabase/auth `obfuscateValue`.
fn obscured(user: Uuid, value: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, format!("{user}{value}").as_bytes()))
}
