//! A recorded set of 500 requests, answered alike before and after a move, in both directions.
//!
//! `tests/cases/copy/requests.txt` has a request a line: who, method, target, headers, body, separated by tabs. It is the traffic of
//! several users of the blog: reads of every shape, writes, sign-ins. `UPDATE_CASES=1` writes it anew from [`record`].

use std::fmt::Write as _;

use basalt_testkit::Project;
use basalt_testkit::http::{Request, Response};
use basalt_testkit::postgres::Database;
use basalt_testkit::process::TestServer;
use serde_json::{Value, json};

use super::{address, body, copied, file_of, refresh, serve_on, sign_in, twin};
use crate::support::{ADA, anonymous, blog, expect, repository, scramble, send, serve, service, user_token};

const FILE: &str = "tests/cases/copy/requests.txt";

const BOB: &str = "00000000-0000-4000-8000-00000000000b";

/// Requests in the file.
const COUNT: usize = 500;

/// What people read: targets with a total order each.
const READS: &[&str] = &[
    "posts?select=*&order=id",
    "posts?select=id,title,status&order=views.desc,id",
    "posts?select=id,rating&order=rating.desc.nullslast,id",
    "posts?select=id,labels,meta&order=id.desc",
    "posts?select=id,meta->seo->>title,words:meta->words&order=id",
    "posts?select=title,author:profiles!posts_author_id_fkey(username)&order=id",
    "posts?select=id,author:profiles!posts_author_id_fkey!inner(username)&author.username=eq.ada&order=id",
    "posts?select=id,comments(id,body)&comments.order=id.desc&order=id",
    "posts?select=id,comments(id,author:profiles(username))&comments.limit=2&comments.order=id&order=id",
    "posts?select=id,tags(name)&tags.order=name&order=id",
    "posts?select=id,...profiles!posts_author_id_fkey(username)&order=id",
    "posts?select=id,views::text,published_on&order=published_on.nullsfirst,id",
    "profiles?select=username,full_name,joined_at&order=username",
    "profiles?select=username,posts!posts_author_id_fkey(id,title)&posts.order=id&order=username",
    "comments?select=*&order=id",
    "comments?select=id,body,post:posts(title,status)&order=id.desc",
    "comments?select=id,reply:reply_to(id,body)&order=id",
    "tags?select=*&order=name.desc",
    "post_tags?select=*&order=post_id,tag_id",
    "notes?select=id,owner,body,locked&order=id",
    "items?select=*&order=id",
    "audit?select=*&order=id",
];

/// What they filter by, for tables that have these columns.
const FILTERS: &[(&str, &str)] = &[
    ("posts", "status=eq.published"),
    ("posts", "views=gte.10"),
    ("posts", "views=not.lt.20"),
    ("posts", "title=ilike.*NOTE*"),
    ("posts", "title=like.Post*"),
    ("posts", "labels=cs.{news}"),
    ("posts", "labels=ov.{intro,essay}"),
    ("posts", "meta=cs.{\"lang\":\"en\"}"),
    ("posts", "meta->>lang=eq.de"),
    ("posts", "rating=is.null"),
    ("posts", "or=(views.gt.50,status.eq.draft)"),
    ("posts", "and=(views.gt.1,or(status.eq.published,rating.gte.4))"),
    ("posts", "published_on=gte.2026-01-15"),
    ("posts", "id=in.(1,3,5,8,13)"),
    ("posts", "title=match.^[A-M]"),
    ("posts", "author_id=eq.00000000-0000-4000-8000-00000000000b"),
    ("comments", "post_id=eq.1"),
    ("comments", "body=ilike.*a*"),
    ("comments", "reply_to=not.is.null"),
    ("profiles", "username=neq.bob"),
    ("profiles", "username=in.(ada,\"cyrus\")"),
    ("tags", "name=gt.rust"),
    ("post_tags", "tag_id=eq.2"),
    ("notes", "locked=is.true"),
    ("items", "note=is.null"),
    ("items", "qty=lte.10"),
];

/// What is wrong, and must stay wrong in the same words.
const MISTAKES: &[&str] = &[
    "posts?select=nothing",
    "nowhere?select=*",
    "posts?views=gte.many",
    "posts?order=nothing",
    "posts?select=id,nothing(id)",
    "posts?id=xx.1",
    "vault?select=*",
    "posts?limit=-1",
    "comments?select=id,profiles(",
    "posts?published_on=eq.2026-13-01",
];

const READERS: [&str; 5] = ["anon", "ada", "bob", "cy", "service"];

/// One request.
#[derive(Debug, Clone)]
struct Recorded {
    who: String,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Recorded {
    fn read(who: &str, target: &str) -> Self {
        Self {
            who: who.into(),
            method: "GET".into(),
            target: format!("/rest/v1/{target}"),
            headers: Vec::new(),
            body: String::new(),
        }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    fn write(who: &str, method: &str, target: &str, body: &str) -> Self {
        let prefer = "return=representation";
        Self { method: method.into(), body: body.into(), ..Self::read(who, target) }.with("Prefer", prefer)
    }

    fn auth(who: &str, method: &str, target: &str, body: &str) -> Self {
        Self { method: method.into(), target: format!("/auth/v1/{target}"), body: body.into(), ..Self::read(who, "") }
    }

    fn line(&self) -> String {
        let headers: Vec<String> = self.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        [self.who.as_str(), &self.method, &self.target, &headers.join("; "), &self.body].join("\t")
    }

    fn parse(line: &str) -> Self {
        let parts: Vec<&str> = line.split('\t').collect();
        let [who, method, target, headers, body] = parts.as_slice() else { panic!("not a request: {line}") };
        let header = |text: &str| text.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            who: (*who).into(),
            method: (*method).into(),
            target: (*target).into(),
            headers: headers.split("; ").filter_map(header).collect(),
            body: (*body).into(),
        }
    }

    fn request(&self, tokens: &Tokens) -> Request {
        let mut request = match self.who.as_str() {
            "service" => service(&self.method, &self.target),
            "anon" => anonymous(&self.method, &self.target),
            user => {
                let token = tokens.of(user);
                anonymous(&self.method, &self.target).header("Authorization", &format!("Bearer {token}"))
            }
        };
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if self.body.is_empty() { request } else { request.json(&self.body) }
    }
}

/// The traffic: reads of everybody, then what changes rows, then the auth service.
fn record() -> Vec<Recorded> {
    let mut all = Vec::new();
    for (at, target) in READS.iter().enumerate() {
        for reader in READERS {
            all.push(Recorded::read(reader, target));
        }
        // Parts, counts, single objects, CSV, no body.
        all.push(Recorded::read("ada", &format!("{target}&limit=3&offset=1")).with("Prefer", "count=exact"));
        all.push(Recorded::read("service", &format!("{target}&limit=1")).with("Accept", "application/vnd.pgrst.object+json"));
        if at % 2 == 0 {
            all.push(Recorded::read("bob", target).with("Range", "2-4"));
            all.push(Recorded { method: "HEAD".into(), ..Recorded::read("cy", target) }.with("Prefer", "count=exact"));
        }
    }
    for (table, filter) in FILTERS {
        let order = if *table == "post_tags" {
            "post_id,tag_id"
        } else if *table == "profiles" {
            "username"
        } else {
            "id"
        };
        for reader in READERS {
            all.push(Recorded::read(reader, &format!("{table}?{filter}&order={order}")));
        }
        all.push(Recorded::read("service", &format!("{table}?{filter}&order={order}&limit=2")).with("Prefer", "count=exact"));
    }
    for target in ["posts?select=id,title&order=id", "tags?select=*&order=id", "items?order=id"] {
        all.push(Recorded::read("service", target).with("Accept", "text/csv"));
    }
    for target in MISTAKES {
        all.push(Recorded::read("anon", target));
        all.push(Recorded::read("ada", target));
    }
    let after = "select=id,title,status,views&order=id";
    for who in ["ada", "bob", "cy", "anon"] {
        let post = format!(r#"{{"title":"By {who}","status":"published","labels":["new"],"meta":{{"by":"{who}"}}}}"#);
        all.push(Recorded::write(who, "POST", "posts?select=id,author_id,title,views,labels,meta", &post));
        all.push(Recorded::write(who, "POST", "comments?select=id,author_id,body", r#"{"post_id":1,"body":"so it is"}"#));
        all.push(Recorded::write(who, "PATCH", "posts?select=id,views&title=like.By*&order=id", r#"{"views":7}"#));
        all.push(Recorded::write(who, "POST", "notes?select=id,owner,body", r#"{"body":"remember"}"#));
        all.push(Recorded::read(who, &format!("posts?{after}")));
        all.push(Recorded::write(who, "DELETE", "comments?select=id&body=eq.so it is&order=id".replace(' ', "%20").as_str(), ""));
    }
    let item = r#"[{"id":4,"name":"screw","qty":3},{"id":5,"name":"hook","note":"brass"}]"#;
    all.push(Recorded::write("service", "POST", "items?columns=id,name,qty", item));
    all.push(Recorded::write("service", "POST", "items", r#"{"id":6,"name":"screw"}"#));
    all.push(Recorded::write("service", "POST", "items", r#"{"id":6,"name":"bad","qty":-1}"#));
    all.push(Recorded::write(
        "service",
        "POST",
        "posts",
        r#"{"author_id":"00000000-0000-4000-8000-0000000000ff","title":"no one's"}"#,
    ));
    all.push(
        Recorded::write("service", "POST", "items?on_conflict=id", r#"{"id":1,"name":"bolt","qty":11}"#)
            .with("Prefer", "resolution=merge-duplicates"),
    );
    all.push(Recorded::write("service", "DELETE", "items?id=gte.4&order=id", ""));
    all.push(Recorded::read("service", "items?order=id"));
    for who in ["ada", "bob", "cy", "anon"] {
        all.push(Recorded::auth(who, "GET", "user", ""));
    }
    for (email, password) in
        [("ada@example.com", "correct horse"), ("cy@example.com", "correct battery"), ("ada@example.com", "wrong")]
    {
        let credentials = json!({"email": email, "password": password}).to_string();
        all.push(Recorded::auth("anon", "POST", "token?grant_type=password", &credentials));
    }
    all.push(Recorded::auth("anon", "POST", "token?grant_type=refresh_token", r#"{"refresh_token":"aaaaaaaaaaaa"}"#));
    all.push(Recorded::auth("service", "GET", "admin/users?page=1&per_page=2", ""));
    // As many as were promised: what is left of the reads that only vary in their part is taken by lot.
    let mut seed = 1;
    while all.len() < COUNT {
        seed += 1;
        let lot = usize::try_from(scramble(seed) % 1_000_000).unwrap_or(0);
        let (Some(target), Some(reader)) = (READS.get(lot % READS.len()), READERS.get(lot / 100 % READERS.len())) else {
            continue;
        };
        all.push(Recorded::read(reader, &format!("{target}&limit={}&offset={}", 1 + lot % 7, lot / 10 % 9)));
    }
    all
}

/// The file's requests.
fn requests() -> Vec<Recorded> {
    let path = repository().join(FILE);
    if std::env::var_os("UPDATE_CASES").is_some() {
        let text = record().iter().fold(String::new(), |mut text, one| {
            let _ = writeln!(text, "{}", one.line());
            text
        });
        std::fs::create_dir_all(path.parent().expect("a folder")).and_then(|()| std::fs::write(&path, text)).expect("writes");
    }
    let text = std::fs::read_to_string(&path).expect("the recorded requests");
    let all: Vec<Recorded> = text.lines().map(Recorded::parse).collect();
    assert!(all.len() >= COUNT, "{} requests", all.len());
    all
}

/// Who asks, by name.
struct Tokens {
    cy: String,
}

impl Tokens {
    fn of(&self, user: &str) -> String {
        match user {
            "ada" => user_token(ADA),
            "bob" => user_token(BOB),
            _ => self.cy.clone(),
        }
    }
}

/// What a caller sees of an answer, less what is new each time: ids and tokens that are made, and times.
fn seen(recorded: &Recorded, answer: &Response) -> String {
    let mut text = format!("{}", answer.status);
    for name in [
        "content-type",
        "content-range",
        "content-location",
        "location",
        "preference-applied",
        "www-authenticate",
        "proxy-status",
    ] {
        if let Some(value) = answer.header(name) {
            let _ = write!(text, "\n{name}: {value}");
        }
    }
    let is_auth = recorded.target.starts_with("/auth/");
    let shown = match serde_json::from_slice::<Value>(&answer.body) {
        Ok(mut value) if is_auth => {
            mask(&mut value);
            value.to_string()
        }
        _ => answer.text(),
    };
    format!("{text}\n{shown}")
}

fn mask(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| {
            let is_new = name.ends_with("_token") || name.ends_with("_at") || name == "expires_in";
            if is_new { *value = json!("new") } else { mask(value) }
        }),
        Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}

fn answers(server: &TestServer, requests: &[Recorded], tokens: &Tokens) -> Vec<String> {
    requests.iter().map(|one| seen(one, &send(server, &one.request(tokens)))).collect()
}

#[track_caller]
fn assert_equal(requests: &[Recorded], one: &[String], two: &[String]) {
    let differing: Vec<String> = requests
        .iter()
        .zip(one.iter().zip(two))
        .filter(|(_, (one, two))| one != two)
        .map(|(request, (one, two))| format!("{}\n--- before\n{one}\n--- after\n{two}\n", request.line()))
        .collect();
    assert_eq!(one.len(), two.len());
    assert!(differing.is_empty(), "{} of {} differ:\n{}", differing.len(), requests.len(), differing.join("\n"));
}

/// The blog with a life: one more user, sixty posts, two hundred comments.
fn lively() -> (Project, Value) {
    let project = blog();
    let server = serve(&project);
    let new =
        json!({"email": "cy@example.com", "password": "correct battery", "data": {"username": "cyrus", "full_name": "Cyrus"}});
    let cy = body(&expect(&server, &anonymous("POST", "/auth/v1/signup").json(&new.to_string()), 200));
    let id = cy["user"]["id"].as_str().expect("an id").to_owned();
    let joined = json!({"joined_at": "2026-02-01T00:00:00Z"}).to_string();
    expect(&server, &service("PATCH", "/rest/v1/profiles?username=eq.cyrus").json(&joined), 204);
    let authors = [ADA, BOB, &id];
    let pick = |n: u64, of: usize| usize::try_from(scramble(n)).unwrap_or(0) % of;
    let one_of = |n: u64, words: &[&'static str]| words[pick(n, words.len())];
    let posts: Vec<Value> = (0..60_u64)
        .map(|n| {
            json!({
                "author_id": authors[pick(n, 3)], "title": format!("Post {n}: notes on {}", one_of(n + 100, &["tea", "Über", "rust", "a \"quote\""])),
                "status": one_of(n + 200, &["draft", "published", "published", "archived"]), "views": pick(n + 300, 100),
                "rating": if n % 3 == 0 { Value::Null } else { json!(format!("{}.{}5", pick(n + 400, 5), n % 10)) },
                "labels": one_of(n + 500, &["news", "", "essay intro"]).split_whitespace().collect::<Vec<_>>(),
                "meta": {"lang": one_of(n + 600, &["en", "de"]), "words": pick(n + 700, 1000), "seo": {"title": format!("t{n}")}},
                "published_on": if n % 4 == 0 { Value::Null } else { json!(format!("2026-{:02}-{:02}", 1 + n % 12, 1 + n % 28)) },
            })
        })
        .collect();
    expect(&server, &service("POST", "/rest/v1/posts").json(&Value::from(posts).to_string()), 201);
    let comments: Vec<Value> = (0..200_u64)
        .map(|n| json!({"post_id": 1 + pick(n + 800, 60), "author_id": authors[pick(n + 900, 3)], "reply_to": if n % 5 == 0 { json!(1 + pick(n, 4)) } else { Value::Null }, "body": format!("comment {n}\n{}", "a".repeat(pick(n + 1000, 9)))}))
        .collect();
    expect(&server, &service("POST", "/rest/v1/comments").json(&Value::from(comments).to_string()), 201);
    let tagged: Vec<Value> = (10..50_u64).map(|n| json!({"post_id": n, "tag_id": 1 + pick(n + 1100, 3)})).collect();
    expect(&server, &service("POST", "/rest/v1/post_tags").json(&Value::from(tagged).to_string()), 201);
    let notes: Vec<Value> = (0..12_u64)
        .map(|n| json!({"owner": authors[pick(n + 1200, 3)], "body": format!("note {n}"), "locked": n % 3 == 0}))
        .collect();
    expect(&server, &service("POST", "/rest/v1/notes").json(&Value::from(notes).to_string()), 201);
    drop(server);
    (project, cy)
}

#[test]
fn recorded_requests_are_answered_alike_before_and_after() {
    let requests = requests();
    let (project, cy) = lively();
    let database = Database::empty();
    let tokens = Tokens { cy: cy["access_token"].as_str().expect("a token").to_owned() };

    copied(&project, &["--to", &address(&database)]);
    let before = serve(&project);
    let on_file = answers(&before, &requests, &tokens);
    drop(before);
    let after = serve_on(&project, &database);
    let on_server = answers(&after, &requests, &tokens);
    assert_equal(&requests, &on_file, &on_server);
    let successes = on_file.iter().filter(|answer| answer.starts_with('2')).count();
    assert!(successes > COUNT * 4 / 5, "only {successes} of {} succeed", requests.len());
    let ada = sign_in(&after, "ada@example.com", "correct horse");
    drop(after);

    let back = twin(&project);
    copied(&project, &["--from", &address(&database), "--to", &file_of(&back)]);
    let before = serve_on(&project, &database);
    let on_server = answers(&before, &requests, &tokens);
    drop(before);
    let after = serve(&back);
    let on_file = answers(&after, &requests, &tokens);
    assert_equal(&requests, &on_server, &on_file);
    refresh(&after, &ada);
}
