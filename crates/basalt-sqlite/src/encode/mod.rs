//! From result rows to a body's bytes, without a tree and without an allocation per row.
//!
//! [`Encoder`] is a program's shape made ready: keys escaped once. [`Encoder::write`] appends one row as `row_to_json` prints it, or, for
//! embeds, as jsonb does; arrays join rows with the style's separator. CSV is in [`csv`], leaving out nulls in [`strip`].

pub(crate) mod csv;
pub(crate) mod strip;
#[cfg(test)]
mod tests;

use basalt_plan::program::{Field, FieldValue, JsonStyle, Shape};
use basalt_types::pg::{self, oid};
use basalt_types::{TypeRef, ValueRef};

/// What `json_agg` puts between two rows.
pub(crate) const ROW_SEPARATOR: &[u8] = b", \n ";

/// Where an encoder reads columns from: a statement's row, or the arguments of an aggregate.
pub(crate) trait Columns {
    /// A column, 0-based; NULL when there is none.
    fn column(&self, at: usize) -> ValueRef<'_>;
}

impl Columns for crate::connection::statement::Statement {
    fn column(&self, at: usize) -> ValueRef<'_> {
        crate::connection::statement::Statement::column(self, at)
    }
}

impl Columns for [basalt_types::Value] {
    fn column(&self, at: usize) -> ValueRef<'_> {
        self.get(at).map_or(ValueRef::Null, basalt_types::Value::as_ref)
    }
}

/// One shape, ready to write.
#[derive(Debug, Clone)]
pub(crate) struct Encoder {
    style: JsonStyle,
    pub(super) nodes: Vec<Node>,
}

#[derive(Debug, Clone)]
pub(super) struct Node {
    /// `"key":`, with a comma before it for all but the first.
    key: Box<[u8]>,
    /// The key alone.
    name: Box<str>,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Column(usize, TypeRef),
    /// A column whose JSON must be brought into jsonb's form.
    Normalised(usize, TypeRef),
    Json(usize),
    Object(usize, Vec<Node>),
}

/// Types whose JSON differs between json and jsonb: spacing of arrays, the user's json texts, floats with exponents.
fn differs_in_jsonb(ty: TypeRef) -> bool {
    matches!(ty.oid, oid::JSON | oid::FLOAT4 | oid::FLOAT8) || pg::element(ty.oid).is_some()
}

fn nodes(fields: &[Field], style: JsonStyle) -> Vec<Node> {
    let (comma, colon): (&[u8], &[u8]) = match style {
        JsonStyle::Json => (b",", b":"),
        JsonStyle::Jsonb => (b", ", b": "),
    };
    fields
        .iter()
        .enumerate()
        .map(|(i, field)| {
            let mut key = Vec::new();
            if i > 0 {
                key.extend_from_slice(comma);
            }
            pg::write_json_string(&field.name, &mut key);
            key.extend_from_slice(colon);
            let source = match &field.value {
                FieldValue::Column { at, ty } if style == JsonStyle::Jsonb && differs_in_jsonb(*ty) => {
                    Source::Normalised(usize::from(*at), *ty)
                }
                FieldValue::Column { at, ty } => Source::Column(usize::from(*at), *ty),
                FieldValue::Json { at } => Source::Json(usize::from(*at)),
                FieldValue::Object { present, fields } => {
                    Source::Object(usize::from(*present), self::nodes(fields, JsonStyle::Jsonb))
                }
            };
            Node { key: key.into(), name: field.name.as_str().into(), source }
        })
        .collect()
}

impl Encoder {
    /// Prepares a shape.
    pub(crate) fn new(shape: &Shape) -> Self {
        Self { style: shape.style, nodes: nodes(&shape.fields, shape.style) }
    }

    /// What stands between two rows of an array.
    pub(crate) fn separator(&self) -> &'static [u8] {
        match self.style {
            JsonStyle::Json => ROW_SEPARATOR,
            JsonStyle::Jsonb => b", ",
        }
    }

    /// Appends the first value of a row, alone.
    pub(crate) fn write_first<C: Columns + ?Sized>(&self, row: &C, out: &mut Vec<u8>) {
        match self.nodes.first() {
            Some(node) => write_source(&node.source, row, out),
            None => out.extend_from_slice(b"null"),
        }
    }

    /// Appends one row as a JSON object.
    pub(crate) fn write<C: Columns + ?Sized>(&self, row: &C, out: &mut Vec<u8>) {
        write_nodes(&self.nodes, row, out);
    }
}

fn write_nodes<C: Columns + ?Sized>(nodes: &[Node], row: &C, out: &mut Vec<u8>) {
    out.push(b'{');
    for node in nodes {
        out.extend_from_slice(&node.key);
        write_source(&node.source, row, out);
    }
    out.push(b'}');
}

fn write_source<C: Columns + ?Sized>(source: &Source, row: &C, out: &mut Vec<u8>) {
    match source {
        Source::Column(at, ty) => pg::write_json(row.column(*at), *ty, out),
        Source::Normalised(at, ty) => write_normalised(row.column(*at), *ty, out),
        Source::Json(at) => match row.column(*at) {
            ValueRef::Text(text) => out.extend_from_slice(text.as_bytes()),
            _ => out.extend_from_slice(b"null"),
        },
        Source::Object(present, fields) => {
            if row.column(*present) == ValueRef::Null {
                out.extend_from_slice(b"null");
            } else {
                write_nodes(fields, row, out);
            }
        }
    }
}

/// A value as jsonb holds it. What jsonb refuses (a stored json with `\u0000`) stays as json has it: a body cannot fail half-way.
fn write_normalised(value: ValueRef<'_>, ty: TypeRef, out: &mut Vec<u8>) {
    let start = out.len();
    pg::write_json(value, ty, out);
    let written = out.get(start..).and_then(|bytes| std::str::from_utf8(bytes).ok());
    if let Some(Ok(normal)) = written.map(pg::jsonb_normalise) {
        out.truncate(start);
        out.extend_from_slice(normal.as_bytes());
    }
}
