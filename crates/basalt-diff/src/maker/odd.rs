//! What is wrong on purpose: names that are not there, texts that do not parse, preferences nobody knows.

use crate::maker::Maker;
use crate::request::{Body, Condition, Item, Param, Request};

/// Parameters that do not parse or mean nothing.
const PARAMS: [(&str, &str); 30] = [
    ("id", "foo.1"),
    ("id", "eq"),
    ("id", ""),
    ("id", "not.not.eq.1"),
    ("id", "is.maybe"),
    ("id", "in.1,2"),
    ("id", "in.(1,2"),
    ("id", "eq(some).{1}"),
    ("id", "neq(any).{1}"),
    ("or", "(id.eq.1"),
    ("or", "()"),
    ("or", "id.eq.1"),
    ("and", "(id.eq.1,or(id.eq.2)"),
    ("and", "(id)"),
    ("not.or", "(id.eq.1,id.eq.2)"),
    ("order", "id.up"),
    ("order", ""),
    ("order", "id.asc.nullsmiddle"),
    ("order", "nowhere"),
    ("order", "missing(id)"),
    ("limit", "abc"),
    ("limit", "-1"),
    ("offset", "-1"),
    ("offset", "x"),
    ("limit", "99999999999999999999"),
    ("nowhere", "eq.1"),
    ("nowhere.id", "eq.1"),
    ("select", "id"),
    ("id->x", "eq.1"),
    ("on_conflict", "nowhere"),
];

const SELECTS: [&str; 22] = [
    "",
    "id,",
    ",id",
    "id,id",
    "id(",
    "id)",
    "nowhere",
    "nowhere(*)",
    "id::",
    "id::nothing",
    "id::interval",
    "a:b:id",
    "*,*",
    "...t0",
    "t0!wrong(*)",
    "id->",
    "id->>x",
    "id.sum()",
    "count()",
    "id.median()",
    "\"id\"",
    "t0(*),t0(*)",
];

const BODIES: [(&str, &str); 14] = [
    ("application/json", ""),
    ("application/json", "{"),
    ("application/json", "[]"),
    ("application/json", "[{}]"),
    ("application/json", "{}"),
    ("application/json", "null"),
    ("application/json", "1"),
    ("application/json", "[1]"),
    ("application/json", "[{\"id\":1},2]"),
    ("application/json", "{\"nowhere\":1}"),
    ("text/csv", "id\n1,2"),
    ("text/csv", ""),
    ("text/plain", "x"),
    ("application/xml", "<x/>"),
];

const PREFERENCES: [&str; 12] = [
    "handling=strict",
    "handling=strict, foo=bar",
    "handling=strict, return=everything",
    "foo=bar",
    "handling=lenient",
    "timezone=UTC",
    "timezone=Nowhere/City",
    "tx=rollback",
    "count=some",
    "return=everything",
    "max-affected=0",
    "missing=default",
];

impl Maker<'_> {
    /// Makes something of a request wrong.
    pub fn spoil(&mut self, request: &mut Request) {
        self.feature("spoilt");
        match self.random.below(16) {
            0 => {
                request.relation = self.random.pick(&["nowhere", "T0", "t0 ", "t0/x", "public.t0"]).to_owned();
                self.feature("unknown table");
                request.table = None;
            }
            1 | 2 => {
                let text = self.random.pick(&SELECTS).to_owned();
                self.feature("odd select");
                request.select = Some(vec![Item::Plain(text)]);
            }
            3..=6 => {
                let (key, value) = self.random.pick(&PARAMS);
                self.feature("odd parameter");
                request.params.push(Param::Other(key.to_owned(), value.to_owned()));
            }
            7 => {
                let nowhere = Condition::Test { field: "nowhere".into(), negated: false, op: "eq".into(), value: "1".into() };
                self.feature("unknown column in a filter");
                request.params.push(Param::Condition(String::new(), nowhere));
            }
            8 => {
                let item = Item::Embed {
                    head: self.random.pick(&["t0", "t1", "nowhere", "t0!inner", "v0"]).to_owned(),
                    items: vec![Item::Plain("*".into())],
                };
                self.feature("embed of a guess");
                request.select = Some(vec![Item::Plain("*".into()), item]);
            }
            9 | 10 if request.body.is_some() => {
                let (kind, text) = self.random.pick(&BODIES);
                self.feature("odd body");
                request.headers.retain(|(name, _)| name != "Content-Type");
                request.headers.push(("Content-Type".to_owned(), kind.to_owned()));
                request.body = Some(Body::Raw(text.to_owned()));
            }
            11 | 12 => {
                let preference = self.random.pick(&PREFERENCES).to_owned();
                self.feature("odd preference");
                request.prefer.push(preference);
            }
            13 => {
                let name = if request.is_read() { "Accept-Profile" } else { "Content-Profile" };
                self.feature("unknown schema");
                request.headers.retain(|(n, _)| n != name);
                request.headers.push((name.to_owned(), self.random.pick(&["nowhere", "shop", "public"]).to_owned()));
            }
            14 => {
                request.method = self.random.pick(&["OPTIONS", "PUT", "DELETE", "PATCH", "POST"]);
                request.is_ordered = false;
                self.feature("another method");
            }
            _ if request.is_read() && request.select.is_none() && request.table.is_some() => self.order_by_many(request),
            _ => {
                let name = self.random.pick(&["columns", "on_conflict", "select", "order"]);
                self.feature("odd parameter");
                request
                    .params
                    .push(Param::Other(name.to_owned(), self.random.pick(&["id", "nowhere", "", "(", "id,nowhere"]).to_owned()));
            }
        }
    }
}
