use super::*;

fn read(env: &[(&str, &str)], database: &[(&str, &str)]) -> Result<Settings, String> {
    let database: Vec<(String, String)> = database.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let env = Environment::of(env);
    Settings::read(&Sources { env: &env, file: None, address: None, database: &database }).map_err(|ConfigError(text)| text)
}

#[test]
fn the_database_wins_over_the_environment_and_that_over_the_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("x.conf");
    let text = "db-uri = \"postgres://a@h/d\"\ndb-schemas = \"one\"\nmax-rows = 5\ndb-anon-role = \"file\"\npre-request = \"old\"\n\
                db-pre-request = \"new\"\nnonsense = 1\napp.settings.a = \"x\"\nserver-port = 1\n";
    fs::write(&path, text).expect("a file");
    let env = Environment::of(&[
        ("PGRST_DB_SCHEMA", "older name"),
        ("PGRST_DB_ANON_ROLE", "env"),
        ("PGRST_APP_SETTINGS_KEY", "k"),
        ("PGRST_URL_USE_LEGACY_TARGET_NAMES", "0"),
        ("PGRST_NO_SUCH", "1"),
        ("PGHOST", "elsewhere"),
    ]);
    let database = [("db_anon_role", "db"), ("server_port", "9"), ("jwt_secret", "0123456789012345678901234567890123")];
    let database: Vec<(String, String)> = database.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let settings =
        Settings::read(&Sources { env: &env, file: Some(&path), address: None, database: &database }).expect("settings");
    let origin =
        |name: &str| settings.rows().find(|(p, _)| p.name == name).and_then(|(_, v)| Some(v?.origin.clone())).unwrap_or_default();
    assert_eq!(settings.list("db-schemas"), ["older name"]);
    assert_eq!((settings.text("db-anon-role"), origin("db-anon-role").as_str()), (Some("db"), "database pgrst.db_anon_role"));
    assert_eq!((settings.integer("db-max-rows"), origin("db-max-rows")), (Some(5), format!("{}:3", path.display())));
    assert_eq!(settings.text("db-pre-request"), Some("new"));
    assert_eq!(settings.integer("server-port"), Some(1), "the database cannot set it");
    assert_eq!(settings.address.reveal(), "postgres://a@h/d");
    assert!(settings.keys.is_some());
    let app: Vec<(&str, &str)> = settings.app.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(app, [("app.settings.KEY", "k"), ("app.settings.a", "x")]);
    let idle: Vec<&str> = settings.idle.iter().map(|(name, _)| name.as_str()).collect();
    let line = format!("{}:7 nonsense", path.display());
    assert_eq!(
        idle,
        [
            line.as_str(),
            "PGRST_NO_SUCH",
            "pgrst.server_port",
            "url-use-legacy-target-names (environment PGRST_URL_USE_LEGACY_TARGET_NAMES)"
        ]
    );
    let dump = settings.dump();
    assert!(dump.contains("db-anon-role = \"db\"\n") && dump.contains("jwt-role-claim-key = \"$$.role\"\n"), "{dump}");
    assert!(!dump.contains("01234567") && !dump.contains("a@h") && dump.contains("app.settings.KEY = \"(secret)\""), "{dump}");
}

#[test]
fn what_cannot_be_used_is_refused() {
    for (name, value, what) in [
        ("PGRST_DB_SCHEMAS", "api, pg_catalog", "db-schemas does not allow schema: 'pg_catalog'"),
        ("PGRST_DB_SCHEMAS", "information_schema", "does not allow schema"),
        ("PGRST_DB_SCHEMAS", "a,,b", "does not allow schema: ''"),
        ("PGRST_DB_TX_END", "maybe", "one of commit, commit-allow-override"),
        ("PGRST_OPENAPI_MODE", "x", "follow-privileges"),
        ("PGRST_LOG_LEVEL", "loud", "crit"),
        ("PGRST_SERVER_PORT", "70000", "0 to 65535"),
        ("PGRST_ADMIN_SERVER_PORT", "3000", "cannot be the same"),
        ("PGRST_DB_PLAN_ENABLED", "perhaps", "true or false"),
        ("PGRST_SERVER_UNIX_SOCKET_MODE", "400", "octal"),
        ("PGRST_JWT_SECRET", "hunter2", "at least 32 characters"),
        ("PGRST_JWT_SECRET", "@/nowhere/at/all", "names the file"),
        ("PGRST_JWT_SECRET", "{\"kty\":\"oct\",\"k\":\"aHVudGVyMg\"}", "none that tokens can be verified with"),
        ("PGRST_JWT_AUD", "a b:c", "valid URI"),
        ("PGRST_JWT_AUD", "https://a b", "valid URI"),
        ("PGRST_JWT_ROLE_CLAIM_KEY", "role", "not a JSON path"),
        ("PGRST_DB_URI", "@/nowhere/at/all", "names the file"),
    ] {
        let error = read(&[(name, value)], &[]).expect_err(name);
        assert!(error.contains(what), "{name}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    assert!(read(&[], &[("db_schemas", "pg_catalog")]).is_err(), "not by the database either");
}

#[test]
fn values_as_postgrest_reads_them() {
    let long = "a secret that is long enough for any one";
    for (text, expected) in [("TRUE", true), ("True", true), ("1", true), ("0", false), ("false", false)] {
        assert_eq!(
            read(&[("PGRST_DB_PLAN_ENABLED", text)], &[]).expect("settings").boolean("db-plan-enabled"),
            expected,
            "{text}"
        );
    }
    let empty = read(&[("PGRST_DB_ANON_ROLE", ""), ("PGRST_DB_EXTRA_SEARCH_PATH", "")], &[]).expect("settings");
    assert_eq!((empty.text("db-anon-role"), empty.list("db-extra-search-path").len()), (None, 0));
    let plain = read(&[("PGRST_JWT_SECRET", long)], &[]).expect("settings");
    let encoded = "YSBzZWNyZXQgdGhhdCBpcyBsb25nIGVub3VnaCBmb3IgYW55IG9uZQ";
    for padding in ["", "==", ".."] {
        let text = format!("{encoded}{padding}");
        let env = [("PGRST_JWT_SECRET", text.as_str()), ("PGRST_JWT_SECRET_IS_BASE64", "true")];
        assert_eq!(read(&env, &[]).expect("settings").keys, plain.keys, "{padding}");
    }
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), format!("{long}\n")).expect("a file");
    let at = format!("@{}", file.path().display());
    assert_eq!(read(&[("PGRST_JWT_SECRET", &at)], &[]).expect("settings").keys, plain.keys);
    let tx = |word| read(&[("PGRST_DB_TX_END", word)], &[]).expect("settings").tx_end();
    assert_eq!(tx("rollback-allow-override"), TxEnd::RollbackAllowOverride);
    assert_eq!(tx("commit"), TxEnd::Commit);
    assert!(read(&[("PGRST_JWT_AUD", "https://example.com/x")], &[]).is_ok());
}

/// The table in `docs/postgrest.md` is made from that of the code: `UPDATE_CASES=1 cargo test -p basalt postgrest` writes it.
#[test]
fn the_reference_is_up_to_date() {
    use std::fmt::Write as _;
    let mut rows = String::from(
        "\n| Parameter | Default | Environment | Database | Reload | Here |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    let yes = |is_so: bool| if is_so { "yes" } else { "no" };
    for parameter in table::ALL {
        let older = parameter.older.map(|name| format!(" (`{name}`)")).unwrap_or_default();
        let default = parameter.default.map(|text| format!("`{text}`")).unwrap_or_default();
        let here = match parameter.effect {
            Effect::Served("") => "as there".to_owned(),
            Effect::Served(note) => note.to_owned(),
            Effect::Nothing(why) => format!("**no effect**: {why}"),
        };
        let (name, variable) = (parameter.name, table::variable(parameter.name));
        let (database, reloads) = (yes(parameter.in_database), yes(parameter.reloads));
        let _ = writeln!(rows, "| `{name}`{older} | {default} | `{variable}` | {database} | {reloads} | {here} |");
    }
    let _ = writeln!(rows, "| `app.settings.*` | | `PGRST_APP_SETTINGS_*` | no | yes | as there |\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/postgrest.md");
    let page = fs::read_to_string(&path).expect("the page");
    let (begin, end) = ("<!-- parameters -->", "<!-- end of parameters -->");
    let (before, rest) = page.split_once(begin).expect("a mark");
    let (_, after) = rest.split_once(end).expect("a mark");
    let made = format!("{before}{begin}\n{rows}{end}{after}");
    if std::env::var_os("UPDATE_CASES").is_some() {
        fs::write(&path, &made).expect("writes");
    }
    assert_eq!(fs::read_to_string(&path).expect("the page"), made, "docs/postgrest.md is stale");
}
