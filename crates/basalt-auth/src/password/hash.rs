//! Stored password hashes.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::config::Hashing;

/// Most memory a stored hash may ask for, KiB. Hashes made elsewhere bring their own parameters.
const MOST_MEMORY_KIB: u32 = 64 * 1024;
/// Most passes a stored hash may ask for.
const MOST_ITERATIONS: u32 = 16;
/// Most lanes a stored hash may ask for.
const MOST_LANES: u32 = 16;
/// Highest bcrypt cost that is computed: about two seconds.
const HIGHEST_COST: u32 = 15;
/// bcrypt looks at no more bytes than these.
const BCRYPT_BYTES: usize = 72;

const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// A hash that can be computed within bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoredHash {
    /// bcrypt, as text.
    Bcrypt(String),
    /// argon2i or argon2id.
    Argon2(Argon2Hash),
}

/// The parts of an argon2 hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Argon2Hash {
    is_id: bool,
    memory_kib: u32,
    iterations: u32,
    lanes: u32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

/// What [`StoredHash::parse`] says of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HashForm {
    /// Usable.
    Good(StoredHash),
    /// No hash of a known form.
    Unknown,
    /// A known form, with more work than is done here.
    TooCostly,
}

impl StoredHash {
    /// Reads a stored hash: `$2a$`, `$2b$`, `$2y$`, `$argon2id$`, `$argon2i$`.
    pub(crate) fn parse(text: &str) -> HashForm {
        if let Some(rest) = text.strip_prefix("$2a$").or_else(|| text.strip_prefix("$2b$")).or_else(|| text.strip_prefix("$2y$"))
        {
            let cost = rest.split_once('$').filter(|(cost, body)| cost.len() == 2 && body.len() == 53);
            let is_radix64 = |body: &str| body.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'/');
            return match cost.filter(|(_, body)| is_radix64(body)).and_then(|(cost, _)| cost.parse::<u32>().ok()) {
                Some(cost) if cost > HIGHEST_COST => HashForm::TooCostly,
                Some(4..) => HashForm::Good(Self::Bcrypt(text.to_owned())),
                _ => HashForm::Unknown,
            };
        }
        match Argon2Hash::parse(text) {
            None => HashForm::Unknown,
            Some(hash) if hash.memory_kib > MOST_MEMORY_KIB || hash.iterations > MOST_ITERATIONS || hash.lanes > MOST_LANES => {
                HashForm::TooCostly
            }
            Some(hash) => HashForm::Good(Self::Argon2(hash)),
        }
    }

    /// Whether the password is the one that was hashed. Takes as long when it is not.
    pub(crate) fn verify(&self, password: &[u8], memory: &mut Vec<Block>) -> bool {
        match self {
            Self::Bcrypt(text) => {
                // The original refuses longer passwords when they are set, so a longer one cannot be right.
                let fits = password.len() <= BCRYPT_BYTES;
                let seen = password.get(..BCRYPT_BYTES).unwrap_or(password);
                bcrypt::verify(seen, text).unwrap_or(false) && fits
            }
            Self::Argon2(stored) => stored
                .compute(password, stored.hash.len(), memory)
                .is_some_and(|computed| verify_slices_are_equal(&computed, &stored.hash).is_ok()),
        }
    }

    /// Whether this is what a new hash would be.
    pub(crate) fn is_current(&self, hashing: &Hashing) -> bool {
        matches!(self, Self::Argon2(h) if h.is_id
            && (h.memory_kib, h.iterations, h.lanes) == (hashing.memory_kib, hashing.iterations, hashing.parallelism)
            && h.hash.len() == HASH_BYTES)
    }
}

impl Argon2Hash {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('$');
        let (empty, algorithm, version, params, salt, hash) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if !empty.is_empty() || version != "v=19" || parts.next().is_some() {
            return None;
        }
        let is_id = match algorithm {
            "argon2id" => true,
            "argon2i" => false,
            _ => return None,
        };
        let mut values = [0u32; 3];
        let mut fields = params.split(',');
        for (value, name) in values.iter_mut().zip(["m=", "t=", "p="]) {
            *value = fields.next()?.strip_prefix(name)?.parse().ok()?;
        }
        let [memory_kib, iterations, lanes] = values;
        let salt = STANDARD_NO_PAD.decode(salt).ok()?;
        let hash = STANDARD_NO_PAD.decode(hash).ok()?;
        let is_sound = fields.next().is_none() && (8..=64).contains(&salt.len()) && (16..=64).contains(&hash.len());
        let parsed = Self { is_id, memory_kib, iterations, lanes, salt, hash };
        (is_sound && parsed.params(parsed.hash.len()).is_some()).then_some(parsed)
    }

    fn params(&self, length: usize) -> Option<Params> {
        Params::new(self.memory_kib, self.iterations, self.lanes, Some(length)).ok()
    }

    fn compute(&self, password: &[u8], length: usize, memory: &mut Vec<Block>) -> Option<Vec<u8>> {
        let params = self.params(length)?;
        if memory.len() < params.block_count() {
            memory.resize(params.block_count(), Block::new());
        }
        let algorithm = if self.is_id { Algorithm::Argon2id } else { Algorithm::Argon2i };
        let mut out = vec![0; length];
        Argon2::new(algorithm, Version::V0x13, params)
            .hash_password_into_with_memory(password, &self.salt, &mut out, memory.as_mut_slice())
            .ok()?;
        Some(out)
    }

    fn to_text(&self) -> String {
        let name = if self.is_id { "argon2id" } else { "argon2i" };
        let (salt, hash) = (STANDARD_NO_PAD.encode(&self.salt), STANDARD_NO_PAD.encode(&self.hash));
        format!("${name}$v=19$m={},t={},p={}${salt}${hash}", self.memory_kib, self.iterations, self.lanes)
    }
}

/// A new hash as text; `None` when the project's parameters are not argon2's.
pub(crate) fn new_hash(password: &[u8], salt: [u8; SALT_BYTES], hashing: &Hashing, memory: &mut Vec<Block>) -> Option<String> {
    let mut hash = Argon2Hash {
        is_id: true,
        memory_kib: hashing.memory_kib,
        iterations: hashing.iterations,
        lanes: hashing.parallelism,
        salt: salt.to_vec(),
        hash: Vec::new(),
    };
    hash.hash = hash.compute(password, HASH_BYTES, memory)?;
    Some(hash.to_text())
}

/// A hash of today's kind that no password has: what an unknown user costs.
pub(crate) fn dummy(hashing: &Hashing) -> StoredHash {
    StoredHash::Argon2(Argon2Hash {
        is_id: true,
        memory_kib: hashing.memory_kib,
        iterations: hashing.iterations,
        lanes: hashing.parallelism,
        salt: vec![0x5a; SALT_BYTES],
        hash: vec![0; HASH_BYTES],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Hashing = Hashing { memory_kib: 8, iterations: 1, parallelism: 1, threads: 1, queue: 1 };

    fn good(text: &str) -> StoredHash {
        match StoredHash::parse(text) {
            HashForm::Good(hash) => hash,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_new_hash_verifies_its_password_alone() {
        let mut memory = Vec::new();
        let text = new_hash(b"secret", [1; 16], &CHEAP, &mut memory).expect("parameters are good");
        assert!(text.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{text}");
        let hash = good(&text);
        assert!(hash.verify(b"secret", &mut memory));
        assert!(!hash.verify(b"secret ", &mut memory));
        assert!(!hash.verify(b"", &mut memory));
        assert!(hash.is_current(&CHEAP));
        assert!(!hash.is_current(&Hashing { iterations: 2, ..CHEAP }));
        assert!(!dummy(&CHEAP).verify(b"secret", &mut memory));
    }

    /// Hashes made by other programs: argon2 (the reference's command line tool), bcrypt (PostgreSQL's pgcrypto, Go, PHP).
    #[test]
    fn hashes_of_others_verify() {
        let mut memory = Vec::new();
        let bcrypt = bcrypt::hash("password", 4).expect("a hash");
        for prefix in ["$2a$", "$2b$", "$2y$"] {
            let hash = good(&bcrypt.replacen("$2b$", prefix, 1));
            assert!(hash.verify(b"password", &mut memory));
            assert!(!hash.verify(b"Password", &mut memory));
            assert!(!hash.is_current(&CHEAP));
        }
        let long = bcrypt::hash("a".repeat(72), 4).expect("a hash");
        assert!(good(&long).verify("a".repeat(72).as_bytes(), &mut memory));
        assert!(!good(&long).verify("a".repeat(73).as_bytes(), &mut memory));
    }

    #[test]
    fn what_is_no_hash_or_too_much_work_is_told_apart() {
        for text in [
            "",
            "x",
            "$1$abc",
            "$2b$10$short",
            "$argon2id$v=16$m=8,t=1,p=1$AAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=8,t=1$AAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(StoredHash::parse(text), HashForm::Unknown, "{text}");
        }
        let body = "a".repeat(53);
        assert_eq!(StoredHash::parse(&format!("$2b$31${body}")), HashForm::TooCostly);
        assert_eq!(
            StoredHash::parse("$argon2id$v=19$m=1048576,t=1,p=1$AAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA"),
            HashForm::TooCostly
        );
    }
}
