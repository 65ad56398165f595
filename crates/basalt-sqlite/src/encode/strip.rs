//! `json_strip_nulls`: valid JSON text in, the same without null fields and without white space out.

/// Leaves out every object field whose value is null, at all levels; array elements stay. The input must be valid JSON.
pub(crate) fn strip_nulls(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    // Where, in `out`, the field begins that is being read at each level: its comma included.
    let mut field_starts: Vec<usize> = Vec::new();
    let mut is_value = true;
    let mut at = 0;
    while let Some(byte) = json.get(at).copied() {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => at += 1,
            b'"' => {
                let end = string_end(json, at);
                if !is_value {
                    // A key: its field may be taken out again when its value turns out to be null.
                    if let Some(start) = field_starts.last_mut() {
                        *start = out.len();
                    }
                    if !matches!(out.last(), Some(b'{')) {
                        out.push(b',');
                    }
                }
                out.extend_from_slice(json.get(at..end).unwrap_or_default());
                at = end;
            }
            b'{' => {
                out.push(byte);
                field_starts.push(usize::MAX);
                is_value = false;
                at += 1;
            }
            b'[' => {
                out.push(byte);
                field_starts.push(usize::MAX - 1);
                is_value = true;
                at += 1;
            }
            b'}' | b']' => {
                out.push(byte);
                field_starts.pop();
                is_value = true;
                at += 1;
            }
            b':' => {
                out.push(byte);
                is_value = true;
                at += 1;
            }
            b',' => {
                let in_array = field_starts.last() == Some(&(usize::MAX - 1));
                if in_array {
                    out.push(byte);
                }
                is_value = in_array;
                at += 1;
            }
            _ => {
                let length =
                    json.iter().skip(at).take_while(|b| !matches!(b, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r')).count();
                let token = json.get(at..at + length).unwrap_or_default();
                match field_starts.last() {
                    Some(start) if token == b"null" && *start < usize::MAX - 1 => out.truncate(*start),
                    _ => out.extend_from_slice(token),
                }
                at += length.max(1);
            }
        }
    }
    out
}

/// Behind the closing quote of the string that begins at `at`.
fn string_end(json: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while let Some(byte) = json.get(end) {
        match byte {
            b'\\' => end += 2,
            b'"' => return end + 1,
            _ => end += 1,
        }
    }
    json.len()
}
