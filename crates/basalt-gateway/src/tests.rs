use std::net::IpAddr;

use basalt_token::{Keys, Verifier, keys::sign_hs256};
use basalt_types::{Clock as _, SystemClock, SystemRng, Timestamp};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use crate::identity::{Refused, identify};
use crate::route::{self, Health, Route};
use crate::{Network, hosts, site};

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn networks() {
    for (network, address, inside) in [
        ("10.0.0.0/8", "10.255.0.1", true),
        ("10.0.0.0/8", "11.0.0.1", false),
        ("0.0.0.0/0", "8.8.8.8", true),
        ("192.0.2.7", "192.0.2.7", true),
        ("192.0.2.7", "192.0.2.8", false),
        ("192.0.2.0/24", "::ffff:192.0.2.9", true),
        ("2001:db8::/32", "2001:db8:1::1", true),
        ("2001:db8::/32", "2001:db9::1", false),
        ("::/0", "10.0.0.1", false),
    ] {
        let parsed = Network::parse(network).expect("a network");
        assert_eq!(parsed.contains(ip(address)), inside, "{network} {address}");
    }
    for wrong in ["", "10.0.0.0/33", "::1/129", "example.com", "10.0.0.0/x"] {
        assert!(Network::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn routes() {
    for (path, expected) in [
        ("/rest/v1", Route::Rest),
        ("/rest/v1/films", Route::Rest),
        ("/rest/v10", Route::Site),
        ("/auth/v1/token", Route::Auth),
        ("/storage/v1/bucket", Route::NotServed),
        ("/health", Route::Health(Health::Ready)),
        ("/health/live", Route::Health(Health::Live)),
        ("/metrics", Route::Metrics),
        ("/", Route::Site),
        ("/pgx", Route::Site),
    ] {
        assert_eq!(route::of(path).0, expected, "{path}");
    }
    for (i, route) in Route::ALL.iter().enumerate() {
        assert_eq!(route.index(), i);
    }
}

#[test]
fn own_pages_answer_to_own_names_only() {
    let allowed = ["app.test".to_owned()];
    for (host, ours) in [
        (Some("127.0.0.1:54321"), true),
        (Some("[::1]:54321"), true),
        (Some("localhost:1"), true),
        (Some("a.localhost"), true),
        (Some("api.example.com"), true),
        (Some("APP.test:80"), true),
        (Some("evil.example"), false),
        (Some("localhost.evil.example"), false),
        (Some("127.0.0.1.evil.example"), false),
        (None, false),
    ] {
        assert_eq!(hosts::is_ours(host, "https://api.example.com", &allowed), ours, "{host:?}");
    }
}

#[test]
fn site_paths_stay_inside() {
    for (path, safe) in [
        ("/app.js", Some("app.js")),
        ("/a/b.css", Some("a/b.css")),
        ("/", Some("")),
        ("/../secrets", None),
        ("/a/../../x", None),
        ("/%2e%2e/x", None),
        ("/..%2fx", None),
        ("/.basalt/secrets", None),
        ("/.git/config", None),
        ("/a%00b", None),
        ("/a\\..\\b", None),
        ("/%ff", None),
        ("/.well-known/x", Some(".well-known/x")),
        ("//etc/passwd", Some("etc/passwd")),
    ] {
        assert_eq!(site::safe_path(path).as_deref(), safe.map(std::path::Path::new), "{path}");
    }
}

struct Ring {
    keys: Keys,
    verifier: Verifier,
    now: Timestamp,
}

impl Ring {
    fn new() -> Self {
        let now = SystemClock.now();
        let keys = Keys::generate(&SystemRng, now);
        Self { verifier: Verifier::new(&keys.jwt_secret, None), keys, now }
    }

    fn token(&self, claims: &serde_json::Value) -> String {
        sign_hs256(claims, &self.keys.jwt_secret)
    }

    /// The role the headers speak for, or why they do not come in.
    fn role(&self, headers: &[(&'static str, String)]) -> Result<String, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"));
        }
        match identify(&map, None, &self.keys, &self.verifier, self.now) {
            Ok(identity) => identity.session().map(|s| s.role.as_str().to_owned()).map_err(|e| format!("{e:?}")),
            Err(refused) => Err(format!("{refused:?}")),
        }
    }
}

#[test]
fn whom_headers_speak_for() {
    let ring = Ring::new();
    let keys = &ring.keys;
    let anon = keys.anon.reveal().to_owned();
    let service = keys.service_role.reveal().to_owned();
    let publishable = keys.publishable.reveal().to_owned();
    let secret = keys.secret.reveal().to_owned();
    let user = ring.token(&json!({"role": "authenticated", "sub": "x"}));
    let bearer = |token: &str| format!("Bearer {token}");
    let browser = ("user-agent", "Mozilla/5.0 (X11)".to_owned());
    let ok = |role: &str| Ok(role.to_owned());
    let no = |refused: Refused| Err(format!("{refused:?}"));
    let forged = sign_hs256(&json!({"role": "service_role"}), &basalt_types::Secret::new("not the project's secret, but long"));
    let expired = ring.token(&json!({"role": "authenticated", "exp": 1}));
    type Case = (&'static str, Vec<(&'static str, String)>, Result<String, String>);
    let cases: Vec<Case> = vec![
        ("nothing", vec![], no(Refused::NoKey)),
        ("legacy anon", vec![("apikey", anon.clone())], ok("anon")),
        ("legacy service", vec![("apikey", service.clone())], ok("service_role")),
        ("publishable", vec![("apikey", publishable.clone())], ok("anon")),
        ("secret", vec![("apikey", secret.clone())], ok("service_role")),
        ("secret as bearer", vec![("authorization", bearer(&secret))], ok("service_role")),
        ("both opaque: the key decides", vec![("apikey", publishable.clone()), ("authorization", bearer(&secret))], ok("anon")),
        ("user with key", vec![("apikey", publishable.clone()), ("authorization", bearer(&user))], ok("authenticated")),
        ("user without key", vec![("authorization", bearer(&user))], ok("authenticated")),
        (
            "user beside a secret key stays the user",
            vec![("apikey", secret.clone()), ("authorization", bearer(&user))],
            ok("authenticated"),
        ),
        ("lower-case scheme", vec![("authorization", format!("bearer {user}"))], ok("authenticated")),
        ("empty bearer", vec![("apikey", anon.clone()), ("authorization", "Bearer ".into())], Err("Empty".into())),
        ("forged", vec![("apikey", anon.clone()), ("authorization", bearer(&forged))], Err("Key".into())),
        ("forged as key", vec![("apikey", forged)], no(Refused::BadKey)),
        ("expired", vec![("apikey", anon), ("authorization", bearer(&expired))], Err("Expired".into())),
        ("unknown opaque", vec![("apikey", "sb_secret_x".into())], no(Refused::BadKey)),
        ("unknown opaque bearer", vec![("authorization", bearer("sb_publishable_x"))], no(Refused::BadKey)),
        ("secret from a browser", vec![("apikey", secret.clone()), browser.clone()], no(Refused::SecretInBrowser)),
        ("secret bearer from a browser", vec![("authorization", bearer(&secret)), browser.clone()], no(Refused::SecretInBrowser)),
        ("publishable from a browser", vec![("apikey", publishable), browser], ok("anon")),
        ("basic", vec![("authorization", "Basic eDp5".into())], no(Refused::NoKey)),
    ];
    for (name, headers, expected) in cases {
        assert_eq!(ring.role(&headers), expected, "{name}");
    }
}
