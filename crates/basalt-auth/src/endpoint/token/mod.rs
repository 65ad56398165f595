//! `POST /token?grant_type=…`.

mod password;
mod refresh;

use crate::Auth;
use crate::error::AuthError;
use crate::json::Params;
use crate::route::{Ask, Reply};

/// Gives out tokens.
pub(crate) async fn answer(auth: &Auth, ask: &Ask<'_>) -> Reply {
    match ask.query("grant_type").as_str() {
        "password" => password::answer(auth, ask).await,
        "refresh_token" => refresh::answer(auth, ask).await,
        "pkce" => {
            let params = Params::parse(ask.body(), "PKCEGrantParams")?;
            if params.text("auth_code")?.is_empty() || params.text("code_verifier")?.is_empty() {
                return Err(AuthError::validation("invalid request: both auth code and code verifier should be non-empty"));
            }
            Err(AuthError::FlowStateNotFound)
        }
        "id_token" => {
            let params = Params::parse(ask.body(), "IdTokenGrantParams")?;
            if params.text("id_token")?.is_empty() {
                return Err(AuthError::OAuth("id_token required"));
            }
            if params.text("provider")?.is_empty() && (params.text("client_id")?.is_empty() || params.text("issuer")?.is_empty())
            {
                return Err(AuthError::OAuth("provider or client_id and issuer required"));
            }
            Err(AuthError::OAuth("Provider is not enabled"))
        }
        "web3" => Err(AuthError::Web3Disabled),
        _ => Err(AuthError::UnsupportedGrantType),
    }
}
