//! What people try who should not: more rights than given, others' accounts, knowledge about who has one.

use basalt_auth::{AuthConfig, RateLimits};
use basalt_token::ApiKeyRole;
use basalt_types::Value;
use serde_json::json;

use crate::server::{Ask, PASSWORD, Reply, STRANGER, Server, claims, config, service_token, signed};

#[test]
fn users_cannot_give_themselves_rights() {
    let server = Server::start(config());
    let greedy = json!({
        "email": "eve@example.com", "password": PASSWORD, "role": "service_role", "aud": "admin", "is_super_admin": true,
        "id": "6b1f7a3e-7c68-4b56-9d2f-0c8a5e4d3b21", "app_metadata": {"plan": "pro"}, "raw_app_meta_data": {"plan": "pro"},
        "email_confirm": true, "banned_until": null, "is_anonymous": true, "is_sso_user": true,
        "data": {"role": "service_role", "app_metadata": {"plan": "pro"}, "sub": "x", "email": "ann@example.com"},
    });
    let up = server.ask(Ask::new("POST", "/signup").json(greedy));
    assert_eq!(up.status, 200, "{}", up.text);
    let token = up.text_at("/access_token");
    let seen = claims(&token);
    assert_eq!((&seen["role"], &seen["aud"]), (&json!("authenticated"), &json!("authenticated")));
    assert_eq!(seen["app_metadata"], json!({"provider": "email", "providers": ["email"]}));
    assert_eq!(up.json()["user"]["is_anonymous"], false);
    assert_ne!(up.text_at("/user/id"), "6b1f7a3e-7c68-4b56-9d2f-0c8a5e4d3b21");
    let identity = up.json()["user"]["identities"][0]["identity_data"].clone();
    assert_eq!((&identity["sub"], &identity["email"]), (&up.json()["user"]["id"], &json!("eve@example.com")));

    let put = |body| server.ask(Ask::new("PUT", "/user").bearer(&token).json(body));
    assert_eq!(put(json!({"app_metadata": {"plan": "pro"}})).code(), (403, "not_admin".into()));
    let same =
        put(json!({"role": "service_role", "aud": "x", "banned_until": "x", "email_confirmed_at": null, "is_super_admin": true}));
    assert_eq!((same.status, same.text_at("/role"), same.text_at("/aud")), (200, "authenticated".into(), "authenticated".into()));
    let fresh = server.refresh(&up.text_at("/refresh_token")).text_at("/access_token");
    assert_eq!(claims(&fresh)["role"], "authenticated");
}

#[test]
fn admin_endpoints_are_for_admins() {
    let server = Server::start(config());
    let up = server.sign_up("eve@example.com");
    let id = up.text_at("/user/id");
    let path = format!("/admin/users/{id}");
    let token = up.text_at("/access_token");
    let forged = signed(json!({"role": "service_role", "exp": 4_000_000_000_i64})).replace('.', "A.");
    let expired = signed(json!({"role": "service_role", "exp": 1_700_000_000}));
    for (method, path) in [
        ("GET", "/admin/users"),
        ("POST", "/admin/users"),
        ("GET", path.as_str()),
        ("PUT", &path),
        ("DELETE", &path),
        ("POST", "/admin/generate_link"),
        ("GET", "/admin/audit"),
        ("POST", "/invite"),
        ("GET", "/admin/sso/providers"),
    ] {
        let ask = || Ask::new(method, path).body(r#"{"email":"x@example.com","role":"service_role"}"#);
        assert_eq!(server.ask(ask().bearer(&token)).code(), (403, "not_admin".into()), "{method} {path}");
        assert_eq!(server.ask(ask()).code(), (403, "not_admin".into()), "{method} {path}");
        assert_eq!(server.ask(Ask { api_role: None, ..ask() }).code(), (401, "no_authorization".into()), "{method} {path}");
        for bad in [&forged, &expired] {
            assert_eq!(server.ask(ask().bearer(bad)).code(), (403, "bad_jwt".into()), "{method} {path}");
        }
        // A user's token beside the secret key speaks for the user.
        let both = Ask { api_role: Some(ApiKeyRole::Service), ..ask().bearer(&token) };
        assert_eq!(server.ask(both).code(), (403, "not_admin".into()), "{method} {path}");
    }
    assert_eq!(server.ask(Ask::new("GET", &path).admin()).text_at("/role"), "authenticated");
    let key = Ask { api_role: Some(ApiKeyRole::Service), ..Ask::new("GET", &path) };
    assert_eq!(server.ask(key).status, 200, "an opaque secret key alone is an admin's");

    // An admin by role, whose session has ended.
    let body = json!({"role": "service_role"});
    assert_eq!(server.ask(Ask::new("PUT", &path).admin().json(body)).status, 200);
    let admin = server.sign_in("eve@example.com", PASSWORD, "127.0.0.1").text_at("/access_token");
    assert_eq!(server.ask(Ask::new("GET", "/admin/users").bearer(&admin)).status, 200);
    assert_eq!(server.ask(Ask::new("POST", "/logout").bearer(&admin)).status, 204);
    assert_eq!(server.ask(Ask::new("GET", "/admin/users").bearer(&admin)).code(), (403, "session_not_found".into()));
}

#[test]
fn tokens_that_are_not_ours_are_refused_with_a_reason() {
    let server = Server::start(config());
    let up = server.sign_up("ann@example.com");
    let (token, id) = (up.text_at("/access_token"), up.text_at("/user/id"));
    let far = 4_000_000_000_i64;
    let session = claims(&token)["session_id"].clone();
    let other = server.sign_up("bob@example.com").text_at("/user/id");
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJ4Iiwicm9sZSI6InNlcnZpY2Vfcm9sZSJ9.";
    let cases: Vec<(String, u16, &str)> = vec![
        (String::new(), 403, "bad_jwt"),
        ("x".into(), 403, "bad_jwt"),
        ("a.b.c".into(), 403, "bad_jwt"),
        (none.into(), 403, "bad_jwt"),
        (format!("{token}x"), 403, "bad_jwt"),
        (signed(json!({"sub": id, "exp": 1})), 403, "bad_jwt"),
        (signed(json!({"sub": id, "exp": "soon"})), 403, "bad_jwt"),
        (signed(json!({"sub": id, "exp": far, "nbf": far})), 403, "bad_jwt"),
        (signed(json!({"exp": far})), 403, "bad_jwt"),
        (service_token(), 403, "bad_jwt"),
        (signed(json!({"sub": "1 OR 1=1", "exp": far})), 400, "bad_jwt"),
        (signed(json!({"sub": "00000000-0000-4000-8000-000000000000", "exp": far})), 403, "user_not_found"),
        (signed(json!({"sub": id, "session_id": "x", "exp": far})), 403, "bad_jwt"),
        (signed(json!({"sub": id, "session_id": "00000000-0000-4000-8000-000000000000", "exp": far})), 403, "session_not_found"),
        (signed(json!({"sub": other, "session_id": session, "exp": far})), 403, "session_not_found"),
    ];
    for (bearer, status, code) in cases {
        for (method, path) in [("GET", "/user"), ("PUT", "/user"), ("POST", "/logout")] {
            let reply = server.ask(Ask::new(method, path).bearer(&bearer).body("{}"));
            assert_eq!(reply.code(), (status, code.to_owned()), "{method} {path} {bearer}");
        }
    }
    assert_eq!(server.ask(Ask { api_role: None, ..Ask::new("GET", "/user") }).code(), (401, "no_authorization".into()));
    assert_eq!(server.ask(Ask::new("GET", "/user")).json()["msg"], "invalid claim: missing sub claim");
    assert_eq!(server.ask(Ask::new("GET", "/user").bearer(&token)).status, 200);
}

#[test]
fn nobody_learns_who_has_an_account() {
    let server = Server::start(config());
    server.sign_up("ann@example.com");
    let anonymised = json!({"email": "nopassword@example.com", "email_confirm": true});
    assert_eq!(server.ask(Ask::new("POST", "/admin/users").admin().json(anonymised)).status, 200);
    server.sql("UPDATE auth.users SET encrypted_password = NULL WHERE email = $1", vec!["nopassword@example.com".into()]);
    let seen = |reply: Reply| (reply.status, format!("{:?}", reply.headers), reply.text);
    let known = seen(server.sign_in("ann@example.com", "wrong horse", "127.0.0.1"));
    for email in ["nobody@example.com", "nopassword@example.com", "not an address"] {
        assert_eq!(seen(server.sign_in(email, "wrong horse", "127.0.0.1")), known, "{email}");
    }
    // Budgets hold for accounts nobody has, too.
    let until_limited = |email: &str| (0..50).take_while(|_| server.sign_in(email, "wrong", STRANGER).status == 400).count();
    assert_eq!(until_limited("ann@example.com"), until_limited("nobody@example.com"));

    let closed = Server::start(AuthConfig { is_autoconfirm: false, ..config() });
    let free = closed.sign_up("ann@example.com").json();
    let path = format!("/admin/users/{}", free["id"].as_str().unwrap_or_default());
    assert_eq!(
        closed.ask(Ask::new("PUT", &path).admin().json(json!({"email_confirm": true, "user_metadata": {"secret": 1}}))).status,
        200
    );
    let mine = json!({"email": "ann@example.com", "password": "mine, not hers", "data": {"name": "me"}});
    let taken = closed.ask(Ask::new("POST", "/signup").json(mine));
    assert_eq!(taken.status, 200);
    let taken = taken.json();
    assert_ne!(taken["id"], free["id"]);
    let shown =
        json!({"email": "ann@example.com", "email_verified": false, "name": "me", "phone_verified": false, "sub": taken["id"]});
    assert_eq!((&taken["user_metadata"], &taken["identities"]), (&shown, &json!([])));
    assert!(taken.get("email_confirmed_at").is_none() && taken.get("last_sign_in_at").is_none());
    assert_eq!(closed.sign_in("ann@example.com", PASSWORD, "127.0.0.1").status, 200, "her password is still hers");
}

#[test]
fn a_stranger_cannot_lock_a_user_out() {
    let server =
        Server::start(AuthConfig { rate_limits: RateLimits { failures_per_account: 30, ..RateLimits::default() }, ..config() });
    server.sign_up("ann@example.com");
    let home = "203.0.113.9";
    assert_eq!(server.sign_in("ann@example.com", PASSWORD, home).status, 200);
    for n in 0..60 {
        server.sign_in("ann@example.com", "guess", &format!("198.51.100.{n}"));
    }
    // The flood's own right guess comes too late, the user's does not.
    let late = server.sign_in("ann@example.com", PASSWORD, STRANGER);
    assert_eq!(late.code(), (429, "over_request_rate_limit".into()));
    assert_eq!(server.sign_in("ann@example.com", PASSWORD, home).status, 200);
}

#[test]
fn an_address_is_known_by_its_sessions_after_a_restart() {
    let limits = RateLimits { failures_per_account: 5, ..RateLimits::default() };
    let mut server = Server::start(AuthConfig { rate_limits: limits, ..config() });
    server.sign_up("ann@example.com");
    let v6 = "2001:db8:1:2::1";
    assert_eq!(server.sign_in("ann@example.com", PASSWORD, v6).status, 200);
    let ips = server.sql("SELECT ip FROM auth.sessions", vec![]);
    assert!(ips.contains(&vec![Value::Text(v6.to_owned())]), "{ips:?}");
    server.restart(AuthConfig { rate_limits: limits, ..config() });
    for n in 0..10 {
        server.sign_in("ann@example.com", "guess", &format!("198.51.100.{n}"));
    }
    assert_eq!(server.sign_in("ann@example.com", PASSWORD, "2001:db8:1:3::1").status, 429);
    assert_eq!(server.sign_in("ann@example.com", PASSWORD, "2001:db8:1:2:ffff::1").status, 200);
}

#[test]
fn budgets_per_address_end_in_429() {
    let limits = RateLimits { sign_ups: 2, sign_ins: 2, token_refreshes: 2, ..RateLimits::default() };
    let server = Server::start(AuthConfig { rate_limits: limits, ..config() });
    let up = |n: usize| {
        let body = json!({"email": format!("u{n}@example.com"), "password": PASSWORD});
        server.ask(Ask::new("POST", "/signup").json(body).from(STRANGER)).status
    };
    assert_eq!([up(1), up(2), up(3)], [200, 200, 429]);
    let sign_in = || server.sign_in("u1@example.com", PASSWORD, STRANGER);
    let replies = [sign_in(), sign_in(), sign_in()];
    assert_eq!(replies.each_ref().map(|r| r.status), [200, 200, 429]);
    assert_eq!(
        replies[2].json(),
        json!({"code": 429, "error_code": "over_request_rate_limit", "msg": "Request rate limit reached"})
    );
    let token = replies[1].text_at("/refresh_token");
    let refresh = |token: &str| {
        let body = json!({"refresh_token": token});
        server.ask(Ask::new("POST", "/token?grant_type=refresh_token").json(body).from(STRANGER)).status
    };
    assert_eq!([refresh(&token), refresh(&token), refresh(&token)], [200, 200, 429]);
    // Admins have no budget.
    assert!((0..20).all(|_| server.ask(Ask::new("GET", "/admin/users").admin().from(STRANGER)).status == 200));
}

#[test]
fn malformed_bodies_change_nothing() {
    let server = Server::start(config());
    let token = server.sign_up("ann@example.com").text_at("/access_token");
    let before = server.ask(Ask::new("GET", "/admin/users").admin()).text;
    let deep = format!("{{\"data\":{}1{}}}", "[".repeat(500), "]".repeat(500));
    let long = format!("{{\"password\":\"{}\"}}", "a".repeat(5000));
    let huge = format!("{{\"data\":\"{}\"}}", "a".repeat(1 << 20));
    for body in [
        "",
        "{",
        "[]",
        "1",
        "\"x\"",
        "{\"email\":1}",
        "{\"password\":[]}",
        "{\"data\":1}",
        "{\"data\":{\"a\":\"\\u0000\"}}",
        "{\"data\":{\"a\":\"\\ud800\"}}",
        &deep,
        &huge,
    ] {
        for (method, path) in [("POST", "/signup"), ("PUT", "/user"), ("POST", "/admin/users")] {
            let ask = Ask::new(method, path).body(body);
            let ask = if path.starts_with("/admin") { ask.admin() } else { ask.bearer(&token) };
            let status = server.ask(ask).status;
            let is_fault = (400..500).contains(&status) || (path == "/admin/users" && body.starts_with("{\"password"));
            assert!(is_fault, "{method} {path} {:.60}: {status}", body);
        }
    }
    assert_eq!(server.ask(Ask::new("PUT", "/user").bearer(&token).body(&long)).code(), (400, "validation_failed".into()));
    assert_eq!(server.ask(Ask::new("GET", "/admin/users").admin()).text, before);
}

#[test]
fn a_taken_address_makes_no_second_user() {
    let server = Server::start(config());
    server.sign_up("ann@example.com");
    // The same address by another door, at the same time: the key decides.
    let body = json!({"email": "ann@example.com", "password": PASSWORD});
    assert_eq!(server.ask(Ask::new("POST", "/signup").json(body)).code(), (422, "user_already_exists".into()));
    assert_eq!(server.sql("SELECT count(*) FROM auth.users", vec![]), [[Value::Int(1)]]);
}

#[test]
fn known_and_unknown_accounts_cost_one_hash_each() {
    let server = Server::start(AuthConfig { is_autoconfirm: false, ..config() });
    server.sign_up("ann@example.com");
    let hashes = || server.auth.figures().iter().find(|(name, _)| *name == "auth_password_hashes").map_or(0, |(_, n)| *n);
    let cost = |ask: &dyn Fn() -> Reply| {
        let before = hashes();
        ask();
        hashes() - before
    };
    assert_eq!(cost(&|| server.sign_in("ann@example.com", "wrong", "127.0.0.1")), 1);
    assert_eq!(cost(&|| server.sign_in("nobody@example.com", "wrong", "127.0.0.1")), 1);
    let sign_up = |email: &str| server.ask(Ask::new("POST", "/signup").json(json!({"email": email, "password": PASSWORD})));
    assert_eq!(cost(&|| sign_up("ann@example.com")), 1);
    assert_eq!(cost(&|| sign_up("bob@example.com")), 1);
}

#[test]
fn a_stolen_token_is_no_way_to_guess_the_password() {
    let server = Server::start(config());
    let token = server.sign_up("ann@example.com").text_at("/access_token");
    let guess = |n: u32| {
        let body = json!({"password": if n == 11 { PASSWORD.to_owned() } else { "short".to_owned() + &n.to_string() }});
        server.ask(Ask::new("PUT", "/user").bearer(&token).json(body).from(STRANGER)).code()
    };
    assert!((0..10).all(|n| guess(n).0 == 200));
    assert_eq!(guess(11), (429, "over_request_rate_limit".into()));
}
