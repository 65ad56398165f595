//! A connection's bytes, before and after HTTP: what the HTTP library would refuse without a word, and clients that take nothing.
//!
//! **Request lines.** Servers of the original accept `"`, `<`, `>` and `` ` `` as they are in an address (`select=meta->a`, as curl sends
//! it); the HTTP library does not. Here they become percent escapes, which mean the same. A line that is no request line is replaced
//! by a request for [`MALFORMED`], so that its answer is ours: with a body, a request id, a line in the log. To know where request
//! lines are, header lines are watched for the body's length; after a body whose length they do not state (chunked, upgrades) the rest
//! of the connection passes as it is. Errors in header lines stay with the library: 400 or 431 without a body.
//!
//! **Answers.** A client that keeps a connection but does not read holds memory: it must take [`LEAST_TAKEN`] bytes in each span of
//! the time limit.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// The path of a request whose line could not be read.
pub const MALFORMED: &str = "/.well-known/basalt-malformed";

/// The path of a request whose line is too long.
pub const TOO_LONG: &str = "/.well-known/basalt-too-long";

/// Bytes a client must take of a waiting answer in each span of the time limit.
const LEAST_TAKEN: usize = 16 * 1024;

/// Start of a header line that is kept until its end arrives, bytes: enough for the names and numbers looked for.
const KEPT_OF_LINE: usize = 128;

/// A connection with its lines watched and its writes limited.
pub struct Wire<S> {
    stream: S,
    lines: Lines,
    /// Changed bytes that the reader had no room for.
    ready: Vec<u8>,
    /// How much of them it has.
    given: usize,
    send_timeout: Duration,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Bytes taken since it runs.
    taken: usize,
}

impl<S> Wire<S> {
    /// Watches a connection. Lines longer than the limit are not read to their end.
    pub fn new(stream: S, longest_line: usize, send_timeout: Duration) -> Self {
        Self { stream, lines: Lines::new(longest_line), ready: Vec::new(), given: 0, send_timeout, stalled: None, taken: 0 }
    }

    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let rest = self.ready.get(self.given..).unwrap_or_default();
        let part = rest.get(..rest.len().min(buf.remaining())).unwrap_or_default();
        buf.put_slice(part);
        self.given += part.len();
        if self.given >= self.ready.len() {
            self.ready = Vec::new();
            self.given = 0;
        }
    }

    /// After a write: starts, goes on with or ends the wait for the client.
    fn watch(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match outcome {
            Poll::Ready(Ok(n)) => {
                self.taken = self.taken.saturating_add(n);
                if self.taken >= LEAST_TAKEN {
                    self.stalled = None;
                }
                Poll::Ready(Ok(n))
            }
            Poll::Ready(error) => Poll::Ready(error),
            Poll::Pending => {
                if self.stalled.is_none() {
                    self.taken = 0;
                }
                let timer = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.send_timeout)));
                ready!(timer.as_mut().poll(cx));
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not take its answer")))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if !this.ready.is_empty() {
                this.give(buf);
                return Poll::Ready(Ok(()));
            }
            if matches!(this.lines.at, At::Refused) {
                // The request that stands for the broken one is being answered; what follows is not looked at.
                return Poll::Pending;
            }
            let before = buf.filled().len();
            ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
            let new = buf.filled().get(before..).unwrap_or_default();
            if new.is_empty() {
                // What was held back for its line's end goes out as it is; then the end.
                this.ready = std::mem::take(&mut this.lines.held);
                if this.ready.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                continue;
            }
            // A new request: the last answer is on its way.
            this.stalled = None;
            match this.lines.read(new) {
                None => return Poll::Ready(Ok(())),
                Some(changed) => {
                    buf.set_filled(before);
                    this.ready = changed;
                }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, outcome)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.watch(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Where in the stream of requests the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// At a request line's start.
    Line,
    /// Among header lines.
    Headers,
    /// In a body with so many bytes to come.
    Body(u64),
    /// Somewhere after a body of unknown length: everything passes.
    Unknown,
    /// After a line that is no request line.
    Refused,
}

/// Follows requests line by line.
struct Lines {
    at: At,
    longest: usize,
    /// A request line without its end.
    held: Vec<u8>,
    /// The start of a header line without its end.
    partial: Vec<u8>,
    /// The body's length as the headers so far state it; `Err`: not in a way that can be followed.
    length: Result<Option<u64>, ()>,
}

impl Lines {
    fn new(longest: usize) -> Self {
        Self { at: At::Line, longest, held: Vec::new(), partial: Vec::new(), length: Ok(None) }
    }

    /// Takes the next bytes. `None`: they stay as they are; else what to read instead, possibly nothing yet.
    fn read(&mut self, new: &[u8]) -> Option<Vec<u8>> {
        if self.held.is_empty() {
            return self.follow(new);
        }
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(new);
        Some(self.follow(&all).unwrap_or(all))
    }

    fn follow(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        // Made at the first change; from then on everything goes there.
        let mut out: Option<Vec<u8>> = None;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (part, tail) = match self.at {
                At::Unknown => (rest, &[][..]),
                At::Refused => return out.or_else(|| Some(Vec::new())),
                At::Body(left) => {
                    let n = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    let left = left.saturating_sub(n as u64);
                    self.at = if left == 0 { At::Line } else { At::Body(left) };
                    rest.split_at(n)
                }
                At::Headers => {
                    let (line, tail) = split_line(rest);
                    self.header_line(line);
                    (line, tail)
                }
                At::Line => {
                    let (line, tail) = split_line(rest);
                    let done = bytes.get(..bytes.len() - rest.len()).unwrap_or_default();
                    match self.request_line(line) {
                        Read::AsItIs => {}
                        Read::Instead(text) => {
                            out.get_or_insert_with(|| done.to_vec()).extend_from_slice(&text);
                            rest = tail;
                            continue;
                        }
                    }
                    (line, tail)
                }
            };
            if let Some(out) = &mut out {
                out.extend_from_slice(part);
            }
            rest = tail;
        }
        out
    }

    /// Looks at a request line, with its line end when that has arrived.
    fn request_line(&mut self, line: &[u8]) -> Read {
        let Some(text) = line.strip_suffix(b"\n") else {
            let is_method = line.first().is_some_and(|b| is_token(*b) || b"\r\n".contains(b));
            return if !is_method {
                self.refuse(MALFORMED)
            } else if line.len() > self.longest {
                self.refuse(TOO_LONG)
            } else {
                self.held = line.to_vec();
                Read::Instead(Vec::new())
            };
        };
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() {
            // Line ends before a request line are passed over (RFC 9112, section 2.2).
            return Read::AsItIs;
        }
        if text.len() > self.longest {
            return self.refuse(TOO_LONG);
        }
        let mut parts = text.split(|b| *b == b' ');
        let (Some(method), Some(target), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return self.refuse(MALFORMED);
        };
        if method.is_empty() || !method.iter().all(|b| is_token(*b)) || !matches!(version, b"HTTP/1.1" | b"HTTP/1.0") {
            return self.refuse(MALFORMED);
        }
        self.length = if method == b"CONNECT" { Err(()) } else { Ok(None) };
        if target.first() == Some(&b'/') && target.iter().all(|b| is_plain(*b)) {
            self.at = At::Headers;
            return Read::AsItIs;
        }
        let escaped = escape(target);
        if http::Uri::try_from(escaped.as_slice()).is_err() {
            return self.refuse(MALFORMED);
        }
        self.at = At::Headers;
        Read::Instead([method, b" ", &escaped, b" ", version, b"\r\n"].concat())
    }

    fn refuse(&mut self, path: &str) -> Read {
        self.at = At::Refused;
        Read::Instead(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").into_bytes())
    }

    /// Looks at a header line, with its line end when that has arrived.
    fn header_line(&mut self, line: &[u8]) {
        let is_whole = line.last() == Some(&b'\n');
        if !is_whole || !self.partial.is_empty() {
            let room = KEPT_OF_LINE.saturating_sub(self.partial.len());
            self.partial.extend_from_slice(line.get(..line.len().min(room)).unwrap_or_default());
            if !is_whole {
                return;
            }
            let kept = std::mem::take(&mut self.partial);
            return self.whole_header_line(&kept);
        }
        self.whole_header_line(line);
    }

    fn whole_header_line(&mut self, line: &[u8]) {
        let line = line.trim_ascii_end();
        if line.is_empty() {
            self.at = match self.length {
                Ok(None | Some(0)) => At::Line,
                Ok(Some(n)) => At::Body(n),
                Err(()) => At::Unknown,
            };
            return;
        }
        if !matches!(line.first(), Some(b'c' | b'C' | b't' | b'T' | b'u' | b'U')) {
            return;
        }
        let Some(colon) = line.iter().position(|b| *b == b':') else { return };
        let (name, value) = line.split_at(colon);
        if name.eq_ignore_ascii_case(b"content-length") {
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            let number = std::str::from_utf8(value).ok().filter(|v| v.bytes().all(|b| b.is_ascii_digit()));
            self.length = match (number.and_then(|v| v.parse().ok()), &self.length) {
                (Some(n), Ok(None)) => Ok(Some(n)),
                _ => Err(()),
            };
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") || name.eq_ignore_ascii_case(b"upgrade") {
            self.length = Err(());
        }
    }
}

/// What becomes of a request line.
enum Read {
    AsItIs,
    Instead(Vec<u8>),
}

/// The first line with its end, and the rest.
fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'\n', bytes) {
        Some(end) => bytes.split_at(end + 1),
        None => (bytes, &[]),
    }
}

/// A byte of a method (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A byte that needs no look at in an address.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!$%&'()*+,-./:;=?@[]_~{}|^\\".contains(&byte)
}

/// Escapes what servers of the original take as it is and the HTTP library does not.
fn escape(target: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(target.len() + 16);
    for byte in target {
        match byte {
            b'"' => out.extend_from_slice(b"%22"),
            b'<' => out.extend_from_slice(b"%3C"),
            b'>' => out.extend_from_slice(b"%3E"),
            b'`' => out.extend_from_slice(b"%60"),
            byte => out.push(*byte),
        }
    }
    out
}

#[cfg(test)]
mod tests;
