//! The root: a Swagger 2.0 document of the exposed schema, for the service role.

use basalt_catalog::{Catalog, Column, Relation, RelationKind};
use basalt_types::pg::oid;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Method, Response, StatusCode};
use serde_json::{Map, Value as Json, json};

use crate::error::RestError as Error;
use crate::parse::media;
use crate::{Asked, CONTENT_PROFILE, Rest, allowed, answered, put};

impl Rest {
    /// The root resource.
    pub(crate) fn root(&self, asked: &Asked<'_>) -> Result<Response<Bytes>, Error> {
        match *asked.method {
            Method::OPTIONS => return Ok(allowed("OPTIONS,GET,HEAD")),
            Method::GET | Method::HEAD => {}
            _ => return Err(Error::Method(asked.method.to_string())),
        }
        if asked.session.role.as_str() != "service_role" {
            return Err(Error::Root);
        }
        let media = media::negotiate_document(asked.headers)?;
        let body = Bytes::from(document(&self.engine.catalog(), asked.schema).to_string());
        let length = body.len();
        let is_head = *asked.method == Method::HEAD;
        let mut response = answered(StatusCode::OK, if is_head { Bytes::new() } else { body });
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, media.content_type());
        if !is_head {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        if asked.names_schema {
            put(headers, CONTENT_PROFILE, asked.schema);
        }
        Ok(response)
    }
}

fn document(catalog: &Catalog, schema: &str) -> Json {
    let relations: Vec<&Relation> = {
        let mut all: Vec<&Relation> = basalt_plan::resolve::exposed(catalog, schema).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    };
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
    for relation in relations {
        paths.insert(format!("/{}", relation.name), path(relation));
        definitions.insert(relation.name.clone(), definition(catalog, relation));
        for column in &relation.columns {
            let mut parameter = Map::new();
            parameter.insert("name".into(), json!(column.name));
            parameter.insert("required".into(), json!(false));
            parameter.insert("in".into(), json!("query"));
            parameter.insert("type".into(), json!("string"));
            if let Some(comment) = &column.comment {
                parameter.insert("description".into(), json!(comment));
            }
            parameters.insert(format!("rowFilter.{}.{}", relation.name, column.name), Json::Object(parameter));
        }
        let body = json!({
            "name": relation.name,
            "description": relation.name,
            "required": false,
            "in": "body",
            "schema": {"$ref": format!("#/definitions/{}", relation.name)},
        });
        parameters.insert(format!("body.{}", relation.name), body);
    }
    let media =
        ["application/json", "application/vnd.pgrst.object+json;nulls=stripped", "application/vnd.pgrst.object+json", "text/csv"];
    let comment = catalog.schema(schema).and_then(|s| s.comment.clone());
    json!({
        "swagger": "2.0",
        "info": {
            "title": comment.as_deref().and_then(|c| c.lines().next()).unwrap_or("standard public schema"),
            "description": comment.as_deref().unwrap_or(""),
            "version": env!("CARGO_PKG_VERSION"),
        },
        "basePath": "/",
        "schemes": ["http"],
        "consumes": media,
        "produces": media,
        "paths": paths,
        "definitions": definitions,
        "parameters": parameters,
    })
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

fn path(relation: &Relation) -> Json {
    let reference = |name: &str| json!({"$ref": format!("#/parameters/{name}")});
    let filters: Vec<Json> =
        relation.columns.iter().map(|c| reference(&format!("rowFilter.{}.{}", relation.name, c.name))).collect();
    let with = |names: &[&str]| {
        let mut all = filters.clone();
        all.extend(names.iter().map(|n| reference(n)));
        all
    };
    let tags = json!([relation.name]);
    let body = format!("body.{}", relation.name);
    let rows = json!({"items": {"$ref": format!("#/definitions/{}", relation.name)}, "type": "array"});
    let get = json!({
        "tags": tags,
        "parameters": with(&["select", "order", "range", "rangeUnit", "offset", "limit", "preferCount"]),
        "responses": {"200": {"description": "OK", "schema": rows}, "206": {"description": "Partial Content"}},
    });
    let mut methods = Map::new();
    methods.insert("get".into(), get);
    if relation.kind == RelationKind::Table {
        let post = json!({
            "tags": tags,
            "parameters": [reference(&body), reference("select"), reference("preferPost")],
            "responses": {"201": {"description": "Created"}},
        });
        methods.insert("post".into(), post);
        let no_content = json!({"204": {"description": "No Content"}});
        let delete = json!({"tags": tags, "parameters": with(&["preferReturn"]), "responses": no_content});
        methods.insert("delete".into(), delete);
        let patch = json!({"tags": tags, "parameters": with(&[&body, "preferReturn"]), "responses": no_content});
        methods.insert("patch".into(), patch);
    }
    Json::Object(methods)
}

fn definition(catalog: &Catalog, relation: &Relation) -> Json {
    let required: Vec<&str> = relation.columns.iter().filter(|c| c.not_null).map(|c| c.name.as_str()).collect();
    let mut properties = Map::new();
    for column in &relation.columns {
        properties.insert(column.name.clone(), property(catalog, relation, column));
    }
    let mut out = Map::new();
    if let Some(comment) = &relation.comment {
        out.insert("description".into(), json!(comment));
    }
    if !required.is_empty() {
        out.insert("required".into(), json!(required));
    }
    out.insert("properties".into(), Json::Object(properties));
    out.insert("type".into(), json!("object"));
    Json::Object(out)
}

fn property(catalog: &Catalog, relation: &Relation, column: &Column) -> Json {
    let mut notes = Vec::new();
    if relation.primary_key().is_some_and(|k| k.contains(&column.attnum)) {
        notes.push("This is a Primary Key.<pk/>".to_owned());
    }
    for key in catalog.foreign_keys_from(basalt_types::Oid(relation.oid)) {
        if let ([one], [target]) = (key.columns, key.target_columns)
            && *one == column.attnum
            && let Some(foreign) = catalog.relation_by_oid(key.target)
            && let Some(there) = foreign.column_at(*target)
        {
            let (table, there) = (&foreign.name, &there.name);
            notes.push(format!("This is a Foreign Key to `{table}.{there}`.<fk table='{table}' column='{there}'/>"));
        }
    }
    let mut out = Map::new();
    if !notes.is_empty() || column.comment.is_some() {
        let comment = column.comment.clone().unwrap_or_default();
        let text = if notes.is_empty() { comment } else { format!("{comment}\n\nNote:\n{}", notes.join("\n")) };
        out.insert("description".into(), json!(text.trim_start_matches('\n')));
    }
    out.insert("format".into(), json!(catalog.format_type(column.type_ref())));
    let base = catalog.base_type(column.type_ref()).oid;
    let kind = match base {
        oid::INT2 | oid::INT4 | oid::INT8 => "integer",
        oid::FLOAT4 | oid::FLOAT8 | oid::NUMERIC => "number",
        oid::BOOL => "boolean",
        _ if basalt_sql::analyze::types::element(catalog, base).is_some() => "array",
        _ => "string",
    };
    if !matches!(base, oid::JSON | oid::JSONB) {
        out.insert("type".into(), json!(kind));
    }
    if kind == "array" {
        out.insert("items".into(), json!({"type": "string"}));
    }
    if let Some(labels) = basalt_sql::analyze::types::enum_labels(catalog, base) {
        out.insert("enum".into(), json!(labels));
    }
    if let Some(default) = &column.default {
        out.insert("default".into(), json!(default));
    }
    Json::Object(out)
}
