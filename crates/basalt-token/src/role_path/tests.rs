use basalt_types::Claims;
use serde_json::{Value, json};

use super::*;

fn claims() -> Claims {
    let value = json!({
        "role": "plain", "n": 7, "nothing": null,
        "postgrest": {"roles": ["other", "author", "editor"], "a-key": "dashed"},
        "https://www.example.com/role": {"key": "far"},
        "groups": [{"name": "x", "level": 1}, {"name": "writers", "level": 5, "main": true}],
    });
    let Value::Object(object) = value else { panic!("an object") };
    Claims::new(object)
}

#[test]
fn a_role_is_found_by_either_notation() {
    let claims = claims();
    for (path, expected) in [
        ("$.role", Some("plain")),
        ("$['role']", Some("plain")),
        ("$.n", Some("7")),
        ("$.nothing", Some("null")),
        ("$.missing", None),
        ("$", None),
        ("$.postgrest.roles[1]", Some("author")),
        ("$.postgrest.roles[-1]", Some("editor")),
        ("$.postgrest.roles[9]", None),
        ("$.postgrest['a-key']", Some("dashed")),
        ("$[\"https://www.example.com/role\"].key", Some("far")),
        ("$['https://www.example.com/role'].key", Some("far")),
        ("$.postgrest.roles[?(@ == 'author')]", Some("author")),
        ("$.postgrest.roles[?@ != 'other']", Some("author")),
        ("$.postgrest.roles[?search(@, '^au')]", Some("author")),
        ("$.postgrest.roles[?search(@, '^nobody')]", None),
        ("$.postgrest.roles[?@ > 'b' && !(@ == 'other')]", Some("editor")),
        ("$.postgrest.roles[?@ == 'x' || @ == \"editor\"]", Some("editor")),
        ("$.postgrest.roles[1:]", Some("author")),
        ("$.postgrest.roles[::-1]", Some("editor")),
        ("$.postgrest.roles[:1]", Some("other")),
        ("$.postgrest.roles[0:3:0]", None),
        ("$.postgrest.roles[5,2]", Some("editor")),
        ("$.groups[?@.level >= 5].name", Some("writers")),
        ("$.groups[?@.main].name", Some("writers")),
        ("$.groups[?!@.main].name", Some("x")),
        ("$.groups[?@.level == $.n].name", None),
        ("$.groups[?@.level == 5.0].name", Some("writers")),
        ("$..level", Some("1")),
        ("$..roles[*]", Some("other")),
        ("$.groups.*.name", Some("x")),
        (".role", Some("plain")),
        (".postgrest.roles[1]", Some("author")),
        (".\"https://www.example.com/role\".key", Some("far")),
        (".postgrest.\"a-key\"", Some("dashed")),
        (".postgrest.roles[?(@ == \"author\")]", Some("author")),
        (".postgrest.roles[?(@ != \"other\")]", Some("author")),
        (".postgrest.roles[?(@ ^== \"ed\")]", Some("editor")),
        (".postgrest.roles[?(@ ==^ \"hor\")]", Some("author")),
        (".postgrest.roles[?(@ *== \"dit\")]", Some("editor")),
        (".postgrest.roles[?(@ == \"none\")]", None),
        (".role[0]", None),
        (".role.more", None),
    ] {
        let parsed = RolePath::parse(path).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(parsed.role(&claims).as_deref(), expected, "{path}");
        assert_eq!(parsed.is_older(), path.starts_with('.'), "{path}");
        assert_eq!(parsed.text(), path);
    }
}

#[test]
fn what_is_no_path_is_refused() {
    let nested = format!("$[?{}@{}]", "(".repeat(4000), ")".repeat(4000));
    let queries = format!("$[?{}@.a{}]", "@[?".repeat(4000), "]".repeat(4000));
    let negations = format!("$[?{}@.a]", "!".repeat(4000));
    for path in [
        "",
        "role",
        "$.",
        "$role",
        "$.role ",
        "$.a[",
        "$.a[]",
        "$.a[01]",
        "$.a[-0]",
        "$.a['x]",
        "$.a[?]",
        "$.a[?'x']",
        "$.a[?(@ == 'x']",
        "$.a[?length(@) == 1]",
        "$.a[?search(@, '(')]",
        "$.a[?search(@, @)]",
        "$.a[?@.* == 1]",
        "$.a[?!@ == 1]",
        "$.a['\\q']",
        "$.a['\\ud800']",
        "$.a[99999999999999999999]",
        ".",
        "..a",
        ".a[x]",
        ".a[",
        ".a[?(@ = \"x\")]",
        ".a[?(@ == \"x\")].b",
        ".a[?(@ == 'x')]",
        ".a b",
        &nested,
        &queries,
        &negations,
    ] {
        assert!(RolePath::parse(path).is_err(), "{}", path.chars().take(40).collect::<String>());
    }
}

#[test]
fn looking_for_a_role_is_bounded() {
    let mut value = json!("end");
    for _ in 0..60 {
        value = json!([value.clone(), value]).as_array().map(|a| Value::Array(vec![a[0].clone()])).expect("a list");
    }
    let Value::Object(object) = json!({"deep": value, "wide": vec![vec![1; 100]; 100]}) else { panic!("an object") };
    let claims = Claims::new(object);
    assert_eq!(RolePath::parse("$..*..*..*..*..*..*").expect("a path").role(&claims), None);
}
