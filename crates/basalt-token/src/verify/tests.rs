use super::*;
use crate::keys::sign_hs256;
use serde_json::json;

const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

fn secret() -> Secret {
    Secret::new("a secret of at least thirty-two bytes!")
}

fn verify(claims: Value) -> Result<Arc<Claims>, TokenError> {
    Verifier::new(&secret(), Some("authenticated".into())).verify(&sign_hs256(&claims, &secret()), NOW)
}

fn b64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}

#[test]
fn times_and_audience() {
    let now = NOW.unix_s();
    let cases: &[(Value, Result<(), TokenError>)] = &[
        (json!({"role": "anon"}), Ok(())),
        (json!({"exp": now - 29}), Ok(())),
        (json!({"exp": now - 31}), Err(TokenError::Expired)),
        (json!({"exp": 1e300}), Ok(())),
        (json!({"exp": "soon"}), Err(TokenError::NotANumber("exp"))),
        (json!({"nbf": now + 31}), Err(TokenError::NotYetValid)),
        (json!({"iat": now + 31}), Err(TokenError::IssuedAtFuture)),
        (json!({"aud": "authenticated"}), Ok(())),
        (json!({"aud": ["x", "authenticated"]}), Ok(())),
        (json!({"aud": []}), Ok(())),
        (json!({"aud": "other"}), Err(TokenError::Audience)),
        (json!({"aud": 1}), Err(TokenError::AudienceType)),
        (json!([1]), Err(TokenError::Claims)),
    ];
    for (claims, expected) in cases {
        assert_eq!(verify(claims.clone()).map(|_| ()), *expected, "{claims}");
    }
}

#[test]
fn forged_tokens() {
    let verifier = Verifier::new(&secret(), None);
    let good = sign_hs256(&json!({"role": "service_role"}), &secret());
    let (body, signature) = good.rsplit_once('.').expect("three parts");
    let payload = b64(r#"{"role":"service_role"}"#);
    let other = sign_hs256(&json!({"role": "service_role"}), &Secret::new("another secret of thirty-two bytes!!"));
    let cases = [
        (String::new(), TokenError::Empty),
        ("abc".into(), TokenError::Parts(1)),
        ("a.b.c.d".into(), TokenError::Parts(4)),
        (other, TokenError::Key),
        (format!("{body}."), TokenError::Key),
        (format!("{}.{payload}.{signature}", b64(r#"{"alg":"none"}"#)), TokenError::Algorithm),
        (format!("{}.{payload}.", b64(r#"{"alg":"none"}"#)), TokenError::Algorithm),
        (format!("{}.{payload}.{signature}", b64(r#"{"alg":"HS512"}"#)), TokenError::Algorithm),
        (format!("{}.{payload}.{signature}", b64(r#"{"alg":"RS256"}"#)), TokenError::Algorithm),
        (format!("{}.{payload}.{signature}", b64(r#"{"typ":"JWT"}"#)), TokenError::Malformed),
        (format!("!!.{payload}.{signature}"), TokenError::Malformed),
        ("x".repeat((1 << 20) + 1), TokenError::Malformed),
    ];
    for (token, expected) in cases {
        assert_eq!(verifier.verify(&token, NOW).map(|_| ()), Err(expected), "{}", &token[..token.len().min(80)]);
    }
}

#[test]
fn a_remembered_token_still_expires() {
    let verifier = Verifier::new(&secret(), None);
    let token = sign_hs256(&json!({"exp": NOW.unix_s() + 10}), &secret());
    assert!(verifier.verify(&token, NOW).is_ok());
    assert_eq!(verifier.verify(&token, NOW.plus_s(41)).map(|_| ()), Err(TokenError::Expired));
}

#[test]
fn the_cache_is_bounded() {
    let verifier = Verifier::new(&secret(), None);
    for n in 0..CACHE_ENTRIES + 10 {
        assert!(verifier.verify(&sign_hs256(&json!({"n": n}), &secret()), NOW).is_ok());
    }
    assert!(verifier.cache.read().len() <= CACHE_ENTRIES);
}
