//! Refresh tokens: a session's id and a counter under an HMAC.
//!
//! Nothing of a token is stored: the key is kept outside the database, and the session's row has only the counter of the active
//! token. So whoever reads the database holds no token, and yet the active token can be written again for a client that lost it.

use aws_lc_rs::hmac;
use basalt_types::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

/// First byte: the layout.
const VERSION: u8 = 1;
/// What is signed before the token's own bytes, so that the key can serve nothing else by accident.
const CONTEXT: &[u8] = b"basalt refresh token\0";
const SIGNED_BYTES: usize = 1 + 16 + 8;
const TOKEN_BYTES: usize = SIGNED_BYTES + 32;

/// Shortest text that is looked at. Source: supabase/auth `token_refresh.go`.
const SHORTEST: usize = 12;

/// What a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RefreshToken {
    /// Whose.
    pub session: Uuid,
    /// Which of that session's: the first is 0.
    pub counter: i64,
}

/// Why a text is no token of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotAToken {
    /// It does not have the form.
    Malformed,
    /// It has the form of a token, of the original's newer ones too, and is none of ours.
    NotOurs,
    /// It has the form of the original's older ones, which its database knows.
    Original,
}

/// Writes and reads tokens.
pub(crate) struct RefreshTokenKey(hmac::Key);

impl RefreshTokenKey {
    pub(crate) fn new(secret: &Secret) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes()))
    }

    /// The token as text.
    pub(crate) fn encode(&self, token: RefreshToken) -> String {
        let mut bytes = Vec::with_capacity(TOKEN_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(token.session.as_bytes());
        bytes.extend_from_slice(&token.counter.to_be_bytes());
        let tag = self.tag(&bytes);
        bytes.extend_from_slice(tag.as_ref());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a token, in constant time as far as the signature goes.
    ///
    /// # Errors
    /// Why it is none.
    pub(crate) fn decode(&self, text: &str) -> Result<RefreshToken, NotAToken> {
        if text.len() == SHORTEST && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
            return Err(NotAToken::Original);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotAToken::Malformed)?;
        if bytes.first() == Some(&0) && (38..=46).contains(&bytes.len()) {
            return Err(NotAToken::NotOurs); // the original's newer form
        }
        let (signed, tag) = bytes.split_at_checked(SIGNED_BYTES).ok_or(NotAToken::Malformed)?;
        let (Some((version, rest)), 32) = (signed.split_first(), tag.len()) else { return Err(NotAToken::Malformed) };
        let (session, counter) = rest.split_at_checked(16).ok_or(NotAToken::Malformed)?;
        let session = Uuid::from_slice(session).map_err(|_| NotAToken::Malformed)?;
        let counter = i64::from_be_bytes(counter.try_into().map_err(|_| NotAToken::Malformed)?);
        if *version != VERSION {
            return Err(NotAToken::Malformed);
        }
        let mut message = CONTEXT.to_vec();
        message.extend_from_slice(signed);
        hmac::verify(&self.0, &message, tag).map_err(|_| NotAToken::NotOurs)?;
        Ok(RefreshToken { session, counter })
    }

    fn tag(&self, signed: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(CONTEXT);
        context.update(signed);
        context.sign()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_cannot_be_changed() {
        let key = RefreshTokenKey::new(&Secret::new("k".repeat(32)));
        let token = RefreshToken { session: Uuid::from_u128(7), counter: 41 };
        let text = key.encode(token);
        assert_eq!(text, key.encode(token));
        assert_eq!(key.decode(&text), Ok(token));
        let bytes = URL_SAFE_NO_PAD.decode(&text).expect("our own");
        for at in 0..bytes.len() {
            let mut forged = bytes.clone();
            if let Some(byte) = forged.get_mut(at) {
                *byte ^= 1;
            }
            assert!(key.decode(&URL_SAFE_NO_PAD.encode(forged)).is_err(), "byte {at}");
        }
        assert_eq!(RefreshTokenKey::new(&Secret::new("l".repeat(32))).decode(&text), Err(NotAToken::NotOurs));
    }

    #[test]
    fn other_texts_are_malformed_or_not_ours() {
        let key = RefreshTokenKey::new(&Secret::new("k".repeat(32)));
        for text in ["", "x", "not base64!", "AAAA", "abcdefghijkL", &"A".repeat(500)] {
            assert_eq!(key.decode(text), Err(NotAToken::Malformed), "{text}");
        }
        assert_eq!(key.decode("abcdefghij12"), Err(NotAToken::Original));
        assert_eq!(key.decode(&URL_SAFE_NO_PAD.encode([0; 40])), Err(NotAToken::NotOurs));
    }
}
