use super::*;

fn asked(accept: &str, plans: bool) -> Result<(String, bool), String> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_str(accept).expect("a header"));
    match negotiate(&headers, Offer::of_plans(plans)) {
        Ok(media) => Ok((media.content_type().to_str().expect("text").to_owned(), media.explain.is_some())),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn quality_then_parameters_then_order_choose() {
    let name = |accept: &str| asked(accept, false).map(|(name, _)| name.replace("; charset=utf-8", ""));
    let table = [
        ("*/*", "application/json"),
        ("text/csv, application/json", "text/csv"),
        ("application/json;q=0.5, text/csv;q=0.9", "text/csv"),
        ("*/*, text/csv", "text/csv"),
        ("text/html, image/webp, */*;q=0.1", "application/json"),
        (
            "application/json, application/vnd.pgrst.object+json;nulls=stripped",
            "application/vnd.pgrst.object+json;nulls=stripped",
        ),
        ("TEXT/CSV", "text/csv"),
        ("text/csv;q=0", "text/csv"),
        ("application/vnd.pgrst.array+json", "application/json"),
        ("application/vnd.pgrst.array ; nulls = stripped", "application/vnd.pgrst.array+json;nulls=stripped"),
        ("application/vnd.pgrst.object;nulls=\"stripped\"", "application/vnd.pgrst.object+json;nulls=stripped"),
        ("application/vnd.pgrst.object;nulls=other", "application/vnd.pgrst.object+json"),
        ("application/json;charset=utf-8", "application/json"),
        ("application/json@anything", "application/json"),
    ];
    for (accept, expected) in table {
        assert_eq!(name(accept).as_deref(), Ok(expected), "{accept}");
    }
}

#[test]
fn what_is_not_had_is_named() {
    let none = |names: &str| Err(format!("None of these media types are available: {names}"));
    assert_eq!(asked("image/png", false), none("image/png"));
    assert_eq!(asked("text/plain;charset=utf-8, image/png;q=0.4", false), none("text/plain, image/png"));
    assert_eq!(asked("application/*", false), none("application/*"));
    let plan = r#"application/vnd.pgrst.plan+json; for="application/json""#;
    assert_eq!(asked("application/vnd.pgrst.plan+json", false), none(plan));
    let all = r#"application/vnd.pgrst.plan; for="text/csv"; options=wal|analyze|unknown"#;
    assert_eq!(asked(all, false), none(r#"application/vnd.pgrst.plan+text; for="text/csv"; options=analyze|wal"#));
    assert_eq!(
        asked(r#"application/vnd.pgrst.plan; for="image/png""#, true),
        none(r#"application/vnd.pgrst.plan+text; for="image/png""#)
    );
    let nested = r#"application/vnd.pgrst.plan; for="application/vnd.pgrst.plan""#;
    assert_eq!(asked(nested, true), none(r#"application/vnd.pgrst.plan+text; for="application/vnd.pgrst.plan""#));
}

#[test]
fn plans_are_given_where_they_are_offered() {
    let given = |name: &str| Ok((format!("{name}; charset=utf-8"), true));
    assert_eq!(asked("application/vnd.pgrst.plan", true), given(r#"application/vnd.pgrst.plan+text; for="application/json""#));
    assert_eq!(
        asked(r#"application/vnd.pgrst.plan+json; for="application/vnd.pgrst.object"; options=buffers|verbose"#, true),
        given(r#"application/vnd.pgrst.plan+json; for="application/vnd.pgrst.object+json"; options=verbose|buffers"#)
    );
}
