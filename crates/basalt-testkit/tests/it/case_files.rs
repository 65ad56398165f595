//! Case files run against a scripted answerer.

use std::path::Path;

use basalt_testkit::cases::{Answer, CaseFile, Engine, FileReport, Options, Request, Response, Role, run_text};

/// Answers `/echo` with what was asked, `/range` with a header, `/id` with a generated value.
struct Scripted(Engine);

impl Answer for Scripted {
    fn begin(&mut self, file: &CaseFile) -> Result<(), String> {
        if file.fixture.as_deref() == Some("none") { Err("no such fixture: none".to_owned()) } else { Ok(()) }
    }

    fn answer(&mut self, request: &Request, role: Option<&Role>) -> Result<Response, String> {
        let mut headers = Vec::new();
        let body = match request.target.split('?').next().unwrap_or_default() {
            "/echo" => format!("{} {} {role:?} {}", request.method, request.target, String::from_utf8_lossy(&request.body)),
            "/range" => {
                headers.push(("content-range".to_owned(), "0-0/*".to_owned()));
                "[]".to_owned()
            }
            "/id" => r#"{"id":"6f2c1c2e-0b9e-4c55-8d2b-0123456789ab"}"#.to_owned(),
            other => return Err(format!("no route {other}")),
        };
        Ok(Response { status: 200, headers, body: body.into_bytes() })
    }

    fn engine(&self) -> Engine {
        self.0
    }
}

fn run(text: &str, is_update: bool) -> (FileReport, Option<String>) {
    let options = Options { is_update, compared_headers: vec!["Content-Range".to_owned()], ..Options::default() };
    run_text(Path::new("x.case"), text, &mut Scripted(Engine::Sqlite), &options).expect("a good file")
}

#[test]
fn whole_answers_are_compared() {
    let (report, _) = run("POST /echo?a=1\nRole: anon\n\n{}\n--- 200\nPOST /echo?a=1 Some(Anon) {}\n", false);
    assert_eq!((report.passed, report.failed), (1, 0), "{report:?}");
    let (report, _) = run("GET /range\n--- 200\nContent-Range: 0-0/*\n[]\n===\nGET /range\n--- 200\n[]\n", false);
    assert_eq!((report.passed, report.failed), (1, 1), "an unlisted compared header fails: {report:?}");
    assert_eq!(
        report.failures,
        ["x.case:6: GET /range (on sqlite)\n      200\n    + Content-Range: 0-0/*\n      []\n"],
        "the diff shows the header"
    );
    let (report, _) = run("GET /range\n--- 200\nContent-Range: (absent)\n[]\n", false);
    assert_eq!(report.failed, 1);
}

#[test]
fn generated_values_flow_into_later_requests() {
    let text = "GET /id\n--- 200\n{\"id\":\"{{uuid as it}}\"}\n===\nGET /echo?id=eq.{{it}}\nRole: authenticated {{it}}\n--- 200\n\
                GET /echo?id=eq.{{it}} Some(Authenticated { sub: \"{{it}}\" }) \n";
    let text = text.replace("}) \n", "}) {{text}}\n");
    let (report, _) = run(&text, false);
    assert_eq!((report.passed, report.failed), (2, 0), "{:?}", report.failures);
}

#[test]
fn engines_may_differ_with_a_reason() {
    let text = "GET /range\n--- 500\n--- 200 on sqlite\nreason: it can\nContent-Range: 0-0/*\n[]\n";
    assert_eq!(run(text, false).0.passed, 1);
    let options = Options { is_update: false, compared_headers: Vec::new(), ..Options::default() };
    let (report, _) = run_text(Path::new("x.case"), text, &mut Scripted(Engine::Postgres), &options).expect("a good file");
    assert_eq!(report.failed, 1);
}

#[test]
fn what_an_engine_cannot_do_yet_is_counted_apart_until_it_can() {
    let counts = |text: &str| {
        let (report, _) = run(text, false);
        (report.passed, report.failed, report.pending)
    };
    let case = |mark: &str, status: u16| format!("{mark}\nGET /range\n--- {status}\nContent-Range: 0-0/*\n[]\n");
    assert_eq!(counts(&case("pending on sqlite: no views", 500)), (0, 0, 1));
    assert_eq!(counts(&case("pending on sqlite: no views", 200)), (0, 1, 0), "the mark has to go");
    assert_eq!(counts(&case("pending on postgres: no views", 200)), (1, 0, 0));
    let whole = "# x.case    fixture: films    settings: max-rows=2 plan    pending on sqlite: no functions";
    assert_eq!(counts(&format!("{}===\n{}", case(whole, 500), case("# Right all the same.", 200))), (1, 0, 1));
    assert_eq!(counts(&case(whole, 200)), (1, 1, 0), "nothing is missing");
    assert_eq!(counts(&case(&whole.replace("films", "none"), 200)), (0, 0, 1), "the fixture cannot be had");
}

#[test]
fn a_known_wrong_answer_counts_as_failing_until_it_changes() {
    let (report, _) = run("known-wrong: not a list\nGET /id\n--- 200\n{\"id\":\"{{uuid}}\"}\n", false);
    assert_eq!((report.passed, report.failed, report.known_wrong), (0, 0, 1));
    let (report, _) = run("known-wrong: not a list\nGET /id\n--- 200\n[]\n", false);
    assert_eq!((report.failed, report.known_wrong), (1, 0));
    assert!(report.failures.concat().contains("remove the line"), "{:?}", report.failures);
}

#[test]
fn updating_rewrites_only_what_does_not_hold() {
    let text = "# x fixture: films\nGET /id\n--- 200\n{\"id\":\"{{uuid}}\"}\n===\n# Named.\nGET /range\n--- 404\nContent-Range: {{text}}\n{}\n";
    let (report, rewritten) = run(text, true);
    assert_eq!((report.updated, report.failed), (1, 0));
    let expected = text.replace("404", "200").replace("\n{}\n", "\n[]\n");
    assert_eq!(rewritten.as_deref(), Some(expected.as_str()));
    assert_eq!(run(&expected, true).1, None, "a file that holds is not touched");
}

#[test]
fn a_missing_fixture_or_answer_fails() {
    assert_eq!(run("# fixture: none\nGET /id\n--- 200\n===\nGET /id\n--- 200\n", false).0.failed, 2);
    assert_eq!(run("GET /nowhere\n--- 200\n", true).0.failed, 1);
}
