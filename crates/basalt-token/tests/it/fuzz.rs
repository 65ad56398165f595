//! Whatever is sent as a token, verification ends soon and without a panic, and only what was signed is accepted.

use aws_lc_rs::hmac;
use basalt_testkit::fuzz::{Fuzz, seen};
use basalt_token::keys::sign_hs256;
use basalt_token::{TokenError, Verifier};
use basalt_types::{Secret, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp(1_700_000_000_000_000);
const SECRET: &str = "a secret of at least thirty-two bytes!";
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// A token of any header and claims, with a good signature.
fn signed(header: &str, claims: &str) -> String {
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, text.as_bytes())))
}

fn inputs() -> Vec<String> {
    let secret = Secret::new(SECRET);
    let claims = [
        json!({"role": "anon"}),
        json!({"role": "authenticated", "sub": "5f7d4a9e-52f4-4a39-9d6f-3e6f0d1c2b3a", "exp": 1_700_003_600, "aud": "authenticated"}),
        json!({"exp": 1_600_000_000, "iat": 1.5, "nbf": -1, "aud": ["a", "authenticated"]}),
        json!({"exp": "soon", "app_metadata": {"provider": "email", "providers": ["email"]}, "amr": [{"method": "password"}]}),
        json!([1, "two", null, true]),
    ];
    let headers = [
        json!({"alg": "none"}),
        json!({"alg": "HS512", "kid": "a"}),
        json!({"alg": "RS256", "jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}}),
        json!({"alg": "ES256", "x5c": ["MIIB"], "crit": ["b64"], "b64": false, "zip": "DEF"}),
    ];
    let tokens = claims.iter().map(|claims| sign_hs256(claims, &secret));
    tokens.chain(claims.iter().chain(&headers).map(Value::to_string)).chain([HEADER.to_owned()]).collect()
}

/// What a token's claims say, by a second reading of the rules.
fn expected(claims: &Value) -> Result<(), TokenError> {
    let Value::Object(claims) = claims else { return Err(TokenError::Claims) };
    let now = 1_700_000_000_f64;
    for (name, error) in [("exp", TokenError::Expired), ("nbf", TokenError::NotYetValid), ("iat", TokenError::IssuedAtFuture)] {
        match claims.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::Number(number)) => {
                let time = number.as_f64().unwrap_or(f64::NAN).trunc();
                if (name == "exp" && now - 30.0 > time) || (name != "exp" && now + 30.0 < time) {
                    return Err(error);
                }
            }
            Some(_) => return Err(TokenError::NotANumber(name)),
        }
    }
    match claims.get("aud") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(one)) if one == "authenticated" => Ok(()),
        Some(Value::String(_)) => Err(TokenError::Audience),
        Some(Value::Array(many)) if many.iter().any(|one| !one.is_string()) => Err(TokenError::AudienceType),
        Some(Value::Array(many)) if many.is_empty() || many.iter().any(|one| one == "authenticated") => Ok(()),
        Some(Value::Array(_)) => Err(TokenError::Audience),
        Some(_) => Err(TokenError::AudienceType),
    }
}

/// The names of an object's members, each as often as it stands there.
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Names;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// RFC 7519, section 4: claims that come twice are refused, or the last of them counts. Those of the RFC itself are refused.
fn has_twice(text: &str) -> bool {
    let names = serde_json::from_str::<Names>(text).map(|names| names.0).unwrap_or_default();
    ["iss", "sub", "aud", "exp", "nbf"].iter().any(|registered| names.iter().filter(|name| name == registered).count() > 1)
}

/// Whether a claim of RFC 7519 is an object or a list.
fn has_object(claims: Option<&Value>) -> bool {
    let registered = ["iss", "sub", "aud", "exp", "nbf"];
    claims.is_some_and(|claims| registered.iter().any(|name| claims.get(name).is_some_and(|v| v.is_object() || v.is_array())))
}

#[test]
fn fuzz_tokens() {
    let secret = Secret::new(SECRET);
    let genuine: Vec<String> =
        inputs().into_iter().filter(|text| text.matches('.').count() == 2 && !text.starts_with('{')).collect();
    Fuzz::new("tokens").inputs(inputs()).nests(&[(r#"{"a":"#, "}"), (r#"["a","#, "]")]).run(5_000, |text| {
        // A verifier of its own, so that nothing is remembered.
        let verifier = Verifier::new(&secret, Some("authenticated".into()));
        let as_token = verifier.verify(text, NOW).map(drop);
        if as_token.is_ok() {
            assert!(genuine.iter().any(|token| token == text), "accepted, but nobody signed it");
        }
        assert_eq!(verifier.verify(text, NOW).map(drop), as_token, "remembered otherwise than verified");

        let claims = serde_json::from_str::<Value>(text);
        let token = signed(HEADER, text);
        let as_claims = verifier.verify(&token, NOW).map(drop);
        let wanted = claims.as_ref().map_or(Err(TokenError::Claims), expected);
        let wanted = if has_twice(text) { Err(TokenError::Claims) } else { wanted };
        // Where a number or a text belongs, an object may also be told as claims that cannot be read; it is refused then.
        if as_claims != Err(TokenError::Claims) || !has_object(claims.as_ref().ok()) {
            assert_eq!(as_claims, wanted, "signed claims");
        }
        assert_eq!(verifier.verify(&token, NOW).map(drop), as_claims, "claims remembered otherwise than verified");

        let as_header = verifier.verify(&signed(text, r#"{"role":"anon"}"#), NOW).map(drop);
        if as_header.is_ok() {
            let header = claims.as_ref().ok().and_then(|header| header.get("alg").cloned());
            assert_eq!(header, Some(Value::from("HS256")), "accepted under another algorithm");
        }

        let with_signature = format!("{}.{text}", token.rsplit_once('.').map_or("", |(signed, _)| signed));
        if verifier.verify(&with_signature, NOW).is_ok() {
            assert_eq!(with_signature, token, "another spelling of the signature");
        }
        seen(format!("{as_token:?} {as_claims:?} {as_header:?}"))
    });
}

/// Found by the target above.
#[test]
fn claims_that_come_twice_are_refused() {
    let verifier = Verifier::new(&Secret::new(SECRET), None);
    let verify = |claims: &str| verifier.verify(&signed(HEADER, claims), NOW).map(drop);
    assert_eq!(verify(r#"{"sub":"a","role":"anon","sub":"b"}"#), Err(TokenError::Claims));
    assert_eq!(verify(r#"{"exp":1700003600,"exp":1600000000}"#), Err(TokenError::Claims));
    assert_eq!(verify(r#"{"sub":"a","role":"anon"}"#), Ok(()));
}
