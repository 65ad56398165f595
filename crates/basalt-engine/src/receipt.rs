//! Receipts: a request with a key of its caller's runs once. Its answer is kept in the transaction that it ran in, so there is never a
//! write without its receipt, nor a receipt without its write; whoever repeats the request is answered from there.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::{Answer, RunError};

/// The answer to a request, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Names and values, in order.
    pub headers: Vec<(String, String)>,
    /// The body; `None`: it was longer than [`Claim::max_body_bytes`] and is not kept.
    pub body: Option<Bytes>,
}

/// Makes the answer of a batch's steps. As pure as [`crate::batch::Fill`]: a transaction may have to be repeated.
pub type Render = Arc<dyn Fn(&[Answer]) -> Result<Reply, RunError> + Send + Sync>;

/// What a request is known by.
#[derive(Clone)]
pub struct Claim {
    /// Digest of the caller and the caller's key: the receipt's own name.
    pub id: [u8; 32],
    /// Digest of the caller.
    pub subject: [u8; 32],
    /// Digest of the request.
    pub request: [u8; 32],
    /// How long the receipt counts.
    pub lifetime: Duration,
    /// Longest body that is kept, bytes.
    pub max_body_bytes: usize,
    /// Most receipts of one caller; `None`: any number.
    pub most: Option<u64>,
    /// Makes the answer that is kept.
    pub render: Render,
}

/// How a request with a key ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// It ran: its answer, whole.
    Ran(Reply),
    /// It had run before: the answer that was kept.
    Known(Reply),
}

impl Claim {
    /// A number for the key, for locks.
    pub fn lock(&self) -> i64 {
        let (first, _) = self.id.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
        i64::from_be_bytes(*first)
    }

    /// The body as it is kept of an answer.
    pub fn kept_body<'r>(&self, reply: &'r Reply) -> Option<&'r [u8]> {
        reply.body.as_deref().filter(|body| body.len() <= self.max_body_bytes)
    }

    /// A receipt that was found, for this request.
    ///
    /// # Errors
    /// [`RunError::KeyOfAnother`] when it is of another request.
    pub fn found(&self, request: &[u8], reply: Reply) -> Result<Reply, RunError> {
        if request == self.request { Ok(reply) } else { Err(RunError::KeyOfAnother) }
    }
}

impl Reply {
    /// The headers as they are kept: a JSON array of pairs.
    pub fn headers_text(&self) -> String {
        serde_json::json!(self.headers).to_string()
    }

    /// From what was kept. Headers that cannot be read are left out.
    pub fn of(status: i64, headers: &str, body: Option<Vec<u8>>) -> Self {
        let status = u16::try_from(status).unwrap_or(500);
        Self { status, headers: serde_json::from_str(headers).unwrap_or_default(), body: body.map(Bytes::from) }
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Digests of keys are nobody's business.
        f.debug_struct("Claim").field("lifetime", &self.lifetime).field("most", &self.most).finish_non_exhaustive()
    }
}
