//! Passwords: rules, hashes, and the threads that make them.
//!
//! New hashes are argon2id with their parameters inside; bcrypt hashes (the original's, and those of seeds made with `crypt()`)
//! and argon2 hashes with other parameters are accepted and replaced at the next sign-in.

mod hash;
mod pool;
mod rules;

pub(crate) use hash::{HashForm, StoredHash};
pub(crate) use pool::HashPool;
pub(crate) use rules::{check_length, check_strength};
