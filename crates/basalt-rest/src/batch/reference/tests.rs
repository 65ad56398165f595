use super::*;
use bytes::Bytes;

fn answer(body: &'static str) -> Answer {
    Answer { body: Bytes::from_static(body.as_bytes()), ..Answer::default() }
}

/// A template's text over two answers, or why there is none.
fn filled(json: &str) -> Result<String, String> {
    let ids = HashMap::from([("order".to_owned(), 1)]);
    let template = Template::read(json, &Earlier { ids: &ids, count: 3 })?;
    let answers = [
        answer("[{\"id\":1,\"at\":\"x\"}, \n {\"id\":2.50,\"tags\":[\"a\",\"b\"]}]"),
        answer("{\"id\":\"q\\\"\",\"n\":null,\"a/b\":7}"),
    ];
    let places = [Some(0), Some(1), None];
    let mut out = String::new();
    match template.write(&mut Results::new(&answers, &places), 100, &mut out) {
        Ok(()) => Ok(out),
        Err(RunError::NoReference(why)) => Err(why),
        Err(other) => Err(format!("{other:?}")),
    }
}

#[test]
fn values_come_as_they_are() {
    for (json, expected) in [
        (r#"{"a":{"$result":"/0/1/id"}}"#, r#"{"a":2.50}"#),
        (r#"{"a":{"$result":"/order/id"},"b":[{"$result":"/1/n"}]}"#, r#"{"a":"q\"","b":[null]}"#),
        (r#"[{"$result":"/0/0"}]"#, r#"[{"id":1,"at":"x"}]"#),
        (r#"{"$result":"/0/*/id"}"#, "[1,2.50]"),
        (r#"{"$result":"/0/1/tags/*"}"#, r#"["a","b"]"#),
        (r#"{"$result":"/0/1/tags/1"}"#, r#""b""#),
        (r#"{"$result":"/order/a~1b"}"#, "7"),
        (r#"{"\u0024result":"/order/n"}"#, "null"),
        (r#"{"a":{"$literal":{"$result":"/0/0"}}}"#, r#"{"a":{"$result":"/0/0"}}"#),
        (r#"{"$result":"/0/0/id","more":1}"#, r#"{"$result":"/0/0/id","more":1}"#),
        (r#"{"a":1.10,"a":2}"#, r#"{"a":1.10,"a":2}"#),
        (r#""$result""#, r#""$result""#),
    ] {
        assert_eq!(filled(json).as_deref(), Ok(expected), "{json}");
    }
}

#[test]
fn what_leads_nowhere_is_refused() {
    for (json, word) in [
        (r#"{"$result":"0/0/id"}"#, "begin with a slash"),
        (r#"{"$result":"/3/0/id"}"#, "no earlier operation"),
        (r#"{"$result":"/+1/0/id"}"#, "no earlier operation"),
        (r#"{"$result":"/later/0/id"}"#, "no earlier operation"),
        (r#"{"$result":""}"#, "begin with a slash"),
        (r#"{"$result":7}"#, "no text"),
        (r#"{"$result":"/0/*/tags/*"}"#, "more than one"),
        (r#"{"$result":"/0/2/id"}"#, "leads nowhere"),
        (r#"{"$result":"/0/00/id"}"#, "leads nowhere"),
        (r#"{"$result":"/0/-1/id"}"#, "leads nowhere"),
        (r#"{"$result":"/0/0/nothing"}"#, "leads nowhere"),
        (r#"{"$result":"/0/*/tags"}"#, "leads nowhere"),
        (r#"{"$result":"/2/0/id"}"#, "answers no rows"),
        (r#"[{"$result":"/0"},{"$result":"/0"},{"$result":"/0"}]"#, "too long"),
    ] {
        let why = filled(json).expect_err(json);
        assert!(why.contains(word), "{json}: {why}");
    }
    let deep = format!("{}{{\"$result\":\"/0\"}}{}", "[".repeat(80), "]".repeat(80));
    assert!(filled(&deep).expect_err("deep").contains("too deeply"));
}

#[test]
fn filters_compare_texts() {
    assert_eq!(scalar("\"a\\\"b\"").as_deref(), Ok("a\"b"));
    assert_eq!(scalar("1.50").as_deref(), Ok("1.50"));
    assert_eq!(scalar("true").as_deref(), Ok("true"));
    assert!(scalar("null").is_err() && scalar("{}").is_err() && scalar("[1]").is_err());
    assert_eq!(list("[1, \"b\"]"), Ok(vec!["1".to_owned(), "b".to_owned()]));
    assert_eq!(list("7"), Ok(vec!["7".to_owned()]));
    assert!(list("[null]").is_err());
}
