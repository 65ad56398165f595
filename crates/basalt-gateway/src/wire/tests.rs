use super::*;

/// What is read of a stream that arrives in pieces of this size.
fn in_pieces(stream: &[u8], size: usize) -> Vec<u8> {
    let mut lines = Lines::new(200);
    let mut out = Vec::new();
    for piece in stream.chunks(size) {
        match lines.read(piece) {
            None => out.extend_from_slice(piece),
            Some(instead) => out.extend_from_slice(&instead),
        }
    }
    out.extend_from_slice(&lines.held);
    out
}

#[track_caller]
fn check(stream: &str, expected: &str) {
    for size in [1, 2, 3, 5, 7, 16, 64, 1000] {
        let out = in_pieces(stream.as_bytes(), size);
        assert_eq!(String::from_utf8_lossy(&out), expected, "in pieces of {size}");
    }
}

fn refused(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

#[test]
fn addresses_are_escaped_and_nothing_else_is() {
    let plain = "GET /a?b=c.(1,2)&d=%20{x}[1] HTTP/1.1\r\nX: \"<>\r\n\r\n";
    check(plain, plain);
    check("GET /a?select=b->c HTTP/1.1\r\nX: \"<>\r\n\r\n", "GET /a?select=b-%3Ec HTTP/1.1\r\nX: \"<>\r\n\r\n");
    check("\r\nGET /a?b=\"<`> HTTP/1.0\n\n", "\r\nGET /a?b=%22%3C%60%3E HTTP/1.0\r\n\n");
    check("GET /ä HTTP/1.1\r\n\r\n", "GET /ä HTTP/1.1\r\n\r\n");
}

#[test]
fn bodies_are_not_touched_and_the_next_line_is_found() {
    check(
        "POST /a>b HTTP/1.1\r\nContent-Length: 12\r\n\r\nGET /a>b \r\n\nGET /c>d HTTP/1.1\r\nHost: x\r\n\r\nGET /e>f HTTP/1.1\r\n\r\n",
        "POST /a%3Eb HTTP/1.1\r\nContent-Length: 12\r\n\r\nGET /a>b \r\n\nGET /c%3Ed HTTP/1.1\r\nHost: x\r\n\r\nGET /e%3Ef HTTP/1.1\r\n\r\n",
    );
}

#[test]
fn after_a_body_of_unknown_length_everything_passes() {
    for header in [
        "Transfer-Encoding: chunked",
        "transfer-encoding:gzip",
        "Content-Length: 3\r\nContent-Length: 3",
        "Content-Length: +3",
        "Content-Length: 99999999999999999999999",
        "Upgrade: websocket",
    ] {
        let tail = format!("POST /a HTTP/1.1\r\n{header}\r\n\r\nabcGET /c>d HTTP/1.1\r\n\r\nnonsense\r\n\r\n");
        check(&tail, &tail);
    }
}

#[test]
fn what_is_no_request_line_is_replaced_once() {
    for line in [
        "hello",
        "GET /",
        "GET / HTTP/0.9",
        "GET / HTTP/2.0",
        "PRI * HTTP/2.0",
        "GET  HTTP/1.1",
        "GET / a HTTP/1.1",
        "G(T / HTTP/1.1",
        "GET /\u{7f} HTTP/1.1",
        "GET /\u{1} HTTP/1.1",
        "\u{16}\u{3}\u{1}",
        "GET http:// HTTP/1.1",
    ] {
        check(&format!("{line}\r\n\r\nGET /after HTTP/1.1\r\n\r\n"), &refused(MALFORMED));
        check(&format!("GET /a HTTP/1.1\r\n\r\n{line}\r\n\r\n"), &format!("GET /a HTTP/1.1\r\n\r\n{}", refused(MALFORMED)));
    }
    let mut bytes = b"GET /\xff HTTP/1.1\r\n\r\n".to_vec();
    assert_eq!(in_pieces(&bytes, 4), refused(MALFORMED).as_bytes());
    bytes.truncate(6);
    assert_eq!(in_pieces(&bytes, 4), bytes, "a line without end stays as it is");
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(300));
    check(&long, &refused(TOO_LONG));
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (near, mut far) = tokio::io::duplex(1024);
    let mut wire = Wire::new(near, 200, Duration::from_millis(20));
    let error = wire.write_all(&[0; 4096]).await.expect_err("nobody reads");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);

    wire.stalled = None;
    wire.send_timeout = Duration::from_secs(3600);
    let reader = tokio::spawn(async move {
        let mut all = vec![0; 1024 + 200_000];
        far.read_exact(&mut all).await.expect("reads");
    });
    wire.write_all(&vec![0; 200_000]).await.expect("somebody reads");
    reader.await.expect("all was read");
}
