//! What the transaction of a request begins with, and how it ends.

use serde_json::json;

use super::*;

/// A function of the database runs before each request, as the role, and may refuse it or speak in its answer.
#[test]
fn the_operators_function_runs_before_every_request() {
    let theirs = Theirs::new();
    theirs.run(
        "create function api.gate() returns void language plpgsql as $$ begin \
         if current_setting('request.headers', true)::json->>'x-stop' is not null then \
             raise sqlstate 'PT402' using message = 'Payment Required', detail = current_user, hint = current_setting('request.method'); end if; \
         perform set_config('app.gate', current_user, true); end $$; \
         create view api.gated as select current_setting('app.gate', true) as by; grant select on api.gated to $anon, $user;",
    );
    let served = theirs.serve_with(&[
        ("PGRST_DB_ANON_ROLE", &theirs.anon),
        ("PGRST_JWT_SECRET", SECRET),
        ("PGRST_DB_PRE_REQUEST", "api.gate"),
    ]);
    let user = theirs.token("$user");
    for _ in 0..2 {
        assert_eq!(served.get("/gated").text(), format!("[{{\"by\":\"{}\"}}]", theirs.anon));
        assert_eq!(served.send(&with_token("GET", "/gated", &user)).text(), format!("[{{\"by\":\"{}\"}}]", theirs.user));
        for method in ["POST", "PATCH", "DELETE"] {
            let request = with_token(method, "/todos?id=eq.1", &user).header("X-Stop", "1").json("{\"task\": \"gone\"}");
            let (status, body) = served.answer(&request);
            let expected = json!({"code": "PT402", "message": "Payment Required", "details": theirs.user, "hint": method});
            assert_eq!((status, body), (402, expected));
        }
    }
    assert_eq!(theirs.ask("select string_agg(task, ',' order by id) from api.todos"), "finish tutorial 0,pat self on back");
    drop(served);
    // One that is not there refuses everything: nothing is served without it.
    let served = theirs.serve_with(&[("PGRST_DB_ANON_ROLE", &theirs.anon), ("PGRST_DB_PRE_REQUEST", "api.no_such_gate")]);
    assert_eq!(served.get("/todos").status, 404);
    assert_eq!(served.answer(&Request::new("GET", "/todos")).1["code"], "42883");
}

#[test]
fn roles_bring_their_settings() {
    let theirs = Theirs::new();
    theirs.run(
        "alter role $anon set default_transaction_isolation = 'repeatable read'; alter role $anon set statement_timeout = '5s'; \
         alter role $anon set work_mem = '5MB'; alter role $user set lock_timeout = '3s'; alter role $login set statement_timeout = '9s'; \
         alter role $anon set session_preload_libraries = ''; alter role $anon set log_statement = 'all'; \
         create view api.settings as select current_setting('transaction_isolation') as isolation, \
         current_setting('statement_timeout') as timeout, current_setting('work_mem') as work_mem, \
         current_setting('lock_timeout') as lock_timeout, current_setting('transaction_read_only') as read_only, \
         current_setting('app.settings.my_key', true) as mine; grant select on api.settings to $anon, $user;",
    );
    let served = theirs.serve_with(&[
        ("PGRST_DB_ANON_ROLE", &theirs.anon),
        ("PGRST_JWT_SECRET", SECRET),
        ("PGRST_APP_SETTINGS_MY_KEY", "a 'quoted' \\ value"),
    ]);
    let mine = "a 'quoted' \\ value";
    let anon = json!([{"isolation": "repeatable read", "timeout": "5s", "work_mem": "5MB", "lock_timeout": "0", "read_only": "on", "mine": mine}]);
    let default = theirs.ask("show work_mem");
    let user = json!([{"isolation": "read committed", "timeout": "9s", "work_mem": default, "lock_timeout": "3s", "read_only": "on", "mine": mine}]);
    for _ in 0..3 {
        assert_eq!(served.answer(&Request::new("GET", "/settings")), (200, anon.clone()));
        assert_eq!(served.answer(&with_token("GET", "/settings", &theirs.token("$user"))), (200, user.clone()));
    }
}

#[test]
fn a_role_is_held_to_its_own_time() {
    let theirs = Theirs::new();
    theirs.run(
        "alter role $anon set statement_timeout = '50ms'; \
         create view api.slow as select pg_sleep(30)::text as x; grant select on api.slow to $anon;",
    );
    let served = theirs.serve();
    let (status, body) = served.answer(&Request::new("GET", "/slow"));
    assert_eq!((status, &body["code"]), (500, &json!("57014")), "{body}");
}

/// GET and HEAD promise to change nothing.
#[test]
fn a_read_can_write_nothing() {
    let theirs = Theirs::new();
    theirs.run(
        "create sequence api.counter; grant usage on sequence api.counter to $anon; \
         create view api.counted as select nextval('api.counter') as n; grant select on api.counted to $anon;",
    );
    let served = theirs.serve();
    let (status, body) = served.answer(&Request::new("GET", "/counted"));
    assert_eq!((status, &body["code"]), (405, &json!("25006")), "{body}");
}

#[test]
fn the_schema_asked_for_comes_first() {
    let theirs = Theirs::new();
    theirs.run(
        "create schema two; create schema extra; grant usage on schema two, extra to $anon; \
         create view api.path as select current_setting('search_path') as p; create view two.path as select current_setting('search_path') as p; \
         grant select on api.path, two.path to $anon;",
    );
    let served = theirs.serve_with(&[
        ("PGRST_DB_ANON_ROLE", &theirs.anon),
        ("PGRST_DB_SCHEMAS", "api, two"),
        ("PGRST_DB_EXTRA_SEARCH_PATH", "extra"),
    ]);
    assert_eq!(served.answer(&Request::new("GET", "/path")).1, json!([{"p": "\"api\", \"extra\""}]));
    let two = Request::new("GET", "/path").header("Accept-Profile", "two");
    assert_eq!(served.answer(&two).1, json!([{"p": "\"two\", \"extra\""}]));
}

#[test]
fn limits_and_forms_that_the_operator_chooses() {
    let theirs = Theirs::new();
    let served = theirs.serve_with(&[
        ("PGRST_DB_ANON_ROLE", &theirs.anon),
        ("PGRST_DB_MAX_ROWS", "1"),
        ("PGRST_DB_AGGREGATES_ENABLED", "true"),
        ("PGRST_CLIENT_ERROR_VERBOSITY", "minimal"),
        ("PGRST_SERVER_TRACE_HEADER", "X-Request-Id"),
        ("PGRST_DB_PREPARED_STATEMENTS", "false"),
        ("PGRST_DB_POOL", "1"),
    ]);
    assert_eq!(served.get("/todos?select=id").text(), "[{\"id\":1}]");
    assert_eq!(served.get("/todos?select=id.sum()").text(), "[{\"sum\":3}]");
    let (status, body) = served.answer(&Request::new("GET", "/nothing_like_it"));
    let message = "Could not find the table 'api.nothing_like_it' in the schema cache";
    assert_eq!((status, body), (404, json!({"code": "PGRST205", "message": message})));
    let traced = served.send(&Request::new("GET", "/todos").header("X-Request-Id", "123"));
    assert_eq!(traced.header("x-request-id"), Some("123"));
    assert_eq!(traced.header("sb-request-id"), None);
    drop(served);
    let served = theirs.serve();
    let (status, body) = served.answer(&Request::new("GET", "/todos?select=id.sum()"));
    assert_eq!((status, &body["code"]), (400, &json!("PGRST123")), "off by default");
}

/// Nothing of ours goes around the operator's function and the end that the operator chose.
#[test]
fn several_requests_at_once_are_held_to_the_same() {
    let theirs = Theirs::new();
    theirs.run(
        "create function api.gate() returns void language plpgsql as $$ begin \
         if current_setting('request.headers', true)::json->>'x-stop' is not null then raise sqlstate 'PT402'; end if; end $$; \
         alter role $user set default_transaction_isolation = 'serializable'; alter role $user set work_mem = '5MB'",
    );
    let environment =
        [("PGRST_DB_ANON_ROLE", theirs.anon.as_str()), ("PGRST_JWT_SECRET", SECRET), ("PGRST_DB_PRE_REQUEST", "api.gate")];
    let batch = json!({"operations": [
        {"method": "GET", "path": "/todos?select=id&limit=1"},
        {"method": "POST", "path": "/todos", "body": {"task": "one of several"}},
    ]})
    .to_string();
    let request = with_token("POST", "/-/batch", &theirs.token("$user")).json(&batch);
    let count = || theirs.ask("select count(*)::text from api.todos");
    let served = theirs.serve_with(&environment);
    assert_eq!(served.answer(&request.clone().header("X-Stop", "1")).0, 402);
    assert_eq!(count(), "2");
    let (status, body) = served.answer(&request);
    assert_eq!((status, count().as_str()), (200, "3"), "{body}");
    assert_eq!(served.send(&Request::new("POST", "/-/batch").json(&batch)).status, 401, "the anonymous role may not insert");
    drop(served);
    let served = theirs.serve_with(&[environment.as_slice(), &[("PGRST_DB_TX_END", "rollback")]].concat());
    assert_eq!((served.answer(&request).0, count().as_str()), (200, "3"), "rolled back");
}

#[test]
fn ends_plans_and_times_as_the_operator_allows() {
    let theirs = Theirs::new();
    let user = theirs.token("$user");
    let insert = with_token("POST", "/todos", &user).json("{\"task\": \"kept?\"}");
    let count = || theirs.ask("select count(*)::text from api.todos where task = 'kept?'");
    let plan = Request::new("GET", "/todos").header("Accept", "application/vnd.pgrst.plan+json");
    for (tx_end, asked, kept) in [
        ("commit", Some("rollback"), "1"),
        ("rollback", Some("commit"), "0"),
        ("rollback-allow-override", None, "0"),
        ("rollback-allow-override", Some("commit"), "1"),
        ("commit-allow-override", Some("rollback"), "0"),
    ] {
        let served =
            theirs.serve_with(&[("PGRST_DB_ANON_ROLE", &theirs.anon), ("PGRST_JWT_SECRET", SECRET), ("PGRST_DB_TX_END", tx_end)]);
        let request = asked.map_or(insert.clone(), |tx| insert.clone().header("Prefer", &format!("tx={tx}")));
        assert_eq!(served.send(&request).status, 201, "{tx_end}");
        assert_eq!(count(), kept, "{tx_end} {asked:?}");
        theirs.run("delete from api.todos where task = 'kept?'");
        assert_eq!(served.send(&plan).status, 406, "off by default");
    }
    let mut served = theirs.serve_with(&[
        ("PGRST_DB_ANON_ROLE", &theirs.anon),
        ("PGRST_DB_PLAN_ENABLED", "true"),
        ("PGRST_SERVER_TIMING_ENABLED", "true"),
        ("PGRST_LOG_QUERY", "true"),
        ("PGRST_DB_POOL_MAX_LIFETIME", "1"),
        ("PGRST_DB_POOL_MAX_IDLETIME", "1"),
    ]);
    let (status, body) = served.answer(&plan);
    assert!(status == 200 && body[0]["Plan"]["Node Type"].is_string(), "{status} {body}");
    let timed = served.get("/todos?task=eq.private-word");
    assert!(timed.header("server-timing").is_some_and(|t| t.contains("transaction;dur=")), "{:?}", timed.headers);
    assert!(served.server.terminate().expect("it ends").success(), "{}", served.server.logs());
    let logs = served.server.logs();
    assert!(logs.contains("\\\"todos\\\"") && !logs.contains("private-word"), "{logs}");
}

#[test]
fn functions_bring_settings_and_answer_the_root() {
    let theirs = Theirs::new();
    theirs.run(
        "alter role $anon set statement_timeout = '9s'; \
         create function api.seen() returns json language sql stable as $$ select json_build_object('timeout', \
         current_setting('statement_timeout'), 'isolation', current_setting('transaction_isolation'), 'lock', current_setting('lock_timeout'), \
         'read_only', current_setting('transaction_read_only')) $$; \
         create function api.hoists() returns json language sql stable set statement_timeout = '4s' \
         set default_transaction_isolation = 'serializable' set lock_timeout = '2s' as $$ select api.seen() $$; \
         create function api.changes() returns text language sql volatile as $$ select current_setting('transaction_read_only') $$; \
         create function api.root() returns json language sql stable as $$ select '{\"swagger\": \"mine\"}'::json $$;",
    );
    let served = theirs.serve_with(&[
        ("PGRST_DB_ANON_ROLE", &theirs.anon),
        ("PGRST_DB_ROOT_SPEC", "api.root"),
        ("PGRST_DB_HOISTED_TX_SETTINGS", "statement_timeout, lock_timeout, default_transaction_isolation"),
    ]);
    let plain = json!({"timeout": "9s", "isolation": "read committed", "lock": "0", "read_only": "on"});
    let hoisted = json!({"timeout": "4s", "isolation": "serializable", "lock": "2s", "read_only": "on"});
    for _ in 0..2 {
        assert_eq!(served.answer(&Request::new("GET", "/rpc/seen")), (200, plain.clone()));
        assert_eq!(served.answer(&Request::new("GET", "/rpc/hoists")), (200, hoisted.clone()));
    }
    assert_eq!(served.answer(&Request::new("GET", "/rpc/changes")), (200, json!("on")));
    assert_eq!(served.answer(&Request::new("POST", "/rpc/changes").json("{}")), (200, json!("off")));
    for path in ["/", "/rest/v1", "/rest/v1/"] {
        assert_eq!(served.answer(&Request::new("GET", path)), (200, json!({"swagger": "mine"})), "{path}");
        assert_eq!(served.answer(&Request::new("POST", path)), (200, json!({"swagger": "mine"})), "{path}");
        // A function that returns no such media type has none.
        let request = Request::new("GET", path).header("Accept", "application/openapi+json");
        assert_eq!(served.answer(&request).0, 406, "{path}");
    }
}

/// `response.headers` and `response.status` of the operator's function count for tables, too.
#[test]
fn the_operators_function_speaks_in_the_answer() {
    let theirs = Theirs::new();
    theirs.run(
        "create function api.headers() returns void language plpgsql as $$ begin \
         perform set_config('response.headers', '[{\"X-Gate\": \"seen\"}]', true); end $$;",
    );
    let served = theirs.serve_with(&[("PGRST_DB_ANON_ROLE", &theirs.anon), ("PGRST_DB_PRE_REQUEST", "api.headers")]);
    let answer = served.get("/todos?select=id");
    assert_eq!((answer.status, answer.header("x-gate")), (200, Some("seen")));
}

/// The reason phrase that code raises is that of the status line; one that fits no header is left out.
#[test]
fn code_words_the_status() {
    use std::io::{Read as _, Write as _};

    let theirs = Theirs::new();
    theirs.run(
        "create function api.teapot() returns void language plpgsql stable as $$ begin raise sqlstate 'PGRST' using \
         message = '{\"code\": \"T\", \"message\": \"short\"}', \
         detail = '{\"status\": 418, \"status_text\": \"Short And Stout\", \"headers\": {\"X-Spout\": \"yes\"}}'; end $$; \
         create function api.plain() returns void language plpgsql stable as $$ begin raise sqlstate 'PGRST' using \
         message = '{\"code\": \"T\", \"message\": \"short\"}', detail = '{\"status\": 418, \"headers\": {}}'; end $$; \
         create function api.split() returns void language plpgsql stable as $$ begin raise sqlstate 'PGRST' using \
         message = '{\"code\": \"T\", \"message\": \"short\"}', \
         detail = '{\"status\": 418, \"status_text\": \"a\\r\\nX-Mine: 1\", \"headers\": {}}'; end $$; \
         create function api.paid() returns void language plpgsql stable as $$ begin \
         raise sqlstate 'PT402' using message = 'Pay First'; end $$;",
    );
    let served = theirs.serve_with(&[("PGRST_DB_ANON_ROLE", &theirs.anon)]);
    for (name, line) in [
        ("teapot", "HTTP/1.1 418 Short And Stout"),
        ("plain", "HTTP/1.1 418 I'm a teapot"),
        ("split", "HTTP/1.1 418 I'm a teapot"),
        ("paid", "HTTP/1.1 402 Pay First"),
    ] {
        let mut stream = std::net::TcpStream::connect(served.server.address()).expect("it listens");
        let request = format!("GET /rpc/{name} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert_eq!(answer.lines().next(), Some(line), "{answer}");
        assert!(!answer.contains("X-Mine"), "{answer}");
    }
}
