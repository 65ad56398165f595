//! The Swagger 2.0 document, as PostgREST writes it.
//!
//! Source: PostgREST 16, "OpenAPI", and its `OpenAPI.hs`. Two things differ: columns that the role has no privilege on are left out, as are
//! foreign keys to what the document does not have.

use basalt_catalog::{Catalog, Column, Function, Volatility};
use basalt_types::pg::oid;
use basalt_types::{Oid, TypeRef};
use serde_json::{Map, Value as Json, json};

use super::Facts;
use super::shown::{Shown, ShownRelation};

const MEDIA: [&str; 4] =
    ["application/json", "application/vnd.pgrst.object+json;nulls=stripped", "application/vnd.pgrst.object+json", "text/csv"];

pub(super) fn document(shown: &Shown<'_>, facts: &Facts<'_>) -> Json {
    let mut paths = Map::new();
    let mut definitions = Map::new();
    let mut parameters = common_parameters();
    paths.insert(
        "/".into(),
        json!({"get": {
            "produces": ["application/openapi+json", "application/json"],
            "responses": {"200": {"description": "OK"}},
            "summary": "OpenAPI description (this document)",
            "tags": ["Introspection"],
        }}),
    );
    for relation in &shown.relations {
        let name = &relation.relation.name;
        paths.insert(format!("/{name}"), path(relation));
        definitions.insert(name.clone(), definition(shown, relation));
        for column in &relation.columns {
            let mut parameter = json!({"name": column.name, "required": false, "in": "query", "type": "string"});
            if let Some(comment) = &column.comment {
                parameter["description"] = json!(comment);
            }
            parameters.insert(format!("rowFilter.{name}.{}", column.name), parameter);
        }
        let body = json!({
            "name": name,
            "description": name,
            "required": false,
            "in": "body",
            "schema": {"$ref": format!("#/definitions/{name}")},
        });
        parameters.insert(format!("body.{name}"), body);
    }
    for function in &shown.functions {
        paths.insert(format!("/rpc/{}", function.name), function_path(shown.catalog, function));
    }
    let comment = shown.catalog.schema(facts.schema).and_then(|s| s.comment.as_deref());
    let (title, description) = title(comment, facts.schema);
    let mut out = json!({
        "swagger": "2.0",
        "info": {"title": title, "description": description, "version": env!("CARGO_PKG_VERSION")},
        "basePath": "/",
        "schemes": ["http"],
        "consumes": MEDIA,
        "produces": MEDIA,
        "paths": paths,
        "definitions": definitions,
        "parameters": parameters,
    });
    if let Some((scheme, host, path)) = facts.server.and_then(address) {
        out["schemes"] = json!([scheme]);
        out["host"] = json!(host);
        out["basePath"] = json!(path);
    }
    if facts.is_secured {
        let text = "Add the token prepending \"Bearer \" (without quotes) to it";
        out["securityDefinitions"] =
            json!({"JWT": {"type": "apiKey", "name": "Authorization", "in": "header", "description": text}});
        out["security"] = json!([{"JWT": []}]);
    }
    out
}

/// The first line of a schema's comment, and the rest.
pub(super) fn title(comment: Option<&str>, schema: &str) -> (String, String) {
    match comment {
        Some(comment) => {
            let (title, rest) = comment.split_once('\n').unwrap_or((comment, ""));
            (title.to_owned(), rest.trim_start_matches('\n').to_owned())
        }
        None => (format!("standard {schema} schema"), String::new()),
    }
}

/// Scheme, host with port, and path of a URL.
fn address(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    (!host.is_empty()).then_some((scheme, host, path))
}

/// Adds the first line of a comment as the summary, the rest as the description.
pub(super) fn commented(operation: &mut Json, comment: Option<&str>) {
    let Some(comment) = comment else { return };
    let (summary, rest) = comment.split_once('\n').unwrap_or((comment, ""));
    operation["summary"] = json!(summary);
    let rest = rest.trim_start_matches('\n');
    if !rest.is_empty() {
        operation["description"] = json!(rest);
    }
}

fn common_parameters() -> Map<String, Json> {
    let mut out = Map::new();
    let mut header = |key: &str, name: &str, description: &str, values: &[&str]| {
        let mut parameter =
            json!({"name": name, "description": description, "required": false, "in": "header", "type": "string"});
        if !values.is_empty() {
            parameter["enum"] = json!(values);
        }
        out.insert(key.to_owned(), parameter);
    };
    let returns = ["return=representation", "return=minimal", "return=none"];
    let resolution = ["resolution=ignore-duplicates", "resolution=merge-duplicates"];
    header("preferParams", "Prefer", "Preference", &["params=single-object"]);
    header("preferReturn", "Prefer", "Preference", &returns);
    header("preferCount", "Prefer", "Preference", &["count=none"]);
    header("preferPost", "Prefer", "Preference", &[&returns[..], &resolution[..]].concat());
    header("range", "Range", "Limiting and Pagination", &[]);
    header("rangeUnit", "Range-Unit", "Limiting and Pagination", &[]);
    if let Some(unit) = out.get_mut("rangeUnit") {
        unit["default"] = json!("items");
    }
    for (name, description) in [
        ("select", "Filtering Columns"),
        ("on_conflict", "On Conflict"),
        ("order", "Ordering"),
        ("offset", "Limiting and Pagination"),
        ("limit", "Limiting and Pagination"),
    ] {
        out.insert(
            name.to_owned(),
            json!({"name": name, "description": description, "required": false, "in": "query", "type": "string"}),
        );
    }
    out
}

fn path(shown: &ShownRelation<'_>) -> Json {
    let relation = shown.relation;
    let reference = |name: &str| json!({"$ref": format!("#/parameters/{name}")});
    let filters: Vec<Json> =
        shown.columns.iter().map(|c| reference(&format!("rowFilter.{}.{}", relation.name, c.name))).collect();
    let with = |names: &[&str]| {
        let mut all = filters.clone();
        all.extend(names.iter().map(|n| reference(n)));
        all
    };
    let body = format!("body.{}", relation.name);
    let rows = json!({"items": {"$ref": format!("#/definitions/{}", relation.name)}, "type": "array"});
    let no_content = json!({"204": {"description": "No Content"}});
    let operation = |parameters: Vec<Json>, responses: Json| {
        let mut out = json!({"tags": [relation.name], "parameters": parameters, "responses": responses});
        commented(&mut out, relation.comment.as_deref());
        out
    };
    let read = json!({"200": {"description": "OK", "schema": rows}, "206": {"description": "Partial Content"}});
    let mut methods = Map::new();
    let get = operation(with(&["select", "order", "range", "rangeUnit", "offset", "limit", "preferCount"]), read);
    methods.insert("get".into(), get);
    if shown.may.write() {
        let created = json!({"201": {"description": "Created"}});
        let post = vec![reference(&body), reference("select"), reference("preferPost")];
        methods.insert("post".into(), operation(post, created));
        methods.insert("delete".into(), operation(with(&["preferReturn"]), no_content.clone()));
        methods.insert("patch".into(), operation(with(&[&body, "preferReturn"]), no_content));
    }
    Json::Object(methods)
}

fn definition(all: &Shown<'_>, shown: &ShownRelation<'_>) -> Json {
    let required: Vec<&str> = shown.columns.iter().filter(|c| c.not_null).map(|c| c.name.as_str()).collect();
    let properties: Map<String, Json> =
        shown.columns.iter().map(|column| (column.name.clone(), property(all, shown, column))).collect();
    let mut out = Map::new();
    if let Some(comment) = &shown.relation.comment {
        out.insert("description".into(), json!(comment));
    }
    if !required.is_empty() {
        out.insert("required".into(), json!(required));
    }
    out.insert("properties".into(), Json::Object(properties));
    out.insert("type".into(), json!("object"));
    Json::Object(out)
}

fn property(all: &Shown<'_>, shown: &ShownRelation<'_>, column: &Column) -> Json {
    let catalog = all.catalog;
    let mut notes = Vec::new();
    if shown.is_key(column) {
        notes.push("This is a Primary Key.<pk/>".to_owned());
    }
    if let Some((table, there)) = all.foreign(shown.relation, column) {
        notes.push(format!("This is a Foreign Key to `{table}.{there}`.<fk table='{table}' column='{there}'/>"));
    }
    let base = catalog.base_type(column.type_ref());
    let mut out = typed(catalog, base);
    match (column.comment.as_deref(), notes.is_empty()) {
        (None, true) => {}
        (Some(comment), true) => out["description"] = json!(comment),
        (None, false) => out["description"] = json!(format!("Note:\n{}", notes.join("\n"))),
        (Some(comment), false) => out["description"] = json!(format!("{comment}\n\nNote:\n{}", notes.join("\n"))),
    }
    if let Some(labels) = basalt_sql::analyze::types::enum_labels(catalog, base.oid) {
        out["enum"] = json!(labels);
    }
    if matches!(base.oid, oid::VARCHAR | oid::BPCHAR) && base.typmod >= 4 {
        out["maxLength"] = json!(base.typmod - 4);
    }
    if let Some(default) =
        column.default.as_deref().and_then(|text| default(text, &out, &catalog.format_type(TypeRef::of(base.oid))))
    {
        out["default"] = default;
    }
    out
}

/// Type and format of a value, items of an array.
fn typed(catalog: &Catalog, base: TypeRef) -> Json {
    let mut out = json!({"format": format(catalog, base.oid)});
    let kind = kind(catalog, base.oid);
    if let Some(kind) = kind {
        out["type"] = json!(kind);
    }
    if let (Some("array"), Some(element)) = (kind, basalt_sql::analyze::types::element(catalog, base.oid)) {
        out["items"] = match self::kind(catalog, element) {
            Some(kind) => json!({"type": kind}),
            None => json!({}),
        };
    }
    out
}

fn format(catalog: &Catalog, base: Oid) -> String {
    match base {
        oid::INT2 | oid::INT4 => "int32".to_owned(),
        oid::INT8 => "int64".to_owned(),
        other => catalog.format_type(TypeRef::of(other)),
    }
}

fn kind(catalog: &Catalog, base: Oid) -> Option<&'static str> {
    Some(match base {
        oid::INT2 | oid::INT4 | oid::INT8 => "integer",
        oid::FLOAT4 | oid::FLOAT8 | oid::NUMERIC => "number",
        oid::BOOL => "boolean",
        oid::JSON | oid::JSONB => return None,
        _ if basalt_sql::analyze::types::element(catalog, base).is_some() => "array",
        _ => "string",
    })
}

/// A default as a value, where its text is one: that of a string less quotes and cast, of others as JSON.
fn default(text: &str, typed: &Json, name: &str) -> Option<Json> {
    if typed.get("type").is_some_and(|kind| kind == "string") {
        let bare = text.strip_suffix(name).and_then(|text| text.strip_suffix("::"));
        let is_literal = bare.is_some() || (text.len() > 1 && text.starts_with('\'') && text.ends_with('\''));
        let text = bare.unwrap_or(text);
        let text = if is_literal { text.trim_matches('\'') } else { text };
        return serde_json::from_str(&format!("\"{text}\"")).ok();
    }
    serde_json::from_str(text).ok()
}

fn function_path(catalog: &Catalog, function: &Function) -> Json {
    let typed = |ty: u32| typed(catalog, catalog.base_type(TypeRef::of(Oid(ty))));
    let required = |arg: &basalt_catalog::FunctionArg| arg.default.is_none() && arg.mode != basalt_catalog::ArgMode::Variadic;
    let properties: Map<String, Json> = function.inputs().map(|arg| (arg.name.clone(), typed(arg.ty))).collect();
    let needed: Vec<&str> = function.inputs().filter(|arg| required(arg)).map(|arg| arg.name.as_str()).collect();
    let mut schema = json!({"type": "object", "properties": properties});
    if let Some(comment) = &function.comment {
        schema["description"] = json!(comment);
    }
    if !needed.is_empty() {
        schema["required"] = json!(needed);
    }
    let operation = |parameters: Json| {
        let mut out = json!({
            "tags": [format!("(rpc) {}", function.name)],
            "produces": &MEDIA[..3],
            "parameters": parameters,
            "responses": {"200": {"description": "OK"}},
        });
        commented(&mut out, function.comment.as_deref());
        out
    };
    let mut methods = Map::new();
    if function.volatility != Volatility::Volatile {
        let parameter = |arg: &basalt_catalog::FunctionArg| {
            let typed = typed(arg.ty);
            // Arrays are written `{…}`, anything else as its text.
            let kind = typed.get("type").and_then(Json::as_str).filter(|kind| *kind != "array").unwrap_or("string");
            json!({"name": arg.name, "required": required(arg), "in": "query", "type": kind, "format": typed["format"]})
        };
        methods.insert("get".into(), operation(function.inputs().map(parameter).collect()));
    }
    let args = json!({"name": "args", "required": true, "in": "body", "schema": schema});
    methods.insert("post".into(), operation(json!([args, {"$ref": "#/parameters/preferParams"}])));
    Json::Object(methods)
}
