//! A small blocking HTTP/1.1 client: one request, one connection, the whole answer.
//!
//! It sends what it is given, malformed or not, and hides nothing of what comes back; that is why tests do not use a library here.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for any one read or write.
const PATIENCE: Duration = Duration::from_secs(60);

/// Largest answer read, in bytes.
const LARGEST_ANSWER: u64 = 64 << 20;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, …
    pub method: String,
    /// Path and query as they go on the wire, unescaped and unchecked.
    pub target: String,
    /// In order; repeated names stay repeated.
    pub headers: Vec<(String, String)>,
    /// Sent with its Content-Length unless empty.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without headers or body.
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body, without a Content-Type.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets a JSON body and its Content-Type.
    #[must_use]
    pub fn json(self, body: &str) -> Self {
        self.header("Content-Type", "application/json").body(body)
    }

    /// The first header of this name, in any case.
    pub fn get_header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 200, …
    pub status: u16,
    /// As received.
    pub headers: Vec<(String, String)>,
    /// Without transfer coding.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The body as text; bytes that are no UTF-8 become U+FFFD.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends a request to `address` and reads the answer to its end.
///
/// # Errors
/// No connection, a wait of more than a minute, an answer that is not HTTP/1.1 or is larger than 64 MiB.
pub fn send(address: SocketAddr, request: &Request) -> io::Result<Response> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
    if request.get_header("host").is_none() {
        head.push_str(&format!("Host: {address}\r\n"));
    }
    let announces = |name: &str| request.get_header(name).is_some();
    let may_have_body = !matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS");
    if (!request.body.is_empty() || may_have_body) && !announces("content-length") && !announces("transfer-encoding") {
        head.push_str(&format!("Content-Length: {}\r\n", request.body.len()));
    }
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("Connection: close\r\n\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(&request.body);
    // A server that refuses early may close before it has read everything; what it answered still counts.
    let sent = stream.write_all(&bytes);
    let mut answer = Vec::new();
    match stream.take(LARGEST_ANSWER).read_to_end(&mut answer) {
        Err(e) if answer.is_empty() => return Err(sent.err().unwrap_or(e)),
        _ => {}
    }
    parse(&answer, request.method == "HEAD").ok_or_else(|| {
        let start = String::from_utf8_lossy(&answer[..answer.len().min(200)]).into_owned();
        io::Error::new(io::ErrorKind::InvalidData, format!("not an HTTP/1.1 answer: {start:?}"))
    })
}

/// Reads an answer; interim ones (1xx) are passed over.
fn parse(mut bytes: &[u8], is_head: bool) -> Option<Response> {
    loop {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(bytes.get(..end)?).into_owned();
        let rest = bytes.get(end + 4..)?;
        let mut lines = head.split("\r\n");
        let status: u16 = lines.next()?.strip_prefix("HTTP/1.1 ")?.split(' ').next()?.parse().ok()?;
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned())))
            .collect::<Option<_>>()?;
        if (100..200).contains(&status) {
            bytes = rest;
            continue;
        }
        let body = if is_head || status == 204 || status == 304 {
            Vec::new()
        } else if find(&headers, "transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
            unchunk(rest)?
        } else if let Some(length) = find(&headers, "content-length") {
            rest.get(..length.parse().ok()?)?.to_vec()
        } else {
            rest.to_vec()
        };
        return Some(Response { status, headers, body });
    }
}

fn unchunk(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|w| w == b"\r\n")?;
        let size = std::str::from_utf8(bytes.get(..end)?).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        bytes = bytes.get(end + 2..)?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(bytes.get(..size)?);
        bytes = bytes.get(size.checked_add(2)?..)?;
    }
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined_and_interim_answers_passed_over() {
        let wire = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        let answer = parse(wire, false).expect("an answer");
        assert_eq!((answer.status, answer.text().as_str()), (200, "abcde"));
    }

    #[test]
    fn a_body_shorter_than_announced_is_no_answer() {
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", false), None);
        assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true).is_some());
    }
}
