//! `Server-Timing`: how long each stage of a request took, in milliseconds.
//!
//! Source of the names and their order: PostgREST 16, "Server-Timing Header".

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long the token took, told by whoever verified it, as an extension of the request. Without it, no time is said for it.
#[derive(Debug, Clone, Copy)]
pub struct TokenTime(pub Duration);

/// When stages ended.
#[derive(Debug)]
pub(crate) struct Timing {
    began: Instant,
    /// Nanoseconds after the beginning; 0: not yet.
    ended: [AtomicU64; 3],
}

/// A stage that ends with a moment of its own; the response ends with the answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stage {
    Parse,
    Plan,
    Transaction,
}

impl Timing {
    #[allow(clippy::disallowed_methods)] // monotonic time that passed
    pub(crate) fn begin() -> Self {
        Self { began: Instant::now(), ended: Default::default() }
    }

    /// A stage has ended. Of one that ends again, e.g. because the schema changed, the last end counts.
    #[allow(clippy::disallowed_methods)] // monotonic time that passed
    pub(crate) fn ended(&self, stage: Stage) {
        let passed = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let [parse, plan, transaction] = &self.ended;
        let slot = match stage {
            Stage::Parse => parse,
            Stage::Plan => plan,
            Stage::Transaction => transaction,
        };
        slot.store(passed, Ordering::Relaxed);
    }

    /// The header's value, now that the response is made. A stage that was never reached took no time.
    #[allow(clippy::disallowed_methods)] // monotonic time that passed
    pub(crate) fn header(&self, token: Option<TokenTime>) -> String {
        let all = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.header_at(all, token)
    }

    fn header_at(&self, all: u64, token: Option<TokenTime>) -> String {
        let mut out = String::with_capacity(96);
        if let Some(TokenTime(took)) = token {
            say("jwt", u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), &mut out);
        }
        let mut before = 0;
        for (name, slot) in ["parse", "plan", "transaction"].into_iter().zip(&self.ended) {
            let end = slot.load(Ordering::Relaxed).max(before);
            say(name, end - before, &mut out);
            before = end;
        }
        say("response", all.saturating_sub(before), &mut out);
        out
    }
}

#[allow(clippy::cast_precision_loss)] // shown with one digit
fn say(name: &str, nanos: u64, out: &mut String) {
    use std::fmt::Write;
    if !out.is_empty() {
        out.push_str(", ");
    }
    let _ = write!(out, "{name};dur={:.1}", nanos as f64 / 1e6);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_follow_each_other() {
        let timing = Timing::begin();
        for (slot, at) in timing.ended.iter().zip([1_200_000, 2_000_000, 0]) {
            slot.store(at, Ordering::Relaxed);
        }
        let token = Some(TokenTime(Duration::from_micros(400)));
        let expected = "jwt;dur=0.4, parse;dur=1.2, plan;dur=0.8, transaction;dur=0.0, response;dur=1.5";
        assert_eq!(timing.header_at(3_500_000, token), expected);
    }
}
