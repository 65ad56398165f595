//! Who is asking, and those who try to be somebody else.

use basalt_testkit::process::ServerOptions;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::*;

fn b64(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

#[test]
fn without_a_token_one_is_the_anonymous_role_or_nobody() {
    let theirs = Theirs::new();
    theirs.run("create view api.me as select current_user::text as name, current_setting('request.jwt.claims')::json as claims; grant select on api.me to $anon, $user;");
    let served = theirs.serve();
    let anonymous = json!([{"name": theirs.anon, "claims": {"role": theirs.anon}}]);
    for request in [
        Request::new("GET", "/me"),
        Request::new("GET", "/rest/v1/me"),
        Request::new("GET", "/me").header("apikey", "anything"),
        Request::new("GET", "/me").header("Authorization", "Basic YTpi"),
        with_token("GET", "/me", &super::token(&json!({}))),
    ] {
        assert_eq!(served.answer(&request), (200, anonymous.clone()), "{:?}", request.headers);
    }
    let user = json!([{"name": theirs.user, "claims": {"role": theirs.user, "sub": "7"}}]);
    let token = super::token(&json!({"role": theirs.user, "sub": "7"}));
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let request = Request::new("GET", "/me").header("Authorization", &format!("{scheme} {token}"));
        assert_eq!(served.answer(&request), (200, user.clone()), "{scheme}");
    }
    drop(served);

    let served = theirs.serve_with(&[("PGRST_JWT_SECRET", SECRET)]);
    let refused = json!({"code": "PGRST302", "details": null, "hint": null, "message": "Anonymous access is disabled"});
    for request in
        [Request::new("GET", "/me"), Request::new("OPTIONS", "/me"), with_token("GET", "/me", &super::token(&json!({})))]
    {
        let response = served.send(&request);
        assert_eq!((response.status, serde_json::from_slice(&response.body).ok()), (401, Some(refused.clone())));
        assert_eq!(response.header("www-authenticate"), Some("Bearer"));
    }
    assert_eq!(served.answer(&with_token("GET", "/me", &token)), (200, user));
    drop(served);

    let served = theirs.serve_with(&[("PGRST_DB_ANON_ROLE", &theirs.anon)]);
    assert_eq!(served.get("/me").status, 200);
    let refused = json!({"code": "PGRST300", "details": null, "hint": null, "message": "Server lacks JWT secret"});
    assert_eq!(served.answer(&with_token("GET", "/me", &token)), (500, refused));
}

#[test]
fn tokens_that_do_not_count() {
    let theirs = Theirs::new();
    let served = theirs.serve_with(&[
        ("PGRST_DB_ANON_ROLE", &theirs.anon),
        ("PGRST_JWT_SECRET", SECRET),
        ("PGRST_JWT_AUD", "https://ours.example"),
    ]);
    let role = theirs.user.as_str();
    let good = super::token(&json!({"role": role}));
    let forged = sign_hs256(&json!({"role": role}), &Secret::new("another secret that is long enough too"));
    let unsigned = |algorithm: &str| {
        format!("{}.{}.", b64(&format!("{{\"alg\":\"{algorithm}\"}}")), b64(&format!("{{\"role\":\"{role}\"}}")))
    };
    let (head, _) = good.rsplit_once('.').expect("parts");
    let no_key = "No suitable key or wrong key type";
    for (token, code, message, details) in [
        (String::new(), "PGRST301", "Empty JWT is sent in Authorization header", Value::Null),
        ("x".into(), "PGRST301", "Expected 3 parts in JWT; got 1", Value::Null),
        (forged, "PGRST301", no_key, json!("None of the keys was able to decode the JWT")),
        (format!("{head}."), "PGRST301", no_key, json!("None of the keys was able to decode the JWT")),
        (
            unsigned("none"),
            "PGRST301",
            "Wrong or unsupported encoding algorithm",
            json!("JWT is unsecured but expected 'alg' was not 'none'"),
        ),
        (unsigned("nonesuch"), "PGRST301", "JWT couldn't be decoded", Value::Null),
        (format!("{}.e30.", b64("[]")), "PGRST301", "JWT couldn't be decoded", Value::Null),
        ("a.b.c".into(), "PGRST301", "JWT cryptographic operation failed", Value::Null),
        (unsigned("RS256"), "PGRST301", no_key, json!("No suitable key was found to decode the JWT")),
        (super::token(&json!({"role": role, "exp": 1})), "PGRST303", "JWT expired", Value::Null),
        (super::token(&json!({"role": role, "nbf": 4_000_000_000_i64})), "PGRST303", "JWT not yet valid", Value::Null),
        (super::token(&json!({"role": role, "iat": 4_000_000_000_i64})), "PGRST303", "JWT issued at future", Value::Null),
        (super::token(&json!({"role": role, "exp": "x"})), "PGRST303", "The JWT 'exp' claim must be a number", Value::Null),
        (super::token(&json!({"role": role, "aud": "theirs"})), "PGRST303", "JWT not in audience", Value::Null),
        (super::token(&json!({"role": role, "aud": ["a", "b"]})), "PGRST303", "JWT not in audience", Value::Null),
        (
            super::token(&json!({"role": role, "aud": 1})),
            "PGRST303",
            "The JWT 'aud' claim must be a string or an array of strings",
            Value::Null,
        ),
    ] {
        let response = served.send(&with_token("GET", "/todos", &token));
        let expected = json!({"code": code, "details": details, "hint": null, "message": message});
        assert_eq!((response.status, serde_json::from_slice(&response.body).ok()), (401, Some(expected)), "{token}");
        let told = format!("Bearer error=\"invalid_token\", error_description=\"{message}\"");
        assert_eq!(response.header("www-authenticate"), Some(told.as_str()));
    }
    for audience in [json!(null), json!([]), json!("https://ours.example"), json!(["x", "https://ours.example"])] {
        let token = super::token(&json!({"role": role, "aud": audience}));
        assert_eq!(served.send(&with_token("GET", "/todos", &token)).status, 200, "{audience}");
    }
}

#[test]
fn roles_that_the_login_may_not_become() {
    let theirs = Theirs::new();
    let served = theirs.serve();
    let superuser = SUPERUSER;
    let may_not = |role: &str| json!({"code": "42501", "details": null, "hint": null, "message": format!("permission denied to set role \"{role}\"")});
    for role in [theirs.other.as_str(), superuser, "pg_read_all_data"] {
        let token = super::token(&json!({"role": role}));
        assert_eq!(served.answer(&with_token("GET", "/todos", &token)), (403, may_not(role)), "{role}");
    }
    // None of these is the login itself, which would be what PostgreSQL takes "none" for.
    for role in ["none", "NONE", "", "nobody here", "x\0y", "{\"a\":1}"] {
        let token = super::token(&json!({"role": role}));
        let (status, body) = served.answer(&with_token("GET", "/todos", &token));
        assert_eq!((status, &body["code"]), (401, &json!("22023")), "{role}: {body}");
    }
    // After all of them the connections are anonymous again.
    for _ in 0..20 {
        assert_eq!(served.send(&Request::new("POST", "/todos").json("{\"task\": \"x\"}")).status, 401);
    }
}

#[test]
fn keys_and_roles_of_others() {
    let theirs = Theirs::new();
    let set = json!({"keys": [
        {"kty": "oct", "kid": "old", "k": URL_SAFE_NO_PAD.encode("an old secret that nobody signs with any more")},
        {"kty": "oct", "kid": "new", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(SECRET)},
    ]});
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), format!("{set}\n")).expect("a file");
    let secret = format!("@{}", file.path().display());
    let of_list = "$.realm.roles[?search(@, '^user_')]";
    let served = theirs.serve_with(&[("PGRST_JWT_SECRET", &secret), ("PGRST_JWT_ROLE_CLAIM_KEY", of_list)]);
    let token = super::token(&json!({"realm": {"roles": ["viewer", theirs.user]}, "role": theirs.other}));
    assert_eq!(served.send(&with_token("GET", "/todos", &token)).status, 200);
    let lacking = super::token(&json!({"realm": {"roles": ["viewer"]}, "role": theirs.user}));
    let (status, body) = served.answer(&with_token("GET", "/todos", &lacking));
    assert_eq!((status, &body["code"]), (401, &json!("PGRST302")));
}

/// Everything on the public listener is a table's name or none.
#[test]
fn no_path_leads_to_our_own() {
    let theirs = Theirs::new();
    let served = theirs.serve();
    for path in [
        "/live",
        "/ready",
        "/config",
        "/metrics",
        "/schema_cache",
        "/health",
        "/health/ready",
        "/auth/v1/health",
        "/auth/v1/signup",
        "/auth/v1/token?grant_type=password",
        "/storage/v1/bucket",
        "/pg/query",
        "/.well-known/basalt.json",
        "/index.html",
        "//live",
        "/rest/v1/live",
        "/rest/v1/config",
        "/rest/v1//metrics",
        "/rest/v1/../metrics",
        "/rest/../config",
        "/%6cive",
        "/rest%2fv1/metrics",
        "/rest/v1/%2e%2e/auth/v1/health",
        "/rest/v1/auth/v1/health",
        "/REST/v1/todos",
        "/rest/v1todos",
        "/config?apikey=x",
        "/./live",
    ] {
        let response = served.get(path);
        assert_eq!(response.status, 404, "{path}: {}", response.text());
        let body: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        assert!(body["code"].as_str().is_some_and(|code| code.starts_with("PGRST")), "{path}: {body}");
    }
    let host = served
        .send(&Request::new("GET", "/metrics").header("X-Forwarded-Host", "localhost").header("X-Original-URL", "/metrics"));
    assert_eq!(host.status, 404);
}

#[test]
fn what_must_not_be_a_schema() {
    let theirs = Theirs::new();
    for schemas in ["pg_catalog", "api,information_schema"] {
        let logs = theirs.refuses(&[("PGRST_DB_SCHEMAS", schemas)], &["--bootstrap", "off"]);
        assert!(logs.contains("db-schemas does not allow schema"), "{logs}");
    }
    let served = theirs.serve();
    for schema in ["pg_catalog", "information_schema", "public", "api2", "\"api\""] {
        let response = served.send(&Request::new("GET", "/pg_authid").header("Accept-Profile", schema));
        assert_eq!(response.status, 406, "{schema}: {}", response.text());
    }
    assert_eq!(served.get("/pg_roles").status, 404);
}

/// Nothing of a project's server becomes open by PostgREST's variables: they choose nothing there without the flag.
#[test]
fn variables_alone_open_nothing() {
    let theirs = Theirs::new();
    let project = crate::support::blog();
    let mut options = crate::support::known_keys();
    let uri = theirs.uri();
    for (name, value) in [
        ("PGRST_DB_URI", uri.as_str()),
        ("PGRST_DB_ANON_ROLE", "service_role"),
        ("PGRST_ADMIN_SERVER_PORT", "0"),
        ("PGRST_DB_AGGREGATES_ENABLED", "true"),
        ("PGRST_DB_PLAN_ENABLED", "true"),
        ("PGRST_DB_TX_END", "commit-allow-override"),
        ("PGRST_JWT_ROLE_CLAIM_KEY", "$.nothing"),
    ] {
        options.environment.push((name.to_owned(), value.to_owned()));
    }
    let options: ServerOptions = options;
    let server = TestServer::start_with(project.path(), &options).unwrap_or_else(|e| panic!("{e}"));
    for path in ["/rest/v1/posts", "/rest/v1/todos", "/rest/v1/"] {
        let answer = server.send(&Request::new("GET", path)).expect("answers");
        assert_eq!((answer.status, answer.text().contains("No API key found")), (401, true), "{path}: {}", answer.text());
    }
    assert_eq!(server.send(&Request::new("GET", "/posts")).expect("answers").status, 404, "nothing at the root");
    let keyed = crate::support::anonymous("GET", "/rest/v1/posts?select=count()");
    // What is a setting of a project's as well goes by the original's name too: the operator has switched it on.
    assert_eq!(server.send(&keyed).expect("answers").status, 200, "aggregates");
    assert!(server.logs().contains("PGRST_DB_URI"), "told to have no effect: {}", server.logs());
}
