//! The OpenAPI 3.1 document: every path, method, parameter, body and status that a role's requests can have.
//!
//! Statuses of database code are another matter: a function or trigger may set any (`response.status`, SQLSTATE `PTxxx`), so operations that
//! run users' code have a `default` response besides; all others do not.

use basalt_catalog::{Column, Function, Volatility};
use basalt_types::{Oid, TypeRef};
use percent_encoding::utf8_percent_encode;
use serde_json::{Map, Value as Json, json};

use super::shown::{Shown, ShownRelation};
use super::{Facts, PATH, swagger, types};
use crate::parse::query::UNRESERVED;

/// Parameters of the query string that are no columns.
const RESERVED: [&str; 9] = ["select", "order", "limit", "offset", "and", "or", "not.and", "not.or", "on_conflict"];

/// What a filter of a column looks like.
const FILTER: &str = "^(not\\.)?(eq|neq|gt|gte|lt|lte|like|ilike|match|imatch|in|is|isdistinct|fts|plfts|phfts|wfts|cs|cd|ov|sl|sr|nxr|nxl|adj)(\\((any|all|[^)]*)\\))?\\..*$";

const JSON: &str = "application/json";
const ARRAY_STRIPPED: &str = "application/vnd.pgrst.array+json;nulls=stripped";
const OBJECT: &str = "application/vnd.pgrst.object+json";
const OBJECT_STRIPPED: &str = "application/vnd.pgrst.object+json;nulls=stripped";
const CSV: &str = "text/csv";
const PLAN_JSON: &str = "application/vnd.pgrst.plan+json";
const PLAN_TEXT: &str = "application/vnd.pgrst.plan+text";

/// Writes the document.
pub(super) fn document(shown: &Shown<'_>, facts: &Facts<'_>) -> Json {
    let mut paths = Map::new();
    let mut schemas = common_schemas();
    paths.insert("/".into(), root(true));
    if !shown.relations.iter().any(|r| r.relation.name == PATH) {
        paths.insert(format!("/{PATH}"), root(false));
    }
    let writer = Writer { shown, facts };
    for relation in &shown.relations {
        let name = component(&relation.relation.name);
        schemas.insert(name.clone(), writer.row(relation));
        if relation.may.insert {
            schemas.insert(format!("{name}.insert"), writer.input(relation, &relation.inserted, true));
        }
        if relation.may.update {
            schemas.insert(format!("{name}.update"), writer.input(relation, &relation.updated, false));
        }
        paths.insert(format!("/{}", encoded(&relation.relation.name)), writer.path(relation));
    }
    paths.insert("/-/batch".into(), batch());
    for overloads in shown.functions.chunk_by(|a, b| a.name == b.name) {
        if let Some(first) = overloads.first() {
            paths.insert(format!("/rpc/{}", encoded(&first.name)), writer.function(overloads));
        }
    }
    let comment = shown.catalog.schema(facts.schema).and_then(|s| s.comment.as_deref());
    let (title, description) = swagger::title(shown.catalog, comment, facts.schema);
    let mut out = json!({
        "openapi": "3.1.0",
        "info": {"title": title, "description": description, "version": env!("CARGO_PKG_VERSION")},
        "servers": [{"url": facts.server.unwrap_or("./")}],
        "paths": paths,
        "components": {"schemas": schemas, "parameters": parameters(facts), "responses": responses()},
    });
    if let Some(components) = out.get_mut("components") {
        components["securitySchemes"] = json!({
            "key": {"type": "apiKey", "in": "header", "name": "apikey", "description": "A publishable or secret key, where keys are asked for."},
            "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        });
    }
    out["security"] = json!([{"key": []}, {"key": [], "token": []}, {"token": []}, {}]);
    out
}

struct Writer<'a, 'c> {
    shown: &'a Shown<'c>,
    facts: &'a Facts<'a>,
}

/// Which statuses an operation may have besides its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
    Call,
}

impl Writer<'_, '_> {
    fn path(&self, shown: &ShownRelation<'_>) -> Json {
        let relation = shown.relation;
        let name = component(&relation.name);
        let row = json!({"$ref": format!("#/components/schemas/{name}")});
        let mut out = Map::new();
        let operation = |word: &str, parameters: Vec<Json>, responses: Json| {
            let mut out = json!({
                "operationId": format!("{word}:{}", relation.name),
                "tags": [relation.name],
                "parameters": parameters,
                "responses": responses,
            });
            swagger::commented(&mut out, relation.comment.as_deref());
            out
        };
        let runs_code = !relation.triggers.is_empty();
        if shown.may.select {
            let mut parameters = self.filters(shown);
            parameters.extend(self.named(&["select", "order", "limit", "offset", "prefer", "acceptProfile"]));
            let ok = json!({"description": "The rows.", "headers": page_headers(), "content": self.content(&row)});
            let partial = json!({"description": "A page of more rows, which were counted.", "headers": page_headers(), "content": self.content(&row)});
            let responses = |ok: Json, partial: Json| {
                let same = self.facts.has_etags.then(|| ("304", json!({"description": "The caller has this answer already."})));
                statuses(Kind::Read, false, [("200", ok), ("206", partial)].into_iter().chain(same))
            };
            let mut get = parameters.clone();
            get.extend(self.named(&["range"]));
            out.insert("get".into(), operation("read", get, responses(ok, partial)));
            let empty = |text: &str| json!({"description": text, "headers": page_headers()});
            let head = responses(empty("As GET, without the rows."), empty("As GET, without the rows."));
            out.insert("head".into(), operation("count", parameters, without_bodies(head)));
        }
        if shown.may.insert {
            let mut parameters = self.named(&["select", "columns", "on_conflict", "prefer", "contentProfile"]);
            parameters.extend(self.named(&["order", "nested"]));
            let body = self.body(&format!("{name}.insert"), true);
            let shown_rows =
                |text: &str| json!({"description": text, "headers": written_headers(), "content": self.content(&row)});
            let responses = statuses(
                Kind::Write,
                runs_code,
                [
                    ("200", shown_rows("An upsert that met existing rows only.")),
                    ("201", shown_rows("The rows are written; they are shown for `Prefer: return=representation`.")),
                ],
            );
            let mut post = operation("insert", parameters, responses);
            post["requestBody"] = body;
            out.insert("post".into(), post);
        }
        if shown.may.insert && shown.may.update && shown.key().is_some() {
            let mut parameters = self.filters_of(&shown.key().unwrap_or_default(), Some("^eq\\..*$"));
            parameters.extend(self.named(&["select", "prefer", "contentProfile"]));
            let mut put = operation("put", parameters, self.written(&row, true, runs_code));
            put["requestBody"] = self.body(&format!("{name}.insert"), false);
            out.insert("put".into(), put);
        }
        let changes = |word: &str| {
            let mut parameters = self.filters(shown);
            let own: &[&str] = if word == "update" { &["columns"] } else { &[] };
            parameters.extend(self.named(own));
            parameters.extend(self.named(&["select", "order", "prefer", "contentProfile"]));
            operation(word, parameters, self.written(&row, false, runs_code))
        };
        if shown.may.update {
            let mut patch = changes("update");
            patch["requestBody"] = self.body(&format!("{name}.update"), false);
            out.insert("patch".into(), patch);
        }
        if shown.may.delete {
            out.insert("delete".into(), changes("delete"));
        }
        out.insert("options".into(), methods(&format!("methods:{}", relation.name), &relation.name));
        Json::Object(out)
    }

    /// The answers of PUT, PATCH and DELETE.
    fn written(&self, row: &Json, may_create: bool, runs_code: bool) -> Json {
        let rows = |text: &str| json!({"description": text, "headers": written_headers(), "content": self.content(row)});
        let mut own = vec![
            ("200", rows("The written rows, for `Prefer: return=representation`.")),
            ("204", json!({"description": "Done.", "headers": written_headers()})),
        ];
        if may_create {
            own.push(("201", rows("The row is new.")));
        }
        statuses(Kind::Write, runs_code, own)
    }

    /// A row as it is read, all columns.
    fn row(&self, shown: &ShownRelation<'_>) -> Json {
        let properties: Map<String, Json> =
            shown.columns.iter().map(|c| (c.name.clone(), self.property(shown, c, !c.not_null))).collect();
        let mut out = json!({"type": "object", "properties": properties});
        if let Some(comment) = &shown.relation.comment {
            out["description"] = json!(comment);
        }
        out
    }

    /// A row as it is written.
    fn input(&self, shown: &ShownRelation<'_>, columns: &[i16], is_insert: bool) -> Json {
        let columns: Vec<&&Column> = shown.columns.iter().filter(|c| columns.contains(&c.attnum)).collect();
        let properties: Map<String, Json> =
            columns.iter().map(|c| (c.name.clone(), self.property(shown, c, !c.not_null))).collect();
        let is_needed = |c: &Column| c.not_null && c.default.is_none() && c.identity.is_none();
        let needed: Vec<&str> = columns.iter().filter(|c| is_needed(c)).map(|c| c.name.as_str()).collect();
        let mut out = json!({"type": "object", "properties": properties, "additionalProperties": false});
        if is_insert && !needed.is_empty() {
            out["required"] = json!(needed);
        }
        out
    }

    fn property(&self, shown: &ShownRelation<'_>, column: &Column, may_be_null: bool) -> Json {
        let mut out = types::schema(self.shown.catalog, column.type_ref(), may_be_null);
        let mut notes: Vec<String> = column.comment.iter().cloned().collect();
        if shown.is_key(column) {
            notes.push("Part of the primary key.".to_owned());
        }
        if let Some((table, there)) = self.shown.foreign(shown, column) {
            notes.push(format!("References `{table}.{there}`."));
        }
        if !notes.is_empty() {
            out["description"] = json!(notes.join("\n\n"));
        }
        out
    }

    /// Filters by each column, and what combines them.
    fn filters(&self, shown: &ShownRelation<'_>) -> Vec<Json> {
        let mut out = self.filters_of(&shown.columns, None);
        out.extend(self.named(&["and", "or"]));
        out
    }

    fn filters_of(&self, columns: &[&Column], pattern: Option<&str>) -> Vec<Json> {
        let usable = columns.iter().filter(|c| !RESERVED.contains(&c.name.as_str()));
        usable
            .map(|column| match pattern {
                Some(pattern) => json!({
                    "name": column.name, "in": "query", "required": true,
                    "schema": {"type": "string", "pattern": pattern},
                }),
                None => json!({
                    "name": column.name, "in": "query", "style": "form", "explode": true,
                    "schema": {"type": "array", "items": {"$ref": "#/components/schemas/Filter"}},
                }),
            })
            .collect()
    }

    /// References to common parameters; those of profiles where there are several schemas.
    fn named(&self, names: &[&str]) -> Vec<Json> {
        let is_used = |name: &&&str| !name.ends_with("Profile") || self.facts.schemas.len() > 1;
        names.iter().filter(is_used).map(|name| json!({"$ref": format!("#/components/parameters/{name}")})).collect()
    }

    fn body(&self, schema: &str, is_many: bool) -> Json {
        let one = json!({"$ref": format!("#/components/schemas/{schema}")});
        let json = if is_many { json!({"anyOf": [one, {"type": "array", "items": one}]}) } else { one };
        let text = json!({"schema": {"type": "string"}});
        json!({"required": true, "content": {
            JSON: {"schema": json},
            CSV: text,
            "application/x-www-form-urlencoded": {"schema": {"type": "object", "additionalProperties": {"type": "string"}}},
        }})
    }

    /// The forms of rows.
    fn content(&self, row: &Json) -> Json {
        let rows = json!({"schema": {"type": "array", "items": row}});
        let one = json!({"schema": row});
        let mut out = json!({
            JSON: rows, ARRAY_STRIPPED: rows, OBJECT: one, OBJECT_STRIPPED: one, CSV: {"schema": {"type": "string"}},
        });
        self.plans(&mut out);
        out
    }

    fn plans(&self, content: &mut Json) {
        if self.facts.has_plans {
            content[PLAN_JSON] = json!({"schema": {"type": "array", "items": {"type": "object"}}});
            content[PLAN_TEXT] = json!({"schema": {"type": "string"}});
        }
    }

    /// A function's overloads, called by one path.
    fn function(&self, overloads: &[&Function]) -> Json {
        let Some(first) = overloads.first() else { return json!({}) };
        let operation = |word: &str, parameters: Vec<Json>| {
            let mut content = json!({JSON: {}, OBJECT: {}, OBJECT_STRIPPED: {}, ARRAY_STRIPPED: {}, CSV: {}});
            self.plans(&mut content);
            let ok = json!({"description": "What the function returned.", "headers": page_headers(), "content": content});
            let own = [("200", ok.clone()), ("204", json!({"description": "It returns nothing."})), ("206", ok)];
            let mut out = json!({
                "operationId": format!("{word}:{}", first.name),
                "tags": [format!("(rpc) {}", first.name)],
                "parameters": parameters,
                "responses": statuses(Kind::Call, true, own),
            });
            swagger::commented(&mut out, overloads.iter().find_map(|f| f.comment.as_deref()));
            out
        };
        let shaping = ["select", "order", "limit", "offset", "prefer"];
        let mut out = Map::new();
        if overloads.iter().any(|f| f.volatility != Volatility::Volatile) {
            let mut arguments: Vec<Json> = Vec::new();
            for arg in overloads.iter().flat_map(|f| f.inputs()).filter(|arg| !arg.name.is_empty()) {
                let is_said = arguments.iter().any(|said| said["name"] == arg.name.as_str());
                if !is_said && !RESERVED.contains(&arg.name.as_str()) {
                    let is_needed =
                        overloads.len() == 1 && arg.default.is_none() && arg.mode != basalt_catalog::ArgMode::Variadic;
                    arguments.push(json!({"name": arg.name, "in": "query", "required": is_needed, "schema": {"type": "string"}}));
                }
            }
            arguments.extend(self.named(&shaping));
            let mut get = arguments.clone();
            get.extend(self.named(&["range", "acceptProfile"]));
            out.insert("get".into(), operation("call-get", get));
            arguments.extend(self.named(&["acceptProfile"]));
            let mut head = operation("call-head", arguments);
            head["responses"] = without_bodies(head["responses"].take());
            out.insert("head".into(), head);
        }
        let arguments: Vec<Json> = overloads.iter().map(|f| self.arguments(f)).collect();
        let arguments = match arguments.as_slice() {
            [one] => one.clone(),
            several => json!({"anyOf": several}),
        };
        let mut parameters = self.named(&shaping);
        parameters.extend(self.named(&["contentProfile"]));
        let mut post = operation("call", parameters);
        let is_needed = !overloads.iter().any(|f| f.inputs().all(|arg| arg.default.is_some()));
        post["requestBody"] = json!({"required": is_needed, "content": {JSON: {"schema": arguments}}});
        out.insert("post".into(), post);
        out.insert("options".into(), methods(&format!("methods:rpc/{}", first.name), &format!("(rpc) {}", first.name)));
        Json::Object(out)
    }

    /// The object of arguments.
    fn arguments(&self, function: &Function) -> Json {
        let inputs: Vec<_> = function.inputs().collect();
        if let [one] = inputs.as_slice()
            && one.name.is_empty()
        {
            return json!({});
        }
        let of = |ty: u32| types::schema(self.shown.catalog, TypeRef::of(Oid(ty)), true);
        let properties: Map<String, Json> = inputs.iter().map(|arg| (arg.name.clone(), of(arg.ty))).collect();
        let is_needed =
            |arg: &basalt_catalog::FunctionArg| arg.default.is_none() && arg.mode != basalt_catalog::ArgMode::Variadic;
        let needed: Vec<&str> = inputs.iter().filter(|arg| is_needed(arg)).map(|arg| arg.name.as_str()).collect();
        json!({"type": "object", "properties": properties, "required": needed})
    }
}

/// Several requests in one transaction.
fn batch() -> Json {
    let ok =
        json!({"description": "The answers of all operations, in order.", "content": {JSON: {"schema": {"type": "object"}}}});
    let operations = json!({"type": "array", "items": {"type": "object"}});
    json!({"post": {
        "operationId": "batch",
        "tags": ["Batch"],
        "summary": "Runs several requests in one transaction; all of it is kept, or nothing.",
        "parameters": [{"$ref": "#/components/parameters/prefer"}],
        "requestBody": {"required": true, "content": {JSON: {"schema": {"type": "object", "properties": {"operations": operations}}}}},
        "responses": statuses(Kind::Write, true, [("200", ok)]),
    }})
}

/// The documents' own paths.
fn root(is_negotiated: bool) -> Json {
    let mut content = json!({JSON: {"schema": {"type": "object"}}});
    if is_negotiated {
        content["application/openapi+json"] = json!({"schema": {"type": "object"}});
    }
    let ok = json!({"description": "A description of what the caller may use.", "content": content});
    let get = |word: &str| {
        let name = if is_negotiated { "root" } else { "openapi" };
        json!({
            "operationId": format!("{word}:{name}"),
            "tags": ["Introspection"],
            "responses": statuses(Kind::Read, false, [("200", ok.clone())]),
        })
    };
    let mut head = get("head");
    head["responses"] = without_bodies(head["responses"].take());
    let name = if is_negotiated { "methods:root" } else { "methods:openapi" };
    json!({"get": get("describe"), "head": head, "options": methods(name, "Introspection")})
}

/// OPTIONS.
fn methods(id: &str, tag: &str) -> Json {
    let ok =
        json!({"description": "No body.", "headers": {"Allow": {"description": "The methods.", "schema": {"type": "string"}}}});
    json!({"operationId": id, "tags": [tag], "responses": statuses(Kind::Read, false, [("200", ok)])})
}

/// An operation's own answers, and how it may fail.
fn statuses<'s>(kind: Kind, runs_code: bool, own: impl IntoIterator<Item = (&'s str, Json)>) -> Json {
    let mut out: Map<String, Json> = own.into_iter().map(|(status, response)| (status.to_owned(), response)).collect();
    let mut all = vec!["300", "400", "401", "403", "404", "405", "406", "413", "414", "416", "431", "500", "503"];
    if kind != Kind::Read {
        all.extend(["408", "409"]);
    }
    for status in all {
        out.insert(status.to_owned(), json!({"$ref": format!("#/components/responses/{status}")}));
    }
    if runs_code {
        out.insert("default".into(), json!({"$ref": "#/components/responses/own"}));
    }
    Json::Object(out)
}

/// The same answers to HEAD.
fn without_bodies(mut responses: Json) -> Json {
    if let Some(all) = responses.as_object_mut() {
        for (status, response) in all {
            let text = FAILURES.iter().find(|(failure, _)| failure == status).map(|(_, text)| *text);
            match text {
                Some(text) => *response = json!({"description": text}),
                None if status == "default" => *response = json!({"description": OWN}),
                None => {
                    if let Some(response) = response.as_object_mut() {
                        response.remove("content");
                    }
                }
            }
        }
    }
    responses
}

const OWN: &str = "A status that code of the database has set.";

const FAILURES: [(&str, &str); 15] = [
    ("300", "Several relationships or functions fit; `details` lists them."),
    ("400", "The request or a value in it cannot be read, or a check of the database refused it."),
    ("401", "No key, no valid token, or the anonymous role lacks the privilege."),
    ("403", "The role lacks the privilege, or a row policy refused a row."),
    ("404", "No such path, table or function."),
    ("405", "The method is not for this resource, or writes where only reading is allowed."),
    ("406", "None of the accepted types can be given, no such schema, or not exactly one row."),
    ("408", "The body did not come in time."),
    ("409", "A key exists already, or a referenced row does not, or is still referenced."),
    ("413", "The body, or the answer, is too long."),
    ("414", "The address is too long."),
    ("416", "The page begins behind the last row, or is none."),
    ("431", "The headers are too long."),
    ("500", "A failure inside, a statement that took too long, or an error of the database's own code."),
    ("503", "The database cannot be reached, or there is too much to do; try again after `Retry-After` seconds."),
];

fn responses() -> Json {
    let error = json!({JSON: {"schema": {"$ref": "#/components/schemas/Error"}}});
    let mut out: Map<String, Json> =
        FAILURES.iter().map(|(status, text)| ((*status).to_owned(), json!({"description": text, "content": error}))).collect();
    out.insert("own".into(), json!({"description": OWN}));
    Json::Object(out)
}

fn page_headers() -> Json {
    let text = |description: &str| json!({"description": description, "schema": {"type": "string"}});
    json!({
        "Content-Range": text("First and last row, and how many there are if that was asked: `0-9/25`."),
        "Content-Location": text("The address with its parameters in alphabetical order."),
        "Preference-Applied": text("The preferences that were followed."),
    })
}

fn written_headers() -> Json {
    let text = |description: &str| json!({"description": description, "schema": {"type": "string"}});
    json!({
        "Content-Range": text("The rows written, and how many if that was asked."),
        "Location": text("The address of the row, for `Prefer: return=headers-only`."),
        "Preference-Applied": text("The preferences that were followed."),
    })
}

fn parameters(facts: &Facts<'_>) -> Json {
    let query = |name: &str, text: &str| json!({"name": name, "in": "query", "description": text, "schema": {"type": "string"}});
    let number = |name: &str, text: &str| json!({"name": name, "in": "query", "description": text, "schema": {"type": "integer", "minimum": 0}});
    let header =
        |name: &str, text: &str| json!({"name": name, "in": "header", "description": text, "schema": {"type": "string"}});
    let end = if facts.may_choose_end { ", `tx=commit|rollback`" } else { "" };
    let prefer = format!(
        "Preferences, separated by commas: `return=minimal|headers-only|representation`, `count=exact|planned|estimated`, \
         `resolution=merge-duplicates|ignore-duplicates`, `missing=default|null`, `handling=strict|lenient`, `max-affected=N`, \
         `timezone=…`{end}."
    );
    let mut out = json!({
        "select": query("select", "Columns and embedded resources: `id,name,orders(total)`."),
        "order": query("order", "`column.desc.nullslast,other`."),
        "limit": number("limit", "Most rows."),
        "offset": number("offset", "Rows to skip."),
        "and": query("and", "Conditions that must all hold: `(a.eq.1,b.gt.2)`."),
        "or": query("or", "Conditions of which one must hold: `(a.eq.1,b.gt.2)`."),
        "columns": query("columns", "The keys of the body that are written, separated by commas."),
        "on_conflict": query("on_conflict", "The columns of the unique key that an upsert goes by."),
        "nested": json!({
            "name": "Basalt-Nested", "in": "header", "description": "`insert`: rows have related rows in them, which are inserted too.",
            "schema": {"type": "string", "enum": ["insert"]},
        }),
        "range": header("Range", "Rows `first-last` or `first-`."),
        "prefer": header("Prefer", &prefer),
    });
    if facts.schemas.len() > 1 {
        for (key, name) in [("acceptProfile", "Accept-Profile"), ("contentProfile", "Content-Profile")] {
            out[key] = json!({
                "name": name, "in": "header", "description": "The schema.", "schema": {"type": "string", "enum": facts.schemas},
            });
        }
    }
    out
}

fn common_schemas() -> Map<String, Json> {
    let mut out = Map::new();
    let text = "An operator, a dot and a value: `eq.1`, `like.a*`, `in.(1,2)`, `is.null`; `not.` before it says the opposite.";
    out.insert("Filter".into(), json!({"type": "string", "pattern": FILTER, "description": text}));
    let error = json!({
        "type": "object",
        "required": ["message"],
        "properties": {
            "code": {"type": "string", "description": "A SQLSTATE of PostgreSQL, PGRSTnnn of PostgREST, or BSLTnnn of Basalt."},
            "message": {"type": "string"},
            "details": {},
            "hint": {"type": ["string", "null"]},
        },
    });
    out.insert("Error".into(), error);
    out
}

/// A name where components are named: letters, digits, dots, dashes and underscores; others as `-` and their number. Tables follow a dot,
/// so that none is called as a common schema.
fn component(name: &str) -> String {
    let mut out = String::from("table.");
    for c in name.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '_') {
            out.push(c);
        } else {
            out.push_str(&format!("-{:x}-", u32::from(c)));
        }
    }
    out
}

fn encoded(name: &str) -> String {
    utf8_percent_encode(name, UNRESERVED).to_string()
}
