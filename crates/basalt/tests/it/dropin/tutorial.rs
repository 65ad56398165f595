//! PostgREST's documentation, tutorials 0 and 1: a configuration file, SQL, requests and the answers it shows. Only the roles have
//! names of their own, since they belong to the whole server.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::*;

/// The tutorial's configuration file.
fn conf(theirs: &Theirs, more: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let text = format!("db-uri = \"{}\"\ndb-schemas = \"api\"\ndb-anon-role = \"{}\"\n{more}", theirs.uri(), theirs.anon);
    std::fs::write(file.path(), text).expect("a file");
    file
}

fn serve(file: &tempfile::NamedTempFile) -> Served {
    let path = file.path().display().to_string();
    Served::start(&[], &["--postgrest-config", &path]).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn tutorial_0() {
    let theirs = Theirs::new();
    let file = conf(&theirs, "");
    let served = serve(&file);
    let expected = json!([
        {"id": 1, "done": false, "task": "finish tutorial 0", "due": null},
        {"id": 2, "done": false, "task": "pat self on back", "due": null}
    ]);
    assert_eq!(served.answer(&Request::new("GET", "/todos")), (200, expected));
    let refused = json!({"code": "42501", "details": null, "hint": null, "message": "permission denied for table todos"});
    assert_eq!(served.answer(&Request::new("POST", "/todos").json("{\"task\": \"do bad thing\"}")), (401, refused));
}

#[test]
fn tutorial_1() {
    let theirs = Theirs::new();
    let secret = format!("jwt-secret = \"{SECRET}\"\n");
    let file = conf(&theirs, &secret);
    let served = serve(&file);
    let token = theirs.token("$user");
    let added = served.send(&with_token("POST", "/todos", &token).json("{\"task\": \"learn how to auth\"}"));
    assert_eq!((added.status, added.text().as_str()), (201, ""));
    let changed = served.send(&with_token("PATCH", "/todos", &token).json("{\"done\": true}"));
    assert_eq!((changed.status, changed.text().as_str()), (204, ""));
    let expected = json!([
        {"id": 1, "done": true, "task": "finish tutorial 0", "due": null},
        {"id": 2, "done": true, "task": "pat self on back", "due": null},
        {"id": 3, "done": true, "task": "learn how to auth", "due": null}
    ]);
    assert_eq!(served.answer(&Request::new("GET", "/todos")), (200, expected));

    // Step 5: a token with an expiry, before and after it. The tutorial shows the code of older versions, 16 has PGRST303.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let until = |exp: u64| super::token(&json!({"role": theirs.user, "exp": exp}));
    assert_eq!(served.send(&with_token("GET", "/todos", &until(now + 300))).status, 200);
    let expired = json!({"code": "PGRST303", "details": null, "hint": null, "message": "JWT expired"});
    assert_eq!(served.answer(&with_token("GET", "/todos", &until(now - 300))), (401, expired));
    drop(served);

    // Immediate revocation.
    theirs.run(
        "create schema auth; grant usage on schema auth to $anon, $user; \
         create or replace function auth.check_token() returns void language plpgsql as $$ begin \
         if current_setting('request.jwt.claims', true)::json->>'email' = 'disgruntled@mycompany.com' then \
         raise insufficient_privilege using hint = 'Nope, we are on to you'; end if; end $$;",
    );
    let file = conf(&theirs, &format!("{secret}db-pre-request = \"auth.check_token\"\n"));
    let served = serve(&file);
    assert_eq!(served.send(&with_token("PATCH", "/todos", &token).json("{\"done\": true}")).status, 204);
    let wayward = super::token(&json!({"role": theirs.user, "email": "disgruntled@mycompany.com"}));
    let refused =
        json!({"code": "42501", "details": null, "hint": "Nope, we are on to you", "message": "insufficient_privilege"});
    let request = with_token("PATCH", "/todos", &wayward).json("{\"task\": \"AAAHHHH!\", \"done\": false}");
    for time in ["the first time", "and when the statement is known"] {
        assert_eq!(served.answer(&request), (403, refused.clone()), "{time}");
    }
    assert_eq!(theirs.ask("select count(*)::text from api.todos where not done or task like 'AAA%'"), "0");
}
