//! Functions that anybody may call, with transactions that write, on a server with one connection: whatever they do and however they end, the
//! next request finds nothing of it; and rights are looked up for each role, whoever warmed the statement. Direct and behind PgBouncer.

use basalt_testkit::Project;
use basalt_testkit::http::Request;
use basalt_testkit::postgres::{AUTHENTICATOR, Database, PoolMode, PrivateBouncer, SUPERUSER};
use basalt_testkit::process::{ServerOptions, TestServer};

use crate::support::{ADA, anonymous, known_keys, send, service, user_token};

/// What functions do; the second list is of texts that are run, which sends requests another way.
const ACTS: [&[&str]; 2] = [
    &[
        "perform set_config('role', 'service_role', false);",
        "perform set_config('app.tenant', 'theirs', false); perform set_config('request.jwt.claims', '{\"sub\":\"x\"}', false);",
        "perform set_config('search_path', 'auth', false); perform set_config('statement_timeout', '60001', false);",
        "perform set_config('default_transaction_read_only', 'on', false); perform set_config('timezone', 'Asia/Tokyo', false);",
        "perform pg_advisory_lock(7); perform pg_advisory_lock_shared(8, 9);",
        "create temporary table secrets (id int); insert into secrets values (99); grant all on secrets to public;",
        "begin reset role; exception when others then null; end;",
        "begin set session authorization service_role; exception when others then null; end;",
        "begin reset session authorization; set role service_role; exception when others then null; end;",
        "perform nextval('public.numbers'); listen something;",
    ],
    &[
        "execute 'prepare mine as select 1'; execute 'deallocate all';",
        "execute 'declare kept cursor with hold for select 1';",
        "execute 'set role service_role'; execute 'create temporary table who (id int)';",
        "execute 'set session characteristics as transaction read only';",
    ],
];

/// How they end.
const ENDS: [&str; 2] = ["", "raise exception 'enough';"];

const SCHEMA: &str = "
    create sequence public.numbers; grant all on public.numbers to anon, authenticated, service_role;
    create view public.who as select current_user::text as who, session_user::text as login,
        nullif(current_setting('app.tenant', true), '') as tenant, current_setting('request.jwt.claims', true) as claims,
        current_setting('search_path') as path, current_setting('timezone') as zone, current_setting('default_transaction_read_only') as ro,
        (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
        (select count(*) from pg_class where relpersistence = 't' and relkind = 'r') as temporary,
        (select count(*) from pg_prepared_statements where from_sql) as prepared,
        (select count(*) from pg_cursors where name = 'kept') as cursors;
    create function public.last() returns bigint language sql volatile as 'select lastval()';
    create table public.secrets (id int primary key); insert into public.secrets values (1);
    alter table public.secrets enable row level security;
    grant all on public.who, public.secrets to anon, authenticated, service_role;
    create function public.secret() returns int language sql as 'select 42';
    revoke execute on function public.secret() from public, anon, authenticated; grant execute on function public.secret() to service_role;
    create table public.partly (id int primary key, hidden text); insert into public.partly values (1, 'h');
    revoke all on public.partly from anon, authenticated; grant all on public.partly to service_role;
    grant select (id), insert (id), update (id) on public.partly to anon, authenticated;
    create schema app; create table app.inner (id int); grant usage on schema app to service_role;
    grant select on app.inner to anon, authenticated, service_role;";

/// Who asks, as a request's beginning.
const ROLES: [&str; 3] = ["service_role", "authenticated", "anon"];

fn by(role: &str, method: &str, target: &str) -> Request {
    match role {
        "service_role" => service(method, target),
        "authenticated" => anonymous(method, target).header("Authorization", &format!("Bearer {}", user_token(ADA))),
        _ => anonymous(method, target),
    }
}

struct Served {
    server: TestServer,
    _bouncer: Option<PrivateBouncer>,
    _project: Project,
    _database: Database,
}

impl Served {
    fn new(acts: &[&str], is_pooled: bool) -> Self {
        let mut sql = SCHEMA.to_owned();
        for (at, act) in acts.iter().enumerate() {
            for (end, last) in ENDS.iter().enumerate() {
                sql.push_str(&format!(
                    "create function public.act_{at}_{end}() returns int language plpgsql volatile as $f$ begin {act} {last} return 1; end $f$;"
                ));
            }
        }
        let database = Database::empty();
        let project = Project::new()
            .config("project_id = \"remains\"\n[api]\nschemas = [\"public\", \"app\"]")
            .basalt_config("[database]\npool_size = 1\n")
            .migration(&sql);
        let admin = database.connection_string(SUPERUSER);
        let bouncer = is_pooled.then(|| PrivateBouncer::start(database.server(), PoolMode::Transaction));
        let requests = match &bouncer {
            Some(bouncer) => bouncer.connection_string(database.name(), AUTHENTICATOR),
            None => database.connection_string(AUTHENTICATOR),
        };
        let arguments = ["--database", &requests, "--admin-database", &admin].map(str::to_owned).to_vec();
        let server = TestServer::start_with(project.path(), &ServerOptions { arguments, ..known_keys() })
            .unwrap_or_else(|e| panic!("{e}"));
        Self { server, _bouncer: bouncer, _project: project, _database: database }
    }

    fn text(&self, role: &str, method: &str, target: &str) -> String {
        let schema = if target.ends_with("/inner") { "app" } else { "public" };
        let request = by(role, method, target).header("Accept-Profile", schema);
        let answer = send(&self.server, &if method == "POST" { request.json("{}") } else { request });
        format!("{} {}", answer.status, answer.text())
    }
}

#[test]
fn functions_leave_nothing_behind() {
    for acts in ACTS {
        for is_pooled in [false, true] {
            let served = Served::new(acts, is_pooled);
            let before = served.text("authenticated", "GET", "/rest/v1/who");
            assert!(before.contains(r#""who":"authenticated""#) && before.contains(r#""login":"authenticator""#), "{before}");
            for (at, act) in acts.iter().enumerate() {
                for (role, end) in ROLES.iter().flat_map(|role| (0..ENDS.len()).map(move |end| (*role, end))) {
                    let what = format!("{act} {} as {role}, pooled: {is_pooled}", ENDS[end]);
                    let told = served.text(role, "POST", &format!("/rest/v1/rpc/act_{at}_{end}"));
                    assert!(end == 0 || !told.starts_with("200"), "{what}: {told}");
                    assert_eq!(served.text("authenticated", "GET", "/rest/v1/who"), before, "{what}: {told}");
                    assert_eq!(served.text("anon", "GET", "/rest/v1/secrets"), "200 []", "{what}");
                    assert_eq!(served.text("service_role", "GET", "/rest/v1/secrets"), r#"200 [{"id":1}]"#, "{what}");
                    // On the way of functions, too.
                    let last = served.text("authenticated", "POST", "/rest/v1/rpc/last");
                    assert!(last.contains("55000"), "{what}: {last}");
                }
            }
        }
    }
}

#[test]
fn rights_are_those_of_the_role_however_warm() {
    // Method, path, the answer's beginning for the role that may, and the code for the one that may not.
    let rows = [
        ("POST", "/rest/v1/rpc/secret", "200 42"),
        ("GET", "/rest/v1/rpc/secret", "200 42"),
        ("GET", "/rest/v1/partly", r#"200 [{"id":1"#),
        ("GET", "/rest/v1/partly?select=hidden", r#"200 [{"hidden":"h"}]"#),
        ("GET", "/rest/v1/partly?select=id&hidden=eq.h", r#"200 [{"id":1}]"#),
        ("GET", "/rest/v1/partly?select=id&order=hidden", r#"200 [{"id":1}]"#),
        ("GET", "/rest/v1/inner", "200 []"),
        ("DELETE", "/rest/v1/partly?id=eq.99", "204"),
    ];
    for is_pooled in [false, true] {
        let served = Served::new(&[], is_pooled);
        for (method, target, allowed) in rows {
            for round in 0..3 {
                let told = served.text("service_role", method, target);
                assert!(told.starts_with(allowed), "{method} {target}: {told}");
                for role in ["anon", "authenticated"] {
                    let told = served.text(role, method, target);
                    assert!(told.contains("42501"), "{method} {target} as {role}, round {round}, pooled: {is_pooled}: {told}");
                }
            }
            assert!(served.text("anon", "GET", "/rest/v1/partly?select=id").starts_with("200"), "what it may");
        }
    }
}
