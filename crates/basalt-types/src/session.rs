//! Who is asking.

use std::borrow::Cow;
use std::sync::Arc;

/// A database role's name, e.g. `anon`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleName(Arc<str>);

impl RoleName {
    /// Wraps a name that has been checked against the allowed roles, or is one of our own.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A token's claims: the JSON text as it was signed, and the parsed object.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    text: String,
    object: serde_json::Map<String, serde_json::Value>,
}

impl Claims {
    /// Wraps the claims of a verified token.
    pub fn new(object: serde_json::Map<String, serde_json::Value>) -> Self {
        let text = serde_json::Value::Object(object.clone()).to_string();
        Self { text, object }
    }

    /// These claims with one more, or another value for one.
    #[must_use]
    pub fn with(&self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        let mut object = self.object.clone();
        object.insert(name.to_owned(), value.into());
        Self::new(object)
    }

    /// `request.jwt.claims` as SQL sees it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All claims.
    pub fn object(&self) -> &serde_json::Map<String, serde_json::Value> {
        &self.object
    }

    /// One claim.
    pub fn get(&self, name: &str) -> Option<&serde_json::Value> {
        self.object.get(name)
    }

    /// The `sub` claim: `auth.uid()` before its cast to uuid.
    pub fn sub(&self) -> Option<&str> {
        self.get("sub").and_then(serde_json::Value::as_str)
    }
}

/// What SQL may read of the HTTP request through `current_setting('request.…')`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RequestFacts {
    /// `request.method`.
    pub method: String,
    /// `request.path`.
    pub path: String,
    /// `request.headers`: JSON object text, lower-case names. Made only when a statement needs it.
    pub headers: String,
    /// `request.cookies`: JSON object text.
    pub cookies: String,
    /// The exposed schema it is about.
    pub schema: String,
}

/// The caller of one request: everything grants, policies and limits depend on.
#[derive(Debug, Clone)]
pub struct Session {
    /// The role statements run as.
    pub role: RoleName,
    /// Claims of the verified token; `None` without a token (an API key alone).
    pub claims: Option<Arc<Claims>>,
    /// Facts of the HTTP request, when the surface keeps them.
    pub request: Option<Arc<RequestFacts>>,
    /// The role whose rights count at the moment, inside of what runs with its owner's; `None`: [`Self::role`] itself.
    pub acting: Option<RoleName>,
}

impl Session {
    /// A session for a role without claims.
    pub fn of_role(role: &str) -> Self {
        Self { role: RoleName::new(role), claims: None, request: None, acting: None }
    }

    /// `current_user`: the role whose rights count. [`Self::role`] stays the caller's, and so do the claims.
    pub fn current_user(&self) -> &RoleName {
        self.acting.as_ref().unwrap_or(&self.role)
    }

    /// `request.jwt.claims` as SQL sees it: with the role that statements run as, which PostgREST puts in place of a token's own, and
    /// alone where there is no token; empty outside of requests. Source: PostgREST's `PreQuery.hs`.
    pub fn claims_text(&self) -> Cow<'_, str> {
        match &self.claims {
            Some(claims) if claims.get("role").and_then(serde_json::Value::as_str) == Some(self.role.as_str()) => {
                Cow::Borrowed(claims.text())
            }
            Some(claims) => Cow::Owned(claims.with("role", self.role.as_str()).text),
            // The owner's own work (migrations, seeds) is nobody's request.
            None if matches!(self.role.as_str(), "postgres" | "supabase_admin") => Cow::Borrowed(""),
            None if self.role.as_str() == "anon" => Cow::Borrowed("{\"role\":\"anon\"}"),
            None => Cow::Owned(serde_json::json!({ "role": self.role.as_str() }).to_string()),
        }
    }
}
