use super::*;

const FILE: &str = "\
# rest/x.case    fixture: films
# One film.
GET /rest/v1/films?id=eq.1
Role: anon
Accept: text/csv
--- 200
Content-Range: 0-0/*

id: 1
two
\\n
===

known-wrong: NaN is not written yet
POST /rest/v1/films
Role: authenticated abc

{
  \"a\": 1
}
--- 201
--- 400 on sqlite
reason: an example
{}
";

fn parsed(text: &str) -> Result<CaseFile, String> {
    parse(Path::new("x.case"), text).map_err(|e| e.to_string())
}

#[test]
fn a_file_is_read_and_written_back() {
    let file = parsed(FILE).expect("a good file");
    assert_eq!(file.fixture.as_deref(), Some("films"));
    let [first, second] = file.cases.as_slice() else { panic!("two cases, not {}", file.cases.len()) };
    assert_eq!((first.name.as_str(), first.line, &first.role), ("One film.", 3, &Some(Role::Anon)));
    assert_eq!(first.request.headers, [("Accept".to_owned(), "text/csv".to_owned())]);
    assert_eq!(first.expected.body, "id: 1\ntwo\n");
    assert_eq!(second.known_wrong.as_deref(), Some("NaN is not written yet"));
    assert_eq!(second.request.body, b"{\n  \"a\": 1\n}");
    assert_eq!(second.expected_on(Engine::Sqlite).status, 400);
    assert_eq!(second.expected_on(Engine::Postgres).status, 201);
    assert_eq!(write(&file), FILE);
}

#[test]
fn mistakes_are_named_with_their_line() {
    for (text, problem) in [
        ("", "x.case:1: no case in this file"),
        ("# only words\n", "x.case:1: no case in this file"),
        ("hello\n--- 200\n", "x.case:1: expected a request line such as `GET /rest/v1/films`, found `hello`"),
        ("GET /\nRole: root\n--- 200\n", "x.case:2: unknown role `root`: anon, authenticated SUB or service_role"),
        ("GET /\nno header\n--- 200\n", "x.case:2: expected `Name: value`, found `no header`"),
        ("GET /\n", "x.case:1: no `--- STATUS` without `on ENGINE`"),
        ("GET /\n--- ok\n", "x.case:2: expected `--- STATUS [on ENGINE]`, found `--- ok`"),
        ("GET /\n--- 200 on oracle\n", "x.case:2: expected `--- STATUS [on ENGINE]`, found `--- 200 on oracle`"),
        ("GET /\n--- 200\n--- 201\n", "x.case:3: a second answer without `on ENGINE`"),
        ("GET /\n--- 200\n--- 201 on sqlite\n{}\n", "x.case:4: an answer of one engine starts with `reason: …`"),
        ("known-wrong:\nGET /\n--- 200\n", "x.case:1: known-wrong: needs a reason"),
    ] {
        assert_eq!(parsed(text), Err(problem.to_owned()), "{text:?}");
    }
}
