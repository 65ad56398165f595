use super::super::table::Kind;
use super::*;

fn project(files: &[(&str, &str)]) -> (tempfile::TempDir, Project) {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("supabase");
    std::fs::create_dir_all(&folder).expect("a folder");
    for (name, text) in files {
        std::fs::write(folder.join(name), text).expect("a file");
    }
    let project = Project { root: dir.path().to_owned(), folder };
    (dir, project)
}

fn load_ref(files: &[(&str, &str)], env: &[(&str, &str)], project_ref: Option<&str>) -> Result<Settings, String> {
    let (_dir, project) = project(files);
    Settings::load(&project, &Environment::of(env), project_ref, &[]).map_err(|e| e.to_string())
}

fn load(files: &[(&str, &str)], env: &[(&str, &str)]) -> Result<Settings, String> {
    load_ref(files, env, None)
}

#[test]
fn the_last_one_wins() {
    let cli = "[api]\nport = 1001\nmax_rows = 5\n[auth]\nsite_url = \"env(MY_SITE)\"\njwt_expiry = 60\n";
    let own = "[server]\nlisten = \"127.0.0.1:1002\"\n";
    let none = load(&[], &[]).expect("defaults");
    assert_eq!(
        (none.listen.port(), none.max_rows, none.auto_expose_new_tables, none.require_rls),
        (54321, Some(1000), true, false)
    );
    let files = load(&[("config.toml", cli)], &[("MY_SITE", "https://a.example")]).expect("a file");
    assert_eq!(
        (files.listen.port(), files.max_rows, files.auth.site_url.as_str(), files.auth.jwt_expiry_s),
        (1001, Some(5), "https://a.example", 60)
    );
    let both = load(&[("config.toml", cli), ("basalt.toml", own)], &[]).expect("two files");
    assert_eq!((both.listen.port(), both.external_url.as_str()), (1002, "http://127.0.0.1:1002"));
    let env =
        [("BASALT_LISTEN", "127.0.0.1:1003"), ("JWT_EXPIRY", "7"), ("PGRST_DB_MAX_ROWS", "9"), ("SITE_URL", "https://b.example")];
    // BASALT_LISTEN is short for BASALT_SERVER_LISTEN.
    let all = load(&[("config.toml", cli), ("basalt.toml", own)], &env).expect("everything");
    assert_eq!(
        (all.listen.port(), all.max_rows, all.auth.site_url.as_str(), all.auth.jwt_expiry_s),
        (1003, Some(9), "https://b.example", 7)
    );
    let theirs = load(&[("config.toml", cli)], &[("SUPABASE_API_PORT", "1004"), ("SUPABASE_AUTH_JWT_EXPIRY", "8")]);
    let theirs = theirs.expect("the CLI's names");
    assert_eq!((theirs.listen.port(), theirs.auth.jwt_expiry_s), (1004, 8));
}

#[test]
fn what_is_wrong_is_named() {
    for (file, text, expected) in [
        (
            "basalt.toml",
            "[api]\nrequire_rsl = true\n",
            "supabase/basalt.toml:2: there is no setting [api] require_rsl; did you mean [api] require_rls?",
        ),
        ("basalt.toml", "[sever]\nlisten = \"x\"\n", "supabase/basalt.toml:1: there is no setting sever"),
        (
            "basalt.toml",
            "[server]\nlisten = \"nowhere\"\n",
            "supabase/basalt.toml:2: [server] listen = \"nowhere\" is not an address to listen on, such as 127.0.0.1:54321",
        ),
        (
            "basalt.toml",
            "[server]\ntrusted_proxies = [\"10.0.0.0/99\"]\n",
            "[server] trusted_proxies: \"10.0.0.0/99\" has a prefix longer than 32",
        ),
        (
            "config.toml",
            "[api]\nport = \"x\"\n",
            "supabase/config.toml:2: [api] port = \"x\" is not an address to listen on, such as 127.0.0.1:54321",
        ),
        (
            "config.toml",
            "\n\n[auth]\npassword_requirements = \"hard\"\n",
            "supabase/config.toml:4: [auth] password_requirements = \"hard\" is not one of \"\", \"letters_digits\", \
             \"lower_upper_letters_digits\", \"lower_upper_letters_digits_symbols\"",
        ),
        (
            "config.toml",
            "[auth.sessions]\ntimebox = \"soon\"\n",
            "supabase/config.toml:2: [auth.sessions] timebox = \"soon\" is not a time such as \"24h\" or \"1h30m\"",
        ),
        ("config.toml", "[auth]\njwt_secret = 5\n", "supabase/config.toml:2: [auth] jwt_secret = it must be a text"),
        (
            "config.toml",
            "[auth]\njwt_expiry = \"env(A_SECRET)\"\n",
            "supabase/config.toml:2: [auth] jwt_expiry = \"env(A_SECRET)\" is not a whole number from 1 to 4294967295",
        ),
        ("config.toml", "[auth]\njwt_secret = \"canary\n", "supabase/config.toml:2: invalid basic string, expected `\"`"),
        (
            "config.toml",
            "[remotes.a]\nproject_id = \"short\"\n",
            "supabase/config.toml:1: [remotes.a] project_id must be a project's id, like abcdefghijklmnopqrst",
        ),
        (
            "config.toml",
            "[remotes.a]\nproject_id = \"abcdefghijklmnopqrst\"\n[remotes.b]\nproject_id = \"abcdefghijklmnopqrst\"\n",
            "supabase/config.toml:3: [remotes.b] has the project_id of [remotes.a]",
        ),
    ] {
        let error = load(&[(file, text)], &[("A_SECRET", "canary")]).map(|_| ()).expect_err(text);
        assert_eq!(error, expected, "{text}");
    }
    for (name, value, expected) in [
        ("JWT_EXPIRY", "soon", "JWT_EXPIRY in the environment: \"soon\" is not a whole number from 1 to 4294967295"),
        ("DISABLE_SIGNUP", "maybe", "DISABLE_SIGNUP in the environment: \"maybe\" is not true or false"),
    ] {
        assert_eq!(load(&[], &[(name, value)]).map(|_| ()), Err(expected.to_owned()));
    }
}

#[test]
fn settings_of_no_effect_are_listed() {
    let text = "project_id = \"x\"\n[storage]\nfile_size_limit = \"50MiB\"\n[realtime]\nenabled = false\n\
                [auth.sms]\nenable_signup = true\n[auth.sms.twilio]\nenabled = false\naccount_sid = \"x\"\n\
                [auth.external.apple]\nenabled = false\nclient_id = \"x\"\n[auth.external.github]\nenabled = true\n\
                [auth]\nenable_manual_linking = false\nenable_anonymous_sign_ins = true\njwt_issuer = \"x\"\n\
                [auth.email]\ndouble_confirm_changes = true\notp_length = 6\n[auth.mfa.totp]\nenroll_enabled = false\n\
                [auth.mfa]\nmax_enrolled_factors = 10\n[auth.hook.send_email]\nenabled = true\n\
                [api]\nport = 5\n[api.tls]\nenabled = true\n[db.vault]\nkey = \"x\"\n[functions.hello]\nverify_jwt = false\n";
    let settings = load(&[("config.toml", text)], &[("GOTRUE_SMS_PROVIDER", "x"), ("PGRST_DB_SCHEMAS", "public")]);
    let settings = settings.expect("tolerant");
    let mut found = settings.unserved.clone();
    found.sort();
    assert_eq!(
        found,
        [
            "GOTRUE_SMS_PROVIDER (environment)",
            "[api.tls]",
            "[auth.email] double_confirm_changes",
            "[auth.external.github]",
            "[auth.hook.send_email]",
            "[auth.sms]",
            "[auth] enable_anonymous_sign_ins",
            "[auth] jwt_issuer",
            "[db.vault]",
            "[functions.hello]",
            "[storage]",
        ]
    );
    let idle: Vec<&str> = settings.idle.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(idle, ["[auth.email] otp_length", "project_id"]);
}

#[test]
fn a_remote_is_laid_over_the_rest_when_its_project_is_named() {
    let text = "[api]\nmax_rows = 5\n[auth]\nsite_url = \"http://base\"\njwt_expiry = 60\n[db.seed]\nenabled = true\n\
                [remotes.staging]\nproject_id = \"abcdefghijklmnopqrst\"\n[remotes.staging.auth]\nsite_url = \"http://staging\"\n\
                [remotes.seeded]\nproject_id = \"zzzzzzzzzzzzzzzzzzzz\"\n[remotes.seeded.db.seed]\nenabled = true\nsql_paths = [\"a.sql\"]\n";
    let facts = |s: &Settings| (s.auth.site_url.clone(), s.auth.jwt_expiry_s, s.max_rows, s.seed_enabled, s.remote.clone());
    let files = [("config.toml", text)];
    let base = load(&files, &[]).expect("the base");
    assert_eq!(facts(&base), ("http://base".into(), 60, Some(5), true, None));
    assert!(base.unserved.is_empty(), "{:?}", base.unserved);
    let staging = load_ref(&files, &[], Some("abcdefghijklmnopqrst")).expect("a remote");
    assert_eq!(facts(&staging), ("http://staging".into(), 60, Some(5), false, Some("staging".into())));
    let by_variable = load(&files, &[("SUPABASE_PROJECT_ID", "abcdefghijklmnopqrst")]).expect("a remote");
    assert_eq!(facts(&by_variable), facts(&staging));
    let seeded = load_ref(&files, &[("SUPABASE_PROJECT_ID", "abcdefghijklmnopqrst")], Some("zzzzzzzzzzzzzzzzzzzz")).expect("one");
    assert_eq!(facts(&seeded), ("http://base".into(), 60, Some(5), true, Some("seeded".into())));
    assert_eq!(seeded.seed_paths, ["a.sql"]);
    let unknown = load_ref(&files, &[], Some("qqqqqqqqqqqqqqqqqqqq")).expect("none of them");
    assert_eq!(facts(&unknown), facts(&base));
}

#[test]
fn texts_stand_for_numbers_booleans_and_lists_too() {
    let text = "[api]\nport = \"env(P)\"\nschemas = \"env(S)\"\n[db.seed]\nenabled = \"env(B)\"\nsql_paths = [\"env(F)\", \"b.sql\"]\n\
                [auth.sessions]\ntimebox = \"env(T)\"\n[auth]\njwt_secret = \"env(NOBODY_SETS)\"\nsite_url = \"env(NOR_THIS)\"\n";
    let env = [("P", "77"), ("S", "public, app"), ("B", "false"), ("F", "a.sql"), ("T", "24h")];
    let found = load(&[("config.toml", text)], &env).expect("settings");
    assert_eq!((found.listen.port(), found.seed_enabled), (77, false));
    assert_eq!(found.schemas, ["public", "app"]);
    assert_eq!(found.seed_paths, ["a.sql", "b.sql"]);
    assert_eq!(found.auth.session_timebox, Some(Duration::from_secs(86_400)));
    assert_eq!((found.auth.site_url.as_str(), found.keys.jwt_secret.is_none()), ("env(NOR_THIS)", true));
    assert_eq!(found.unset_variables, ["NOR_THIS", "NOBODY_SETS"]);
}

#[test]
fn every_setting_is_shown_once_and_in_order() {
    let settings = load(&[], &[]).expect("defaults");
    let rows: Vec<&str> = settings.rows.iter().map(|r| r.name).collect();
    let all: Vec<&str> = ALL.iter().map(|s| s.name).collect();
    assert_eq!(rows, all);
    let mut names: Vec<String> = ALL.iter().flat_map(|s| s.variables()).map(|v| v.name).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "two settings share a name in the environment");
}

/// `docs/settings.md` is made from the table: `UPDATE_CASES=1 cargo test -p basalt settings` writes it.
#[test]
fn the_reference_is_up_to_date() {
    use std::fmt::Write as _;
    let mut page = String::from(
        "# Settings\n\nMade from `crates/basalt/src/config/table.rs`; `UPDATE_CASES=1 cargo test -p basalt settings` writes it anew.\n\n\
         Sources, the last one wins: default, `config.toml` (the Supabase CLI's file), `basalt.toml`, environment, flags. `.env` files in the\n\
         project's folder and beside it count as environment, as with the CLI. `basalt doctor --config` shows what is in force and from where.\n\n\
         - A text `env(NAME)` in either file stands for the variable; one that is not set stays as written, with a warning at start.\n\
         - `config.toml` is read tolerantly: what is of no effect is listed once at start. `basalt.toml` is strict: an unknown key is an error.\n\
         - `[remotes.NAME]`: laid over the rest of `config.toml` when `--project-ref` or `SUPABASE_PROJECT_ID` is its `project_id`; `db.seed`\n\
           is then off unless the block turns it on. Without either, no block applies.\n\
         - Each key of `config.toml` has a name in the environment, `SUPABASE_` and the key (`SUPABASE_AUTH_JWT_EXPIRY`), each key of\n\
           `basalt.toml` one with `BASALT_` (`BASALT_SERVER_MAX_BODY_BYTES`). `!NAME` below says the opposite of the setting.\n\n\
         | Setting | File | Other names in the environment | Default | |\n| --- | --- | --- | --- | --- |\n",
    );
    for setting in ALL {
        let file = match (setting.own, setting.cli) {
            (Some(_), Some(cli)) if cli == setting.name => "both".to_owned(),
            (Some(_), Some(cli)) => format!("basalt.toml, or `{cli}` in config.toml"),
            (Some(_), None) => "basalt.toml".to_owned(),
            _ => "config.toml".to_owned(),
        };
        let names: Vec<String> = setting.environment.iter().map(|n| format!("`{n}`")).collect();
        let default = match setting.default {
            _ if setting.kind == Kind::Secret && setting.name.starts_with("auth.") => "made at the first start".to_owned(),
            None => String::new(),
            Some("") => "none".to_owned(),
            Some(text) => format!("`{text}`"),
        };
        let _ = writeln!(page, "| `{}` | {file} | {} | {default} | {} |", setting.name, names.join(", "), setting.about);
    }
    page.push_str("\nKeys of `config.toml` that need nothing done:\n\n| Key | Why |\n| --- | --- |\n");
    for (key, why) in crate::config::unserved::NEEDS_NOTHING {
        let _ = writeln!(page, "| `{key}` | {why} |");
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/settings.md");
    if std::env::var_os("UPDATE_CASES").is_some() {
        std::fs::write(&path, &page).expect("writes");
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), page, "docs/settings.md is stale");
}
