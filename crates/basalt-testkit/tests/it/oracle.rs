//! The private PostgreSQL behaves as tests rely on.

use basalt_testkit::postgres::{Database, PrivatePostgres, SUPERUSER};

type Outcome = Result<(), Box<dyn std::error::Error>>;

const NOTES: &str = "
create table notes (id bigint generated always as identity primary key, owner uuid not null default auth.uid(), body text);
alter table notes enable row level security;
create policy own on notes for all to authenticated using (owner = (select auth.uid())) with check (owner = (select auth.uid()));
";
const ANNA: &str = r#"{"sub":"00000000-0000-4000-8000-00000000000a","role":"authenticated","email":"anna@example.com"}"#;
const BERT: &str = r#"{"sub":"00000000-0000-4000-8000-00000000000b","role":"authenticated"}"#;

#[test]
fn it_is_version_17_in_utc_and_c_without_tcp() -> Outcome {
    let database = Database::fresh();
    let mut client = database.superuser()?;
    let shown = client.query_text(
        "select current_setting('server_version_num')::int / 10000, current_setting('TimeZone'), datcollate, \
         current_setting('listen_addresses'), current_setting('server_encoding') from pg_database where datname = current_database()",
        &[],
    )?;
    let expected = ["17", "UTC", "C", "", "UTF8"].map(|text| Some(text.to_owned())).to_vec();
    assert_eq!(shown, [expected]);
    Ok(())
}

#[test]
fn values_travel_as_text_both_ways() -> Outcome {
    let database = Database::fresh();
    let mut client = database.owner()?;
    let answer = client.query(
        "select $1::int + 1 as n, $2::text as t, $3::numeric as d, $4::bool as b, $5::text as missing",
        &[Some("41"), Some("it's \\ \"ü\""), Some("1.50"), Some("yes"), None],
    )?;
    assert_eq!(answer.columns, ["n", "t", "d", "b", "missing"]);
    let expected = [Some("42"), Some("it's \\ \"ü\""), Some("1.50"), Some("t"), None].map(|v| v.map(str::to_owned)).to_vec();
    assert_eq!((answer.rows, answer.count), (vec![expected], 1));
    Ok(())
}

#[test]
fn a_parameter_has_the_type_of_its_place() -> Outcome {
    let database = Database::fresh();
    let mut client = database.owner()?;
    let error = client.query_text("select 1 where 5 = $1", &[Some("abc")]).expect_err("not a number");
    assert_eq!((error.sqlstate.as_str(), error.message.as_str()), ("22P02", "invalid input syntax for type integer: \"abc\""));
    let error = client.query_text("select $1::text", &[Some("a\0b")]).expect_err("a zero byte");
    assert_eq!(error.sqlstate, "22021");
    Ok(())
}

#[test]
fn row_policies_apply_to_requests() -> Outcome {
    let database = Database::fresh();
    database.apply(NOTES)?;
    let mut client = database.authenticator()?;
    let mine = client.run_as("authenticated", ANNA, |tx| {
        tx.query_text("insert into notes (body) values ($1) returning id, owner", &[Some("hello")])
    })?;
    assert_eq!(mine, [vec![Some("1".to_owned()), Some("00000000-0000-4000-8000-00000000000a".to_owned())]]);
    let count = |tx: &mut basalt_testkit::postgres::Client| tx.query_text("select count(*) from notes", &[]);
    assert_eq!(client.run_as("authenticated", ANNA, count)?, [[Some("1".to_owned())]]);
    assert_eq!(client.run_as("authenticated", BERT, count)?, [[Some("0".to_owned())]]);
    assert_eq!(client.run_as("anon", "", count)?, [[Some("0".to_owned())]]);
    assert_eq!(client.run_as("service_role", "", count)?, [[Some("1".to_owned())]]);
    // A failed request leaves nothing behind, neither rows nor role.
    let foreign = "insert into notes (owner, body) values ('00000000-0000-4000-8000-00000000000a', 'forged')";
    let error = client.run_as("authenticated", BERT, |tx| tx.query_text(foreign, &[])).expect_err("another's row");
    assert_eq!(
        (error.sqlstate.as_str(), error.message.as_str()),
        ("42501", "new row violates row-level security policy for table \"notes\"")
    );
    assert_eq!(client.query_text("select current_user", &[])?, [[Some("authenticator".to_owned())]]);
    Ok(())
}

#[test]
fn a_tried_write_is_undone() -> Outcome {
    let database = Database::fresh();
    database.apply("create table t (id int primary key, up int references t deferrable initially deferred)")?;
    let mut client = database.authenticator()?;
    let insert = |sql: &'static str| move |tx: &mut basalt_testkit::postgres::Client| tx.query(sql, &[]).map(|a| a.count);
    assert_eq!(client.try_as("service_role", "", insert("insert into t values (1, null)"))?, 1);
    let error = client.try_as("service_role", "", insert("insert into t values (1, 7)")).expect_err("a missing key");
    assert_eq!((error.sqlstate.as_str(), error.object.constraint.as_deref()), ("23503", Some("t_up_fkey")));
    let error = client.run_as("service_role", "", insert("insert into t values (1, 7)")).expect_err("COMMIT finds it");
    assert_eq!(error.detail.as_deref(), Some("Key (up)=(7) is not present in table \"t\"."));
    assert_eq!(client.run_as("service_role", "", |tx| tx.query_text("select * from t", &[]))?, Vec::<Vec<_>>::new());
    Ok(())
}

#[test]
fn new_tables_are_open_or_closed_by_default_privileges() -> Outcome {
    let create = "create table t (id int); insert into t values (1)";
    let read = |tx: &mut basalt_testkit::postgres::Client| tx.query_text("select id from t", &[]);
    let open = Database::fresh();
    open.apply(create)?;
    assert_eq!(open.authenticator()?.run_as("anon", "", read)?, [[Some("1".to_owned())]]);
    let closed = Database::fresh_closed();
    closed.apply(create)?;
    for role in ["anon", "authenticated", "service_role"] {
        let error = closed.authenticator()?.run_as(role, "", read).expect_err("no grant");
        assert_eq!((error.sqlstate.as_str(), error.message.as_str()), ("42501", "permission denied for table t"));
    }
    Ok(())
}

#[test]
fn the_sign_up_trigger_of_the_quickstarts_works() -> Outcome {
    let database = Database::fresh();
    database.apply(
        "create table public.profiles (id uuid primary key references auth.users on delete cascade, name text);
         create function public.handle_new_user() returns trigger language plpgsql security definer set search_path = '' as $$
         begin
           insert into public.profiles (id, name) values (new.id, new.raw_user_meta_data ->> 'name');
           return new;
         end $$;
         create trigger on_auth_user_created after insert on auth.users for each row execute function public.handle_new_user();
         insert into auth.users (id, email, raw_user_meta_data)
         values ('00000000-0000-4000-8000-00000000000a', 'anna@example.com', '{\"name\": \"Anna\"}');",
    )?;
    let rows = database.owner()?.query_text("select name from public.profiles", &[])?;
    assert_eq!(rows, [[Some("Anna".to_owned())]]);
    Ok(())
}

#[test]
fn the_helpers_of_policies_read_the_claims() -> Outcome {
    let database = Database::fresh();
    let mut client = database.authenticator()?;
    let read = |tx: &mut basalt_testkit::postgres::Client| {
        tx.query_text("select auth.uid(), auth.role(), auth.email(), auth.jwt() ->> 'sub'", &[])
    };
    let anna = Some("00000000-0000-4000-8000-00000000000a".to_owned());
    let expected = vec![anna.clone(), Some("authenticated".to_owned()), Some("anna@example.com".to_owned()), anna];
    assert_eq!(client.run_as("authenticated", ANNA, read)?, [expected]);
    assert_eq!(client.run_as("anon", "", read)?, [vec![None, None, None, None]]);
    let names = client.run_as("anon", "", |tx| {
        tx.query_text(
            "select storage.foldername('a/b/c.tar.gz'), storage.filename('a/b/c.tar.gz'), storage.extension('a/b/c.tar.gz')",
            &[],
        )
    })?;
    assert_eq!(names, [[Some("{a,b}".to_owned()), Some("c.tar.gz".to_owned()), Some("gz".to_owned())]]);
    Ok(())
}

#[test]
fn nothing_is_left_behind() -> Outcome {
    let server = PrivatePostgres::start()?;
    let folder = server.socket_folder().to_owned();
    assert_eq!(server.connect("postgres", SUPERUSER)?.query_text("select 1", &[])?, [[Some("1".to_owned())]]);
    drop(server);
    assert!(!folder.exists(), "{} is still there", folder.display());
    Ok(())
}
