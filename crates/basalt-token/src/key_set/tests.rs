use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use basalt_types::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

use super::*;
use crate::{TokenError, Verifier};

const SECRET: &str = "a secret of a test, which is long enough";

fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn sign(algorithm: Algorithm, kid: Option<&str>, key: &EncodingKey) -> String {
    let mut header = Header::new(algorithm);
    header.kid = kid.map(str::to_owned);
    encode(&header, &json!({"role": "x"}), key).expect("signs")
}

/// A P-256 key pair: what signs, and the public key as JSON.
fn p256(kid: &str) -> (EncodingKey, Value) {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref()).expect("a key");
    let point = pair.public_key().as_ref();
    let jwk = json!({"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "x": b64(&point[1..33]), "y": b64(&point[33..65])});
    (EncodingKey::from_ec_der(document.as_ref()), jwk)
}

fn ed25519() -> (EncodingKey, Value) {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
    let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("a key");
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": b64(pair.public_key().as_ref())});
    (EncodingKey::from_ed_der(document.as_ref()), jwk)
}

fn verifier(text: &str) -> Verifier {
    Verifier::of_keys(&KeySet::parse(text.as_bytes()).expect("keys"), None, 10)
}

fn outcome(verifier: &Verifier, token: &str) -> Result<(), TokenError> {
    verifier.verify(token, Timestamp::from_unix_s(1_000)).map(drop)
}

#[test]
fn every_form_of_a_secret_verifies() {
    let ((ec, ec_jwk), (ed, ed_jwk)) = (p256("one"), ed25519());
    let oct = json!({"kty": "oct", "k": b64(SECRET.as_bytes())});
    let shared = EncodingKey::from_secret(SECRET.as_bytes());
    let plain = verifier(SECRET);
    assert_eq!(outcome(&plain, &sign(Algorithm::HS256, None, &shared)), Ok(()));
    assert_eq!(outcome(&plain, &sign(Algorithm::HS384, None, &shared)), Err(TokenError::NoKey));
    assert_eq!(outcome(&verifier(&oct.to_string()), &sign(Algorithm::HS512, None, &shared)), Ok(()));
    assert_eq!(outcome(&verifier(&ec_jwk.to_string()), &sign(Algorithm::ES256, Some("one"), &ec)), Ok(()));
    assert_eq!(outcome(&verifier(&ed_jwk.to_string()), &sign(Algorithm::EdDSA, None, &ed)), Ok(()));
    let set = verifier(&json!({"keys": [ec_jwk, ed_jwk, oct]}).to_string());
    for token in [sign(Algorithm::ES256, None, &ec), sign(Algorithm::EdDSA, None, &ed), sign(Algorithm::HS256, None, &shared)] {
        assert_eq!(outcome(&set, &token), Ok(()));
        assert_eq!(outcome(&set, &token), Ok(()), "remembered");
    }
    assert_eq!(set.cache_figures(), [6, 3, 0]);
}

#[test]
fn a_key_id_chooses_and_an_algorithm_must_be_the_keys() {
    let ((_, first_jwk), (second, second_jwk)) = (p256("first"), p256("second"));
    let set = verifier(&json!({"keys": [first_jwk.clone(), second_jwk]}).to_string());
    let token = |kid, key| sign(Algorithm::ES256, kid, key);
    assert_eq!(outcome(&set, &token(Some("second"), &second)), Ok(()));
    assert_eq!(outcome(&set, &token(None, &second)), Ok(()), "each is tried");
    assert_eq!(outcome(&set, &token(Some("first"), &second)), Err(TokenError::Key));
    assert_eq!(outcome(&set, &token(Some("third"), &second)), Err(TokenError::NoKey));
    assert_eq!(
        outcome(&verifier(SECRET), &sign(Algorithm::HS256, Some("first"), &EncodingKey::from_secret(SECRET.as_bytes()))),
        Err(TokenError::NoKey)
    );
    // The public key, taken as a shared secret, signs nothing that counts.
    let public = verifier(&first_jwk.to_string());
    let confused = EncodingKey::from_secret(first_jwk.to_string().as_bytes());
    assert_eq!(outcome(&public, &sign(Algorithm::HS256, None, &confused)), Err(TokenError::NoKey));
    let unsigned = format!("{}.{}.", b64(br#"{"alg":"none"}"#), b64(br#"{"role":"x"}"#));
    for set in [&set, &public, &verifier(SECRET)] {
        assert_eq!(outcome(set, &unsigned), Err(TokenError::Unsigned));
    }
    let foreign = format!("{}.{}.AA", b64(br#"{"alg":"XX1"}"#), b64(b"{}"));
    assert_eq!(outcome(&public, &foreign), Err(TokenError::Header));
    assert_eq!(outcome(&public, "a.b.c"), Err(TokenError::Malformed));
    assert_eq!(outcome(&public, ""), Err(TokenError::Empty));
}

#[test]
fn what_gives_no_keys_is_refused() {
    let short = b64(b"short");
    for (text, expected) in [
        ("too short".to_owned(), KeySetError::Short),
        ("{}".to_owned(), KeySetError::NoKey),
        (json!({"keys": []}).to_string(), KeySetError::NoKey),
        (json!({"keys": "many, and this text is long enough for a secret"}).to_string(), KeySetError::NoKey),
        (json!({"kty": "oct", "k": short}).to_string(), KeySetError::NoKey),
        (json!({"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"}).to_string(), KeySetError::NoKey),
        (json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "use": "enc"}).to_string(), KeySetError::NoKey),
        (json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": "HS256"}).to_string(), KeySetError::NoKey),
        (json!({"kty": "tin", "n": "this text is long enough for a secret"}).to_string(), KeySetError::NoKey),
    ] {
        assert_eq!(KeySet::parse(text.as_bytes()).map(drop), Err(expected), "{text}");
    }
    let rsa = json!({"kty": "RSA", "n": "9zKNYTaYGfGm1tBMpRT6FxOYrM720GhXdettc02uyak", "e": "AQAB", "alg": "RS256"}).to_string();
    assert_eq!(KeySet::parse(rsa.as_bytes()), KeySet::parse(rsa.as_bytes()));
    assert_ne!(KeySet::parse(rsa.as_bytes()), KeySet::parse(SECRET.as_bytes()));
}

#[test]
fn remembering_can_be_switched_off_and_is_bounded() {
    let keys = KeySet::parse(SECRET.as_bytes()).expect("keys");
    let shared = EncodingKey::from_secret(SECRET.as_bytes());
    let none = Verifier::of_keys(&keys, None, 0);
    let token = sign(Algorithm::HS256, None, &shared);
    assert_eq!((outcome(&none, &token), outcome(&none, &token)), (Ok(()), Ok(())));
    assert_eq!(none.cache_figures(), [2, 0, 0]);
    let one = Verifier::of_keys(&keys, None, 1);
    let other = encode(&Header::new(Algorithm::HS256), &json!({"role": "y"}), &shared).expect("signs");
    assert_eq!((outcome(&one, &token), outcome(&one, &other)), (Ok(()), Ok(())));
    assert_eq!(one.cache_figures(), [2, 0, 1]);
}
