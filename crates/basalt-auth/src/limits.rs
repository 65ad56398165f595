//! Budgets: how often an address or an account may ask.
//!
//! **Per address.** Sign-ups, sign-ins and refreshes each have a budget per client address; IPv6 counts by /64, since that is what
//! one subscriber has.
//!
//! **Per account, without a way to lock somebody out.** Only wrong passwords cost something. They are counted twice: by account and
//! address together, so that one address cannot guess for long; and by account alone, so that many addresses together cannot
//! either. When the second budget is used up, strangers are refused, but an address the account has signed in from before still
//! has its own budget. So a flood of guesses from anywhere closes the door to strangers only. An account nobody has is counted in
//! the same way, so that an answer tells nothing about whether it exists.
//!
//! Memory is bounded: beyond [`MOST_ENTRIES`] the half of the entries that would have recovered first is forgotten.

use std::collections::HashMap;
use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use basalt_types::Timestamp;
use parking_lot::Mutex;

use crate::config::RateLimits;
use crate::error::AuthError;

/// Most budgets remembered: about 6 MB.
const MOST_ENTRIES: usize = 65_536;

const FIVE_MINUTES_US: i64 = 300 * 1_000_000;
const HOUR_US: i64 = 3600 * 1_000_000;
/// How long an address stays known to an account after a sign-in, in this process; sessions in the database count besides.
const FAMILIAR_US: i64 = 30 * 24 * HOUR_US;

/// A client's address as budgets see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct AddressKey([u8; 16]);

impl AddressKey {
    /// IPv4 as it is (mapped into IPv6 or not), IPv6 by its first 64 bits.
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(v4.to_ipv6_mapped().octets()),
            IpAddr::V6(v6) => Self((u128::from(v6) & !u128::from(u64::MAX)).to_be_bytes()),
        }
    }
}

/// An account as budgets see it: a digest of its address, whether it exists or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct AccountKey([u8; 16]);

impl AccountKey {
    pub(crate) fn of(email: &str) -> Self {
        let mut key = [0; 16];
        for (to, from) in key.iter_mut().zip(digest(&SHA256, email.to_lowercase().as_bytes()).as_ref()) {
            *to = *from;
        }
        Self(key)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    SignUp(AddressKey),
    SignIn(AddressKey),
    Refresh(AddressKey),
    FailureHere(AccountKey, AddressKey),
    Failure(AccountKey),
    Familiar(AccountKey, AddressKey),
}

/// What a sign-in may do before its password is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignIn {
    /// Go on.
    Open,
    /// Only if the account has signed in from this address before.
    OnlyKnownAddress,
}

/// All budgets of one server.
pub(crate) struct Limiter {
    limits: RateLimits,
    /// Key to the time at which its budget is whole again, microseconds since 1970 (the generic cell rate algorithm).
    whole_at: Mutex<HashMap<Key, i64>>,
}

impl Limiter {
    pub(crate) fn new(limits: RateLimits) -> Self {
        Self { limits, whole_at: Mutex::default() }
    }

    /// # Errors
    /// `RateLimited`.
    pub(crate) fn sign_up(&self, address: IpAddr, now: Timestamp) -> Result<(), AuthError> {
        self.per_address(address, Key::SignUp, self.limits.sign_ups, now)
    }

    /// # Errors
    /// `RateLimited`.
    pub(crate) fn refresh(&self, address: IpAddr, now: Timestamp) -> Result<(), AuthError> {
        self.per_address(address, Key::Refresh, self.limits.token_refreshes, now)
    }

    /// Before a sign-in: takes from the address's budget, looks at the account's.
    ///
    /// # Errors
    /// `RateLimited`.
    pub(crate) fn sign_in(&self, account: AccountKey, address: IpAddr, now: Timestamp) -> Result<SignIn, AuthError> {
        self.per_address(address, Key::SignIn, self.limits.sign_ins, now)?;
        let here = AddressKey::of(address);
        let entries = self.whole_at.lock();
        let has_left = |key: &Key, burst: u32, window_us: i64| {
            entries.get(key).is_none_or(|whole_at| budget(*whole_at, burst, window_us, now).is_some())
        };
        if !has_left(&Key::FailureHere(account, here), self.limits.failures_per_account_and_address, FIVE_MINUTES_US) {
            return Err(AuthError::RateLimited);
        }
        let is_familiar = entries.get(&Key::Familiar(account, here)).is_some_and(|until| *until > now.0);
        if is_familiar || has_left(&Key::Failure(account), self.limits.failures_per_account, HOUR_US) {
            return Ok(SignIn::Open);
        }
        Ok(SignIn::OnlyKnownAddress)
    }

    /// After a wrong password. A known address has its own budget only: it does not use up that of strangers.
    pub(crate) fn sign_in_failed(&self, account: AccountKey, address: IpAddr, now: Timestamp) {
        let here = AddressKey::of(address);
        let mut entries = self.whole_at.lock();
        let _ = take(
            &mut entries,
            Key::FailureHere(account, here),
            self.limits.failures_per_account_and_address,
            FIVE_MINUTES_US,
            now,
        );
        if entries.get(&Key::Familiar(account, here)).is_none_or(|until| *until <= now.0) {
            let _ = take(&mut entries, Key::Failure(account), self.limits.failures_per_account, HOUR_US, now);
        }
    }

    /// After a right password: the address is known from now on.
    pub(crate) fn sign_in_succeeded(&self, account: AccountKey, address: IpAddr, now: Timestamp) {
        let mut entries = self.whole_at.lock();
        make_room(&mut entries, now);
        entries.insert(Key::Familiar(account, AddressKey::of(address)), now.0.saturating_add(FAMILIAR_US));
    }

    /// Before a signed-in user's new password is compared with the old one: with a stolen token that would be a way to guess it.
    ///
    /// # Errors
    /// `RateLimited`.
    pub(crate) fn password_change(&self, user: &str, address: IpAddr, now: Timestamp) -> Result<(), AuthError> {
        let key = Key::FailureHere(AccountKey::of(user), AddressKey::of(address));
        let burst = self.limits.failures_per_account_and_address;
        if take(&mut self.whole_at.lock(), key, burst, FIVE_MINUTES_US, now) { Ok(()) } else { Err(AuthError::RateLimited) }
    }

    fn per_address(&self, address: IpAddr, key: fn(AddressKey) -> Key, burst: u32, now: Timestamp) -> Result<(), AuthError> {
        if address.to_canonical().is_loopback() && !self.limits.counts_loopback {
            return Ok(());
        }
        let mut entries = self.whole_at.lock();
        if take(&mut entries, key(AddressKey::of(address)), burst, FIVE_MINUTES_US, now) {
            Ok(())
        } else {
            Err(AuthError::RateLimited)
        }
    }
}

/// The new time of being whole after one more request; `None` when the budget is used up.
fn budget(whole_at: i64, burst: u32, window_us: i64, now: Timestamp) -> Option<i64> {
    let step = window_us / i64::from(burst.max(1));
    let next = whole_at.max(now.0).saturating_add(step);
    (burst > 0 && next.saturating_sub(now.0) <= window_us).then_some(next)
}

fn take(entries: &mut HashMap<Key, i64>, key: Key, burst: u32, window_us: i64, now: Timestamp) -> bool {
    make_room(entries, now);
    let whole_at = entries.entry(key).or_insert(now.0);
    match budget(*whole_at, burst, window_us, now) {
        Some(next) => {
            *whole_at = next;
            true
        }
        None => false,
    }
}

fn make_room(entries: &mut HashMap<Key, i64>, now: Timestamp) {
    if entries.len() < MOST_ENTRIES {
        return;
    }
    entries.retain(|_, whole_at| *whole_at > now.0);
    if entries.len() < MOST_ENTRIES / 2 {
        return;
    }
    let mut times: Vec<i64> = entries.values().copied().collect();
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    let median = *median;
    entries.retain(|_, whole_at| *whole_at > median);
}

#[cfg(test)]
mod tests;
