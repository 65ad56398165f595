//! Hostile and malformed requests over HTTP: each has its exact answer in `tests/cases/hostile`, and none of them changes a row.
//!
//! On top of what case files have, these may write `<<token NAME>>` (see [`token`]), `<<publishable>>`, `<<secret>>`, `<<anon>>`,
//! `<<service>>` (keys), `<<repeat COUNT TEXT>>`, and with the header `Test-Escapes: on`, which is not sent, `\xHH` for any byte. The
//! method `RAW` sends the body as it stands on a connection of its own, each line ended by CRLF, an
//! empty one at the end. A connection that is ended without an
//! answer counts as status 599.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use basalt_testkit::Project;
use basalt_testkit::cases::{Answer, CaseFile, Engine, Options, Request, Response, Role, run_folder};
use basalt_testkit::process::TestServer;
use basalt_token::keys::sign_hs256;
use basalt_types::Secret;
use serde_json::{Value, json};

use crate::support::{ADA, PUBLISHABLE_KEY, SECRET_KEY, blog, repository, serve, sign, user_token};

/// The status of a connection that ends without an answer.
const NO_ANSWER: u16 = 599;

/// How many cases there must be.
const CASES: usize = 200;

/// Tokens by name: good ones, and what people try.
fn token(name: &str) -> Result<String, String> {
    let good = || json!({"sub": ADA, "role": "authenticated", "aud": "authenticated", "exp": 4_000_000_000_i64});
    let with = |key: &str, value: Value| {
        let mut claims = good();
        claims[key] = value;
        sign(&claims)
    };
    let parts = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
    let encoded = |text: &str| base64url(text.as_bytes());
    Ok(match name {
        "ada" => user_token(ADA),
        "service" => sign(&json!({"role": "service_role", "exp": 4_000_000_000_i64})),
        "expired" => with("exp", json!(1_700_000_000)),
        "not_yet" => with("nbf", json!(3_900_000_000_i64)),
        "issued_later" => with("iat", json!(3_900_000_000_i64)),
        "exp_text" => with("exp", json!("4000000000")),
        "exp_huge" => with("exp", json!(1e300)),
        "exp_negative" => with("exp", json!(-1)),
        "no_exp" => sign(&json!({"sub": ADA, "role": "authenticated"})),
        "no_role" => sign(&json!({"sub": ADA, "exp": 4_000_000_000_i64})),
        "unknown_role" => with("role", json!("overlord")),
        "postgres_role" => with("role", json!("postgres")),
        "admin_role" => with("role", json!("supabase_admin")),
        "authenticator_role" => with("role", json!("authenticator")),
        "quoted_role" => with("role", json!("anon\"; drop table posts; --")),
        "role_list" => with("role", json!(["service_role"])),
        "role_null" => with("role", Value::Null),
        "role_empty" => with("role", json!("")),
        "role_case" => with("role", json!("SERVICE_ROLE")),
        "sub_injection" => with("sub", json!("x' or '1'='1")),
        "sub_number" => with("sub", json!(17)),
        "sub_other" => with("sub", json!("00000000-0000-4000-8000-0000000000ff")),
        "wrong_secret" => sign_hs256(&good(), &Secret::new("another secret that signs tokens of another project".to_owned())),
        "empty_secret" => sign_hs256(&good(), &Secret::new(String::new())),
        "alg_none" => format!("{}.{}.", encoded(r#"{"alg":"none","typ":"JWT"}"#), parts(&user_token(ADA))[1]),
        "alg_none_signed" => {
            format!("{}.{}.{}", encoded(r#"{"alg":"none"}"#), parts(&user_token(ADA))[1], parts(&user_token(ADA))[2])
        }
        "alg_upper" => format!("{}.{}.", encoded(r#"{"alg":"NONE","typ":"JWT"}"#), parts(&user_token(ADA))[1]),
        "alg_rs256" => {
            format!("{}.{}.{}", encoded(r#"{"alg":"RS256","typ":"JWT"}"#), parts(&user_token(ADA))[1], parts(&user_token(ADA))[2])
        }
        "alg_es256" => {
            format!("{}.{}.{}", encoded(r#"{"alg":"ES256","typ":"JWT"}"#), parts(&user_token(ADA))[1], parts(&user_token(ADA))[2])
        }
        "alg_missing" => format!("{}.{}.{}", encoded(r#"{"typ":"JWT"}"#), parts(&user_token(ADA))[1], parts(&user_token(ADA))[2]),
        "kid_path" => format!(
            "{}.{}.{}",
            encoded(r#"{"alg":"HS256","typ":"JWT","kid":"../../../../dev/null"}"#),
            parts(&user_token(ADA))[1],
            parts(&user_token(ADA))[2]
        ),
        "jku" => format!(
            "{}.{}.{}",
            encoded(r#"{"alg":"HS256","jku":"http://127.0.0.1:1/jwks.json"}"#),
            parts(&user_token(ADA))[1],
            parts(&user_token(ADA))[2]
        ),
        "swapped_claims" => {
            let claims = encoded(r#"{"role":"service_role","exp":4000000000}"#);
            format!("{}.{claims}.{}", parts(&user_token(ADA))[0], parts(&user_token(ADA))[2])
        }
        "cut_signature" => user_token(ADA)[..user_token(ADA).len() - 5].to_owned(),
        "no_signature" => format!("{}.{}.", parts(&user_token(ADA))[0], parts(&user_token(ADA))[1]),
        "two_parts" => format!("{}.{}", parts(&user_token(ADA))[0], parts(&user_token(ADA))[1]),
        "four_parts" => format!("{}.x", user_token(ADA)),
        "claims_list" => sign_text("[1,2,3]"),
        "claims_text" => sign_text("\"service_role\""),
        "claims_broken" => sign_text("{\"role\":\"service_role\""),
        "claims_twice" => sign_text(r#"{"role":"anon","role":"service_role","exp":4000000000}"#),
        "other_audience" => with("aud", json!("somebody else")),
        "audience_number" => with("aud", json!(5)),
        other => return Err(format!("no token is named {other}")),
    })
}

fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            out.push(char::from(DIGITS[(group >> (18 - 6 * digit) & 63) as usize]));
        }
    }
    out
}

/// A token over any text, with a good signature.
fn sign_text(claims: &str) -> String {
    use aws_lc_rs::hmac;
    let head = format!("{}.{}", base64url(br#"{"alg":"HS256","typ":"JWT"}"#), base64url(claims.as_bytes()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, crate::support::JWT_SECRET.as_bytes());
    format!("{head}.{}", base64url(hmac::sign(&key, head.as_bytes()).as_ref()))
}

/// Replaces what stands in `<<…>>`.
fn filled(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<<") {
        out.push_str(before);
        let (inside, after) = after.split_once(">>").ok_or("<< without >>")?;
        match inside.split_once(' ') {
            Some(("token", name)) => out.push_str(&token(name)?),
            Some(("repeat", what)) => {
                let (count, what) = what.split_once(' ').ok_or("<<repeat COUNT TEXT>>")?;
                out.push_str(&what.repeat(count.parse().map_err(|_| "<<repeat COUNT TEXT>>")?));
            }
            _ => out.push_str(&match inside {
                "publishable" => PUBLISHABLE_KEY.to_owned(),
                "secret" => SECRET_KEY.to_owned(),
                "anon" => sign(&json!({"role": "anon", "iss": "supabase", "exp": 4_000_000_000_i64})),
                "service" => sign(&json!({"role": "service_role", "iss": "supabase", "exp": 4_000_000_000_i64})),
                other => return Err(format!("<<{other}>> is not known")),
            }),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// `\xHH` to bytes.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let escape = text.get(at..at + 4).filter(|e| e.starts_with(br"\x"));
        let value = escape.and_then(|e| std::str::from_utf8(&e[2..]).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match value {
            Some(value) => {
                out.push(value);
                at += 4;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}

/// Sends bytes, reads the answer to its end.
fn raw(address: SocketAddr, bytes: &[u8]) -> std::io::Result<Response> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    // A server that refuses early may close before it has read everything.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    if answer.is_empty() {
        return match read {
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => Err(error),
            _ => Ok(Response { status: NO_ANSWER, headers: Vec::new(), body: Vec::new() }),
        };
    }
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|s| s.parse().ok()).unwrap_or(NO_ANSWER);
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    Ok(Response { status, headers, body: body.as_bytes().to_vec() })
}

struct Hostile {
    server: TestServer,
}

impl Answer for Hostile {
    fn begin(&mut self, _: &CaseFile) -> Result<(), String> {
        Ok(())
    }

    fn answer(&mut self, request: &Request, role: Option<&Role>) -> Result<Response, String> {
        let is_escaped = request.get_header("test-escapes").is_some();
        let bytes = |text: &str| -> Result<Vec<u8>, String> {
            let text = filled(text)?;
            Ok(if is_escaped { unescaped(text.as_bytes()) } else { text.into_bytes() })
        };
        let body = bytes(&String::from_utf8_lossy(&request.body))?;
        let mut wire = Vec::new();
        if request.method == "RAW" {
            wire = String::from_utf8_lossy(&request.body).lines().map(&bytes).collect::<Result<Vec<_>, _>>()?.join(&b"\r\n"[..]);
            wire.extend_from_slice(b"\r\n\r\n");
        } else {
            wire.extend_from_slice(format!("{} ", request.method).as_bytes());
            wire.extend(bytes(&request.target)?);
            wire.extend_from_slice(b" HTTP/1.1\r\n");
            let has = |name: &str| request.get_header(name).is_some();
            if !has("host") {
                wire.extend_from_slice(format!("Host: {}\r\n", self.server.address()).as_bytes());
            }
            let needs_length = !body.is_empty() || !matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS");
            if needs_length && !has("content-length") && !has("transfer-encoding") {
                wire.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
            }
            if let Some(role) = role {
                let key = if *role == Role::ServiceRole { SECRET_KEY } else { PUBLISHABLE_KEY };
                wire.extend_from_slice(format!("apikey: {key}\r\n").as_bytes());
                if let Role::Authenticated { sub } = role {
                    wire.extend_from_slice(format!("Authorization: Bearer {}\r\n", user_token(sub)).as_bytes());
                }
            }
            for (name, value) in request.headers.iter().filter(|(name, _)| !name.to_ascii_lowercase().starts_with("test-")) {
                wire.extend_from_slice(format!("{name}: ").as_bytes());
                wire.extend(bytes(value)?);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"Connection: close\r\n\r\n");
            wire.extend(body);
        }
        raw(self.server.address(), &wire).map_err(|e| e.to_string())
    }

    fn engine(&self) -> Engine {
        Engine::Sqlite
    }
}

/// All rows of all tables of a closed database. Numbers given out by sequences are no rows: a refused insert uses one up, as in
/// PostgreSQL.
fn dump(project: &Project) -> BTreeMap<String, Vec<String>> {
    let file = rusqlite::Connection::open(project.path().join(".basalt/data.db")).expect("opens");
    let mut names =
        file.prepare("select name from sqlite_schema where type = 'table' and name <> 'basalt_sequences'").expect("reads");
    let names: Vec<String> = names.query_map([], |row| row.get(0)).and_then(Iterator::collect).expect("reads");
    let mut all = BTreeMap::new();
    for name in names {
        let mut rows = file.prepare(&format!("select * from \"{}\"", name.replace('"', "\"\""))).expect("reads");
        let width = rows.column_count();
        let text = |row: &rusqlite::Row<'_>| {
            let shown = |value: rusqlite::types::ValueRef<'_>| match value.as_str() {
                Ok(text) => format!("'{text}'"),
                Err(_) => format!("{value:?}"),
            };
            let values = (0..width).map(|n| row.get_ref(n).map(shown));
            values.collect::<rusqlite::Result<Vec<_>>>().map(|values| values.join("|"))
        };
        let mut rows: Vec<String> = rows.query_map([], text).and_then(Iterator::collect).expect("reads");
        rows.sort();
        all.insert(name, rows);
    }
    all
}

#[test]
fn hostile_requests_have_their_answers_and_change_nothing() {
    let project = blog()
        .file("public/index.html", "<!doctype html><title>Home</title>")
        .file("outside.txt", "canary")
        .basalt_config("[server]\nmax_body_bytes = 100000\n");
    let mut server = serve(&project);
    assert!(server.terminate().expect("it ends").success());
    let before = dump(&project);
    assert!(before.values().map(Vec::len).sum::<usize>() > 20, "{before:?}");

    let mut hostile = Hostile { server: serve(&project) };
    let report = run_folder(&repository().join("tests/cases/hostile"), &mut hostile, &Options::default());
    assert!(hostile.server.terminate().expect("it ends").success(), "{}", hostile.server.logs());
    let log = hostile.server.logs();
    assert!(!log.contains("panicked"), "{log}");

    let after = dump(&project);
    let mut changes = Vec::new();
    for (sign, these, those) in [("-", &before, &after), ("+", &after, &before)] {
        for (name, rows) in these {
            let others = those.get(name).map(Vec::as_slice).unwrap_or_default();
            changes.extend(rows.iter().filter(|row| !others.contains(row)).map(|row| format!("{sign} {name}: {row}")));
        }
    }
    assert!(changes.is_empty(), "rows were changed:\n{}", changes.join("\n"));
    let (passed, failed, known, updated) = report.totals();
    assert!(passed + failed + known + updated >= CASES, "{} cases only", passed + failed + known + updated);
    report.finish("hostile");
}
