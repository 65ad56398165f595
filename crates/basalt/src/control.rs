//! How commands reach a running server: a Unix socket in `.basalt/`, which only the project's owner can enter. One line asks, the
//! answer ends with the connection; it begins with `ok` or `error`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest question, bytes.
const LONGEST_QUESTION: u64 = 4096;

fn path(state: &Path) -> PathBuf {
    state.join("control.sock")
}

/// Asks the running server. `None`: none runs.
///
/// # Errors
/// The server's, as text.
#[cfg(unix)]
pub fn ask(state: &Path, question: &str) -> Result<Option<String>, crate::Failure> {
    use std::io::{Read as _, Write as _};
    let mut stream = match std::os::unix::net::UnixStream::connect(path(state)) {
        Ok(stream) => stream,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    writeln!(stream, "{question}")?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once('\n') {
        Some(("ok", text)) => Ok(Some(text.to_owned())),
        Some(("error", text)) => Err(text.to_owned().into()),
        _ => Err("the server did not answer".into()),
    }
}

/// Without Unix sockets commands need the lock.
#[cfg(not(unix))]
pub fn ask(_: &Path, _: &str) -> Result<Option<String>, crate::Failure> {
    Ok(None)
}

/// Answers questions until the task is dropped. `answer` runs on a thread of its own: it may wait.
///
/// # Errors
/// When the socket cannot be made.
#[cfg(unix)]
pub fn listen(
    state: &Path,
    answer: impl Fn(&str) -> Result<String, String> + Send + Sync + 'static,
) -> io::Result<tokio::task::JoinHandle<()>> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let path = path(state);
    // The lock is ours: a socket that is still there is of a server that was killed.
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let listener = tokio::net::UnixListener::bind(&path)?;
    let answer = Arc::new(answer);
    Ok(tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let (read, mut write) = stream.into_split();
                let mut question = String::new();
                if read.take(LONGEST_QUESTION).read_to_string(&mut question).await.is_err() {
                    return;
                }
                let result = tokio::task::spawn_blocking(move || answer(question.trim())).await;
                let text = match result {
                    Ok(Ok(text)) => format!("ok\n{text}"),
                    Ok(Err(text)) => format!("error\n{text}"),
                    Err(_) => "error\nthe command failed inside the server".to_owned(),
                };
                let _ = write.write_all(text.as_bytes()).await;
            });
        }
    }))
}
