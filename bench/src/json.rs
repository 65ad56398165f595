//! JSON straight into bytes.

/// A key (with its punctuation) and an integer.
pub fn integer(out: &mut Vec<u8>, key: &[u8], value: i64) {
    out.extend_from_slice(key);
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A key (with its punctuation) and a boolean.
pub fn boolean(out: &mut Vec<u8>, key: &[u8], value: bool) {
    out.extend_from_slice(key);
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// A key (with its punctuation) and a string; the bytes are UTF-8.
pub fn text(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    out.extend_from_slice(key);
    out.push(b'"');
    let mut rest = value;
    while let Some(at) = rest.iter().position(|byte| *byte < 0x20 || *byte == b'"' || *byte == b'\\') {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => out.extend_from_slice(format!("\\u{other:04x}").as_bytes()),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    #[test]
    fn strings_survive_a_json_parser() {
        for case in ["", "plain", "a\"b\\c\n\t\r\u{1}d", "naïve 日本"] {
            let mut out = Vec::new();
            super::text(&mut out, b"", case.as_bytes());
            assert_eq!(serde_json::from_slice::<String>(&out).expect("valid JSON"), case);
        }
    }
}
