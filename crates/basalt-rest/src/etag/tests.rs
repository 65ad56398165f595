use super::*;

fn read(body: &'static str, range: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(body.as_bytes()));
    response.headers_mut().insert(CONTENT_RANGE, HeaderValue::from_static(range));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn marked(known: &[&str], response: Response<Bytes>) -> (u16, String, usize) {
    let mut asked = HeaderMap::new();
    for known in known {
        asked.append(IF_NONE_MATCH, known.parse().expect("a header"));
    }
    let response = conditional(&asked, response);
    let tag = response.headers().get(ETAG).map(|tag| String::from_utf8_lossy(tag.as_bytes()).into_owned()).unwrap_or_default();
    (response.status().as_u16(), tag, response.body().len())
}

#[test]
fn tags_are_of_body_type_and_range() {
    let (status, tag, length) = marked(&[], read("[1]", "0-0/*"));
    assert_eq!((status, length, tag.len()), (200, 3, 36));
    assert_eq!(marked(&[], read("[1]", "0-0/*")).1, tag);
    assert_ne!(marked(&[], read("[2]", "0-0/*")).1, tag);
    assert_ne!(marked(&[], read("[1]", "0-0/5")).1, tag);
}

#[test]
fn a_known_tag_is_304_without_a_body() {
    let (_, tag, _) = marked(&[], read("[1]", "0-0/*"));
    let strong = tag.trim_start_matches("W/").to_owned();
    for known in [vec![tag.as_str()], vec![strong.as_str()], vec!["*"], vec!["\"x\"", &tag], vec![&format!("\"y\" ,{tag}")]] {
        assert_eq!(marked(&known, read("[1]", "0-0/*")), (304, tag.clone(), 0), "{known:?}");
    }
    for other in ["\"x\"", "", "W/", &tag[..20]] {
        assert_eq!(marked(&[other], read("[1]", "0-0/*")).0, 200, "{other}");
    }
}

#[test]
fn only_reads_that_went_well_are_marked() {
    let mut failed = read("{}", "*/*");
    *failed.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
    assert_eq!(marked(&["*"], failed), (416, String::new(), 2));
    assert_eq!(marked(&["*"], Response::new(Bytes::from_static(b"x"))), (200, String::new(), 1));
}
