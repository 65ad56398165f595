//! Rows as PostgREST's CSV: a header of keys, then each row as PostgreSQL prints a composite value, without its parentheses.
//!
//! Source: PostgREST's documentation, "Media type handlers"; PostgreSQL's documentation, "Composite Type Input and Output Syntax".

use basalt_types::{ValueRef, pg};

use super::{Columns, Encoder, Source, write_source};

/// Appends the header line, without its newline. Without rows PostgREST's header is empty: then this is not called.
pub(crate) fn header(encoder: &Encoder, out: &mut Vec<u8>) {
    for (i, node) in encoder.nodes.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(node.name.as_bytes());
    }
}

/// Appends one row. `scratch` is room for one field.
pub(crate) fn row<C: Columns + ?Sized>(encoder: &Encoder, row: &C, scratch: &mut String, out: &mut Vec<u8>) {
    for (i, node) in encoder.nodes.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        scratch.clear();
        match &node.source {
            Source::Column(at, ty) | Source::Normalised(at, ty) => match row.column(*at) {
                ValueRef::Null => continue,
                value => pg::text(value, *ty, scratch),
            },
            Source::Json(at) => match row.column(*at) {
                ValueRef::Text(text) => scratch.push_str(text),
                _ => continue,
            },
            Source::Object(present, _) if row.column(*present) == ValueRef::Null => continue,
            source @ Source::Object(..) => {
                let mut json = Vec::new();
                write_source(source, row, &mut json);
                scratch.push_str(&String::from_utf8_lossy(&json));
            }
        }
        field(scratch, out);
    }
}

/// A field of a composite value: quoted when empty or when it holds a character that means something.
fn field(text: &str, out: &mut Vec<u8>) {
    let needs_quotes = text.is_empty()
        || text.bytes().any(|b| matches!(b, b'"' | b'\\' | b'(' | b')' | b',' | b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c));
    if !needs_quotes {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    for byte in text.bytes() {
        if byte == b'"' || byte == b'\\' {
            out.push(byte);
        }
        out.push(byte);
    }
    out.push(b'"');
}
