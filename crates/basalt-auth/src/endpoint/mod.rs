//! One endpoint, one file.

pub(crate) mod admin;
pub(crate) mod info;
pub(crate) mod logout;
pub(crate) mod off;
pub(crate) mod signup;
pub(crate) mod token;
pub(crate) mod user;

use crate::error::AuthError;
use crate::store::{Client, NewSession, Object};
use crate::{Auth, RequestFacts};

/// Who uses the session that is made or refreshed.
fn client(facts: &RequestFacts<'_>) -> Client {
    let longest = 1024;
    let agent = facts.user_agent.as_deref().filter(|agent| !agent.is_empty());
    Client {
        user_agent: agent.map(|agent| agent.chars().take(longest).collect()),
        ip: Some(facts.client_ip.to_canonical().to_string()),
    }
}

/// A session that begins with a password.
fn new_session(auth: &Auth, facts: &RequestFacts<'_>) -> NewSession {
    NewSession { id: auth.rng.uuid(), method_id: auth.rng.uuid(), method: "password", client: client(facts) }
}

/// Adds and replaces keys; null removes one.
fn merge(target: &mut Object, updates: &Object) {
    for (key, value) in updates {
        if value.is_null() {
            target.remove(key);
        } else {
            target.insert(key.clone(), value.clone());
        }
    }
}

/// A phone number as the original stores it: digits alone.
fn phone(text: &str) -> Result<String, AuthError> {
    let digits = text.strip_prefix('+').unwrap_or(text).replace(' ', "");
    let is_e164 = (2..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    if is_e164 { Ok(digits) } else { Err(AuthError::validation("Invalid phone number format (E.164 required)")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_removes_a_key() {
        let object = |text: &str| serde_json::from_str::<Object>(text).expect("JSON");
        let mut target = object(r#"{"a":1,"b":2}"#);
        merge(&mut target, &object(r#"{"b":null,"c":{"d":null},"x":null}"#));
        assert_eq!(target, object(r#"{"a":1,"c":{"d":null}}"#));
    }

    #[test]
    fn numbers_are_e164() {
        assert_eq!(phone("+49 151 123"), Ok("49151123".to_owned()));
        for bad in ["", "+", "0151", "abc", "1", "1234567890123456"] {
            assert!(phone(bad).is_err(), "{bad}");
        }
    }
}
