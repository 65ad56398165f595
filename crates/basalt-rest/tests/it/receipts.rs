//! Requests with an `Idempotency-Key`: what is kept of them, for how long, and what happens while one is under way. On both engines.

use std::sync::Arc;
use std::sync::mpsc;

use basalt_engine::Engine;
use basalt_postgres::{PostgresEngine, PostgresOptions};
use basalt_rest::{ReceiptLimits, Rest, RestConfig};
use basalt_sqlite::{MigrationFile, SqliteEngine, SqliteOptions};
use basalt_testkit::postgres::{AUTHENTICATOR, Database, PoolMode, PrivateBouncer, SUPERUSER};
use basalt_types::Session;
use bytes::Bytes;
use tokio::runtime::Runtime;

const SCHEMA: &str = "
    create table public.orders (id bigint generated always as identity primary key, item text not null, extra text);
    create table public.lines (id bigint primary key, order_id bigint references public.orders deferrable initially deferred);
    grant all on public.orders, public.lines to anon, authenticated, service_role;";

/// What SQLite does not run: functions, one of which looks at the end of the transaction who it runs as.
const FUNCTIONS: &str = r#"
    create function public.order_one(item text) returns bigint language sql volatile as
      $$ insert into public.orders (item) values (order_one.item) returning id $$;
    create function public.count_them() returns bigint language sql stable as $$ select count(*) from public.orders $$;
    create function public.breaks() returns bigint language plpgsql volatile as
      $$ begin insert into public.orders (item) values ('x'); perform set_config('response.headers', 'none', true); return 1; end $$;
    create function public.says() returns text language plpgsql volatile as
      $$ begin perform set_config('response.status', '202', true);
         perform set_config('response.headers', '[{"X-One": "1"}]', true); return 'x'; end $$;
    create function public.note_role() returns trigger language plpgsql as
      $$ begin update public.orders set extra = current_user where id = new.id; return null; end $$;
    create constraint trigger late after insert on public.orders deferrable initially deferred
      for each row execute function public.note_role();"#;

/// A surface over an engine, and what must outlive it.
struct Place {
    name: &'static str,
    rest: Rest,
    engine: Arc<dyn Engine>,
    sqlite: Option<(Arc<SqliteEngine>, tempfile::TempDir)>,
    database: Option<Database>,
    bouncer: Option<PrivateBouncer>,
    runtime: Runtime,
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// The same on both engines.
fn places(receipts: ReceiptLimits) -> [Place; 2] {
    // A slow machine gives the same answers.
    let config = || RestConfig { receipts: Some(receipts), timeouts: Vec::new(), ..RestConfig::default() };
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = SqliteOptions::new(folder.path().join("data.db"));
    options.auto_expose_new_tables = true;
    let sqlite = SqliteEngine::open(options).expect("an engine");
    let file = MigrationFile { version: "1".into(), name: "orders".into(), text: SCHEMA.into() };
    sqlite.apply_migration(&file).expect("applies");
    let engine: Arc<dyn Engine> = Arc::clone(&sqlite) as Arc<_>;
    let rest = Rest::new(Arc::clone(&engine), config());
    let on_sqlite =
        Place { name: "sqlite", rest, engine, sqlite: Some((sqlite, folder)), database: None, bouncer: None, runtime: runtime() };
    [on_sqlite, on_postgres(config(), None)]
}

/// PostgreSQL, behind a pooler where one is wanted.
fn on_postgres(config: RestConfig, mode: Option<PoolMode>) -> Place {
    let database = Database::fresh();
    database.apply(SCHEMA).and_then(|()| database.apply(FUNCTIONS)).expect("applies");
    let bouncer = mode.map(|mode| PrivateBouncer::start(database.server(), mode));
    let address = |user| match &bouncer {
        Some(bouncer) => bouncer.connection_string(database.name(), user),
        None => database.connection_string(user),
    };
    let options = PostgresOptions::new(address(AUTHENTICATOR), address(SUPERUSER));
    let engine: Arc<dyn Engine> = PostgresEngine::open(options).expect("an engine");
    let rest = Rest::new(Arc::clone(&engine), config);
    Place { name: "postgres", rest, engine, sqlite: None, database: Some(database), bouncer, runtime: runtime() }
}

/// Status, body, and whether it is a receipt's.
type Answer = (u16, String, bool);

async fn send(rest: &Rest, role: &str, target: &str, key: Option<&str>, body: &str) -> http::Response<Bytes> {
    let mut request = http::Request::builder().method("POST").uri(target).header("Prefer", "return=representation");
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    let request = request.body(Bytes::from(body.to_owned())).expect("a request");
    rest.handle(&Session::of_role(role), request).await
}

fn shown(response: &http::Response<Bytes>) -> Answer {
    let text = String::from_utf8_lossy(response.body()).into_owned();
    (response.status().as_u16(), text, response.headers().contains_key("idempotency-replayed"))
}

impl Place {
    fn post(&self, target: &str, key: &str, body: &str) -> Answer {
        shown(&self.runtime.block_on(send(&self.rest, "anon", target, Some(key), body)))
    }

    fn orders(&self) -> String {
        let request = http::Request::get("/orders?select=item&order=id").body(Bytes::new()).expect("a request");
        let response = self.runtime.block_on(self.rest.handle(&Session::of_role("service_role"), request));
        String::from_utf8_lossy(response.body()).replace(", \n ", ",")
    }

    /// As the owner.
    fn sql(&self, sql: &'static str) -> u64 {
        let done = basalt_engine::transaction(&*self.engine, move |tx| Ok(tx.query(sql, &[])?.affected));
        self.runtime.block_on(done).expect("runs")
    }
}

#[test]
fn a_function_runs_once() {
    let [_, place] = places(ReceiptLimits::default());
    let first = place.post("/rpc/order_one", "k", r#"{"item":"a"}"#);
    assert_eq!(first, (200, "1".to_owned(), false), "{}", place.name);
    assert_eq!(place.post("/rpc/order_one", "k", r#"{"item":"a"}"#), (200, "1".to_owned(), true), "{}", place.name);
    assert_eq!(place.post("/rpc/order_one", "l", r#"{"item":"b"}"#).0, 200);
    assert_eq!(place.orders(), r#"[{"item":"a"},{"item":"b"}]"#, "{}", place.name);
    // One that writes nothing leaves none.
    assert_eq!(place.post("/rpc/count_them", "reads", "{}"), (200, "2".to_owned(), false));
    assert_eq!(place.post("/orders?select=item", "reads", r#"{"item":"c"}"#).0, 201, "the key is free");
    // What waits for the end runs as the caller, though the receipt is written by another.
    let rows = place
        .database
        .as_ref()
        .map(|d| d.superuser().and_then(|mut c| c.query_text("select distinct extra from public.orders", &[])));
    assert_eq!(rows.expect("a database").expect("reads"), [[Some("anon".to_owned())].to_vec()]);
    // What a function says of the response is kept with it.
    for is_replayed in [false, true] {
        let said = place.runtime.block_on(send(&place.rest, "anon", "/rpc/says", Some("says"), "{}"));
        assert_eq!(shown(&said), (202, "\"x\"".to_owned(), is_replayed));
        assert_eq!(said.headers().get("x-one").map(http::HeaderValue::as_bytes), Some(&b"1"[..]));
    }
    // One whose answer cannot be made has written nothing.
    let (status, body, _) = place.post("/rpc/breaks", "breaks", "{}");
    assert_eq!(status, 500);
    assert!(body.contains("PGRST111"), "{body}");
    assert!(!place.orders().contains("\"x\""), "{}", place.orders());
}

#[test]
fn what_expired_is_run_again_and_swept() {
    for place in places(ReceiptLimits::default()) {
        assert!(!place.post("/orders?select=item", "k", r#"{"item":"a"}"#).2);
        assert!(place.post("/orders?select=item", "k", r#"{"item":"a"}"#).2);
        assert_eq!(place.sql("UPDATE basalt.receipts SET expires_at = now() - interval '1 second'"), 1);
        assert_eq!(place.post("/orders?select=item", "k", r#"{"item":"b"}"#), (201, r#"[{"item":"b"}]"#.to_owned(), false));
        assert!(place.post("/orders?select=item", "k", r#"{"item":"b"}"#).2);
        assert_eq!(place.runtime.block_on(place.rest.sweep()), Ok(0));
        assert_eq!(place.sql("UPDATE basalt.receipts SET expires_at = now() - interval '1 second'"), 1);
        assert_eq!(place.runtime.block_on(place.rest.sweep()), Ok(1), "{}", place.name);
        assert_eq!(place.orders(), r#"[{"item":"a"},{"item":"b"}]"#);
    }
}

#[test]
fn receipts_are_bounded_in_size_and_number() {
    for place in places(ReceiptLimits { max_body_bytes: 40, most: Some(3), ..ReceiptLimits::default() }) {
        let long = format!(r#"{{"item":"{}"}}"#, "x".repeat(50));
        let (status, body, _) = place.post("/orders?select=item", "long", &long);
        assert_eq!((status, body.len()), (201, 63), "{}", place.name);
        let again = place.runtime.block_on(send(&place.rest, "anon", "/orders?select=item", Some("long"), &long));
        assert_eq!(shown(&again), (201, String::new(), true), "{}", place.name);
        assert_eq!(again.headers().get("idempotency-body").map(http::HeaderValue::as_bytes), Some(&b"omitted"[..]));
        assert_eq!(again.headers().get("content-length").map(http::HeaderValue::as_bytes), Some(&b"0"[..]));
        for key in ["1", "2"] {
            assert_eq!(place.post("/orders?select=id", key, r#"{"item":"a"}"#).0, 201);
        }
        let (status, body, _) = place.post("/orders?select=id", "3", r#"{"item":"a"}"#);
        assert_eq!(status, 429, "{}", place.name);
        assert!(body.contains("BSLT019"), "{body}");
        // Those that are there are answered; others have room of their own, and who bypasses policies is not bounded.
        assert!(place.post("/orders?select=id", "1", r#"{"item":"a"}"#).2);
        for (role, keys) in [("authenticated", 3), ("service_role", 5)] {
            for n in 0..keys {
                let key = n.to_string();
                let one = send(&place.rest, role, "/orders?select=id", Some(&key), r#"{"item":"a"}"#);
                assert_eq!(place.runtime.block_on(one).status(), 201, "{} {role} {n}", place.name);
            }
        }
    }
}

#[test]
fn a_receipt_outlives_what_it_was_made_with() {
    for place in places(ReceiptLimits::default()) {
        let first = place.post("/orders?select=item,extra", "k", r#"{"item":"a","extra":"b"}"#);
        assert_eq!(first.0, 201);
        match (&place.sqlite, &place.database) {
            (Some((engine, _)), _) => {
                let text = "alter table public.orders drop column extra;".into();
                let file = MigrationFile { version: "2".into(), name: "less".into(), text };
                engine.apply_migration(&file).expect("applies");
            }
            (_, Some(database)) => database.apply("alter table public.orders drop column extra").expect("applies"),
            _ => unreachable!("one of both"),
        }
        let again = place.post("/orders?select=item,extra", "k", r#"{"item":"a","extra":"b"}"#);
        // Whether the server has noticed or not.
        assert_eq!(again, (201, first.1, true), "{}", place.name);
    }
}

#[test]
fn what_fails_in_the_end_leaves_no_receipt() {
    for place in places(ReceiptLimits::default()) {
        // A constraint that is looked at when all has run, and the receipt is written.
        let (status, body, _) = place.post("/lines?select=id", "k", r#"{"id":1,"order_id":77}"#);
        assert_eq!(status, 409, "{}: {body}", place.name);
        assert_eq!(place.post("/orders?select=item", "k", r#"{"item":"a"}"#).0, 201, "{}", place.name);
    }
}

#[test]
fn a_request_under_way_is_no_request_yet() {
    for place in places(ReceiptLimits::default()) {
        let (rest, other) = (place.rest.clone(), place.rest.clone());
        let body = r#"{"item":"a"}"#;
        // Something that the write has to wait for.
        let (first, second);
        match (&place.sqlite, &place.database) {
            (Some((engine, _)), _) => {
                let (begun, has_begun) = mpsc::channel();
                let (release, released) = mpsc::channel::<()>();
                let (begun, released) = (std::sync::Mutex::new(begun), std::sync::Mutex::new(released));
                let busy = Arc::clone(engine);
                let holding = place.runtime.spawn(async move {
                    let held = basalt_engine::transaction(&*busy, move |_| {
                        let _ = begun.lock().expect("a lock").send(());
                        let _ = released.lock().expect("a lock").recv();
                        Ok(())
                    });
                    held.await
                });
                has_begun.recv().expect("the writer is held");
                let mut running = Box::pin(send(&rest, "anon", "/orders?select=item", Some("k"), body));
                place.runtime.block_on(async {
                    // Up to where it waits for the writer.
                    assert!(futures_poll(&mut running).is_none());
                });
                second = place.runtime.block_on(send(&other, "anon", "/orders?select=item", Some("k"), body));
                release.send(()).expect("it waits");
                first = place.runtime.block_on(running);
                place.runtime.block_on(holding).expect("ends").expect("ends");
            }
            (_, Some(database)) => {
                let mut holder = database.superuser().expect("connects");
                holder.batch("begin; lock table public.orders in share row exclusive mode").expect("locks");
                let running =
                    place.runtime.spawn(async move { send(&rest, "anon", "/orders?select=item", Some("k"), body).await });
                let waiting =
                    "select count(*)::text from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
                // Not in the holder's transaction, which would see the same activity each time.
                let mut watcher = database.superuser().expect("connects");
                while watcher.query_text(waiting, &[]).expect("reads") != [[Some("1".to_owned())].to_vec()] {
                    std::thread::yield_now();
                }
                second = place.runtime.block_on(send(&other, "anon", "/orders?select=item", Some("k"), body));
                holder.batch("rollback").expect("lets go");
                first = place.runtime.block_on(running).expect("ends");
            }
            _ => unreachable!("one of both"),
        }
        let (status, text, _) = shown(&second);
        assert_eq!(status, 409, "{}: {text}", place.name);
        assert!(text.contains("BSLT017") && second.headers().contains_key("retry-after"), "{text}");
        assert_eq!(shown(&first), (201, r#"[{"item":"a"}]"#.to_owned(), false), "{}", place.name);
        assert_eq!(place.post("/orders?select=item", "k", body), (201, r#"[{"item":"a"}]"#.to_owned(), true));
        assert_eq!(place.orders(), r#"[{"item":"a"}]"#);
    }
}

/// What a future says when it is asked once.
fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(future).poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[test]
fn many_at_once_write_once() {
    let config = RestConfig { timeouts: Vec::new(), ..RestConfig::default() };
    let pooled = on_postgres(config, Some(PoolMode::Transaction));
    assert!(pooled.bouncer.is_some());
    for place in places(ReceiptLimits::default()).into_iter().chain([pooled]) {
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let rest = place.rest.clone();
                place.runtime.spawn(async move {
                    loop {
                        let response = send(&rest, "anon", "/orders?select=id,item", Some("k"), r#"{"item":"a"}"#).await;
                        if response.status() != 409 {
                            return shown(&response);
                        }
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        let answers: Vec<Answer> = tasks.into_iter().map(|task| place.runtime.block_on(task).expect("ends")).collect();
        assert!(answers.iter().all(|(status, body, _)| (*status, body) == (201, &answers[0].1)), "{}: {answers:?}", place.name);
        assert_eq!(answers.iter().filter(|(_, _, is_replayed)| !is_replayed).count(), 1, "{}", place.name);
        assert_eq!(place.orders(), r#"[{"item":"a"}]"#);
    }
}

#[test]
fn where_there_is_no_place_for_receipts_it_is_said() {
    let database = Database::fresh();
    database.apply(SCHEMA).expect("applies");
    database.superuser().and_then(|mut c| c.batch("drop schema basalt cascade")).expect("drops");
    let options = PostgresOptions::new(database.connection_string(AUTHENTICATOR), database.connection_string(SUPERUSER));
    let engine: Arc<dyn Engine> = PostgresEngine::open(options).expect("an engine");
    let rest = Rest::new(engine, RestConfig::default());
    let runtime = runtime();
    let (status, body, _) = shown(&runtime.block_on(send(&rest, "anon", "/orders", Some("k"), r#"{"item":"a"}"#)));
    assert_eq!(status, 400);
    assert!(body.contains("BSLT016") && body.contains("--bootstrap on"), "{body}");
    let (status, ..) = shown(&runtime.block_on(send(&rest, "anon", "/orders?select=item", None, r#"{"item":"a"}"#)));
    assert_eq!(status, 201, "without a key it is as ever");
    assert_eq!(runtime.block_on(rest.sweep()), Ok(0));
    let off =
        Rest::new(places(ReceiptLimits::default())[0].engine.clone(), RestConfig { receipts: None, ..RestConfig::default() });
    let (status, body, _) = shown(&runtime.block_on(send(&off, "anon", "/orders", Some("k"), r#"{"item":"a"}"#)));
    assert_eq!(status, 400);
    assert!(body.contains("BSLT016"), "{body}");
}
