//! How values of a type look in JSON.

use basalt_catalog::{Catalog, TypeKind};
use basalt_types::pg::oid;
use basalt_types::{Oid, TypeRef};
use serde_json::{Value as Json, json};

/// How deep composite types are described.
const DEEPEST: u32 = 4;

/// A type's JSON Schema (2020-12), NULL included where it may be.
pub(super) fn schema(catalog: &Catalog, ty: TypeRef, may_be_null: bool) -> Json {
    let mut schema = of(catalog, ty, 0);
    if may_be_null && let Some(object) = schema.as_object_mut() {
        let kinds = match object.get("type") {
            Some(Json::String(one)) => json!([one, "null"]),
            Some(Json::Array(several)) => several.iter().cloned().chain([json!("null")]).collect(),
            _ => return schema,
        };
        object.insert("type".into(), kinds);
        if let Some(Json::Array(labels)) = object.get_mut("enum") {
            labels.push(Json::Null);
        }
    }
    schema
}

fn of(catalog: &Catalog, ty: TypeRef, depth: u32) -> Json {
    let base = catalog.base_type(ty);
    let simple = match base.oid {
        oid::INT2 => json!({"type": "integer", "format": "int32", "minimum": i16::MIN, "maximum": i16::MAX}),
        oid::INT4 => json!({"type": "integer", "format": "int32", "minimum": i32::MIN, "maximum": i32::MAX}),
        oid::INT8 => json!({"type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX}),
        // NaN and the infinities are texts.
        oid::FLOAT4 | oid::FLOAT8 | oid::NUMERIC => json!({"type": ["number", "string"]}),
        oid::BOOL => json!({"type": "boolean"}),
        oid::JSON | oid::JSONB => json!({}),
        oid::UUID => json!({"type": "string", "format": "uuid"}),
        oid::VARCHAR | oid::BPCHAR if base.typmod >= 4 => json!({"type": "string", "maxLength": base.typmod - 4}),
        other => {
            if let Some(labels) = basalt_sql::analyze::types::enum_labels(catalog, other) {
                json!({"type": "string", "enum": labels})
            } else if let Some(element) = basalt_sql::analyze::types::element(catalog, other) {
                // Arrays of arrays have the same type.
                let mut item = of(catalog, TypeRef::of(element), depth + 1);
                if let Some(Json::String(kind)) = item.get("type").cloned()
                    && item.get("enum").is_none()
                {
                    item = json!({"type": [kind, "array", "null"]});
                } else {
                    item = json!({});
                }
                json!({"type": "array", "items": item})
            } else {
                match kind(catalog, other) {
                    Some(TypeKind::Composite { fields }) if depth < DEEPEST => {
                        let field = |(name, ty, typmod): &(String, u32, i32)| {
                            let ty = TypeRef { oid: Oid(*ty), typmod: *typmod };
                            (name.clone(), nullable(of(catalog, ty, depth + 1)))
                        };
                        let properties: serde_json::Map<String, Json> = fields.iter().map(field).collect();
                        json!({"type": "object", "properties": properties})
                    }
                    Some(TypeKind::Composite { .. } | TypeKind::Row { .. }) => json!({"type": "object"}),
                    // A type of an extension may have a JSON form of its own.
                    Some(_) => json!({}),
                    None => json!({"type": "string"}),
                }
            }
        }
    };
    let mut described = simple;
    if let Some(object) = described.as_object_mut()
        && !object.contains_key("format")
    {
        object.insert("x-postgres-type".into(), json!(catalog.format_type(ty)));
    }
    described
}

fn nullable(schema: Json) -> Json {
    json!({"anyOf": [schema, {"type": "null"}]})
}

fn kind(catalog: &Catalog, ty: Oid) -> Option<&TypeKind> {
    catalog.type_by_oid(ty).filter(|def| def.oid == ty.0).map(|def| &def.kind)
}
