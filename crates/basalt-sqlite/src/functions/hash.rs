//! Hashes, encodings, random bytes, passwords.

use aws_lc_rs::{digest, hmac};
use basalt_types::{SqlError, SqlState, Value};

use super::{Call, Row, refuse};

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

/// SHA-1, for name-based uuids.
pub(super) fn sha1(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec()
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |n: u8| char::from(DIGITS[usize::from(n & 15)]);
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(*b)]).collect()
}

/// MD5 (RFC 1321), which no maintained cryptography crate of ours has: for `md5()` only, never for secrets.
pub(super) fn md5(input: &[u8]) -> [u8; 16] {
    const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let mut state: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    let mut padded = input.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend_from_slice(&(input.len() as u64).wrapping_mul(8).to_le_bytes());
    for block in padded.chunks_exact(64) {
        let mut words = [0u32; 16];
        for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
            *word = bytes.iter().rev().fold(0, |n, b| (n << 8) | u32::from(*b));
        }
        let [mut a, mut b, mut c, mut d] = state;
        for i in 0..64usize {
            let (mixed, at) = match i / 16 {
                0 => ((b & c) | (!b & d), i),
                1 => ((d & b) | (!d & c), (5 * i + 1) % 16),
                2 => (b ^ c ^ d, (3 * i + 5) % 16),
                _ => (c ^ (b | !d), (7 * i) % 16),
            };
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            // the RFC's table: the integer part of 4294967296 times the sine
            let constant = ((i as f64 + 1.0).sin().abs() * 4_294_967_296.0) as u32;
            let sum = a.wrapping_add(mixed).wrapping_add(constant).wrapping_add(words[at]);
            (a, d, c, b) = (d, c, b, b.wrapping_add(sum.rotate_left(SHIFTS[i / 16][i % 4])));
        }
        for (total, part) in state.iter_mut().zip([a, b, c, d]) {
            *total = total.wrapping_add(part);
        }
    }
    let mut out = [0; 16];
    for (bytes, word) in out.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    out
}

fn sha(call: &Call<'_>, algorithm: &'static digest::Algorithm) -> Result<Value, SqlError> {
    Ok(Value::Blob(digest::digest(algorithm, call.bytes(0)).as_ref().to_vec()))
}

fn digest_of(call: &Call<'_>) -> Result<Value, SqlError> {
    let name = call.text(1).to_ascii_lowercase();
    let algorithm = match name.as_str() {
        "md5" => return Ok(Value::Blob(md5(call.bytes(0)).to_vec())),
        "sha1" => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        "sha224" => &digest::SHA224,
        "sha256" => &digest::SHA256,
        "sha384" => &digest::SHA384,
        "sha512" => &digest::SHA512,
        _ => return refuse(SqlState::INVALID_PARAMETER, format!("Cannot use \"{name}\": No such hash algorithm")),
    };
    sha(call, algorithm)
}

fn hmac_of(call: &Call<'_>) -> Result<Value, SqlError> {
    let name = call.text(2).to_ascii_lowercase();
    let algorithm = match name.as_str() {
        "sha1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        "sha224" => hmac::HMAC_SHA224,
        "sha256" => hmac::HMAC_SHA256,
        "sha384" => hmac::HMAC_SHA384,
        "sha512" => hmac::HMAC_SHA512,
        _ => return refuse(SqlState::INVALID_PARAMETER, format!("Cannot use \"{name}\": No such hash algorithm")),
    };
    let key = hmac::Key::new(algorithm, call.bytes(1));
    Ok(Value::Blob(hmac::sign(&key, call.bytes(0)).as_ref().to_vec()))
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// MIME's base64: lines of 76 characters.
fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 4 / 3 + 4);
    let mut column = 0;
    for chunk in bytes.chunks(3) {
        if column == 76 {
            out.push('\n');
            column = 0;
        }
        let n = chunk.iter().fold(0u32, |n, b| (n << 8) | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let at = usize::try_from((n >> (18 - 6 * i)) & 63).unwrap_or(0);
            out.push(if i <= chunk.len() { char::from(BASE64[at]) } else { '=' });
        }
        column += 4;
    }
    out
}

fn from_base64(text: &str) -> Result<Vec<u8>, SqlError> {
    let invalid = |c: char| {
        SqlError::new(SqlState::INVALID_PARAMETER, format!("invalid symbol \"{c}\" found while decoding base64 sequence"))
    };
    let mut out = Vec::new();
    let (mut n, mut digits, mut padding) = (0u32, 0, 0);
    for c in text.chars().filter(|c| !c.is_ascii_whitespace()) {
        if c == '=' {
            padding += 1;
            continue;
        }
        let value = BASE64.iter().position(|b| char::from(*b) == c).ok_or_else(|| invalid(c))?;
        if padding > 0 {
            return Err(SqlError::new(SqlState::INVALID_PARAMETER, "unexpected \"=\" while decoding base64 sequence"));
        }
        n = (n << 6) | u32::try_from(value).unwrap_or(0);
        digits += 1;
        if digits == 4 {
            out.extend_from_slice(&n.to_be_bytes()[1..]);
            (n, digits) = (0, 0);
        }
    }
    match (digits, padding) {
        (0, _) => {}
        (2, 2) => out.push((n >> 4) as u8),
        (3, 1) => out.extend_from_slice(&((n >> 2) as u16).to_be_bytes()),
        _ => {
            return Err(SqlError::new(SqlState::INVALID_PARAMETER, "invalid base64 end sequence")
                .hint("Input data is missing padding, is truncated, or is otherwise corrupted."));
        }
    }
    Ok(out)
}

fn encode(call: &Call<'_>) -> Result<Value, SqlError> {
    let bytes = call.bytes(0);
    Ok(Value::Text(match call.text(1).to_ascii_lowercase().as_str() {
        "hex" => hex(bytes),
        "base64" => base64(bytes),
        "escape" => {
            let mut out = String::new();
            for byte in bytes {
                match byte {
                    0 | 0x80.. => out.push_str(&format!("\\{byte:03o}")),
                    b'\\' => out.push_str("\\\\"),
                    other => out.push(char::from(*other)),
                }
            }
            out
        }
        other => return refuse(SqlState::INVALID_PARAMETER, format!("unrecognized encoding: \"{other}\"")),
    }))
}

fn decode(call: &Call<'_>) -> Result<Value, SqlError> {
    let text = call.text(0);
    Ok(Value::Blob(match call.text(1).to_ascii_lowercase().as_str() {
        "hex" => {
            let digits: Vec<char> = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            if !digits.len().is_multiple_of(2) {
                return refuse(SqlState::INVALID_PARAMETER, "invalid hexadecimal data: odd number of digits");
            }
            let mut out = Vec::with_capacity(digits.len() / 2);
            for pair in digits.chunks_exact(2) {
                let mut byte = 0;
                for c in pair {
                    let Some(digit) = c.to_digit(16) else {
                        return refuse(SqlState::INVALID_PARAMETER, format!("invalid hexadecimal digit: \"{c}\""));
                    };
                    byte = byte * 16 + digit;
                }
                out.push(u8::try_from(byte).unwrap_or(0));
            }
            out
        }
        "base64" => from_base64(text)?,
        "escape" => basalt_types::pg::parse_bytea(text)?,
        other => return refuse(SqlState::INVALID_PARAMETER, format!("unrecognized encoding: \"{other}\"")),
    }))
}

fn is_utf8(name: &str) -> bool {
    name.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>().eq_ignore_ascii_case("utf8")
}

fn convert_from(call: &Call<'_>) -> Result<Value, SqlError> {
    if !is_utf8(call.text(1)) {
        return Err(SqlError::unsupported(format!("the encoding {}", call.text(1))));
    }
    match std::str::from_utf8(call.bytes(0)) {
        Ok(text) if !text.contains('\0') => Ok(Value::from(text)),
        _ => refuse(SqlState::INVALID_ENCODING, "invalid byte sequence for encoding \"UTF8\""),
    }
}

fn convert_to(call: &Call<'_>) -> Result<Value, SqlError> {
    if !is_utf8(call.text(1)) {
        return Err(SqlError::unsupported(format!("the encoding {}", call.text(1))));
    }
    Ok(Value::Blob(call.bytes(0).to_vec()))
}

fn random_bytes(call: &Call<'_>) -> Result<Value, SqlError> {
    match usize::try_from(call.int(0)) {
        Ok(n @ 1..=1024) => {
            let mut bytes = vec![0; n];
            call.services.rng.fill(&mut bytes);
            Ok(Value::Blob(bytes))
        }
        _ => refuse(SqlState::new(b"39000"), "Length not in range"),
    }
}

/// bcrypt's own alphabet.
const BCRYPT: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

fn gen_salt(call: &Call<'_>) -> Result<Value, SqlError> {
    if call.text(0) != "bf" {
        return Err(SqlError::unsupported(format!("gen_salt('{}')", call.text(0))));
    }
    let cost = if call.len() > 1 { call.int(1) } else { 6 };
    if !(4..=31).contains(&cost) {
        return refuse(SqlState::INVALID_PARAMETER, "gen_salt: Incorrect number of rounds");
    }
    let mut bytes = [0; 16];
    call.services.rng.fill(&mut bytes);
    // 128 bits as 22 characters of six bits each; the last has two.
    let bits = u128::from_be_bytes(bytes);
    let salt: String = (0..22u32)
        .map(|i| {
            let shift = 122i64 - 6 * i64::from(i);
            let six = if shift >= 0 { bits >> shift } else { bits << -shift };
            char::from(BCRYPT[usize::try_from(six & 63).unwrap_or(0)])
        })
        .collect();
    Ok(Value::Text(format!("$2a${cost:02}${salt}")))
}

fn crypt(call: &Call<'_>) -> Result<Value, SqlError> {
    let (password, salt) = (call.text(0), call.text(1));
    let invalid = || SqlError::new(SqlState::INVALID_PARAMETER, "invalid salt");
    let mut parts = salt.splitn(4, '$').skip(1);
    let (Some("2a" | "2b" | "2y" | "2x"), Some(cost), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(SqlError::unsupported("crypt() with another algorithm than bf"));
    };
    let cost: u32 = cost.parse().map_err(|_| invalid())?;
    // Above that one call takes longer than a statement may.
    if !(4..=14).contains(&cost) {
        return Err(invalid());
    }
    let mut bits = 0u128;
    for c in rest.bytes().take(21) {
        let six = BCRYPT.iter().position(|b| *b == c).ok_or_else(invalid)?;
        bits = (bits << 6) | u128::try_from(six).unwrap_or(0);
    }
    let last = rest.as_bytes().get(21).copied().and_then(|c| BCRYPT.iter().position(|b| *b == c)).ok_or_else(invalid)?;
    bits = (bits << 2) | (u128::try_from(last).unwrap_or(0) >> 4);
    let parts = bcrypt::hash_with_salt(password.as_bytes(), cost, bits.to_be_bytes()).map_err(|_| invalid())?;
    let version = salt.get(..4).unwrap_or("$2a$");
    let hash = parts.to_string();
    Ok(Value::Text(format!("{version}{}", hash.get(4..).unwrap_or(""))))
}

pub(super) const TABLE: &[Row] = &[
    ("md5", |c| Ok(Value::Text(hex(&md5(c.bytes(0)))))),
    ("md5_bytea", |c| Ok(Value::Text(hex(&md5(c.bytes(0)))))),
    ("sha224", |c| sha(c, &digest::SHA224)),
    ("sha256", |c| sha(c, &digest::SHA256)),
    ("sha384", |c| sha(c, &digest::SHA384)),
    ("sha512", |c| sha(c, &digest::SHA512)),
    ("digest", digest_of),
    ("digest_text", digest_of),
    ("hmac", hmac_of),
    ("hmac_text", hmac_of),
    ("encode", encode),
    ("decode", decode),
    ("convert_to", convert_to),
    ("convert_from", convert_from),
    ("gen_random_bytes", random_bytes),
    ("gen_salt", gen_salt),
    ("crypt", crypt),
];
