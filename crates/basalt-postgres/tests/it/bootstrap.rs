//! An empty server becomes a project's database; what exists is left alone; migrations and their history.

use basalt_engine::Engine;
use basalt_engine::migrate::{MigrationFile, Migrations, RepairStatus};
use basalt_postgres::{Found, Lacks, PostgresEngine, PostgresOptions};
use basalt_testkit::postgres::{AUTHENTICATOR, Database, PrivatePostgres, SUPERUSER};

use crate::support::{Served, options};

fn file(version: &str, text: &str) -> MigrationFile {
    MigrationFile { version: version.to_owned(), name: "a_name".to_owned(), text: text.to_owned() }
}

#[test]
fn an_empty_server_becomes_a_project() {
    let server = PrivatePostgres::start().expect("PostgreSQL starts");
    server.connect("postgres", SUPERUSER).and_then(|mut c| c.batch("create database app")).expect("creates");
    let address = |user| server.connection_string("app", user);
    let options = PostgresOptions::new(address(AUTHENTICATOR), address(SUPERUSER));
    assert_eq!(PostgresEngine::examine(&options), Ok(Found::Empty));
    PostgresEngine::bootstrap(&options, false).expect("makes it");
    assert_eq!(PostgresEngine::examine(&options), Ok(Found::Complete));
    PostgresEngine::set_authenticator_password(&options, "0123abcd").expect("sets it");
    assert!(PostgresEngine::set_authenticator_password(&options, "x'; drop table y").is_err());
    let engine = PostgresEngine::open(options.clone()).expect("opens");
    assert!(!engine.has_user_tables());
    engine
        .apply_migration(&file("1", "create table public.t (id int primary key); create table public.u (id int);"))
        .expect("applies");
    assert!(engine.has_user_tables());
    let catalog = engine.catalog();
    let table = catalog.relation("public", "t").expect("the catalog has it");
    assert_eq!(table.primary_key(), Some(&[1_i16][..]));
    engine.close();
    // A second database of the same server finds the roles there.
    server.connect("postgres", SUPERUSER).and_then(|mut c| c.batch("create database second")).expect("creates");
    let second =
        PostgresOptions::new(server.connection_string("second", AUTHENTICATOR), server.connection_string("second", SUPERUSER));
    assert_eq!(PostgresEngine::examine(&second), Ok(Found::Empty));
    PostgresEngine::bootstrap(&second, true).expect("makes it");
    assert_eq!(PostgresEngine::examine(&second), Ok(Found::Complete));
    // Requests never run as a login that policies do not bind.
    let privileged = PostgresOptions { requests: options.admin.clone(), ..options };
    assert_eq!(PostgresEngine::open(privileged).err().map(|e| e.state.as_str().to_owned()).as_deref(), Some("42501"));
}

#[test]
fn what_is_there_is_told_and_left() {
    let complete = Database::fresh();
    assert_eq!(PostgresEngine::examine(&options(&complete)), Ok(Found::Complete));
    complete.superuser().and_then(|mut c| c.batch("drop table auth.mfa_amr_claims; drop function auth.jwt()")).expect("drops");
    let lacks = Lacks(vec!["table auth.mfa_amr_claims".to_owned(), "function auth.jwt()".to_owned()]);
    assert_eq!(PostgresEngine::examine(&options(&complete)), Ok(Found::Lacking(lacks)));
}

#[test]
fn what_basalt_made_earlier_is_brought_to_this_version() {
    let server = PrivatePostgres::start().expect("PostgreSQL starts");
    let options = database(&server, "app");
    PostgresEngine::bootstrap(&options, false).expect("makes it");
    let look = || PostgresEngine::look(&options).expect("looks");
    assert_eq!((look().version, look().refusals), (Some(6), Vec::new()));
    // As the version of three texts left it, with and without the table that counts them.
    let older = "drop table auth.mfa_challenges, auth.mfa_factors, auth.one_time_tokens, auth.saml_relay_states, auth.flow_state,
            auth.sso_domains, auth.saml_providers, auth.sso_providers, auth.instances, auth.schema_migrations, realtime.messages;
         drop type auth.factor_type, auth.factor_status, auth.code_challenge_method, auth.one_time_token_type;
         alter table storage.objects drop column path_tokens; drop schema basalt cascade;";
    for count in
        ["delete from supabase_migrations.basalt_bootstrap where version > 3", "drop table supabase_migrations.basalt_bootstrap"]
    {
        server.connect("app", SUPERUSER).and_then(|mut c| c.batch(&format!("{older} {count}"))).expect("goes back");
        assert_eq!(look().version, Some(3));
        assert_eq!(PostgresEngine::upgrade(&options, &look()), Ok(Some(6)));
        assert_eq!(look().version, Some(6));
        assert_eq!(PostgresEngine::upgrade(&options, &look()), Ok(None));
        let sql = "select count(*)::text from auth.mfa_factors, auth.one_time_tokens, realtime.messages, storage.objects where path_tokens is null";
        server.connect("app", SUPERUSER).and_then(|mut c| c.query_text(sql, &[])).expect("they are there");
    }
    // Supabase's own has the tables too, and keeps its own count of them.
    let supabase = Database::fresh();
    let examined = PostgresEngine::look(&self::options(&supabase)).expect("looks");
    assert_eq!((examined.version, &examined.found), (None, &Found::Complete));
    assert_eq!(PostgresEngine::upgrade(&self::options(&supabase), &examined), Ok(None));
}

#[test]
fn what_is_missing_is_made_and_what_is_there_stays() {
    let database = Database::fresh();
    let sql =
        "drop table auth.mfa_amr_claims; alter table auth.sessions drop column refresh_token_counter; drop function auth.jwt();
         create or replace function auth.uid() returns uuid language sql stable as $$ select null::uuid $$;
         drop index auth.users_instance_id_idx; alter table storage.buckets disable row level security;
         insert into auth.users (id, email) values (gen_random_uuid(), 'a@example.com');";
    database.superuser().and_then(|mut c| c.batch(sql)).expect("changes it");
    let options = options(&database);
    let lacks = ["table auth.mfa_amr_claims", "function auth.jwt()", "column auth.sessions.refresh_token_counter"];
    let lacks = Lacks(lacks.map(str::to_owned).to_vec());
    assert_eq!(PostgresEngine::examine(&options), Ok(Found::Lacking(lacks)));
    PostgresEngine::bootstrap(&options, true).expect("makes what is missing");
    let examined = PostgresEngine::look(&options).expect("looks");
    assert_eq!((&examined.found, examined.contents.users, examined.version), (&Found::Complete, Some(1), Some(6)));
    let asked = "select coalesce(auth.uid()::text, 'theirs'), (to_regclass('auth.users_instance_id_idx') is null)::text, \
         (select relrowsecurity::text from pg_class where oid = 'storage.buckets'::regclass), \
         (select relrowsecurity::text from pg_class where oid = 'auth.mfa_amr_claims'::regclass)";
    let rows = database.superuser().and_then(|mut c| c.query_text(asked, &[])).expect("reads");
    assert_eq!(rows, [["theirs", "true", "false", "true"].map(|text| Some(text.to_owned())).to_vec()]);
}

#[test]
fn an_owner_without_rights_is_told_what_an_administrator_runs() {
    let server = PrivatePostgres::start().expect("PostgreSQL starts");
    for sql in ["create role app login", "create database app owner app"] {
        server.connect("postgres", SUPERUSER).and_then(|mut c| c.batch(sql)).expect("creates");
    }
    let options = PostgresOptions::new(server.connection_string("app", AUTHENTICATOR), server.connection_string("app", "app"));
    let before = PostgresEngine::look(&options).expect("looks");
    assert_eq!((&before.found, before.login.as_str(), before.can_make_event_triggers), (&Found::Empty, "app", false));
    let error = PostgresEngine::bootstrap(&options, true).expect_err("it may not make roles");
    assert_eq!(error.state.as_str(), "42501");
    let hint = error.hint.expect("says what to do");
    for line in ["CREATE ROLE anon NOLOGIN NOINHERIT;", "GRANT anon TO authenticator;", "GRANT supabase_auth_admin TO app;"] {
        assert!(hint.contains(line), "{hint}");
    }
    assert_eq!(PostgresEngine::look(&options).expect("looks").found, Found::Empty, "nothing was made");
    let (_, statements) = hint.split_once('\n').expect("statements follow");
    server.connect("app", SUPERUSER).and_then(|mut c| c.batch(statements)).expect("the administrator's part runs as it is");
    PostgresEngine::bootstrap(&options, true).expect("makes the rest");
    let after = PostgresEngine::look(&options).expect("looks");
    assert_eq!((&after.found, after.refusals.as_slice()), (&Found::Complete, &[][..]));
    let refused = PostgresEngine::set_authenticator_password(&options, "0123").expect_err("it may not");
    assert!(refused.hint.is_some_and(|hint| hint.contains("ALTER ROLE authenticator LOGIN PASSWORD")));
    // Tables of its migrations are given to the API's roles, as tables of postgres would be.
    let engine = PostgresEngine::open(options.clone()).expect("opens");
    engine.apply_migration(&file("1", "create table public.t (id int primary key);")).expect("applies");
    let granted = "select has_table_privilege('anon', 'public.t', 'select')::text";
    let rows = server.connect("app", SUPERUSER).and_then(|mut c| c.query_text(granted, &[])).expect("reads");
    assert_eq!(rows[0][0].as_deref(), Some("true"));
    engine.close();
    // Another login of the same database that may not reach the services' tables.
    server.connect("app", SUPERUSER).and_then(|mut c| c.batch("create role poor login")).expect("creates");
    let poor = PostgresOptions { admin: server.connection_string("app", "poor"), ..options };
    let refusals = PostgresEngine::look(&poor).expect("looks").refusals;
    assert_eq!(refusals.len(), 7, "{refusals:?}");
    for refusal in refusals {
        server.connect("app", SUPERUSER).and_then(|mut c| c.batch(&refusal.statement)).expect("runs as it is");
    }
    assert_eq!(PostgresEngine::look(&poor).expect("looks").refusals, []);
}

/// A new database of a server, and how to reach it.
fn database(server: &PrivatePostgres, name: &str) -> PostgresOptions {
    server.connect("postgres", SUPERUSER).and_then(|mut c| c.batch(&format!("create database {name}"))).expect("creates");
    let address = |user| server.connection_string(name, user);
    PostgresOptions::new(address(AUTHENTICATOR), address(SUPERUSER))
}

#[test]
fn a_file_applies_whole_or_not_at_all() {
    let served = Served::new("");
    let engine = &served.engine;
    assert_eq!(engine.applied_migrations(), Ok(Vec::new()));
    engine.apply_migration(&file("20240101000000", "create table public.a (id int);\nset role anon;")).expect("applies");
    let text = "create table public.b (id int);\ninsert into public.b values (1);\nselect * from nowhere;";
    let failed = engine.apply_migration(&file("20240102000000", text)).expect_err("an unknown table");
    assert_eq!((failed.error.state.as_str(), failed.line, failed.column), ("42P01", 3, 15));
    assert!(engine.catalog().relation("public", "b").is_none() && engine.catalog().relation("public", "a").is_some());
    let history = engine.applied_migrations().expect("reads");
    assert_eq!(history.len(), 1);
    assert_eq!((history[0].version.as_str(), history[0].name.as_deref()), ("20240101000000", Some("a_name")));
    assert_eq!(history[0].sha256.as_deref(), Some(&*engine.checksum("create table public.a (id int);\nset role anon;")));
    engine.repair("20240102000000", "other", None, RepairStatus::Applied).expect("repairs");
    engine.repair("20240101000000", "", None, RepairStatus::Reverted).expect("repairs");
    let history = engine.applied_migrations().expect("reads");
    assert_eq!(history.iter().map(|m| (m.version.as_str(), m.sha256.is_some())).collect::<Vec<_>>(), [("20240102000000", false)]);
    engine.run_seed("insert into public.a values (1), (2);").expect("seeds");
    assert_eq!(served.body("service_role", "a"), "[{\"id\":1}, \n {\"id\":2}]");
}

#[test]
fn the_catalog_follows_the_database() {
    let served = Served::with("create table public.a (id int);", |options| PostgresOptions {
        watch_interval: std::time::Duration::from_millis(5),
        ..options
    });
    let before = served.engine.catalog().version();
    served.engine.reload().expect("reads");
    assert_eq!(served.engine.catalog().version(), before, "the same schema is the same catalog");
    served.database.apply("create table public.b (id int); create policy p on public.a using (true);").expect("applies");
    while served.engine.catalog().relation("public", "b").is_none() {
        std::thread::yield_now();
    }
    assert_eq!(served.engine.catalog().relation("public", "a").map(|r| r.policies.len()), Some(1));
}
