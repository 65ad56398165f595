//! Who the headers that were seen before speak for, so that most requests need no digest of their tokens.
//!
//! Its safety is that of the comparison, not of the hash: a hash only finds the place, then all bytes of key and token are compared
//! with those that were verified, in constant time. The hash is seeded at random for each table, so that a client can neither aim at
//! a place nor learn from the time taken how far a guess was right: the bytes are looked at only when all 64 bits agree. What
//! expires is checked at each use, and nothing is found under another owner than it was kept for.

use std::hash::{BuildHasher as _, Hasher as _};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use basalt_types::Timestamp;
use foldhash::fast::RandomState;

use crate::verify::Times;

/// Places of a table. Two that want the same place take it from each other: a token then costs its digest again.
const PLACES: usize = 256;

/// Longest pair of key and token that is kept, bytes.
const LONGEST_BYTES: usize = 8 * 1024;

/// A bounded table of verified headers and what they stand for. Each thread has its own, so that it needs no lock.
#[derive(Debug)]
pub struct Known<T> {
    seed: RandomState,
    places: Vec<Option<Kept<T>>>,
}

struct Kept<T> {
    hash: u64,
    owner: u64,
    key: Box<[u8]>,
    authorization: Option<Box<[u8]>>,
    times: [Times; 2],
    value: T,
}

impl<T> std::fmt::Debug for Kept<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither keys nor tokens belong in a log.
        f.debug_struct("Kept").field("owner", &self.owner).finish_non_exhaustive()
    }
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self { seed: RandomState::default(), places: Vec::new() }
    }
}

impl<T> Known<T> {
    /// What was kept for these headers, when the tokens in them are still good. `owner` stands for keys and settings: a number that
    /// is never used for others.
    pub fn find(&self, owner: u64, key: &[u8], authorization: Option<&[u8]>, now: Timestamp) -> Option<&T> {
        let hash = self.hash(owner, key, authorization);
        let kept = self.places.get(place(hash))?.as_ref()?;
        if kept.hash != hash || kept.owner != owner {
            return None;
        }
        let same_token = match (&kept.authorization, authorization) {
            (None, None) => true,
            (Some(kept), Some(given)) => verify_slices_are_equal(kept, given).is_ok(),
            _ => false,
        };
        let same = verify_slices_are_equal(&kept.key, key).is_ok() & same_token;
        (same && kept.times.iter().all(|times| times.check(now).is_ok())).then_some(&kept.value)
    }

    /// Keeps what headers stand for that have just been verified, with the times of the tokens in them.
    pub fn keep(&mut self, owner: u64, key: &[u8], authorization: Option<&[u8]>, times: [Times; 2], value: T) {
        if key.len() + authorization.map_or(0, <[u8]>::len) > LONGEST_BYTES {
            return;
        }
        let hash = self.hash(owner, key, authorization);
        if self.places.is_empty() {
            self.places.resize_with(PLACES, || None);
        }
        if let Some(slot) = self.places.get_mut(place(hash)) {
            *slot = Some(Kept { hash, owner, key: key.into(), authorization: authorization.map(Into::into), times, value });
        }
    }

    fn hash(&self, owner: u64, key: &[u8], authorization: Option<&[u8]>) -> u64 {
        let mut hasher = self.seed.build_hasher();
        hasher.write_u64(owner);
        hasher.write_usize(key.len());
        hasher.write(key);
        hasher.write(authorization.unwrap_or_default());
        hasher.finish()
    }
}

fn place(hash: u64) -> usize {
    usize::try_from(hash >> 32).unwrap_or(0) % PLACES
}

#[cfg(test)]
mod tests {
    use basalt_types::Claims;
    use serde_json::json;

    use super::*;

    fn times(claims: serde_json::Value) -> Times {
        let serde_json::Value::Object(map) = claims else { panic!("an object") };
        Times::of(&Claims::new(map)).expect("times")
    }

    #[test]
    fn finds_only_the_same_bytes_of_the_same_owner() {
        let mut known = Known::default();
        let now = Timestamp::from_unix_s(1_000);
        let forever = [Times::default(); 2];
        known.keep(1, b"key", Some(b"Bearer a"), forever, "a");
        known.keep(1, b"key", None, forever, "key alone");
        assert_eq!(known.find(1, b"key", Some(b"Bearer a"), now), Some(&"a"));
        assert_eq!(known.find(1, b"key", None, now), Some(&"key alone"));
        for (owner, key, authorization) in [
            (2, &b"key"[..], Some(&b"Bearer a"[..])),
            (1, b"kez", Some(b"Bearer a")),
            (1, b"key", Some(b"Bearer b")),
            (1, b"key", Some(b"")),
            (1, b"keyB", Some(b"earer a")),
            (1, b"", None),
        ] {
            assert_eq!(known.find(owner, key, authorization, now), None);
        }
    }

    #[test]
    fn a_kept_token_expires_like_any_other() {
        let mut known = Known::default();
        let times = [times(json!({"exp": 1_000})), times(json!({"nbf": 500}))];
        known.keep(1, b"key", Some(b"t"), times, ());
        for (now, found) in [(469, false), (470, true), (1_030, true), (1_031, false), (1_000, true)] {
            assert_eq!(known.find(1, b"key", Some(b"t"), Timestamp::from_unix_s(now)).is_some(), found, "{now}");
        }
    }

    #[test]
    fn stays_bounded() {
        let mut known = Known::default();
        for n in 0..10 * PLACES {
            known.keep(1, n.to_string().as_bytes(), None, [Times::default(); 2], n);
        }
        assert_eq!(known.places.len(), PLACES);
        known.keep(1, &vec![b'x'; LONGEST_BYTES + 1], None, [Times::default(); 2], 0);
        assert!(known.find(1, &vec![b'x'; LONGEST_BYTES + 1], None, Timestamp(0)).is_none());
    }
}
