//! Messages as bytes (PostgreSQL documentation, "Message Formats"): a tag, a length that counts itself, a body.

use basalt_types::{SqlError, SqlState};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// Tag and length.
const HEAD: usize = 5;

/// One message of the server.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) tag: u8,
    pub(super) body: Bytes,
}

/// Appends a message.
pub(super) fn message(out: &mut BytesMut, tag: u8, write: impl FnOnce(&mut BytesMut)) {
    out.put_u8(tag);
    untagged(out, write);
}

/// Appends a message of the connection's beginning, which has no tag.
pub(super) fn untagged(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_u32(0);
    write(out);
    let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

/// Appends a string with its end. What follows a zero byte would be read as something else, so it is left out.
pub(super) fn string(out: &mut BytesMut, text: &str) {
    out.put_slice(text.split('\0').next().unwrap_or_default().as_bytes());
    out.put_u8(0);
}

fn length(input: &[u8]) -> Option<usize> {
    let bytes: [u8; 4] = input.get(1..HEAD)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(bytes)).ok()
}

/// How many bytes the message that has begun will have; 0 while that is not known.
pub(super) fn announced(input: &BytesMut) -> usize {
    length(input).map_or(0, |length| length.saturating_add(1))
}

/// Takes the next message, if all of it is there.
///
/// # Errors
/// A length that cannot be.
pub(super) fn take(input: &mut BytesMut) -> Option<std::io::Result<Frame>> {
    let length = length(input)?;
    if !(4..=1 << 30).contains(&length) {
        return Some(Err(std::io::ErrorKind::InvalidData.into()));
    }
    let whole = length + 1;
    if input.len() < whole {
        return None;
    }
    let tag = input.first().copied().unwrap_or_default();
    // Only rows and errors are read; the others need no handle on the buffer.
    if matches!(tag, b'D' | b'E' | b'R' | b'K' | b'S') {
        let mut body = input.split_to(whole).freeze();
        body.advance(HEAD);
        return Some(Ok(Frame { tag, body }));
    }
    input.advance(whole);
    Some(Ok(Frame { tag, body: Bytes::new() }))
}

/// The columns of a row in text form.
pub(crate) struct Fields {
    rest: Bytes,
}

impl Fields {
    /// Of a row's message.
    pub(crate) fn of(mut row: Bytes) -> Self {
        if row.len() >= 2 {
            row.advance(2);
        }
        Self { rest: row }
    }
}

impl Iterator for Fields {
    type Item = Option<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.len() < 4 {
            return None;
        }
        match usize::try_from(self.rest.get_i32()) {
            Err(_) => Some(None),
            Ok(length) if length <= self.rest.len() => Some(Some(self.rest.split_to(length))),
            Ok(_) => None,
        }
    }
}

/// What an ErrorResponse says.
pub(super) fn error(body: &[u8]) -> SqlError {
    let mut error = SqlError::new(SqlState::INTERNAL, "");
    for field in body.split(|byte| *byte == 0) {
        let Some((kind, text)) = field.split_first() else { continue };
        let text = || String::from_utf8_lossy(text).into_owned();
        match kind {
            b'C' => error.state = SqlState::parse(&text()).unwrap_or(SqlState::INTERNAL),
            b'M' => error.message = text(),
            b'D' => error.detail = Some(text()),
            b'H' => error.hint = Some(text()),
            b'n' => error.constraint = Some(text()),
            _ => {}
        }
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_whole() {
        let mut input = BytesMut::new();
        message(&mut input, b'E', |out| out.put_slice(b"SERROR\0C42501\0Mno\0nkey\0\0"));
        message(&mut input, b'Z', |out| out.put_u8(b'I'));
        let whole = input.clone();
        for cut in 0..whole.len() {
            let mut part = BytesMut::from(whole.get(..cut).expect("below the length"));
            let mut tags = Vec::new();
            while let Some(frame) = take(&mut part) {
                tags.push(frame.expect("a good length").tag);
            }
            assert!(b"EZ".starts_with(&tags) && tags.len() < 2, "{cut}: {tags:?}");
        }
        let first = take(&mut input).expect("all there").expect("a good length");
        let error = error(&first.body);
        assert_eq!((error.state.as_str(), error.message.as_str(), error.constraint.as_deref()), ("42501", "no", Some("key")));
        assert_eq!(take(&mut input).expect("all there").expect("a good length").tag, b'Z');
        assert!(input.is_empty());
    }

    #[test]
    fn lengths_that_cannot_be_are_refused() {
        for length in [0_u32, 3, u32::MAX] {
            let mut input = BytesMut::from(&b"D"[..]);
            input.put_u32(length);
            input.put_u32(0);
            assert!(take(&mut input).is_some_and(|frame| frame.is_err()), "{length}");
        }
        let columns = |bytes: &'static [u8]| Fields::of(Bytes::from_static(bytes)).collect::<Vec<_>>();
        assert_eq!(columns(b"\0\x02\xff\xff\xff\xff\0\0\0\x01a"), [None, Some(Bytes::from_static(b"a"))]);
        assert_eq!(columns(b"\0\x01\0\0\0\x09a"), [], "longer than its message");
        assert_eq!(columns(b""), []);
    }

    #[test]
    fn a_text_ends_at_a_zero_byte() {
        let mut out = BytesMut::new();
        string(&mut out, "a\0b");
        assert_eq!(&out[..], b"a\0");
    }
}
