use super::*;

const NOW: Timestamp = Timestamp(1_767_225_600_000_000);

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn limiter() -> Limiter {
    Limiter::new(RateLimits {
        sign_ups: 3,
        sign_ins: 1000,
        failures_per_account_and_address: 5,
        failures_per_account: 20,
        ..RateLimits::default()
    })
}

#[test]
fn an_address_has_its_budget_and_gets_it_back() {
    let limiter = limiter();
    let a = ip("203.0.113.1");
    for _ in 0..3 {
        assert_eq!(limiter.sign_up(a, NOW), Ok(()));
    }
    assert_eq!(limiter.sign_up(a, NOW), Err(AuthError::RateLimited));
    assert_eq!(limiter.sign_up(ip("203.0.113.2"), NOW), Ok(()));
    assert_eq!(limiter.sign_up(a, NOW.plus_s(99)), Err(AuthError::RateLimited));
    assert_eq!(limiter.sign_up(a, NOW.plus_s(100)), Ok(()));
    assert_eq!(limiter.sign_up(a, NOW.plus_s(100)), Err(AuthError::RateLimited));
    for _ in 0..3 {
        assert_eq!(limiter.sign_up(a, NOW.plus_s(1000)), Ok(()));
    }
}

#[test]
fn ipv6_counts_by_subscriber_and_mapped_ipv4_by_address() {
    let same = |a: &str, b: &str| AddressKey::of(ip(a)) == AddressKey::of(ip(b));
    assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"));
    assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
    assert!(same("203.0.113.1", "::ffff:203.0.113.1"));
    assert!(!same("::ffff:203.0.113.1", "::ffff:203.0.113.2"));
}

#[test]
fn loopback_is_counted_only_on_request() {
    let limiter = limiter();
    assert!((0..100).all(|_| limiter.sign_up(ip("127.0.0.1"), NOW).is_ok()));
    assert!((0..100).all(|_| limiter.sign_up(ip("::1"), NOW).is_ok()));
    let strict = Limiter::new(RateLimits { sign_ups: 1, counts_loopback: true, ..RateLimits::default() });
    assert!(strict.sign_up(ip("::1"), NOW).is_ok());
    assert!(strict.sign_up(ip("::1"), NOW).is_err());
}

#[test]
fn one_address_cannot_guess_for_long() {
    let limiter = limiter();
    let account = AccountKey::of("Ann@Example.com");
    let stranger = ip("198.51.100.7");
    for _ in 0..5 {
        assert_eq!(limiter.sign_in(account, stranger, NOW), Ok(SignIn::Open));
        limiter.sign_in_failed(account, stranger, NOW);
    }
    assert_eq!(limiter.sign_in(account, stranger, NOW), Err(AuthError::RateLimited));
    assert_eq!(limiter.sign_in(AccountKey::of("ann@example.com"), stranger, NOW), Err(AuthError::RateLimited));
    assert_eq!(limiter.sign_in(AccountKey::of("bob@example.com"), stranger, NOW), Ok(SignIn::Open));
    assert_eq!(limiter.sign_in(account, ip("198.51.100.8"), NOW), Ok(SignIn::Open));
}

#[test]
fn strangers_close_the_door_to_strangers_only() {
    let limiter = limiter();
    let account = AccountKey::of("ann@example.com");
    let home = ip("203.0.113.9");
    limiter.sign_in_succeeded(account, home, NOW);
    for n in 0..40u8 {
        limiter.sign_in_failed(account, IpAddr::from([198, 51, 100, n]), NOW);
    }
    assert_eq!(limiter.sign_in(account, ip("192.0.2.1"), NOW), Ok(SignIn::OnlyKnownAddress));
    assert_eq!(limiter.sign_in(account, home, NOW), Ok(SignIn::Open));
    assert_eq!(limiter.sign_in(account, ip("192.0.2.1"), NOW.plus_s(3600)), Ok(SignIn::Open));
}

#[test]
fn memory_is_bounded() {
    let limiter = limiter();
    for n in 0..(MOST_ENTRIES as u32 + 1000) {
        let _ = limiter.sign_up(IpAddr::from(n.to_be_bytes()), NOW);
    }
    assert!(limiter.whole_at.lock().len() <= MOST_ENTRIES);
}
