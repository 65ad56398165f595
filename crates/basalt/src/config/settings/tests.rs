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

fn load(files: &[(&str, &str)], env: &[(&str, &str)]) -> Result<Settings, String> {
    let (_dir, project) = project(files);
    let root = project.root.display().to_string();
    Settings::load(&project, &Environment::of(env)).map_err(|e| e.to_string().replace(&root, "."))
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
        (files.listen.port(), files.max_rows, files.site_url.as_str(), files.auth.jwt_expiry_s),
        (1001, Some(5), "https://a.example", 60)
    );
    let both = load(&[("config.toml", cli), ("basalt.toml", own)], &[]).expect("two files");
    assert_eq!((both.listen.port(), both.external_url.as_str()), (1002, "http://127.0.0.1:1002"));
    let env =
        [("BASALT_LISTEN", "127.0.0.1:1003"), ("JWT_EXPIRY", "7"), ("PGRST_DB_MAX_ROWS", "9"), ("SITE_URL", "https://b.example")];
    let all = load(&[("config.toml", cli), ("basalt.toml", own)], &env).expect("everything");
    assert_eq!(
        (all.listen.port(), all.max_rows, all.site_url.as_str(), all.auth.jwt_expiry_s),
        (1003, Some(9), "https://b.example", 7)
    );
}

#[test]
fn what_is_wrong_is_named() {
    for (file, text, expected) in [
        (
            "basalt.toml",
            "[api]\nrequire_rsl = true\n",
            "./supabase/basalt.toml, at api.require_rsl: unknown field `require_rsl`, expected `auto_expose_new_tables` or `require_rls`; \
             did you mean \"require_rls\"?",
        ),
        (
            "basalt.toml",
            "[server]\nlisten = \"nowhere\"\n",
            "\"nowhere\" is not an address to listen on; an example is 127.0.0.1:54321",
        ),
        (
            "basalt.toml",
            "[server]\ntrusted_proxies = [\"10.0.0.0/99\"]\n",
            "[server] trusted_proxies: \"10.0.0.0/99\" has a prefix longer than 32",
        ),
        ("config.toml", "[api]\nport = \"x\"\n", "./supabase/config.toml, at api.port: invalid type: string \"x\", expected u16"),
        (
            "config.toml",
            "[auth]\npassword_requirements = \"hard\"\n",
            "[auth] password_requirements = \"hard\" is not known; see the CLI's config reference",
        ),
    ] {
        let error = load(&[(file, text)], &[]).map(|_| ()).expect_err(text);
        assert_eq!(error.lines().next().unwrap_or_default(), expected, "{text}");
    }
    assert_eq!(load(&[], &[("JWT_EXPIRY", "soon")]).map(|_| ()), Err("JWT_EXPIRY=\"soon\" is not a number".to_owned()));
    assert_eq!(
        load(&[], &[("DISABLE_SIGNUP", "maybe")]).map(|_| ()),
        Err("DISABLE_SIGNUP=\"maybe\" is neither true nor false".to_owned())
    );
}

#[test]
fn settings_of_no_effect_are_listed() {
    let text = "[storage]\nfile_size_limit = \"50MiB\"\n[realtime]\nenabled = false\n[auth.sms]\nenable_signup = true\n[api]\nport = 5\n";
    let settings = load(&[("config.toml", text)], &[]).expect("tolerant");
    assert_eq!(settings.unserved, ["[storage]", "[auth] sms"]);
}
