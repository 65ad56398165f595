//! A connection for the common request: messages of the extended protocol, sent together, ended by one Sync.
//!
//! What is sent between two Syncs is one transaction (PostgreSQL documentation, "Message Flow", "Pipelining"), so neither BEGIN nor
//! COMMIT is needed, PostgreSQL answers once, and the task that asks reads the answer itself. A general driver sends a Sync with each
//! statement and answers through a task of its own: several times the work for a row by its key.

mod connect;
mod frame;

use basalt_types::{SqlError, SqlState};
use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::error;
pub(crate) use connect::{cancel, is_plain};
pub(crate) use frame::Fields;

/// A socket, or TLS over one.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// What the buffers have room for at first; bytes.
const BUFFER: usize = 8 << 10;

/// One connection. Every future of it may be dropped: what was not sent stays to be sent, what did not come stays awaited.
pub(crate) struct Wire {
    stream: Box<dyn Stream>,
    input: BytesMut,
    output: BytesMut,
    /// Process and secret, for cancelling.
    key: (i32, i32),
    /// Syncs whose answer has not come.
    awaited: usize,
    /// Parse messages carried out since [`Wire::take_parsed`].
    parsed: usize,
    is_closed: bool,
}

impl Wire {
    fn over(stream: Box<dyn Stream>) -> Self {
        let (input, output) = (BytesMut::with_capacity(BUFFER), BytesMut::with_capacity(BUFFER));
        Self { stream, input, output, key: (0, 0), awaited: 0, parsed: 0, is_closed: false }
    }

    /// Whether it is of no use any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// What [`cancel`] needs.
    pub(crate) fn key(&self) -> (i32, i32) {
        self.key
    }

    /// Whether an answer is still to come.
    pub(crate) fn is_busy(&self) -> bool {
        self.awaited > 0 || !self.output.is_empty()
    }

    /// Looks, without waiting, whether the server has closed a connection that rested.
    pub(crate) fn look(&mut self) {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let mut room = [0; 512];
        let mut buffer = tokio::io::ReadBuf::new(&mut room);
        if let std::task::Poll::Ready(read) = std::pin::Pin::new(&mut self.stream).poll_read(&mut context, &mut buffer) {
            self.input.extend_from_slice(buffer.filled());
            self.is_closed |= read.is_err() || buffer.filled().is_empty();
            while let Some(frame) = frame::take(&mut self.input) {
                // A server that goes away says so first.
                self.is_closed |= frame.map_or(true, |f| f.tag == b'E');
            }
        }
    }

    /// Makes a named statement (or, with an empty name, one until the next) of a text; `types` are those of its parameters.
    pub(crate) fn parse(&mut self, name: &str, sql: &str, types: impl ExactSizeIterator<Item = u32>) {
        frame::message(&mut self.output, b'P', |out| {
            frame::string(out, name);
            frame::string(out, sql);
            out.put_u16(u16::try_from(types.len()).unwrap_or(0));
            types.for_each(|ty| out.put_u32(ty));
        });
    }

    /// Binds texts to a statement and runs it.
    pub(crate) fn execute<'a>(&mut self, name: &str, values: impl ExactSizeIterator<Item = Option<&'a str>>) {
        frame::message(&mut self.output, b'B', |out| {
            frame::string(out, "");
            frame::string(out, name);
            // All parameters are in text form, and so are all results.
            out.put_u16(0);
            out.put_u16(u16::try_from(values.len()).unwrap_or(0));
            for value in values {
                match value {
                    None => out.put_i32(-1),
                    Some(text) => {
                        out.put_i32(i32::try_from(text.len()).unwrap_or(i32::MAX));
                        out.put_slice(text.as_bytes());
                    }
                }
            }
            out.put_u16(0);
        });
        frame::message(&mut self.output, b'E', |out| {
            frame::string(out, "");
            out.put_u32(0);
        });
    }

    /// Forgets a named statement.
    pub(crate) fn close(&mut self, name: &str) {
        frame::message(&mut self.output, b'C', |out| {
            out.put_u8(b'S');
            frame::string(out, name);
        });
    }

    /// Ends the transaction of what was put together so far.
    pub(crate) fn sync(&mut self) {
        frame::message(&mut self.output, b'S', |_| {});
        self.awaited += 1;
    }

    /// A text with statements, as a transaction of its own.
    pub(crate) fn simple(&mut self, sql: &str) {
        frame::message(&mut self.output, b'Q', |out| frame::string(out, sql));
        self.awaited += 1;
    }

    /// How many Parse messages were carried out since the last question.
    pub(crate) fn take_parsed(&mut self) -> usize {
        std::mem::take(&mut self.parsed)
    }

    /// Sends what was put together and reads until every answer has come; the last row, of whichever statement. A row of more than `most` bytes ends the connection.
    ///
    /// # Errors
    /// The first that the server reported; 08B06 for a lost connection; 54000 for a row that is too long.
    pub(crate) async fn finish(&mut self, most: usize) -> Result<Option<Bytes>, SqlError> {
        let result = self.exchange(most).await;
        if let Err(Failure::Lost(failed)) = &result {
            self.is_closed = true;
            tracing::warn!(error = %failed, "the connection to PostgreSQL failed");
        }
        match result {
            Ok((row, None)) => Ok(row),
            Ok((_, Some(error))) => Err(error),
            Err(Failure::Lost(_)) => Err(error::lost()),
            Err(Failure::TooLong) => {
                self.is_closed = true;
                Err(SqlError::new(SqlState::PROGRAM_LIMIT, "the response is too long"))
            }
        }
    }

    async fn exchange(&mut self, most: usize) -> Result<(Option<Bytes>, Option<SqlError>), Failure> {
        while !self.output.is_empty() {
            if self.stream.write_buf(&mut self.output).await? == 0 {
                return Err(Failure::Lost(std::io::ErrorKind::WriteZero.into()));
            }
        }
        self.stream.flush().await?;
        let (mut row, mut first) = (None, None);
        while self.awaited > 0 {
            let frame = self.frame(most).await?;
            match frame.tag {
                b'D' => row = Some(frame.body),
                b'1' => self.parsed += 1,
                b'E' => {
                    let error = frame::error(&frame.body);
                    // After this one PostgreSQL closes the connection.
                    self.is_closed |= error::is_lost(&error);
                    first.get_or_insert(error);
                }
                b'Z' => self.awaited -= 1,
                // CopyIn, CopyOut, CopyBoth: nothing of ours copies.
                b'G' | b'H' | b'W' => return Err(Failure::Lost(std::io::ErrorKind::InvalidData.into())),
                _ => {}
            }
        }
        Ok((row, first))
    }

    async fn frame(&mut self, most: usize) -> Result<frame::Frame, Failure> {
        loop {
            if let Some(frame) = frame::take(&mut self.input) {
                return frame.map_err(Failure::Lost);
            }
            if frame::announced(&self.input) > most.saturating_add(BUFFER) {
                return Err(Failure::TooLong);
            }
            if self.input.capacity() - self.input.len() < BUFFER / 4 {
                self.input.reserve(frame::announced(&self.input).max(BUFFER));
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(Failure::Lost(std::io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}

enum Failure {
    Lost(std::io::Error),
    TooLong,
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Lost(error)
    }
}
